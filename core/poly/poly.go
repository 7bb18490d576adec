// Package poly turns the exponential of a logit into something finite: a polynomial
//
//	p(x) = sum_{t=0..s} c_t x^t,  close to e^x on [-b, b],
//
// whose terms become the degree blocks of the feature map, phi_t(k) = a_t sym(k^(tensor t)). It
// also answers what the mechanism asks about such a polynomial: how far it is from e^x, how many
// features it needs, how the squared norm of the feature vector is best shared among the degree
// blocks, and whether the kernel of the result can be negative.
//
// Everything here is a deterministic function of public parameters. Coefficients may differ in
// their last bits between processor families (fused multiply-add), so a release records them
// instead of computing them again.
package poly

import (
	"math"

	"dpattn/core/fault"
)

// Kind says how the coefficients are chosen.
type Kind int

// Kinds, append-only.
const (
	// Minimax makes max |p(x)/e^x - 1| on [-b, b] the smallest that its degree allows. That is
	// below 1, so p is positive there.
	Minimax Kind = 1
	// Taylor has c_t = 1/t!. It is the better one near 0 and far worse towards -b, where odd
	// degrees become negative.
	Taylor Kind = 2
)

// Limits of the parameters.
const (
	// MaxDegree is the largest degree: C(d+9, 9) features would be too many for any head dimension
	// in use.
	MaxDegree = 8
	// MaxB is the largest b. From b = 14 on, even degree 8 has a relative error above 0.99.
	MaxB = 64
)

// Polynomial approximates e^x on [-B, B].
type Polynomial struct {
	Kind  Kind
	Coeff []float64 // c_0..c_s
	B     float64
	// RelativeError is an upper bound of max |p(x)/e^x - 1| on [-B, B], measured on the
	// coefficients as they stand. It is too high by less than 2^-48 (1 + max |p(x)/e^x|).
	RelativeError float64
}

// Exp returns the polynomial of the given kind and degree for e^x on [-b, b]. Degree must be in
// 1..MaxDegree, b in (0, MaxB].
func Exp(kind Kind, degree int, b float64) (Polynomial, error) {
	if err := checkDegree(degree); err != nil {
		return Polynomial{}, err
	}
	if !(b > 0 && b <= MaxB) {
		return Polynomial{}, fault.Invalid("b is %v, must be above 0 and at most %d", b, MaxB)
	}
	p := Polynomial{Kind: kind, B: b}
	switch kind {
	case Minimax:
		p.Coeff, p.RelativeError = minimax(degree, b)
	case Taylor:
		p.Coeff = taylor(degree)
		p.RelativeError = relativeError(p.Coeff, extrema(p.Coeff, b))
	default:
		return Polynomial{}, fault.Invalid("kind is %d, must be %d (minimax) or %d (Taylor)", kind, Minimax, Taylor)
	}
	return p, nil
}

func checkDegree(degree int) error {
	if degree < 1 || degree > MaxDegree {
		return fault.Invalid("degree is %d, must be in 1..%d", degree, MaxDegree)
	}
	return nil
}

func taylor(degree int) []float64 {
	c := make([]float64, degree+1)
	factorial := 1.0
	for t := range c {
		factorial *= float64(max(t, 1))
		c[t] = 1 / factorial
	}
	return c
}

// At returns p(x).
func (p Polynomial) At(x float64) float64 {
	sum := 0.0
	for t := len(p.Coeff) - 1; t >= 0; t-- {
		sum = sum*x + p.Coeff[t]
	}
	return sum
}

// HeaviestError returns max |p(x) - e^x| / e^B on [-B, B] of a Taylor polynomial: how far it is
// from the weights, in units of the heaviest that there can be. Its remainder is a power series
// with positive coefficients, so it is largest at B.
func (p Polynomial) HeaviestError() float64 { return 1 - p.At(p.B)*math.Exp(-p.B) }

// Plus returns p+(B) = sum_t |c_t| B^t: what |psi| |phi| comes to for a query and a key at their
// bounds (see BlockWeights).
func (p Polynomial) Plus() float64 {
	sum := 0.0
	for _, term := range p.terms() {
		sum += term
	}
	return sum
}

// terms returns |c_t| B^t.
func (p Polynomial) terms() []float64 {
	terms := make([]float64, len(p.Coeff))
	power := 1.0
	for t, c := range p.Coeff {
		terms[t] = math.Abs(c) * power
		power *= p.B
	}
	return terms
}
