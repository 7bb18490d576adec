package moment

import (
	"math/big"
	"math/bits"

	"dpattn/core/internal/parallel"
	"dpattn/simd"
)

// shift is the number of fractional bits of the factor by which Clip scales.
const shift = 62

// Clip makes the exact squared norm of the sums at most bound: if it is larger, it scales all of
// them by one factor, rounding each toward zero, and reports that it did. What comes out is a
// function of the sums alone (PROOF.md, "Clipped sums").
func (s *Exact) Clip(bound *big.Int) (clipped bool) {
	norm2 := s.norm2()
	if norm2.Cmp(bound) <= 0 {
		return false
	}
	// factor = floor(sqrt(floor(2^124 bound / norm2))), so factor^2 norm2 <= 2^124 bound; and
	// factor < 2^62.
	q := new(big.Int).Lsh(bound, 2*shift)
	factor := q.Sqrt(q.Div(q, norm2)).Uint64()
	s.parts(func(lo, hi int) {
		n := s.layout.Cols * simd.Lanes
		part := s.state[lo*n : hi*n]
		for i, v := range part {
			part[i] = scale(v, factor)
		}
	})
	return true
}

// scale is v factor/2^62, rounded toward zero.
func scale(v int64, factor uint64) int64 {
	sign := v >> 63
	hi, lo := bits.Mul64(uint64((v^sign)-sign), factor)
	return (int64(hi<<(64-shift)|lo>>shift) ^ sign) - sign
}

// norm2 is the exact squared norm. It is below 2^119, since |phi||u| < 2^29.1 and at most 2^30 rows
// enter: 128 bits hold it.
func (s *Exact) norm2() *big.Int {
	threads := parallel.Threads() // once, for it may change at any time
	hi, lo := make([]uint64, threads), make([]uint64, threads)
	n := s.layout.Cols * simd.Lanes
	parallel.DoN(threads, s.layout.Blocks(), func(worker, block int) {
		h, l := hi[worker], lo[worker]
		for _, v := range s.state[block*n : (block+1)*n] {
			sign := v >> 63
			magnitude := uint64((v ^ sign) - sign)
			ph, pl := bits.Mul64(magnitude, magnitude)
			var carry uint64
			l, carry = bits.Add64(l, pl, 0)
			h += ph + carry
		}
		hi[worker], lo[worker] = h, l
	})
	sum, part := new(big.Int), new(big.Int)
	for i := range hi {
		sum.Add(sum, part.Lsh(part.SetUint64(hi[i]), 64))
		sum.Add(sum, part.SetUint64(lo[i]))
	}
	clear(hi)
	clear(lo)
	return sum
}
