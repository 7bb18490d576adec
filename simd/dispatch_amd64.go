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
		list = append(list, &kernels{name: "avx512vnni", scale: scaleBW, lift: lift512, pack: pack512, gen: genVNNI, tiles: tilesVNNI[:],
			runs: runs512, products: products512, gemv: gemv512, gemv16: gemv16x512, gemm: gemm512, round32: round32AVX512, gather: gatherAVX512,
			widen: widenAVX512, squares: squaresAVX512, norm16: norm16AVX512, multiply: multiplyAVX512, hadamard: hadamard512, round16: round16AVX512})
	}
	if bw {
		list = append(list, &kernels{name: "avx512bw", scale: scaleBW, lift: lift512, pack: pack512, gen: genBW, tiles: tilesBW[:],
			runs: runs512, products: products512, gemv: gemv512, gemv16: gemv16x512, gemm: gemm512, round32: round32AVX512, gather: gatherAVX512,
			widen: widenAVX512, squares: squaresAVX512, norm16: norm16AVX512, multiply: multiplyAVX512, hadamard: hadamard512, round16: round16AVX512})
	}
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3) {
		list = append(list, &kernels{name: "avx2", scale: scaleAVX2, lift: lift256, pack: pack256, gen: genAVX2, tiles: tilesAVX2[:],
			runs: runs256, products: products256, gemv: gemv256, gemv16: gemv16x256, gemm: gemm256, round32: round32AVX2, gather: gatherAVX2,
			widen: widenAVX2, squares: squaresAVX2, norm16: norm16AVX2, multiply: multiplyAVX2, hadamard: hadamard256, round16: round16AVX2})
	}
	return append(list, &generic)
}

