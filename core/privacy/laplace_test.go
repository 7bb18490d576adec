package privacy

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"dpattn/core/fault"
	"dpattn/core/noise"
	"dpattn/tests/testkit"
)

// readLaplace reads tests/vectors/laplace.json, made with mpmath by the program beside it.
func readLaplace(t *testing.T) (g struct {
	Strips []struct {
		Num, Den, Support, Shift uint64
		Delta                    string
	}
	Compositions []struct {
		Rule           string
		K              uint64
		Epsilon0       float64
		Delta0         float64
		DeltaPrime     float64 `json:"delta_prime"`
		Epsilon, Delta string
	}
}) {
	t.Helper()
	testkit.ReadJSON(t, "../../tests/vectors/laplace.json", &g)
	if len(g.Strips) != 11 || len(g.Compositions) != 6 {
		t.Fatalf("the file has %d and %d rows", len(g.Strips), len(g.Compositions))
	}
	return g
}

// isRoundedUp fails unless got is the float64 at or next above want, which has 40 digits.
func isRoundedUp(t *testing.T, what string, got float64, want string) {
	t.Helper()
	exact := decimal(t, want)
	if big.NewFloat(got).Cmp(scaled(exact, -1e-38)) < 0 {
		t.Errorf("%s is %v, below %s", what, got, want)
	}
	if below := math.Nextafter(got, 0); big.NewFloat(below).Cmp(exact) >= 0 {
		t.Errorf("%s is %v, not the first float64 above %s", what, got, want)
	}
}

func TestLaplaceDeltaGolden(t *testing.T) {
	for _, row := range readLaplace(t).Strips {
		dist := noise.TruncatedLaplace{Num: row.Num, Den: row.Den, Support: row.Support}
		isRoundedUp(t, "delta of "+row.Delta, LaplaceDelta(dist, row.Shift), row.Delta)
	}
}

// mass is P(X = x), in 300 bits.
func mass(l noise.TruncatedLaplace) func(x int64) *big.Float {
	weight := func(x int64) *big.Float {
		e := new(big.Float).SetPrec(300).SetInt64(-max(x, -x))
		e.Mul(e, new(big.Float).SetUint64(l.Den))
		e.Quo(e, new(big.Float).SetUint64(l.Num))
		return expOf(e)
	}
	sum := new(big.Float).SetPrec(300)
	a := int64(l.Support)
	masses := make([]*big.Float, a+1)
	for x := range masses {
		masses[x] = weight(int64(x))
		sum.Add(sum, masses[x])
		if x > 0 {
			sum.Add(sum, masses[x])
		}
	}
	for _, m := range masses {
		m.Quo(m.SetPrec(300), sum)
	}
	return func(x int64) *big.Float {
		if x < -a || x > a {
			return new(big.Float).SetPrec(300)
		}
		return masses[max(x, -x)]
	}
}

// expOf is e^x by its series, sharing nothing with bigmath: x/2^40 first, then squarings.
func expOf(x *big.Float) *big.Float {
	r := new(big.Float).SetPrec(500).SetMantExp(x, -40)
	sum, term := big.NewFloat(1).SetPrec(500), big.NewFloat(1).SetPrec(500)
	for i := int64(1); i < 60; i++ {
		term.Mul(term, r)
		term.Quo(term, new(big.Float).SetInt64(i))
		sum.Add(sum, term)
	}
	for range 40 {
		sum.Mul(sum, sum)
	}
	return sum
}

// hockeyStick is the smallest delta of P, on -a..a, against Q = P moved by shift, at epsilon: the
// sum of what P exceeds e^epsilon Q by.
func hockeyStick(p func(x int64) *big.Float, a, shift int64, epsilon *big.Float) *big.Float {
	factor, sum := expOf(epsilon), new(big.Float).SetPrec(300)
	for x := -a - max(shift, -shift); x <= a+max(shift, -shift); x++ {
		q := new(big.Float).SetPrec(300).Mul(factor, p(x-shift))
		// equal ratios differ in the last digits
		if d := q.Sub(p(x), q); d.Sign() > 0 && d.Cmp(big.NewFloat(1e-70)) > 0 {
			sum.Add(sum, d)
		}
	}
	return sum
}

