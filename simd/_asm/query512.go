package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// The widest tiles of the query kernels.
const (
	gemv512Vectors = 8
	gemm512Wide    = 6  // columns at 64 queries: 24 accumulators, 4 vectors of psi, a broadcast
	gemm512Narrow  = 24 // columns at 16 queries: the broadcast is an operand
)

// tails of gemv: none, one column, several.
var tails = []string{"", "One", "Some"}

func query512() {
	runs(func() VecVirtual { return ZMM() }, "AVX512", 16)
	for _, lanes := range []int{16, 64} {
		products(func() VecVirtual { return ZMM() }, "AVX512", 16, lanes)
	}
	for nv := 0; nv <= gemv512Vectors; nv++ {
		for tail := range tails {
			if nv+tail > 0 {
				gemv512(nv, tail)
			}
		}
	}
	for w := 1; w <= gemm512Wide; w++ {
		gemm512(w)
	}
	for w := 1; w <= gemm512Narrow; w++ {
		gemm512One(w)
	}
}

// runs makes the children of prefixes, a vector at a time, each vector over the end of the one before.
func runs(vec func() VecVirtual, set string, width int) {
	TEXT("runs"+set, NOSPLIT, "func(dst *float32, f *float32, gt *float32, nodes *int32, count int, dim int)")
	Doc("runs" + set + " is runsGeneric.")
	dst, f, g := Load(Param("dst"), GP64()), Load(Param("f"), GP64()), Load(Param("gt"), GP64())
	nodes, count, dim := Load(Param("nodes"), GP64()), Load(Param("count"), GP64()), Load(Param("dim"), GP64())
	last, run, left, from, to := GP64(), GP64(), GP64(), GP64(), GP64()
	a, v := vec(), vec()
	Label("node")
	MOVLQSX(Mem{Base: nodes, Disp: 4}, last)
	MOVLQSX(Mem{Base: nodes, Disp: 8}, run)
	VBROADCASTSS(Mem{Base: f}, a)
	LEAQ(Mem{Base: g, Index: last, Scale: 4}, from)
	MOVQ(dst, to)
	MOVQ(dim, left)
	SUBQ(last, left)
	Label("run")
	VMULPS(Mem{Base: from}, a, v)
	VMOVUPS(v, Mem{Base: to})
	ADDQ(U32(uint32(4*width)), from)
	ADDQ(U32(uint32(4*width)), to)
	SUBQ(U32(uint32(width)), left)
	JG(LabelRef("run"))
	IMULQ(dim, run)
	ADDQ(last, run)
	VMULSS(Mem{Base: g, Index: run, Scale: 4}, a.AsX(), v.AsX())
	VMOVSS(v.AsX(), Mem{Base: dst})
	MOVQ(dim, left)
	SUBQ(last, left)
	LEAQ(Mem{Base: dst, Index: left, Scale: 4}, dst)
	ADDQ(Imm(4), f)
	ADDQ(Imm(16), nodes)
	DECQ(count)
	JNZ(LabelRef("node"))
	VZEROUPPER()
	RET()
}

