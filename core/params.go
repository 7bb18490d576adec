package core

import (
	"math"

	"dpattn/core/fault"
	"dpattn/core/poly"
	"dpattn/core/privacy"
)

// Adjacency says which data sets are neighbours. It has no default.
type Adjacency = privacy.Adjacency

// Adjacencies, with the numbers of the C header.
const (
	AddRemove = privacy.AddRemove // one unit is added or removed; the number of rows is private
	Replace   = privacy.Replace   // one unit's rows are replaced; the number of rows is public, with owners as units not published
)

// Mechanism says how the release is made.
type Mechanism int32

// Mechanisms, with the numbers of the C header.
const (
	Gaussian Mechanism = 1 // the Gaussian moment release
	DPTree   Mechanism = 2 // the paper's DPTreeCrossAttention
)

// withDefault fills the default in.
func (m Mechanism) withDefault() Mechanism {
	if m == 0 {
		return Gaussian
	}
	return m
}

func (m Mechanism) String() string {
	if name := m.entry().name; name != "" {
		return name
	}
	return "unknown"
}

// Polynomial says which polynomial stands for exp.
type Polynomial int32

// Polynomials, with the numbers of the C header.
const (
	Minimax Polynomial = 1
	Taylor  Polynomial = 2
)

func (p Polynomial) String() string {
	switch p {
	case Minimax:
		return "minimax"
	case Taylor:
		return "taylor"
	}
	return "unknown"
}

func (p Polynomial) kind() poly.Kind {
	if p == Taylor {
		return poly.Taylor
	}
	return poly.Minimax
}

// Rotation says how queries and keys are rotated together before keys are rounded.
type Rotation int32

// Rotations, with the numbers of the C header.
const (
	Hadamard   Rotation = 1
	NoRotation Rotation = 2
)

func (r Rotation) String() string {
	switch r {
	case Hadamard:
		return "hadamard"
	case NoRotation:
		return "none"
	}
	return "unknown"
}

// Trees says whether DPTree keeps its trees.
type Trees int32

// Choices of trees, with the numbers of the C header.
const (
	KeepTrees Trees = 1
	NoTrees   Trees = 2 // release the sums of w P(k) that the trees' distances come down to
)

// Params are the public choices. Zero means default where a default is named; the others are required. They must be chosen
// without looking at the private data.
type Params struct {
	Heads      int        // 1..65536; 0: 1
	KeyDim     int        // d, 1..65536
	ValueDim   int        // d_v, 1..65536
	Degree     int        // s, 1..8; 0: 2
	Mechanism  Mechanism  // 0: Gaussian
	Polynomial Polynomial // 0: Minimax
	Adjacency  Adjacency  // required
	OwnerRows  int        // 0: the unit is a row; m in 1..2^20: an owner, of whom at most m rows a head are kept
	Rotation   Rotation   // 0: Hadamard

	KeyBound   float64 // B_k: norm of a (centred) key
	ValueBound float64 // B_v: norm of a value
	QueryBound float64 // B_q: norm of a query
	Scale      float64 // logit = Scale*<q,k>; 0: 1/sqrt(d)
	Lambda     float64 // weight of the denominator column; 0: B_v * d_v^(-1/4)
	// OwnerBound is how many rows' worth of norm an owner's kept rows may add to a head together: longer sums are scaled to it. 0: as many as are kept, so that
	// none is ever longer; else 2^-10..OwnerRows.
	OwnerBound float64

	Center      []float64 // nil or [Heads, KeyDim]: public vectors subtracted from the keys
	HeadWeights []float64 // nil or [Heads]: shares of mu^2

	// DPTree alone reads what follows; for other mechanisms it is zero. DPTree in turn reads none of Polynomial, Rotation and what lies between OwnerRows and here.
	Range, ValueRange  float64 // R and R_w: entries of keys and queries are in [0, R], of values in [-R_w, R_w]; required
	RelativeError      float64 // eps_s in (0, 1): chooses Degree where that is 0, enters the default of Copies; 0: 0.1
	FailureProbability float64 // p_f in (0, 1): enters the default of Copies, never the guarantee; 0: 0.01
	CopyFactor         float64 // c in the default of Copies; 0: 1
	Rows               uint64  // a public number of rows: the default of Leaves
	Leaves             int     // N, 1..2^20; 0: Rows
	Copies             int     // l; 0: the paper's ceil(c r ln(d R/(eps_s p_f)))
	Trees              Trees   // 0: KeepTrees
}

// Limits of Params.
const (
	maxDim       = 1 << 16
	maxOwnerRows = 1 << 20
	maxLogit     = 64
	defaultDeg   = 2
)

// Bounds, scale and centre stay in a range in which no product of theirs over- or underflows.
const (
	least   = 1e-100
	largest = 1e100
)

// leastOwnerBound keeps what is left of a clipped sum far above the grid.
const leastOwnerBound = 1. / 1024

// LogitBound returns b = Scale*QueryBound*KeyBound.
func (p *Params) LogitBound() float64 { return p.Scale * p.QueryBound * p.KeyBound }

// rowsPublic reports whether the number of rows may be published: one row is replaced by one row. An owner's rows may be replaced by fewer or more.
func (p *Params) rowsPublic() bool { return p.Adjacency == Replace && p.OwnerRows == 0 }

