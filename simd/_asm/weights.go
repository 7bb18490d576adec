package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"dpattn/simd/asm/dispatch"
)

// What exp needs, by name: vectors of the same number.
var weightConstants = map[string]Mem{}

func constants() {
	for _, c := range []struct {
		name  string
		value float32
	}{
		{"least", float32(dispatch.Const("noWeight"))},
		{"log2e", 1.44269504},
		{"magic", 3 << 22},                             // numbers added to it become integers, in its lowest bits
		{"high", 0.693359375}, {"low", -2.12194440e-4}, // ln 2; 8 bits times high is exact
		// (e^r - 1 - r)/r^2 for |r| <= ln(2)/2, to 6e-9 of e^r.
		{"c2", 0.5}, {"c3", 0.16666529}, {"c4", 0.041666307}, {"c5", 0.008368036}, {"c6", 0.0013943852},
		{"one", 1},
	} {
		m := GLOBL("weight_"+c.name, RODATA|NOPTR)
		for i := range 16 {
			DATA(4*i, F32(c.value))
		}
		weightConstants[c.name] = m
	}
}

func weights() {
	constants()
	for _, s := range []set{avx512, avx2} {
		s.largest()
		s.weigh()
		s.weighOne()
		s.turn()
	}
}

// held are the constants of exp that have registers; the others are read from memory.
type held struct{ least, log2e, magic, high, low, c6 VecVirtual }

func (s set) hold() (h held) {
	for _, c := range []struct {
		v    *VecVirtual
		name string
	}{
		{&h.least, "least"}, {&h.log2e, "log2e"}, {&h.magic, "magic"},
		{&h.high, "high"}, {&h.low, "low"}, {&h.c6, "c6"},
	} {
		*c.v = s.vec()
		VMOVUPS(weightConstants[c.name], *c.v)
	}
	return h
}

// exp makes x exp(x): 2^n e^r with x = n ln 2 + r.
func (s set) exp(h held, x VecVirtual) {
	n, y := s.vec(), s.vec()
	VMAXPS(h.least, x, x)
	VMOVAPS(h.magic, n)
	VFMADD231PS(h.log2e, x, n)
	r := s.vec()
	VSUBPS(h.magic, n, y)
	VMOVAPS(x, r)
	VFNMADD231PS(h.high, y, r)
	VFNMADD231PS(h.low, y, r)
	VMOVAPS(h.c6, y)
	for _, c := range []string{"c5", "c4", "c3", "c2", "one", "one"} {
		VFMADD213PS(weightConstants[c], r, y)
	}
	VPSLLD(Imm(23), n, n)
	const less = 1
	if s.width == 8 {
		k := K()
		VCMPPS(Imm(less), x, h.least, k)
		VPADDD_Z(n, y, k, x)
	} else {
		VPADDD(n, y, y)
		VCMPPS(Imm(less), x, h.least, x)
		VANDPS(y, x, x)
	}
}

func (s set) largest() {
	s.begin("largest", "func(top *float32, x *float32, rows int, lanes int)", "largestGeneric.")
	top, x := Load(Param("top"), GP64()), Load(Param("x"), GP64())
	rows, lanes := Load(Param("rows"), GP64()), Load(Param("lanes"), GP64())
	at, left, stride, most := GP64(), GP64(), GP64(), s.vec()
	MOVQ(lanes, stride)
	SHLQ(Imm(2), stride)
	Label("lane")
	VMOVUPS(Mem{Base: top}, most)
	MOVQ(x, at)
	MOVQ(rows, left)
	Label("row")
	VMAXPS(Mem{Base: at}, most, most)
	ADDQ(stride, at)
	DECQ(left)
	JNZ(LabelRef("row"))
	VMOVUPS(most, Mem{Base: top})
	ADDQ(U32(uint32(8*s.width)), top)
	ADDQ(U32(uint32(8*s.width)), x)
	SUBQ(U32(uint32(2*s.width)), lanes)
	JNZ(LabelRef("lane"))
	VZEROUPPER()
	RET()
}

