package dptree

import (
	"math"
	"slices"

	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

// adaptive is one DPTreeSoftmaxAdaptive for each column, in q.medians: the median of the copies, in
// units of the weight. Of an even number of copies it is the mean of the two in the middle.
func (f *forest) adaptive(q *query) {
	f.softmax(q)
	l := f.d.Copies
	for c := range q.medians {
		copies := q.answers[c*l : (c+1)*l]
		slices.Sort(copies)
		q.medians[c] = (copies[(l-1)/2] + copies[l/2]) / 2
	}
}

// medianFactor is about the standard deviation of the median of l independent normal numbers over
// that of one of them.
func medianFactor(l int) float64 {
	if l <= 2 {
		return 1 / math.Sqrt(float64(l))
	}
	return math.Sqrt(math.Pi / 2 / float64(l))
}

// SoftmaxAdaptive is the paper's DPTreeSoftmaxAdaptive (appendices H and I): l independent copies
// of DPTreeSoftmax that answer by their median, so that all queries, adaptive ones too, are within
// the error with probability 1 - p_f. PUBLIC, immutable, safe for concurrent use.
//
// The paper's theorem: l = O(r log(d R/(eps_s p_f))) copies make the median good on a net of all
// queries at once. Every copy sees the same data, so the budget is split over copies.
//
// Where this differs: the guarantee is (epsilon, delta) whatever p_f is: p_f bounds accuracy only.
// Answers to adaptive queries are post-processing of a private release with any number of copies;
// copies make large errors rarer and add noise (docs/paper.md has both measured). Copies = 1 is
// allowed, and the most accurate.
type SoftmaxAdaptive struct{ *released }

// NewSoftmaxAdaptive releases sums over keys [n, params.Dim] with weights [n, 1], or nil. It reads
// what NewSoftmax reads, and Copies, or CopyFactor, RelativeError and FailureProbability.
func NewSoftmaxAdaptive(p Params, keys tensor.Tensor, weights *tensor.Tensor, owners []uint64, budget privacy.Budget,
	report Report) (*SoftmaxAdaptive, Diagnostics, error) {
	r, counts, err := releaseRows(kindAdaptive, p, keys, weights, owners, budget, kernelNoise, report)
	if err != nil {
		return nil, counts, err
	}
	return &SoftmaxAdaptive{r}, counts, nil
}

// Sum returns the noisy sum for a y of params.Dim numbers, each clipped to [0, R]; NaN gives NaN.
func (t *SoftmaxAdaptive) Sum(y []float64) (float64, error) { return t.sum(y) }

// Stddev returns about the standard deviation of the noise in Sum at y.
func (t *SoftmaxAdaptive) Stddev(y []float64) (float64, error) { return t.stddev(y) }
