package main

import (
	"math"

	"dpattn/simd/asm/dispatch"
)

// Registers of weigh. Each of the first five holds 16 numbers, in four vectors.
const (
	wx, wn, wr, wy, wt = 0, 4, 8, 12, 28

	wLeast, wLog2e, wMagic, wHigh, wLow = 16, 17, 18, 19, 20
	wCoeff                              = 21 // 1, 1, then those of exp's polynomial, the last one first
	wMass                               = 27
)

// exp takes x = wx to exp(x) for four vectors: 2^n e^r with x = n ln 2 + r.
func (f *file) exp() {
	each := func(line string, args func(v int) []any) {
		for v := range 4 {
			f.op(line, args(v)...)
		}
	}
	word := func(i inst, d, n, m func(v int) int) {
		for v := range 4 {
			f.op(i.word(d(v), n(v), m(v)))
		}
	}
	at := func(base int) func(v int) int { return func(v int) int { return base + v } }
	all := func(r int) func(v int) int { return func(int) int { return r } }
	word(fmax, at(wx), at(wx), all(wLeast))
	each("VMOV V%d.B16, V%d.B16", func(v int) []any { return []any{wMagic, wn + v} })
	each("VFMLA V%d.S4, V%d.S4, V%d.S4", func(v int) []any { return []any{wLog2e, wx + v, wn + v} })
	word(fsub, at(wt), at(wn), all(wMagic))
	each("VMOV V%d.B16, V%d.B16", func(v int) []any { return []any{wx + v, wr + v} })
	for _, part := range []int{wHigh, wLow} {
		each("VFMLS V%d.S4, V%d.S4, V%d.S4", func(v int) []any { return []any{part, wt + v, wr + v} })
	}
	y, t := wy, wt
	each("VMOV V%d.B16, V%d.B16", func(v int) []any { return []any{wCoeff + 5, y + v} })
	for _, c := range []int{wCoeff + 4, wCoeff + 3, wCoeff + 2, wCoeff + 1, wCoeff, wCoeff} {
		each("VMOV V%d.B16, V%d.B16", func(v int) []any { return []any{c, t + v} })
		each("VFMLA V%d.S4, V%d.S4, V%d.S4", func(v int) []any { return []any{y + v, wr + v, t + v} })
		y, t = t, y
	}
	each("VSHL $23, V%d.S4, V%[1]d.S4", func(v int) []any { return []any{wn + v} })
	each("VADD V%d.S4, V%d.S4, V%[2]d.S4", func(v int) []any { return []any{wn + v, y + v} })
	word(fcmgt, at(wx), at(wx), all(wLeast))
	each("VAND V%d.B16, V%d.B16, V%[2]d.B16", func(v int) []any { return []any{y + v, wx + v} })
}

// weigh takes 16 numbers at a time: of 16 queries and one cell, or of one query and 16 cells.
func (f *file) weigh(one bool) {
	name, params := "weigh", []string{
		"x *float32", "inverse *float32", "top *float32", "sums *float32", "squares *float32", "rows int", "lanes int",
	}
	if one {
		name, params = "weighOne", append(params[:5], "n int")
	}
	f.text(name+"NEON", name+"Generic", params...)
	f.field(name, name+"NEON")
	f.load("x", "inverse", "top", "sums", "squares")
	if one {
		f.op("MOVD n+40(FP), R5")
	} else {
		f.op("MOVD rows+40(FP), R5")
		f.op("MOVD lanes+48(FP), R6")
	}
	for i, c := range []float32{
		float32(dispatch.Const("noWeight")), 1.44269504, 3 << 22, 0.693359375, -2.12194440e-4,
		1, 0.5, 0.16666529, 0.041666307, 0.008368036, 0.0013943852, // see the kernels of amd64
	} {
		f.op("MOVD $0x%08x, R7", math.Float32bits(c))
		f.op("VDUP R7, V%d.S4", wLeast+i)
	}
	if one {
		f.op("VLD1R (R2), [V%d.S4]", wMass)
		f.op("loop:")
	} else {
		f.op("LSL $2, R6") // bytes
		f.op("group:")
		f.op("MOVD $16, R8") // rows
		f.op("MOVD R3, R11")
		f.op("MOVD R4, R12")
		f.op("row:")
		f.op("VLD1R.P 4(R1), [V%d.S4]", wMass)
		f.op("MOVD R2, R9")
		f.op("MOVD R6, R10")
		f.op("lane:")
	}
	f.op("VLD1 (R0), %s", list(wx, 4, "S4"))
	if !one {
		f.op("VLD1.P 64(R9), %s", list(wt, 4, "S4"))
	}
	for v := range 4 {
		top := wt + v
		if one {
			top = wMass
		}
		f.op(fsub.word(wx+v, wx+v, top))
	}
	f.exp()
	f.op("VST1.P %s, 64(R0)", list(wx, 4, "S4"))
	sums, squares := 3, 4
	if !one {
		sums, squares = 11, 12
	} else {
		f.op("VLD1.P 64(R1), %s", list(wt, 4, "S4"))
	}
	f.op("VLD1 (R%d), %s", sums, list(wn, 4, "S4"))
	f.op("VLD1 (R%d), %s", squares, list(wr, 4, "S4"))
	for v := range 4 {
		mass := wMass
		if one {
			mass = wt + v
		}
		f.op(fadd.word(wn+v, wn+v, wx+v))
		f.op(fmul.word(wy+v, wx+v, mass))
		f.op("VFMLA V%d.S4, V%[1]d.S4, V%d.S4", wy+v, wr+v)
	}
	if one {
		f.op("VST1 %s, (R3)", list(wn, 4, "S4"))
		f.op("VST1 %s, (R4)", list(wr, 4, "S4"))
		f.op("SUBS $16, R5")
		f.op("BNE loop")
		f.op("RET")
		return
	}
	f.op("VST1.P %s, 64(R11)", list(wn, 4, "S4"))
	f.op("VST1.P %s, 64(R12)", list(wr, 4, "S4"))
	f.op("SUBS $64, R10")
	f.op("BNE lane")
	f.op("SUBS $1, R8")
	f.op("BNE row")
	f.op("SUBS $16, R5")
	f.op("BNE group")
	f.op("RET")
}

func (f *file) largest() {
	f.text("largestNEON", "largestGeneric", "top *float32", "x *float32", "rows int", "lanes int")
	f.field("largest", "largestNEON")
	f.load("top", "x", "rows", "lanes")
	f.op("LSL $2, R3") // bytes
	f.op("MOVD R3, R4")
	f.op("lane:")
	f.op("VLD1 (R0), %s", list(0, 4, "S4"))
	f.op("MOVD R1, R5")
	f.op("MOVD R2, R6")
	f.op("row:")
	f.op("VLD1 (R5), %s", list(4, 4, "S4"))
	for v := range 4 {
		f.op(fmax.word(v, v, 4+v))
	}
	f.op("ADD R3, R5")
	f.op("SUBS $1, R6")
	f.op("BNE row")
	f.op("VST1.P %s, 64(R0)", list(0, 4, "S4"))
	f.op("ADD $64, R1")
	f.op("SUBS $64, R4")
	f.op("BNE lane")
	f.op("RET")
}
