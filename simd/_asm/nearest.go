package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const nearestArgs = "func(best *int64, keys *int64, panel *int32, u *int16, pairs int, stride int)"

// rowsOf finds the rows of u, which are stride bytes apart: row r is at u plus a multiple of one of
// the odd multiples of stride.
func rowsOf(u Register, rows int) []Mem {
	stride := Load(Param("stride"), GP64())
	at, odd := []Mem{{Base: u}}, map[int]Register{1: stride}
	for r := 1; r < rows; r++ {
		scale := r & -r
		if odd[r/scale] == nil {
			next := GP64()
			LEAQ(Mem{Base: odd[r/scale-2], Index: stride, Scale: 2}, next)
			odd[r/scale] = next
		}
		at = append(at, Mem{Base: u, Index: odd[r/scale], Scale: uint8(scale)})
	}
	return at
}

// nearest512 sums as tile512 does. A word of the sums beside a zero is its multiple of 2^32, in the
// order of keys.
func nearest512(vnni bool) {
	name := "nearest" + suffix(vnni)
	TEXT(name, NOSPLIT, nearestArgs)
	doc("%s is nearestGeneric for %d rows.", name, cols512)
	tables.Field("nearest", name, setOf(vnni))
	best, keys := Load(Param("best"), GP64()), Load(Param("keys"), GP64())
	panel, u, pairs := Load(Param("panel"), GP64()), Load(Param("u"), GP64()), Load(Param("pairs"), GP64())
	rows := rowsOf(u, cols512)
	acc := make([]VecVirtual, 2*cols512)
	for i := range acc {
		acc[i] = ZMM()
		VPXORD(acc[i], acc[i], acc[i])
	}
	f0, f1, b, t := ZMM(), ZMM(), ZMM(), ZMM()
	Label("loop")
	VMOVDQU32(Mem{Base: panel}, f0)
	VMOVDQU32(Mem{Base: panel, Disp: 64}, f1)
	for r := range cols512 {
		VPBROADCASTD(rows[r], b)
		dot(vnni, b, f0, acc[2*r], t)
		dot(vnni, b, f1, acc[2*r+1], t)
	}
	ADDQ(U32(row), panel)
	ADDQ(Imm(4), u)
	DECQ(pairs)
	JNZ(LabelRef("loop"))
	zero, highest := f0, f1
	VPXORD(zero, zero, zero)
	for r := range cols512 {
		VMOVDQU64(Mem{Base: best, Disp: 64 * r}, highest)
		for half, a := range acc[2*r : 2*r+2] {
			VPUNPCKLDQ(a, zero, b)
			VPUNPCKHDQ(a, zero, a)
			VPADDQ(Mem{Base: keys, Disp: 128 * half}, b, b)
			VPADDQ(Mem{Base: keys, Disp: 128*half + 64}, a, a)
			VPMAXSQ(b, highest, highest)
			VPMAXSQ(a, highest, highest)
		}
		VMOVDQU64(highest, Mem{Base: best, Disp: 64 * r})
	}
	VZEROUPPER()
	RET()
}

// nearest256 takes the 32 centroids in two halves, as tile256 does the features.
func nearest256() {
	TEXT("nearestAVX2", NOSPLIT, nearestArgs)
	doc("nearestAVX2 is nearestGeneric for %d rows.", cols256)
	tables.Field("nearest", "nearestAVX2", sets256...)
	best, keys := Load(Param("best"), GP64()), Load(Param("keys"), GP64())
	pairs, panel, u := GP64(), GP64(), GP64()
	rows := rowsOf(u, cols256)
	for half := range 2 {
		Load(Param("pairs"), pairs)
		Load(Param("panel"), panel)
		Load(Param("u"), u)
		acc := make([]VecVirtual, 2*cols256)
		for i := range acc {
			acc[i] = YMM()
			VPXOR(acc[i], acc[i], acc[i])
		}
		f0, f1, b, t := YMM(), YMM(), YMM(), YMM()
		loop := []string{"first", "second"}[half]
		Label(loop)
		VMOVDQU(Mem{Base: panel, Disp: 64 * half}, f0)
		VMOVDQU(Mem{Base: panel, Disp: 64*half + 32}, f1)
		for r := range cols256 {
			VPBROADCASTD(rows[r], b)
			VPMADDWD(b, f0, t)
			VPADDD(t, acc[2*r], acc[2*r])
			VPMADDWD(b, f1, b)
			VPADDD(b, acc[2*r+1], acc[2*r+1])
		}
		ADDQ(U32(row), panel)
		ADDQ(Imm(4), u)
		DECQ(pairs)
		JNZ(LabelRef(loop))
		zero, key, highest, higher := f0, f1, b, t
		VPXOR(zero, zero, zero)
		for i, a := range acc {
			at := Mem{Base: best, Disp: 64*(i/2) + 32*(i%2)}
			VMOVDQU(at, highest)
			for high := range 2 {
				if high == 0 {
					VPUNPCKLDQ(a, zero, key)
				} else {
					VPUNPCKHDQ(a, zero, key)
				}
				VPADDQ(Mem{Base: keys, Disp: 128*half + 64*high + 32*(i%2)}, key, key)
				VPCMPGTQ(highest, key, higher)
				VPBLENDVB(higher, key, highest, highest)
			}
			VMOVDQU(highest, at)
		}
	}
	VZEROUPPER()
	RET()
}
