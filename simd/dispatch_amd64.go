package simd

import (
	"unsafe"

	"github.com/klauspost/cpuid/v2"
)

// available lists what this processor has, best first.
func available() []*kernels {
	var list []*kernels
	bw := cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512VL)
	// The assembler's VPDPWSSD is the EVEX form, which AVX512VNNI brings; AVX-VNNI alone does not.
	if bw && cpuid.CPU.Supports(cpuid.AVX512VNNI) {
		list = append(list, &avx512vnni)
	}
	if bw {
		list = append(list, &avx512bw)
	}
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3) {
		list = append(list, &avx2)
	}
	return append(list, &generic)
}

// What the query kernels of tables_amd64.go are; the doc of each says what its arguments mean.
type (
	gemv512Func[T int16 | float32] func(
		out, psi *float32, body *T, rest *float32, rows, stride, step int,
		mask uint64, last *float32, outs, psis int,
	)
	gemv256Func[T int16 | float32] func(
		out, psi *float32, body *T, rest *float32, rows, stride, step int,
		mask *[16]uint32, last *float32,
	)
	gemm512Func func(out, psi, state, last *float32, rows, stride, step int, ahead uintptr, tiles int)
)

func products512(dst *float32, factors *int32, count int, f, g *float32, lanes int) {
	if lanes == 16 {
		productsAVX512x16(dst, factors, count, f, g)
	} else {
		productsAVX512x64(dst, factors, count, f, g)
	}
}

func products256(dst *float32, factors *int32, count int, f, g *float32, lanes int) {
	if lanes == 16 {
		productsAVX2x16(dst, factors, count, f, g)
	} else {
		productsAVX2x64(dst, factors, count, f, g)
	}
}

// tailKind is the second index of the lists of gemv: no tail, one column, several.
func tailKind(narrow int) int { return min(narrow, 2) }

func gemv512(out, psi, body, tail *float32, rows, wide, narrow, queries, step int) {
	gemv512s(gemvs512q1, gemvs512q2, gemvs512q4, out, psi, body, tail, rows, wide, narrow, queries, step)
}

func gemv16x512(out, psi *float32, body *int16, tail *float32, rows, wide, narrow, queries, step int) {
	gemv512s(gemv16s512q1, gemv16s512q2, nil, out, psi, body, tail, rows, wide, narrow, queries, step)
}

// gemv512s takes four queries at a time, or two, or one, so that each load of the state serves them
// all. Without kernels for four there are fewer queries.
func gemv512s[T int16 | float32](
	one, two, four [][3]gemv512Func[T],
	out, psi *float32, body *T, tail *float32, rows, wide, narrow, queries, step int,
) {
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
			gemv := list[min(tile, vectors-v)][kind]
			gemv(index(out, 16*v), psi, from, tail, rows, size*wide, 4*narrow, mask, index(out, wide), 4*cols, 4*step)
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
	gemv256s(gemvs256, out, psi, body, tail, rows, wide, narrow, queries, step)
}

func gemv16x256(out, psi *float32, body *int16, tail *float32, rows, wide, narrow, queries, step int) {
	gemv256s(gemv16s256, out, psi, body, tail, rows, wide, narrow, queries, step)
}

func gemv256s[T int16 | float32](
	list [][3]gemv256Func[T],
	out, psi *float32, body *T, tail *float32, rows, wide, narrow, queries, step int,
) {
	pairs, size := wide/16, int(unsafe.Sizeof(*body))
	tile := max(1, evenly(pairs, len(list)-1))
	for q := range queries {
		out, psi, kind := index(out, q*(wide+narrow)), index(psi, q*step), tailKind(narrow)
		for v := 0; v < pairs || kind > 0; v += tile {
			from := (*T)(unsafe.Add(unsafe.Pointer(body), 16*v*size))
			gemv, mask := list[min(tile, pairs-v)][kind], &masks256[narrow]
			gemv(index(out, 16*v), psi, from, tail, rows, size*wide, 4*narrow, mask, index(out, wide))
			kind = 0
		}
	}
}

// gemm512 makes psi in the first tile, if there are columns enough. Each tile fetches as many lines
// as it has rows of what follows body's rows.
func gemm512(out, psi *float32, factors *int32, f, g, body, tail *float32, rows, wide, narrow, lanes int) {
	list, first := gemms512, gemmAVX512First
	if lanes == 16 {
		list, first = gemms512One, gemmAVX512OneFirst
	}
	most := len(list) - 1
	next := uintptr(unsafe.Pointer(body)) + uintptr(4*rows*wide) // a number, since memory may end there
	c := 0
	if wide >= most {
		first(out, psi, body, index(body, most-1), rows, 4*wide, 4*wide, next, factors, f, g)
		c = most
	} else {
		products512(psi, factors, rows, f, g, lanes)
	}
	if tiles := (wide - c) / most; tiles > 0 {
		ahead := next + uintptr(64*rows)
		list[most](index(out, c*lanes), psi, index(body, c), index(body, c+most-1), rows, 4*wide, 4*wide, ahead, tiles)
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
		first, last := index(tail, c), index(tail, c+width-1)
		list[width](index(out, (wide+c)*lanes), psi, first, last, rows, 4*narrow, 4*narrow, next, 1)
	}
}

func gemm256(out, psi *float32, factors *int32, f, g, body, tail *float32, rows, wide, narrow, lanes int) {
	products256(psi, factors, rows, f, g, lanes)
	gemmTiles(gemms256, out, psi, body, tail, rows, wide, narrow, lanes)
}
