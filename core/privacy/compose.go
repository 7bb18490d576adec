package privacy

import (
	"math"
	"math/big"
)

// Split returns mu/sqrt(n), rounded down: what each of n equal releases may spend, so that their
// squares add up to at most mu^2. Arguments that make no sense (mu negative, NaN or +Inf, n
// below 1) give 0, which no release can spend.
func Split(mu float64, n int) float64 {
	if !finite(mu) || n < 1 {
		return 0
	}
	m := inUnits(mu)
	m.Mul(m, m)
	m.Quo(m, big.NewInt(int64(n)))
	return roundDown(fromUnits(m.Sqrt(m)))
}

// Group returns k mu, rounded up: the mu of a release for data sets that differ in k units, since k
// steps between neighbours move the sum by k times the sensitivity at most. A mu that is negative,
// NaN or +Inf, or a k below 0, gives +Inf.
func Group(mu float64, k int) float64 {
	if !finite(mu) || k < 0 {
		return math.Inf(1)
	}
	m := inUnits(mu)
	return roundUp(fromUnits(m.Mul(m, big.NewInt(int64(k)))))
}
