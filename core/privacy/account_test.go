package privacy

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"dpattn/core/fault"
	"dpattn/tests/testkit"
)

func gaussianCost(mu2 *big.Rat) Cost { return Cost{MuSquared: mu2, Promise: Budget{1, 1e-6}} }

func overspent(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && fault.CodeOf(err) != fault.Overspent {
		t.Fatal(err)
	}
	return err != nil
}

// Sums are compared exactly: a limit that is met to the last bit is kept, and 2^-2000 more is too
// much.
func TestCheckIsExact(t *testing.T) {
	a, err := MuAllowance(1)
	if err != nil {
		t.Fatal(err)
	}
	third := gaussianCost(big.NewRat(1, 3))
	tiny := new(big.Rat).SetFrac(one, new(big.Int).Lsh(one, 2000))
	if overspent(t, a.Check([]Cost{third, third, third})) {
		t.Error("three thirds are refused")
	}
	if !overspent(t, a.Check([]Cost{third, third, third, gaussianCost(tiny)})) {
		t.Error("2^-2000 too much is admitted")
	}
	less := gaussianCost(new(big.Rat).Sub(big.NewRat(1, 3), tiny))
	if overspent(t, a.Check([]Cost{third, third, less})) ||
		overspent(t, a.Check([]Cost{third, third, less, gaussianCost(tiny)})) {
		t.Error("what just fits is refused")
	}
	if overspent(t, a.Check(nil)) {
		t.Error("nothing is refused")
	}
}

// Against plain big.Rat sums, for terms with few and with many denominators, near the limit and far
// from it.
func TestSumAtMostAgainstFractions(t *testing.T) {
	rng := rand.New(rand.NewPCG(41, 42))
	yes := 0
	for range 2000 {
		terms := make([]*big.Rat, rng.IntN(12))
		sum := new(big.Rat)
		for i := range terms {
			terms[i] = big.NewRat(1+rng.Int64N(1<<40), 1+rng.Int64N([]int64{2, 1 << 50}[rng.IntN(2)]))
			sum.Add(sum, terms[i])
		}
		limit := new(big.Rat).Set(sum)
		switch rng.IntN(3) {
		case 0:
			limit.Add(limit, new(big.Rat).SetFrac(one, new(big.Int).Lsh(one, uint(rng.IntN(3000)))))
		case 1:
			limit.Sub(limit, new(big.Rat).SetFrac(one, new(big.Int).Lsh(one, uint(rng.IntN(3000)))))
		}
		want := sum.Cmp(limit) <= 0
		if got := sumAtMost(terms, limit); got != want {
			t.Fatalf("%v <= %v: got %v", terms, limit, got)
		}
		if want {
			yes++
		}
	}
	if yes < 500 || yes > 1900 {
		t.Errorf("%d of 2000 fit", yes)
	}
}

// An allowance gives back the promise that it was made for, and no more: mu is the largest that the
// Gaussian pocket's own (epsilon, delta) lets through.
func TestAllowanceKeepsItsPromise(t *testing.T) {
	for _, c := range []struct{ promise, other Budget }{
		{Budget{1, 1e-5}, Budget{}},
		{Budget{1, 1e-5}, Budget{0.3, 2e-6}},
		{Budget{0.1, 1e-9}, Budget{0.1, 0}},
		{Budget{8, 1e-6}, Budget{8, 1e-6}},
		{Budget{2, 1e-300}, Budget{1e-320, 5e-324}},
	} {
		a, err := NewAllowance(c.promise, c.other)
		if err != nil {
			t.Fatal(err)
		}
		left := Budget{c.promise.Epsilon - c.other.Epsilon, c.promise.Delta - c.other.Delta}
		if (a.Mu > 0) != (left.Epsilon > 0 && left.Delta > 0) {
			t.Errorf("%v: mu is %v", c, a.Mu)
		}
		if a.Mu > 0 {
			sumE := new(big.Rat).Add(rat(a.Other.Epsilon), rat(minus(c.promise.Epsilon, c.other.Epsilon)))
			sumD := new(big.Rat).Add(rat(a.Other.Delta), rat(Delta(minus(c.promise.Epsilon, c.other.Epsilon), a.Mu)))
			if sumE.Cmp(rat(c.promise.Epsilon)) > 0 || sumD.Cmp(rat(c.promise.Delta)) > 0 {
				t.Errorf("%v: the pockets promise more than asked for", c)
			}
			next := math.Nextafter(a.Mu, 9)
			if Delta(minus(c.promise.Epsilon, c.other.Epsilon), next) <= minus(c.promise.Delta, c.other.Delta) {
				t.Errorf("%v: mu could be %v", c, next)
			}
		}
		costs := []Cost{{Promise: c.other}}
		if c.other.Epsilon == 0 {
			costs = nil
		}
		if a.Mu > 0 {
			costs = append(costs, gaussianCost(square(a.Mu)))
		}
		if overspent(t, a.Check(costs)) {
			t.Errorf("%v: its own pockets are refused", c)
		}
		if s := a.State(costs); s.MuLeft != 0 || s.OtherLeft != (Budget{}) || s.Mu != a.Mu ||
			s.Other != c.other || !(s.Epsilon <= c.promise.Epsilon) {
			t.Errorf("%v: statement %+v", c, s)
		}
	}
}

