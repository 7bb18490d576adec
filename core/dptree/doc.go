// Package dptree has the data structures of the paper "Provable Differentially Private Computation of the Cross-Attention Mechanism" (Ke, Liang, Shi, Song and Zhang, arXiv
// 2407.14717), private as built:
//
//	tree.go       DPTree                 noisy sums over ranges of an ordered list
//	distance.go   DPTreeDistance         sum w|x - y| and sum w(x - y)^2 in one dimension: trees of w, w x, w x^2 over a fixed grid
//	highdim.go    DPTreeHighDim          the same in several dimensions: one DPTreeDistance a coordinate
//	softmax.go    DPTreeSoftmax          sum w exp(<k,y>/d): squared distances between polynomial features
//	adaptive.go   DPTreeSoftmaxAdaptive  the median of independent copies
//	attention.go  DPTreeCrossAttention   one DPTreeSoftmaxAdaptive a column of V, and one for the normaliser
//
// # The way of a row
//
//	constructor or AttentionBuilder -> quantise (clip, integers) -> locate (monomials, leaf of the grid) -> sums (exact int64 sums of w in every leaf)
//	release -> privacy (split of the budget, laws) -> noise (exact truncated Laplace, drawn first) -> trees of w, w x, w x^2 raised on top of the noise
//	query -> nodes that cover both sides of the query -> sums of noisy integers -> float64
//
// All nodes of all copies follow from the sums of w in every leaf, so that what is secret is small beside what is released. No floating-point number lies between rounding
// of a row and the noise. Four things are done that a literal reading of the paper may miss: the normaliser, P_wx and s_w are noisy; the budget is split over columns,
// copies, coordinates, trees and levels; p_f never enters the guarantee; the grid does not depend on the data. PROOF.md has the argument.
//
// # Who may see what
//
// AttentionBuilder, sums and Diagnostics are SECRET. Structures, their files and certificates are PUBLIC and hold no path to the data.
//
// Estimate says what a CrossAttention costs (bytes, seconds, noise) before anything is made.
package dptree
