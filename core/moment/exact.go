package moment

import (
	"dpattn/core/featuremap"
	"dpattn/core/internal/parallel"
	"dpattn/simd"
)

// Exact is one head's integer sums of phi(x) (x) u over rows, in the kernels' own order. SECRET
// until noise is added.
//
// An entry cannot overflow: a row moves it by at most |phi||u| <= sqrt(Phi2 (Value2+lambda^2)) <
// 2^31 (checked where the bounds are chosen), and at most mechanism.MaxRows = 2^30 rows enter, so
// it stays below 2^61.
type Exact struct {
	phi    featuremap.Map
	layout *simd.Layout
	state  []int64
}

// NewExact makes empty sums for right factors u with cols entries of magnitude at most largest.
func NewExact(phi featuremap.Map, cols int, largest int16) *Exact {
	layout := simd.NewLayout(phi, cols, largest)
	return &Exact{phi, layout, make([]int64, layout.Len())}
}

// Empty makes empty sums of the same shape.
func (s *Exact) Empty() *Exact { return &Exact{s.phi, s.layout, make([]int64, len(s.state))} }

// Wipe zeroes the sums.
func (s *Exact) Wipe() { clear(s.state) }

// Add adds other sums of the same map.
func (s *Exact) Add(other *Exact) {
	s.parts(func(lo, hi int) {
		n := s.layout.Cols * simd.Lanes
		dst, src := s.state[lo*n:hi*n], other.state[lo*n:hi*n]
		for i, v := range src {
			dst[i] += v
		}
	})
}

// AddTo adds the sums to dst in canonical order, [r, cols].
func (s *Exact) AddTo(dst []int64) {
	s.parts(func(lo, hi int) { s.layout.Canonical(dst, s.state, lo, hi) })
}

// Set takes the sums from src in canonical order.
func (s *Exact) Set(src []int64) {
	s.parts(func(lo, hi int) { s.layout.FromCanonical(s.state, src, lo, hi) })
}

// parts works on ranges of blocks in parallel.
func (s *Exact) parts(work func(lo, hi int)) {
	const size = 32
	blocks := s.layout.Blocks()
	parallel.Do((blocks+size-1)/size, func(_, i int) { work(i*size, min((i+1)*size, blocks)) })
}
