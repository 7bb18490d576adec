package simd

import "math"

// FeatureErrors bounds, for each degree t, how far any feature of a key with |x|^2 < 2^30 can be
// from the real one, w_t times the weighted monomial of x/2^15. core/moment/PROOF.md ("eta")
// derives the recursion.
func (m *Map) FeatureErrors() []float64 {
	errors := make([]float64, m.Degree+1)
	delta := 0.0 // of F_{t-1}
	for t := 1; t <= m.Degree; t++ {
		if t == 1 {
			errors[t] = 0.5
			continue
		}
		root := math.Sqrt(float64(t))
		errors[t] = 1.5 + delta*(m.Weight(t)*root+1)/(1<<15)
		delta = root*(delta+0.5) + 1.5
	}
	return errors
}

// Largest bounds the magnitude of every feature of keys with |x|^2 < 2^30: a real feature is at
// most its weight.
func (m *Map) Largest() int {
	largest := float64(m.Const)
	for t, e := range m.FeatureErrors() {
		largest = max(largest, m.Weight(t)+e)
	}
	return int(math.Ceil(largest))
}

// NormBlocks is how many blocks' squares fit the 32 bits that Worker.norms has for a pair of rows.
// The part of phi(x) in n features is as long as that of the real features, at most the root of the
// sum of squared weights, and as sqrt(n) times the largest error; twice its square must stay below
// 2^32.
func (m *Map) NormBlocks() int {
	length, worst := 0.0, 0.0
	for t, e := range m.FeatureErrors() {
		length = math.Hypot(length, m.Weight(t))
		worst = max(worst, e)
	}
	n := math.Pow((math.Sqrt(1<<31)-1-length)/worst, 2)
	return max(1, int(min(n, 1<<31))/Lanes)
}
