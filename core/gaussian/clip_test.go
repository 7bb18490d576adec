package gaussian

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"dpattn/tests/testkit"
)

// drawn is an integer of up to so many bits, often one with few bits set, or all.
func drawn(r *rand.Rand, most int) *big.Int {
	x := new(big.Int)
	for range 1 + most/64 {
		x.Lsh(x, 64).Or(x, new(big.Int).SetUint64(r.Uint64()))
	}
	n := uint(1 + r.IntN(most))
	x.Mod(x, new(big.Int).Lsh(big.NewInt(1), n))
	switch r.IntN(4) {
	case 0:
		x.Lsh(big.NewInt(1), n-1)
	case 1:
		x.Sub(x.Lsh(big.NewInt(1), n), big.NewInt(1))
	}
	return x
}

// Norms, comparisons and factors are those of big integers, up to their limits.
func TestSquare(t *testing.T) {
	r := testkit.Rand(1)
	for range testkit.Size(20_000, 1_000_000) {
		norm2, bound := drawn(r, 128), drawn(r, 128)
		if r.IntN(4) == 0 {
			bound.Sub(norm2, big.NewInt(int64(r.IntN(3))))
			bound.Abs(bound)
		}
		s := squareOf(norm2)
		if s.Above(bound) != (norm2.Cmp(bound) > 0) {
			t.Fatalf("%v above %v: %v", norm2, bound, s.Above(bound))
		}
		if norm2.Cmp(bound) <= 0 {
			continue
		}
		want := new(big.Int).Lsh(bound, 2*shift)
		want.Sqrt(want.Div(want, norm2))
		if got := s.Factor(bound); want.Cmp(new(big.Int).SetUint64(got)) != 0 {
			t.Fatalf("%v within %v: the factor is %d, want %v", norm2, bound, got, want)
		}
	}
	sum, want := make([]int64, 50), new(big.Int)
	for i := range sum {
		sum[i] = int64(r.Uint64()) >> (3 + r.IntN(60))
		v := big.NewInt(sum[i])
		want.Add(want, v.Mul(v, v))
	}
	if Norm2(sum) != squareOf(want) {
		t.Errorf("the squared norm of %v is not %v", sum, want)
	}
}

// A private norm leaves nothing in memory that could not be wiped.
func TestClipAllocatesNothing(t *testing.T) {
	sum, bound := make([]int64, 100), big.NewInt(5)
	if n := testing.AllocsPerRun(100, func() {
		for i := range sum {
			sum[i] = int64(i)
		}
		if !Clip(sum, bound) {
			t.Error("nothing was clipped")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
