package privacy

import (
	"math/big"

	"dpattn/core/fault"
)

// MaxSigma is the largest sigma. All integers up to it are float64 values, and noise of this size
// fits an int64 beyond 1,000 sigma.
const MaxSigma = 1 << 53

// Sigma returns the smallest integer sigma >= 1 with sensitivity2/sigma^2 <= mu^2, where
// sensitivity2 is the square of an integer sensitivity's bound and mu stands for its float64 value,
// in exact arithmetic.
func Sigma(sensitivity2 *big.Int, mu float64) (uint64, error) {
	if sensitivity2 == nil || sensitivity2.Sign() <= 0 {
		return 0, fault.Invalid("squared sensitivity is %v, must be above 0", sensitivity2)
	}
	if err := checkPositive("mu", mu); err != nil {
		return 0, err
	}
	// sigma^2 is an integer, so it is at least a number if and only if it is at least the next
	// integer.
	m := inUnits(mu)
	sigma := ceilSqrt(ceilQuo(new(big.Int).Lsh(sensitivity2, squareUnits), m.Mul(m, m)))
	if !sigma.IsUint64() || sigma.Uint64() > MaxSigma {
		const format = "epsilon is too small for this sensitivity: " +
			"sigma is %.6g at mu = %v and squared sensitivity %v, must be at most 2^53"
		return 0, fault.New(fault.Limit, format, new(big.Float).SetInt(sigma), mu, sensitivity2)
	}
	return sigma.Uint64(), nil
}
