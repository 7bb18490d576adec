package privacy

import (
	"math"
	"math/big"

	"dpattn/core/internal/bigmath"
)

// Delta returns the smallest delta for which a mu-GDP mechanism is (epsilon, delta)-differentially
// private, rounded up:
//
//	delta(epsilon, mu) = Phi(mu/2 - epsilon/mu) - e^epsilon Phi(-mu/2 - epsilon/mu)
//
// (Balle and Wang 2018, theorem 8, with mu = sensitivity/sigma). The result is the smallest float64
// that is not below the exact value, so it inherits that it grows with mu and falls with epsilon.
// mu = 0 gives 0, mu = +Inf gives 1, epsilon = +Inf with a finite mu gives 0. An argument that is
// negative or NaN gives 1, which never understates.
func Delta(epsilon, mu float64) float64 {
	switch {
	case !(epsilon >= 0) || !finite(mu):
		return 1
	case mu == 0 || math.IsInf(epsilon, 1):
		return 0
	}
	return deltaFrom(epsilon, mu, 64)
}

// deltaFrom is Delta for finite epsilon >= 0 and mu > 0, refined from prec bits on. The result does
// not depend on prec.
func deltaFrom(epsilon, mu float64, prec uint) float64 {
	e, m := big.NewFloat(epsilon), big.NewFloat(mu)
	for ; ; prec *= 2 {
		delta := deltaBounds(e, m, prec)
		above := atLeastTiny(delta.Hi)
		if prec >= maxPrec || atLeastTiny(delta.Lo) == above {
			return above
		}
	}
}

// deltaAtMost reports whether Delta(epsilon, mu) <= delta for finite epsilon >= 0, mu > 0 and delta
// in (0, 1). It is the same as comparing the exact value, since delta is a float64, and needs few
// bits where the two are far apart.
func deltaAtMost(epsilon, mu, delta float64) bool {
	e, m, d := big.NewFloat(epsilon), big.NewFloat(mu), big.NewFloat(delta)
	for prec := uint(16); ; prec *= 2 {
		bounds := deltaBounds(e, m, prec)
		if bounds.Hi.Cmp(d) <= 0 {
			return true
		}
		if bounds.Lo.Cmp(d) > 0 || prec >= maxPrec {
			return false
		}
	}
}

// maxPrec ends the refinement of an enclosure. A delta within 2^-4000 of a float64 is not to be
// expected; should there be one, the upper bound decides, and the result is still safe.
const maxPrec = 4096

// deltaBounds holds delta(epsilon, mu) for finite epsilon >= 0 and mu > 0, with a relative width of
// about 2^-prec where it is not below 2^-2^19.
//
// With a = mu/2 - epsilon/mu and t = mu/2 + epsilon/mu the densities satisfy phi(t)
// e^epsilon = phi(a), because t^2 - a^2 = 2 epsilon. So
//
//	delta = Phi(a) - phi(a) R(t),  R(t) = (1 - Phi(t))/phi(t),
//
// which has no e^epsilon to overflow.
//
// Guard bits: epsilon/mu and mu/2 can both be as large as 2^|log2 mu| while a is moderate; and for
// small mu the two terms differ by a factor of 1 - O(mu). Both cost at most |log2 mu| bits and a
// few.
func deltaBounds(epsilon, mu *big.Float, prec uint) bigmath.Interval {
	exponent := mu.MantExp(nil)
	w := prec + 24 + uint(max(exponent, -exponent))
	m := bigmath.Point(mu, w)
	quotient := bigmath.Point(epsilon, w).Quo(m)
	a, t := m.Half().Sub(quotient), m.Half().Add(quotient)
	return bigmath.Phi(a).Sub(bigmath.Density(a).Mul(bigmath.Mills(t)))
}

// atLeastTiny returns the smallest float64 that is not below x and above 0, as delta is for mu > 0.
func atLeastTiny(x *big.Float) float64 { return max(roundUp(x), math.SmallestNonzeroFloat64) }
