package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// cols256 is the widest tile: 2*6 accumulators, two vectors of features, a broadcast and a product
// are all 16 registers.
const cols256 = 6

func broadcast256(v uint64) VecVirtual {
	g, x, y := GP32(), XMM(), YMM()
	MOVL(U32(v), g)
	VMOVD(g, x)
	VPBROADCASTD(x, y)
	return y
}

func scale256() {
	TEXT("scaleAVX2", NOSPLIT, scaleArgs)
	doc("scaleAVX2 is scaleGeneric.")
	tables.Field("scale", "scaleAVX2", sets256...)
	g := YMM()
	VMOVD(Load(Param("gain"), GP32()), g.AsX())
	VPBROADCASTW(g.AsX(), g)
	scaleRows(func(src, dst Mem) {
		for i := range 2 {
			v := YMM()
			VPMULHRSW(src.Offset(32*i), g, v)
			VMOVDQU(v, dst.Offset(32*i))
		}
	})
}

func lift256() {
	TEXT("liftAVX2", NOSPLIT, liftArgs)
	doc("liftAVX2 is liftGeneric.")
	tables.Field("lift", "liftAVX2", sets256...)
	lift := YMM()
	half, most, least := broadcast256(1<<13), broadcast256(32767), broadcast256(1<<32-32767)
	liftRows(func(factor Mem) { VPBROADCASTD(factor, lift) }, func(f, x, dst Mem) {
		for i := range 2 {
			even, odd := YMM(), YMM()
			VMOVDQU(f.Offset(32*i), even)
			VPMULHRSW(x.Offset(32*i), even, even)
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
			VPBLENDW(Imm(0xaa), odd, even, even)
			VMOVDQU(even, dst.Offset(32*i))
		}
	})
}

