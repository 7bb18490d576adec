package trees

import (
	"dpattn/core/dptree"
	"dpattn/core/fault"
	"dpattn/core/mechanism"
	"dpattn/core/poly"
)

// Trees says whether DPTree keeps its trees.
type Trees int32

// Choices of trees, with the numbers of the C header.
const (
	KeepTrees Trees = 1
	NoTrees   Trees = 2 // release the sums of w P(k) that the trees' distances come down to
)

// Params are the parameters of DPTreeCrossAttention, with the paper's letters. Zero means default
// where one is named; the others are required. They must be chosen without looking at the private
// data.
type Params struct {
	Degree             int     // s, 1..8; 0: the least within RelativeError
	Range              float64 // R: entries of keys and queries are in [0, R]
	ValueRange         float64 // R_w: entries of values are in [-R_w, R_w]
	RelativeError      float64 // eps_s in (0, 1); chooses Degree, enters the default of Copies; 0: 0.1
	FailureProbability float64 // p_f in (0, 1): enters the default of Copies, never the guarantee; 0: 0.01
	CopyFactor         float64 // c in the default of Copies; 0: 1
	Rows               uint64  // a public number of rows: the default of Leaves
	Leaves             int     // N, 1..2^20; 0: Rows
	Copies             int     // l; 0: the paper's ceil(c r ln(d R/(eps_s p_f)))
	Trees              Trees   // 0: KeepTrees
}

// Defaults that bound accuracy, and enter no guarantee.
const (
	defaultRelativeError      = 0.1
	defaultFailureProbability = 0.01
)

// Kind implements mechanism.Settings.
func (p Params) Kind() *mechanism.Kind { return &Kind }

// readSettings reads the parameters of a caller.
func readSettings(f *mechanism.Fields) mechanism.Settings {
	return Params{
		Degree: f.Int("degree"), Range: f.Float("range"), ValueRange: f.Float("value_range"),
		RelativeError: f.Float("relative_error"), FailureProbability: f.Float("failure_probability"),
		CopyFactor: f.Float("copy_factor"), Rows: f.Uint64("rows"), Leaves: f.Int("leaves"),
		Copies: f.Int("copies"), Trees: Trees(f.Int("trees")),
	}
}

// Fields implements mechanism.Settings.
func (p Params) Fields() []mechanism.Field {
	return []mechanism.Field{
		{Name: "degree", Value: int64(p.Degree)},
		{Name: "range", Value: p.Range},
		{Name: "value_range", Value: p.ValueRange},
		{Name: "relative_error", Value: p.RelativeError},
		{Name: "failure_probability", Value: p.FailureProbability},
		{Name: "copy_factor", Value: p.CopyFactor},
		{Name: "rows", Value: p.Rows},
		{Name: "leaves", Value: int64(p.Leaves)},
		{Name: "copies", Value: int64(p.Copies)},
		{Name: "trees", Value: int64(p.Trees)},
	}
}

// logitBound is R^2, the bound on <q, k>/d.
func (p *Params) logitBound() float64 { return p.Range * p.Range }

// checked fills defaults in and checks what dptree does not.
func (p Params) checked() (Params, error) {
	if p.RelativeError == 0 {
		p.RelativeError = defaultRelativeError
	}
	if p.FailureProbability == 0 {
		p.FailureProbability = defaultFailureProbability
	}
	if p.Trees == 0 {
		p.Trees = KeepTrees
	}
	if p.Degree < 0 || p.Degree > poly.MaxDegree {
		return p, fault.Invalid("params.degree is %d; it must be in 0..%d", p.Degree, poly.MaxDegree)
	}
	if err := mechanism.InRange("range", p.Range); err != nil {
		return p, err
	}
	if err := mechanism.InRange("value_range", p.ValueRange); err != nil {
		return p, err
	}
	if p.Trees != KeepTrees && p.Trees != NoTrees {
		return p, fault.Invalid("params.trees is %d; it must be 1 (kept) or 2 (none)", p.Trees)
	}
	if p.Rows > dptree.MaxRows {
		return p, fault.Invalid("params.rows is %d; it must be at most %d", p.Rows, dptree.MaxRows)
	}
	return p, nil
}
