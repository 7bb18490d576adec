// Package dptree has the data structures of the paper "Provable Differentially Private Computation
// of the Cross-Attention Mechanism" (Ke, Liang, Shi, Song and Zhang, arXiv 2407.14717; sections are
// those of its second version), private as built:
//
//	tree.go       DPTree                 noisy sums over ranges of an ordered list
//	                                     (section 4, appendix D)
//	distance.go   DPTreeDistance         sum w|x - y| and sum w(x - y)^2 in one dimension: trees of
//	                                     w, w x, w x^2 over a fixed grid (appendices E and F)
//	highdim.go    DPTreeHighDim          the same in several dimensions: one DPTreeDistance a
//	                                     coordinate (appendix G)
//	softmax.go    DPTreeSoftmax          sum w exp(<k,y>/d): squared distances between polynomial
//	                                     features (appendix I)
//	adaptive.go   DPTreeSoftmaxAdaptive  the median of independent copies (appendices H and I)
//	attention.go  DPTreeCrossAttention   one DPTreeSoftmaxAdaptive a column of V, and one for the
//	                                     normaliser (section 3)
//
// # The way of a row
//
//	row      quantise (clip, integers) -> locate (monomials, leaf of the grid)
//	         -> sums (exact int64 sums of w in every leaf)
//	release  privacy (split of the budget, noise distributions) -> noise (exact truncated Laplace,
//	         drawn first) -> trees of w, w x, w x^2 added to the noise
//	query    nodes that cover both sides of the query -> sums of noisy integers -> float64
//
// All nodes of all copies follow from the sums of w in every leaf, so that what is secret is small
// beside what is released. No floating-point number lies between the rounding of a row and the
// noise.
//
// A literal reading of the paper misses four things: the normaliser, P_wx and s_w are noisy; the
// budget is split over columns, copies, coordinates, trees and levels; p_f never enters the
// guarantee; the grid does not depend on the data. PROOF.md has the argument.
//
// # Who may see what
//
// AttentionBuilder, sums and Diagnostics are SECRET. Structures, their files and certificates are
// PUBLIC and hold no path to the data.
//
// Estimate says what a CrossAttention costs (bytes, seconds, noise) before anything is made.
package dptree
