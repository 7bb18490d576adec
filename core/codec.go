package core

import (
	"crypto/sha256"
	"math"

	"dpattn/core/fault"
	"dpattn/core/moment"
	"dpattn/core/poly"
	"dpattn/core/privacy"
)

// The feature map's number in files. 1: weighted monomials of a polynomial.
const polynomialMap = 1

// encode appends the design: parameters with their defaults filled in and the integers that follow from them, so that a reader need not compute
// the polynomial anew, which another machine might round otherwise.
func (d *design) encode(buf []byte) []byte {
	w := writer{buf}
	for _, v := range []int{d.Heads, d.KeyDim, d.ValueDim, d.Degree, int(d.Mechanism), int(d.Polynomial), int(d.Adjacency), d.OwnerRows, int(d.Rotation), polynomialMap,
		btoi(len(d.Center) > 0), btoi(len(d.HeadWeights) > 0)} {
		w.u32(uint32(v))
	}
	for _, v := range []float64{d.KeyBound, d.ValueBound, d.QueryBound, d.Scale, d.Lambda, d.polynomial.RelativeError} {
		w.f64(v)
	}
	for _, list := range [][]float64{d.Center, d.HeadWeights, d.fmap.Coeff} {
		for _, v := range list {
			w.f64(v)
		}
	}
	w.u16(uint16(d.lambda))
	w.u16(uint16(d.fmap.Const))
	for _, g := range d.fmap.Gains {
		w.u16(uint16(g))
	}
	return w.buf
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// decodeDesign reads a design and checks all of it. perFeature is the least number of bytes that each feature takes in what follows, 0 if it takes none: the state
// must be there before tables of its size are made.
func decodeDesign(r *reader, perFeature int) (*design, error) {
	var n [12]uint32
	for i := range n {
		n[i] = r.u32()
	}
	p := Params{
		Heads: int(n[0]), KeyDim: int(n[1]), ValueDim: int(n[2]), Degree: int(n[3]), Mechanism: Mechanism(n[4]), Polynomial: Polynomial(n[5]),
		Adjacency: Adjacency(n[6]), OwnerRows: int(n[7]), Rotation: Rotation(n[8]),
		KeyBound: r.f64(), ValueBound: r.f64(), QueryBound: r.f64(), Scale: r.f64(), Lambda: r.f64(),
	}
	relative := r.f64()
	if n[9] != polynomialMap {
		return nil, fault.New(fault.Unsupported, "data: feature map is %d; this library has %d", n[9], polynomialMap)
	}
	if p.Heads < 1 || p.Heads > maxDim || p.KeyDim < 1 || p.KeyDim > maxDim || p.Degree < 1 || p.Degree > poly.MaxDegree {
		return nil, corrupt("its shapes are out of range")
	}
	if n[10] != 0 {
		p.Center = r.f64s(p.Heads * p.KeyDim)
	}
	if n[11] != 0 {
		p.HeadWeights = r.f64s(p.Heads)
	}
	coeff := r.f64s(p.Degree + 1)
	lambda, constant := int16(r.u16()), int16(r.u16())
	gains := make([]int16, p.Degree)
	for i := range gains {
		gains[i] = int16(r.u16())
	}
	if r.short {
		return nil, corrupt("it ends within its parameters")
	}
	checked, err := p.checked()
	if err != nil {
		// What is wrong with an argument is damage in a file; only what this version lacks stays that.
		if code := fault.CodeOf(err); code == fault.Unsupported {
			return nil, fault.New(code, "data: %v", err)
		}
		return nil, corrupt(err.Error())
	}
	// Everything is written with defaults filled in, so that nothing may be left to fill in.
	if checked.Scale != p.Scale || checked.Lambda != p.Lambda || checked.Mechanism != p.Mechanism || checked.Polynomial != p.Polynomial || checked.Rotation != p.Rotation {
		return nil, corrupt("a parameter is missing")
	}
	for _, c := range coeff {
		if !(math.Abs(c) <= largest) {
			return nil, corrupt("a coefficient is not finite")
		}
	}
	if lambda < 1 || constant < 1 || constant > 1<<13 {
		return nil, corrupt("an integer weight is out of range")
	}
	for i, g := range gains {
		if g < 0 || float64(g) > (1<<13)*math.Sqrt(float64(i+1)) {
			return nil, corrupt("an integer gain is out of range")
		}
	}
	if !(relative >= 0) {
		return nil, corrupt("the polynomial's error is not a number")
	}
	features, err := poly.Features(p.KeyDim, p.Degree)
	if err != nil || features > math.MaxInt32 || perFeature > 0 && features > int64(len(r.buf)/perFeature) {
		return nil, corrupt("it is too short for its shapes")
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

func corrupt(why string) error { return fault.New(fault.Corrupt, "data: %s", why) }

// savedSize is the size of a saved release of this design.
func savedSize(d *design) int {
	return len(releaseMagic) + 4 + len(d.encode(nil)) + 16 + 16 + d.Heads*16 + int(d.stateBytes()) + sha256.Size
}

// Save writes the release to dst and returns how many bytes it takes; if dst is shorter, it writes nothing.
func (r *Release) Save(dst []byte) (needed int, err error) {
	needed = r.size
	if len(dst) < needed {
		return needed, fault.New(fault.BufferTooSmall, "capacity is %d bytes; the release needs %d", len(dst), needed)
	}
	w := writer{dst[:0]}
	w.begin(releaseMagic)
	w.buf = r.design.encode(w.buf)
	w.f64(r.budget.Epsilon)
	w.f64(r.budget.Delta)
	w.raw(r.id[:])
	for _, h := range r.heads {
		w.u64(h.sigma)
		w.u64(h.rows)
	}
	w.i64s(r.state)
	w.seal()
	return needed, nil
}

// Load reads a saved release. A file that was cut or altered, or that claims a guarantee its own noise does not give, is refused.
func Load(data []byte) (*Release, error) {
	r, err := unseal("a release", data, releaseMagic)
	if err != nil {
		return nil, err
	}
	d, err := decodeDesign(r, 8)
	if err != nil {
		return nil, err
	}
	out := &Release{design: d, budget: privacy.Budget{Epsilon: r.f64(), Delta: r.f64()}}
	copy(out.id[:], r.take(len(out.id)))
	if uint64(len(r.buf)) != 16*uint64(d.Heads)+d.stateBytes() {
		return nil, corrupt("its length does not fit its shapes")
	}
	if err := fits("data: the state and its form for queries", 2*d.stateBytes()); err != nil {
		return nil, err
	}
	out.heads = make([]published, d.Heads)
	for h := range out.heads {
		out.heads[h] = published{sigma: r.u64(), rows: r.u64()}
		if s := out.heads[h]; s.sigma < 1 || s.sigma > privacy.MaxSigma || s.rows > moment.MaxRows || s.rows != 0 && !d.rowsPublic() {
			return nil, corrupt("a head's sigma or number of rows is out of range")
		}
	}
	if err := out.checkClaim(); err != nil {
		return nil, err
	}
	out.state = make([]int64, d.Heads*d.stateLen())
	r.i64s(out.state)
	out.open()
	return out, nil
}

// checkClaim makes sure that the noise gives the claimed guarantee.
func (r *Release) checkClaim() error {
	if r.budget.Validate() != nil {
		return corrupt("its epsilon or delta is out of range")
	}
	if privacy.Delta(r.budget.Epsilon, r.muUp()) > r.budget.Delta*(1+1e-9) {
		return corrupt("its noise is too small for the epsilon and delta that it claims")
	}
	return nil
}

// ExportSecret writes the un-noised sums to dst and returns how many bytes they take; if dst is shorter, it writes nothing. SECRET.
func (b *Builder) ExportSecret(dst []byte) (needed int, err error) {
	defer b.unlock()
	if err := b.lock("builder"); err != nil {
		return 0, err
	}
	d := b.design
	needed = len(partialMagic) + 4 + len(d.encode(nil)) + 8*len(b.tally.list()) + sha256.Size
	for h := range b.heads {
		needed += 8
		if o := b.heads[h].owners; o == nil {
			needed += 8 * d.stateLen()
		} else {
			needed += 8 + 16*len(o.rows) + 2*(d.KeyDim+d.ValueDim)*o.count()
		}
	}
	if len(dst) < needed {
		return needed, fault.New(fault.BufferTooSmall, "capacity is %d bytes; the partial needs %d", len(dst), needed)
	}
	w := writer{dst[:0]}
	w.begin(partialMagic)
	w.buf = d.encode(w.buf)
	for _, v := range b.tally.list() {
		w.u64(*v)
	}
	for h := range b.heads {
		w.u64(b.heads[h].rows)
		if o := b.heads[h].owners; o != nil {
			o.encode(&w)
		} else {
			sums := make([]int64, d.stateLen())
			b.heads[h].sums.AddTo(sums)
			w.i64s(sums)
			clear(sums)
		}
	}
	w.seal()
	return needed, nil
}

// list names the counts that a partial carries, in the order of the file.
func (d *Diagnostics) list() []*uint64 {
	return []*uint64{&d.Rows, &d.KeysClipped, &d.ValuesClipped, &d.RowsZeroed, &d.RowsShrunk, &d.RowsDropped}
}

// ImportSecret makes a builder from an exported partial.
func ImportSecret(data []byte) (*Builder, error) {
	r, err := unseal("a secret partial", data, partialMagic)
	if err != nil {
		return nil, err
	}
	d, err := decodeDesign(r, 0)
	if err != nil {
		return nil, err
	}
	if d.OwnerRows == 0 && uint64(len(r.buf)) != 8*uint64(len(new(Diagnostics).list())+d.Heads)+d.stateBytes() {
		return nil, corrupt("its length does not fit its shapes")
	}
	b := emptyBuilder(d)
	if err := b.decode(r); err != nil {
		b.Wipe()
		return nil, err
	}
	return b, nil
}

// decode reads what ExportSecret wrote after the design into an empty builder.
func (b *Builder) decode(r *reader) error {
	d := b.design
	for _, v := range b.tally.list() {
		*v = r.u64()
	}
	for h := range b.heads {
		head := &b.heads[h]
		if head.rows = r.u64(); head.rows > moment.MaxRows {
			return corrupt("a head has too many rows")
		}
		if head.owners == nil {
			sums := make([]int64, d.stateLen())
			r.i64s(sums)
			head.sums.Set(sums)
			clear(sums)
		} else if err := head.owners.decode(r, d); err != nil {
			return err
		}
	}
	if r.short || len(r.buf) != 0 {
		return corrupt("its length does not fit its shapes")
	}
	return nil
}
