package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// cols512 is the widest tile: 2*13 accumulators, two vectors of features, a broadcast and a product
// make 30 of 32 registers.
const cols512 = 13

// suffix names the instruction set.
func suffix(vnni bool) string {
	if vnni {
		return "VNNI"
	}
	return "BW"
}

// setOf is the set of kernels that alone has what suffix names.
func setOf(vnni bool) string {
	if vnni {
		return sets512[0]
	}
	return sets512[1]
}

// dot adds the pairwise products of a and b to acc; t is scratch.
func dot(vnni bool, a, b, acc, t Op) {
	if vnni {
		VPDPWSSD(a, b, acc)
		return
	}
	VPMADDWD(a, b, t)
	VPADDD(t, acc, acc)
}

func broadcast(v uint64) VecVirtual {
	g, z := GP32(), ZMM()
	MOVL(U32(v), g)
	VPBROADCASTD(g, z)
	return z
}

func scale512() {
	TEXT("scaleBW", NOSPLIT, scaleArgs)
	doc("scaleBW is scaleGeneric.")
	tables.Field("scale", "scaleBW", sets512...)
	g, v := ZMM(), ZMM()
	VPBROADCASTW(Load(Param("gain"), GP32()), g)
	scaleRows(func(src, dst Mem) {
		VPMULHRSW(src, g, v)
		VMOVDQU16(v, dst)
	})
}

func lift512() {
	TEXT("liftBW", NOSPLIT, liftArgs)
	doc("liftBW is liftGeneric.")
	tables.Field("lift", "liftBW", sets512...)
	lift, even, odd := ZMM(), ZMM(), ZMM()
	half, most, least := broadcast(1<<13), broadcast(32767), broadcast(1<<32-32767)
	m, k := GP32(), K()
	MOVL(U32(0xaaaaaaaa), m) // odd 16-bit lanes
	KMOVD(m, k)
	liftRows(func(factor Mem) { VPBROADCASTD(factor, lift) }, func(f, x, dst Mem) {
		VMOVDQU16(f, even)
		VPMULHRSW(x, even, even)
		VPSRAD(Imm(16), even, odd)
		VPSLLD(Imm(16), even, even)
		VPSRAD(Imm(16), even, even)
		for _, v := range []VecVirtual{even, odd} {
			VPMULLD(lift, v, v)
			VPADDD(half, v, v)
			VPSRAD(Imm(14), v, v)
			VPMINSD(most, v, v)
			VPMAXSD(least, v, v)
		}
		VPSLLD(Imm(16), odd, odd)
		VMOVDQU16(odd, k, even)
		VMOVDQU16(even, dst)
	})
}

