package core

import (
	"math"
	"slices"

	"dpattn/core/fault"
	"dpattn/core/internal/memory"
	"dpattn/core/internal/wire"
	"dpattn/core/moment"
	"dpattn/core/poly"
	"dpattn/core/privacy"
	"dpattn/core/quant"
	"dpattn/simd"
)

// The feature map's number in files. 1: weighted monomials of a polynomial.
const polynomialMap = 1

// encode implements mechanism: parameters with their defaults filled in and the integers that follow from them, so that a reader need not compute
// the polynomial anew, which another machine might round otherwise.
func (d *gaussian) encode(w *wire.Writer) {
	encodeHead(w, &d.Params)
	for _, v := range []int{int(d.Polynomial), int(d.Adjacency), d.OwnerRows, int(d.Rotation), polynomialMap,
		btoi(len(d.Center) > 0), btoi(len(d.HeadWeights) > 0)} {
		w.U32(uint32(v))
	}
	for _, v := range []float64{d.KeyBound, d.ValueBound, d.QueryBound, d.Scale, d.Lambda, d.OwnerBound, d.polynomial.RelativeError} {
		w.F64(v)
	}
	for _, list := range [][]float64{d.Center, d.HeadWeights, d.fmap.Coeff} {
		for _, v := range list {
			w.F64(v)
		}
	}
	w.U16(uint16(d.lambda))
	w.U16(uint16(d.fmap.Const))
	for _, g := range d.fmap.Gains {
		w.U16(uint16(g))
	}
}

