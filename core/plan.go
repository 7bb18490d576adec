package core

import (
	"math"
	"slices"

	"dpattn/core/fault"
	"dpattn/core/privacy"
)

// PlanResult says what a release would cost and how accurate it would be.
type PlanResult struct {
	Degree               int
	Features             uint64  // r, a head
	StateBytes           uint64  // of the builder
	ReleaseBytes         uint64  // of the saved release
	LogitBound           float64 // b
	PolynomialError      float64 // max |p(x)/e^x - 1| on [-b, b]
	Mu                   float64 // Gaussian DP parameter of the budget
	SigmaOverSensitivity float64 // of the noisiest head
	NoiseStddev          float64 // std of one output coordinate near 0, at |q| = QueryBound and mean attention weight 1
	NoiseStddevWorst     float64 // the same with every weight e^-b
	RowsForError         uint64  // least n with NoiseStddev <= targetError; 0 if targetError is 0

	bias float64 // the error of the weights by which Plan chooses a degree: PolynomialError, but for Taylor max |p(x) - e^x| / e^b
}

// planDegrees are the degrees that Plan chooses from for the Gaussian release.
const planDegrees = 4

// slack is how much more error Plan accepts for a smaller degree, whose state is many times smaller.
const slack = 1.1

// Plan works out a release of rows rows from public numbers alone. Degree 0 lets it choose: the smallest degree (1..4) whose polynomial error (for
// Taylor max |p(x) - e^x| / e^b on [-b, b]) and noise together are within 10 % of the best that fits memory. targetError is a wanted NoiseStddev, or 0.
func Plan(p Params, rows uint64, budget privacy.Budget, targetError float64) (PlanResult, error) {
	if rows < 1 || rows > 1<<40 {
		return PlanResult{}, fault.Invalid("rows is %d; it must be in 1..2^40", rows)
	}
	if !(targetError >= 0 && targetError <= largest) {
		return PlanResult{}, fault.Invalid("target_error is %v; it must be 0 (none) or a positive number", targetError)
	}
	degrees := p.Mechanism.withDefault().entry().degrees
	if p.Degree != 0 || degrees == 0 {
		return planDegree(p, rows, budget, targetError)
	}
	var plans []PlanResult
	var failed error
	for p.Degree = 1; p.Degree <= degrees; p.Degree++ {
		if r, err := planDegree(p, rows, budget, targetError); err == nil {
			plans = append(plans, r)
		} else if failed == nil {
			failed = err
		}
	}
	if plans == nil {
		return PlanResult{}, failed
	}
	// A relative error of the weights moves the output by at most about twice that share of its bound. That of Taylor grows with the degree towards -b, where
	// weights are light; an arg-max hangs on the heavy ones, so there the error counts in units of the heaviest.
	total := func(r PlanResult) float64 { return 2*p.ValueBound*r.bias + r.NoiseStddev }
	best := math.Inf(1)
	for _, r := range plans {
		best = min(best, total(r))
	}
	return plans[slices.IndexFunc(plans, func(r PlanResult) bool { return total(r) <= slack*best })], nil
}

func planDegree(p Params, rows uint64, budget privacy.Budget, targetError float64) (PlanResult, error) {
	m, err := newMechanism(p)
	if err != nil {
		return PlanResult{}, err
	}
	return m.plan(rows, budget, targetError)
}

// rowsFor is how many rows bring the noise of a numerator, at mean attention weight 1, down to targetError; 0 if that is 0.
func rowsFor(numerator, targetError float64) uint64 {
	if targetError == 0 {
		return 0
	}
	return uint64(min(math.Ceil(numerator/targetError), 1<<62))
}
