package poly

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"dpattn/tests/testkit"
)

// rats returns numbers as rationals.
func rats(values []float64) []*big.Rat {
	r := make([]*big.Rat, len(values))
	for i, v := range values {
		r[i] = new(big.Rat).SetFloat64(v)
	}
	return r
}

func positive(low *big.Int) bool    { return low.Sign() > 0 }
func nonNegative(low *big.Int) bool { return low.Sign() >= 0 }

func TestOnUnitKnown(t *testing.T) {
	for _, c := range []struct {
		name                  string
		a                     []float64
		positive, nonNegative bool
	}{
		{"1", []float64{1}, true, true},
		{"0", []float64{0}, false, true},
		{"-1", []float64{-1}, false, false},
		{"1 + y, zero at an end", []float64{1, 1}, false, true},
		{"1 - y, zero at the other end", []float64{1, -1}, false, true},
		{"y", []float64{0, 1}, false, false},
		{"y^2, touches 0 at a point of subdivision", []float64{0, 0, 1}, false, true},
		{"(y - 1/3)^2 times 9, touches 0 elsewhere: cannot tell", []float64{1, -6, 9}, false, false},
		{"9 (y - 1/3)^2 + 2^-40", []float64{1 + 0x1p-40, -6, 9}, true, true},
		{"9 (y - 1/3)^2 - 2^-40", []float64{1 - 0x1p-40, -6, 9}, false, false},
		{"1 - y^8", []float64{1, 0, 0, 0, 0, 0, 0, 0, -1}, false, true},
		{"Chebyshev T_8 + 1 + 2^-30", []float64{2 + 0x1p-30, 0, -32, 0, 160, 0, -256, 0, 128}, true, true},
		{"Chebyshev T_8 + 1 - 2^-30", []float64{2 - 0x1p-30, 0, -32, 0, 160, 0, -256, 0, 128}, false, false},
		{"empty", nil, false, false},
	} {
		if got := onUnit(rats(c.a), positive); got != c.positive {
			t.Errorf("%s: positive %v", c.name, got)
		}
		if got := onUnit(rats(c.a), nonNegative); got != c.nonNegative {
			t.Errorf("%s: non-negative %v", c.name, got)
		}
	}
}

// bernstein and halves keep the values: at the ends and, for the halves, in the middle.
func TestBernstein(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		a := make([]float64, 1+rng.IntN(9))
		for i := range a {
			a[i] = rng.NormFloat64()
		}
		at := func(y int64) *big.Rat {
			sum := new(big.Rat)
			for i := len(a) - 1; i >= 0; i-- {
				sum.Mul(sum, big.NewRat(y, 1))
				sum.Add(sum, new(big.Rat).SetFloat64(a[i]))
			}
			return sum
		}
		s := len(a) - 1
		b := bernstein(rats(a))
		left, right := halves(b)
		if left[s].Cmp(right[0]) != 0 {
			t.Fatalf("%v: halves disagree in the middle", a)
		}
		ratio := func(x, y *big.Int) *big.Rat { return new(big.Rat).SetFrac(x, y) }
		if ratio(left[0], left[s]).Cmp(new(big.Rat).Quo(at(-1), at(0))) != 0 ||
			ratio(right[s], left[s]).Cmp(new(big.Rat).Quo(at(1), at(0))) != 0 ||
			new(big.Int).Lsh(b[0], uint(s)).Cmp(left[0]) != 0 {
			t.Fatalf("%v: Bernstein coefficients %v", a, b)
		}
		if sign := b[0].Sign(); sign != at(-1).Sign() {
			t.Fatalf("%v: sign at -1 is %d", a, sign)
		}
	}
}

// isPositive reports whether p(x) > 0 on all of [-B, B], or that it comes close to 0.
func isPositive(p Polynomial) bool {
	a := make([]*big.Rat, len(p.Coeff))
	b := new(big.Rat).SetFloat64(p.B)
	power := big.NewRat(1, 1)
	for t, c := range p.Coeff {
		a[t] = new(big.Rat).SetFloat64(c)
		if a[t] == nil || b == nil {
			return false
		}
		a[t].Mul(a[t], power)
		power.Mul(power, b)
	}
	return onUnit(a, positive)
}