// checked returns the parameters with the defaults of every mechanism filled in and their slices copied. What only one mechanism has is that one's to check.
func (p Params) checked() (Params, error) {
	if p.Heads == 0 {
		p.Heads = 1
	}
	p.Mechanism = p.Mechanism.withDefault()
	for _, n := range []struct {
		name        string
		value       int
		least, most int
	}{
		{"heads", p.Heads, 1, maxDim},
		{"key_dim", p.KeyDim, 1, maxDim},
		{"value_dim", p.ValueDim, 1, maxDim},
		{"degree", p.Degree, 0, poly.MaxDegree},
		{"owner_rows", p.OwnerRows, 0, maxOwnerRows},
	} {
		if n.value < n.least || n.value > n.most {
			return p, fault.Invalid("params.%s is %d; it must be in %d..%d", n.name, n.value, n.least, n.most)
		}
	}
	if p.Mechanism.entry().name == "" {
		return p, fault.New(fault.Unsupported, "params.mechanism is %d; this version has 1 (gaussian) and 2 (dptree)", p.Mechanism)
	}
	if p.OwnerBound != 0 && p.Mechanism != Gaussian {
		return p, fault.New(fault.Unsupported, "params.owner_bound is %v; it must be 0 with mechanism %d (%v), which does not sum an owner's rows apart", p.OwnerBound, p.Mechanism, p.Mechanism)
	}
	if p.Adjacency != AddRemove && p.Adjacency != Replace {
		return p, fault.Invalid("params.adjacency is %d; it is required and must be 1 (add_remove) or 2 (replace)", p.Adjacency)
	}
	// Copied first, so that what is checked is what is used.
	p.Center = append([]float64(nil), p.Center...)
	p.HeadWeights = append([]float64(nil), p.HeadWeights...)
	return p, p.checkSlices()
}

// checkedGaussian fills in and checks what the Gaussian moment release alone has.
func (p Params) checkedGaussian() (Params, error) {
	if err := p.onlyTrees(); err != nil {
		return p, err
	}
	if p.Degree == 0 {
		p.Degree = defaultDeg
	}
	if p.Polynomial == 0 {
		p.Polynomial = Minimax
	}
	if p.Rotation == 0 {
		p.Rotation = Hadamard
	}
	if p.Polynomial != Minimax && p.Polynomial != Taylor {
		return p, fault.Invalid("params.polynomial is %d; it must be 1 (minimax) or 2 (taylor)", p.Polynomial)
	}
	if p.Rotation != Hadamard && p.Rotation != NoRotation {
		return p, fault.Invalid("params.rotation is %d; it must be 1 (hadamard) or 2 (none)", p.Rotation)
	}
	if p.Scale == 0 {
		p.Scale = 1 / math.Sqrt(float64(p.KeyDim))
	}
	for _, f := range []struct {
		name  string
		value float64
	}{
		{"key_bound", p.KeyBound}, {"value_bound", p.ValueBound}, {"query_bound", p.QueryBound}, {"scale", p.Scale},
	} {
		if !(f.value >= least && f.value <= largest) {
			return p, fault.Invalid("params.%s is %v; it is required and must be a number in %g..%g", f.name, f.value, least, largest)
		}
	}
	if p.OwnerBound != 0 && !(p.OwnerBound >= leastOwnerBound && p.OwnerBound <= float64(p.OwnerRows)) {
		return p, fault.Invalid("params.owner_bound is %v; it must be 0 (none) or in 1/1024..owner_rows, and owner_rows is %d", p.OwnerBound, p.OwnerRows)
	}
	if p.Lambda == 0 {
		p.Lambda = p.ValueBound / math.Sqrt(math.Sqrt(float64(p.ValueDim))) // unlike Pow, the same bits on every machine
	}
	if ratio := p.Lambda / p.ValueBound; !(ratio >= 1./64 && ratio <= 16) {
		return p, fault.Invalid("params.lambda is %v; it must be in value_bound/64 .. value_bound*16 (value_bound is %v)", p.Lambda, p.ValueBound)
	}
	if b := p.LogitBound(); !(b >= 1e-6 && b <= maxLogit) {
		return p, fault.Invalid("params: scale*query_bound*key_bound, the bound on a logit, is %v; it must be in 1e-6..%d", b, maxLogit)
	}
	return p, nil
}

func (p *Params) checkSlices() error {
	if n := len(p.Center); n != 0 && n != p.Heads*p.KeyDim {
		return fault.Invalid("params.center has %d numbers; it must have heads*key_dim = %d", n, p.Heads*p.KeyDim)
	}
	for i, c := range p.Center {
		if !(math.Abs(c) <= largest) {
			return fault.Invalid("params.center[%d] is %v; it must be finite and at most %g in magnitude", i, c, largest)
		}
	}
	if n := len(p.HeadWeights); n != 0 && n != p.Heads {
		return fault.Invalid("params.head_weights has %d numbers; it must have heads = %d", n, p.Heads)
	}
	for i, w := range p.HeadWeights {
		if !(w >= 1e-6 && w <= 1e6) {
			return fault.Invalid("params.head_weights[%d] is %v; it must be in 1e-6..1e6", i, w)
		}
	}
	return nil
}
