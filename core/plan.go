package core

import (
	"dpattn/core/fault"
	"dpattn/core/mechanism"
	"dpattn/core/privacy"
	"dpattn/simd"
)

// Plan works out a release of rows rows from public numbers alone. What p leaves open the mechanism
// may choose: the moment release a degree of 1..4. target is a wanted NoiseStddev, or 0.
func Plan(p Params, rows uint64, budget privacy.Budget, target float64) (plan PlanResult, err error) {
	if rows < 1 || rows > 1<<40 {
		return plan, fault.Invalid("rows is %d; it must be in 1..2^40", rows)
	}
	if !(target >= 0 && target <= mechanism.Largest) {
		return plan, fault.Invalid("target_error is %v; it must be 0 (none) or a positive number", target)
	}
	simd.Plain(func() {
		if p, err = checked(p); err == nil {
			plan, err = p.Mechanism.Plan(p, rows, budget, target)
		}
	})
	return plan, err
}