// weigh keeps the chains in memory.
func (s set) weigh() {
	s.begin("weigh", "func(x *float32, inverse *float32, top *float32, sums *float32, squares *float32, "+
		"rows int, lanes int)", "weighGeneric.")
	x, inverse, top := Load(Param("x"), GP64()), Load(Param("inverse"), GP64()), Load(Param("top"), GP64())
	sums, squares := Load(Param("sums"), GP64()), Load(Param("squares"), GP64())
	rows, bytes := Load(Param("rows"), GP64()), Load(Param("lanes"), GP64())
	SHLQ(Imm(2), bytes)
	// lane goes through a row, chain through 16 rows of chains.
	lane, chain, end, v, e, mass := GP64(), GP64(), GP64(), s.vec(), s.vec(), s.vec()
	MOVQ(bytes, end)
	SHLQ(Imm(4), end)
	h := s.hold()
	Label("group")
	XORQ(chain, chain)
	Label("row")
	VBROADCASTSS(Mem{Base: inverse}, mass)
	XORQ(lane, lane)
	Label("lane")
	VMOVUPS(Mem{Base: x}, v)
	VSUBPS(Mem{Base: top, Index: lane, Scale: 1}, v, v)
	s.exp(h, v)
	VMOVUPS(v, Mem{Base: x})
	VMULPS(v, mass, e)
	VADDPS(Mem{Base: sums, Index: chain, Scale: 1}, v, v)
	VMOVUPS(v, Mem{Base: sums, Index: chain, Scale: 1})
	VFMADD213PS(Mem{Base: squares, Index: chain, Scale: 1}, e, e)
	VMOVUPS(e, Mem{Base: squares, Index: chain, Scale: 1})
	for _, at := range []Register{x, lane, chain} {
		ADDQ(U32(uint32(8*s.width)), at)
	}
	CMPQ(lane, bytes)
	JNE(LabelRef("lane"))
	ADDQ(Imm(4), inverse)
	CMPQ(chain, end)
	JNE(LabelRef("row"))
	SUBQ(Imm(16), rows)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// weighOne keeps the chains in registers.
func (s set) weighOne() {
	s.begin("weighOne", "func(x *float32, inverse *float32, top *float32, sums *float32, squares *float32, n int)",
		"weighOneGeneric.")
	x, inverse, top := Load(Param("x"), GP64()), Load(Param("inverse"), GP64()), Load(Param("top"), GP64())
	sums, squares, n := Load(Param("sums"), GP64()), Load(Param("squares"), GP64()), Load(Param("n"), GP64())
	most, h := s.vec(), s.hold()
	VBROADCASTSS(Mem{Base: top}, most)
	parts := 8 / s.width
	sum, square := make([]VecVirtual, parts), make([]VecVirtual, parts)
	for i := range parts {
		sum[i], square[i] = s.vec(), s.vec()
		VMOVUPS(Mem{Base: sums, Disp: 32 * i}, sum[i])
		VMOVUPS(Mem{Base: squares, Disp: 32 * i}, square[i])
	}
	Label("loop")
	for i := range parts {
		v := s.vec()
		VMOVUPS(Mem{Base: x, Disp: 32 * i}, v)
		VSUBPS(most, v, v)
		s.exp(h, v)
		VMOVUPS(v, Mem{Base: x, Disp: 32 * i})
		VADDPS(v, sum[i], sum[i])
		VMULPS(Mem{Base: inverse, Disp: 32 * i}, v, v)
		VFMADD231PS(v, v, square[i])
	}
	ADDQ(Imm(64), x)
	ADDQ(Imm(64), inverse)
	SUBQ(Imm(16), n)
	JNZ(LabelRef("loop"))
	for i := range parts {
		VMOVUPS(sum[i], Mem{Base: sums, Disp: 32 * i})
		VMOVUPS(square[i], Mem{Base: squares, Disp: 32 * i})
	}
	VZEROUPPER()
	RET()
}

// turn takes 16 x 16 numbers at once, or 8 x 8 four times.
func (s set) turn() {
	s.begin("turn", "func(dst *float32, src *float32, dstStride int, srcStride int)", "turnGeneric.")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	to, from := Load(Param("dstStride"), GP64()), Load(Param("srcStride"), GP64())
	side, at := 2*s.width, GP64()
	x := transposition{t: s.vec()}
	for range side {
		x.z = append(x.z, s.vec())
	}
	for i := 0; i < 16; i += side {
		for j := 0; j < 16; j += side {
			row := func(base, stride Register, first int) {
				MOVQ(base, at)
				for range first {
					ADDQ(stride, at)
				}
			}
			row(src, from, i)
			for r := range side {
				VMOVUPS(Mem{Base: at, Disp: 4 * j}, x.z[r])
				if r < side-1 {
					ADDQ(from, at)
				}
			}
			if s.width == 8 {
				x.whole512()
			} else {
				x.whole256()
			}
			row(dst, to, j)
			for c := range side {
				VMOVUPS(x.z[c/4*4+quadOrder[c%4]], Mem{Base: at, Disp: 4 * i})
				if c < side-1 {
					ADDQ(to, at)
				}
			}
		}
	}
	VZEROUPPER()
	RET()
}
