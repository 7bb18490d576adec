package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// The widest tiles of the query kernels.
const (
	gemm512Wide   = 6  // columns at 64 queries: 24 accumulators, 4 vectors of psi, a broadcast
	gemm512Narrow = 24 // columns at 16 queries: the broadcast is an operand
)

// gemv512Tiles are the widest tiles of gemv for each number of queries at a time.
var gemv512Tiles = []struct{ queries, vectors int }{{1, 8}, {2, 8}, {4, 5}}

// tails of gemv: none, one column, several.
var tails = []string{"", "One", "Some"}

func query512() {
	runs(func() VecVirtual { return ZMM() }, "AVX512", 16)
	tables.Field("runs", "runsAVX512", sets512...)
	for _, lanes := range []int{16, 64} {
		products(func() VecVirtual { return ZMM() }, "AVX512", 16, lanes)
	}
	for _, driver := range []struct{ field, name string }{
		{"products", "products512"}, {"gemv", "gemv512"}, {"gemv16", "gemv16x512"}, {"gemm", "gemm512"},
	} {
		tables.Field(driver.field, driver.name, sets512...)
	}
	for _, tile := range gemv512Tiles {
		for nv := 0; nv <= tile.vectors; nv++ {
			for tail := range tails {
				if nv+tail > 0 {
					gemv512(tile.queries, nv, tail, false)
				}
				if nv > 0 && tile.queries <= shortMost {
					gemv512(tile.queries, nv, tail, true)
				}
			}
		}
	}
	for w := 1; w <= gemm512Wide; w++ {
		name := fmt.Sprintf("gemmAVX512x%d", w)
		gemm512(name, 4, w, false)
		tables.List("gemms512", "gemm512Func", w, name)
	}
	gemm512("gemmAVX512First", 4, gemm512Wide, true)
	for w := 1; w <= gemm512Narrow; w++ {
		name := fmt.Sprintf("gemmAVX512One%d", w)
		gemm512(name, 1, w, false)
		tables.List("gemms512One", "gemm512Func", w, name)
	}
	gemm512("gemmAVX512OneFirst", 1, gemm512Narrow, true)
}

