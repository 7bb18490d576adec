package core

import (
	"dpattn/core/dptree"
	"dpattn/core/fault"
	"dpattn/core/internal/wire"
	"dpattn/core/poly"
	"dpattn/core/privacy"
)

// trees is the paper's DPTreeCrossAttention behind the builder and the release, one structure a head and one budget for all. Its secret half is treeSums, its public half
// treeState.
type trees struct {
	Params
	heads *dptree.Heads
}

// Defaults that bound accuracy, and enter no guarantee.
const (
	defaultRelativeError      = 0.1
	defaultFailureProbability = 0.01
)

// onlyTrees refuses parameters that only DPTree reads.
func (p *Params) onlyTrees() error {
	return unread([]unreadParam{
		{"range", p.Range != 0}, {"value_range", p.ValueRange != 0}, {"relative_error", p.RelativeError != 0}, {"failure_probability", p.FailureProbability != 0},
		{"copy_factor", p.CopyFactor != 0}, {"rows", p.Rows != 0}, {"leaves", p.Leaves != 0}, {"copies", p.Copies != 0}, {"trees", p.Trees != 0},
	}, p.Mechanism)
}

// notTrees refuses parameters that DPTree does not read.
func (p *Params) notTrees() error {
	return unread([]unreadParam{
		{"polynomial", p.Polynomial != 0}, {"rotation", p.Rotation != 0}, {"key_bound", p.KeyBound != 0}, {"value_bound", p.ValueBound != 0},
		{"query_bound", p.QueryBound != 0}, {"scale", p.Scale != 0}, {"lambda", p.Lambda != 0},
		{"center", len(p.Center) != 0}, {"head_weights", len(p.HeadWeights) != 0},
	}, p.Mechanism)
}

type unreadParam struct {
	name string
	set  bool
}

// unread refuses what is set and would be ignored: a caller who sets a bound must not believe that it is kept.
func unread(params []unreadParam, m Mechanism) error {
	for _, p := range params {
		if p.set {
			return fault.Invalid("params.%s is set; the mechanism %s does not read it, and it must be 0 or NULL", p.name, m)
		}
	}
	return nil
}

// newTrees checks what p has for this mechanism alone and works it out.
func newTrees(p Params) (mechanism, error) {
	if err := p.notTrees(); err != nil {
		return nil, err
	}
	if p.RelativeError == 0 {
		p.RelativeError = defaultRelativeError
	}
	if p.FailureProbability == 0 {
		p.FailureProbability = defaultFailureProbability
	}
	if p.Trees == 0 {
		p.Trees = KeepTrees
	}
	for _, f := range []struct {
		name  string
		value float64
	}{{"range", p.Range}, {"value_range", p.ValueRange}} {
		if !(f.value >= least && f.value <= largest) {
			return nil, fault.Invalid("params.%s is %v; it is required and must be a number in %g..%g", f.name, f.value, least, largest)
		}
	}
	if p.Trees != KeepTrees && p.Trees != NoTrees {
		return nil, fault.Invalid("params.trees is %d; it must be 1 (kept) or 2 (none)", p.Trees)
	}
	if p.Rows > dptree.MaxRows {
		return nil, fault.Invalid("params.rows is %d; it must be at most %d", p.Rows, dptree.MaxRows)
	}
	heads, err := dptree.NewHeads(dptree.Params{
		Adjacency: p.Adjacency, OwnerRows: p.OwnerRows, Rows: int(p.Rows), Leaves: p.Leaves, Dim: p.KeyDim, ValueDim: p.ValueDim, Range: p.Range, Weight: p.ValueRange,
		Degree: p.Degree, RelativeError: p.RelativeError, Copies: p.Copies, CopyFactor: p.CopyFactor, FailureProbability: p.FailureProbability, NoTrees: p.Trees == NoTrees,
	}, p.Heads)
	if err != nil {
		return nil, err
	}
	return treesOf(p.Heads, heads), nil
}

// treesOf is the mechanism of a design: what it says of the parameters is the truth.
func treesOf(n int, heads *dptree.Heads) *trees {
	q := heads.Params()
	t := &trees{heads: heads, Params: Params{
		Heads: n, KeyDim: q.Dim, ValueDim: q.ValueDim, Degree: q.Degree, Mechanism: DPTree, Adjacency: q.Adjacency, OwnerRows: q.OwnerRows,
		Range: q.Range, ValueRange: q.Weight, RelativeError: q.RelativeError, FailureProbability: q.FailureProbability, CopyFactor: q.CopyFactor,
		Rows: uint64(q.Rows), Leaves: q.Leaves, Copies: q.Copies, Trees: KeepTrees,
	}}
	if q.NoTrees {
		t.Trees = NoTrees
	}
	return t
}

// params implements mechanism.
func (t *trees) params() *Params { return &t.Params }

// stateBytes implements mechanism.
func (t *trees) stateBytes() uint64 { return t.heads.Bytes() }

// compatible implements mechanism.
func (t *trees) compatible(other mechanism) bool {
	o, same := other.(*trees)
	return same && t.Heads == o.Heads && t.heads.Compatible(o.heads)
}

// plan implements mechanism.
func (t *trees) plan(rows uint64, budget privacy.Budget, targetError float64) (PlanResult, error) {
	if err := budget.Validate(); err != nil {
		return PlanResult{}, fault.Invalid("%v", err)
	}
	e, err := t.heads.Estimate(budget)
	if err != nil {
		return PlanResult{}, err
	}
	noise := e.SumStddev * t.ValueRange
	return PlanResult{
		Degree: t.Degree, Features: uint64(e.Features), StateBytes: t.stateBytes(), ReleaseBytes: uint64(savedSize(t)),
		LogitBound: t.Range * t.Range, PolynomialError: e.PolynomialError,
		NoiseStddev: noise / float64(rows), NoiseStddevWorst: noise / float64(rows), RowsForError: rowsFor(noise, targetError),
	}, nil
}

// cost implements mechanism.
func (t *trees) cost(budget privacy.Budget) (privacy.Cost, error) {
	if err := budget.Validate(); err != nil {
		return privacy.Cost{}, fault.Invalid("%v", err)
	}
	return privacy.Cost{Promise: budget}, t.heads.Possible(budget)
}

// encode implements mechanism.
func (t *trees) encode(w *wire.Writer) {
	encodeHead(w, &t.Params)
	t.heads.Encode(w)
}

// decodeTrees reads what encode wrote after the head.
func decodeTrees(r *wire.Reader, p Params, perFeature int) (mechanism, error) {
	if r.Short || p.Heads < 1 || p.Heads > maxDim || p.Degree < 1 || p.Degree > poly.MaxDegree {
		return nil, wire.Corrupt("its shapes are out of range")
	}
	heads, err := dptree.DecodeHeads(r, p.Heads, perFeature == 0)
	if err != nil {
		return nil, err
	}
	t := treesOf(p.Heads, heads)
	if p.KeyDim != t.KeyDim || p.ValueDim != t.ValueDim || p.Degree != t.Degree {
		return nil, wire.Corrupt("it names two shapes")
	}
	return t, nil
}

// encodedState implements mechanism.
func (t *trees) encodedState() uint64 { return t.heads.StateLen() }

// decodeState implements mechanism.
func (t *trees) decodeState(r *wire.Reader, budget privacy.Budget) (public, error) {
	heads, err := t.heads.DecodeState(r, budget)
	if err != nil {
		return nil, err
	}
	return &treeState{t, heads}, nil
}
