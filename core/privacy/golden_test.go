package privacy

import (
	"math"
	"math/big"
	"testing"

	"dpattn/core/internal/bigmath"
	"dpattn/tests/testkit"
)

// readGolden reads tests/vectors/accounting.json: numbers of 20 digits, made elsewhere. Its
// arguments are decimals, such as an epsilon of exactly 0.1, so they are compared twice: the exact
// enclosure at the decimals must hold the 20 digits, and the float64 functions at the nearest
// float64 must agree to 1e-12.
func readGolden(t *testing.T) (g struct {
	GaussianDelta []struct {
		Epsilon string
		Sigma   string `json:"sigma_over_sensitivity"`
		Delta   string
	} `json:"gaussian_delta"`
	GaussianSigma []struct {
		Epsilon, Delta, Mu string
		Sigma              string `json:"sigma_over_sensitivity"`
	} `json:"gaussian_sigma"`
	Composition []struct {
		Note   string
		MuEach string `json:"mu_each"`
		Sigma  string `json:"sigma_over_sensitivity_each"`
	}
	Group []struct {
		K       int
		Epsilon string
	} `json:"group_privacy_of_a_release_calibrated_to_eps1_delta1e5"`
}) {
	t.Helper()
	testkit.ReadJSON(t, "../../tests/vectors/accounting.json", &g)
	if len(g.GaussianDelta) != 10 || len(g.GaussianSigma) != 7 || len(g.Composition) != 1 || len(g.Group) != 5 {
		t.Fatalf("golden file has %d, %d, %d and %d rows", len(g.GaussianDelta), len(g.GaussianSigma),
			len(g.Composition), len(g.Group))
	}
	return g
}

// close12 fails unless got is want up to a relative 1e-12.
func close12(t *testing.T, name string, got float64, want string) {
	t.Helper()
	if w := testkit.Float(t, want); !(math.Abs(got/w-1) <= 1e-12) {
		t.Errorf("%s = %.17g, want %s", name, got, want)
	}
}

// inverse returns 1/x.
func inverse(x *big.Float) *big.Float { return new(big.Float).SetPrec(300).Quo(big.NewFloat(1), x) }

const lastDigit = 1e-19 // relative, of a number of 20 digits

func TestGoldenDelta(t *testing.T) {
	for _, row := range readGolden(t).GaussianDelta {
		exact := deltaBounds(decimal(t, row.Epsilon), inverse(decimal(t, row.Sigma)), 100)
		want := decimal(t, row.Delta)
		if exact.Lo.Cmp(scaled(want, lastDigit)) > 0 || exact.Hi.Cmp(scaled(want, -lastDigit)) < 0 {
			t.Errorf("delta(%s, 1/%s) in %.25g, want %s", row.Epsilon, row.Sigma, exact, row.Delta)
		}
		epsilon, mu := testkit.Float(t, row.Epsilon), 1/testkit.Float(t, row.Sigma)
		got := Delta(epsilon, mu)
		close12(t, "Delta("+row.Epsilon+", 1/"+row.Sigma+")", got, row.Delta)
		if at := deltaBounds(big.NewFloat(epsilon), big.NewFloat(mu), 100); big.NewFloat(got).Cmp(at.Hi) < 0 {
			t.Errorf("Delta(%v, %v) = %v, below %.25g", epsilon, mu, got, at)
		}
	}
}

