// Package simd holds dpattn's kernels: the polynomial feature map in 16-bit integers, the exact
// accumulation of moments, and the dot products that answer queries.
//
// The Go functions here are the specification. Whatever replaces one of them on a machine gives the
// same bits (integer kernels) or agrees within a stated tolerance (floating-point kernels).
//
// # The feature map
//
// A key is a vector x of int16, standing for the real vector x/2^15. Its features are the weighted
// monomials of degree 0..s in the orthonormal basis of symmetric tensors: for a non-decreasing
// index sequence i_1 <= ... <= i_t,
//
//	phi = w_t * sqrt(t! / prod_j m_j!) * prod_a x[i_a]/2^15,   m_j = how often j occurs,
//
// so that <phi(x), phi(y)> = sum_t w_t^2 <x, y>^t. Everything is computed in integers from one
// rule, with
//
//	mulhrs(a, b) = (a*b + 2^14) >> 15          (VPMULHRSW; SQRDMULH without its saturating case)
//
// A sequence is a path in the prefix tree. Its unweighted value F (scale 2^15) and its weighted
// feature f come from those of its prefix p of length t-1 by appending j, of multiplicity m in the
// new sequence:
//
//	F_1(j)     = x[j]
//	F_t(p, j)  = clamp((mulhrs(F_{t-1}(p), x[j]) * lift(t,m) + 2^13) >> 14)
//	g_{t,m}(j) = mulhrs(x[j], gain(t,m))
//	f_1(j)     = g_{1,1}(j)
//	f_t(p, j)  = mulhrs(F_{t-1}(p), g_{t,m}(j))
//
//	lift(t,m) = round(2^14 sqrt(t/m)),   gain(t,m) = round(w_t sqrt(t/m))
//
// Features are ordered by degree, then lexicographically. So the children of one prefix are a run
// of consecutive features whose j goes from the prefix's last index to d-1, all with m = 1 but the
// first: a run is one broadcast F times a contiguous piece of g.
//
// # The sums
//
// A Batch holds many rows transposed, two rows (a pair) to a 32-bit word. Batch.Accumulate makes a
// panel of 32 features at a time, [pairs, 32] words, and multiplies it with the pairs of right
// factors, tile by tile, in 32-bit accumulators that are added to 64-bit sums before they can
// overflow. The sums lie in blocks of 32 features (Layout); Layout.Canonical puts them in the order
// above, [features, cols] row-major.
//
// # Codebooks
//
// Codebook.Assign finds the nearest of some public centroids, 32 of them for a tile of keys at a
// time: dot products in 32-bit accumulators, from which one 64-bit key a centroid is made, of its
// score and its index, whose maximum is exact and breaks ties.
//
// # Kernels
//
// dispatch.go says what each inner loop does and chooses a set of them by cpuid;
// DPATTN_SIMD=generic|avx2|avx512bw|avx512vnni|neon caps the choice. The generators in _asm write
// the kernels (kernels_*.s, kernels_*.go) and the tables that name them by set and by width
// (tables_*.go). A kernel with tiles of several widths has its driver in dispatch_*.go.
package simd
