package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// set describes an instruction set for the float64 loops.
type set struct {
	name  string
	width int // float64 a vector
	vec   func() VecVirtual
	sets  []string // of kernels, that use it
}

var (
	avx512 = set{"AVX512", 8, func() VecVirtual { return ZMM() }, sets512}
	avx2   = set{"AVX2", 4, func() VecVirtual { return YMM() }, sets256}
)

func vectors() {
	for _, s := range []set{avx512, avx2} {
		s.widen()
		s.squares(false)
		s.squares(true)
		s.norm16()
		s.multiply()
		s.hadamard()
		s.round16()
		s.round16x32()
		s.add16()
		s.round32()
		s.gather()
	}
}

// begin starts the kernel of a field of package simd's kernels; text says what it is.
func (s set) begin(field, signature, text string) {
	TEXT(field+s.name, NOSPLIT, signature)
	doc("%s%s is %s", field, s.name, text)
	tables.Field(field, field+s.name, s.sets...)
}

// clear makes v zero.
func (s set) clear(v VecVirtual) {
	if s.width == 8 {
		VPXORQ(v, v, v)
	} else {
		VPXOR(v, v, v)
	}
}

// over runs body for each whole vector of n entries (label whole), and tail for each entry that is
// left.
func (s set) over(n Register, whole, tail func()) {
	Label("whole")
	CMPQ(n, U32(uint32(s.width)))
	JL(LabelRef("tail"))
	whole()
	SUBQ(U32(uint32(s.width)), n)
	JMP(LabelRef("whole"))
	Label("tail")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	tail()
	DECQ(n)
	JMP(LabelRef("tail"))
	Label("done")
}

func (s set) widen() {
	s.begin("widen", "func(dst *float64, src *float32, n int)", "widenGeneric.")
	dst, src, n := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("n"), GP64())
	v, x := s.vec(), XMM()
	s.over(n, func() {
		VCVTPS2PD(Mem{Base: src}, v)
		VMOVUPD(v, Mem{Base: dst})
		ADDQ(U32(uint32(4*s.width)), src)
		ADDQ(U32(uint32(8*s.width)), dst)
	}, func() {
		VMOVSS(Mem{Base: src}, x)
		VCVTSS2SD(x, x, x)
		VMOVSD(x, Mem{Base: dst})
		ADDQ(Imm(4), src)
		ADDQ(Imm(8), dst)
	})
	VZEROUPPER()
	RET()
}

// squares keeps the eight chains in one or two vectors; the entries that are left go on from chain
// 0, in memory.
func (s set) squares(narrow bool) {
	size := 8
	if narrow {
		size = 4
		s.begin("squares32", "func(v *float32, n int) float64", "squares32Generic.")
	} else {
		s.begin("squares", "func(v *float64, n int) float64", "squaresGeneric.")
	}
	v, n := Load(Param("v"), GP64()), Load(Param("n"), GP64())
	local := AllocLocal(64)
	chains := GP64()
	LEAQ(local, chains)
	var acc []VecVirtual
	for i := 0; i < 8; i += s.width {
		z := s.vec()
		s.clear(z)
		acc = append(acc, z)
	}
	t, x, sum := s.vec(), XMM(), XMM()
	Label("whole")
	CMPQ(n, Imm(8))
	JL(LabelRef("store"))
	for i, a := range acc {
		at := Mem{Base: v, Disp: size * s.width * i}
		if narrow {
			VCVTPS2PD(at, t)
		} else {
			VMOVUPD(at, t)
		}
		VMULPD(t, t, t)
		VADDPD(t, a, a)
	}
	ADDQ(U32(uint32(8*size)), v)
	SUBQ(Imm(8), n)
	JMP(LabelRef("whole"))
	Label("store")
	for i, a := range acc {
		VMOVUPD(a, Mem{Base: chains, Disp: 8 * s.width * i})
	}
	Label("tail")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	if narrow {
		VMOVSS(Mem{Base: v}, x)
		VCVTSS2SD(x, x, x)
	} else {
		VMOVSD(Mem{Base: v}, x)
	}
	VMULSD(x, x, x)
	VMOVSD(Mem{Base: chains}, sum)
	VADDSD(x, sum, sum)
	VMOVSD(sum, Mem{Base: chains})
	ADDQ(U32(uint32(size)), v)
	ADDQ(Imm(8), chains)
	DECQ(n)
	JMP(LabelRef("tail"))
	Label("done")
	// ((0+4)+(2+6)) + ((1+5)+(3+7))
	LEAQ(local, chains)
	var half [4]VecVirtual
	for i := range half {
		half[i] = XMM()
		VMOVSD(Mem{Base: chains, Disp: 8 * i}, half[i])
		VADDSD(Mem{Base: chains, Disp: 8 * (i + 4)}, half[i], half[i])
	}
	VADDSD(half[2], half[0], half[0])
	VADDSD(half[3], half[1], half[1])
	VADDSD(half[1], half[0], half[0])
	VZEROUPPER()
	Store(half[0], ReturnIndex(0))
	RET()
}