// pack256 transposes 8 dimensions of 16 rows at a time, two rows to a word.
func pack256() {
	TEXT("packAVX2", NOSPLIT, packArgs)
	doc("packAVX2 is packGeneric for a multiple of 8 dimensions; rows of src are step bytes apart.")
	tables.Field("pack", "packAVX2", sets256...)
	tables.Field("packs", "8", sets256...)
	k := packing()
	to := GP64()
	Label("loop")
	MOVQ(k.src, k.at)
	for half := range 2 {
		var z [8]VecVirtual
		t := YMM()
		for i := range z {
			z[i] = YMM()
			VPMOVZXWD(Mem{Base: k.at}, z[i])
			VPMOVZXWD(Mem{Base: k.at, Index: k.step, Scale: 1}, t)
			VPSLLD(Imm(16), t, t)
			VPOR(t, z[i], z[i])
			LEAQ(Mem{Base: k.at, Index: k.step, Scale: 2}, k.at)
		}
		x := &transposition{z[:], t}
		x.whole256()
		MOVQ(k.dst, to)
		for l := range 2 {
			for j := range 4 {
				VMOVDQU(x.z[4*l+quadOrder[j]], Mem{Base: to, Disp: 32 * half}) // quadOrder is its own inverse
				ADDQ(k.stride, to)
			}
		}
	}
	MOVQ(to, k.dst)
	ADDQ(Imm(16), k.src)
	SUBQ(Imm(8), k.dims)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// gen256 makes 8 features of 8 pairs at a time.
func gen256() {
	TEXT("genAVX2", NOSPLIT, "func(dst *int32, at *[32]int, f *int16, gt *int16, pairs int, norms *uint32)")
	doc("genAVX2 is genGeneric.")
	tables.Field("gen", "genAVX2", sets256...)
	tables.Field("tiles", "tilesAVX2", sets256...)
	dst, at := Load(Param("dst"), GP64()), Load(Param("at"), GP64())
	f, g := Load(Param("f"), GP64()), Load(Param("gt"), GP64())
	pairs, norms := Load(Param("pairs"), GP64()), Load(Param("norms"), GP64())
	fo, gOff := GP64(), GP64()
	evens := broadcast256(0xffff)
	Label("loop")
	for pass := range 4 { // two times 8 pairs, two times 8 features
		of, first := pass/2, pass%2*8
		var z [8]VecVirtual
		even, both, t := YMM(), YMM(), YMM()
		VMOVDQU(Mem{Base: norms, Disp: 32 * of}, even)
		VMOVDQU(Mem{Base: norms, Disp: 64 + 32*of}, both)
		for i := range z {
			z[i] = YMM()
			MOVQ(Mem{Base: at, Disp: 16 * (first + i)}, fo)
			MOVQ(Mem{Base: at, Disp: 16*(first+i) + 8}, gOff)
			VMOVDQU(Mem{Base: f, Index: fo, Scale: 1, Disp: 32 * of}, z[i])
			VPMULHRSW(Mem{Base: g, Index: gOff, Scale: 1, Disp: 32 * of}, z[i], z[i])
			VPMADDWD(z[i], z[i], t)
			VPADDD(t, both, both)
			VPAND(z[i], evens, t)
			VPMADDWD(t, t, t)
			VPADDD(t, even, even)
		}
		VMOVDQU(even, Mem{Base: norms, Disp: 32 * of})
		VMOVDQU(both, Mem{Base: norms, Disp: 64 + 32*of})
		x := &transposition{z[:], t}
		x.whole256()
		for n, pair := range quadOrder {
			for l := range 2 {
				VMOVDQU(x.z[4*l+n], Mem{Base: dst, Disp: row*(8*of+4*l+pair) + 4*first})
			}
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

// tile256 takes the 32 features in two halves.
func tile256(w int) {
	name := fmt.Sprintf("tileAVX2x%d", w)
	TEXT(name, NOSPLIT, "func(sums *int64, panel *int32, u *int16, pairs int)")
	doc("%s is tileGeneric for width %d.", name, w)
	tables.List("tilesAVX2", "tileFunc", w, name)
	sums, panel := Load(Param("sums"), GP64()), Load(Param("panel"), GP64())
	u := Load(Param("u"), GP64())
	pairs, p, r, ahead := GP64(), GP64(), GP64(), GP64()
	for half := range 2 {
		Load(Param("pairs"), pairs)
		MOVQ(panel, p)
		MOVQ(u, r)
		acc := make([]VecVirtual, 2*w)
		for i := range acc {
			acc[i] = YMM()
			VPXOR(acc[i], acc[i], acc[i])
		}
		f0, f1, b, t := YMM(), YMM(), YMM(), YMM()
		// The lines of this half's sums: two of every four.
		MOVQ(sums, ahead)
		if half > 0 {
			ADDQ(U32(8*step), ahead)
		}
		overPairs(fmt.Sprint(half), pairs, w, func() {
			VMOVDQU(Mem{Base: p, Disp: 64 * half}, f0)
			VMOVDQU(Mem{Base: p, Disp: 64*half + 32}, f1)
			for c := range w {
				VPBROADCASTD(Mem{Base: r, Disp: 4 * c}, b)
				VPMADDWD(b, f0, t)
				VPADDD(t, acc[2*c], acc[2*c])
				VPMADDWD(b, f1, b)
				VPADDD(b, acc[2*c+1], acc[2*c+1])
			}
			ADDQ(U32(row), p)
			ADDQ(Imm(uint64(4*w)), r)
		}, func() {
			PREFETCHT0(Mem{Base: ahead})
			PREFETCHT0(Mem{Base: ahead, Disp: 64})
			ADDQ(U32(8*lanes), ahead)
		})
		for i, a := range acc {
			out := Mem{Base: sums, Disp: 8 * (lanes*(i/2) + step*half + 8*(i%2))}
			VPMOVSXDQ(a.AsX(), f0)
			VEXTRACTI128(Imm(1), a, f1.AsX())
			VPMOVSXDQ(f1.AsX(), f1)
			VPADDQ(out, f0, f0)
			VPADDQ(out.Offset(32), f1, f1)
			VMOVDQU(f0, out)
			VMOVDQU(f1, out.Offset(32))
		}
	}
	VZEROUPPER()
	RET()
}