func TestOthersAddUp(t *testing.T) {
	a, err := NewAllowance(Budget{2, 1e-5}, Budget{1, 4e-6})
	if err != nil {
		t.Fatal(err)
	}
	half, quarter := Cost{Promise: Budget{0.5, 1e-6}}, Cost{Promise: Budget{0.25, 1e-6}}
	if overspent(t, a.Check([]Cost{half, half})) || overspent(t, a.Check([]Cost{half, quarter, quarter})) {
		t.Error("what fits is refused")
	}
	for _, costs := range [][]Cost{{half, half, {Promise: Budget{5e-324, 1e-6}}},
		{quarter, quarter, quarter, {Promise: Budget{0.25, math.Nextafter(1e-6, 1)}}}} {
		if !overspent(t, a.Check(costs)) {
			t.Errorf("%v is admitted", costs)
		}
	}
	// Each kind pays from its own pocket: a whole one of the other kind helps nothing.
	if !overspent(t, a.Check([]Cost{gaussianCost(new(big.Rat).Mul(square(a.Mu), big.NewRat(1001, 1000)))})) {
		t.Error("a Gaussian release spends what is set aside")
	}
	only, err := NewAllowance(Budget{2, 1e-5}, Budget{})
	if err != nil {
		t.Fatal(err)
	}
	if err := only.Check([]Cost{half}); !overspent(t, err) || !strings.Contains(err.Error(), "other_epsilon") {
		t.Error(err)
	}
}

func TestAllowanceRefuses(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct{ promise, other Budget }{
		{Budget{0, 1e-6}, Budget{}}, {Budget{inf, 1e-6}, Budget{}}, {Budget{1, 0}, Budget{}},
		{Budget{nan, 1e-6}, Budget{}}, {Budget{1, 1}, Budget{}},
		{Budget{1, 1e-6}, Budget{1.1, 0}}, {Budget{1, 1e-6}, Budget{-0.1, 0}}, {Budget{1, 1e-6}, Budget{nan, 0}},
		{Budget{1, 1e-6}, Budget{0.5, 2e-6}},
		{Budget{1, 1e-6}, Budget{0.5, nan}}, {Budget{1, 1e-6}, Budget{0, 1e-7}},
	} {
		if _, err := NewAllowance(c.promise, c.other); fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("%v: %v", c, err)
		}
	}
	for _, mu := range []float64{0, -1, nan, inf} {
		if _, err := MuAllowance(mu); fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("mu %v: %v", mu, err)
		}
	}
}

// n releases of a share fit together, and nothing much is left: the last one uses what is there but
// for the rounding of sigma.
func TestSharesFit(t *testing.T) {
	a, err := NewAllowance(Budget{1, 1e-6}, Budget{})
	if err != nil {
		t.Fatal(err)
	}
	sensitivity := new(big.Int).Lsh(one, 47)
	counts := []int{1, 2, 3, 7, 50}
	for i, epsilon := range Shares(a.Mu, 1e-6, counts...) {
		mu, err := Mu(epsilon, 1e-6)
		if err != nil {
			t.Fatal(err)
		}
		sigma, err := Sigma(sensitivity, mu)
		if err != nil {
			t.Fatal(err)
		}
		each := gaussianCost(MuSquared([]Term{{sensitivity, 1, sigma}}))
		costs := make([]Cost, counts[i])
		for j := range costs {
			costs[j] = each
		}
		if overspent(t, a.Check(costs)) || !overspent(t, a.Check(append(costs, each))) {
			t.Errorf("%d releases of epsilon %v", counts[i], epsilon)
		}
		if s := a.State(costs); s.MuLeft > 1e-3*a.Mu || s.Epsilon > 1 || s.Epsilon < 1-1e-6 {
			t.Errorf("%d releases of epsilon %v leave %+v", counts[i], epsilon, s)
		}
	}
	if got := Shares(0, 1e-6, 1); got[0] != 0 {
		t.Error(got)
	}
}