// norm16 widens the sums of pairs of products, which are below 2^32, at once.
func (s set) norm16() {
	s.begin("norm16", "func(v *int16, n int) uint64", "norm16Generic.")
	v, n := Load(Param("v"), GP64()), Load(Param("n"), GP64())
	sum, e := GP64(), GP64()
	XORQ(sum, sum)
	acc, t, u := s.vec(), s.vec(), s.vec()
	s.clear(acc)
	Label("whole")
	CMPQ(n, U32(uint32(4*s.width)))
	JL(LabelRef("reduce"))
	if s.width == 8 {
		VMOVDQU32(Mem{Base: v}, t)
		VPMADDWD(t, t, t)
		VPMOVZXDQ(t.AsY(), u)
		VEXTRACTI64X4(Imm(1), t, t.AsY())
		VPMOVZXDQ(t.AsY(), t)
	} else {
		VMOVDQU(Mem{Base: v}, t)
		VPMADDWD(t, t, t)
		VPMOVZXDQ(t.AsX(), u)
		VEXTRACTI128(Imm(1), t, t.AsX())
		VPMOVZXDQ(t.AsX(), t)
	}
	VPADDQ(t, acc, acc)
	VPADDQ(u, acc, acc)
	ADDQ(U32(uint32(8*s.width)), v)
	SUBQ(U32(uint32(4*s.width)), n)
	JMP(LabelRef("whole"))
	Label("reduce")
	if s.width == 8 {
		VEXTRACTI64X4(Imm(1), acc, t.AsY())
		VPADDQ(t.AsY(), acc.AsY(), acc.AsY())
	}
	VEXTRACTI128(Imm(1), acc.AsY(), t.AsX())
	VPADDQ(t.AsX(), acc.AsX(), acc.AsX())
	VPEXTRQ(Imm(1), acc.AsX(), e)
	ADDQ(e, sum)
	VMOVQ(acc.AsX(), e)
	ADDQ(e, sum)
	Label("tail")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	MOVWQSX(Mem{Base: v}, e)
	IMULQ(e, e)
	ADDQ(e, sum)
	ADDQ(Imm(2), v)
	DECQ(n)
	JMP(LabelRef("tail"))
	Label("done")
	VZEROUPPER()
	Store(sum, ReturnIndex(0))
	RET()
}

func (s set) multiply() {
	s.begin("multiply", "func(v *float64, w *float64, n int)", "multiplyGeneric.")
	v, w, n := Load(Param("v"), GP64()), Load(Param("w"), GP64()), Load(Param("n"), GP64())
	t, x := s.vec(), XMM()
	s.over(n, func() {
		VMOVUPD(Mem{Base: v}, t)
		VMULPD(Mem{Base: w}, t, t)
		VMOVUPD(t, Mem{Base: v})
		ADDQ(U32(uint32(8*s.width)), v)
		ADDQ(U32(uint32(8*s.width)), w)
	}, func() {
		VMOVSD(Mem{Base: v}, x)
		VMULSD(Mem{Base: w}, x, x)
		VMOVSD(x, Mem{Base: v})
		ADDQ(Imm(8), v)
		ADDQ(Imm(8), w)
	})
	VZEROUPPER()
	RET()
}

