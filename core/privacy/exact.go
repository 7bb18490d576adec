package privacy

import (
	"math"
	"math/big"
)

// Every finite float64 is an integer times 2^-1074. In that unit sums, products and roots of
// float64 are integer arithmetic, and the only rounding is the last one.
const unitExponent = -1074

var one = big.NewInt(1)

// inUnits returns f/2^-1074 for finite f.
func inUnits(f float64) *big.Int {
	n, _ := new(big.Float).SetMantExp(big.NewFloat(f), -unitExponent).Int(nil)
	return n
}

// fromUnits returns n 2^-1074 exactly.
func fromUnits(n *big.Int) *big.Float {
	return new(big.Float).SetMantExp(new(big.Float).SetInt(n), unitExponent)
}

// squareUnits is the exponent of the unit of squares.
const squareUnits = 2 * -unitExponent

// ceilSqrt returns the smallest integer whose square is at least n >= 0.
func ceilSqrt(n *big.Int) *big.Int {
	root := new(big.Int).Sqrt(n)
	if new(big.Int).Mul(root, root).Cmp(n) < 0 {
		root.Add(root, one)
	}
	return root
}

// ceilQuo returns the smallest integer that is at least n/d, for n >= 0 and d > 0.
func ceilQuo(n, d *big.Int) *big.Int {
	quotient, rest := new(big.Int).QuoRem(n, d, new(big.Int))
	if rest.Sign() > 0 {
		quotient.Add(quotient, one)
	}
	return quotient
}

// roundUp returns the smallest float64 >= x, +Inf included.
func roundUp(x *big.Float) float64 {
	f, accuracy := x.Float64()
	if accuracy == big.Below {
		f = math.Nextafter(f, math.Inf(1))
	}
	return f
}

// roundDown returns the largest finite float64 <= x.
func roundDown(x *big.Float) float64 {
	f, accuracy := x.Float64()
	if accuracy == big.Above {
		f = math.Nextafter(f, math.Inf(-1))
	}
	return f
}
