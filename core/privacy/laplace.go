package privacy

import (
	"math"
	"math/big"
	"math/bits"

	"dpattn/core/fault"
	"dpattn/core/internal/bigmath"
	"dpattn/core/noise"
)

// laplacePrec is the precision of the enclosures here. The worst cancellation is in
// 1 - e^(-1/lambda) with lambda < 2^62, which costs 62 bits, so that 190 are left.
const laplacePrec = 256

// LaplaceDelta returns the smallest delta for which truncated Laplace noise on integers is
// (shift/lambda, delta)-differentially private when neighbours differ by shift, rounded up: the
// mass of the strip that the noise reaches and the shifted noise does not,
//
//	P(X > Support - shift) = rho^(Support-shift+1) (1 - rho^shift) / (1 + rho - 2 rho^(Support+1)),
//	rho = e^(-1/lambda),
//
// for shift <= Support. It is 1 for a larger shift and a distribution that cannot be drawn, 0 for
// shift 0. PROOF.md, section 10, has the proof, also for vectors that differ by shift in the l1
// norm.
func LaplaceDelta(dist noise.TruncatedLaplace, shift uint64) float64 {
	switch {
	case dist.Validate() != nil || shift > dist.Support:
		return 1
	case shift == 0:
		return 0
	}
	return min(1, atLeastTiny(stripBounds(dist, shift).Hi))
}

// stripBounds encloses the strip's mass for 1 <= shift <= dist.Support.
func stripBounds(dist noise.TruncatedLaplace, shift uint64) bigmath.Interval {
	one := bigmath.Int(1, laplacePrec)
	rho, far := power(dist, 1), power(dist, dist.Support+1)
	strip := power(dist, dist.Support-shift+1).Mul(one.Sub(power(dist, shift)))
	return strip.Quo(one.Add(rho).Sub(far.Add(far)))
}

// power encloses e^(-k/lambda).
func power(dist noise.TruncatedLaplace, k uint64) bigmath.Interval {
	exponent := whole(k).Mul(whole(dist.Den)).Quo(whole(dist.Num))
	return bigmath.Interval{Lo: below(exponent.Hi), Hi: above(exponent.Lo)}
}

// whole is an integer as an interval, exactly.
func whole(n uint64) bigmath.Interval {
	return bigmath.Point(new(big.Float).SetUint64(n), laplacePrec)
}

// below and above bound e^-x for x >= 0 by floats: bigmath.Exp with its relative error taken off or
// added, twice over.
func below(x *big.Float) *big.Float { return expBound(x, -1, big.ToNegativeInf) }
func above(x *big.Float) *big.Float { return expBound(x, 1, big.ToPositiveInf) }

func expBound(x *big.Float, side int64, mode big.RoundingMode) *big.Float {
	f := bigmath.Exp(new(big.Float).Neg(x), laplacePrec)
	if f.Sign() == 0 || f.MantExp(nil) < big.MinExp/2 { // too near the end of big.Float's range
		f = new(big.Float).SetPrec(laplacePrec)
		if side > 0 {
			f.SetMantExp(big.NewFloat(1), big.MinExp/2)
		}
		return f
	}
	slack := new(big.Float).SetMantExp(f, -laplacePrec+5)
	if side < 0 {
		slack.Neg(slack)
	}
	return new(big.Float).SetPrec(laplacePrec).SetMode(mode).Add(f, slack)
}

// laplaceDen is the denominator of lambda where lambda is small enough for it to matter.
const laplaceDen = 1 << 16

// Laplace returns the truncated Laplace distribution that makes integers whose neighbours differ by
// at most sensitivity >= 1, in the l1 norm, (epsilon0, delta0)-differentially private with the
// least noise: the smallest lambda >= sensitivity/epsilon0 that is a multiple of 2^-16 (of 1 where
// lambda is 2^30 or more), and with it the smallest Support >= sensitivity with
// LaplaceDelta <= delta0.
func Laplace(sensitivity uint64, epsilon0, delta0 float64) (noise.TruncatedLaplace, error) {
	none := noise.TruncatedLaplace{}
	if sensitivity < 1 || sensitivity >= noise.MaxLaplace {
		return none, fault.Invalid("sensitivity is %d, must be in 1..2^62-1", sensitivity)
	}
	if err := (Budget{epsilon0, delta0}).Validate(); err != nil {
		return none, err
	}
	dist := noise.TruncatedLaplace{Num: 1, Den: 1}
	if float64(sensitivity)/epsilon0 < 1<<30 {
		dist.Den = laplaceDen
	}
	// Every float64 is an integer in units of 2^-1074.
	top := new(big.Int).Mul(new(big.Int).SetUint64(sensitivity), new(big.Int).SetUint64(dist.Den))
	num := ceilQuo(top.Lsh(top, -unitExponent), inUnits(epsilon0))
	if !num.IsUint64() || num.Uint64() > noise.MaxLaplace {
		return none, tooSmall(sensitivity, epsilon0)
	}
	dist.Num = num.Uint64()

	// Support is where the strip's mass passes delta0: it falls as Support grows.
	enough := func(support uint64) bool {
		dist.Support = support
		return LaplaceDelta(dist, sensitivity) <= delta0
	}
	// From a guess by the continuous distribution upwards; a guess that is too high is not used.
	lo, step := sensitivity-1, uint64(2) // never enough(lo)
	lambda := float64(dist.Num) / float64(dist.Den)
	if guess := lambda * math.Log1p(math.Expm1(float64(sensitivity)/lambda)/(2*delta0)); guess < noise.MaxLaplace {
		if low := uint64(guess * (1 - 1e-12)); low > lo+2 && !enough(low-2) {
			lo, step = low-2, 4+uint64(guess*2e-12)
		}
	}
	hi := lo + 1
	for ; !enough(hi); step *= 2 {
		if lo = hi; lo+step > noise.MaxLaplace/dist.Den {
			return none, tooSmall(sensitivity, epsilon0)
		}
		hi = lo + step
	}
	for hi-lo > 1 {
		if middle := lo + (hi-lo)/2; enough(middle) {
			hi = middle
		} else {
			lo = middle
		}
	}
	dist.Support = hi
	if dist.Validate() != nil {
		return none, tooSmall(sensitivity, epsilon0)
	}
	return dist, nil
}

func tooSmall(sensitivity uint64, epsilon0 float64) error {
	return fault.New(fault.Limit,
		"epsilon is too small for this sensitivity: noise of scale %d/%.6g does not fit 62 bits", sensitivity, epsilon0)
}

// LaplaceEpsilon returns shift/lambda, rounded up: what the distribution spends on neighbours that
// differ by shift. +Inf for a distribution that cannot be drawn.
func LaplaceEpsilon(dist noise.TruncatedLaplace, shift uint64) float64 {
	if dist.Validate() != nil {
		return math.Inf(1)
	}
	hi, lo := bits.Mul64(shift, dist.Den)
	top := new(big.Int).SetUint64(hi)
	top.Lsh(top, 64).Add(top, new(big.Int).SetUint64(lo))
	return roundUp(fromUnits(ceilQuo(top.Lsh(top, -unitExponent), new(big.Int).SetUint64(dist.Num))))
}
