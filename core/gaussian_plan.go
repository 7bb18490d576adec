package core

import (
	"math"
	"math/big"

	"dpattn/core/poly"
	"dpattn/core/privacy"
)

// plan implements mechanism.
func (d *gaussian) plan(rows uint64, budget privacy.Budget, targetError float64) (PlanResult, error) {
	heads, err := d.calibrate(budget)
	if err != nil {
		return PlanResult{}, err
	}
	noisiest := 0.0
	for _, h := range heads {
		noisiest = max(noisiest, float64(h.sigma))
	}
	sensitivity, _ := new(big.Float).Sqrt(new(big.Float).SetInt(d.sensitivity.Squared)).Float64()
	// At |q| = B_q, |psi| |phi| = p+(b) with |phi| the integer length of a key at its bound; a numerator carries sigma |psi| ValueStep.
	phi, _ := new(big.Float).Sqrt(new(big.Float).SetUint64(d.fmap.Norm2())).Float64()
	numerator := noisiest * d.polynomial.Plus() / phi * d.valueStep()
	n := float64(rows)
	// Minimax is for values, to which light weights add up, Taylor for an arg-max, which heavy ones decide.
	bias := d.polynomial.RelativeError
	if d.polynomial.Kind == poly.Taylor {
		bias = d.polynomial.HeaviestError()
	}
	return PlanResult{
		Degree: d.Degree, Features: uint64(d.features), StateBytes: d.stateBytes(), ReleaseBytes: uint64(savedSize(d)),
		LogitBound: d.LogitBound(), PolynomialError: d.polynomial.RelativeError,
		Mu: privacy.RootUp(d.muSquared(heads)), SigmaOverSensitivity: noisiest / sensitivity,
		NoiseStddev: numerator / n, NoiseStddevWorst: numerator / n * math.Exp(d.LogitBound()), RowsForError: rowsFor(numerator, targetError),
		bias: bias,
	}, nil
}
