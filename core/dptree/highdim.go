package dptree

import (
	"math"

	"dpattn/core/fault"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

// l1 adds up the coordinates' l1 distances.
func (f *forest) l1(y []float64) float64 {
	spots, ok := f.d.spotsOf(y)
	if !ok {
		return math.NaN()
	}
	v := 0.0
	for c := range spots {
		v += f.distance(0, 0, c).l1(&spots[c])
	}
	return v * f.d.Range * f.d.Weight
}

// l2 adds up the coordinates' squared distances.
func (f *forest) l2(y []float64) float64 {
	spots, ok := f.d.spotsOf(y)
	if !ok || !f.d.Squared {
		return math.NaN()
	}
	v := 0.0
	for c := range spots {
		v += f.distance(0, 0, c).l2(&spots[c])
	}
	return v * f.d.Range * f.d.Range * f.d.Weight
}

// HighDim is the paper's DPTreeHighDim: weighted l1 distances, and with params.Squared squared l2 distances, in several dimensions, as the sum of one DPTreeDistance for
// each coordinate. PUBLIC, immutable, safe for concurrent use.
//
// The paper's theorem: error and budget are those of Dim one-dimensional structures that see the same rows; composition over them is part of the guarantee here.
type HighDim struct{ *released }

// NewHighDim releases the distances to points [n, params.Dim] with weights [n, 1], or nil: then every weight is params.Weight. It reads what NewDistance reads, and Dim.
func NewHighDim(p Params, points tensor.Tensor, weights *tensor.Tensor, owners []uint64, budget privacy.Budget, report Report) (*HighDim, Diagnostics, error) {
	return newHighDim(p, points, weights, owners, budget, kernelNoise, report)
}

// newHighDim is NewHighDim with its randomness given.
func newHighDim(p Params, points tensor.Tensor, weights *tensor.Tensor, owners []uint64, budget privacy.Budget, noise draw, report Report) (*HighDim, Diagnostics, error) {
	r, tally, err := releaseRows(kindHighDim, p, points, weights, owners, budget, noise, report)
	if err != nil {
		return nil, tally, err
	}
	return &HighDim{r}, tally, nil
}

// L1 returns the noisy sum of weight*|point - y|_1 for y of params.Dim numbers, each clipped to [0, R]. NaN gives NaN.
func (t *HighDim) L1(y []float64) (float64, error) {
	if err := t.f.d.checkQuery(y); err != nil {
		return 0, err
	}
	return t.f.l1(y), nil
}

// L2 returns the noisy sum of weight*|point - y|^2; NaN without params.Squared.
func (t *HighDim) L2(y []float64) (float64, error) {
	if err := t.f.d.checkQuery(y); err != nil {
		return 0, err
	}
	return t.f.l2(y), nil
}

func (d *design) checkQuery(y []float64) error {
	if len(y) != d.Dim {
		return fault.Invalid("query has %d numbers; it must have dim = %d", len(y), d.Dim)
	}
	return nil
}