// MuSquared is exact up to 64 terms, and above, an upper bound by less than 2^-256 a term.
func TestMuSquared(t *testing.T) {
	rng := rand.New(rand.NewPCG(43, 44))
	for _, n := range []int{1, 5, 64, 65, 200} {
		terms := make([]Term, n)
		exact := new(big.Rat)
		for i := range terms {
			terms[i] = Term{big.NewInt(1 + rng.Int64N(1<<62)), 1 + rng.IntN(9), 1 + rng.Uint64N(MaxSigma)}
			top := new(big.Int).Mul(terms[i].Squared, big.NewInt(int64(terms[i].Parts)))
			s := new(big.Int).SetUint64(terms[i].Sigma)
			exact.Add(exact, new(big.Rat).SetFrac(top, s.Mul(s, s)))
		}
		got := MuSquared(terms)
		off := new(big.Rat).Sub(got, exact)
		most := new(big.Rat).SetFrac(big.NewInt(int64(n)), new(big.Int).Lsh(one, 256))
		if n <= 64 && off.Sign() != 0 || off.Sign() < 0 || off.Cmp(most) > 0 {
			t.Errorf("%d terms: off by %v", n, off)
		}
		if root := RootUp(got); square(root).Cmp(got) < 0 || square(math.Nextafter(root, 0)).Cmp(got) >= 0 {
			t.Errorf("RootUp(%v) = %v", got, root)
		}
	}
}

// Why there are two pockets (PROOF.md, section 9). With one rule for both kinds, delta(epsilon - E;
// mu) + D <= delta for what was spent so far, somebody who sees a first Gaussian answer chooses by
// it whether the rest of the budget goes to a second one or to a pure epsilon-DP mechanism, each of
// which fits, and gets more than delta. Here is such a strategy, integrated over the privacy loss L
// of the first answer: the evidence for the second mechanism's best use.
func TestOnePocketWouldLeak(t *testing.T) {
	const epsilon, delta, e = 6.0, 1e-3, 4.0
	whole := testkit.Must(Mu(epsilon, delta))(t)       // (whole, no other) fits
	withOther := testkit.Must(Mu(epsilon-e, delta))(t) // (withOther, e) fits, too
	first := withOther                                 // both begin with this answer
	rest := math.Sqrt(whole*whole - first*first)       // what the first choice has left
	normal := func(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }
	hockeyGauss := func(x float64) float64 {
		return normal(rest/2-x/rest) - math.Exp(x)*normal(-rest/2-x/rest)
	}
	hockeyPure := func(x float64) float64 { // randomised response
		p, q := math.Exp(e)/(1+math.Exp(e)), 1/(1+math.Exp(e))
		return max(0, p-math.Exp(x)*q, 1-math.Exp(x))
	}
	var gauss, pure, adaptive float64
	const step = 1e-3
	for l := -first * first / 2; l < 60; l += step { // L ~ N(first^2/2, first^2)
		z := (l - first*first/2) / first
		w := math.Exp(-z*z/2) / math.Sqrt(2*math.Pi) / first * step
		g, p := hockeyGauss(epsilon-l), hockeyPure(epsilon-l)
		gauss, pure, adaptive = gauss+w*g, pure+w*p, adaptive+w*max(g, p)
	}
	t.Logf("delta asked for %v; fixed choices %.4g and %.4g, adaptive choice %.4g", delta, gauss, pure, adaptive)
	if gauss > delta*1.001 || pure > delta*1.001 {
		t.Error("a fixed choice leaks: the integral is wrong")
	}
	if adaptive < 1.2*delta {
		t.Error("the adaptive choice does not leak: the proof note is wrong")
	}
}
