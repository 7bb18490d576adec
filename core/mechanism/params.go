package mechanism

import (
	"dpattn/core/fault"
	"dpattn/core/privacy"
)

// Limits of parameters that several mechanisms have. include/dpattn.h has the same numbers.
const (
	MaxDim       = 1 << 16 // heads, key_dim, value_dim
	MaxOwnerRows = 1 << 20
	// MinOwnerBound keeps what is left of a clipped sum far above the grid.
	MinOwnerBound = 1. / 1024
	// Bounds, scales and centres stay in a range in which no product of theirs over- or underflows.
	Least   = 1e-100
	Largest = 1e100
)

// Params are the public choices of a release. Zero means default where one is named. They must be
// chosen without looking at the private data.
type Params struct {
	Heads     int               // 1..65536; 0: 1
	KeyDim    int               // d, 1..65536
	ValueDim  int               // d_v, 1..65536
	Adjacency privacy.Adjacency // required
	// OwnerRows is 0 where the unit is a row; m in 1..2^20: the unit is an owner, of whom at most m
	// rows a head are kept.
	OwnerRows int
	// Mechanism is the mechanism by its own parameters, moment.Params for one. Required.
	Mechanism Settings
}

// RowsPublic reports whether the number of rows may be published: one row is replaced by one row.
// An owner's rows may be replaced by fewer or more.
func (p *Params) RowsPublic() bool { return p.Adjacency == privacy.Replace && p.OwnerRows == 0 }

// Head is what files say first.
func (p *Params) Head(degree int) Head {
	return Head{Heads: p.Heads, KeyDim: p.KeyDim, ValueDim: p.ValueDim, Degree: degree}
}

// Checked fills in and checks what all mechanisms share.
func (p Params) Checked() (Params, error) {
	if p.Heads == 0 {
		p.Heads = 1
	}
	for _, n := range []struct {
		name        string
		value       int
		least, most int
	}{
		{"heads", p.Heads, 1, MaxDim},
		{"key_dim", p.KeyDim, 1, MaxDim},
		{"value_dim", p.ValueDim, 1, MaxDim},
		{"owner_rows", p.OwnerRows, 0, MaxOwnerRows},
	} {
		if n.value < n.least || n.value > n.most {
			return p, fault.Invalid("params.%s is %d; it must be in %d..%d", n.name, n.value, n.least, n.most)
		}
	}
	if p.Adjacency != privacy.AddRemove && p.Adjacency != privacy.Replace {
		return p, fault.Invalid("params.adjacency is %d; it is required and must be 1 (add_remove) or 2 (replace)",
			p.Adjacency)
	}
	return p, nil
}

// InRange refuses a required number outside Least..Largest.
func InRange(name string, value float64) error {
	if value >= Least && value <= Largest {
		return nil
	}
	return fault.Invalid("params.%s is %v; it is required and must be a number in %g..%g", name, value, Least, Largest)
}

// CheckOwnerBound checks how many rows' worth of norm an owner's sum is clipped to; 0: it is not.
func (p *Params) CheckOwnerBound(bound float64) error {
	if bound == 0 || bound >= MinOwnerBound && bound <= float64(p.OwnerRows) {
		return nil
	}
	return fault.Invalid("params.owner_bound is %v; it must be 0 (none) or in 1/1024..owner_rows, and owner_rows is %d",
		bound, p.OwnerRows)
}

// CheckHeadWeights checks a mechanism's shares of mu^2 for heads.
func CheckHeadWeights(weights []float64, heads int) error {
	if n := len(weights); n != 0 && n != heads {
		return fault.Invalid("params.head_weights has %d numbers; it must have heads = %d", n, heads)
	}
	for i, w := range weights {
		if !(w >= 1e-6 && w <= 1e6) {
			return fault.Invalid("params.head_weights[%d] is %v; it must be in 1e-6..1e6", i, w)
		}
	}
	return nil
}

// Unit says whom a guarantee is for, in the words of certificates.
type Unit struct {
	Kind    string `json:"kind"` // "row" or "owner"
	MaxRows int    `json:"max_rows"`
	// OwnerBound is how many rows' worth of norm an owner's sum is clipped to; null: it is not
	// clipped.
	OwnerBound *float64 `json:"owner_bound"`
}

// Unit is the unit where owners' sums are clipped to ownerBound; 0: they are not.
func (p *Params) Unit(ownerBound float64) Unit {
	u := Unit{Kind: "row", MaxRows: 1}
	if p.OwnerRows > 0 {
		u = Unit{Kind: "owner", MaxRows: p.OwnerRows}
	}
	if ownerBound > 0 {
		u.OwnerBound = &ownerBound
	}
	return u
}
