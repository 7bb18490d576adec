package codebook

import (
	"dpattn/core/gaussian"
	"dpattn/core/internal/wire"
	"dpattn/core/mechanism"
	"dpattn/core/privacy"
	"dpattn/core/quant"
	"dpattn/simd"
)

// Encode implements mechanism.Mechanism: parameters with their defaults filled in, then the
// integers that follow from them.
func (d *design) Encode(w *wire.Writer) {
	p := &d.own
	weights := uint32(0)
	if len(p.HeadWeights) > 0 {
		weights = 1
	}
	for _, v := range []uint32{uint32(d.shared.Adjacency), uint32(d.shared.OwnerRows), uint32(p.Cells), weights} {
		w.U32(v)
	}
	for _, v := range []float64{p.KeyBound, p.ValueBound, p.Scale, p.Lambda, p.OwnerBound} {
		w.F64(v)
	}
	for _, v := range p.HeadWeights {
		w.F64(v)
	}
	w.U16(uint16(d.lambda))
	for _, v := range d.centroids {
		w.U16(uint16(v))
	}
}

// decode reads what Encode wrote, and checks all of it.
func decode(r *wire.Reader, head mechanism.Head, withState bool) (mechanism.Mechanism, error) {
	shared := mechanism.Params{Heads: head.Heads, KeyDim: head.KeyDim, ValueDim: head.ValueDim}
	shared.Adjacency, shared.OwnerRows = privacy.Adjacency(r.U32()), int(r.U32())
	p := Params{Cells: int(r.U32())}
	weights := r.U32()
	p.KeyBound, p.ValueBound, p.Scale, p.Lambda, p.OwnerBound = r.F64(), r.F64(), r.F64(), r.F64(), r.F64()
	if head.Heads < 1 || head.Degree != 0 || weights > 1 {
		return nil, wire.Corrupt("its shapes are out of range")
	}
	shared, err := shared.Checked()
	if err != nil {
		return nil, mechanism.Damaged(err)
	}
	if weights == 1 {
		p.HeadWeights = r.F64s(shared.Heads)
	}
	lambda := int16(r.U16())
	if r.Short {
		return nil, wire.Corrupt("it ends within its parameters")
	}
	checked, err := p.checked(&shared)
	if err != nil {
		return nil, mechanism.Damaged(err)
	}
	// Everything is written with defaults filled in, so that nothing may be left to fill in.
	if checked.Scale != p.Scale || checked.Lambda != p.Lambda {
		return nil, wire.Corrupt("a parameter is missing")
	}
	var asked int16
	// As where it was made, whatever mode this host computes in.
	simd.Plain(func() { asked = gaussian.GridLambda(checked.Lambda, checked.ValueBound) })
	if lambda != asked {
		return nil, wire.Corrupt("its integer weight is not lambda, rounded")
	}
	// Centroids and, of a release, sums must be there before memory of their size is taken.
	cells := uint64(shared.Heads) * uint64(checked.Cells)
	numbers := cells * uint64(shared.KeyDim)
	need := 2 * numbers
	if withState {
		need += 8 * cells * uint64(shared.ValueDim+1)
	}
	if need > uint64(len(r.Buf)) {
		return nil, wire.Corrupt("it is too short for its shapes")
	}
	d, err := sized(shared, checked)
	if err != nil {
		return nil, err
	}
	centroids := make([]int16, numbers)
	for i := range centroids {
		centroids[i] = int16(r.U16())
	}
	for i := 0; i < len(centroids); i += shared.KeyDim {
		if simd.Norm2(centroids[i:i+shared.KeyDim]) >= quant.KeyNorm2 {
			return nil, wire.Corrupt("a centroid is out of range")
		}
	}
	d.derive(centroids, lambda)
	return d, nil
}

// DecodeState implements mechanism.Mechanism.
func (d *design) DecodeState(r *wire.Reader, budget privacy.Budget) (mechanism.State, error) {
	if err := d.fitsWithQueries("data: the state and its form for queries"); err != nil {
		return nil, err
	}
	noisy, err := d.Design.DecodeState(r, budget)
	if err != nil {
		return nil, err
	}
	return d.open(noisy), nil
}
