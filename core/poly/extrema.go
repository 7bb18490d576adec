package poly

import (
	"math"
	"math/big"
)

// exactPrec is the precision in which polynomials are evaluated: 640 bits leave an error below
// 2^-630 p+(b). Near -b the terms can cancel to e^(-2b) of their sum, so that 53 bits say little
// there for b above 10 and nothing above 18.
const exactPrec = 640

// exactly returns c as exact numbers.
func exactly(c []float64) []*big.Float {
	q := make([]*big.Float, len(c))
	for t := range c {
		q[t] = new(big.Float).SetPrec(exactPrec).SetFloat64(c[t])
	}
	return q
}

// evaluate returns sum_t q_t x^t.
func evaluate(q []*big.Float, x float64) *big.Float {
	sum := new(big.Float).SetPrec(exactPrec)
	point := big.NewFloat(x)
	for t := len(q) - 1; t >= 0; t-- {
		sum.Add(sum.Mul(sum, point), q[t])
	}
	return sum
}

// derivative returns the coefficients of q'.
func derivative(q []*big.Float) []*big.Float {
	d := make([]*big.Float, len(q)-1)
	for t := range d {
		d[t] = new(big.Float).SetPrec(exactPrec).SetInt64(int64(t + 1))
		d[t].Mul(d[t], q[t+1])
	}
	return d
}

// extrema returns, in ascending order, where E(x) = p(x)/e^x - 1 can be largest or smallest on [-b,
// b]: -b, the zeros of E'(x) = (p'(x) - p(x))/e^x, and b.
func extrema(c []float64, b float64) []float64 {
	p := exactly(c)
	slope := derivative(p)
	for t := range p {
		p[t].Neg(p[t])
		if t < len(slope) {
			p[t].Add(p[t], slope[t])
		}
	}
	points := append([]float64{-b}, zeros(p, -b, b)...)
	return append(points, b)
}

// zeros returns the points in (lo, hi) where q changes its sign, to within 2^-60 of the interval.
// Between two sign changes of q' q is monotone, so it changes its sign there at most once, and
// bisection finds the place.
func zeros(q []*big.Float, lo, hi float64) []float64 {
	if len(q) < 2 {
		return nil
	}
	ends := append([]float64{lo}, zeros(derivative(q), lo, hi)...)
	ends = append(ends, hi)
	var found []float64
	for i := range len(ends) - 1 {
		left, right := ends[i], ends[i+1]
		sign := evaluate(q, left).Sign()
		if sign*evaluate(q, right).Sign() >= 0 {
			continue
		}
		for right-left > 0x1p-60*(hi-lo) {
			middle := left + (right-left)/2
			if middle == left || middle == right {
				break
			}
			if evaluate(q, middle).Sign() == sign {
				left = middle
			} else {
				right = middle
			}
		}
		found = append(found, left)
	}
	return found
}

// relativeError returns an upper bound of max |p(x)/e^x - 1| over the points.
//
// p(x) is exact up to its rounding to float64; with the error of math.Exp, below one unit in the
// last place, and that of the product, the quotient is within 2^-51 of itself. It is widened by
// 2^-50, and the result moved up by one more unit for the subtraction. Where the quotient is at
// least 0, 1 minus it is at most 1 however small it is. The extrema themselves are within 2^-60 of
// the interval, which changes E by the square of that.
func relativeError(c, points []float64) float64 {
	q := exactly(c)
	largest := 0.0
	for _, x := range points {
		value, _ := evaluate(q, x).Float64()
		quotient := value * math.Exp(-x)
		slack := 0x1p-50 * math.Abs(quotient)
		below := math.Nextafter(1-(quotient-slack), math.Inf(1))
		if quotient >= 0 {
			below = math.Min(below, 1)
		}
		above := math.Nextafter(quotient+slack-1, math.Inf(1))
		largest = math.Max(largest, math.Max(below, above))
	}
	return largest
}