func ratio(shift uint64, l noise.TruncatedLaplace) *big.Float {
	e := new(big.Float).SetPrec(300).SetUint64(shift * l.Den)
	return e.Quo(e, new(big.Float).SetUint64(l.Num))
}

var enumerated = []noise.TruncatedLaplace{
	{Num: 5, Den: 2, Support: 9}, {Num: 1, Den: 3, Support: 4}, {Num: 1000, Den: 7, Support: 12},
	{Num: 3, Den: 1, Support: 20}, {Num: 1, Den: 1, Support: 2}, {Num: 40, Den: 1, Support: 5},
}

// TestLaplaceDeltaEnumerated: for every sensitivity, and every shift up to it in both directions,
// the hockey-stick divergence at sensitivity/lambda is at most LaplaceDelta, and equal to it at the
// full shift.
func TestLaplaceDeltaEnumerated(t *testing.T) {
	for _, dist := range enumerated {
		p := mass(dist)
		for sensitivity := uint64(1); sensitivity <= dist.Support; sensitivity++ {
			delta, epsilon := LaplaceDelta(dist, sensitivity), ratio(sensitivity, dist)
			for shift := int64(1); shift <= int64(sensitivity); shift++ {
				for _, s := range []int64{shift, -shift} {
					h, _ := hockeyStick(p, int64(dist.Support), s, epsilon).Float64()
					if h > delta {
						t.Errorf("%+v: shift %d has delta %v; sensitivity %d has %v", dist, s, h, sensitivity, delta)
					}
					if shift == int64(sensitivity) && !(delta <= h*(1+1e-14)) {
						t.Errorf("%+v, shift %d: delta %v, enumerated %v", dist, s, delta, h)
					}
				}
			}
			// A smaller epsilon takes more.
			less := new(big.Float).SetPrec(300).Mul(epsilon, big.NewFloat(0.9))
			if h, _ := hockeyStick(p, int64(dist.Support), int64(sensitivity), less).Float64(); h <= delta*(1+1e-12) {
				t.Errorf("%+v, sensitivity %d: delta %v at 0.9 epsilon, %v at epsilon", dist, sensitivity, h, delta)
			}
		}
	}
}

// TestLaplaceDeltaOfVectors: two numbers that move by a and b, in any directions, have at most the
// delta of one that moves by |a| + |b|, at the same epsilon.
func TestLaplaceDeltaOfVectors(t *testing.T) {
	for _, dist := range []noise.TruncatedLaplace{{Num: 5, Den: 2, Support: 6}, {Num: 40, Den: 1, Support: 5},
		{Num: 1, Den: 1, Support: 4}} {
		p := mass(dist)
		m := map[int64]float64{}
		a := int64(dist.Support)
		for x := -2 * a; x <= 2*a; x++ {
			m[x], _ = p(x).Float64()
		}
		for first := -a; first <= a; first++ {
			for second := -a; second <= a; second++ {
				shift := max(first, -first) + max(second, -second)
				if shift == 0 || shift > a {
					continue
				}
				epsilon := float64(shift) * float64(dist.Den) / float64(dist.Num)
				sum := 0.0
				for x := -a; x <= a; x++ {
					for y := -a; y <= a; y++ {
						sum += max(0, m[x]*m[y]-math.Exp(epsilon)*m[x-first]*m[y-second]*(1+1e-13))
					}
				}
				if delta := LaplaceDelta(dist, uint64(shift)); sum > delta*(1+1e-12) {
					t.Errorf("%+v: shifts %d and %d have delta %v, %d has %v", dist, first, second, sum, shift, delta)
				}
			}
		}
	}
}