// True is never wrong, and false only close to 0: on random polynomials the decision agrees with a
// grid.
func TestOnUnitRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	decided := [2]int{}
	for range 2000 {
		a := make([]float64, 1+rng.IntN(9))
		for i := range a {
			a[i] = rng.NormFloat64()
		}
		a[0] += 2 * rng.Float64() * float64(len(a))
		least := math.Inf(1)
		p := Polynomial{Coeff: a, B: 1}
		for i := range 2001 {
			least = math.Min(least, p.At(float64(i)/1000-1))
		}
		got := isPositive(p)
		if got != onUnit(rats(a), nonNegative) {
			t.Errorf("%v: positive %v, non-negative differs", a, got)
		}
		switch {
		case least < -1e-12 && got:
			t.Errorf("%v: called positive, reaches %v", a, least)
		case least > 1e-3 && !got:
			t.Errorf("%v: not called positive, least %v", a, least)
		}
		if got {
			decided[1]++
		} else {
			decided[0]++
		}
	}
	if decided[0] < 200 || decided[1] < 200 {
		t.Errorf("one-sided sample: %v", decided)
	}
}

func TestPositiveUsesTheInterval(t *testing.T) {
	for _, c := range []struct {
		b    float64
		want bool
	}{{0.5, true}, {math.Nextafter(1, 0), true}, {1, false}, {2, false}} {
		if got := isPositive(Polynomial{Coeff: []float64{1, 1}, B: c.b}); got != c.want {
			t.Errorf("1 + x on [-%v, %v]: %v", c.b, c.b, got)
		}
	}
	if isPositive(Polynomial{Coeff: []float64{1, math.NaN()}, B: 1}) ||
		isPositive(Polynomial{Coeff: []float64{1}, B: math.Inf(1)}) {
		t.Error("not finite, yet positive")
	}
	// Taylor polynomials of odd degree are negative at -b for large b, those of even degree never
	// are.
	for degree := 1; degree <= MaxDegree; degree++ {
		if got := isPositive(testkit.Must(Exp(Taylor, degree, 10))(t)); got != (degree%2 == 0) {
			t.Errorf("Taylor, degree %d, b = 10: positive %v", degree, got)
		}
	}
}

func TestKernelNonNegative(t *testing.T) {
	root := math.Sqrt
	for _, c := range []struct {
		name string
		beta []float64
		want bool
	}{
		{"constant", []float64{1}, true},
		{"y", []float64{0, 1}, false},
		{"y^2", []float64{0, 0, 1}, true},
		{"0.51 + 0.49 y", []float64{root(0.51), root(0.49)}, true},
		{"0.49 + 0.51 y", []float64{root(0.49), root(0.51)}, false},
		{"sign of a weight does not matter", []float64{-root(0.51), root(0.49)}, true},
		{"1 + 1.9 y + y^2", []float64{1, root(1.9), 1}, true},
		{"1 + 2.1 y + y^2", []float64{1, root(2.1), 1}, false},
		{"NaN", []float64{1, math.NaN()}, false},
		{"Inf", []float64{math.Inf(1), 1}, false},
		{"empty", nil, false},
	} {
		if got := KernelNonNegative(c.beta); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	// With coefficients of one sign K(y) = p(b y)/p(b), so the kernel is as positive as the
	// polynomial.
	for _, kind := range []Kind{Minimax, Taylor} {
		for _, b := range []float64{0.5, 1, 2, 4} {
			for degree := 1; degree <= 6; degree++ {
				p := testkit.Must(Exp(kind, degree, b))(t)
				for _, c := range p.Coeff {
					if c < 0 {
						t.Fatalf("kind %d, degree %d, b = %v: negative coefficient", kind, degree, b)
					}
				}
				if math.Abs(p.RelativeError-1) < 1e-9 { // Taylor, b = 1, degree 1: p(-1) is 0 itself
					continue
				}
				if got := KernelNonNegative(BlockWeights(p)); got != isPositive(p) {
					t.Errorf("kind %d, degree %d, b = %v: kernel %v, polynomial %v", kind, degree, b, got,
						isPositive(p))
				}
			}
		}
	}
}