// runs makes the children of prefixes, a vector at a time, each vector over the end of the one
// before.
func runs(vec func() VecVirtual, set string, width int) {
	TEXT("runs"+set, NOSPLIT, "func(dst *float32, f *float32, gt *float32, nodes *int32, count int, dim int)")
	doc("runs%s is runsGeneric.", set)
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
	doc("%s is productsGeneric for %d queries.", name, lanes)
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

// gemv512 keeps nv vectors of columns, and those of the tail, of nq queries in registers; body is
// f32 or, if short, int16.
func gemv512(nq, nv, tail int, short bool) {
	name := fmt.Sprintf("gemvAVX512q%dx%d%s", nq, nv, tails[tail])
	kind, element := "", "float32"
	if short {
		name, kind, element = fmt.Sprintf("gemv16AVX512q%dx%d%s", nq, nv, tails[tail]), " of int16", "int16"
		tables.Row(fmt.Sprintf("gemv16s512q%d", nq), "gemv512Func[int16]", len(tails), nv, tail, name)
	} else {
		tables.Row(fmt.Sprintf("gemvs512q%d", nq), "gemv512Func[float32]", len(tails), nv, tail, name)
	}
	TEXT(name, NOSPLIT, "func(out *float32, psi *float32, body *"+element+", rest *float32, "+
		"rows int, stride int, step int, mask uint64, last *float32, outs int, psis int)")
	doc("%s is gemvGeneric for %d queries, whose rows of psi and out are psis and outs bytes apart, "+
		"%d vectors of body%s, whose rows are stride bytes apart, and the columns of mask of rest, "+
		"whose rows are step bytes apart and whose sums are at last.", name, nq, nv, kind)
	out, psi, rows := Load(Param("out"), GP64()), Load(Param("psi"), GP64()), Load(Param("rows"), GP64())
	body, stride := Load(Param("body"), GP64()), Load(Param("stride"), GP64())
	outs, psis, at := Load(Param("outs"), GP64()), Load(Param("psis"), GP64()), GP64()
	acc, end, p := make([][]VecVirtual, nq), make([]VecVirtual, nq), make([]VecVirtual, nq)
	// each calls work for every query, with its row at the register at.
	each := func(base Register, work func(q int)) {
		MOVQ(base, at)
		for q := range nq {
			work(q)
			if q < nq-1 {
				ADDQ(outs, at)
			}
		}
	}
	each(out, func(q int) {
		for i := range nv {
			acc[q] = append(acc[q], ZMM())
			VMOVUPS(Mem{Base: at, Disp: 64 * i}, acc[q][i])
		}
	})
	var rest, step, last Register
	k, t := K(), ZMM()
	if tail > 0 {
		rest, step, last = Load(Param("rest"), GP64()), Load(Param("step"), GP64()), Load(Param("last"), GP64())
	}
	switch tail {
	case 1:
		each(last, func(q int) {
			end[q] = ZMM()
			VMOVSS(Mem{Base: at}, end[q].AsX())
		})
	case 2:
		KMOVQ(NewParamAddr("mask", 56), k)
		each(last, func(q int) {
			end[q] = ZMM()
			VMOVUPS_Z(Mem{Base: at}, k, end[q])
		})
	}
	// Rows of psi: 0, 1, 2 and 3 times psis beyond the first.
	three := GP64()
	if nq == 4 {
		LEAQ(Mem{Base: psis, Index: psis, Scale: 2}, three)
	}
	row := []Mem{
		{Base: psi}, {Base: psi, Index: psis, Scale: 1},
		{Base: psi, Index: psis, Scale: 2}, {Base: psi, Index: three, Scale: 1},
	}
	Label("loop")
	for q := range nq {
		p[q] = ZMM()
		VBROADCASTSS(row[q], p[q])
	}
	for i := range nv {
		s := Op(Mem{Base: body, Disp: 64 * i})
		switch {
		case short:
			VPMOVSXWD(Mem{Base: body, Disp: 32 * i}, t)
			VCVTDQ2PS(t, t)
			s = t
		case nq > 1:
			VMOVUPS(s, t)
			s = t
		}
		for q := range nq {
			VFMADD231PS(s, p[q], acc[q][i])
		}
	}
	switch tail {
	case 1:
		for q := range nq {
			VFMADD231SS(Mem{Base: rest}, p[q].AsX(), end[q].AsX())
		}
	case 2:
		for q := range nq {
			VFMADD231PS(Mem{Base: rest}, p[q], k, end[q])
		}
	}
	ADDQ(Imm(4), psi)
	ADDQ(stride, body)
	if tail > 0 {
		ADDQ(step, rest)
	}
	DECQ(rows)
	JNZ(LabelRef("loop"))
	each(out, func(q int) {
		for i, a := range acc[q] {
			VMOVUPS(a, Mem{Base: at, Disp: 64 * i})
		}
	})
	switch tail {
	case 1:
		each(last, func(q int) { VMOVSS(end[q].AsX(), Mem{Base: at}) })
	case 2:
		each(last, func(q int) { VMOVUPS(end[q], k, Mem{Base: at}) })
	}
	VZEROUPPER()
	RET()
}

const gemmArgs = "out *float32, psi *float32, state *float32, last *float32, " +
	"rows int, stride int, step int, ahead uintptr"

// column is where a tile of w columns finds column c: all but the last lie side by side.
func column(c, w int, state, last Register) Mem {
	if c == w-1 {
		return Mem{Base: last}
	}
	return Mem{Base: state, Disp: 4 * c}
}

// gemm512 takes 16*nv queries and tiles of w columns. The first tile of a chunk makes psi, which
// costs it the products alone: its stores hide behind the sums.
func gemm512(name string, nv, w int, first bool) {
	more := ", tiles int"
	if first {
		more = ", factors *int32, f *float32, gt *float32"
	}
	TEXT(name, NOSPLIT, "func("+gemmArgs+more+")")
	psiDoc := "psi is there, and tiles lie side by side."
	if first {
		psiDoc = "It makes psi for one tile."
	}
	doc("%s is gemmGeneric for tiles of %d columns and %d queries; the last column of a tile is at last, "+
		"whose rows are step bytes apart. It fetches a line from ahead on for each row. %s", name, w, 16*nv, psiDoc)
	out, psi, state := Load(Param("out"), GP64()), Load(Param("psi"), GP64()), Load(Param("state"), GP64())
	last, step, ahead := Load(Param("last"), GP64()), Load(Param("step"), GP64()), Load(Param("ahead"), GP64())
	stride := Load(Param("stride"), GP64())
	var tiles, factors, f, g, a, b Register
	rows, at, column0, column1 := GP64(), psi, state, last
	if first {
		factors, f, g = Load(Param("factors"), GP64()), Load(Param("f"), GP64()), Load(Param("gt"), GP64())
		a, b = GP64(), GP64()
	} else {
		tiles, at, column0, column1 = Load(Param("tiles"), GP64()), GP64(), GP64(), GP64()
	}
	acc := make([]VecVirtual, nv*w)
	p := make([]VecVirtual, nv)
	for i := range p {
		p[i] = ZMM()
	}
	s := ZMM()
	Label("tile")
	for i := range acc {
		acc[i] = ZMM()
		VMOVUPS(Mem{Base: out, Disp: 64 * i}, acc[i])
	}
	Load(Param("rows"), rows)
	if !first {
		MOVQ(psi, at)
		MOVQ(state, column0)
		MOVQ(last, column1)
	}
	Label("loop")
	if first {
		MOVLQSX(Mem{Base: factors}, a)
		MOVLQSX(Mem{Base: factors, Disp: 4}, b)
		shift := map[int]uint64{1: 6, 4: 8}[nv]
		SHLQ(Imm(shift), a)
		SHLQ(Imm(shift), b)
		ADDQ(Imm(8), factors)
	}
	for i := range p {
		if first {
			VMOVUPS(Mem{Base: f, Index: a, Scale: 1, Disp: 64 * i}, p[i])
			VMULPS(Mem{Base: g, Index: b, Scale: 1, Disp: 64 * i}, p[i], p[i])
			VMOVUPS(p[i], Mem{Base: at, Disp: 64 * i})
		} else {
			VMOVUPS(Mem{Base: at, Disp: 64 * i}, p[i])
		}
	}
	for c := range w {
		if nv == 1 {
			VFMADD231PS_BCST(column(c, w, column0, column1), p[0], acc[c])
			continue
		}
		VBROADCASTSS(column(c, w, column0, column1), s)
		for i := range p {
			VFMADD231PS(s, p[i], acc[nv*c+i])
		}
	}
	PREFETCHT0(Mem{Base: ahead})
	ADDQ(Imm(64), ahead)
	ADDQ(U32(uint32(64*nv)), at)
	ADDQ(stride, column0)
	ADDQ(step, column1)
	DECQ(rows)
	JNZ(LabelRef("loop"))
	for i := range acc {
		VMOVUPS(acc[i], Mem{Base: out, Disp: 64 * i})
	}
	if !first {
		ADDQ(U32(uint32(64*nv*w)), out)
		ADDQ(Imm(uint64(4*w)), state)
		ADDQ(Imm(uint64(4*w)), last)
		DECQ(tiles)
		JNZ(LabelRef("tile"))
	}
	VZEROUPPER()
	RET()
}
