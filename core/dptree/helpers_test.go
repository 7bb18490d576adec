package dptree

import (
	"math"
	"math/rand/v2"
	"testing"

	"dpattn/core/noise"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
	"dpattn/tests/testkit"
)

// noNoise is the draw of a structure without noise. It exists in tests only.
func noNoise(dst []int64, _ noise.TruncatedLaplace) error {
	clear(dst)
	return nil
}

var budget = privacy.Budget{Epsilon: 1, Delta: 1e-6}

// releases returns a function that draws release after release of the same sums: what a release
// costs most, its calibration, is done once.
func releases(t *testing.T, s *sums, budget privacy.Budget) func() *released {
	t.Helper()
	g := testkit.Must(s.d.calibrate(budget))(t)
	return func() *released { return &released{f: testkit.Must(s.noisy(g, kernelNoise, nil))(t)} }
}

// within fails unless got is within bound of want.
func within(t *testing.T, what string, got, want, bound float64) {
	t.Helper()
	if !(math.Abs(got-want) <= bound) {
		t.Errorf("%s is %v; want %v up to %v", what, got, want, bound)
	}
}

// between returns n numbers of [lo, hi), the first ones at the ends.
func between(rng *rand.Rand, n int, lo, hi float64) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = lo + (hi-lo)*rng.Float64()
	}
	if n > 2 {
		v[0], v[1] = lo, hi
	}
	return v
}

func view(v []float64, cols int) tensor.Tensor { return tensor.Of(v, len(v)/cols, cols) }
