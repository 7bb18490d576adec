package codebook

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"

	"dpattn/core/fault"
	"dpattn/core/gaussian"
	"dpattn/core/mechanism"
)

// MaxCells is the largest number of cells of a head.
const MaxCells = 1 << 16

// Params are the codebook release's own parameters. Zero means default where one is named; the
// others are required. They must be chosen without looking at the private data, the codebook above
// all.
type Params struct {
	Cells int // C, 1..65536, a head
	// Codebook has the centroids [Heads, Cells, KeyDim] of public rows of the same kind as the
	// private keys. They are rounded to the grid of keys; longer ones than KeyBound are scaled to
	// it. A release has them in its KV form, and nil here.
	Codebook []float64

	KeyBound   float64 // norm of the longest key on the grid; longer keys are scaled to it
	ValueBound float64 // B_v: norm of a value
	Scale      float64 // logit = Scale*<q,k>; 0: 1/sqrt(d)
	Lambda     float64 // weight of the masses' column; 0: B_v * d_v^(-1/4)
	// OwnerBound is how many rows' worth of norm an owner's kept rows may add to a head together:
	// longer sums are scaled to it. 0: as many as are kept; else 2^-10..OwnerRows.
	OwnerBound  float64
	HeadWeights []float64 // nil or [Heads]: shares of mu^2

	digest [sha256.Size]byte // of the rounded centroids
}

// Kind implements mechanism.Settings.
func (p Params) Kind() *mechanism.Kind { return &Kind }

// readSettings reads the parameters of a caller.
func readSettings(f *mechanism.Fields) mechanism.Settings {
	return Params{
		Cells: f.Int("cells"), Codebook: f.Floats("codebook"),
		KeyBound: f.Float("key_bound"), ValueBound: f.Float("value_bound"), Scale: f.Float("scale"),
		Lambda: f.Float("lambda"), OwnerBound: f.Float("owner_bound"), HeadWeights: f.Floats("head_weights"),
	}
}

// Fields implements mechanism.Settings. The codebook is named by its digest.
func (p Params) Fields() []mechanism.Field {
	return []mechanism.Field{
		{Name: "cells", Value: int64(p.Cells)},
		{Name: "codebook", Value: hexDigest(p.digest)},
		{Name: "key_bound", Value: p.KeyBound},
		{Name: "value_bound", Value: p.ValueBound},
		{Name: "scale", Value: p.Scale},
		{Name: "lambda", Value: p.Lambda},
		{Name: "owner_bound", Value: p.OwnerBound},
		{Name: "head_weights", Value: p.HeadWeights},
	}
}

// checked fills defaults in and checks everything but the codebook, for shapes that were checked.
func (p Params) checked(shared *mechanism.Params) (Params, error) {
	p.HeadWeights = append([]float64(nil), p.HeadWeights...)
	if p.Cells < 1 || p.Cells > MaxCells {
		return p, fault.Invalid("params.cells is %d; it is required and must be in 1..%d", p.Cells, MaxCells)
	}
	if p.Scale == 0 {
		p.Scale = 1 / math.Sqrt(float64(shared.KeyDim))
	}
	for _, f := range []struct {
		name  string
		value float64
	}{{"key_bound", p.KeyBound}, {"value_bound", p.ValueBound}, {"scale", p.Scale}} {
		if err := mechanism.InRange(f.name, f.value); err != nil {
			return p, err
		}
	}
	var err error
	if p.Lambda, err = gaussian.CheckedLambda(p.Lambda, p.ValueBound, shared.ValueDim); err != nil {
		return p, err
	}
	if err := shared.CheckOwnerBound(p.OwnerBound); err != nil {
		return p, err
	}
	return p, mechanism.CheckHeadWeights(p.HeadWeights, shared.Heads)
}

// checkCodebook checks the centroids as they were given.
func (p *Params) checkCodebook(shared *mechanism.Params) error {
	if want := shared.Heads * p.Cells * shared.KeyDim; len(p.Codebook) != want {
		return fault.Invalid("params.codebook has %d numbers; it is required and must have heads*cells*key_dim = %d",
			len(p.Codebook), want)
	}
	for i, v := range p.Codebook {
		if !(math.Abs(v) <= mechanism.Largest) {
			return fault.Invalid("params.codebook[%d] is %v; it must be finite and at most %g in magnitude",
				i, v, mechanism.Largest)
		}
	}
	return nil
}

// digestOf names centroids.
func digestOf(centroids []int16) [sha256.Size]byte {
	h := sha256.New()
	var b [2]byte
	for _, v := range centroids {
		binary.LittleEndian.PutUint16(b[:], uint16(v))
		h.Write(b[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func hexDigest(digest [sha256.Size]byte) string { return hex.EncodeToString(digest[:]) }
