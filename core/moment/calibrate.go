package moment

import (
	"math/big"

	"dpattn/core/fault"
	"dpattn/core/privacy"
)

// published is what a release says of one head.
type published struct {
	sigma uint64 // standard deviation of the noise on each integer, before rounding
	rows  uint64 // number of rows where it is public, else 0
}

// targets returns for each head the squared sensitivity over its share of mu^2, rounded up: noise
// with sigma_h^2 >= targets[h]/mu^2 on every head makes sum_h sensitivity^2/sigma_h^2 <= mu^2, since
// the shares add up to 1.
func (d *design) targets() []*big.Int {
	weights := make([]*big.Rat, d.shared.Heads)
	sum := new(big.Rat)
	for h := range weights {
		weights[h] = big.NewRat(1, 1)
		if len(d.own.HeadWeights) != 0 {
			weights[h].SetFloat64(d.own.HeadWeights[h])
		}
		sum.Add(sum, weights[h])
	}
	out := make([]*big.Int, d.shared.Heads)
	for h, w := range weights {
		t := new(big.Rat).SetInt(d.sensitivity.Squared)
		t.Mul(t, sum).Quo(t, w)
		up := new(big.Int).Add(t.Num(), t.Denom())
		out[h] = up.Sub(up, big.NewInt(1)).Div(up, t.Denom())
	}
	return out
}

// calibrate chooses each head's sigma for the budget: the least integers with
// sum_h sensitivity^2/sigma_h^2 <= mu^2 and the wanted shares.
func (d *design) calibrate(budget privacy.Budget) ([]published, error) {
	if err := budget.Validate(); err != nil {
		return nil, fault.Invalid("%v", err)
	}
	mu, err := privacy.Mu(budget.Epsilon, budget.Delta)
	if err != nil {
		return nil, fault.Invalid("%v", err)
	}
	heads := make([]published, d.shared.Heads)
	for h, target := range d.targets() {
		if heads[h].sigma, err = privacy.Sigma(target, mu); err != nil {
			return nil, fault.New(fault.Limit, "%v", err)
		}
	}
	return heads, nil
}

// muTerms groups heads by sigma, in order of first appearance.
func (d *design) muTerms(heads []published) (terms []privacy.Term) {
	at := map[uint64]int{}
	for _, h := range heads {
		i, ok := at[h.sigma]
		if !ok {
			i = len(terms)
			at[h.sigma] = i
			terms = append(terms, privacy.Term{Squared: d.sensitivity.Squared, Sigma: h.sigma})
		}
		terms[i].Parts++
	}
	return terms
}

// muSquared is sum_h sensitivity^2/sigma_h^2.
func (d *design) muSquared(heads []published) *big.Rat { return privacy.MuSquared(d.muTerms(heads)) }

// Cost implements mechanism.Mechanism.
func (d *design) Cost(budget privacy.Budget) (privacy.Cost, error) {
	heads, err := d.calibrate(budget)
	if err != nil {
		return privacy.Cost{}, err
	}
	return privacy.Cost{MuSquared: d.muSquared(heads), Promise: budget}, nil
}
