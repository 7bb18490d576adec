package moment

import (
	"math"
	"slices"

	"dpattn/core/fault"
	"dpattn/core/featuremap"
	"dpattn/core/internal/memory"
	"dpattn/core/internal/wire"
	"dpattn/core/mechanism"
	"dpattn/core/poly"
	"dpattn/core/privacy"
	"dpattn/core/quant"
	"dpattn/simd"
)

// Encode implements mechanism.Mechanism: parameters with their defaults filled in and the integers
// that follow from them, so that a reader need not compute the polynomial anew, which another
// machine might round otherwise.
func (d *design) Encode(w *wire.Writer) {
	p := &d.own
	for _, v := range []int{
		int(p.Polynomial), int(d.shared.Adjacency), d.shared.OwnerRows, int(p.Rotation), featuremap.MonomialsNumber,
		flag(len(p.Center) > 0), flag(len(p.HeadWeights) > 0),
	} {
		w.U32(uint32(v))
	}
	exp := d.phi.Polynomial()
	for _, v := range []float64{
		p.KeyBound, p.ValueBound, p.QueryBound, p.Scale, p.Lambda, p.OwnerBound, exp.RelativeError,
	} {
		w.F64(v)
	}
	for _, list := range [][]float64{p.Center, p.HeadWeights, exp.Coeff} {
		for _, v := range list {
			w.F64(v)
		}
	}
	w.U16(uint16(d.lambda))
	for _, v := range d.phi.Integers() {
		w.U16(uint16(v))
	}
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// decode reads what Encode wrote, and checks all of it.
func decode(r *wire.Reader, head mechanism.Head, withState bool) (mechanism.Mechanism, error) {
	var n [7]uint32
	for i := range n {
		n[i] = r.U32()
	}
	shared := mechanism.Params{
		Heads: head.Heads, KeyDim: head.KeyDim, ValueDim: head.ValueDim,
		Adjacency: privacy.Adjacency(n[1]), OwnerRows: int(n[2]),
	}
	p := Params{Degree: head.Degree, Polynomial: Polynomial(n[0]), Rotation: Rotation(n[3])}
	p.KeyBound, p.ValueBound, p.QueryBound, p.Scale, p.Lambda = r.F64(), r.F64(), r.F64(), r.F64(), r.F64()
	p.OwnerBound = r.F64()
	relative := r.F64()
	if n[4] != featuremap.MonomialsNumber {
		return nil, fault.New(fault.Unsupported, "data: feature map is %d; this library has %d",
			n[4], featuremap.MonomialsNumber)
	}
	if head.Heads < 1 || head.Heads > mechanism.MaxDim || head.KeyDim < 1 || head.KeyDim > mechanism.MaxDim ||
		head.Degree < 1 || head.Degree > poly.MaxDegree || n[5] > 1 || n[6] > 1 {
		return nil, wire.Corrupt("its shapes are out of range")
	}
	if n[5] != 0 {
		p.Center = r.F64s(head.Heads * head.KeyDim)
	}
	if n[6] != 0 {
		p.HeadWeights = r.F64s(head.Heads)
	}
	coeff := r.F64s(p.Degree + 1)
	lambda, constant := int16(r.U16()), int16(r.U16())
	gains := make([]int16, p.Degree)
	for i := range gains {
		gains[i] = int16(r.U16())
	}
	if r.Short {
		return nil, wire.Corrupt("it ends within its parameters")
	}
	shared, err := shared.Checked()
	if err != nil {
		return nil, mechanism.Damaged(err)
	}
	checked, err := p.checked(&shared)
	if err != nil {
		return nil, mechanism.Damaged(err)
	}
	// Everything is written with defaults filled in, so that nothing may be left to fill in.
	if checked.Scale != p.Scale || checked.Lambda != p.Lambda ||
		checked.Polynomial != p.Polynomial || checked.Rotation != p.Rotation {
		return nil, wire.Corrupt("a parameter is missing")
	}
	for _, c := range coeff {
		if !(math.Abs(c) <= mechanism.Largest) {
			return nil, wire.Corrupt("a coefficient is not finite")
		}
	}
	if lambda < 1 || constant < 1 || constant > 1<<13 {
		return nil, wire.Corrupt("an integer weight is out of range")
	}
	for i, g := range gains {
		if g < 0 || float64(g) > (1<<13)*math.Sqrt(float64(i+1)) {
			return nil, wire.Corrupt("an integer gain is out of range")
		}
	}
	if !(relative >= 0 && relative <= mechanism.Largest) {
		return nil, wire.Corrupt("the polynomial's error is out of range")
	}
	// The state must be there before tables of its size are made: each feature takes 8 bytes at
	// least.
	features, err := poly.Features(head.KeyDim, head.Degree)
	if err != nil || features > math.MaxInt32 || withState && features > int64(len(r.Buf)/8) {
		return nil, wire.Corrupt("it is too short for its shapes")
	}
	d, err := sized(shared, checked)
	if err != nil {
		return nil, err
	}
	exp := poly.Polynomial{
		Kind: checked.Polynomial.kind(), Coeff: coeff, B: checked.logitBound(), RelativeError: relative,
	}
	phi := featuremap.RestoreMonomials(exp, constant, gains, head.KeyDim, d.features, checked.Scale, checked.KeyBound)
	d.derive(phi, lambda)
	return d, nil
}

// DecodeState implements mechanism.Mechanism.
func (d *design) DecodeState(r *wire.Reader, budget privacy.Budget) (mechanism.State, error) {
	if err := memory.Fits("data: the state and its form for queries", 2*d.StateBytes()); err != nil {
		return nil, err
	}
	noisy, err := d.Design.DecodeState(r, budget)
	if err != nil {
		return nil, err
	}
	return d.open(noisy), nil
}

// Len implements mechanism.Sums.
func (b *sums) Len() (needed int) {
	for h := range b.heads {
		needed += 8
		if o := b.heads[h].owners; o == nil {
			needed += 8 * b.Design.Len
		} else {
			needed += o.EncodedLen(b.shared.KeyDim + b.shared.ValueDim)
		}
	}
	return needed
}

// Encode implements mechanism.Sums.
func (b *sums) Encode(w *wire.Writer) {
	for h := range b.heads {
		w.U64(b.heads[h].rows)
		if o := b.heads[h].owners; o != nil {
			o.Encode(w)
		} else {
			integers := make([]int64, b.Design.Len)
			b.heads[h].exact.AddTo(integers)
			w.I64s(integers)
			clear(integers)
		}
	}
}

// DecodeSums implements mechanism.Mechanism.
func (d *design) DecodeSums(r *wire.Reader) (mechanism.Sums, error) {
	if d.shared.OwnerRows == 0 && uint64(len(r.Buf)) != 8*uint64(d.shared.Heads)+d.StateBytes() {
		return nil, wire.Corrupt("its length does not fit its shapes")
	}
	b := d.noSums()
	if err := b.decode(r); err != nil {
		b.Wipe()
		return nil, err
	}
	return b, nil
}

// possible reports whether a kept row can be one. Rows are clipped to the integer ranges again by
// the gate when they are summed; only -2^15, which no row has and the kernels exclude, is refused
// here, and values over their norm.
func (d *design) possible(row []int16) bool {
	return !slices.Contains(row, -1<<15) && simd.Norm2(row[d.shared.KeyDim:]) <= quant.ValueNorm2
}

// decode reads what Encode wrote into empty sums.
func (b *sums) decode(r *wire.Reader) error {
	for h := range b.heads {
		head := &b.heads[h]
		var err error
		if head.rows, err = mechanism.DecodeRows(r); err != nil {
			return err
		}
		if head.owners == nil {
			integers := make([]int64, b.Design.Len)
			r.I64s(integers)
			head.exact.Set(integers)
			clear(integers)
		} else if err := head.owners.Decode(r, b.shared.KeyDim+b.shared.ValueDim, b.possible); err != nil {
			return err
		}
	}
	return r.End()
}
