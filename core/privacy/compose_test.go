package privacy

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

func rat(f float64) *big.Rat { return new(big.Rat).SetFloat64(f) }

func square(f float64) *big.Rat { return new(big.Rat).Mul(rat(f), rat(f)) }

// randomMu spans the float64 from subnormal to near the largest.
func randomMu(rng *rand.Rand) float64 {
	if rng.IntN(2) == 0 {
		return rng.Float64()
	}
	return math.Ldexp(1+rng.Float64(), rng.IntN(2000)-1073)
}

// Split is the last float64 of which n squares are at most the square of mu, so composing them
// stays within mu.
func TestSplitIsTheLast(t *testing.T) {
	rng := rand.New(rand.NewPCG(29, 30))
	for range 500 {
		mu, n := randomMu(rng), 1+rng.IntN(2000)
		times := big.NewRat(int64(n), 1)
		got := Split(mu, n)
		if s := square(got); s.Mul(s, times).Cmp(square(mu)) > 0 {
			t.Errorf("Split(%v, %d) = %v is too large", mu, n, got)
		}
		if s := square(math.Nextafter(got, math.Inf(1))); s.Mul(s, times).Cmp(square(mu)) <= 0 {
			t.Errorf("Split(%v, %d) = %v, but the next one would do", mu, n, got)
		}
		parts := make([]float64, min(n, 50))
		for i := range parts {
			parts[i] = Split(mu, len(parts))
		}
		total := new(big.Rat)
		for _, p := range parts {
			total.Add(total, square(p))
		}
		if total.Cmp(square(mu)) > 0 {
			t.Errorf("%d of Split(%v) compose to more", len(parts), mu)
		}
	}
	for _, c := range []struct {
		mu   float64
		n    int
		want float64
	}{
		{1, 4, 0.5}, {0.3, 1, 0.3}, {0, 3, 0}, {5e-324, 2, 0}, {math.MaxFloat64, 1, math.MaxFloat64},
		{1, 0, 0}, {1, -1, 0}, {-1, 1, 0}, {math.NaN(), 1, 0}, {math.Inf(1), 4, 0},
	} {
		if got := Split(c.mu, c.n); got != c.want {
			t.Errorf("Split(%v, %d) = %v, want %v", c.mu, c.n, got, c.want)
		}
	}
}

func TestGroupIsTheFirst(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	for range 500 {
		mu, k := rng.Float64(), rng.IntN(10000)
		exact := new(big.Rat).Mul(rat(mu), big.NewRat(int64(k), 1))
		got := Group(mu, k)
		if rat(got).Cmp(exact) < 0 || k > 0 && rat(math.Nextafter(got, 0)).Cmp(exact) >= 0 {
			t.Errorf("Group(%v, %d) = %v", mu, k, got)
		}
	}
	for _, c := range []struct {
		mu   float64
		k    int
		want float64
	}{
		{0.3, 0, 0}, {0, 5, 0}, {0.5, 3, 1.5}, {math.MaxFloat64, 2, math.Inf(1)}, {math.MaxFloat64, 1, math.MaxFloat64},
		{math.Inf(1), 0, math.Inf(1)}, {math.NaN(), 1, math.Inf(1)}, {-1, 1, math.Inf(1)}, {1, -1, math.Inf(1)},
	} {
		if got := Group(c.mu, c.k); got != c.want {
			t.Errorf("Group(%v, %d) = %v, want %v", c.mu, c.k, got, c.want)
		}
	}
}
