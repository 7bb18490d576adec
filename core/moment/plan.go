package moment

import (
	"cmp"
	"math"
	"math/big"
	"slices"

	"dpattn/core/mechanism"
	"dpattn/core/poly"
	"dpattn/core/privacy"
)

// planDegrees are the degrees that Plan chooses from.
const planDegrees = 4

// slack is how much more error Plan accepts for a smaller degree, whose state is many times
// smaller.
const slack = 1.1

// Plan implements mechanism.Settings. Degree 0 lets it choose: the smallest degree (1..4) whose
// polynomial error (for Taylor max |p(x) - e^x| / e^b on [-b, b]) and noise together are within 10
// % of the best that fits memory.
func (p Params) Plan(
	shared mechanism.Params,
	rows uint64,
	budget privacy.Budget,
	target float64,
) (mechanism.PlanResult, error) {
	first, last := p.Degree, p.Degree
	if p.Degree == 0 {
		first, last = 1, planDegrees
	}
	type degree struct {
		plan  mechanism.PlanResult
		error float64
	}
	var degrees []degree
	var failed error
	best := math.Inf(1)
	for p.Degree = first; p.Degree <= last; p.Degree++ {
		m, err := p.New(shared)
		var plan mechanism.PlanResult
		if err == nil {
			plan, err = m.(*design).plan(rows, budget, target)
		}
		if err != nil {
			failed = cmp.Or(failed, err)
			continue
		}
		// A relative error of the weights moves the output by at most about twice that share of its
		// bound.
		total := 2*p.ValueBound*m.(*design).bias() + plan.NoiseStddev
		degrees, best = append(degrees, degree{plan, total}), min(best, total)
	}
	if degrees == nil {
		return mechanism.PlanResult{}, failed
	}
	return degrees[slices.IndexFunc(degrees, func(d degree) bool { return d.error <= slack*best })].plan, nil
}

// bias is the error of the weights by which Plan chooses a degree. Minimax is for values, to which
// light weights add up. The relative error of Taylor grows with the degree towards -b, where
// weights are light; an arg-max hangs on the heavy ones, so there the error counts in units of the
// heaviest.
func (d *design) bias() float64 {
	if p := d.phi.Polynomial(); p.Kind == poly.Taylor {
		return p.HeaviestError()
	}
	return d.phi.Polynomial().RelativeError
}

func (d *design) plan(rows uint64, budget privacy.Budget, target float64) (mechanism.PlanResult, error) {
	sigmas, err := d.Calibrate(budget)
	if err != nil {
		return mechanism.PlanResult{}, err
	}
	noisiest := 0.0
	for _, sigma := range sigmas {
		noisiest = max(noisiest, float64(sigma))
	}
	sensitivity, _ := new(big.Float).Sqrt(new(big.Float).SetInt(d.Squared)).Float64()
	// At |q| = B_q, |psi| |phi| = p+(b) with |phi| the integer length of a key at its bound; a
	// numerator carries sigma |psi| ValueStep.
	phi, _ := new(big.Float).Sqrt(new(big.Float).SetUint64(d.phi.Norm2())).Float64()
	numerator := noisiest * d.phi.Polynomial().Plus() / phi * d.valueStep()
	n, b := float64(rows), d.own.logitBound()
	return mechanism.PlanResult{
		Degree: d.own.Degree, Features: uint64(d.features),
		StateBytes: d.StateBytes(), ReleaseBytes: mechanism.ReleaseLen(d),
		LogitBound: b, PolynomialError: d.phi.Polynomial().RelativeError,
		Mu: privacy.RootUp(d.MuSquared(sigmas)), SigmaOverSensitivity: noisiest / sensitivity,
		NoiseStddev: numerator / n, NoiseStddevWorst: numerator / n * math.Exp(b),
		RowsForError: mechanism.RowsFor(numerator, target),
	}, nil
}
