package dptree

import (
	"dpattn/core/fault"
	"dpattn/core/internal/parallel"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

// spot is a query y in [0, 1], in units of the range, and the nodes that cover the leaves on either side of it.
type spot struct {
	y     float64
	nodes []int32 // the left side's, then the right side's: all in all they cover all leaves
	left  int     // how many are the left side's
}

// locate finds the nodes on either side of y. Leaves whose point is at most y are on the left.
func (d *design) locate(y float64, s *spot) {
	g := min(int(y*float64(d.Leaves)+0.5), d.Leaves) // (2g+1)/(2N) <= y for g < yN + 1/2
	s.y = y
	s.nodes = d.shape.cover(s.nodes[:0], 0, g)
	s.left = len(s.nodes)
	s.nodes = d.shape.cover(s.nodes, g, d.Leaves)
}

// l1 is sum w |x - y| = (s_right - y c_right) + (y c_left - s_left) in one coordinate, in units of range*weight, with trees of w and of w x, the latter in units of 1/pointOne.
func (f *forest) l1(coord int, s *spot) float64 {
	left, right := s.nodes[:s.left], s.nodes[s.left:]
	v := f.only(1, coord, right)/pointOne - s.y*f.only(0, coord, right)
	v += s.y*f.only(0, coord, left) - f.only(1, coord, left)/pointOne
	return v / weightOne
}

// l2 adds times sum w (x - y)^2 = q - 2 y s + y^2 c in one coordinate to every lane's answer, in units of range^2*weight, with trees of w x^2, w x and w. The formula is the same for the left
// and the right, so that the nodes of both are added up together.
func (f *forest) l2(p *probe, coord int, times float64) {
	s := &p.spots[coord]
	times /= weightOne
	for term, factor := range [3]float64{times * s.y * s.y, -2 * times * s.y / pointOne, times / pointOne} {
		f.sum(p.sums, term, coord, s.nodes)
		for l, v := range p.sums {
			p.answers[l] += factor * float64(v)
		}
	}
}

// Distance is the paper's DPTreeDistance: weighted l1 distances, and with params.Squared squared l2 distances, from any y to private points in one dimension. PUBLIC,
// immutable, safe for concurrent use.
//
// The paper's theorem: points in [0, R] with weights in [-R_w, R_w] are rounded to a grid of n points; with c the sum of the weights and s that of weight times point
// on either side of y, sum w|x - y| = (s_right - y c_right) + (y c_left - s_left) takes O(log n) nodes of two DPTrees, with additive error
// O(R R_w log^1.5(n)/epsilon) beside the rounding, which is at most R/(2n) a point here.
//
// Where this differs: the grid of N leaves stands for the points (2g+1) R/(2N), g = 0..N-1, so that a grid of one leaf works and the rounding is at most R/(2N); it is fixed by public
// numbers. Squared distances are taken from three trees by the same two ranges; both ranges together are all leaves, so that three noisy numbers would do
// (PROOF.md, section 7): the ranges are the paper's.
type Distance struct{ *released }

// NewDistance releases the distances to points with weights, which may be nil: then every weight is params.Weight. A point or weight outside its range is clipped; NaN and Inf
// make the point contribute nothing. owners is as for NewTree.
//
// It reads Adjacency, OwnerRows, Leaves (or Rows), Range, Weight and Squared.
func NewDistance(p Params, points, weights []float64, owners []uint64, budget privacy.Budget, report Report) (*Distance, Diagnostics, error) {
	return newDistance(p, points, weights, owners, budget, kernelNoise, report)
}

// newDistance is NewDistance with its randomness given.
func newDistance(p Params, points, weights []float64, owners []uint64, budget privacy.Budget, noise draw, report Report) (*Distance, Diagnostics, error) {
	if weights != nil && len(weights) != len(points) {
		return nil, Diagnostics{}, fault.Invalid("weights has %d numbers; it must have one for each of the %d points", len(weights), len(points))
	}
	view := tensor.Of(points, len(points), 1)
	var heavy *tensor.Tensor
	if weights != nil {
		w := tensor.Of(weights, len(weights), 1)
		heavy = &w
	}
	r, tally, err := releaseRows(kindDistance, p, view, heavy, owners, budget, noise, report)
	if err != nil {
		return nil, tally, err
	}
	return &Distance{r}, tally, nil
}

// releaseRows makes any structure but the Tree from all its rows at once.
func releaseRows(k kind, p Params, points tensor.Tensor, weights *tensor.Tensor, owners []uint64, budget privacy.Budget, noise draw, report Report) (*released, Diagnostics, error) {
	d, err := newDesign(k, p)
	if err != nil {
		return nil, Diagnostics{}, err
	}
	s, err := d.newSums()
	if err != nil {
		return nil, Diagnostics{}, err
	}
	defer s.wipe()
	n, err := s.checkRows([2]string{"points", "weights"}, &points, weights, d.columns)
	if err != nil {
		return nil, Diagnostics{}, err
	}
	keep, err := d.firstOf(owners, n)
	if err != nil {
		return nil, Diagnostics{}, err
	}
	threads := parallel.Threads() // once, for it may change at any time
	load := d.rowsOf(threads, &points, weights)
	dropped := uint64(0)
	for i := range n {
		if !keep(i) {
			dropped++
		}
	}
	tally := s.addRows(threads, n, func(worker, i int, dst []int16) Fate {
		if !keep(i) {
			clear(dst)
			return 0
		}
		return load(worker, i, dst)
	})
	tally.RowsDropped = dropped
	f, err := s.release(budget, noise, report)
	if err != nil {
		return nil, Diagnostics{}, err
	}
	return &released{f: f}, tally, nil
}

// L1 returns the noisy sum of weight*|point - y|. A y outside [0, R] is clipped; NaN gives NaN.
func (t *Distance) L1(y float64) float64 { return t.distance([]float64{y}, (*forest).sumL1) }

// L2 returns the noisy sum of weight*(point - y)^2. A y outside [0, R] is clipped; NaN gives NaN, and so does a structure without params.Squared.
func (t *Distance) L2(y float64) float64 { return t.distance([]float64{y}, (*forest).sumL2) }