// products makes features of many queries that lie side by side.
func products(vec func() VecVirtual, set string, width, lanes int) {
	name := fmt.Sprintf("products%s%s%d", set, "x", lanes)
	TEXT(name, NOSPLIT, "func(dst *float32, factors *int32, count int, f *float32, gt *float32)")
	Doc(fmt.Sprintf("%s is productsGeneric for %d queries.", name, lanes))
	dst, factors, count := Load(Param("dst"), GP64()), Load(Param("factors"), GP64()), Load(Param("count"), GP64())
	f, g := Load(Param("f"), GP64()), Load(Param("gt"), GP64())
	a, b := GP64(), GP64()
	shift := map[int]uint64{16: 6, 64: 8}[lanes]
	Label("loop")
	MOVLQSX(Mem{Base: factors}, a)
	MOVLQSX(Mem{Base: factors, Disp: 4}, b)
	SHLQ(Imm(shift), a)
	SHLQ(Imm(shift), b)
	for i := 0; i < lanes; i += width {
		v := vec()
		VMOVUPS(Mem{Base: f, Index: a, Scale: 1, Disp: 4 * i}, v)
		VMULPS(Mem{Base: g, Index: b, Scale: 1, Disp: 4 * i}, v, v)
		VMOVUPS(v, Mem{Base: dst, Disp: 4 * i})
	}
	ADDQ(Imm(8), factors)
	ADDQ(U32(uint32(4*lanes)), dst)
	DECQ(count)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// gemv512 keeps nv vectors of columns, and those of the tail, in registers.
func gemv512(nv, tail int) {
	name := fmt.Sprintf("gemvAVX512x%d%s", nv, tails[tail])
	TEXT(name, NOSPLIT, "func(out *float32, psi *float32, body *float32, rest *float32, rows int, stride int, step int, mask uint64, last *float32)")
	Doc(fmt.Sprintf("%s is gemvGeneric for %d vectors of body, whose rows are stride bytes apart, and the columns of mask of rest, whose rows are step bytes apart and whose sums are at last.", name, nv))
	out, psi, rows := Load(Param("out"), GP64()), Load(Param("psi"), GP64()), Load(Param("rows"), GP64())
	body, stride := Load(Param("body"), GP64()), Load(Param("stride"), GP64())
	var acc []VecVirtual
	for i := range nv {
		acc = append(acc, ZMM())
		VMOVUPS(Mem{Base: out, Disp: 64 * i}, acc[i])
	}
	var rest, step, last Register
	k, end, p := K(), ZMM(), ZMM()
	if tail > 0 {
		rest, step, last = Load(Param("rest"), GP64()), Load(Param("step"), GP64()), Load(Param("last"), GP64())
	}
	switch tail {
	case 1:
		VMOVSS(Mem{Base: last}, end.AsX())
	case 2:
		KMOVQ(NewParamAddr("mask", 56), k)
		VMOVUPS_Z(Mem{Base: last}, k, end)
	}
	Label("loop")
	VBROADCASTSS(Mem{Base: psi}, p)
	for i, a := range acc {
		VFMADD231PS(Mem{Base: body, Disp: 64 * i}, p, a)
	}
	switch tail {
	case 1:
		VFMADD231SS(Mem{Base: rest}, p.AsX(), end.AsX())
	case 2:
		VFMADD231PS(Mem{Base: rest}, p, k, end)
	}
	ADDQ(Imm(4), psi)
	ADDQ(stride, body)
	if tail > 0 {
		ADDQ(step, rest)
	}
	DECQ(rows)
	JNZ(LabelRef("loop"))
	for i, a := range acc {
		VMOVUPS(a, Mem{Base: out, Disp: 64 * i})
	}
	switch tail {
	case 1:
		VMOVSS(end.AsX(), Mem{Base: last})
	case 2:
		VMOVUPS(end, k, Mem{Base: last})
	}
	VZEROUPPER()
	RET()
}

// gemm512 takes 64 queries and w columns.
func gemm512(w int) {
	name := fmt.Sprintf("gemmAVX512x%d", w)
	TEXT(name, NOSPLIT, "func(out *float32, psi *float32, state *float32, rows int, stride int)")
	Doc(fmt.Sprintf("%s is gemmGeneric for %d columns and 64 queries.", name, w))
	out, psi, state := Load(Param("out"), GP64()), Load(Param("psi"), GP64()), Load(Param("state"), GP64())
	rows, stride := Load(Param("rows"), GP64()), Load(Param("stride"), GP64())
	acc := make([]VecVirtual, 4*w)
	for i := range acc {
		acc[i] = ZMM()
		VMOVUPS(Mem{Base: out, Disp: 64 * i}, acc[i])
	}
	var p [4]VecVirtual
	for i := range p {
		p[i] = ZMM()
	}
	s := ZMM()
	Label("loop")
	for i := range p {
		VMOVUPS(Mem{Base: psi, Disp: 64 * i}, p[i])
	}
	for c := range w {
		VBROADCASTSS(Mem{Base: state, Disp: 4 * c}, s)
		for i := range p {
			VFMADD231PS(s, p[i], acc[4*c+i])
		}
	}
	ADDQ(U32(256), psi)
	ADDQ(stride, state)
	DECQ(rows)
	JNZ(LabelRef("loop"))
	for i := range acc {
		VMOVUPS(acc[i], Mem{Base: out, Disp: 64 * i})
	}
	VZEROUPPER()
	RET()
}

// gemm512One takes 16 queries and w columns.
func gemm512One(w int) {
	name := fmt.Sprintf("gemmAVX512One%d", w)
	TEXT(name, NOSPLIT, "func(out *float32, psi *float32, state *float32, rows int, stride int)")
	Doc(fmt.Sprintf("%s is gemmGeneric for %d columns and 16 queries.", name, w))
	out, psi, state := Load(Param("out"), GP64()), Load(Param("psi"), GP64()), Load(Param("state"), GP64())
	rows, stride := Load(Param("rows"), GP64()), Load(Param("stride"), GP64())
	acc := make([]VecVirtual, w)
	for i := range acc {
		acc[i] = ZMM()
		VMOVUPS(Mem{Base: out, Disp: 64 * i}, acc[i])
	}
	p := ZMM()
	Label("loop")
	VMOVUPS(Mem{Base: psi}, p)
	for c := range w {
		VFMADD231PS_BCST(Mem{Base: state, Disp: 4 * c}, p, acc[c])
	}
	ADDQ(Imm(64), psi)
	ADDQ(stride, state)
	DECQ(rows)
	JNZ(LabelRef("loop"))
	for i := range acc {
		VMOVUPS(acc[i], Mem{Base: out, Disp: 64 * i})
	}
	VZEROUPPER()
	RET()
}
