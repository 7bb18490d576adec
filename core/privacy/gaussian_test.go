package privacy

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"dpattn/tests/testkit"
)

// decimal reads a decimal with 300 bits, more than any digits given.
func decimal(t *testing.T, s string) *big.Float {
	t.Helper()
	return testkit.Decimal(t, s, 300)
}

// scaled returns x (1 + by).
func scaled(x *big.Float, by float64) *big.Float {
	factor := new(big.Float).SetPrec(300).Add(big.NewFloat(1), big.NewFloat(by))
	return factor.Mul(factor, x)
}

// randomPair returns an epsilon and a mu of any size for which delta is neither subnormal nor 1:
// a = mu/2 - epsilon/mu is in [-37, 8].
func randomPair(rng *rand.Rand) (epsilon, mu float64) {
	for {
		epsilon = math.Exp(12 * rng.NormFloat64())
		a := -37 + 45*rng.Float64()
		mu = a + math.Sqrt(a*a+2*epsilon)
		if delta := Delta(epsilon, mu); mu > 0 && delta > 1e-300 && delta < 1 {
			return epsilon, mu
		}
	}
}

// testdata/delta.json holds 25 digits of delta for float64 arguments of all sizes, made with mpmath
// at 80 to 1,200 digits straight from the formula with e^epsilon. Delta must be the next float64 at
// or above.
func TestDeltaDigits(t *testing.T) {
	var rows []struct{ Epsilon, Mu, Delta string }
	testkit.ReadJSON(t, "testdata/delta.json", &rows)
	if len(rows) < 90 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, row := range rows {
		epsilon, mu, want := testkit.Float(t, row.Epsilon), testkit.Float(t, row.Mu), decimal(t, row.Delta)
		got := Delta(epsilon, mu)
		if big.NewFloat(got).Cmp(scaled(want, -1e-24)) < 0 {
			t.Errorf("Delta(%v, %v) = %v is below %s", epsilon, mu, got, row.Delta)
		}
		if before := math.Nextafter(got, 0); before > 0 && big.NewFloat(before).Cmp(scaled(want, 1e-24)) > 0 {
			t.Errorf("Delta(%v, %v) = %v, but %v is already above %s", epsilon, mu, got, before, row.Delta)
		}
		if bounds := deltaBounds(big.NewFloat(epsilon), big.NewFloat(mu), 64); row.Delta != "1.0" &&
			(bounds.Lo.Cmp(scaled(want, 1e-24)) > 0 || bounds.Hi.Cmp(scaled(want, -1e-24)) < 0) {
			t.Errorf("delta(%v, %v) in %.30g, want %s", epsilon, mu, bounds, row.Delta)
		}
	}
}

// At epsilon = 0 delta is the total variation distance of N(0, 1) and N(mu, 1), erf(mu/sqrt(8)).
func TestDeltaAtZeroIsTotalVariation(t *testing.T) {
	for mu := 1e-6; mu < 15; mu *= 1.7 {
		want := math.Erf(mu / math.Sqrt(8))
		if got := Delta(0, mu); math.Abs(got/want-1) > 1e-14 {
			t.Errorf("Delta(0, %v) = %v, want %v", mu, got, want)
		}
	}
}

func TestDeltaEdges(t *testing.T) {
	inf, nan, tiny := math.Inf(1), math.NaN(), math.SmallestNonzeroFloat64
	for _, c := range []struct{ epsilon, mu, want float64 }{
		{0, 0, 0}, {1, 0, 0}, {1e3, 0, 0}, {inf, 0, 0}, {inf, 1, 0}, {inf, math.MaxFloat64, 0},
		{0, inf, 1}, {1, inf, 1}, {inf, inf, 1},
		{nan, 1, 1}, {1, nan, 1}, {nan, 0, 1}, {-1, 1, 1}, {1, -1, 1}, {-tiny, 0, 1}, {-inf, 1, 1}, {nan, nan, 1},
		{1e3, 1, tiny}, {1, 1e-300, tiny}, {math.MaxFloat64, 1, tiny}, {math.MaxFloat64, tiny, tiny},
		{0, tiny, tiny}, {tiny, tiny, tiny},
		{0, 20, 1}, {1e3, 1e3, 1}, {1, math.MaxFloat64, 1}, {math.MaxFloat64, math.MaxFloat64, 1},
	} {
		if got := Delta(c.epsilon, c.mu); got != c.want {
			t.Errorf("Delta(%v, %v) = %v, want %v", c.epsilon, c.mu, got, c.want)
		}
	}
	if got := Delta(0, 5*tiny); got != 2*tiny { // 5/sqrt(2 pi) = 1.99...
		t.Errorf("Delta(0, 5 2^-1074) = %v", got)
	}
}

