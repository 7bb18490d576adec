package main

import "fmt"

// scale takes 32 numbers at a time, in four vectors. SQRDMULH is mulhrs here and below, since its
// one saturating product, -2^15 times -2^15, cannot come: |x|^2 < 2^30 keeps -2^15 out of keys,
// lift out of prefixes, and gains are not negative.
func (f *file) scale() {
	f.text("scaleNEON", "scaleGeneric", "dst *int16", "src *int16", "gain int16", "rows int", "stride int", "n int")
	f.field("scale", "scaleNEON")
	for i, name := range []string{"dst", "src"} {
		f.op("MOVD %s+%d(FP), R%d", name, 8*i, i)
	}
	f.op("MOVH gain+16(FP), R2")
	for i, name := range []string{"rows", "stride", "n"} {
		f.op("MOVD %s+%d(FP), R%d", name, 24+8*i, 3+i)
	}
	f.op("VDUP R2, V4.H8")
	f.op("row:")
	f.op("MOVD R0, R6")
	f.op("MOVD R1, R7")
	f.op("MOVD R5, R8")
	f.op("loop:")
	f.op("VLD1.P 64(R7), %s", list(0, 4, "H8"))
	for v := range 4 {
		f.op(sqrdmulh.word(v, v, 4))
	}
	f.op("VST1.P %s, 64(R6)", list(0, 4, "H8"))
	f.op("SUBS $%d, R8", 2*step)
	f.op("BNE loop")
	f.op("ADD R4, R0")
	f.op("ADD R4, R1")
	f.op("SUBS $1, R3")
	f.op("BNE row")
	f.op("RET")
}

// lift takes 32 numbers at a time, in four vectors. SQRSHRN leaves only -2^15 to clamp.
func (f *file) lift() {
	f.text("liftNEON", "liftGeneric",
		"dst *int16", "f *int16", "x *int16", "nodes *int32", "lifts *int32", "rows int", "stride int", "n int")
	f.field("lift", "liftNEON")
	f.load("dst", "f", "x", "nodes", "lifts", "rows", "stride", "n")
	f.op("MOVD $-32767, R8")
	f.op("VDUP R8, V17.H8")
	f.op("row:")
	f.op("MOVW 0(R3), R9")  // parent
	f.op("MOVW 4(R3), R10") // last
	f.op("MOVW 8(R3), R11") // run
	f.op("ADD R11<<2, R4, R11")
	f.op("MOVW (R11), R11")
	f.op("VDUP R11, V16.S4")
	f.op("MUL R6, R9, R9")
	f.op("MUL R6, R10, R10")
	f.op("ADD R1, R9")
	f.op("ADD R2, R10")
	f.op("MOVD R0, R12")
	f.op("MOVD R7, R13")
	f.op("loop:")
	f.op("VLD1.P 64(R9), %s", list(0, 4, "H8"))
	f.op("VLD1.P 64(R10), %s", list(4, 4, "H8"))
	for v := range 4 {
		lo, hi := 8+2*v, 9+2*v
		f.op(sqrdmulh.word(v, v, 4+v))
		f.op(sxtl.word(lo, v))
		f.op(sxtl2.word(hi, v))
		f.op(mul.word(lo, lo, 16))
		f.op(mul.word(hi, hi, 16))
		f.op(sqrshrn.word(v, lo))
		f.op(sqrshrn2.word(v, hi))
		f.op(smax.word(v, v, 17))
	}
	f.op("VST1.P %s, 64(R12)", list(0, 4, "H8"))
	f.op("SUBS $%d, R13", 2*step)
	f.op("BNE loop")
	f.op("ADD R6, R0")
	f.op("ADD $16, R3")
	f.op("SUBS $1, R5")
	f.op("BNE row")
	f.op("RET")
}

