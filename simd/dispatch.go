package simd

import (
	"os"
	"slices"
	"unsafe"
)

// kernels are the inner loops of Batch, Queries, Codebook and KV, each a plain function of its
// arguments. The generic ones are the specification; the tables of the others are generated beside
// their assembly. Strides are in bytes. nodes and factors point to elements of type node and
// factor, as words makes them.
type kernels struct {
	name string

	// keys.f and keys.g are matrices whose rows are stride bytes apart; these work on n numbers
	// of each row, a multiple of 32.

	// scale: dst[r][i] = mulhrs(src[r][i], gain) for r < rows.
	scale func(dst, src *int16, gain int16, rows, stride, n int)
	// lift, for r < rows, of nodes[r]:
	//	dst[r][i] = clamp((mulhrs(f[parent][i], x[last][i]) * lifts[run] + 2^13) >> 14)
	lift func(dst, f, x *int16, nodes, lifts *int32, rows, stride, n int)
	// pack transposes 32 rows of dims numbers, a multiple of packs: dst[j][i] = src[i][j], where
	// the rows of src are rowBytes apart and those of dst stride.
	pack  func(dst, src *int16, dims, rowBytes, stride int)
	packs int
	// gen makes 16 features of pairs pairs (a multiple of 16), two rows to a word:
	//	dst[p*32+i] = mulhrs(f[at[2i] bytes + p], g[at[2i+1] bytes + p])
	// and adds their squares to norms, [pairs/16][2][16]: of the even rows, of both rows.
	gen func(dst *int32, at *[2 * step]int, f, g *int16, pairs int, norms *uint32)
	// tiles[w], for c < w, i < 32 and 1 <= w < len(tiles), both rows of a pair at a time:
	//	sums[c*32+i] += sum_p panel[p*32+i] . u[p*w+c]
	// The sum must not overflow int32; pairs >= 1.
	tiles []tileFunc

	// runs makes the children of count prefixes, one query: for each node, dim-last numbers dst[i]
	// = f * g[last+i], but the first f * g[run*dim+last]; f goes on by one and dst by dim-last from
	// node to node. It may write a vector beyond the end of dst.
	runs func(dst, f, g *float32, nodes *int32, count, dim int)
	// products makes count features of lanes queries (16 or 64):
	//	dst[i*lanes+q] = f[factors[i].f*lanes+q] * g[factors[i].g*lanes+q]
	products func(dst *float32, factors *int32, count int, f, g *float32, lanes int)
	// gemv answers queries 1..few: out[q*cols+c] += sum_i psi[q*step+i] * state[i][c], where
	// columns 0..wide-1 (a multiple of 16) are body's, [rows, wide], and the narrow < 16 others
	// tail's, [rows, narrow]; cols = wide + narrow.
	gemv func(out, psi, body, tail *float32, rows, wide, narrow, queries, step int)
	// gemv16 is gemv for queries 1..shortMost and a body of int16; nil where that would not be
	// faster.
	gemv16 func(out, psi *float32, body *int16, tail *float32, rows, wide, narrow, queries, step int)
	// gemm answers lanes queries (16 or 64) that lie side by side:
	// out[c*lanes+q] += sum_i psi[i*lanes+q] * state[i][c], where it first makes psi, which is
	// products(psi, factors, rows, f, g, lanes). It may ask the processor to fetch what follows
	// body's rows.
	gemm func(out, psi *float32, factors *int32, f, g, body, tail *float32, rows, wide, narrow, lanes int)
	// round32: dst[i] = float32(src[i]*factor).
	round32 func(dst *float32, src *float64, n int, factor float64)
	// gather: dst[i] = sum_p float64(src[p*n+i]), in the order of the parts p = 0..parts-1.
	gather func(dst *float64, src *float32, n, parts int)

	// KV's loops over logits x; lanes and n are multiples of 16, x - top <= 0. The exponential is
	// good to 2e-7 of itself, 0 from noWeight down.
	//
	// largest: top[q] = max(top[q], x[i*lanes+q]) for i < rows.
	largest func(top, x *float32, rows, lanes int)
	// weigh: x[i*lanes+q] = e = exp(x[i*lanes+q] - top[q]) for i < rows, a multiple of 16, and
	//	sums[i%16*lanes+q] += e, squares[i%16*lanes+q] += (e*inverse[i])^2
	weigh func(x, inverse, top, sums, squares *float32, rows, lanes int)
	// weighOne is weigh for one query and n cells: lanes would be 1.
	weighOne func(x, inverse, top, sums, squares *float32, n int)

	// turn transposes 16 x 16 numbers: dst[j][i] = src[i][j], in rows that are strides bytes apart.
	turn func(dst, src *float32, dstStride, srcStride int)

	// The loops of vector.go. n >= 1; hadamard's n is a power of two, at least 8.
	widen    func(dst *float64, src *float32, n int)
	squares  func(v *float64, n int) float64
	norm16   func(v *int16, n int) uint64
	multiply func(v, w *float64, n int)
	hadamard func(v *float64, n int)
	round16  func(dst *int16, v *float64, n int, factor float64)
	add16    func(sums *int64, v *int16, n int)
	// squares and round16 of widened numbers, and norm16 of the latter.
	squares32  func(v *float32, n int) float64
	round16x32 func(dst *int16, v *float32, n int, factor float64) uint64

	// nearest takes a block of 32 centroids for rows r < cols and i < 32, at = keyAt(i):
	//	best[r*8+at%8] = max(best[r*8+at%8], keys[at] + 2^32 sum_p panel[p*32+i] . u[r][p])
	// Rows of u are stride bytes apart. The sum must not overflow int32; pairs >= 1.
	nearest func(best, keys *int64, panel *int32, u *int16, pairs, stride int)
}

type tileFunc func(sums *int64, panel *int32, u *int16, pairs int)

// cols is the widest tile.
func (k *kernels) cols() int { return len(k.tiles) - 1 }

// packAll is pack for src [32, dim] of any dim: the twin takes what is left of a granule.
func (k *kernels) packAll(dst, src *int16, dim, stride int) {
	left := dim % k.packs
	whole := dim - left
	if whole > 0 {
		k.pack(dst, src, whole, 2*dim, stride)
	}
	if left > 0 {
		dst = (*int16)(unsafe.Add(unsafe.Pointer(dst), whole*stride))
		packGeneric(dst, (*int16)(unsafe.Add(unsafe.Pointer(src), 2*whole)), left, 2*dim, stride)
	}
}

// words is how kernels take nodes and factors, which assembly knows as their int32 fields.
func words[T node | factor](s []T) *int32 { return (*int32)(unsafe.Pointer(&s[0])) }

// active is what this process uses: the best that the processor has, or the best of those no better
// than the one that DPATTN_SIMD names.
var active = choose(available(), os.Getenv("DPATTN_SIMD"))

// order names all sets of kernels, best first. (NEON and the amd64 sets never meet.)
var order = []string{"avx512vnni", "avx512bw", "avx2", "neon", "generic"}

// choose picks from list, which is in order and ends with generic. A cap that nobody knows is none.
func choose(list []*kernels, most string) *kernels {
	least := slices.Index(order, most) // -1 where there is no such set: all of them will do
	return list[slices.IndexFunc(list, func(k *kernels) bool { return slices.Index(order, k.name) >= least })]
}

// Name says which kernels this process uses.
func Name() string { return active.name }

// Available names the kernels that this processor can use, best first.
func Available() (names []string) {
	for _, k := range available() {
		names = append(names, k.name)
	}
	return names
}
