package main

import "fmt"

// The widest tiles of the query kernels.
const (
	gemvGroups = 4 // of 16 columns: 16 accumulators
	gemmCols   = 6 // at 16 queries: 24 accumulators, four vectors of psi, a broadcast
)

func (f *file) queries() {
	f.runs()
	f.products()
	for n := 1; n <= gemvGroups; n++ {
		f.gemv(n)
	}
	f.gemvOne()
	f.field("gemv", "gemvVectors")
	f.field("gemm", "gemmVectors")
	for w := 1; w <= gemmCols; w++ {
		f.gemm(w)
	}
}

// load loads the parameters into R0, R1 and so on; names and types as in text.
func (f *file) load(names ...string) {
	for i, name := range names {
		f.op("MOVD %s+%d(FP), R%d", name, 8*i, i)
	}
}

// runs makes the children of prefixes, a vector at a time, each vector over the end of the one
// before.
func (f *file) runs() {
	f.text("runsNEON", "runsGeneric",
		"dst *float32", "f *float32", "gt *float32", "nodes *int32", "count int", "dim int")
	f.field("runs", "runsNEON")
	f.load("dst", "f", "gt", "nodes", "count", "dim")
	f.op("node:")
	f.op("MOVW 4(R3), R6") // last
	f.op("MOVW 8(R3), R7") // run
	f.op("FMOVS (R1), F2")
	f.op("VLD1R.P 4(R1), [V0.S4]")
	f.op("ADD R6<<2, R2, R8") // from
	f.op("MOVD R0, R9")       // to
	f.op("SUB R6, R5, R10")   // left
	f.op("MOVD R10, R11")
	f.op("run:")
	f.op("VLD1.P 16(R8), [V1.S4]")
	f.op(fmul.word(1, 1, 0))
	f.op("VST1.P [V1.S4], 16(R9)")
	f.op("SUBS $4, R11")
	f.op("BGT run")
	f.op("MUL R5, R7, R7")
	f.op("ADD R6, R7")
	f.op("ADD R7<<2, R2, R8")
	f.op("FMOVS (R8), F3")
	f.op("FMULS F2, F3, F3")
	f.op("FMOVS F3, (R0)")
	f.op("ADD R10<<2, R0, R0")
	f.op("ADD $16, R3")
	f.op("SUBS $1, R4")
	f.op("BNE node")
	f.op("RET")
}

// products makes features of many queries that lie side by side, 16 at a time.
func (f *file) products() {
	f.text("productsNEON", "productsGeneric",
		"dst *float32", "factors *int32", "count int", "f *float32", "gt *float32", "lanes int")
	f.field("products", "productsNEON")
	f.load("dst", "factors", "count", "f", "gt", "lanes")
	f.op("LSL $2, R5") // bytes
	f.op("loop:")
	f.op("MOVW.P 4(R1), R6")
	f.op("MOVW.P 4(R1), R7")
	f.op("MUL R5, R6, R6")
	f.op("MUL R5, R7, R7")
	f.op("ADD R3, R6")
	f.op("ADD R4, R7")
	f.op("MOVD R5, R8")
	f.op("lane:")
	f.op("VLD1.P 64(R6), %s", list(0, 4, "S4"))
	f.op("VLD1.P 64(R7), %s", list(4, 4, "S4"))
	for v := range 4 {
		f.op(fmul.word(v, v, 4+v))
	}
	f.op("VST1.P %s, 64(R0)", list(0, 4, "S4"))
	f.op("SUBS $64, R8")
	f.op("BNE lane")
	f.op("SUBS $1, R2")
	f.op("BNE loop")
	f.op("RET")
}

// gemv keeps n groups of 16 columns in registers.
func (f *file) gemv(n int) {
	const (
		row = 16 // two times four vectors of the state
		psi = 24
	)
	name := fmt.Sprint("gemvNEON", n)
	f.tables.List("gemvsNEON", "gemvTile", n, name)
	const doc = "gemvGeneric for one query and %d groups of 16 columns of body, whose rows are stride bytes apart"
	f.text(name, fmt.Sprintf(doc, n),
		"out *float32", "psi *float32", "body *float32", "rows int", "stride int")
	f.load("out", "psi", "body", "rows", "stride")
	f.op("MOVD R0, R5")
	for i := range n {
		f.op("VLD1.P 64(R5), %s", list(4*i, 4, "S4"))
	}
	f.op("loop:")
	f.op("VLD1R.P 4(R1), [V%d.S4]", psi)
	f.op("MOVD R2, R5")
	for i := range n {
		at := row + i%2*4
		f.op("VLD1.P 64(R5), %s", list(at, 4, "S4"))
		for v := range 4 {
			f.op("VFMLA V%d.S4, V%d.S4, V%d.S4", psi, at+v, 4*i+v)
		}
	}
	f.op("ADD R4, R2")
	f.op("SUBS $1, R3")
	f.op("BNE loop")
	for i := range n {
		f.op("VST1.P %s, 64(R0)", list(4*i, 4, "S4"))
	}
	f.op("RET")
}

// gemvOne takes one column.
func (f *file) gemvOne() {
	f.text("gemvNEONOne", "gemvGeneric for one query and one column, whose rows are stride bytes apart",
		"out *float32", "psi *float32", "state *float32", "rows int", "stride int")
	f.load("out", "psi", "state", "rows", "stride")
	f.op("FMOVS (R0), F0")
	f.op("loop:")
	f.op("FMOVS.P 4(R1), F1")
	f.op("FMOVS (R2), F2")
	f.op("FMADDS F1, F0, F2, F0")
	f.op("ADD R4, R2")
	f.op("SUBS $1, R3")
	f.op("BNE loop")
	f.op("FMOVS F0, (R0)")
	f.op("RET")
}

// gemm takes 16 queries and w columns; queries' rows in psi and out are lanes bytes apart.
func (f *file) gemm(w int) {
	const (
		psi   = 24
		state = 28
	)
	name := fmt.Sprint("gemmNEON", w)
	f.tables.List("gemmsNEON", "gemmTile", w, name)
	f.text(name, fmt.Sprintf("gemmGeneric for %d columns and 16 queries; rows of psi and out are lanes bytes apart", w),
		"out *float32", "psi *float32", "state *float32", "rows int", "stride int", "lanes int")
	f.load("out", "psi", "state", "rows", "stride", "lanes")
	f.op("MOVD R0, R6")
	for c := range w {
		f.op("VLD1 (R6), %s", list(4*c, 4, "S4"))
		f.op("ADD R5, R6")
	}
	f.op("loop:")
	f.op("VLD1 (R1), %s", list(psi, 4, "S4"))
	f.op("MOVD R2, R7")
	for c := range w {
		f.op("VLD1R.P 4(R7), [V%d.S4]", state+c%2)
		for v := range 4 {
			f.op("VFMLA V%d.S4, V%d.S4, V%d.S4", state+c%2, psi+v, 4*c+v)
		}
	}
	f.op("ADD R5, R1")
	f.op("ADD R4, R2")
	f.op("SUBS $1, R3")
	f.op("BNE loop")
	for c := range w {
		f.op("VST1 %s, (R0)", list(4*c, 4, "S4"))
		f.op("ADD R5, R0")
	}
	f.op("RET")
}