// pack512 transposes 16 dimensions of 32 rows at a time, two rows to a word.
func pack512() {
	TEXT("packBW", NOSPLIT, packArgs)
	doc("packBW is packGeneric for a multiple of 16 dimensions; rows of src are step bytes apart.")
	tables.Field("pack", "packBW", sets512...)
	tables.Field("packs", "16", sets512...)
	k := packing()
	Label("loop")
	var z [16]VecVirtual
	t := ZMM()
	MOVQ(k.src, k.at)
	for i := range z {
		z[i] = ZMM()
		VPMOVZXWD(Mem{Base: k.at}, z[i])
		VPMOVZXWD(Mem{Base: k.at, Index: k.step, Scale: 1}, t)
		VPSLLD(Imm(16), t, t)
		VPORD(t, z[i], z[i])
		LEAQ(Mem{Base: k.at, Index: k.step, Scale: 2}, k.at)
	}
	x := &transposition{z[:], t}
	x.whole512()
	for l := range 4 {
		for j := range 4 {
			VMOVDQU32(x.z[4*l+quadOrder[j]], Mem{Base: k.dst}) // quadOrder is its own inverse
			ADDQ(k.stride, k.dst)
		}
	}
	ADDQ(Imm(32), k.src)
	SUBQ(Imm(16), k.dims)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// gen512 makes 16 features of 16 pairs at a time: a vector holds one feature of 16 pairs until a
// transposition of 16 x 16 makes it 16 features of one pair.
func gen512(vnni bool) {
	TEXT("gen"+suffix(vnni), NOSPLIT, "func(dst *int32, at *[32]int, f *int16, gt *int16, pairs int, norms *uint32)")
	doc("gen%s is genGeneric.", suffix(vnni))
	tables.Field("gen", "gen"+suffix(vnni), setOf(vnni))
	tables.Field("tiles", "tiles"+suffix(vnni), setOf(vnni))
	dst, at := Load(Param("dst"), GP64()), Load(Param("at"), GP64())
	f, g := Load(Param("f"), GP64()), Load(Param("gt"), GP64())
	pairs, norms := Load(Param("pairs"), GP64()), Load(Param("norms"), GP64())
	fo, gOff := GP64(), GP64()
	evens := broadcast(0xffff)
	Label("loop")
	var z [16]VecVirtual
	// Two sums each, since one alone would wait for itself.
	var even, both [2]VecVirtual
	t := ZMM()
	for i := range even {
		even[i], both[i] = ZMM(), ZMM()
	}
	VMOVDQU32(Mem{Base: norms}, even[0])
	VMOVDQU32(Mem{Base: norms, Disp: 64}, both[0])
	VPXORD(even[1], even[1], even[1])
	VPXORD(both[1], both[1], both[1])
	for i := range z {
		z[i] = ZMM()
		MOVQ(Mem{Base: at, Disp: 16 * i}, fo)
		MOVQ(Mem{Base: at, Disp: 16*i + 8}, gOff)
		VMOVDQU16(Mem{Base: f, Index: fo, Scale: 1}, z[i])
		VPMULHRSW(Mem{Base: g, Index: gOff, Scale: 1}, z[i], z[i])
		dot(vnni, z[i], z[i], both[i%2], t)
		VPANDD(z[i], evens, t)
		dot(vnni, t, t, even[i%2], t)
	}
	VPADDD(even[1], even[0], even[0])
	VPADDD(both[1], both[0], both[0])
	VMOVDQU32(even[0], Mem{Base: norms})
	VMOVDQU32(both[0], Mem{Base: norms, Disp: 64})

	x := &transposition{z[:], t}
	x.whole512()
	// Now z[4l+n] holds all features of pair 4l + quadOrder[n].
	for n, pair := range quadOrder {
		for l := range 4 {
			VMOVDQU32(x.z[4*l+n], Mem{Base: dst, Disp: row * (4*l + pair)})
		}
	}
	ADDQ(U32(row*step), dst)
	ADDQ(Imm(64), f)
	ADDQ(Imm(64), g)
	ADDQ(U32(128), norms)
	SUBQ(Imm(16), pairs)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// tile512 sums 32 features x w columns over the pairs in registers, and then adds to the 64-bit
// sums.
func tile512(vnni bool, w int) {
	name := fmt.Sprintf("tile%s%d", suffix(vnni), w)
	TEXT(name, NOSPLIT, "func(sums *int64, panel *int32, u *int16, pairs int)")
	doc("%s is tileGeneric for width %d.", name, w)
	tables.List("tiles"+suffix(vnni), "tileFunc", w, name)
	sums, panel := Load(Param("sums"), GP64()), Load(Param("panel"), GP64())
	u, pairs := Load(Param("u"), GP64()), Load(Param("pairs"), GP64())
	acc := make([]VecVirtual, 2*w)
	for i := range acc {
		acc[i] = ZMM()
		VPXORD(acc[i], acc[i], acc[i])
	}
	f0, f1, b, t := ZMM(), ZMM(), ZMM(), ZMM()
	ahead := GP64()
	MOVQ(sums, ahead)
	overPairs("", pairs, 4*w, func() {
		VMOVDQU32(Mem{Base: panel}, f0)
		VMOVDQU32(Mem{Base: panel, Disp: 64}, f1)
		for c := range w {
			VPBROADCASTD(Mem{Base: u, Disp: 4 * c}, b)
			dot(vnni, b, f0, acc[2*c], t)
			dot(vnni, b, f1, acc[2*c+1], t)
		}
		ADDQ(U32(row), panel)
		ADDQ(Imm(uint64(4*w)), u)
	}, func() {
		PREFETCHT0(Mem{Base: ahead})
		ADDQ(Imm(64), ahead)
	})
	for i, a := range acc {
		out := Mem{Base: sums, Disp: 8 * 16 * i}
		VPMOVSXDQ(a.AsY(), f0)
		VEXTRACTI64X4(Imm(1), a, f1.AsY())
		VPMOVSXDQ(f1.AsY(), f1)
		VPADDQ(out, f0, f0)
		VPADDQ(out.Offset(64), f1, f1)
		VMOVDQU64(f0, out)
		VMOVDQU64(f1, out.Offset(64))
	}
	VZEROUPPER()
	RET()
}
