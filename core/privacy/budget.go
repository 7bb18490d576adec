package privacy

import (
	"math"

	"dpattn/core/fault"
)

// Budget is a promise of (epsilon, delta)-differential privacy: for neighbouring data sets D, D'
// and every set S of outputs,
//
//	P(M(D) in S) <= e^Epsilon P(M(D') in S) + Delta.
type Budget struct {
	// Epsilon bounds the evidence that an output gives about one unit, as the logarithm of a
	// likelihood ratio.
	Epsilon float64
	// Delta bounds the probability that Epsilon fails to hold. It should be far below 1/(number of
	// units).
	Delta float64
}

// Validate returns an error unless Epsilon is above 0 and finite and Delta is above 0 and below 1.
// There is no smallest Epsilon: less is more private, and Sigma says when the noise would become
// too large to draw.
func (b Budget) Validate() error {
	if err := checkPositive("epsilon", b.Epsilon); err != nil {
		return err
	}
	if !(b.Delta > 0 && b.Delta < 1) {
		return fault.Invalid("delta is %v, must be above 0 and below 1", b.Delta)
	}
	return nil
}

// checkPositive refuses what is not above 0 and finite.
func checkPositive(name string, x float64) error {
	if !(finite(x) && x > 0) {
		return fault.Invalid("%s is %v, must be above 0 and finite", name, x)
	}
	return nil
}

// finite reports whether x can be a parameter at all: at least 0, and neither NaN nor infinite.
func finite(x float64) bool { return x >= 0 && !math.IsInf(x, 1) }
