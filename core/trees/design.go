// Package trees puts the paper's DPTreeCrossAttention (package dptree) behind the builder and the
// release: one structure a head and one budget for all.
package trees

import (
	"dpattn/core/dptree"
	"dpattn/core/fault"
	"dpattn/core/internal/wire"
	"dpattn/core/mechanism"
	"dpattn/core/poly"
	"dpattn/core/privacy"
)

// Number is the mechanism's in the C header and in files.
const Number = 2

// Kind is DPTreeCrossAttention, as the registry knows it.
var Kind = mechanism.Kind{Number: Number, Name: "dptree", Settings: readSettings, Decode: decode}

// design is everything public that follows from the parameters. Its secret half is sums, its public
// half state.
type design struct {
	shared mechanism.Params
	own    Params
	heads  *dptree.Heads
}

// New implements mechanism.Settings.
func (p Params) New(shared mechanism.Params) (mechanism.Mechanism, error) {
	p, err := p.checked()
	if err != nil {
		return nil, err
	}
	heads, err := dptree.NewHeads(dptree.Params{
		Adjacency: shared.Adjacency, OwnerRows: shared.OwnerRows, Rows: int(p.Rows), Leaves: p.Leaves,
		Dim: shared.KeyDim, ValueDim: shared.ValueDim, Range: p.Range, Weight: p.ValueRange,
		Degree: p.Degree, RelativeError: p.RelativeError, Copies: p.Copies, CopyFactor: p.CopyFactor,
		FailureProbability: p.FailureProbability, NoTrees: p.Trees == NoTrees,
	}, shared.Heads)
	if err != nil {
		return nil, err
	}
	return designOf(shared.Heads, heads), nil
}

// designOf is the design of these heads; its parameters have no default left to fill in.
func designOf(n int, heads *dptree.Heads) *design {
	q := heads.Params()
	d := &design{heads: heads, own: Params{
		Degree: q.Degree, Range: q.Range, ValueRange: q.Weight, RelativeError: q.RelativeError,
		FailureProbability: q.FailureProbability, CopyFactor: q.CopyFactor,
		Rows: uint64(q.Rows), Leaves: q.Leaves, Copies: q.Copies, Trees: KeepTrees,
	}}
	if q.NoTrees {
		d.own.Trees = NoTrees
	}
	d.shared = mechanism.Params{
		Heads: n, KeyDim: q.Dim, ValueDim: q.ValueDim, Adjacency: q.Adjacency, OwnerRows: q.OwnerRows, Mechanism: d.own,
	}
	return d
}

// Params implements mechanism.Mechanism.
func (d *design) Params() *mechanism.Params { return &d.shared }

// Unit implements mechanism.Mechanism.
func (d *design) Unit() mechanism.Unit { return d.shared.Unit(0) }

// Head implements mechanism.Mechanism.
func (d *design) Head() mechanism.Head { return d.shared.Head(d.own.Degree) }

// StateBytes implements mechanism.Mechanism.
func (d *design) StateBytes() uint64 { return d.heads.Bytes() }

// Compatible implements mechanism.Mechanism.
func (d *design) Compatible(other mechanism.Mechanism) bool {
	o, same := other.(*design)
	return same && d.heads.Compatible(o.heads)
}

// Cost implements mechanism.Mechanism: truncated Laplace noise has no finite mu.
func (d *design) Cost(budget privacy.Budget) (privacy.Cost, error) {
	if err := budget.Validate(); err != nil {
		return privacy.Cost{}, fault.Invalid("%v", err)
	}
	return privacy.Cost{Promise: budget}, d.heads.Possible(budget)
}

// Plan implements mechanism.Settings.
func (p Params) Plan(
	shared mechanism.Params,
	rows uint64,
	budget privacy.Budget,
	target float64,
) (mechanism.PlanResult, error) {
	m, err := p.New(shared)
	if err != nil {
		return mechanism.PlanResult{}, err
	}
	if err := budget.Validate(); err != nil {
		return mechanism.PlanResult{}, fault.Invalid("%v", err)
	}
	d := m.(*design)
	e, err := d.heads.Estimate(budget)
	if err != nil {
		return mechanism.PlanResult{}, err
	}
	// At weight 1, the least there is, the denominator is the number of rows.
	noise := e.SumStddev * d.own.ValueRange
	return mechanism.PlanResult{
		Degree: d.own.Degree, Features: uint64(e.Features),
		StateBytes: d.StateBytes(), ReleaseBytes: mechanism.ReleaseLen(d),
		LogitBound: d.own.logitBound(), PolynomialError: e.PolynomialError,
		NoiseStddev: noise / float64(rows), NoiseStddevWorst: noise / float64(rows),
		RowsForError: mechanism.RowsFor(noise, target),
	}, nil
}

// Encode implements mechanism.Mechanism.
func (d *design) Encode(w *wire.Writer) { d.heads.Encode(w) }

// decode reads what Encode wrote, and checks all of it.
func decode(r *wire.Reader, head mechanism.Head, withState bool) (mechanism.Mechanism, error) {
	if r.Short || head.Heads < 1 || head.Heads > mechanism.MaxDim || head.Degree < 1 || head.Degree > poly.MaxDegree {
		return nil, wire.Corrupt("its shapes are out of range")
	}
	heads, err := dptree.DecodeHeads(r, head.Heads, !withState)
	if err != nil {
		return nil, err
	}
	d := designOf(head.Heads, heads)
	if d.Head() != head {
		return nil, wire.Corrupt("it names two shapes")
	}
	return d, nil
}

// StateLen implements mechanism.Mechanism.
func (d *design) StateLen() uint64 { return d.heads.StateLen() }

// DecodeState implements mechanism.Mechanism.
func (d *design) DecodeState(r *wire.Reader, budget privacy.Budget) (mechanism.State, error) {
	heads, err := d.heads.DecodeState(r, budget)
	if err != nil {
		return nil, err
	}
	return &state{d, heads}, nil
}
