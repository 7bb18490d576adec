package poly

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"dpattn/tests/testkit"
)

// eachMinimax calls f for a grid of parameters from harmless to hopeless.
func eachMinimax(t *testing.T, f func(degree int, b float64, p Polynomial)) {
	for _, b := range []float64{1e-300, 1e-10, 1e-3, 0.1, 1, 2, 4, 6, 9, 13, 17, 20, 24, 32, 64} {
		for degree := 1; degree <= MaxDegree; degree++ {
			f(degree, b, testkit.Must(Exp(Minimax, degree, b))(t))
		}
	}
}

// The values of the mechanism's design.
func TestRelativeErrorTable(t *testing.T) {
	for _, c := range []struct {
		kind   Kind
		degree int
		b      float64
		want   float64
		unit   float64 // of the last digit given
	}{
		{Minimax, 2, 2, 0.27, 0.01},
		{Minimax, 3, 2, 0.071, 0.001},
		{Minimax, 4, 2, 0.0145, 0.0001},
		{Minimax, 6, 2, 0.0004, 0.0001},
		{Taylor, 2, 2, 6.4, 0.1},
		{Taylor, 3, 2, 3.5, 0.1},
		{Taylor, 4, 2, 1.5, 0.1},
		{Taylor, 6, 2, 0.15, 0.01},
	} {
		got := testkit.Must(Exp(c.kind, c.degree, c.b))(t).RelativeError
		if math.Abs(got-c.want) > c.unit/2 {
			t.Errorf("kind %d, degree %d, b = %v: relative error %v, want %v", c.kind, c.degree, c.b, got, c.want)
		}
	}
	for degree := 1; degree <= 4; degree++ {
		if got := testkit.Must(Exp(Minimax, degree, 6))(t).RelativeError; got < 0.8 {
			t.Errorf("b = 6, degree %d: relative error %v, but none below 0.8 exists", degree, got)
		}
	}
}

// At degree 1 everything is known in closed form: p is the chord of e^x lowered by a factor,
// p = (1-h)(chord), and the interior extremum of chord/e^x lies where chord' = chord.
func TestMinimaxDegreeOneClosedForm(t *testing.T) {
	for _, b := range []float64{0.1, 0.5, 1, 2, 3, 5} {
		slope := math.Sinh(b) / b
		x := 1 - math.Cosh(b)/slope // chord(x) = cosh b + slope x = slope
		ratio := slope / math.Exp(x)
		h := (ratio - 1) / (ratio + 1) // (1-h) ratio = 1+h
		p := testkit.Must(Exp(Minimax, 1, b))(t)
		if math.Abs(p.RelativeError-h) > 1e-12 {
			t.Errorf("b = %v: relative error %.15g, want %.15g", b, p.RelativeError, h)
		}
		if want := (1 - h) * slope; math.Abs(p.Coeff[1]/want-1) > 1e-10 {
			t.Errorf("b = %v: c_1 = %.15g, want %.15g", b, p.Coeff[1], want)
		}
	}
}

// De la Vallee Poussin: if E alternates in sign at degree+2 points, no polynomial has a maximum
// below the smallest |E| there. So equal extrema prove that the polynomial is the best one.
func TestMinimaxEquioscillates(t *testing.T) {
	tested := 0
	eachMinimax(t, func(degree int, b float64, p Polynomial) {
		if p.RelativeError < 1e-9 || p.RelativeError > 1-1e-6 {
			return
		}
		tested++
		points := extrema(p.Coeff, b)
		if len(points) != degree+2 {
			t.Errorf("degree %d, b = %v: %d extrema, want %d", degree, b, len(points), degree+2)
			return
		}
		least, sign := math.Inf(1), -1.0
		for i := len(points) - 1; i >= 0; i-- {
			value, _ := evaluate(exactly(p.Coeff), points[i]).Float64()
			e := (value*math.Exp(-points[i]) - 1) * sign
			least = math.Min(least, e)
			sign = -sign
		}
		if !(least > p.RelativeError*(1-1e-6)) {
			t.Errorf("degree %d, b = %v: extrema from %v to %v", degree, b, least, p.RelativeError)
		}
	})
	if tested < 45 {
		t.Errorf("only %d polynomials tested", tested)
	}
}

// The zero polynomial has a relative error of 1, so the best one has no more; and the best one is
// positive.
func TestMinimaxIsBoundedAndPositive(t *testing.T) {
	eachMinimax(t, func(degree int, b float64, p Polynomial) {
		if !(p.RelativeError <= 1) {
			t.Errorf("degree %d, b = %v: relative error %v", degree, b, p.RelativeError)
		}
		if !isPositive(p) {
			t.Errorf("degree %d, b = %v: not positive", degree, b)
		}
		if taylor := testkit.Must(Exp(Taylor, degree, b))(t).RelativeError; p.RelativeError > taylor {
			t.Errorf("degree %d, b = %v: relative error %v, above Taylor's %v", degree, b, p.RelativeError, taylor)
		}
		if degree > 1 && b <= 17 {
			lower := testkit.Must(Exp(Minimax, degree-1, b))(t).RelativeError
			if p.RelativeError > lower*(1+1e-9)+0x1p-48 {
				t.Errorf("degree %d, b = %v: relative error %v, above %v of the degree below", degree, b,
					p.RelativeError, lower)
			}
		}
		for _, c := range p.Coeff {
			if math.IsNaN(c) || math.IsInf(c, 0) {
				t.Errorf("degree %d, b = %v: coefficients %v", degree, b, p.Coeff)
			}
		}
	})
}

