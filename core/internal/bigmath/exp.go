package bigmath

import (
	"math/big"
	"math/bits"
)

// Exp returns e^x as a new Float of precision prec >= 1, with relative error
// below 2^-(prec-4). x is not changed.
//
// Reduction: r = x/2^s exactly, with s >= 0 the least that gives |r| < 2^-h,
// h >= 2. Then e^r by Taylor's series in Horner form, then s squarings.
//
// Error, with u = 2^-w the rounding unit of the working precision:
//
//   - truncation after the term of index n >= w/h: at most
//     2 |r|^(n+1) <= 2 2^-(h(n+1)) <= u, as h >= 1;
//   - a Horner step t_i = 1 + r t_(i+1)/i makes three roundings of numbers below
//     2 in magnitude and multiplies the incoming error by at most 1/4, so the
//     absolute error stays below (3*2u)/(1-1/4) = 8u, and relative to
//     e^r >= e^(-1/4) > 3/4, truncation included, below 12u;
//   - a squaring doubles the relative error and adds one rounding, so s of them
//     leave at most 2^s (12u + u), up to a factor 1 + O(2^s u).
//
// w = prec+s+8 makes this less than 14*2^s*2^-(prec+s+8) < 2^-(prec+4); the
// final rounding to prec adds at most 2^-prec. The sum is below 2^-(prec-1).
//
// Results outside the exponent range of big.Float (|x| above 1.4e9, infinities
// included) are +Inf or 0, as big.Float itself does.
func Exp(x *big.Float, prec uint) *big.Float {
	e := x.MantExp(nil) // |x| < 2^e
	if x.IsInf() || e > 31 {
		z := new(big.Float).SetPrec(prec)
		if x.Signbit() {
			return z
		}
		return z.SetInf(false)
	}

	h := 2 * bits.Len(prec) // balances squarings and terms; any h >= 2 is correct
	s := max(0, e+h)
	w := prec + uint(s) + 8
	r := new(big.Float).SetMantExp(x, -s)

	t := new(big.Float).SetPrec(w).SetInt64(1)
	one := big.NewFloat(1)
	i := new(big.Float)
	for n := int64(w)/int64(h) + 1; n > 0; n-- {
		t.Mul(t, r)
		t.Quo(t, i.SetInt64(n))
		t.Add(t, one)
	}
	for ; s > 0; s-- {
		t.Mul(t, t)
	}
	return t.SetPrec(prec)
}
