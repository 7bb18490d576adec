// Package gaussian is what all mechanisms share whose release is one vector of integers a head with
// exact rounded Gaussian noise: calibration of several heads under one budget, the exact sums, the
// noisy state and its file, and what certificates say of them.
//
// Sums of integers plus rounded Gaussian noise is the rounding of sums plus Gaussian noise, so the
// exact accounting of the Gaussian mechanism applies with no slack (PROOF.md of package moment, 3).
package gaussian

import (
	"math/big"

	"dpattn/core/fault"
	"dpattn/core/privacy"
)

// Design is what is public of such a release. It is immutable.
type Design struct {
	Heads      int
	Len        int       // integers of one head
	Squared    *big.Int  // squared L2 sensitivity of one head to one unit, exact
	Weights    []float64 // nil or [Heads]: shares of mu^2
	RowsPublic bool      // whether a release says how many rows each head has
}

// StateBytes is the size of the integers of all heads.
func (d *Design) StateBytes() uint64 { return 8 * uint64(d.Heads) * uint64(d.Len) }

// StateLen is how many bytes a state takes in a file.
func (d *Design) StateLen() uint64 { return 16*uint64(d.Heads) + d.StateBytes() }

// targets returns for each head the squared sensitivity over its share of mu^2, rounded up: noise
// with sigma_h^2 >= targets[h]/mu^2 on every head makes sum_h sensitivity^2/sigma_h^2 <= mu^2,
// since the shares add up to 1.
func (d *Design) targets() []*big.Int {
	weights := make([]*big.Rat, d.Heads)
	sum := new(big.Rat)
	for h := range weights {
		weights[h] = big.NewRat(1, 1)
		if len(d.Weights) != 0 {
			weights[h].SetFloat64(d.Weights[h])
		}
		sum.Add(sum, weights[h])
	}
	out := make([]*big.Int, d.Heads)
	for h, w := range weights {
		t := new(big.Rat).SetInt(d.Squared)
		t.Mul(t, sum).Quo(t, w)
		up := new(big.Int).Add(t.Num(), t.Denom())
		out[h] = up.Sub(up, big.NewInt(1)).Div(up, t.Denom())
	}
	return out
}

// Calibrate chooses each head's sigma for the budget: the least integers with
// sum_h sensitivity^2/sigma_h^2 <= mu^2 and the wanted shares.
func (d *Design) Calibrate(budget privacy.Budget) ([]uint64, error) {
	if err := budget.Validate(); err != nil {
		return nil, fault.Invalid("%v", err)
	}
	mu, err := privacy.Mu(budget.Epsilon, budget.Delta)
	if err != nil {
		return nil, fault.Invalid("%v", err)
	}
	sigmas := make([]uint64, d.Heads)
	for h, target := range d.targets() {
		if sigmas[h], err = privacy.Sigma(target, mu); err != nil {
			return nil, fault.New(fault.Limit, "%v", err)
		}
	}
	return sigmas, nil
}

// Cost is what a release with this budget spends.
func (d *Design) Cost(budget privacy.Budget) (privacy.Cost, error) {
	sigmas, err := d.Calibrate(budget)
	if err != nil {
		return privacy.Cost{}, err
	}
	return privacy.Cost{MuSquared: d.MuSquared(sigmas), Promise: budget}, nil
}

// Terms groups heads by sigma, in order of first appearance.
func (d *Design) Terms(sigmas []uint64) (terms []privacy.Term) {
	at := map[uint64]int{}
	for _, sigma := range sigmas {
		i, ok := at[sigma]
		if !ok {
			i = len(terms)
			at[sigma] = i
			terms = append(terms, privacy.Term{Squared: d.Squared, Sigma: sigma})
		}
		terms[i].Parts++
	}
	return terms
}

// MuSquared is sum_h sensitivity^2/sigma_h^2.
func (d *Design) MuSquared(sigmas []uint64) *big.Rat { return privacy.MuSquared(d.Terms(sigmas)) }
