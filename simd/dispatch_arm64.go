package simd

import "unsafe"

// Widths 1..6 of the tiles; index 0 is never used.
var tilesNEON = [...]tileFunc{nil, tileNEON1, tileNEON2, tileNEON3, tileNEON4, tileNEON5, tileNEON6}

// Queries and the float64 loops have no kernels of their own here.
var neon = kernels{name: "neon", scale: scaleNEON, lift: liftBlocks, pack: packGeneric, gen: genNEON, tiles: tilesNEON[:],
	runs: runsGeneric, products: productsGeneric, gemv: gemvGeneric, gemm: gemmGeneric, round32: round32Generic, gather: gatherGeneric,
	widen: widenGeneric, squares: squaresGeneric, norm16: norm16Generic, multiply: multiplyGeneric, hadamard: hadamardGeneric, round16: round16Generic}

// available lists what this processor has, best first. Go runs on no arm64 processor that lacks NEON.
func available() []*kernels { return []*kernels{&neon, &generic} }

func liftBlocks(dst, f, x *int16, nodes *node, lifts *int32, rows, stride, n int) {
	liftNEON(dst, f, x, (*int32)(unsafe.Pointer(nodes)), lifts, rows, stride, n)
}
