package dptree

import (
	"math"

	"dpattn/core/fault"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

// sumL1 adds up the coordinates' l1 distances.
func (f *forest) sumL1(q *query) (v float64) {
	for c := range q.splits {
		v += f.l1(c, &q.splits[c])
	}
	return v * f.d.Range * f.d.Weight
}

// sumL2 adds up the coordinates' squared distances.
func (f *forest) sumL2(q *query) float64 {
	if !f.d.Squared {
		return math.NaN()
	}
	clear(q.answers)
	for c := range q.splits {
		f.l2(q, c, 1)
	}
	return q.answers[0] * f.d.Range * f.d.Range * f.d.Weight
}

// distance is the answer at y, of d.Dim numbers; NaN if one of them is.
func (r *released) distance(y []float64, of func(f *forest, q *query) float64) float64 {
	q := r.query()
	defer r.pool.Put(q)
	if _, ok := q.load(r.f.d, y); !ok {
		return math.NaN()
	}
	return of(r.f, q)
}

// HighDim is the paper's DPTreeHighDim (appendix G): weighted l1 distances, and with params.Squared
// squared l2 distances, in several dimensions, as the sum of one DPTreeDistance for each
// coordinate. PUBLIC, immutable, safe for concurrent use.
//
// The paper's theorem: error and budget are those of Dim one-dimensional structures that see the
// same rows; composition over them is part of the guarantee here.
type HighDim struct{ *released }

// NewHighDim releases the distances to points [n, params.Dim] with weights [n, 1], or nil: then
// every weight is params.Weight. It reads what NewDistance reads, and Dim.
func NewHighDim(p Params, points tensor.Tensor, weights *tensor.Tensor, owners []uint64, budget privacy.Budget,
	report Report) (*HighDim, Diagnostics, error) {
	r, counts, err := releaseRows(kindHighDim, p, points, weights, owners, budget, kernelNoise, report)
	if err != nil {
		return nil, counts, err
	}
	return &HighDim{r}, counts, nil
}

// L1 returns the noisy sum of weight*|point - y|_1 for y of params.Dim numbers, each clipped to
// [0, R]. NaN gives NaN.
func (t *HighDim) L1(y []float64) (float64, error) {
	if err := t.f.d.checkQuery(y); err != nil {
		return 0, err
	}
	return t.distance(y, (*forest).sumL1), nil
}

// L2 returns the noisy sum of weight*|point - y|^2; NaN without params.Squared.
func (t *HighDim) L2(y []float64) (float64, error) {
	if err := t.f.d.checkQuery(y); err != nil {
		return 0, err
	}
	return t.distance(y, (*forest).sumL2), nil
}

// Both returns what L1 and L2 return, and clips and locates y once.
func (t *HighDim) Both(y []float64) (l1, l2 float64, err error) {
	if err := t.f.d.checkQuery(y); err != nil {
		return 0, 0, err
	}
	q := t.query()
	defer t.pool.Put(q)
	if _, ok := q.load(t.f.d, y); !ok {
		return math.NaN(), math.NaN(), nil
	}
	return t.f.sumL1(q), t.f.sumL2(q), nil
}

func (d *design) checkQuery(y []float64) error {
	if len(y) != d.Dim {
		return fault.Invalid("query has %d numbers; it must have dim = %d", len(y), d.Dim)
	}
	return nil
}
