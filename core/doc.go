// Package core is dpattn: attention over private keys and values under (epsilon,
// delta)-differential privacy.
//
// # The job
//
// Private: keys K (n x d) and values V (n x d_v) of one attention head, or of several. Public:
// every parameter and every query. Wanted, for any number of adaptively chosen queries q:
//
//	out(q) = sum_j w_j v_j / sum_j w_j,   w_j = exp(scale * <q, k_j>)
//
// # Neighbours and units
//
// Two data sets are neighbours if one unit is added or removed (AddRemove: n is private) or if one
// unit's rows are replaced (Replace: n is public). A unit is one row (k_j, v_j), across all heads,
// or one owner: of its rows at most m a head are kept, and their sum may be clipped to the norm of
// fewer. In a deep network one input token changes many rows of upper layers: the guarantee is
// about rows of K and V as given.
//
// # Who may see what
//
// A Builder is SECRET: it holds exact sums. A Release is PUBLIC: noisy sums and public parameters,
// with no path back. What lies between them is a mechanism, behind the interfaces of package
// mechanism: the Gaussian moment release (package moment, the default), the codebook release for
// sharp attention where there are public rows of the same kind (package codebook), or the paper's
// DPTreeCrossAttention (package trees). registry.go is the one list of them, and the only file here
// that names one.
//
// The way of a row through the moment release:
//
//	Builder.Add -> quant (centre, rotate, clip, int16) -> featuremap's integer norm gate
//	            -> simd (exact int64 sums)
//	Builder.Release -> privacy (sigma from epsilon, delta) -> noise (exact rounded
//	            Gaussian) -> Release
//	Builder.ReleaseTo -> the same through package ledger, which keeps what was spent on disk
//	Release.Attend -> moment.Reader -> simd (psi, dot products) -> the caller's buffer
//
// No floating-point number lies between the gate and the noise. No error, log line or early exit
// depends on a private value.
package core