// Delta grows with mu and falls with epsilon: never the wrong way between neighbouring float64,
// strictly over a few hundred of them.
func TestDeltaIsMonotone(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	for range 150 {
		epsilon, mu := randomPair(rng)
		delta := Delta(epsilon, mu)
		if next := Delta(epsilon, math.Nextafter(mu, math.Inf(1))); next < delta {
			t.Errorf("Delta(%v, next %v) = %v, below %v", epsilon, mu, next, delta)
		}
		if next := Delta(math.Nextafter(epsilon, math.Inf(1)), mu); next > delta {
			t.Errorf("Delta(next %v, %v) = %v, above %v", epsilon, mu, next, delta)
		}
		if more := Delta(epsilon, mu*1.001); !(more > delta || delta > 1-1e-6) {
			t.Errorf("Delta(%v, 1.001 %v) = %v, not above %v", epsilon, mu, more, delta)
		}
		if less := Delta(epsilon*1.001, mu); !(less < delta || delta > 1-1e-6 || epsilon < 1e-10*mu) {
			t.Errorf("Delta(1.001 %v, %v) = %v, not below %v", epsilon, mu, less, delta)
		}
	}
}

// Delta is the enclosure's upper end, rounded up by less than one float64, at twice the precision
// that it usually needs; and deltaAtMost agrees with comparing it.
func TestDeltaIsTheNextFloat(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 24))
	for range 150 {
		epsilon, mu := randomPair(rng)
		delta := Delta(epsilon, mu)
		before := math.Nextafter(delta, 0)
		bounds := deltaBounds(big.NewFloat(epsilon), big.NewFloat(mu), 150)
		if bounds.Hi.Cmp(big.NewFloat(delta)) > 0 || bounds.Lo.Cmp(big.NewFloat(before)) <= 0 {
			t.Errorf("Delta(%v, %v) = %v, but the exact value is in %.30g", epsilon, mu, delta, bounds)
		}
		width := new(big.Float).Sub(bounds.Hi, bounds.Lo)
		if width.Cmp(new(big.Float).SetMantExp(bounds.Hi, -140)) > 0 {
			t.Errorf("delta(%v, %v) in %.60g: too wide", epsilon, mu, bounds)
		}
		if got := deltaFrom(epsilon, mu, 1); got != delta {
			t.Errorf("Delta(%v, %v) = %v, refined from one bit on it is %v", epsilon, mu, delta, got)
		}
		if !deltaAtMost(epsilon, mu, delta) || deltaAtMost(epsilon, mu, before) {
			t.Errorf("deltaAtMost(%v, %v) is not the same as comparing with Delta = %v", epsilon, mu, delta)
		}
	}
}

// Where delta is 1 - 2e-88, no float64 but 1 is at or above it.
func TestDeltaAtMostNextToOne(t *testing.T) {
	for _, c := range []struct {
		delta float64
		want  bool
	}{{1, true}, {math.Nextafter(1, 0), false}} {
		if got := deltaAtMost(0, 40, c.delta); got != c.want {
			t.Errorf("deltaAtMost(0, 40, %v) = %v", c.delta, got)
		}
	}
}

// Arguments of every kind end at once. The limit is far above the few milliseconds that they need,
// and far below an endless loop.
func TestEndsAtOnce(t *testing.T) {
	start := time.Now()
	values := []float64{0, 5e-324, 1e-310, 1e-100, 1e-9, 1, 38, 1e3, 1e9, 1e154, math.MaxFloat64, math.Inf(1),
		math.NaN(), -1}
	for _, x := range values {
		for _, y := range values {
			Delta(x, y)
		}
		for _, delta := range []float64{0, 5e-324, 1e-10, 0.5, math.Nextafter(1, 0), 1} {
			Epsilon(x, delta)
			_, _ = Mu(x, delta) // an error is an end as well
		}
	}
	if elapsed := time.Since(start); elapsed > 20*time.Second {
		t.Errorf("took %v", elapsed)
	}
}

func BenchmarkDelta(b *testing.B) {
	for b.Loop() {
		Delta(1, 0.268)
	}
}
