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

// Compose is the first float64 whose square is at least the sum of squares.
func TestComposeIsTheFirst(t *testing.T) {
	rng := rand.New(rand.NewPCG(27, 28))
	for range 500 {
		mus := make([]float64, 1+rng.IntN(5))
		sum := new(big.Rat)
		for i := range mus {
			mus[i] = randomMu(rng)
			sum.Add(sum, square(mus[i]))
		}
		got := Compose(mus...)
		if square(got).Cmp(sum) < 0 {
			t.Errorf("Compose(%v) = %v is too small", mus, got)
		}
		if square(math.Nextafter(got, 0)).Cmp(sum) >= 0 {
			t.Errorf("Compose(%v) = %v, but the one before would do", mus, got)
		}
	}
	for _, c := range []struct {
		mus  []float64
		want float64
	}{
		{nil, 0}, {[]float64{0}, 0}, {[]float64{0.3}, 0.3}, {[]float64{3, 4}, 5}, {[]float64{0, 0.1, 0}, 0.1},
		{[]float64{5e-324}, 5e-324}, {[]float64{5e-324, 5e-324}, 1e-323},
		{[]float64{math.MaxFloat64}, math.MaxFloat64}, {[]float64{math.MaxFloat64, 5e-324}, math.Inf(1)},
		{[]float64{1, math.Inf(1)}, math.Inf(1)}, {[]float64{1, math.NaN()}, math.Inf(1)}, {[]float64{-1, 1}, math.Inf(1)},
	} {
		if got := Compose(c.mus...); got != c.want {
			t.Errorf("Compose(%v) = %v, want %v", c.mus, got, c.want)
		}
	}
}

// Split is the last float64 of which n squares are at most the square of mu, so composing them stays within mu.
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
		if total := Compose(parts...); total > mu {
			t.Errorf("%d of Split(%v) compose to %v", len(parts), mu, total)
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
