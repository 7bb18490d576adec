package simd

import "unsafe"

// Widths 1..6 of the tiles; index 0 is never used.
var tilesNEON = [...]tileFunc{nil, tileNEON1, tileNEON2, tileNEON3, tileNEON4, tileNEON5, tileNEON6}

// Widths of the query kernels; index 0 is never used.
var (
	gemvsNEON = [...]func(out, psi, body *float32, rows, stride int){nil, gemvNEON1, gemvNEON2, gemvNEON3, gemvNEON4}
	gemmsNEON = [...]gemmTile{nil, gemmNEON1, gemmNEON2, gemmNEON3, gemmNEON4, gemmNEON5, gemmNEON6}
)

// The float64 loops have no kernels of their own here.
var neon = kernels{name: "neon", scale: scaleNEON, lift: liftVectors, pack: packGeneric, gen: genNEON, tiles: tilesNEON[:],
	runs: runsVectors, products: productsVectors, gemv: gemvVectors, gemm: gemmVectors, round32: round32Generic, gather: gatherGeneric,
	widen: widenGeneric, squares: squaresGeneric, norm16: norm16Generic, multiply: multiplyGeneric, hadamard: hadamardGeneric, round16: round16Generic}

// available lists what this processor has, best first. Go runs on no arm64 processor that lacks NEON.
func available() []*kernels { return []*kernels{&neon, &generic} }

func liftVectors(dst, f, x *int16, nodes *node, lifts *int32, rows, stride, n int) {
	liftNEON(dst, f, x, (*int32)(unsafe.Pointer(nodes)), lifts, rows, stride, n)
}

func runsVectors(dst, f, g *float32, nodes *node, count, dim int) {
	runsNEON(dst, f, g, (*int32)(unsafe.Pointer(nodes)), count, dim)
}

func productsVectors(dst *float32, factors *factor, count int, f, g *float32, lanes int) {
	productsNEON(dst, (*int32)(unsafe.Pointer(factors)), count, f, g, lanes)
}

func gemvVectors(out, psi, body, tail *float32, rows, wide, narrow, queries, step int) {
	groups := wide / 16
	tile := max(1, evenly(groups, len(gemvsNEON)-1))
	for range queries {
		for i := 0; i < groups; i += tile {
			gemvsNEON[min(tile, groups-i)](index(out, 16*i), psi, index(body, 16*i), rows, 4*wide)
		}
		for c := range narrow {
			gemvNEONOne(index(out, wide+c), psi, index(tail, c), rows, 4*narrow)
		}
		out, psi = index(out, wide+narrow), index(psi, step)
	}
}

func gemmVectors(out, psi *float32, factors *factor, f, g, body, tail *float32, rows, wide, narrow, lanes int) {
	productsVectors(psi, factors, rows, f, g, lanes)
	gemmTiles(gemmsNEON[:], out, psi, body, tail, rows, wide, narrow, lanes)
}
