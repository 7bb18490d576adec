package privacy

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"dpattn/core/fault"
)

// spends reports whether noise of sigma spends at most mu, in rationals.
func spends(sensitivity2 *big.Int, sigma uint64, mu float64) bool {
	s := new(big.Rat).SetInt(new(big.Int).SetUint64(sigma))
	s.Mul(s, rat(mu))
	return s.Mul(s, s).Cmp(new(big.Rat).SetInt(sensitivity2)) >= 0
}

func TestSigmaIsTheFirst(t *testing.T) {
	rng := rand.New(rand.NewPCG(33, 34))
	for range 2000 {
		sensitivity2 := new(big.Int).SetUint64(1 + rng.Uint64()>>uint(2+rng.IntN(60)))
		mu := math.Exp(10*rng.Float64() - 8)
		sigma, err := Sigma(sensitivity2, mu)
		if err != nil {
			t.Fatal(err)
		}
		if !spends(sensitivity2, sigma, mu) {
			t.Errorf("Sigma(%v, %v) = %d spends more", sensitivity2, mu, sigma)
		}
		if sigma > 1 && spends(sensitivity2, sigma-1, mu) {
			t.Errorf("Sigma(%v, %v) = %d, but one less would do", sensitivity2, mu, sigma)
		}
		spent := muOf(sensitivity2, sigma)
		if spent > mu || !spends(sensitivity2, sigma, spent) || spends(sensitivity2, sigma, math.Nextafter(spent, 0)) {
			t.Errorf("muOf(%v, %d) = %v, asked for %v", sensitivity2, sigma, spent, mu)
		}
		if sigma > 1 {
			if less := muOf(sensitivity2, sigma-1); less <= mu {
				t.Errorf("muOf(%v, %d) = %v, asked for %v", sensitivity2, sigma-1, less, mu)
			}
		}
	}
}

func TestSigmaExactQuotients(t *testing.T) {
	for _, c := range []struct {
		sensitivity2 int64
		mu           float64
		want         uint64
	}{
		{1, 1, 1}, {4, 1, 2}, {5, 1, 3}, {4, 0.5, 4}, {4, math.Nextafter(0.5, 0), 5}, {4, math.Nextafter(0.5, 1), 4},
		{1, 1e300, 1}, {1, math.MaxFloat64, 1}, {2, 1, 2}, {1 << 62, 0x1p-22, 1 << 53},
	} {
		if got, err := Sigma(big.NewInt(c.sensitivity2), c.mu); err != nil || got != c.want {
			t.Errorf("Sigma(%d, %v) = %d, %v, want %d", c.sensitivity2, c.mu, got, err, c.want)
		}
	}
	huge := new(big.Int).Lsh(one, 200)
	if got, err := Sigma(huge, 0x1p60); err != nil || got != 1<<40 {
		t.Errorf("Sigma(2^200, 2^60) = %d, %v", got, err)
	}
}

func TestSigmaRefuses(t *testing.T) {
	for _, c := range []struct {
		sensitivity2 *big.Int
		mu           float64
		code         fault.Code
		want         string
	}{
		{big.NewInt(0), 1, fault.InvalidArgument, "squared sensitivity is 0, must be above 0"},
		{big.NewInt(-4), 1, fault.InvalidArgument, "squared sensitivity is -4, must"},
		{nil, 1, fault.InvalidArgument, "squared sensitivity is <nil>, must"},
		{one, 0, fault.InvalidArgument, "mu is 0, must be above 0 and finite"},
		{one, -1, fault.InvalidArgument, "mu is -1, must"},
		{one, math.NaN(), fault.InvalidArgument, "mu is NaN, must"},
		{one, math.Inf(1), fault.InvalidArgument, "mu is +Inf, must"},
		{big.NewInt(1 << 62), math.Nextafter(0x1p-22, 0), fault.Limit, "epsilon is too small for this sensitivity"},
		{one, math.SmallestNonzeroFloat64, fault.Limit, "epsilon is too small for this sensitivity"},
	} {
		got, err := Sigma(c.sensitivity2, c.mu)
		if err == nil || got != 0 || fault.CodeOf(err) != c.code || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("Sigma(%v, %v) = %d, %v, want %q", c.sensitivity2, c.mu, got, err, c.want)
		}
	}
}

// muOf is sqrt(sensitivity2)/sigma, rounded up: what a release with this noise spends.
func muOf(sensitivity2 *big.Int, sigma uint64) float64 {
	return RootUp(MuSquared([]Term{{sensitivity2, 1, sigma}}))
}
