package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// What kernels of all instruction sets have in common.

const (
	packArgs  = "func(dst *int16, src *int16, dims int, step int, stride int)"
	scaleArgs = "func(dst *int16, src *int16, gain int16, rows int, stride int, n int)"
	liftArgs  = "func(dst *int16, f *int16, x *int16, nodes *int32, lifts *int32, rows int, stride int, n int)"
)

// overPairs runs body for each pair of rows, and fetch with the first ones, so often: the sums come
// from far away and are needed at the end.
func overPairs(name string, pairs Register, often int, body, fetch func()) {
	first := GP64()
	MOVQ(U32(uint32(often)), first)
	CMPQ(pairs, first)
	CMOVQLT(pairs, first)
	SUBQ(first, pairs)
	Label("fetch" + name)
	fetch()
	body()
	DECQ(first)
	JNZ(LabelRef("fetch" + name))
	TESTQ(pairs, pairs)
	JZ(LabelRef("spill" + name))
	Label("loop" + name)
	body()
	DECQ(pairs)
	JNZ(LabelRef("loop" + name))
	Label("spill" + name)
}

// scaleRows calls work for the 64 bytes of each row and returns.
func scaleRows(work func(src, dst Mem)) {
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	rows, stride, n := Load(Param("rows"), GP64()), Load(Param("stride"), GP64()), Load(Param("n"), GP64())
	at := GP64()
	SHLQ(Imm(1), n)
	Label("row")
	XORQ(at, at)
	Label("loop")
	work(Mem{Base: src, Index: at, Scale: 1}, Mem{Base: dst, Index: at, Scale: 1})
	ADDQ(Imm(64), at)
	CMPQ(at, n)
	JL(LabelRef("loop"))
	ADDQ(stride, src)
	ADDQ(stride, dst)
	DECQ(rows)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// liftRows calls factor for each node and work for the 64 bytes of its rows, and returns.
func liftRows(factor func(Mem), work func(f, x, dst Mem)) {
	dst, f, x := Load(Param("dst"), GP64()), Load(Param("f"), GP64()), Load(Param("x"), GP64())
	nodes, lifts := Load(Param("nodes"), GP64()), Load(Param("lifts"), GP64())
	rows, stride, n := Load(Param("rows"), GP64()), Load(Param("stride"), GP64()), Load(Param("n"), GP64())
	at, parent, last, run := GP64(), GP64(), GP64(), GP64()
	SHLQ(Imm(1), n)
	Label("row")
	MOVLQSX(Mem{Base: nodes}, parent)
	MOVLQSX(Mem{Base: nodes, Disp: 4}, last)
	MOVLQSX(Mem{Base: nodes, Disp: 8}, run)
	factor(Mem{Base: lifts, Index: run, Scale: 4})
	IMULQ(stride, parent)
	IMULQ(stride, last)
	ADDQ(f, parent)
	ADDQ(x, last)
	XORQ(at, at)
	Label("loop")
	here := func(row Register) Mem { return Mem{Base: row, Index: at, Scale: 1} }
	work(here(parent), here(last), here(dst))
	ADDQ(Imm(64), at)
	CMPQ(at, n)
	JL(LabelRef("loop"))
	ADDQ(stride, dst)
	ADDQ(Imm(16), nodes)
	DECQ(rows)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// packed are the registers of pack.
type packed struct{ dst, src, dims, step, stride, at Register }

func packing() packed {
	return packed{
		Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("dims"), GP64()),
		Load(Param("step"), GP64()), Load(Param("stride"), GP64()), GP64(),
	}
}
