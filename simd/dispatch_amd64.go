package simd

import (
	"unsafe"

	"github.com/klauspost/cpuid/v2"
)

// Widths 1..13 and 1..6 of the tiles; index 0 is never used.
var (
	tilesVNNI = [...]tileFunc{nil, tileVNNI1, tileVNNI2, tileVNNI3, tileVNNI4, tileVNNI5, tileVNNI6, tileVNNI7, tileVNNI8, tileVNNI9, tileVNNI10, tileVNNI11, tileVNNI12, tileVNNI13}
	tilesBW   = [...]tileFunc{nil, tileBW1, tileBW2, tileBW3, tileBW4, tileBW5, tileBW6, tileBW7, tileBW8, tileBW9, tileBW10, tileBW11, tileBW12, tileBW13}
	tilesAVX2 = [...]tileFunc{nil, tileAVX2x1, tileAVX2x2, tileAVX2x3, tileAVX2x4, tileAVX2x5, tileAVX2x6}
)

// available lists what this processor has, best first.
func available() []*kernels {
	var list []*kernels
	bw := cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512VL)
	// The assembler's VPDPWSSD is the EVEX form, which AVX512VNNI brings; AVX-VNNI alone does not.
	if bw && cpuid.CPU.Supports(cpuid.AVX512VNNI) {
		list = append(list, &kernels{name: "avx512vnni", scale: scaleBW, lift: liftBW, gen: genVNNI, tiles: tilesVNNI[:],
			runs: runs512, products: products512, gemv: gemv512, gemm: gemm512,
			widen: widenAVX512, squares: squaresAVX512, norm16: norm16AVX512, multiply: multiplyAVX512, hadamard: hadamard512, round16: round16AVX512})
	}
	if bw {
		list = append(list, &kernels{name: "avx512bw", scale: scaleBW, lift: liftBW, gen: genBW, tiles: tilesBW[:],
			runs: runs512, products: products512, gemv: gemv512, gemm: gemm512,
			widen: widenAVX512, squares: squaresAVX512, norm16: norm16AVX512, multiply: multiplyAVX512, hadamard: hadamard512, round16: round16AVX512})
	}
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3) {
		list = append(list, &kernels{name: "avx2", scale: scaleAVX2, lift: liftAVX2, gen: genAVX2, tiles: tilesAVX2[:],
			runs: runs256, products: products256, gemv: gemv256, gemm: gemm256,
			widen: widenAVX2, squares: squaresAVX2, norm16: norm16AVX2, multiply: multiplyAVX2, hadamard: hadamard256, round16: round16AVX2})
	}
	return append(list, &generic)
}

// Widths of the query kernels; [vectors of body][tail: none, one column, several].
var (
	gemvs512 = [...][3]gemv512Func{
		{nil, gemvAVX512x0One, gemvAVX512x0Some},
		{gemvAVX512x1, gemvAVX512x1One, gemvAVX512x1Some},
		{gemvAVX512x2, gemvAVX512x2One, gemvAVX512x2Some},
		{gemvAVX512x3, gemvAVX512x3One, gemvAVX512x3Some},
		{gemvAVX512x4, gemvAVX512x4One, gemvAVX512x4Some},
		{gemvAVX512x5, gemvAVX512x5One, gemvAVX512x5Some},
		{gemvAVX512x6, gemvAVX512x6One, gemvAVX512x6Some},
		{gemvAVX512x7, gemvAVX512x7One, gemvAVX512x7Some},
		{gemvAVX512x8, gemvAVX512x8One, gemvAVX512x8Some},
	}
	gemvs256 = [...][3]gemv256Func{
		{nil, gemvAVX2x0One, gemvAVX2x0Some},
		{gemvAVX2x1, gemvAVX2x1One, gemvAVX2x1Some},
		{gemvAVX2x2, gemvAVX2x2One, gemvAVX2x2Some},
		{gemvAVX2x3, gemvAVX2x3One, gemvAVX2x3Some},
		{gemvAVX2x4, gemvAVX2x4One, gemvAVX2x4Some},
		{gemvAVX2x5, gemvAVX2x5One, gemvAVX2x5Some},
	}
	gemms512    = [...]gemmFunc{nil, gemmAVX512x1, gemmAVX512x2, gemmAVX512x3, gemmAVX512x4, gemmAVX512x5, gemmAVX512x6}
	gemms512One = [...]gemmFunc{nil, gemmAVX512One1, gemmAVX512One2, gemmAVX512One3, gemmAVX512One4, gemmAVX512One5, gemmAVX512One6, gemmAVX512One7, gemmAVX512One8, gemmAVX512One9, gemmAVX512One10, gemmAVX512One11, gemmAVX512One12, gemmAVX512One13, gemmAVX512One14, gemmAVX512One15, gemmAVX512One16, gemmAVX512One17, gemmAVX512One18, gemmAVX512One19, gemmAVX512One20, gemmAVX512One21, gemmAVX512One22, gemmAVX512One23, gemmAVX512One24}
	gemms256    = [...]func(out, psi, state *float32, rows, stride, lanes int){nil, gemmAVX2x1, gemmAVX2x2, gemmAVX2x3, gemmAVX2x4, gemmAVX2x5, gemmAVX2x6}
)