// decodeGaussian reads what encode wrote after the head, and checks all of it.
func decodeGaussian(r *wire.Reader, p Params, perFeature int) (mechanism, error) {
	var n [7]uint32
	for i := range n {
		n[i] = r.U32()
	}
	p.Polynomial, p.Adjacency, p.OwnerRows, p.Rotation = Polynomial(n[0]), Adjacency(n[1]), int(n[2]), Rotation(n[3])
	p.KeyBound, p.ValueBound, p.QueryBound, p.Scale, p.Lambda = r.F64(), r.F64(), r.F64(), r.F64(), r.F64()
	p.OwnerBound = r.F64()
	relative := r.F64()
	if n[4] != polynomialMap {
		return nil, fault.New(fault.Unsupported, "data: feature map is %d; this library has %d", n[4], polynomialMap)
	}
	if p.Heads < 1 || p.Heads > maxDim || p.KeyDim < 1 || p.KeyDim > maxDim || p.Degree < 1 || p.Degree > poly.MaxDegree {
		return nil, wire.Corrupt("its shapes are out of range")
	}
	if n[5] != 0 {
		p.Center = r.F64s(p.Heads * p.KeyDim)
	}
	if n[6] != 0 {
		p.HeadWeights = r.F64s(p.Heads)
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
	checked, err := p.checked()
	if err == nil {
		checked, err = checked.checkedGaussian()
	}
	if err != nil {
		return nil, damaged(err)
	}
	// Everything is written with defaults filled in, so that nothing may be left to fill in.
	if checked.Scale != p.Scale || checked.Lambda != p.Lambda || checked.Polynomial != p.Polynomial || checked.Rotation != p.Rotation {
		return nil, wire.Corrupt("a parameter is missing")
	}
	for _, c := range coeff {
		if !(math.Abs(c) <= largest) {
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
	if !(relative >= 0) {
		return nil, wire.Corrupt("the polynomial's error is not a number")
	}
	features, err := poly.Features(p.KeyDim, p.Degree)
	if err != nil || features > math.MaxInt32 || perFeature > 0 && features > int64(len(r.Buf)/perFeature) {
		return nil, wire.Corrupt("it is too short for its shapes")
	}
	d, err := sized(checked)
	if err != nil {
		return nil, err
	}
	d.polynomial = poly.Polynomial{Kind: checked.Polynomial.kind(), Coeff: coeff, B: checked.LogitBound(), RelativeError: relative}
	d.lambda = lambda
	d.fmap = moment.RestorePolynomial(coeff, constant, gains, checked.KeyDim, d.features, checked.Scale, checked.KeyBound)
	d.derive()
	return d, nil
}

// encodedState implements mechanism.
func (d *gaussian) encodedState() uint64 { return 16*uint64(d.Heads) + d.stateBytes() }

// encode implements public.
func (r *gaussianState) encode(w *wire.Writer) {
	for _, h := range r.heads {
		w.U64(h.sigma)
		w.U64(h.rows)
	}
	w.I64s(r.noisy)
}

// decodeState implements mechanism.
func (d *gaussian) decodeState(r *wire.Reader, budget privacy.Budget) (public, error) {
	if err := memory.Fits("data: the state and its form for queries", 2*d.stateBytes()); err != nil {
		return nil, err
	}
	out := &gaussianState{gaussian: d}
	out.heads = make([]published, d.Heads)
	for h := range out.heads {
		out.heads[h] = published{sigma: r.U64(), rows: r.U64()}
		if s := out.heads[h]; s.sigma < 1 || s.sigma > privacy.MaxSigma || s.rows > moment.MaxRows || s.rows != 0 && !d.rowsPublic() {
			return nil, wire.Corrupt("a head's sigma or number of rows is out of range")
		}
	}
	if err := out.checkClaim(budget); err != nil {
		return nil, err
	}
	out.noisy = make([]int64, d.Heads*d.stateLen())
	r.I64s(out.noisy)
	out.open()
	return out, nil
}

// checkClaim makes sure that the noise gives the claimed guarantee.
func (r *gaussianState) checkClaim(b privacy.Budget) error {
	if !privacy.Keeps(b, r.gaussian.muTerms(r.heads)) {
		return wire.Corrupt("its noise is too small for the epsilon and delta that it claims")
	}
	return nil
}

// encodedLen implements secret.
func (b *gaussianSums) encodedLen() (needed int) {
	for h := range b.heads {
		needed += 8
		if o := b.heads[h].owners; o == nil {
			needed += 8 * b.gaussian.stateLen()
		} else {
			needed += o.encodedLen(b.gaussian.KeyDim + b.gaussian.ValueDim)
		}
	}
	return needed
}

// encode implements secret.
func (b *gaussianSums) encode(w *wire.Writer) {
	for h := range b.heads {
		w.U64(b.heads[h].rows)
		if o := b.heads[h].owners; o != nil {
			o.encode(w)
		} else {
			sums := make([]int64, b.gaussian.stateLen())
			b.heads[h].sums.AddTo(sums)
			w.I64s(sums)
			clear(sums)
		}
	}
}

// decodeSecret implements mechanism.
func (d *gaussian) decodeSecret(r *wire.Reader) (secret, error) {
	if d.OwnerRows == 0 && uint64(len(r.Buf)) != 8*uint64(d.Heads)+d.stateBytes() {
		return nil, wire.Corrupt("its length does not fit its shapes")
	}
	b := d.noSums()
	if err := b.decode(r); err != nil {
		b.wipe()
		return nil, err
	}
	return b, nil
}

// possible reports whether a kept row can be one. Rows are clipped to the integer ranges again by the gate when they are summed; only -2^15, which no row has and the
// kernels exclude, is refused here, and values over their norm.
func (d *gaussian) possible(row []int16) bool {
	return !slices.Contains(row, -1<<15) && simd.Norm2(row[d.KeyDim:]) <= quant.ValueNorm2
}

// decode reads what encode wrote into empty sums.
func (b *gaussianSums) decode(r *wire.Reader) error {
	d := b.gaussian
	for h := range b.heads {
		head := &b.heads[h]
		if head.rows = r.U64(); head.rows > moment.MaxRows {
			return wire.Corrupt("a head has too many rows")
		}
		if head.owners == nil {
			sums := make([]int64, d.stateLen())
			r.I64s(sums)
			head.sums.Set(sums)
			clear(sums)
		} else if err := head.owners.decode(r, d.KeyDim+d.ValueDim, d.possible); err != nil {
			return err
		}
	}
	if r.Short || len(r.Buf) != 0 {
		return wire.Corrupt("its length does not fit its shapes")
	}
	return nil
}
