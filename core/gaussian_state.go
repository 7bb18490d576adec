package core

import (
	"math"
	"math/big"

	"dpattn/core/fault"
	"dpattn/core/moment"
	"dpattn/core/privacy"
)

// gaussianState is the public half of a release: the noisy sums of each head.
type gaussianState struct {
	gaussian *gaussian
	heads    []published
	noisy    []int64 // [heads, r, d_v+1]
	mu       float64 // rounded up
	readers  []*moment.Reader
}

// published is what a release says of one head.
type published struct {
	sigma uint64 // standard deviation of the noise on each integer, before rounding
	rows  uint64 // number of rows where it is public, else 0
}

// calibrate chooses each head's sigma for the budget: the least integers with sum_h sensitivity^2/sigma_h^2 <= mu^2 and the wanted shares.
func (d *gaussian) calibrate(budget privacy.Budget) ([]published, error) {
	if err := budget.Validate(); err != nil {
		return nil, fault.Invalid("%v", err)
	}
	mu, err := privacy.Mu(budget.Epsilon, budget.Delta)
	if err != nil {
		return nil, fault.Invalid("%v", err)
	}
	heads := make([]published, d.Heads)
	for h, target := range d.targets() {
		if heads[h].sigma, err = privacy.Sigma(target, mu); err != nil {
			return nil, fault.New(fault.Limit, "%v", err)
		}
	}
	return heads, nil
}

// muTerms groups heads by sigma, in order of first appearance.
func (d *gaussian) muTerms(heads []published) (terms []privacy.Term) {
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
func (d *gaussian) muSquared(heads []published) *big.Rat { return privacy.MuSquared(d.muTerms(heads)) }

// cost implements mechanism.
func (d *gaussian) cost(budget privacy.Budget) (privacy.Cost, error) {
	heads, err := d.calibrate(budget)
	if err != nil {
		return privacy.Cost{}, err
	}
	return privacy.Cost{MuSquared: d.muSquared(heads), Promise: budget}, nil
}

// of is head h's part of the state.
func (r *gaussianState) of(h int) []int64 {
	n := r.gaussian.stateLen()
	return r.noisy[h*n : (h+1)*n]
}

// open makes what queries need.
func (r *gaussianState) open() {
	d := r.gaussian
	b := d.LogitBound()
	public := moment.Public{
		Map: d.fmap, Cols: d.cols, ValueBound: d.ValueBound, ValueStep: d.valueStep(), Lambda: d.lambda,
		LogitBound: b, Top: max(d.polynomial.At(b), math.Exp(b)),
	}
	r.mu = privacy.RootUp(d.muSquared(r.heads))
	r.readers = make([]*moment.Reader, d.Heads)
	for h := range r.readers {
		public.Sigma, public.Rows = float64(r.heads[h].sigma), r.heads[h].rows
		r.readers[h] = moment.NewReader(public, r.of(h))
	}
}

// state implements public.
func (r *gaussianState) state() []int64 { return r.noisy }

// wipe implements public. The readers' copies are of noisy numbers too, and go with it.
func (r *gaussianState) wipe() {
	clear(r.noisy)
	r.readers = nil
}

// load implements public: clips a query to the query bound and rotates it.
func (r *gaussianState) load(h int, q []float64) (shift float64, clipped bool) {
	d := r.gaussian
	length := norm(q)
	switch {
	case !(length <= math.MaxFloat64): // NaN or Inf
		clear(q)
		return math.NaN(), true
	case length > d.QueryBound:
		clipped = true
		for j := range q {
			q[j] = q[j] / length * d.QueryBound
		}
	}
	for j, c := range d.center(h) {
		shift += d.Scale * q[j] * c // centring the keys took this out of the logits
	}
	if d.rotation != nil {
		d.rotation.Apply(q)
	}
	return shift, clipped
}

// attend implements public.
func (r *gaussianState) attend(h int, queries [][]float64, answers []moment.Answer, threads int) {
	r.readers[h].Attend(queries, answers, threads)
}

// describe implements public.
func (r *gaussianState) describe(i *Info) {
	d := r.gaussian
	i.Polynomial, i.Rotation = d.Polynomial, d.Rotation
	i.KeyBound, i.ValueBound, i.QueryBound, i.Scale, i.Lambda = d.KeyBound, d.ValueBound, d.QueryBound, d.Scale, d.lambdaValue()
	i.OwnerBound = d.OwnerBound
	i.LogitBound, i.PolynomialError, i.Mu, i.Features = d.LogitBound(), d.polynomial.RelativeError, r.mu, uint64(d.features)
}
