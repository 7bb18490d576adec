package poly

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/mat"
)

// maxExchanges bounds the exchanges; about 10 are needed.
const maxExchanges = 64

// minimax returns the polynomial whose relative error E(x) = p(x)/e^x - 1 has the smallest maximum
// on [-b, b], and that error.
//
// It is Remez's exchange. The functions x^t e^-x form a Haar system, so the best E takes its
// maximum with alternating signs at degree+2 points. Given such points (first the extrema of a
// Chebyshev polynomial), levelled solves for the p with E = +h, -h, +h, ... there. The next points
// are -b, b and the zeros of E' = (p' - p)/e^x between them: E has degree+1 sign changes, so these
// zeros are degree many and all of them are found. The level h grows to the smallest possible
// maximum, quadratically in the end; when rounding stops its growth, the best polynomial seen is
// returned.
//
// Two ranges are beyond float64 coefficients, and have their own answers:
//   - where Taylor's error is below 2^-48, no other polynomial can be measured to be better, and
//     Taylor's is returned;
//   - where 1 - h is about 1e-14 and less (b above 20 or so), no p found may have an error below 1.
//     The constant e^-b has: E lies in (-1, 0].
func minimax(degree int, b float64) ([]float64, float64) {
	best := taylor(degree)
	smallest := relativeError(best, extrema(best, b))
	if smallest < 0x1p-48 {
		return best, smallest
	}
	constant := make([]float64, degree+1)
	constant[0] = math.Exp(-b)
	if e := relativeError(constant, []float64{-b, b}); e < smallest {
		best, smallest = constant, e
	}
	points := make([]float64, degree+2)
	for i := range points {
		points[i] = -b * math.Cos(math.Pi*float64(i)/float64(degree+1))
	}
	eta := 1.0
	for range maxExchanges {
		c, next, ok := levelled(points, b)
		if !ok || !(next < eta) {
			break
		}
		eta = next
		points = extrema(c, b)
		if e := relativeError(c, points); e < smallest {
			best, smallest = c, e
		}
		if len(points) != degree+2 {
			break // rounding has hidden an extremum
		}
	}
	return best, smallest
}

// levelled returns the coefficients of the p of degree len(points)-2 with p(x)/e^x equal to eta and
// 2 - eta in turns at the points, counted from the last one, and eta, which is 1 - h.
//
// Solving for eta instead of h keeps its digits where h is close to 1. At the last point p is below
// e^x, because e^x - p has the sign of its derivative of order degree+1, that is of e^x, beyond its
// last zero. The unknowns are c_t b^t, so that the columns are powers of y = x/b in [-1, 1]; a row
// is divided by max(1, e^x).
func levelled(points []float64, b float64) (c []float64, eta float64, ok bool) {
	n := len(points)
	matrix := mat.NewDense(n, n, nil)
	right := mat.NewVecDense(n, nil)
	for i, x := range points {
		scale := 1 / math.Max(1, math.Exp(x))
		target := math.Exp(x) * scale
		power := scale
		for t := range n - 1 {
			matrix.Set(i, t, power)
			power *= x / b
		}
		if (n-1-i)%2 == 0 {
			matrix.Set(i, n-1, -target)
		} else {
			matrix.Set(i, n-1, target)
			right.SetVec(i, 2*target)
		}
	}
	var solution mat.VecDense
	err := solution.SolveVec(matrix, right)
	// a bad condition shows in the measured error
	if condition := mat.Condition(0); err != nil && !errors.As(err, &condition) {
		return nil, 0, false
	}
	c = make([]float64, n-1)
	for t := range c {
		c[t] = solution.AtVec(t) / math.Pow(b, float64(t))
		if math.IsNaN(c[t]) || math.IsInf(c[t], 0) {
			return nil, 0, false
		}
	}
	return c, solution.AtVec(n - 1), true
}