// Widths of the query kernels; [vectors of body][tail: none, one column, several].
var (
	gemvs512 = [...][3]gemvFunc{
		{nil, gemvAVX512q1x0One, gemvAVX512q1x0Some},
		{gemvAVX512q1x1, gemvAVX512q1x1One, gemvAVX512q1x1Some},
		{gemvAVX512q1x2, gemvAVX512q1x2One, gemvAVX512q1x2Some},
		{gemvAVX512q1x3, gemvAVX512q1x3One, gemvAVX512q1x3Some},
		{gemvAVX512q1x4, gemvAVX512q1x4One, gemvAVX512q1x4Some},
		{gemvAVX512q1x5, gemvAVX512q1x5One, gemvAVX512q1x5Some},
		{gemvAVX512q1x6, gemvAVX512q1x6One, gemvAVX512q1x6Some},
		{gemvAVX512q1x7, gemvAVX512q1x7One, gemvAVX512q1x7Some},
		{gemvAVX512q1x8, gemvAVX512q1x8One, gemvAVX512q1x8Some},
	}
	gemvs512Two = [...][3]gemvFunc{
		{nil, gemvAVX512q2x0One, gemvAVX512q2x0Some},
		{gemvAVX512q2x1, gemvAVX512q2x1One, gemvAVX512q2x1Some},
		{gemvAVX512q2x2, gemvAVX512q2x2One, gemvAVX512q2x2Some},
		{gemvAVX512q2x3, gemvAVX512q2x3One, gemvAVX512q2x3Some},
		{gemvAVX512q2x4, gemvAVX512q2x4One, gemvAVX512q2x4Some},
		{gemvAVX512q2x5, gemvAVX512q2x5One, gemvAVX512q2x5Some},
		{gemvAVX512q2x6, gemvAVX512q2x6One, gemvAVX512q2x6Some},
		{gemvAVX512q2x7, gemvAVX512q2x7One, gemvAVX512q2x7Some},
		{gemvAVX512q2x8, gemvAVX512q2x8One, gemvAVX512q2x8Some},
	}
	gemvs512Four = [...][3]gemvFunc{
		{nil, gemvAVX512q4x0One, gemvAVX512q4x0Some},
		{gemvAVX512q4x1, gemvAVX512q4x1One, gemvAVX512q4x1Some},
		{gemvAVX512q4x2, gemvAVX512q4x2One, gemvAVX512q4x2Some},
		{gemvAVX512q4x3, gemvAVX512q4x3One, gemvAVX512q4x3Some},
		{gemvAVX512q4x4, gemvAVX512q4x4One, gemvAVX512q4x4Some},
		{gemvAVX512q4x5, gemvAVX512q4x5One, gemvAVX512q4x5Some},
	}
	gemvs256 = [...][3]gemv256Func{
		{nil, gemvAVX2x0One, gemvAVX2x0Some},
		{gemvAVX2x1, gemvAVX2x1One, gemvAVX2x1Some},
		{gemvAVX2x2, gemvAVX2x2One, gemvAVX2x2Some},
		{gemvAVX2x3, gemvAVX2x3One, gemvAVX2x3Some},
		{gemvAVX2x4, gemvAVX2x4One, gemvAVX2x4Some},
		{gemvAVX2x5, gemvAVX2x5One, gemvAVX2x5Some},
	}
	// The same for bodies of int16, which are never empty.
	gemv16s512 = [...][3]gemv16Func{
		{},
		{gemv16AVX512q1x1, gemv16AVX512q1x1One, gemv16AVX512q1x1Some},
		{gemv16AVX512q1x2, gemv16AVX512q1x2One, gemv16AVX512q1x2Some},
		{gemv16AVX512q1x3, gemv16AVX512q1x3One, gemv16AVX512q1x3Some},
		{gemv16AVX512q1x4, gemv16AVX512q1x4One, gemv16AVX512q1x4Some},
		{gemv16AVX512q1x5, gemv16AVX512q1x5One, gemv16AVX512q1x5Some},
		{gemv16AVX512q1x6, gemv16AVX512q1x6One, gemv16AVX512q1x6Some},
		{gemv16AVX512q1x7, gemv16AVX512q1x7One, gemv16AVX512q1x7Some},
		{gemv16AVX512q1x8, gemv16AVX512q1x8One, gemv16AVX512q1x8Some},
	}
	gemv16s512Two = [...][3]gemv16Func{
		{},
		{gemv16AVX512q2x1, gemv16AVX512q2x1One, gemv16AVX512q2x1Some},
		{gemv16AVX512q2x2, gemv16AVX512q2x2One, gemv16AVX512q2x2Some},
		{gemv16AVX512q2x3, gemv16AVX512q2x3One, gemv16AVX512q2x3Some},
		{gemv16AVX512q2x4, gemv16AVX512q2x4One, gemv16AVX512q2x4Some},
		{gemv16AVX512q2x5, gemv16AVX512q2x5One, gemv16AVX512q2x5Some},
		{gemv16AVX512q2x6, gemv16AVX512q2x6One, gemv16AVX512q2x6Some},
		{gemv16AVX512q2x7, gemv16AVX512q2x7One, gemv16AVX512q2x7Some},
		{gemv16AVX512q2x8, gemv16AVX512q2x8One, gemv16AVX512q2x8Some},
	}
	gemv16s256 = [...][3]gemv16x256Func{
		{},
		{gemv16AVX2x1, gemv16AVX2x1One, gemv16AVX2x1Some},
		{gemv16AVX2x2, gemv16AVX2x2One, gemv16AVX2x2Some},
		{gemv16AVX2x3, gemv16AVX2x3One, gemv16AVX2x3Some},
		{gemv16AVX2x4, gemv16AVX2x4One, gemv16AVX2x4Some},
		{gemv16AVX2x5, gemv16AVX2x5One, gemv16AVX2x5Some},
	}
	gemms512    = [...]gemmFunc{nil, gemmAVX512x1, gemmAVX512x2, gemmAVX512x3, gemmAVX512x4, gemmAVX512x5, gemmAVX512x6}
	gemms512One = [...]gemmFunc{nil, gemmAVX512One1, gemmAVX512One2, gemmAVX512One3, gemmAVX512One4, gemmAVX512One5, gemmAVX512One6, gemmAVX512One7, gemmAVX512One8, gemmAVX512One9, gemmAVX512One10, gemmAVX512One11, gemmAVX512One12, gemmAVX512One13, gemmAVX512One14, gemmAVX512One15, gemmAVX512One16, gemmAVX512One17, gemmAVX512One18, gemmAVX512One19, gemmAVX512One20, gemmAVX512One21, gemmAVX512One22, gemmAVX512One23, gemmAVX512One24}
	gemms256    = [...]gemmTile{nil, gemmAVX2x1, gemmAVX2x2, gemmAVX2x3, gemmAVX2x4, gemmAVX2x5, gemmAVX2x6}
)

