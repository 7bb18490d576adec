package privacy

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// Mu is the last float64 within the budget, and epsilon the first one that meets delta.
func TestMuAndEpsilonAreTheLastAndTheFirst(t *testing.T) {
	rng := rand.New(rand.NewPCG(25, 26))
	for i := range 60 {
		epsilon := math.Exp(-6 + 12*rng.Float64())
		delta := math.Exp(-50 * rng.Float64())
		if i%10 == 0 { // extreme
			epsilon, delta = math.Exp(600*(rng.Float64()-0.5)), math.Exp(-700*rng.Float64())
		}
		mu, err := Mu(epsilon, delta)
		if err != nil {
			t.Fatal(err)
		}
		if got := Delta(epsilon, mu); got > delta {
			t.Errorf("Mu(%v, %v) = %v, where delta is %v", epsilon, delta, mu, got)
		}
		if got := Delta(epsilon, math.Nextafter(mu, math.Inf(1))); got <= delta {
			t.Errorf("Mu(%v, %v) = %v, but the next one has delta %v", epsilon, delta, mu, got)
		}
		if got := Delta(epsilon, mu*(1+1e-11)); !(got > delta) {
			t.Errorf("Mu(%v, %v) = %v, but 1e-11 more has delta %v", epsilon, delta, mu, got)
		}
		back := Epsilon(mu, delta)
		if back > epsilon || back < epsilon*(1-1e-9)-1e-9*mu {
			t.Errorf("Epsilon(Mu(%v, %v), .) = %v", epsilon, delta, back)
		}
		if got := Delta(back, mu); got > delta {
			t.Errorf("Epsilon(%v, %v) = %v, where delta is %v", mu, delta, back, got)
		}
		if back > 0 {
			if got := Delta(math.Nextafter(back, 0), mu); got <= delta {
				t.Errorf("Epsilon(%v, %v) = %v, but the one before has delta %v", mu, delta, back, got)
			}
		}
	}
}

func TestEpsilonEdges(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct{ mu, delta, want float64 }{
		{0, 0, 0}, {0, 1e-5, 0}, {1, 1, 0}, {inf, 1, 0}, {1, 2, 0},
		{1, 0.5, 0}, // the total variation distance is 0.38 already
		{1e-9, 1e-9, 0},
		{1, 0, inf}, {inf, 0.5, inf}, {inf, 0, inf}, {math.MaxFloat64, 0.5, inf}, {1e155, 0.5, inf},
		{nan, 0.5, inf}, {1, nan, inf}, {0, nan, inf}, {nan, 1, inf}, {-1, 0.5, inf}, {-1, 1, inf}, {1, -1, inf},
		{0, -1, inf},
	} {
		if got := Epsilon(c.mu, c.delta); got != c.want {
			t.Errorf("Epsilon(%v, %v) = %v, want %v", c.mu, c.delta, got, c.want)
		}
	}
	// The smallest delta there is still has an epsilon: Delta rounds up to it.
	if got := Epsilon(1, math.SmallestNonzeroFloat64); !(got > 38 && got < 39) {
		t.Errorf("Epsilon(1, 2^-1074) = %v", got)
	}
	// Near delta = Phi(mu/2 - epsilon/mu) = 1/2 epsilon is mu^2/2, also where that is all that
	// float64 can say.
	if got := Epsilon(1e150, 0.5); got != 1e150*1e150/2 && math.Abs(got/(1e150*1e150/2)-1) > 1e-15 {
		t.Errorf("Epsilon(1e150, 0.5) = %v", got)
	}
}

func TestBudgetRefuses(t *testing.T) {
	for _, c := range []struct {
		epsilon, delta float64
		want           string
	}{
		{0, 1e-5, "epsilon is 0, must be above 0 and finite"},
		{-1, 1e-5, "epsilon is -1, must"},
		{math.NaN(), 1e-5, "epsilon is NaN, must"},
		{math.Inf(1), 1e-5, "epsilon is +Inf, must"},
		{math.Inf(-1), 1e-5, "epsilon is -Inf, must"},
		{1, 0, "delta is 0, must be above 0 and below 1"},
		{1, 1, "delta is 1, must"},
		{1, -1e-5, "delta is -1e-05, must"},
		{1, math.NaN(), "delta is NaN, must"},
		{1, math.Inf(1), "delta is +Inf, must"},
	} {
		if err := (Budget{c.epsilon, c.delta}).Validate(); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("Budget{%v, %v}: error %v, want %q", c.epsilon, c.delta, err, c.want)
		}
		if mu, err := Mu(c.epsilon, c.delta); err == nil || mu != 0 {
			t.Errorf("Mu(%v, %v) = %v, %v", c.epsilon, c.delta, mu, err)
		}
	}
	for _, b := range []Budget{{1, 1e-5}, {math.SmallestNonzeroFloat64, math.SmallestNonzeroFloat64},
		{math.MaxFloat64, math.Nextafter(1, 0)}} {
		if err := b.Validate(); err != nil {
			t.Errorf("%v: %v", b, err)
		}
		if mu, err := Mu(b.Epsilon, b.Delta); err != nil || !(mu > 0) || Delta(b.Epsilon, mu) > b.Delta {
			t.Errorf("Mu of %v = %v, %v", b, mu, err)
		}
	}
}

func TestTables(t *testing.T) {
	const mu = 0.7
	table := Table(mu)
	if len(table) != 10 || table[0].Delta != 1e-3 || table[2].Delta != 1e-5 || table[9].Delta != 1e-12 {
		t.Errorf("table %v", table)
	}
	for i, b := range table {
		if b.Epsilon != Epsilon(mu, b.Delta) || i > 0 && b.Epsilon <= table[i-1].Epsilon {
			t.Errorf("line %d: %v", i, b)
		}
	}
	lines := GroupTable(mu, 1e-6, 1, 3, 10)
	for i, k := range []int{1, 3, 10} {
		if l := lines[i]; l.Units != k || l.Delta != 1e-6 || l.Epsilon != Epsilon(Group(mu, k), 1e-6) {
			t.Errorf("%d units: %v", k, l)
		}
	}
	// k units cost more than k epsilon at the same delta
	if len(lines) != 3 || !(lines[0].Epsilon*3 < lines[1].Epsilon) {
		t.Errorf("lines %v", lines)
	}
}

func BenchmarkMu(b *testing.B) {
	for b.Loop() {
		if _, err := Mu(1, 1e-5); err != nil {
			b.Fatal(err)
		}
	}
}