// gen makes 16 features of 16 pairs at a time, four features in a go. A vector holds one feature of
// four pairs until 4 x 4 transpositions make it four features of one pair.
func (f *file) gen() {
	f.text("genNEON", "genGeneric", "dst *int32", "at *[32]int", "f *int16", "gt *int16", "pairs int", "norms *uint32")
	f.field("gen", "genNEON")
	f.field("tiles", "tilesNEON")
	f.load("dst", "at", "f", "gt", "pairs", "norms")
	// z(i, q) is feature i of pairs 4q..4q+3; lo(q) and hi(q) sum their squares, two pairs each:
	// even row, odd row, even row, odd row.
	z := func(i, q int) int { return 4*i + q }
	lo := func(q int) int { return 16 + 2*q }
	hi := func(q int) int { return 17 + 2*q }
	const b = 24 // right factors, then scratch
	const t = 28 // scratch
	f.op("loop:")
	for q := range 4 {
		f.op("VEOR V%d.B16, V%[1]d.B16, V%[1]d.B16", lo(q))
		f.op("VEOR V%d.B16, V%[1]d.B16, V%[1]d.B16", hi(q))
	}
	for first := 0; first < step; first += 4 {
		for i := range 4 {
			f.op("LDP %d(R1), (R6, R7)", 16*(first+i))
			f.op("ADD R2, R6")
			f.op("ADD R3, R7")
			f.op("VLD1 (R6), %s", list(z(i, 0), 4, "H8"))
			f.op("VLD1 (R7), %s", list(b, 4, "H8"))
			for q := range 4 {
				f.op(sqrdmulh.word(z(i, q), z(i, q), b+q))
			}
			for q := range 4 {
				f.op(smlal.word(lo(q), z(i, q), z(i, q)))
				f.op(smlal2.word(hi(q), z(i, q), z(i, q)))
			}
		}
		for q := range 4 {
			// TRN1 and TRN2 of words, then of couples of words. What stands first in the Arm manual
			// stands last here.
			for i := 0; i < 4; i += 2 {
				f.op("VTRN1 V%d.S4, V%d.S4, V%d.S4", z(i+1, q), z(i, q), b+i)
				f.op("VTRN2 V%d.S4, V%d.S4, V%d.S4", z(i+1, q), z(i, q), b+i+1)
			}
			for p := range 4 {
				f.op("VTRN%d V%d.D2, V%d.D2, V%d.D2", 1+p/2, b+2+p%2, b+p%2, t+p)
			}
			for p := range 4 {
				f.op("FMOVQ F%d, %d(R0)", t+p, row*(4*q+p)+4*first)
			}
		}
	}
	for q := range 4 {
		f.op("FMOVQ %d(R5), F%d", 16*q, t)
		f.op("FMOVQ %d(R5), F%d", 64+16*q, t+1)
		f.op("VUZP1 V%d.S4, V%d.S4, V%d.S4", hi(q), lo(q), t+2)
		f.op("VADDP V%d.S4, V%d.S4, V%d.S4", hi(q), lo(q), t+3)
		f.op("VADD V%d.S4, V%d.S4, V%[2]d.S4", t+2, t)
		f.op("VADD V%d.S4, V%d.S4, V%[2]d.S4", t+3, t+1)
		f.op("FMOVQ F%d, %d(R5)", t, 16*q)
		f.op("FMOVQ F%d, %d(R5)", t+1, 64+16*q)
	}
	f.op("ADD $%d, R0", row*step)
	f.op("ADD $64, R2")
	f.op("ADD $64, R3")
	f.op("ADD $128, R5")
	f.op("SUBS $%d, R4", step)
	f.op("BNE loop")
	f.op("RET")
}

// cols is the widest tile: 4*6 accumulators, two right factors, and even and odd rows of two times
// 8 features make 30 registers.
const cols = 6

// tile takes the 32 features in two halves. The loads part even from odd rows, so that each product
// has one factor that is the same for all features: an element of V0 or V1, where the right factors
// lie.
func (f *file) tile(w int) {
	name := fmt.Sprint("tileNEON", w)
	f.text(name, fmt.Sprint("tileGeneric for width ", w), "sums *int64", "panel *int32", "u *int16", "pairs int")
	f.tables.List("tilesNEON", "tileFunc", w, name)
	const (
		even, odd = 2, 3 // the first 8 features; 4 and 5 are the other ones
		acc       = 8    // 4 of each column
		sums      = 2    // 4, when features are no longer needed
	)
	f.op("MOVD sums+0(FP), R0")
	f.op("MOVD panel+8(FP), R1")
	f.op("MOVD $%d, R5", row-32)
	for half := range 2 {
		if half > 0 {
			f.op("MOVD sums+0(FP), R0")
			f.op("MOVD panel+8(FP), R1")
			f.op("ADD $%d, R0", half*step*8)
			f.op("ADD $%d, R1", half*step*4)
		}
		f.op("MOVD u+16(FP), R2")
		f.op("MOVD pairs+24(FP), R3")
		for i := range 4 * w {
			f.op("VEOR V%d.B16, V%[1]d.B16, V%[1]d.B16", acc+i)
		}
		f.op("loop%d:", half)
		f.op("VLD2.P 32(R1), %s", list(even, 2, "H8"))
		f.op("VLD2.P (R1)(R5), %s", list(even+2, 2, "H8"))
		at := f.loadRight(w)
		for r, features := range []int{even, odd} {
			for c := range w {
				for i := range 2 {
					f.op(smlalLane.word(acc+4*c+2*i, features+2*i, at[c].reg, at[c].lane+r))
					f.op(smlal2Lane.word(acc+4*c+2*i+1, features+2*i, at[c].reg, at[c].lane+r))
				}
			}
		}
		f.op("SUBS $1, R3")
		f.op("BNE loop%d", half)
		for c := range w {
			for i := range 2 {
				f.op("VLD1 (R0), %s", list(sums, 4, "D2"))
				for v := range 2 {
					f.op(saddw.word(sums+2*v, sums+2*v, acc+4*c+2*i+v))
					f.op(saddw2.word(sums+2*v+1, sums+2*v+1, acc+4*c+2*i+v))
				}
				f.op("VST1.P %s, 64(R0)", list(sums, 4, "D2"))
			}
			if c < w-1 {
				f.op("ADD $%d, R0", (lanes-step)*8)
			}
		}
	}
	f.op("RET")
}

// place is where a column's right factors are: the even row's lane, and the odd row's after it.
type place struct{ reg, lane int }

// loadRight loads one pair's w columns, not a byte beyond, and says where they are.
func (f *file) loadRight(w int) (at []place) {
	for reg := 0; len(at) < w; reg++ {
		n := min(w-len(at), 4)
		switch n {
		case 4:
			f.op("FMOVQ.P 16(R2), F%d", reg)
		case 2, 3:
			n = 2
			f.op("FMOVD.P 8(R2), F%d", reg)
		case 1:
			f.op("FMOVS.P 4(R2), F%d", reg)
		}
		for c := range n {
			at = append(at, place{reg, 2 * c})
		}
	}
	return at
}