type (
	gemvFunc       = gemv512Of[float32]
	gemv16Func     = gemv512Of[int16]
	gemv256Func    = gemv256Of[float32]
	gemv16x256Func = gemv256Of[int16]

	gemv512Of[T int16 | float32] func(out, psi *float32, body *T, rest *float32, rows, stride, step int, mask uint64, last *float32, outs, psis int)
	gemv256Of[T int16 | float32] func(out, psi *float32, body *T, rest *float32, rows, stride, step int, mask *[16]uint32, last *float32)

	gemmFunc func(out, psi, state, last *float32, rows, stride, step int, ahead uintptr, tiles int)
)

func lift512(dst, f, x *int16, nodes *node, lifts *int32, rows, stride, n int) {
	liftBW(dst, f, x, (*int32)(unsafe.Pointer(nodes)), lifts, rows, stride, n)
}

func lift256(dst, f, x *int16, nodes *node, lifts *int32, rows, stride, n int) {
	liftAVX2(dst, f, x, (*int32)(unsafe.Pointer(nodes)), lifts, rows, stride, n)
}

// pack512 leaves what is left of a granule of dimensions to the twin.
func pack512(dst, src *int16, dim, stride int) {
	whole := dim - dim%16
	if whole > 0 {
		packBW(dst, src, whole, 2*dim, stride)
	}
	packRest(dst, src, dim, stride, whole)
}

func pack256(dst, src *int16, dim, stride int) {
	whole := dim - dim%8
	if whole > 0 {
		packAVX2(dst, src, whole, 2*dim, stride)
	}
	packRest(dst, src, dim, stride, whole)
}

// packRest packs dimensions from.. of dim.
func packRest(dst, src *int16, dim, stride, from int) {
	all := unsafe.Slice(src, 2*step*dim)
	for j := from; j < dim; j++ {
		for i, out := 0, row16(dst, j*stride, 2*step); i < 2*step; i++ {
			out[i] = all[i*dim+j]
		}
	}
}

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

func gemv512(out, psi, body, tail *float32, rows, wide, narrow, queries, step int) {
	gemv512s(gemvs512[:], gemvs512Two[:], gemvs512Four[:], out, psi, body, tail, rows, wide, narrow, queries, step)
}

func gemv16x512(out, psi *float32, body *int16, tail *float32, rows, wide, narrow, queries, step int) {
	gemv512s(gemv16s512[:], gemv16s512Two[:], nil, out, psi, body, tail, rows, wide, narrow, queries, step)
}

