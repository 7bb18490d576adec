package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// cols512 is the widest tile: 2*13 accumulators, two vectors of features, a broadcast and a product make 30 of 32 registers.
const cols512 = 13

// suffix names the instruction set.
func suffix(vnni bool) string {
	if vnni {
		return "VNNI"
	}
	return "BW"
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
	TEXT("scaleBW", NOSPLIT, "func(dst *int16, src *int16, gain int16)")
	Doc("scaleBW is scaleGeneric.")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	g, v := ZMM(), ZMM()
	gain := Load(Param("gain"), GP32())
	VPBROADCASTW(gain, g)
	VPMULHRSW(Mem{Base: src}, g, v)
	VMOVDQU16(v, Mem{Base: dst})
	VZEROUPPER()
	RET()
}

func lift512() {
	TEXT("liftBW", NOSPLIT, "func(dst *int16, f *int16, x *int16, lift int32)")
	Doc("liftBW is liftGeneric.")
	dst, f, x := Load(Param("dst"), GP64()), Load(Param("f"), GP64()), Load(Param("x"), GP64())
	lift, even, odd := ZMM(), ZMM(), ZMM()
	VPBROADCASTD(Load(Param("lift"), GP32()), lift)
	half, most, least := broadcast(1<<13), broadcast(32767), broadcast(1<<32-32767)
	VMOVDQU16(Mem{Base: f}, even)
	VPMULHRSW(Mem{Base: x}, even, even)
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
	// The odd rows go to the upper halves: 0xaaaaaaaa selects odd 16-bit lanes.
	VPSLLD(Imm(16), odd, odd)
	m, k := GP32(), K()
	MOVL(U32(0xaaaaaaaa), m)
	KMOVD(m, k)
	VMOVDQU16(odd, k, even)
	VMOVDQU16(even, Mem{Base: dst})
	VZEROUPPER()
	RET()
}

// gen512 makes 16 features of 16 pairs at a time: a vector holds one feature of 16 pairs until a 16 x 16 transposition makes it 16 features of
// one pair.
func gen512(vnni bool) {
	TEXT("gen"+suffix(vnni), NOSPLIT, "func(dst *int32, at *[32]int, f *int16, gt *int16, pairs int, norms *uint32)")
	Doc("gen" + suffix(vnni) + " is genGeneric.")
	dst, at := Load(Param("dst"), GP64()), Load(Param("at"), GP64())
	f, g := Load(Param("f"), GP64()), Load(Param("gt"), GP64())
	pairs, norms := Load(Param("pairs"), GP64()), Load(Param("norms"), GP64())
	fo, gOff := GP64(), GP64()
	evens := broadcast(0xffff)
	Label("loop")
	var z [16]VecVirtual
	even, both, t := ZMM(), ZMM(), ZMM()
	VMOVDQU32(Mem{Base: norms}, even)
	VMOVDQU32(Mem{Base: norms, Disp: 64}, both)
	for i := range z {
		z[i] = ZMM()
		MOVQ(Mem{Base: at, Disp: 16 * i}, fo)
		MOVQ(Mem{Base: at, Disp: 16*i + 8}, gOff)
		VMOVDQU16(Mem{Base: f, Index: fo, Scale: 1}, z[i])
		VPMULHRSW(Mem{Base: g, Index: gOff, Scale: 1}, z[i], z[i])
		dot(vnni, z[i], z[i], both, t)
		VPANDD(z[i], evens, t)
		dot(vnni, t, t, even, t)
	}
	VMOVDQU32(even, Mem{Base: norms})
	VMOVDQU32(both, Mem{Base: norms, Disp: 64})

	x := &transposition{z[:], t}
	x.quads()
	// Now 128-bit lane l of z[4k+n] holds features 4k..4k+3 of pair 4l + quadOrder[n].
	even128, odd128 := func(x, y, d Op) { VSHUFI32X4(Imm(0x88), x, y, d) }, func(x, y, d Op) { VSHUFI32X4(Imm(0xdd), x, y, d) }
	for n := range quadOrder {
		for _, c := range [][2]int{{0, 4}, {8, 12}, {0, 8}, {4, 12}} {
			x.couple(c[0]+n, c[1]+n, even128, odd128)
		}
	}
	// Now z[4l+n] holds all features of pair 4*[0 1 2 3][l] + quadOrder[n].
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

// tile512 sums 32 features x w columns over the pairs in registers, and then adds to the 64-bit sums.
func tile512(vnni bool, w int) {
	name := fmt.Sprintf("tile%s%d", suffix(vnni), w)
	TEXT(name, NOSPLIT, "func(sums *int64, panel *int32, u *int16, pairs int)")
	Doc(fmt.Sprintf("%s is tileGeneric for width %d.", name, w))
	sums, panel := Load(Param("sums"), GP64()), Load(Param("panel"), GP64())
	u, pairs := Load(Param("u"), GP64()), Load(Param("pairs"), GP64())
	acc := make([]VecVirtual, 2*w)
	for i := range acc {
		acc[i] = ZMM()
		VPXORD(acc[i], acc[i], acc[i])
	}
	f0, f1, b, t := ZMM(), ZMM(), ZMM(), ZMM()
	Label("loop")
	VMOVDQU32(Mem{Base: panel}, f0)
	VMOVDQU32(Mem{Base: panel, Disp: 64}, f1)
	for c := range w {
		VPBROADCASTD(Mem{Base: u, Disp: 4 * c}, b)
		dot(vnni, b, f0, acc[2*c], t)
		dot(vnni, b, f1, acc[2*c+1], t)
	}
	ADDQ(U32(row), panel)
	ADDQ(Imm(uint64(4*w)), u)
	DECQ(pairs)
	JNZ(LabelRef("loop"))
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