func TestLaplaceDeltaEdges(t *testing.T) {
	dist := noise.TruncatedLaplace{Num: 1 << 40, Den: 1, Support: 1 << 50}
	for _, c := range []struct {
		dist  noise.TruncatedLaplace
		shift uint64
		want  float64
	}{
		{dist, 0, 0}, {dist, 1<<50 + 1, 1}, {noise.TruncatedLaplace{}, 1, 1},
		{noise.TruncatedLaplace{Num: 1, Den: 1, Support: 0}, 1, 1},
		{noise.TruncatedLaplace{Num: 1, Den: 1, Support: 1 << 40}, 1, math.SmallestNonzeroFloat64},
		{noise.TruncatedLaplace{Num: 1, Den: 1 << 20, Support: 1 << 41}, 1, math.SmallestNonzeroFloat64},
	} {
		if got := LaplaceDelta(c.dist, c.shift); got != c.want {
			t.Errorf("LaplaceDelta(%+v, %d) = %v, want %v", c.dist, c.shift, got, c.want)
		}
	}
	if got := LaplaceEpsilon(noise.TruncatedLaplace{}, 1); !math.IsInf(got, 1) {
		t.Errorf("epsilon of no distribution is %v", got)
	}
}

// TestLaplaceIsTheFirst: lambda and Support are the smallest that keep epsilon0 and delta0, in
// rationals and by LaplaceDelta.
func TestLaplaceIsTheFirst(t *testing.T) {
	rng := rand.New(rand.NewPCG(71, 72))
	for range 60 {
		sensitivity := 1 + rng.Uint64()>>uint(32+rng.IntN(32))
		epsilon, delta := math.Exp(8*rng.Float64()-7), math.Exp(-40*rng.Float64()-0.5)
		dist, err := Laplace(sensitivity, epsilon, delta)
		if err != nil {
			t.Fatal(err)
		}
		keeps := func(num uint64) bool { // sensitivity/lambda <= epsilon
			r := new(big.Rat).SetFrac(new(big.Int).Mul(new(big.Int).SetUint64(sensitivity),
				new(big.Int).SetUint64(dist.Den)), new(big.Int).SetUint64(num))
			return r.Cmp(rat(epsilon)) <= 0
		}
		if !keeps(dist.Num) || dist.Num > 1 && keeps(dist.Num-1) {
			t.Errorf("Laplace(%d, %v, %v) = %+v: lambda is not the first", sensitivity, epsilon, delta, dist)
		}
		if dist.Den == 1 && dist.Num < 1<<29 {
			t.Errorf("Laplace(%d, %v, %v) = %+v: lambda is coarse", sensitivity, epsilon, delta, dist)
		}
		if got := LaplaceEpsilon(dist, sensitivity); got > epsilon ||
			!(got >= float64(sensitivity)*float64(dist.Den)/float64(dist.Num)) {
			t.Errorf("Laplace(%d, %v, %v) = %+v spends epsilon %v", sensitivity, epsilon, delta, dist, got)
		}
		if got := LaplaceDelta(dist, sensitivity); got > delta {
			t.Errorf("Laplace(%d, %v, %v) = %+v spends delta %v", sensitivity, epsilon, delta, dist, got)
		}
		less := dist
		less.Support--
		if less.Support >= sensitivity && LaplaceDelta(less, sensitivity) <= delta {
			t.Errorf("Laplace(%d, %v, %v) = %+v: a smaller support would do", sensitivity, epsilon, delta, dist)
		}
		// The continuous form: lambda log(1 + (e^epsilon - 1)/(2 delta)).
		lambda := float64(dist.Num) / float64(dist.Den)
		want := lambda * math.Log1p(math.Expm1(float64(sensitivity)/lambda)/(2*delta))
		if !(math.Abs(float64(dist.Support)-want) <= 2+1e-9*want) && delta < 0.3 {
			t.Errorf("Laplace(%d, %v, %v) = %+v: the continuous distribution has support %v", sensitivity,
				epsilon, delta, dist, want)
		}
	}
}