// RelativeError is compared with a dense grid: never below it, and hardly above it.
func TestRelativeErrorIsMeasured(t *testing.T) {
	for _, kind := range []Kind{Minimax, Taylor} {
		for _, b := range []float64{0.5, 2, 5, 8} {
			for degree := 1; degree <= MaxDegree; degree++ {
				p := testkit.Must(Exp(kind, degree, b))(t)
				const n = 20000
				largest := 0.0
				for i := range n + 1 {
					x := b * (2*float64(i)/n - 1)
					largest = math.Max(largest, math.Abs(p.At(x)/math.Exp(x)-1))
				}
				rounding := 1e-15 * p.Plus() * math.Exp(b) // of At
				if largest > p.RelativeError+rounding {
					t.Errorf("kind %d, degree %d, b = %v: error %v on the grid, above %v", kind, degree, b,
						largest, p.RelativeError)
				}
				if largest < p.RelativeError*(1-1e-4)-rounding {
					t.Errorf("kind %d, degree %d, b = %v: error %v on the grid, far below %v", kind, degree, b,
						largest, p.RelativeError)
				}
			}
		}
	}
}

func TestExpIsDeterministic(t *testing.T) {
	for _, b := range []float64{0.3, 2, 7, 21} {
		p, q := testkit.Must(Exp(Minimax, 5, b))(t), testkit.Must(Exp(Minimax, 5, b))(t)
		if !slices.Equal(p.Coeff, q.Coeff) || p.RelativeError != q.RelativeError {
			t.Errorf("b = %v: %v, then %v", b, p, q)
		}
	}
}

func TestTaylorCoefficients(t *testing.T) {
	want := []float64{1, 1, 1. / 2, 1. / 6, 1. / 24, 1. / 120, 1. / 720, 1. / 5040, 1. / 40320}
	for degree := 1; degree <= MaxDegree; degree++ {
		if got := testkit.Must(Exp(Taylor, degree, 3))(t).Coeff; !slices.Equal(got, want[:degree+1]) {
			t.Errorf("degree %d: %v", degree, got)
		}
	}
}

// Where Taylor's error is below what can be measured, minimax does not add rounding errors to its
// coefficients.
func TestMinimaxOfSmallBIsTaylor(t *testing.T) {
	for _, b := range []float64{1e-300, 1e-9, 1e-3, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07} {
		p, q := testkit.Must(Exp(Minimax, MaxDegree, b))(t), testkit.Must(Exp(Taylor, MaxDegree, b))(t)
		if !slices.Equal(p.Coeff, q.Coeff) || p.Kind != Minimax || q.RelativeError > 0x1p-48 {
			t.Errorf("b = %v: %v, Taylor %v", b, p, q)
		}
	}
	if p := testkit.Must(Exp(Minimax, 1, 1e-3))(t); p.Coeff[0] == 1 {
		t.Errorf("b = 1e-3, degree 1: %v", p)
	}
}

func TestAtAndPlus(t *testing.T) {
	p := Polynomial{Coeff: []float64{2, -3, 0, 5}, B: 2}
	if got := p.At(-2); got != 2+6-40 {
		t.Errorf("At(-2) = %v", got)
	}
	if got := p.Plus(); got != 2+6+40 {
		t.Errorf("Plus() = %v", got)
	}
}

func TestExpRefuses(t *testing.T) {
	for _, c := range []struct {
		kind   Kind
		degree int
		b      float64
		want   string
	}{
		{Minimax, 0, 1, "degree is 0, must be in 1..8"},
		{Taylor, 9, 1, "degree is 9, must be in 1..8"},
		{Minimax, -1, 1, "degree is -1"},
		{Minimax, 2, 0, "b is 0, must be above 0 and at most 64"},
		{Minimax, 2, -1, "b is -1"},
		{Taylor, 2, math.NaN(), "b is NaN"},
		{Taylor, 2, math.Inf(1), "b is +Inf"},
		{Taylor, 2, math.Nextafter(64, 65), "b is 64.0"},
		{0, 2, 1, "kind is 0, must be 1 (minimax) or 2 (Taylor)"},
		{3, 2, 1, "kind is 3"},
	} {
		if _, err := Exp(c.kind, c.degree, c.b); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("Exp(%d, %d, %v): error %v, want %q", c.kind, c.degree, c.b, err, c.want)
		}
	}
}

// zeros finds sign changes, and only those.
func TestZeros(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		var want []float64
		c := []float64{1}
		for range 1 + rng.IntN(5) {
			root := 2.4 * (rng.Float64() - 0.5)
			if root > -1 && root < 1 {
				want = append(want, root)
			}
			next := make([]float64, len(c)+1)
			for t := range c {
				next[t] -= root * c[t]
				next[t+1] += c[t]
			}
			c = next
		}
		slices.Sort(want)
		got := zeros(exactly(c), -1, 1)
		if !slices.EqualFunc(got, want, func(a, b float64) bool { return math.Abs(a-b) < 1e-6 }) {
			t.Errorf("zeros of %v: %v, want %v", c, got, want)
		}
	}
	if got := zeros(exactly([]float64{0, 0, 1}), -1, 1); got != nil {
		t.Errorf("zeros of y^2: %v, want none: it does not change its sign", got)
	}
	for _, c := range [][]float64{{1, 1}, {1, -1}, {1, 0, -1}} {
		if got := zeros(exactly(c), -1, 1); got != nil {
			t.Errorf("zeros of %v: %v, but they are at the ends", c, got)
		}
	}
	if got := zeros(exactly([]float64{0, 1}), -1, 1); len(got) != 1 || math.Abs(got[0]) > 0x1p-59 {
		t.Errorf("zeros of y: %v", got)
	}
}
