package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// The widest tiles of the query kernels.
const (
	gemv256Pairs = 5 // of vectors
	gemm256Cols  = 6 // at 16 queries: 12 accumulators, 2 vectors of psi, a broadcast
)

func query256() {
	runs(func() VecVirtual { return YMM() }, "AVX2", 8)
	tables.Field("runs", "runsAVX2", sets256...)
	for _, lanes := range []int{16, 64} {
		products(func() VecVirtual { return YMM() }, "AVX2", 8, lanes)
	}
	for _, driver := range []struct{ field, name string }{
		{"products", "products256"}, {"gemv", "gemv256"}, {"gemv16", "gemv16x256"}, {"gemm", "gemm256"},
	} {
		tables.Field(driver.field, driver.name, sets256...)
	}
	for nv := 0; nv <= gemv256Pairs; nv++ {
		for tail := range tails {
			if nv+tail > 0 {
				gemv256(nv, tail, false)
			}
			if nv > 0 {
				gemv256(nv, tail, true)
			}
		}
	}
	for w := 1; w <= gemm256Cols; w++ {
		gemm256(w)
	}
}

// gemv256 keeps 2*nv vectors of columns, and those of the tail, in registers; body is f32 or, if
// short, int16.
func gemv256(nv, tail int, short bool) {
	name := fmt.Sprintf("gemvAVX2x%d%s", nv, tails[tail])
	kind, element := "", "float32"
	if short {
		name, kind, element = fmt.Sprintf("gemv16AVX2x%d%s", nv, tails[tail]), " of int16", "int16"
		tables.Row("gemv16s256", "gemv256Func[int16]", len(tails), nv, tail, name)
	} else {
		tables.Row("gemvs256", "gemv256Func[float32]", len(tails), nv, tail, name)
	}
	TEXT(name, NOSPLIT, "func(out *float32, psi *float32, body *"+element+", rest *float32, "+
		"rows int, stride int, step int, mask *[16]uint32, last *float32)")
	doc("%s is gemvGeneric for one query, %d pairs of vectors of body%s, whose rows are stride bytes apart, "+
		"and the columns of mask of rest, whose rows are step bytes apart and whose sums are at last.", name, nv, kind)
	out, psi, rows := Load(Param("out"), GP64()), Load(Param("psi"), GP64()), Load(Param("rows"), GP64())
	body, stride := Load(Param("body"), GP64()), Load(Param("stride"), GP64())
	var acc []VecVirtual
	for i := range 2 * nv {
		acc = append(acc, YMM())
		VMOVUPS(Mem{Base: out, Disp: 32 * i}, acc[i])
	}
	var rest, step, last Register
	var masks, end [2]VecVirtual
	p, t := YMM(), YMM()
	if tail > 0 {
		rest, step, last = Load(Param("rest"), GP64()), Load(Param("step"), GP64()), Load(Param("last"), GP64())
		end[0] = YMM()
	}
	switch tail {
	case 1:
		VMOVSS(Mem{Base: last}, end[0].AsX())
	case 2:
		mask := Load(Param("mask"), GP64())
		end[1] = YMM()
		for i := range masks {
			masks[i] = YMM()
			VMOVUPS(Mem{Base: mask, Disp: 32 * i}, masks[i])
			VMASKMOVPS(Mem{Base: last, Disp: 32 * i}, masks[i], end[i])
		}
	}
	Label("loop")
	VBROADCASTSS(Mem{Base: psi}, p)
	for i, a := range acc {
		if short {
			VPMOVSXWD(Mem{Base: body, Disp: 16 * i}, t)
			VCVTDQ2PS(t, t)
			VFMADD231PS(t, p, a)
			continue
		}
		VFMADD231PS(Mem{Base: body, Disp: 32 * i}, p, a)
	}
	switch tail {
	case 1:
		VFMADD231SS(Mem{Base: rest}, p.AsX(), end[0].AsX())
	case 2:
		for i := range masks {
			VMASKMOVPS(Mem{Base: rest, Disp: 32 * i}, masks[i], t)
			VFMADD231PS(t, p, end[i])
		}
	}
	ADDQ(Imm(4), psi)
	ADDQ(stride, body)
	if tail > 0 {
		ADDQ(step, rest)
	}
	DECQ(rows)
	JNZ(LabelRef("loop"))
	for i, a := range acc {
		VMOVUPS(a, Mem{Base: out, Disp: 32 * i})
	}
	switch tail {
	case 1:
		VMOVSS(end[0].AsX(), Mem{Base: last})
	case 2:
		for i := range masks {
			VMASKMOVPS(end[i], masks[i], Mem{Base: last, Disp: 32 * i})
		}
	}
	VZEROUPPER()
	RET()
}

// gemm256 takes 16 queries and w columns; queries' rows in psi and out are lanes bytes apart.
func gemm256(w int) {
	name := fmt.Sprintf("gemmAVX2x%d", w)
	tables.List("gemms256", "gemmTile", w, name)
	TEXT(name, NOSPLIT, "func(out *float32, psi *float32, state *float32, rows int, stride int, lanes int)")
	doc("%s is gemmGeneric for %d columns and 16 queries; rows of psi and out are lanes bytes apart.", name, w)
	out, psi, state := Load(Param("out"), GP64()), Load(Param("psi"), GP64()), Load(Param("state"), GP64())
	rows, stride, lanes := Load(Param("rows"), GP64()), Load(Param("stride"), GP64()), Load(Param("lanes"), GP64())
	at := GP64()
	acc := make([]VecVirtual, 2*w)
	MOVQ(out, at)
	for i := range acc {
		acc[i] = YMM()
		VMOVUPS(Mem{Base: at, Disp: 32 * (i % 2)}, acc[i])
		if i%2 == 1 {
			ADDQ(lanes, at)
		}
	}
	p0, p1, s := YMM(), YMM(), YMM()
	Label("loop")
	VMOVUPS(Mem{Base: psi}, p0)
	VMOVUPS(Mem{Base: psi, Disp: 32}, p1)
	for c := range w {
		VBROADCASTSS(Mem{Base: state, Disp: 4 * c}, s)
		VFMADD231PS(s, p0, acc[2*c])
		VFMADD231PS(s, p1, acc[2*c+1])
	}
	ADDQ(lanes, psi)
	ADDQ(stride, state)
	DECQ(rows)
	JNZ(LabelRef("loop"))
	MOVQ(out, at)
	for i := range acc {
		VMOVUPS(acc[i], Mem{Base: at, Disp: 32 * (i % 2)})
		if i%2 == 1 {
			ADDQ(lanes, at)
		}
	}
	VZEROUPPER()
	RET()
}
