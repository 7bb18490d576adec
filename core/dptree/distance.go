package dptree

import (
	"dpattn/core/fault"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

// split is a coordinate y of a query, in [0, 1], and the nodes that cover the leaves on either side
// of it.
type split struct {
	y     float64
	nodes []int32 // the left side's, then the right side's: all in all they cover all leaves
	left  int     // how many are the left side's
}

// split finds the nodes on either side of y. Leaves whose point is at most y are on the left.
func (d *design) split(y float64, s *split) {
	g := min(int(y*float64(d.Leaves)+0.5), d.Leaves) // (2g+1)/(2N) <= y for g < yN + 1/2
	s.y = y
	s.nodes = d.shape.cover(s.nodes[:0], 0, g)
	s.left = len(s.nodes)
	s.nodes = d.shape.cover(s.nodes, g, d.Leaves)
}

// l1 is sum w |x - y| = (s_right - y c_right) + (y c_left - s_left) in one coordinate, in units of
// range*weight: c from the tree of w, s from that of w x, whose integers are 1/pointOne.
func (f *forest) l1(coord int, s *split) float64 {
	left, right := s.nodes[:s.left], s.nodes[s.left:]
	v := f.sumOne(1, coord, right)/pointOne - s.y*f.sumOne(0, coord, right)
	v += s.y*f.sumOne(0, coord, left) - f.sumOne(1, coord, left)/pointOne
	return v / weightOne
}

// l2 adds factor * sum w (x - y)^2 in one coordinate to the answer of every lane, in units of
// range^2*weight: y^2 c - 2 y s + q, with c, s and q from the trees of w, w x and w x^2. The
// formula is the same on the left and on the right, so the nodes of both are added up together.
func (f *forest) l2(q *query, coord int, factor float64) {
	s := &q.splits[coord]
	factor /= weightOne
	for term, times := range [3]float64{factor * s.y * s.y, -2 * factor * s.y / pointOne, factor / pointOne} {
		f.sum(q.sums, term, coord, s.nodes)
		for l, v := range q.sums {
			q.answers[l] += times * float64(v)
		}
	}
}

// Distance is the paper's DPTreeDistance (appendices E and F): weighted l1 distances, and with
// params.Squared squared l2 distances, from any y to private points in one dimension. PUBLIC,
// immutable, safe for concurrent use.
//
// The paper's theorem: points in [0, R] with weights in [-R_w, R_w] are rounded to a grid of n
// points; with c the sum of the weights and s that of weight times point on either side of y,
//
//	sum w|x - y| = (s_right - y c_right) + (y c_left - s_left)
//
// takes O(log n) nodes of two DPTrees, with additive error O(R R_w log^1.5(n)/epsilon) beside the
// rounding.
//
// Where this differs: the grid of N leaves stands for the points (2g+1) R/(2N), g = 0..N-1, so that
// a grid of one leaf works and the rounding is at most R/(2N); it is fixed by public numbers.
// Squared distances are taken from three trees by the same two ranges; both ranges together are all
// leaves, so that three noisy numbers would do (PROOF.md, section 7): the ranges are the paper's.
type Distance struct{ *released }

// NewDistance releases the distances to points with weights, which may be nil: then every weight is
// params.Weight. A point or weight outside its range is clipped; NaN and Inf make the point
// contribute nothing. owners is as for NewTree.
//
// It reads Adjacency, OwnerRows, Leaves (or Rows), Range, Weight and Squared.
func NewDistance(p Params, points, weights []float64, owners []uint64, budget privacy.Budget,
	report Report) (*Distance, Diagnostics, error) {
	return newDistance(p, points, weights, owners, budget, kernelNoise, report)
}

// newDistance is NewDistance with its randomness given.
func newDistance(p Params, points, weights []float64, owners []uint64, budget privacy.Budget,
	noise draw, report Report) (*Distance, Diagnostics, error) {
	if weights != nil && len(weights) != len(points) {
		return nil, Diagnostics{}, fault.Invalid("weights has %d numbers; it must have one for each of the %d points",
			len(weights), len(points))
	}
	all := tensor.Of(points, len(points), 1)
	var w *tensor.Tensor
	if weights != nil {
		view := tensor.Of(weights, len(weights), 1)
		w = &view
	}
	r, counts, err := releaseRows(kindDistance, p, all, w, owners, budget, noise, report)
	if err != nil {
		return nil, counts, err
	}
	return &Distance{r}, counts, nil
}

// L1 returns the noisy sum of weight*|point - y|. A y outside [0, R] is clipped; NaN gives NaN.
func (t *Distance) L1(y float64) float64 { return t.distance([]float64{y}, (*forest).sumL1) }

// L2 returns the noisy sum of weight*(point - y)^2. A y outside [0, R] is clipped; NaN gives NaN,
// and so does a structure without params.Squared.
func (t *Distance) L2(y float64) float64 { return t.distance([]float64{y}, (*forest).sumL2) }
