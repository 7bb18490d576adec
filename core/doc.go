// Package core is dpattn: attention over private keys and values under (epsilon, delta)-differential privacy.
//
// # The job
//
// Private: keys K (n x d) and values V (n x d_v) of one attention head, or of several. Public: every parameter and every query. Wanted, for any
// number of adaptively chosen queries q:
//
//	out(q) = sum_j w_j v_j / sum_j w_j,   w_j = exp(scale * <q, k_j>)
//
// # Neighbours and units
//
// Two data sets are neighbours if one unit is added or removed (AddRemove: n is private) or if one unit's rows are replaced (Replace: n is
// public). A unit is one row (k_j, v_j), across all heads, or one owner: of its rows at most m a head are kept, and their sum may be clipped to the
// norm of fewer. In a deep network one input token changes many rows of upper layers: the guarantee is about rows of K and V as given.
//
// # Who may see what
//
// A Builder is SECRET: it holds exact sums. A Release is PUBLIC: noisy sums and public parameters, with no path back. The way of a row:
//
//	Builder.Add -> quant (centre, rotate, clip, int16) -> feature map's integer norm gate -> simd.Accumulate (exact int64 sums)
//	Builder.Release -> privacy (sigma from epsilon, delta) -> noise (exact rounded Gaussian) -> Release
//	Builder.ReleaseTo -> the same through package ledger, which keeps what was spent, and the release itself, on disk
//	Release.Attend -> moment.Reader -> simd (psi, dot products) -> the caller's buffer
//
// What differs between mechanisms lies behind three interfaces (mechanism.go): the default, the Gaussian moment release above, and the paper's
// DPTreeCrossAttention (package dptree), whose rows are clipped to boxes instead of balls and whose noise is truncated Laplace.
//
// No floating-point number lies between the gate and the noise. No error, log line or early exit depends on a private value.
//
// # Symbols
//
//	d, d_v       key_dim, value_dim               B_k, B_q, B_v  public norm bounds
//	s, r         degree, C(d+s, s) features        b              scale*B_q*B_k, the bound on a logit
//	sigma        noise on each integer             mu             sensitivity/sigma, the Gaussian DP parameter
package core