func TestGoldenSigma(t *testing.T) {
	for _, row := range readGolden(t).GaussianSigma {
		name := "Mu(" + row.Epsilon + ", " + row.Delta + ")"
		mu, delta := decimal(t, row.Mu), decimal(t, row.Delta)
		below := deltaBounds(decimal(t, row.Epsilon), scaled(mu, -lastDigit), 100)
		above := deltaBounds(decimal(t, row.Epsilon), scaled(mu, lastDigit), 100)
		if below.Hi.Cmp(delta) > 0 || above.Lo.Cmp(delta) < 0 {
			t.Errorf("%s = %s: delta there is between %.25g and %.25g", name, row.Mu, below, above)
		}
		epsilon, budget := testkit.Float(t, row.Epsilon), testkit.Float(t, row.Delta)
		got, err := Mu(epsilon, budget)
		if err != nil {
			t.Fatal(err)
		}
		close12(t, name, got, row.Mu)
		close12(t, "1/"+name, 1/got, row.Sigma)
		if at := deltaBounds(big.NewFloat(epsilon), big.NewFloat(got), 100); at.Hi.Cmp(big.NewFloat(budget)) > 0 {
			t.Errorf("%s = %v: delta there is in %.25g", name, got, at)
		}
		// Noise for a large integer sensitivity shows the same digits, rounded up.
		const sensitivity = 1 << 40
		square := new(big.Int).Lsh(one, 80)
		sigma, err := Sigma(square, got)
		if err != nil {
			t.Fatal(err)
		}
		exact := new(big.Float).SetPrec(300).Mul(decimal(t, row.Sigma), big.NewFloat(sensitivity))
		if ratio := new(big.Float).Sub(new(big.Float).SetPrec(300).SetUint64(sigma), exact); ratio.Sign() < 0 ||
			ratio.Cmp(big.NewFloat(2)) > 0 {
			t.Errorf("%s: sigma %d, want %.20g", name, sigma, exact)
		}
	}
}

// The calibration that a user sees first: (1, 1e-5) with sensitivity 10,000, added or removed, and
// replaced at twice that.
func TestGoldenAdjacency(t *testing.T) {
	mu, err := Mu(1, 1e-5)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		sensitivity int64
		want        uint64
	}{{10000, 37307}, {20000, 74613}} {
		if sigma, err := Sigma(big.NewInt(c.sensitivity*c.sensitivity), mu); err != nil || sigma != c.want {
			t.Errorf("sensitivity %d: sigma %d, %v, want %d", c.sensitivity, sigma, err, c.want)
		}
	}
}

func TestGoldenComposition(t *testing.T) {
	total, err := Mu(1, 1e-6)
	if err != nil {
		t.Fatal(err)
	}
	row := readGolden(t).Composition[0]
	each := Split(total, 1024)
	close12(t, row.Note, each, row.MuEach)
	close12(t, row.Note, 1/each, row.Sigma)
	all := make([]Cost, 1024)
	for i := range all {
		all[i] = Cost{MuSquared: square(each)}
	}
	a := Allowance{Promise: Budget{1, 1e-6}, Mu: total}
	if err := a.Check(all); err != nil {
		t.Errorf("%s: %v", row.Note, err)
	}
	if spent := a.State(all); spent.Mu > total || spent.Mu < total*(1-1e-15) || spent.Epsilon > 1 {
		t.Errorf("%s: spent %+v of %v", row.Note, spent, total)
	}
}

func TestGoldenGroup(t *testing.T) {
	mu, err := Mu(1, 1e-5)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range readGolden(t).Group {
		k := Group(mu, row.K)
		got := Epsilon(k, 1e-5)
		close12(t, "epsilon of a group", got, row.Epsilon)
		if at := deltaBounds(big.NewFloat(got), big.NewFloat(k), 100); at.Hi.Cmp(big.NewFloat(1e-5)) > 0 {
			t.Errorf("%d units: Epsilon = %v, where delta is in %.25g", row.K, got, at)
		}
	}
}

// The enclosure that all of this rests on is checked against the formula as it is printed,
// e^epsilon included.
func TestFormulaAsPrinted(t *testing.T) {
	for _, row := range readGolden(t).GaussianDelta {
		const prec = 200
		epsilon, mu := bigmath.Point(decimal(t, row.Epsilon), prec), bigmath.Point(inverse(decimal(t, row.Sigma)), prec)
		q := epsilon.Quo(mu)
		first, second := bigmath.Phi(mu.Half().Sub(q)), bigmath.Phi(mu.Half().Add(q).Neg())
		e := bigmath.Exp(decimal(t, row.Epsilon), prec)
		printed := first.Sub(bigmath.Point(e, prec).Mul(second))
		exact := deltaBounds(decimal(t, row.Epsilon), inverse(decimal(t, row.Sigma)), 150)
		slack := new(big.Float).SetMantExp(exact.Hi, -100)
		if d := new(big.Float).Sub(printed.Lo, exact.Lo); d.Abs(d).Cmp(slack) > 0 {
			t.Errorf("epsilon %s, sigma %s: %.40g as printed, %.40g", row.Epsilon, row.Sigma, printed, exact)
		}
	}
}
