package moment

import (
	"math"

	"dpattn/core/fault"
	"dpattn/core/gaussian"
	"dpattn/core/mechanism"
	"dpattn/core/poly"
)

// Polynomial says which polynomial stands for exp.
type Polynomial int32

// Polynomials, with the numbers of the C header.
const (
	Minimax Polynomial = 1
	Taylor  Polynomial = 2
)

// String is the name of the polynomial in certificates.
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

// String is the name of the rotation in certificates.
func (r Rotation) String() string {
	switch r {
	case Hadamard:
		return "hadamard"
	case NoRotation:
		return "none"
	}
	return "unknown"
}

// Params are the moment release's own parameters. Zero means default where one is named; the others
// are required. They must be chosen without looking at the private data.
type Params struct {
	Degree     int        // s, 1..8; 0: 2
	Polynomial Polynomial // 0: Minimax
	Rotation   Rotation   // 0: Hadamard

	KeyBound   float64 // B_k: norm of a (centred) key
	ValueBound float64 // B_v: norm of a value
	QueryBound float64 // B_q: norm of a query
	Scale      float64 // logit = Scale*<q,k>; 0: 1/sqrt(d)
	Lambda     float64 // weight of the denominator column; 0: B_v * d_v^(-1/4)
	// OwnerBound is how many rows' worth of norm an owner's kept rows may add to a head together:
	// longer sums are scaled to it. 0: as many as are kept, so that none is ever longer; else
	// 2^-10..OwnerRows.
	OwnerBound float64

	Center      []float64 // nil or [Heads, KeyDim]: public vectors subtracted from the keys
	HeadWeights []float64 // nil or [Heads]: shares of mu^2
}

const (
	defaultDegree = 2
	// MaxLogitBound is the largest Scale*QueryBound*KeyBound.
	MaxLogitBound = 64
)

// Kind implements mechanism.Settings.
func (p Params) Kind() *mechanism.Kind { return &Kind }

// readSettings reads the parameters of a caller.
func readSettings(f *mechanism.Fields) mechanism.Settings {
	return Params{
		Degree: f.Int("degree"), Polynomial: Polynomial(f.Int("polynomial")), Rotation: Rotation(f.Int("rotation")),
		KeyBound: f.Float("key_bound"), ValueBound: f.Float("value_bound"), QueryBound: f.Float("query_bound"),
		Scale: f.Float("scale"), Lambda: f.Float("lambda"), OwnerBound: f.Float("owner_bound"),
		Center: f.Floats("center"), HeadWeights: f.Floats("head_weights"),
	}
}

// Fields implements mechanism.Settings.
func (p Params) Fields() []mechanism.Field {
	return []mechanism.Field{
		{Name: "degree", Value: int64(p.Degree)},
		{Name: "polynomial", Value: int64(p.Polynomial)},
		{Name: "rotation", Value: int64(p.Rotation)},
		{Name: "key_bound", Value: p.KeyBound},
		{Name: "value_bound", Value: p.ValueBound},
		{Name: "query_bound", Value: p.QueryBound},
		{Name: "scale", Value: p.Scale},
		{Name: "lambda", Value: p.Lambda},
		{Name: "owner_bound", Value: p.OwnerBound},
		{Name: "center", Value: p.Center},
		{Name: "head_weights", Value: p.HeadWeights},
	}
}

// logitBound is b = Scale*QueryBound*KeyBound.
func (p *Params) logitBound() float64 { return p.Scale * p.QueryBound * p.KeyBound }

// checked fills defaults in and checks p, for shapes that were checked.
func (p Params) checked(shared *mechanism.Params) (Params, error) {
	if p.Degree == 0 {
		p.Degree = defaultDegree
	}
	if p.Polynomial == 0 {
		p.Polynomial = Minimax
	}
	if p.Rotation == 0 {
		p.Rotation = Hadamard
	}
	// Copied first, so that what is checked is what is used.
	p.Center = append([]float64(nil), p.Center...)
	p.HeadWeights = append([]float64(nil), p.HeadWeights...)
	if p.Degree < 0 || p.Degree > poly.MaxDegree {
		return p, fault.Invalid("params.degree is %d; it must be in 0..%d", p.Degree, poly.MaxDegree)
	}
	if err := p.checkArrays(shared); err != nil {
		return p, err
	}
	if p.Polynomial != Minimax && p.Polynomial != Taylor {
		return p, fault.Invalid("params.polynomial is %d; it must be 1 (minimax) or 2 (taylor)", p.Polynomial)
	}
	if p.Rotation != Hadamard && p.Rotation != NoRotation {
		return p, fault.Invalid("params.rotation is %d; it must be 1 (hadamard) or 2 (none)", p.Rotation)
	}
	if p.Scale == 0 {
		p.Scale = 1 / math.Sqrt(float64(shared.KeyDim))
	}
	err := p.checkNumbers(shared)
	return p, err
}

func (p *Params) checkNumbers(shared *mechanism.Params) error {
	for _, f := range []struct {
		name  string
		value float64
	}{
		{"key_bound", p.KeyBound}, {"value_bound", p.ValueBound}, {"query_bound", p.QueryBound}, {"scale", p.Scale},
	} {
		if err := mechanism.InRange(f.name, f.value); err != nil {
			return err
		}
	}
	if err := shared.CheckOwnerBound(p.OwnerBound); err != nil {
		return err
	}
	var err error
	if p.Lambda, err = gaussian.CheckedLambda(p.Lambda, p.ValueBound, shared.ValueDim); err != nil {
		return err
	}
	if b := p.logitBound(); !(b >= 1e-6 && b <= MaxLogitBound) {
		return fault.Invalid("params: scale*query_bound*key_bound, the bound on a logit, is %v; it must be in 1e-6..%d",
			b, MaxLogitBound)
	}
	return nil
}

func (p *Params) checkArrays(shared *mechanism.Params) error {
	if n := len(p.Center); n != 0 && n != shared.Heads*shared.KeyDim {
		return fault.Invalid("params.center has %d numbers; it must have heads*key_dim = %d",
			n, shared.Heads*shared.KeyDim)
	}
	for i, c := range p.Center {
		if !(math.Abs(c) <= mechanism.Largest) {
			return fault.Invalid("params.center[%d] is %v; it must be finite and at most %g in magnitude",
				i, c, mechanism.Largest)
		}
	}
	return mechanism.CheckHeadWeights(p.HeadWeights, shared.Heads)
}