// hadamard does the stages within a vector first, and then those between vectors. n is a power of
// two, at least a vector.
func (s set) hadamard() {
	s.begin("hadamard", "func(v *float64, n int)", "hadamardGeneric for at least one vector.")
	v, n := Load(Param("v"), GP64()), Load(Param("n"), GP64())
	at, left := GP64(), GP64()
	a, b, c := s.vec(), s.vec(), s.vec()
	masks := []uint32{0xaa, 0xcc, 0xf0} // the entries that are differences
	var ks []Register
	if s.width == 8 {
		for _, m := range masks {
			g, k := GP32(), K()
			MOVL(U32(m), g)
			KMOVW(g, k)
			ks = append(ks, k)
		}
	}
	MOVQ(v, at)
	MOVQ(n, left)
	Label("within")
	VMOVUPD(Mem{Base: at}, a)
	stages := 2
	if s.width == 8 {
		stages = 3
	}
	for stage := range stages {
		switch stage { // b: a with the partners exchanged
		case 0:
			VPERMILPD(Imm(0x55), a, b)
		case 1:
			VPERMPD(Imm(0x4e), a, b)
		case 2:
			VSHUFF64X2(Imm(0x4e), a, a, b)
		}
		if s.width == 8 {
			VADDPD(b, a, c)
			VSUBPD(a, b, ks[stage], c)
			a, c = c, a
		} else {
			VADDPD(b, a, c)
			VSUBPD(a, b, b)
			VBLENDPD(Imm(uint64(masks[stage]&0xf)), b, c, a)
		}
	}
	VMOVUPD(a, Mem{Base: at})
	ADDQ(U32(uint32(8*s.width)), at)
	SUBQ(U32(uint32(s.width)), left)
	JNZ(LabelRef("within"))

	h, end, block, other := GP64(), GP64(), GP64(), GP64() // h and block in bytes
	MOVQ(U32(uint32(8*s.width)), h)
	LEAQ(Mem{Base: v, Index: n, Scale: 8}, end)
	SHLQ(Imm(3), n)
	Label("stage")
	CMPQ(h, n)
	JGE(LabelRef("done"))
	MOVQ(v, block)
	Label("block")
	CMPQ(block, end)
	JGE(LabelRef("next"))
	LEAQ(Mem{Base: block, Index: h, Scale: 1}, other)
	MOVQ(h, left)
	Label("pair")
	VMOVUPD(Mem{Base: block}, a)
	VMOVUPD(Mem{Base: other}, b)
	VADDPD(b, a, c)
	VSUBPD(b, a, a)
	VMOVUPD(c, Mem{Base: block})
	VMOVUPD(a, Mem{Base: other})
	ADDQ(U32(uint32(8*s.width)), block)
	ADDQ(U32(uint32(8*s.width)), other)
	SUBQ(U32(uint32(8*s.width)), left)
	JNZ(LabelRef("pair"))
	MOVQ(other, block)
	JMP(LabelRef("block"))
	Label("next")
	SHLQ(Imm(1), h)
	JMP(LabelRef("stage"))
	Label("done")
	VZEROUPPER()
	RET()
}

func (s set) round16() {
	s.begin("round16", "func(dst *int16, v *float64, n int, factor float64)",
		"round16Generic. Conversions round to nearest even, as Go leaves MXCSR.")
	dst, v, n := Load(Param("dst"), GP64()), Load(Param("v"), GP64()), Load(Param("n"), GP64())
	factor, most, least, t := s.vec(), s.vec(), s.vec(), s.vec()
	f := Load(Param("factor"), XMM())
	VBROADCASTSD(f, factor)
	s.constant(32767, most)
	s.constant(-32767, least)
	one := GP32()
	s.over(n, func() {
		VMULPD(Mem{Base: v}, factor, t)
		VMINPD(most, t, t)
		VMAXPD(least, t, t)
		if s.width == 8 {
			VCVTPD2DQ(t, t.AsY())
			VPMOVDW(t.AsY(), t.AsX())
			VMOVDQU(t.AsX(), Mem{Base: dst})
		} else {
			VCVTPD2DQY(t, t.AsX())
			VPACKSSDW(t.AsX(), t.AsX(), t.AsX())
			VMOVQ(t.AsX(), Mem{Base: dst})
		}
		ADDQ(U32(uint32(8*s.width)), v)
		ADDQ(U32(uint32(2*s.width)), dst)
	}, func() {
		VMULSD(Mem{Base: v}, factor.AsX(), t.AsX())
		VMINSD(most.AsX(), t.AsX(), t.AsX())
		VMAXSD(least.AsX(), t.AsX(), t.AsX())
		VCVTSD2SI(t.AsX(), one)
		MOVW(one.As16(), Mem{Base: dst})
		ADDQ(Imm(8), v)
		ADDQ(Imm(2), dst)
	})
	VZEROUPPER()
	RET()
}

