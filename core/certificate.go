package core

import (
	"encoding/hex"
	"encoding/json"
)

// certificateHead is what every certificate begins with. A certificate is everything that somebody needs to recompute the guarantee, and all of it is
// public. docs/format.md describes the fields.
type certificateHead struct {
	Format    string  `json:"format"`
	Library   string  `json:"library"`
	ID        string  `json:"id"`
	Mechanism string  `json:"mechanism"`
	Adjacency string  `json:"adjacency"`
	Unit      unit    `json:"unit"`
	Epsilon   float64 `json:"epsilon"`
	Delta     float64 `json:"delta"`
}

// Certificate returns the certificate as JSON.
func (r *Release) Certificate() []byte {
	p := r.mechanism.params()
	head := certificateHead{
		Format: "dpattn-certificate/1", Library: version, ID: hex.EncodeToString(r.id[:]), Mechanism: p.Mechanism.String(), Adjacency: p.Adjacency.String(),
		Unit:    p.unit(),
		Epsilon: r.budget.Epsilon, Delta: r.budget.Delta,
	}
	out, err := json.MarshalIndent(r.public.certificate(head), "", "  ")
	if err != nil {
		panic(err) // every number is finite: checked where it came in
	}
	return out
}

// unit says what one unit of the data is.
func (p *Params) unit() unit {
	u := unit{Kind: "row", MaxRows: 1}
	if p.OwnerRows > 0 {
		u = unit{Kind: "owner", MaxRows: p.OwnerRows}
	}
	if p.OwnerBound > 0 {
		u.OwnerBound = &p.OwnerBound
	}
	return u
}

type unit struct {
	Kind    string `json:"kind"` // "row" or "owner"
	MaxRows int    `json:"max_rows"`
	// OwnerBound is how many rows' worth of norm an owner's sum is clipped to; null: it is not clipped.
	OwnerBound *float64 `json:"owner_bound"`
}
