package moment

import (
	"math/big"

	"dpattn/core/gaussian"
	"dpattn/core/internal/parallel"
	"dpattn/simd"
)

// Clip makes the exact squared norm of the sums at most bound: if it is larger, it scales all of
// them by one factor, rounding each toward zero, and reports that it did. What comes out is a
// function of the sums alone (PROOF.md, "Clipped sums").
func (s *Exact) Clip(bound *big.Int) (clipped bool) {
	norm2 := s.norm2()
	if !norm2.Above(bound) {
		return false
	}
	factor, n := norm2.Factor(bound), s.layout.Cols*simd.Lanes
	s.parts(func(lo, hi int) { gaussian.Scale(s.state[lo*n:hi*n], factor) })
	return true
}

// norm2 is the exact squared norm. It is below 2^119, since |phi||u| < 2^29.1 and at most 2^30 rows
// enter.
func (s *Exact) norm2() (sum gaussian.Square) {
	blocks, n := s.layout.Blocks(), s.layout.Cols*simd.Lanes
	threads := parallel.Threads() // once, for it may change at any time
	norms := make([]gaussian.Square, threads)
	defer clear(norms)
	parallel.DoN(threads, threads, func(_, i int) {
		norms[i] = gaussian.Norm2(s.state[blocks*i/threads*n : blocks*(i+1)/threads*n])
	})
	for _, part := range norms {
		sum = sum.Plus(part)
	}
	return sum
}
