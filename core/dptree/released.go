package dptree

import (
	"math"
	"sync"

	"dpattn/core/internal/parallel"
	"dpattn/core/noise"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

// released is what all structures offer: their guarantee, their size and their file.
type released struct {
	f    *forest
	pool sync.Pool // *query
}

// releaseRows makes any structure but the Tree from all its rows at once, with its randomness
// given.
func releaseRows(k kind, p Params, points tensor.Tensor, weights *tensor.Tensor, owners []uint64, budget privacy.Budget,
	noise draw, report Report) (*released, Diagnostics, error) {
	d, err := newDesign(k, p)
	if err != nil {
		return nil, Diagnostics{}, err
	}
	s, err := d.newSums()
	if err != nil {
		return nil, Diagnostics{}, err
	}
	defer s.wipe()
	n, err := s.checkRows([2]string{"points", "weights"}, &points, weights, d.columns)
	if err != nil {
		return nil, Diagnostics{}, err
	}
	keep, err := d.firstOf(owners, n)
	if err != nil {
		return nil, Diagnostics{}, err
	}
	threads := parallel.Threads() // once, for it may change at any time
	load := d.rowsOf(threads, &points, weights)
	dropped := uint64(0)
	for i := range n {
		if !keep(i) {
			dropped++
		}
	}
	counts := s.addRows(threads, n, func(worker, i int, dst []int16) Outcome {
		if !keep(i) {
			clear(dst)
			return 0
		}
		return load(worker, i, dst)
	})
	counts.RowsDropped = dropped
	f, err := s.release(budget, noise, report)
	if err != nil {
		return nil, Diagnostics{}, err
	}
	return &released{f: f}, counts, nil
}

// Certificate is everything that somebody needs to recompute the guarantee of a release. All of it
// is public. PROOF.md says why it holds.
type Certificate struct {
	Mechanism   string     `json:"mechanism"` // the structure's name in the paper
	Adjacency   string     `json:"adjacency"`
	UnitRows    int        `json:"unit_rows"` // most rows of one unit
	Owners      bool       `json:"owners"`    // units are owners, not rows
	Epsilon     float64    `json:"epsilon"`   // of the whole release, as asked for
	Delta       float64    `json:"delta"`
	Composition string     `json:"composition"` // "basic" or "advanced"
	Mechanisms  uint64     `json:"k"`           // number of mechanisms composed, the sum of Terms[].Mechanisms
	Epsilon0    float64    `json:"epsilon0"`    // of each mechanism
	Delta0      float64    `json:"delta0"`
	DeltaPrime  float64    `json:"delta_prime"` // of advanced composition
	Spent       [2]float64 `json:"spent"`       // epsilon and delta of k mechanisms by that rule, rounded up
	Terms       []Term     `json:"terms"`
	Heads       int        `json:"heads"`   // that share the budget
	Columns     int        `json:"columns"` // of V and the normaliser
	Copies      int        `json:"copies"`
	Coordinates int        `json:"coordinates"`
	Leaves      int        `json:"leaves"`
	Levels      int        `json:"levels"`
	Trees       bool       `json:"trees"`
	Rows        uint64     `json:"rows"` // where public, else 0
}

// Term is one kind of noisy integers of a release.
type Term struct {
	Name        string  `json:"name"`
	Mechanisms  uint64  `json:"mechanisms"`  // how many, each with noise of its own
	Numbers     uint64  `json:"numbers"`     // noisy integers in all
	Sensitivity uint64  `json:"sensitivity"` // of one mechanism to one unit, l1, in integer units
	Unit        float64 `json:"unit"`        // one integer in units of the data, times a feature's bound for features
	ScaleNum    uint64  `json:"scale_num"`   // lambda = ScaleNum/ScaleDen
	ScaleDen    uint64  `json:"scale_den"`
	Support     uint64  `json:"support"` // A
	Epsilon     float64 `json:"epsilon"` // sensitivity/lambda, rounded up
	Delta       float64 `json:"delta"`   // exact delta of the noise, rounded up
}

// Certificate returns the certificate.
func (r *released) Certificate() Certificate {
	d, g := r.f.d, &r.f.guarantee
	spent := g.composition.Total()
	c := Certificate{
		Mechanism: d.kind.String(), Adjacency: d.Adjacency.String(),
		UnitRows: max(d.OwnerRows, 1), Owners: d.OwnerRows > 0,
		Epsilon: g.budget.Epsilon, Delta: g.budget.Delta,
		Composition: g.composition.Rule.String(), Mechanisms: g.composition.Count,
		Epsilon0: g.composition.Epsilon0, Delta0: g.composition.Delta0, DeltaPrime: g.composition.DeltaPrime,
		Spent: [2]float64{spent.Epsilon, spent.Delta},
		Heads: max(d.heads, 1), Columns: d.columns, Copies: d.Copies, Coordinates: d.coords,
		Leaves: d.Leaves, Levels: d.shape.levels(), Trees: !d.NoTrees, Rows: r.f.rows,
	}
	for i := range d.terms {
		t, dist := &d.terms[i], g.distributions[i]
		s := d.sensitivity(t)
		c.Terms = append(c.Terms, Term{
			Name: t.name, Mechanisms: d.mechanisms(t), Numbers: d.numbers(t), Sensitivity: s, Unit: d.unit(t),
			ScaleNum: dist.Num, ScaleDen: dist.Den, Support: dist.Support,
			Epsilon: privacy.LaplaceEpsilon(dist, s), Delta: privacy.LaplaceDelta(dist, s),
		})
	}
	return c
}

// unit is what one integer of a term stands for.
func (d *design) unit(t *term) float64 {
	switch {
	case d.kind == kindTree:
		return d.Weight / valueOne
	case t.power == 0 && !t.scalar || t.name == "s_w":
		return d.Weight / weightOne
	case t.scalar:
		return d.Weight * d.basis.top / (weightOne * pointOne)
	case d.basis != nil:
		return d.Weight / (weightOne * pointOne)
	}
	return d.Weight * math.Pow(d.Range, float64(t.power)) / (weightOne * pointOne)
}

// Params returns the parameters with their defaults filled in.
func (r *released) Params() Params { return r.f.d.Params }

// Bytes is the size of the noisy integers in memory.
func (r *released) Bytes() uint64 { return r.f.d.bytes() }

// Numbers returns the noisy integers, one list a term of the certificate, row-major: [coordinates,
// nodes, columns, copies] for trees, [columns, copies] for scalars. Read-only.
func (r *released) Numbers() [][]int64 { return r.f.numbers }

// PolynomialError returns the relative error of the polynomial on [0, R^2]; 0 where there is none.
func (r *released) PolynomialError() float64 {
	if r.f.d.basis == nil {
		return 0
	}
	return r.f.d.basis.err
}

// variance is that of the distribution, in floating point: for public error bars only.
func variance(l noise.TruncatedLaplace) float64 {
	lambda, a := float64(l.Num)/float64(l.Den), float64(l.Support)
	if a <= 1<<12 {
		squares, mass := 0.0, 1.0
		for x := 1.0; x <= a; x++ {
			p := 2 * math.Exp(-x/lambda)
			squares += p * x * x
			mass += p
		}
		return squares / mass
	}
	// The continuous distribution on [-a, a].
	u := a / lambda
	if u < 1e-3 {
		return a * a / 3
	}
	return lambda * lambda * (2 - math.Exp(-u)*(u*u+2*u+2)) / -math.Expm1(-u)
}
