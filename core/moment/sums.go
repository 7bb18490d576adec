package moment

import (
	"dpattn/core/internal/parallel"
	"dpattn/simd"
)

// polynomialSums holds the sums in the kernels' own order.
type polynomialSums struct {
	m      *Polynomial
	layout *simd.Layout
	state  []int64
}

// NewSums implements FeatureMap.
func (m *Polynomial) NewSums(cols int, largest int16) Sums {
	layout := simd.NewLayout(m.table, cols, largest)
	return &polynomialSums{m, layout, make([]int64, layout.Len())}
}

// Empty implements Sums.
func (s *polynomialSums) Empty() Sums {
	return &polynomialSums{s.m, s.layout, make([]int64, len(s.state))}
}

// Wipe implements Sums.
func (s *polynomialSums) Wipe() { clear(s.state) }

// Add implements Sums.
func (s *polynomialSums) Add(other Sums) {
	from := other.(*polynomialSums).state
	s.parts(func(lo, hi int) {
		n := s.layout.Cols * simd.Lanes
		dst, src := s.state[lo*n:hi*n], from[lo*n:hi*n]
		for i, v := range src {
			dst[i] += v
		}
	})
}

// AddTo implements Sums.
func (s *polynomialSums) AddTo(dst []int64) {
	s.parts(func(lo, hi int) { s.layout.Canonical(dst, s.state, lo, hi) })
}

// Set implements Sums.
func (s *polynomialSums) Set(src []int64) {
	s.parts(func(lo, hi int) { s.layout.FromCanonical(s.state, src, lo, hi) })
}

// parts works on ranges of blocks in parallel.
func (s *polynomialSums) parts(work func(lo, hi int)) {
	const size = 32
	blocks := s.layout.Blocks()
	parallel.Do((blocks+size-1)/size, func(_, i int) { work(i*size, min((i+1)*size, blocks)) })
}
