package dptree

import (
	"math"

	"dpattn/core/fault"
	"dpattn/core/poly"
	"dpattn/core/privacy"
)

// Params are the public choices, one struct for all structures. Each constructor says which fields
// it reads; the others are ignored. Zero means default where a default is named. They must be
// chosen without looking at the private data.
type Params struct {
	Adjacency privacy.Adjacency // required
	OwnerRows int               // 0: the unit is a row; m in 1..2^20: an owner with at most m rows

	// Rows is the public number of rows that Leaves and Estimate's error default to. It must be a
	// declared number, never one counted in private data: with AddRemove the true number is
	// private.
	Rows   int
	Leaves int // N, of the grid that all points are rounded to; 0: Rows, as in the paper. 1..2^20 (Tree: 2^28)

	Dim      int     // d of keys, or the dimension of points; 1..2^16
	ValueDim int     // columns of V; 1..2^16
	Range    float64 // R: entries of keys, queries and points are in [0, R]; others are clipped, and counted
	Weight   float64 // R_w: weights, and entries of V, are in [-R_w, R_w]; others are clipped, and counted

	Degree        int     // s, 1..8; 0: the least whose polynomial is within RelativeError
	RelativeError float64 // eps_s in (0, 1): relative error of the polynomial; needed if Degree or Copies is 0

	// Copies is l, the independent copies whose median answers; 0: the paper's choice,
	// ceil(CopyFactor * r * ln(d R/(eps_s p_f))). FailureProbability is p_f in (0, 1): it bounds
	// the failure of accuracy and never enters the guarantee. It is needed if Copies is 0.
	Copies             int
	CopyFactor         float64 // c in that formula; 0: 1
	FailureProbability float64

	Squared bool // Distance, HighDim: keep the trees of w x^2 too, which L2 needs

	// NoTrees makes Softmax and what is built of it release <P(y), sum w P(k)> as r noisy numbers
	// instead of trees; see PROOF.md, section 7.
	NoTrees bool
}

// Limits of Params.
const (
	MaxLeaves     = 1 << 20
	MaxTreeLeaves = 1 << 28 // of a Tree
	MaxCopies     = 1 << 24

	maxLevels    = 29 // of MaxTreeLeaves leaves
	maxDim       = 1 << 16
	maxOwnerRows = 1 << 20
	maxLogit     = 64 // of R^2
)

// Bounds stay in a range in which no product of theirs over- or underflows.
const (
	least   = 1e-100
	largest = 1e100
)

// kind is one of the structures. The numbers are those of files.
type kind uint32

const (
	kindTree kind = iota + 1
	kindDistance
	kindHighDim
	kindSoftmax
	kindAdaptive
	kindAttention
)

func (k kind) String() string {
	return [...]string{"", "DPTree", "DPTreeDistance", "DPTreeHighDim", "DPTreeSoftmax", "DPTreeSoftmaxAdaptive",
		"DPTreeCrossAttention"}[k]
}

// checked returns the parameters of a structure with their defaults filled in and what it does not
// read zeroed. Degree and Copies wait for the polynomial (newBasis, copies).
func (p Params) checked(k kind) (Params, error) {
	if p.Adjacency != privacy.AddRemove && p.Adjacency != privacy.Replace {
		return p, fault.Invalid("params.adjacency is %d; it is required and must be 1 (add_remove) or 2 (replace)",
			p.Adjacency)
	}
	if k < kindAttention {
		p.ValueDim = 1
	}
	if k < kindAdaptive {
		p.Copies, p.CopyFactor, p.FailureProbability = 1, 0, 0
	}
	if k < kindSoftmax {
		p.Degree, p.RelativeError, p.NoTrees = 0, 0, false
	} else {
		p.Squared = false
	}
	if k < kindHighDim {
		p.Dim = 1
	}
	if k < kindDistance {
		p.Range, p.Squared = 1, false
	}
	most := MaxLeaves
	if k == kindTree {
		most = MaxTreeLeaves
	}
	if p.NoTrees {
		p.Leaves = 1
	} else if p.Leaves == 0 {
		if p.Rows < 1 {
			return p, fault.Invalid("params.leaves is 0 (the default, the public number of rows) and "+
				"params.rows is %d; one of them must be at least 1", p.Rows)
		}
		p.Leaves = min(p.Rows, most)
	}
	for _, n := range []struct {
		name        string
		value       int
		least, most int
	}{
		{"owner_rows", p.OwnerRows, 0, maxOwnerRows},
		{"rows", p.Rows, 0, MaxRows},
		{"leaves", p.Leaves, 1, most},
		{"dim", p.Dim, 1, maxDim},
		{"value_dim", p.ValueDim, 1, maxDim},
		{"degree", p.Degree, 0, poly.MaxDegree},
		{"copies", p.Copies, 0, MaxCopies},
	} {
		if n.value < n.least || n.value > n.most {
			return p, fault.Invalid("params.%s is %d; it must be in %d..%d", n.name, n.value, n.least, n.most)
		}
	}
	for _, f := range []struct {
		name  string
		value float64
	}{{"range", p.Range}, {"weight", p.Weight}} {
		if !(f.value >= least && f.value <= largest) {
			return p, fault.Invalid("params.%s is %v; it is required and must be a number in %g..%g", f.name, f.value,
				least, largest)
		}
	}
	if k < kindSoftmax {
		return p, nil
	}
	if b := p.Range * p.Range; !(b >= 1e-6 && b <= maxLogit) {
		return p, fault.Invalid("params.range is %v; its square, the bound on a logit <q,k>/d, must be in 1e-6..%d",
			p.Range, maxLogit)
	}
	if needed := p.Degree == 0 || p.Copies == 0; needed && !(p.RelativeError > 0 && p.RelativeError < 1) {
		return p, fault.Invalid(
			"params.relative_error is %v; where degree or copies is 0 it is needed and must be above 0 and below 1",
			p.RelativeError)
	}
	if p.Copies == 0 {
		if p.CopyFactor == 0 {
			p.CopyFactor = 1
		}
		if !(p.CopyFactor > 0 && p.CopyFactor <= 1e6) {
			return p, fault.Invalid("params.copy_factor is %v; it must be above 0 and at most 1e6", p.CopyFactor)
		}
		if !(p.FailureProbability > 0 && p.FailureProbability < 1) {
			return p, fault.Invalid(
				"params.failure_probability is %v; where copies is 0 it is needed and must be above 0 and below 1",
				p.FailureProbability)
		}
	}
	return p, nil
}

// copies is the paper's number of copies, ceil(c r ln(d R/(eps_s p_f))), at least 1.
func (p *Params) copies(features int) (int, error) {
	factor := p.CopyFactor * float64(features)
	l := math.Ceil(factor * math.Log(float64(p.Dim)*p.Range/(p.RelativeError*p.FailureProbability)))
	if l > MaxCopies {
		return 0, fault.New(fault.Limit, "params: copy_factor*r*ln(dim*range/(relative_error*failure_probability)) is "+
			"%.0f copies; at most %d are possible, choose copies", l, MaxCopies)
	}
	return int(max(l, 1)), nil
}

// unitRows is how many times one row's contribution a unit may move the sums by.
func (p *Params) unitRows() uint64 {
	m := uint64(max(p.OwnerRows, 1))
	if p.Adjacency == privacy.Replace {
		m *= 2
	}
	return m
}
