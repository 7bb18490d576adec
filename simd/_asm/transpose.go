package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// transposition exchanges rows and columns of 32-bit words, in place but for one register that
// changes places with the first of each couple.
type transposition struct {
	z []VecVirtual
	t VecVirtual
}

// couple makes z[a], z[b] the low and the high combination of both.
func (x *transposition) couple(a, b int, low, high func(x, y, dst Op)) {
	low(x.z[b], x.z[a], x.t)
	high(x.z[b], x.z[a], x.z[b])
	x.z[a], x.t = x.t, x.z[a]
}

// quadOrder says which column of its lane each register of four has after quads.
var quadOrder = [4]int{0, 2, 1, 3}

// quads transposes 4 x 4 words within each 128-bit lane: lane l of z[4k+n] then holds rows 4k..4k+3
// of column 4l + quadOrder[n].
func (x *transposition) quads() {
	for i := 0; i < len(x.z); i += 2 {
		x.couple(i, i+1, func(x, y, d Op) { VPUNPCKLDQ(x, y, d) }, func(x, y, d Op) { VPUNPCKHDQ(x, y, d) })
	}
	for i := 0; i < len(x.z); i += 4 {
		for j := range 2 {
			x.couple(i+j, i+j+2, func(x, y, d Op) { VPUNPCKLQDQ(x, y, d) }, func(x, y, d Op) { VPUNPCKHQDQ(x, y, d) })
		}
	}
}

// whole512 transposes 16 x 16 words: z[4l+n] then is column 4l + quadOrder[n].
func (x *transposition) whole512() {
	x.quads()
	even128 := func(x, y, d Op) { VSHUFI32X4(Imm(0x88), x, y, d) }
	odd128 := func(x, y, d Op) { VSHUFI32X4(Imm(0xdd), x, y, d) }
	for n := range quadOrder {
		for _, c := range [][2]int{{0, 4}, {8, 12}, {0, 8}, {4, 12}} {
			x.couple(c[0]+n, c[1]+n, even128, odd128)
		}
	}
}

// whole256 transposes 8 x 8 words: z[4l+n] then is column 4l + quadOrder[n].
func (x *transposition) whole256() {
	x.quads()
	for n := range quadOrder {
		low := func(x, y, d Op) { VPERM2I128(Imm(0x20), x, y, d) }
		high := func(x, y, d Op) { VPERM2I128(Imm(0x31), x, y, d) }
		x.couple(n, 4+n, low, high)
	}
}
