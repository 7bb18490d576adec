package poly

import (
	"math"
	"math/rand/v2"
	"testing"

	"dpattn/tests/testkit"
)

func TestFeatures(t *testing.T) {
	for _, c := range []struct {
		dim, degree int
		want        int64
	}{
		{1, 1, 2}, {1, 8, 9}, {2, 2, 6}, {64, 1, 65}, {64, 2, 2145}, {64, 3, 47905}, {64, 4, 814385},
		{128, 8, 2353351951665},
	} {
		if got, err := Features(c.dim, c.degree); err != nil || got != c.want {
			t.Errorf("Features(%d, %d) = %d, %v, want %d", c.dim, c.degree, got, err, c.want)
		}
	}
	// Pascal's rule: a monomial either contains the last variable or does not.
	for dim := 2; dim < 40; dim++ {
		for degree := 2; degree <= MaxDegree; degree++ {
			whole, _ := Features(dim, degree)
			with, _ := Features(dim, degree-1)
			without, _ := Features(dim-1, degree)
			if whole != with+without {
				t.Errorf("Features(%d, %d) = %d, want %d", dim, degree, whole, with+without)
			}
		}
	}
}

func TestFeaturesRefuses(t *testing.T) {
	for _, c := range []struct{ dim, degree int }{
		{0, 1}, {-1, 1}, {4, 0}, {4, 9}, {math.MaxInt, 4}, {math.MaxInt - 8, 8},
	} {
		if got, err := Features(c.dim, c.degree); err == nil || got != 0 {
			t.Errorf("Features(%d, %d) = %d, %v", c.dim, c.degree, got, err)
		}
	}
	if math.MaxInt == math.MaxInt32 {
		return
	}
	for _, c := range []struct {
		dim    int64
		degree int
	}{
		{math.MaxInt64, 1}, {math.MaxInt64 - 7, 1}, {1 << 40, 2}, {1 << 31, 3},
	} {
		if got, err := Features(int(c.dim), c.degree); err == nil || got != 0 {
			t.Errorf("Features(%d, %d) = %d, %v", c.dim, c.degree, got, err)
		}
	}
	// The last dimension that fits: (dim+2)(dim+1)/2 <= 2^63 - 1.
	last := int64(4294967294)
	if got, err := Features(int(last), 2); err != nil || got != (last+2)/2*(last+1) {
		t.Errorf("Features(%d, 2) = %d, %v", last, got, err)
	}
	if got, err := Features(int(last+1), 2); err == nil {
		t.Errorf("Features(%d, 2) = %d, want an error", last+1, got)
	}
}

// product returns |phi| |psi| at the bounds for key norm 1, query norm b and block weights beta.
func product(p Polynomial, beta []float64) float64 {
	phi, psi := 0.0, 0.0
	for t, c := range p.Coeff {
		phi += beta[t] * beta[t]
		u := c * math.Pow(p.B, float64(t)) / beta[t]
		psi += u * u
	}
	return math.Sqrt(phi * psi)
}

func TestBlockWeightsAreOptimal(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for _, p := range []Polynomial{
		testkit.Must(Exp(Minimax, 4, 2))(t), testkit.Must(Exp(Minimax, 2, 1))(t), testkit.Must(Exp(Minimax, 8, 6))(t),
		testkit.Must(Exp(Taylor, 4, 4))(t), testkit.Must(Exp(Taylor, 1, 0.1))(t),
		{Coeff: []float64{2, -3, 0.25, -5}, B: 1.5},
	} {
		beta := BlockWeights(p)
		sum := 0.0
		for i, w := range beta {
			sum += w * w
			if want := math.Abs(p.Coeff[i]) * math.Pow(p.B, float64(i)) / p.Plus(); math.Abs(w*w-want) > 1e-15 {
				t.Errorf("%v: weight %d is %v", p, i, w)
			}
		}
		if math.Abs(sum-1) > 1e-14 {
			t.Errorf("%v: squared weights sum to %v", p, sum)
		}
		least := product(p, beta)
		if math.Abs(least/p.Plus()-1) > 1e-13 {
			t.Errorf("%v: |phi| |psi| = %v, want p+ = %v", p, least, p.Plus())
		}
		for range 300 { // the product is at its minimum: every other direction makes it larger
			other := make([]float64, len(beta))
			size := math.Pow(10, -4*rng.Float64())
			for i := range other {
				other[i] = beta[i] * math.Exp(size*rng.NormFloat64())
			}
			if got := product(p, other); got < least*(1-1e-14) {
				t.Errorf("%v: weights %v give %v, below %v", p, other, got, least)
			}
		}
		for i := range beta { // and by a second-order amount in one coordinate
			other := append([]float64(nil), beta...)
			other[i] *= 1.1
			if got := product(p, other); !(got > least) {
				t.Errorf("%v: weight %d times 1.1 gives %v, not above %v", p, i, got, least)
			}
		}
	}
}

func TestBlockWeightsOfMissingBlock(t *testing.T) {
	beta := BlockWeights(Polynomial{Coeff: []float64{1, 0, 3}, B: 1})
	if beta[0] != 0.5 || beta[1] != 0 || math.Abs(beta[2]-math.Sqrt(0.75)) > 1e-16 {
		t.Errorf("weights %v", beta)
	}
}