type (
	gemv512Func func(out, psi, body, rest *float32, rows, stride, step int, mask uint64, last *float32)
	gemv256Func func(out, psi, body, rest *float32, rows, stride, step int, mask *[16]uint32, last *float32)
	gemmFunc    func(out, psi, state *float32, rows, stride int)
)

func runs512(dst, f, g *float32, nodes *node, count, dim int) {
	runsAVX512(dst, f, g, (*int32)(unsafe.Pointer(nodes)), count, dim)
}

func runs256(dst, f, g *float32, nodes *node, count, dim int) {
	runsAVX2(dst, f, g, (*int32)(unsafe.Pointer(nodes)), count, dim)
}

func products512(dst *float32, factors *factor, count int, f, g *float32, lanes int) {
	if lanes == 16 {
		productsAVX512x16(dst, (*int32)(unsafe.Pointer(factors)), count, f, g)
	} else {
		productsAVX512x64(dst, (*int32)(unsafe.Pointer(factors)), count, f, g)
	}
}

func products256(dst *float32, factors *factor, count int, f, g *float32, lanes int) {
	if lanes == 16 {
		productsAVX2x16(dst, (*int32)(unsafe.Pointer(factors)), count, f, g)
	} else {
		productsAVX2x64(dst, (*int32)(unsafe.Pointer(factors)), count, f, g)
	}
}

// tailKind is the second index of gemvs.
func tailKind(narrow int) int { return min(narrow, 2) }

// evenly returns the width of tiles that cover n with the fewest tiles of at most most.
func evenly(n, most int) int {
	tiles := (n + most - 1) / most
	return (n + tiles - 1) / max(tiles, 1)
}

func gemv512(out, psi, body, tail *float32, rows, wide, narrow int) {
	vectors := wide / 16
	tile, mask, kind := max(1, evenly(vectors, len(gemvs512)-1)), uint64(1)<<narrow-1, tailKind(narrow)
	for v := 0; v < vectors || kind > 0; v += tile {
		n := min(tile, vectors-v)
		gemvs512[n][kind](index(out, 16*v), psi, index(body, 16*v), tail, rows, 4*wide, 4*narrow, mask, index(out, wide))
		kind = 0 // the first tile took the tail along
	}
}

// masks256[n] selects the first n of 16 columns.
var masks256 = func() (masks [16][16]uint32) {
	for n := range masks {
		for i := range n {
			masks[n][i] = 1<<32 - 1
		}
	}
	return masks
}()

func gemv256(out, psi, body, tail *float32, rows, wide, narrow int) {
	pairs := wide / 16
	tile, kind := max(1, evenly(pairs, len(gemvs256)-1)), tailKind(narrow)
	for v := 0; v < pairs || kind > 0; v += tile {
		n := min(tile, pairs-v)
		gemvs256[n][kind](index(out, 16*v), psi, index(body, 16*v), tail, rows, 4*wide, 4*narrow, &masks256[narrow], index(out, wide))
		kind = 0
	}
}

func gemm512(out, psi, state *float32, rows, cols, lanes int) {
	list := gemms512One[:]
	if lanes == 64 {
		list = gemms512[:]
	}
	tile := evenly(cols, len(list)-1)
	for c := 0; c < cols; c += tile {
		list[min(tile, cols-c)](index(out, c*lanes), psi, index(state, c), rows, 4*cols)
	}
}

func gemm256(out, psi, state *float32, rows, cols, lanes int) {
	tile := evenly(cols, len(gemms256)-1)
	for q := 0; q < lanes; q += 16 {
		for c := 0; c < cols; c += tile {
			gemms256[min(tile, cols-c)](index(out, c*lanes+q), index(psi, q), index(state, c), rows, 4*cols, 4*lanes)
		}
	}
}

func hadamard512(v *float64, n int) {
	if n < 8 {
		hadamardGeneric(v, n)
	} else {
		hadamardAVX512(v, n)
	}
}

func hadamard256(v *float64, n int) {
	if n < 4 {
		hadamardGeneric(v, n)
	} else {
		hadamardAVX2(v, n)
	}
}