func TestLaplaceRefuses(t *testing.T) {
	for _, c := range []struct {
		sensitivity    uint64
		epsilon, delta float64
		code           fault.Code
		want           string
	}{
		{0, 1, 1e-6, fault.InvalidArgument, "sensitivity is 0"},
		{1 << 62, 1, 1e-6, fault.InvalidArgument, "sensitivity is 4611686018427387904"},
		{1, 0, 1e-6, fault.InvalidArgument, "epsilon is 0"},
		{1, math.NaN(), 1e-6, fault.InvalidArgument, "epsilon is NaN"},
		{1, 1, 0, fault.InvalidArgument, "delta is 0"},
		{1, 1, 1, fault.InvalidArgument, "delta is 1"},
		{1, 1e-300, 1e-6, fault.Limit, "epsilon is too small"},
		{1 << 60, 0.1, 1e-6, fault.Limit, "epsilon is too small"},
		{1 << 61, 1, 1e-300, fault.Limit, "epsilon is too small"},
	} {
		dist, err := Laplace(c.sensitivity, c.epsilon, c.delta)
		if fault.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) || dist != (noise.TruncatedLaplace{}) {
			t.Errorf("Laplace(%d, %v, %v) = %+v, %v", c.sensitivity, c.epsilon, c.delta, dist, err)
		}
	}
}

func TestCompositionGolden(t *testing.T) {
	for _, row := range readLaplace(t).Compositions {
		c := Composition{Count: row.K, Epsilon0: row.Epsilon0, Delta0: row.Delta0, DeltaPrime: row.DeltaPrime,
			Rule: Basic}
		if row.Rule == "advanced" {
			c.Rule = Advanced
		}
		if c.Rule.String() != row.Rule {
			t.Errorf("the rule's name is %v", c.Rule)
		}
		got := c.Total()
		isRoundedUp(t, "delta", got.Delta, row.Delta)
		if c.Rule == Basic {
			isRoundedUp(t, "epsilon", got.Epsilon, row.Epsilon)
			continue
		}
		// The logarithm is rounded up at 2^-42.
		if want := decimal(t, row.Epsilon); big.NewFloat(got.Epsilon).Cmp(want) < 0 ||
			big.NewFloat(got.Epsilon).Cmp(scaled(want, 1e-12)) > 0 {
			t.Errorf("%+v: epsilon %v, want %s or a little above", c, got.Epsilon, row.Epsilon)
		}
	}
}

// TestSplitBudget: the split keeps within the budget, the next larger epsilon0 does not, and the
// rule is the one with the larger epsilon0.
func TestSplitBudget(t *testing.T) {
	rules := map[Rule]int{}
	for _, budget := range []Budget{{1, 1e-6}, {0.1, 1e-10}, {8, 0.01}, {50, 1e-5}} {
		for _, k := range []uint64{1, 2, 10, 33, 100, 1000, 77777, 1e8, 1e13} {
			c, err := SplitBudget(budget, k)
			if err != nil {
				t.Fatal(err)
			}
			rules[c.Rule]++
			total := c.Total()
			if c.Count != k || total.Epsilon > budget.Epsilon || total.Delta > budget.Delta ||
				total.Delta < budget.Delta*(1-1e-12) || total.Epsilon < budget.Epsilon*(1-1e-12) {
				t.Errorf("%+v over %d: %+v spends %+v", budget, k, c, total)
			}
			more := c
			more.Epsilon0 = math.Nextafter(c.Epsilon0, 1e9)
			if more.Total().Epsilon <= budget.Epsilon {
				t.Errorf("%+v over %d: %+v leaves something", budget, k, c)
			}
			basic := Composition{Rule: Basic, Count: k, Epsilon0: budget.Epsilon / float64(k)}.Epsilon0
			if c.Rule == Advanced && !(c.Epsilon0 > basic) || c.Rule == Basic && c.Epsilon0 < basic*(1-1e-12) {
				t.Errorf("%+v over %d: %+v, basic has %v", budget, k, c, basic)
			}
			if c.Rule == Basic { // then the advanced rule, with the same delta', would have spent more
				other := Composition{Rule: Advanced, Count: k, Epsilon0: c.Epsilon0, Delta0: c.Delta0 / 2,
					DeltaPrime: budget.Delta / 2}
				if other.Total().Epsilon < total.Epsilon {
					t.Errorf("%+v over %d: advanced composition would be better: %+v", budget, k, other.Total())
				}
			}
		}
	}
	if rules[Basic] < 5 || rules[Advanced] < 5 {
		t.Errorf("rules came up %v times", rules)
	}
}