// gemv512s takes four queries at a time, or two, or one, so that each load of the state serves them all. Without kernels for four there are fewer queries.
func gemv512s[T int16 | float32](one, two, four [][3]gemv512Of[T], out, psi *float32, body *T, tail *float32, rows, wide, narrow, queries, step int) {
	cols, vectors := wide+narrow, wide/16
	for queries > 0 {
		list, n := one, 1
		switch {
		case queries >= 4:
			list, n = four, 4
		case queries >= 2:
			list, n = two, 2
		}
		tile, mask, kind := max(1, evenly(vectors, len(list)-1)), uint64(1)<<narrow-1, tailKind(narrow)
		size := int(unsafe.Sizeof(*body))
		for v := 0; v < vectors || kind > 0; v += tile {
			from := (*T)(unsafe.Add(unsafe.Pointer(body), 16*v*size))
			list[min(tile, vectors-v)][kind](index(out, 16*v), psi, from, tail, rows, size*wide, 4*narrow, mask, index(out, wide), 4*cols, 4*step)
			kind = 0 // the first tile took the tail along
		}
		out, psi, queries = index(out, n*cols), index(psi, n*step), queries-n
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

func gemv256(out, psi, body, tail *float32, rows, wide, narrow, queries, step int) {
	gemv256s(gemvs256[:], out, psi, body, tail, rows, wide, narrow, queries, step)
}

func gemv16x256(out, psi *float32, body *int16, tail *float32, rows, wide, narrow, queries, step int) {
	gemv256s(gemv16s256[:], out, psi, body, tail, rows, wide, narrow, queries, step)
}

func gemv256s[T int16 | float32](list [][3]gemv256Of[T], out, psi *float32, body *T, tail *float32, rows, wide, narrow, queries, step int) {
	pairs, size := wide/16, int(unsafe.Sizeof(*body))
	tile := max(1, evenly(pairs, len(list)-1))
	for q := range queries {
		out, psi, kind := index(out, q*(wide+narrow)), index(psi, q*step), tailKind(narrow)
		for v := 0; v < pairs || kind > 0; v += tile {
			from := (*T)(unsafe.Add(unsafe.Pointer(body), 16*v*size))
			list[min(tile, pairs-v)][kind](index(out, 16*v), psi, from, tail, rows, size*wide, 4*narrow, &masks256[narrow], index(out, wide))
			kind = 0
		}
	}
}

// gemm512 makes psi in the first tile, if there are columns enough. Each tile fetches as many lines as it has rows of what follows body's rows.
func gemm512(out, psi *float32, factors *factor, f, g, body, tail *float32, rows, wide, narrow, lanes int) {
	list, first := gemms512[:], gemmAVX512First
	if lanes == 16 {
		list, first = gemms512One[:], gemmAVX512OneFirst
	}
	most := len(list) - 1
	next := uintptr(unsafe.Pointer(body)) + uintptr(4*rows*wide) // a number, since memory may end there
	c := 0
	if wide >= most {
		first(out, psi, body, index(body, most-1), rows, 4*wide, 4*wide, next, (*int32)(unsafe.Pointer(factors)), f, g)
		c = most
	} else {
		products512(psi, factors, rows, f, g, lanes)
	}
	if tiles := (wide - c) / most; tiles > 0 {
		list[most](index(out, c*lanes), psi, index(body, c), index(body, c+most-1), rows, 4*wide, 4*wide, next+uintptr(64*rows), tiles)
		c += tiles * most
	}
	// What is left of body, and a single column of tail with it.
	left := 0
	if narrow == 1 && wide-c < most {
		left = wide - c
		list[left+1](index(out, c*lanes), psi, index(body, c), tail, rows, 4*wide, 4, next, 1)
		return
	}
	if left = wide - c; left > 0 {
		list[left](index(out, c*lanes), psi, index(body, c), index(body, wide-1), rows, 4*wide, 4*wide, next, 1)
	}
	for c := 0; c < narrow; c += most {
		width := min(most, narrow-c)
		list[width](index(out, (wide+c)*lanes), psi, index(tail, c), index(tail, c+width-1), rows, 4*narrow, 4*narrow, next, 1)
	}
}

func gemm256(out, psi *float32, factors *factor, f, g, body, tail *float32, rows, wide, narrow, lanes int) {
	products256(psi, factors, rows, f, g, lanes)
	gemmTiles(gemms256[:], out, psi, body, tail, rows, wide, narrow, lanes)
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