// round16x32 widens the sums of pairs of products at once, as norm16 does.
func (s set) round16x32() {
	s.begin("round16x32", "func(dst *int16, v *float32, n int, factor float64) uint64", "round16x32Generic.")
	dst, v, n := Load(Param("dst"), GP64()), Load(Param("v"), GP64()), Load(Param("n"), GP64())
	factor, most, least, t, acc := s.vec(), s.vec(), s.vec(), s.vec(), s.vec()
	f := Load(Param("factor"), XMM())
	VBROADCASTSD(f, factor)
	s.constant(32767, most)
	s.constant(-32767, least)
	s.clear(acc)
	sum, one := GP64(), GP64()
	XORQ(sum, sum)
	Label("whole")
	CMPQ(n, U32(uint32(s.width)))
	JL(LabelRef("reduce"))
	VCVTPS2PD(Mem{Base: v}, t)
	VMULPD(t, factor, t)
	VMINPD(most, t, t)
	VMAXPD(least, t, t)
	if s.width == 8 {
		VCVTPD2DQ(t, t.AsY())
		VPMOVDW(t.AsY(), t.AsX())
		VMOVDQU(t.AsX(), Mem{Base: dst})
		VPMADDWD(t.AsX(), t.AsX(), t.AsX())
		VPMOVZXDQ(t.AsX(), t.AsY())
	} else {
		VCVTPD2DQY(t, t.AsX())
		VPACKSSDW(t.AsX(), t.AsX(), t.AsX())
		VMOVQ(t.AsX(), Mem{Base: dst})
		VPMADDWD(t.AsX(), t.AsX(), t.AsX())
		VPMOVZXDQ(t.AsX(), t.AsX()) // of the lower half: the upper one is the same
	}
	VPADDQ(t.AsY(), acc.AsY(), acc.AsY())
	ADDQ(U32(uint32(4*s.width)), v)
	ADDQ(U32(uint32(2*s.width)), dst)
	SUBQ(U32(uint32(s.width)), n)
	JMP(LabelRef("whole"))
	Label("reduce")
	VEXTRACTI128(Imm(1), acc.AsY(), t.AsX())
	VPADDQ(t.AsX(), acc.AsX(), acc.AsX())
	VPEXTRQ(Imm(1), acc.AsX(), one)
	ADDQ(one, sum)
	VMOVQ(acc.AsX(), one)
	ADDQ(one, sum)
	Label("tail")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	VMOVSS(Mem{Base: v}, t.AsX())
	VCVTSS2SD(t.AsX(), t.AsX(), t.AsX())
	VMULSD(t.AsX(), factor.AsX(), t.AsX())
	VMINSD(most.AsX(), t.AsX(), t.AsX())
	VMAXSD(least.AsX(), t.AsX(), t.AsX())
	VCVTSD2SIQ(t.AsX(), one)
	MOVW(one.As16(), Mem{Base: dst})
	IMULQ(one, one)
	ADDQ(one, sum)
	ADDQ(Imm(4), v)
	ADDQ(Imm(2), dst)
	DECQ(n)
	JMP(LabelRef("tail"))
	Label("done")
	VZEROUPPER()
	Store(sum, ReturnIndex(0))
	RET()
}