// Where float64 has few digits, or none, rounding to the nearest would overspend.
func TestSplitTinyBudget(t *testing.T) {
	for n := uint64(1); n < 20000; n += uint64(testkit.Size(283, 71)) {
		for _, k := range []uint64{1, 2, 3, 1000, 2000} {
			budget := Budget{1, float64(n) * 0x1p-1074}
			if c, err := SplitBudget(budget, k); err == nil && c.Total().Delta > budget.Delta {
				t.Fatalf("%v over %d spends %v", budget.Delta, k, c.Total().Delta)
			}
		}
	}
}

func TestCompositionRefuses(t *testing.T) {
	for _, c := range []Composition{
		{}, {Rule: Basic, Count: 0, Epsilon0: 1}, {Rule: Basic, Count: 1, Epsilon0: -1},
		{Rule: Basic, Count: 1, Epsilon0: math.NaN()}, {Rule: Basic, Count: 1, Delta0: math.NaN()},
		{Rule: Basic, Count: 1, Epsilon0: math.Inf(1)}, {Rule: Basic, Count: 1, Delta0: math.Inf(1)},
		{Rule: Basic, Count: 1, Epsilon0: 1, DeltaPrime: 0.1},
		{Rule: Advanced, Count: 1, Epsilon0: 1}, {Rule: Advanced, Count: 1, Epsilon0: 1, DeltaPrime: 1},
		{Rule: Advanced, Count: 1, Epsilon0: 1, DeltaPrime: math.NaN()},
		{Rule: 3, Count: 1, Epsilon0: 1, DeltaPrime: 0.1}, {Rule: Basic, Count: 1<<53 + 1, Epsilon0: 1},
	} {
		if got := c.Total(); !math.IsInf(got.Epsilon, 1) || got.Delta != 1 {
			t.Errorf("%+v spends %+v", c, got)
		}
	}
	got := Composition{Rule: Advanced, Count: 10, Epsilon0: 1e7, DeltaPrime: 0.1}.Total()
	if !math.IsInf(got.Epsilon, 1) {
		t.Errorf("a giant epsilon0 spends %+v", got)
	}
	for _, c := range []struct {
		budget Budget
		k      uint64
		code   fault.Code
	}{
		{Budget{0, 1e-6}, 1, fault.InvalidArgument}, {Budget{1, 0}, 1, fault.InvalidArgument},
		{Budget{1, 1e-6}, 0, fault.Limit}, {Budget{1, 1e-6}, 1<<53 + 1, fault.Limit},
		{Budget{1, 1e-320}, 1 << 50, fault.Limit}, {Budget{5e-324, 1e-6}, 1 << 50, fault.Limit},
	} {
		if got, err := SplitBudget(c.budget, c.k); fault.CodeOf(err) != c.code || got != (Composition{}) {
			t.Errorf("SplitBudget(%+v, %d) = %+v, %v", c.budget, c.k, got, err)
		}
	}
}

func BenchmarkLaplace(b *testing.B) {
	for b.Loop() {
		if _, err := Laplace(1<<30, 1e-4, 1e-12); err != nil {
			b.Fatal(err)
		}
	}
}