// constant sets all of v.
func (s set) constant(x float64, v VecVirtual) {
	g, m := GP64(), XMM()
	MOVQ(U64(math.Float64bits(x)), g)
	VMOVQ(g, m)
	VBROADCASTSD(m, v)
}

func (s set) add16() {
	s.begin("add16", "func(sums *int64, v *int16, n int)", "add16Generic.")
	sums, v, n := Load(Param("sums"), GP64()), Load(Param("v"), GP64()), Load(Param("n"), GP64())
	t, one := s.vec(), GP64()
	s.over(n, func() {
		VPMOVSXWQ(Mem{Base: v}, t)
		VPADDQ(Mem{Base: sums}, t, t)
		if s.width == 8 {
			VMOVDQU64(t, Mem{Base: sums})
		} else {
			VMOVDQU(t, Mem{Base: sums})
		}
		ADDQ(U32(uint32(2*s.width)), v)
		ADDQ(U32(uint32(8*s.width)), sums)
	}, func() {
		MOVWQSX(Mem{Base: v}, one)
		ADDQ(one, Mem{Base: sums})
		ADDQ(Imm(2), v)
		ADDQ(Imm(8), sums)
	})
	VZEROUPPER()
	RET()
}

func (s set) round32() {
	s.begin("round32", "func(dst *float32, src *float64, n int, factor float64)", "round32Generic.")
	dst, src, n := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("n"), GP64())
	factor, t := s.vec(), s.vec()
	f := Load(Param("factor"), XMM())
	VBROADCASTSD(f, factor)
	s.over(n, func() {
		VMULPD(Mem{Base: src}, factor, t)
		if s.width == 8 {
			VCVTPD2PS(t, t.AsY())
			VMOVUPS(t.AsY(), Mem{Base: dst})
		} else {
			VCVTPD2PSY(t, t.AsX())
			VMOVUPS(t.AsX(), Mem{Base: dst})
		}
		ADDQ(U32(uint32(8*s.width)), src)
		ADDQ(U32(uint32(4*s.width)), dst)
	}, func() {
		VMULSD(Mem{Base: src}, factor.AsX(), t.AsX())
		VCVTSD2SS(t.AsX(), t.AsX(), t.AsX())
		VMOVSS(t.AsX(), Mem{Base: dst})
		ADDQ(Imm(8), src)
		ADDQ(Imm(4), dst)
	})
	VZEROUPPER()
	RET()
}

// gather adds up the parts of a vector, or of one entry, before it goes on.
func (s set) gather() {
	s.begin("gather", "func(dst *float64, src *float32, n int, parts int)", "gatherGeneric.")
	dst, src, n := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("n"), GP64())
	parts, stride, at, left := Load(Param("parts"), GP64()), GP64(), GP64(), GP64()
	MOVQ(n, stride)
	SHLQ(Imm(2), stride)
	sum, t := s.vec(), s.vec()
	// down goes through the parts below the first.
	down := func(label string, add func()) {
		MOVQ(src, at)
		MOVQ(parts, left)
		Label(label)
		DECQ(left)
		JZ(LabelRef(label + "end"))
		ADDQ(stride, at)
		add()
		JMP(LabelRef(label))
		Label(label + "end")
	}
	s.over(n, func() {
		VCVTPS2PD(Mem{Base: src}, sum)
		down("vector", func() {
			VCVTPS2PD(Mem{Base: at}, t)
			VADDPD(t, sum, sum)
		})
		VMOVUPD(sum, Mem{Base: dst})
		ADDQ(U32(uint32(4*s.width)), src)
		ADDQ(U32(uint32(8*s.width)), dst)
	}, func() {
		VMOVSS(Mem{Base: src}, t.AsX())
		VCVTSS2SD(t.AsX(), t.AsX(), sum.AsX())
		down("one", func() {
			VMOVSS(Mem{Base: at}, t.AsX())
			VCVTSS2SD(t.AsX(), t.AsX(), t.AsX())
			VADDSD(t.AsX(), sum.AsX(), sum.AsX())
		})
		VMOVSD(sum.AsX(), Mem{Base: dst})
		ADDQ(Imm(4), src)
		ADDQ(Imm(8), dst)
	})
	VZEROUPPER()
	RET()
}
