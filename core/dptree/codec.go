package dptree

import (
	"math"

	"dpattn/core/fault"
	"dpattn/core/internal/memory"
	"dpattn/core/internal/wire"
	"dpattn/core/noise"
	"dpattn/core/privacy"
)

// A file: magic, version; the structure's kind and Params; the polynomial, from DPTreeSoftmax up;
// the guarantee with the distributions; the number of rows; the noisy integers; the checksum.
// docs/formats.md has the table.

// Encode returns the structure as a file. PUBLIC.
func (r *released) Encode() []byte {
	w := wire.Writer{Buf: make([]byte, 0, r.EncodedLen())}
	w.Begin(wire.DPTree)
	r.f.d.encode(&w)
	r.f.guarantee.encode(&w)
	r.f.encode(&w)
	w.Seal()
	return w.Buf
}

// EncodedLen is the length of Encode's file.
func (r *released) EncodedLen() int {
	var w wire.Writer
	r.f.d.encode(&w)
	return wire.Overhead + len(w.Buf) + r.f.d.guaranteeLen() + 8 + int(r.f.d.bytes())
}

func (g *guarantee) encode(w *wire.Writer) {
	c := &g.composition
	w.U32(uint32(c.Rule))
	w.U64(c.Count)
	for _, v := range []float64{g.budget.Epsilon, g.budget.Delta, c.Epsilon0, c.Delta0, c.DeltaPrime} {
		w.F64(v)
	}
	for _, dist := range g.distributions {
		w.U64(dist.Num)
		w.U64(dist.Den)
		w.U64(dist.Support)
	}
}

// guaranteeLen is how many bytes an encoded guarantee takes.
func (d *design) guaranteeLen() int { return 4 + 8 + 5*8 + 3*8*len(d.terms) }

// encode writes the number of rows and the noisy integers.
func (f *forest) encode(w *wire.Writer) {
	w.U64(f.rows)
	for _, list := range f.numbers {
		w.I64s(list)
	}
}

func (d *design) encode(w *wire.Writer) {
	p := &d.Params
	for _, v := range []int{
		int(d.kind), int(p.Adjacency), p.OwnerRows, p.Rows, p.Leaves, p.Dim, p.ValueDim, p.Degree, p.Copies,
		flag(p.Squared), flag(p.NoTrees),
	} {
		w.U32(uint32(v))
	}
	for _, v := range []float64{p.Range, p.Weight, p.RelativeError, p.CopyFactor, p.FailureProbability} {
		w.F64(v)
	}
	if d.basis != nil {
		w.F64(d.basis.err)
		for _, c := range d.basis.coeff {
			w.F64(c)
		}
	}
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// decodeDesign reads what encode wrote and checks all of it. Nothing of the size that it names is
// made before it is known that the numbers are there, unless bare says that what follows need not
// have them.
func decodeDesign(r *wire.Reader, want kind, bare bool) (*design, error) {
	var n [11]uint32
	for i := range n {
		if n[i] = r.U32(); n[i] > math.MaxInt32 {
			return nil, wire.Corrupt("a number is out of range")
		}
	}
	p := Params{
		Adjacency: privacy.Adjacency(n[1]), OwnerRows: int(n[2]), Rows: int(n[3]), Leaves: int(n[4]),
		Dim: int(n[5]), ValueDim: int(n[6]), Degree: int(n[7]), Copies: int(n[8]),
		Squared: n[9] == 1, NoTrees: n[10] == 1,
		Range: r.F64(), Weight: r.F64(), RelativeError: r.F64(), CopyFactor: r.F64(), FailureProbability: r.F64(),
	}
	k := kind(n[0])
	if r.Short || k < kindTree || k > kindAttention || n[9] > 1 || n[10] > 1 {
		return nil, wire.Corrupt("its parameters are out of range")
	}
	if k != want {
		return nil, fault.New(fault.Corrupt, "data: it is a %s; a %s is wanted", k, want)
	}
	checked, err := p.checked(k)
	if err != nil {
		return nil, wire.Corrupt(err.Error())
	}
	// Everything is written with defaults filled in, and what the structure does not read is zero.
	if checked != p || p.Copies < 1 || k >= kindSoftmax && p.Degree < 1 {
		return nil, wire.Corrupt("a parameter is missing or out of place")
	}
	d := &design{Params: p, kind: k}
	if k >= kindSoftmax {
		relative, coeff := r.F64(), r.F64s(p.Degree+1)
		if r.Short {
			return nil, wire.Corrupt("it ends within its parameters")
		}
		if !(relative >= 0 && relative <= largest) {
			return nil, wire.Corrupt("the polynomial's error is out of range")
		}
		for _, c := range coeff {
			if !(c >= 0 && c <= largest) {
				return nil, wire.Corrupt("a coefficient of the polynomial is out of range")
			}
		}
		if err := enough(r, features(p.Dim, p.Degree)); err != nil && !bare {
			return nil, err
		}
		if d.basis, err = restoreBasis(&p, coeff, relative); err != nil {
			return nil, wire.Corrupt(err.Error())
		}
	} else if err := enough(r, float64(p.Dim)); err != nil {
		return nil, err
	}
	if err := enough(r, float64(p.Leaves)); err != nil && !bare {
		return nil, err
	}
	if err := d.derive(); err != nil {
		return nil, wire.Corrupt(err.Error())
	}
	return d, nil
}

// features is C(dim+degree, degree), in floating point.
func features(dim, degree int) float64 {
	v := 1.0
	for i := 1; i <= degree; i++ {
		v *= float64(dim+i) / float64(i)
	}
	return v
}

// enough refuses a file that has fewer than n numbers left.
func enough(r *wire.Reader, n float64) error {
	if n*(1-1e-12) > float64(len(r.Buf)/8) {
		return wire.Corrupt("it is too short for its shapes")
	}
	return nil
}

// decode reads a file. One that was cut or altered, or that claims a guarantee its own noise does
// not give, is refused.
func decode(data []byte, want kind) (*released, error) {
	r, err := wire.Unseal(data, wire.DPTree)
	if err != nil {
		return nil, err
	}
	d, err := decodeDesign(r, want, false)
	if err != nil {
		return nil, err
	}
	g, err := d.decodeGuarantee(r)
	if err != nil {
		return nil, err
	}
	f, err := d.decodeForests(r, g, 1)
	if err != nil {
		return nil, err
	}
	return &released{f: f[0]}, nil
}

// decodeGuarantee reads the accounting and makes sure that its noise gives what it claims.
func (d *design) decodeGuarantee(r *wire.Reader) (g guarantee, err error) {
	g.composition = privacy.Composition{Rule: privacy.Rule(r.U32()), Count: r.U64()}
	c := &g.composition
	for _, v := range []*float64{&g.budget.Epsilon, &g.budget.Delta, &c.Epsilon0, &c.Delta0, &c.DeltaPrime} {
		*v = r.F64()
	}
	for range d.terms {
		g.add(noise.TruncatedLaplace{Num: r.U64(), Den: r.U64(), Support: r.U64()})
	}
	if r.Short {
		return g, wire.Corrupt("it ends within its guarantee")
	}
	if !d.holds(&g) {
		return g, wire.Corrupt("its noise is too small for the epsilon and delta that it claims")
	}
	return g, nil
}

// decodeForests reads n structures of this design to the end of the file.
func (d *design) decodeForests(r *wire.Reader, g guarantee, n int) ([]*forest, error) {
	if uint64(len(r.Buf)%n) != 0 || uint64(len(r.Buf)/n) != 8+d.bytes() {
		return nil, wire.Corrupt("its length does not fit its shapes")
	}
	if err := memory.Fits("data: the noisy integers", uint64(n)*d.bytes()); err != nil {
		return nil, err
	}
	out := make([]*forest, n)
	for i := range out {
		f := &forest{d: d, guarantee: g, rows: r.U64()}
		if f.rows > MaxRows || f.rows != 0 && (d.Adjacency != privacy.Replace || d.OwnerRows > 0) {
			return nil, wire.Corrupt("its number of rows is out of range")
		}
		for t := range d.terms {
			list := make([]int64, d.numbers(&d.terms[t]))
			r.I64s(list)
			f.numbers = append(f.numbers, list)
		}
		out[i] = f
	}
	return out, nil
}

// SecretLen is how many bytes PutSecret writes.
func (b *AttentionBuilder) SecretLen() int {
	return 8 * (1 + len(b.counts.list()) + len(b.s.leaf) + len(b.s.whole))
}

// PutSecret writes the exact sums, without the parameters. SECRET. The builder must not be spent.
func (b *AttentionBuilder) PutSecret(w *wire.Writer) {
	w.U64(b.s.rows)
	for _, v := range b.counts.list() {
		w.U64(*v)
	}
	w.I64s(b.s.leaf)
	w.I64s(b.s.whole)
}

// TakeSecret reads what PutSecret wrote into an empty builder of the same parameters, to the end of
// r.
func (b *AttentionBuilder) TakeSecret(r *wire.Reader) error {
	if len(r.Buf) != b.SecretLen() {
		return wire.Corrupt("its length does not fit its shapes")
	}
	rows := r.U64()
	if rows > MaxRows {
		return wire.Corrupt("it has too many rows")
	}
	b.s.rows = rows
	for _, v := range b.counts.list() {
		*v = r.U64()
	}
	r.I64s(b.s.leaf)
	r.I64s(b.s.whole)
	return nil
}

// list names the counts that a partial carries, in the order of the file.
func (t *Diagnostics) list() []*uint64 {
	return []*uint64{&t.Rows, &t.PointsClipped, &t.WeightsClipped, &t.RowsZeroed, &t.RowsDropped}
}

// decodeAs reads a structure of one kind from its file.
func decodeAs[T any](data []byte, k kind, wrap func(r *released) *T) (*T, error) {
	r, err := decode(data, k)
	if err != nil {
		return nil, err
	}
	return wrap(r), nil
}

// DecodeTree reads a Tree from its file.
func DecodeTree(data []byte) (*Tree, error) {
	return decodeAs(data, kindTree, func(r *released) *Tree { return &Tree{r} })
}

// DecodeDistance reads a Distance from its file.
func DecodeDistance(data []byte) (*Distance, error) {
	return decodeAs(data, kindDistance, func(r *released) *Distance { return &Distance{r} })
}

// DecodeHighDim reads a HighDim from its file.
func DecodeHighDim(data []byte) (*HighDim, error) {
	return decodeAs(data, kindHighDim, func(r *released) *HighDim { return &HighDim{r} })
}

// DecodeSoftmax reads a Softmax from its file.
func DecodeSoftmax(data []byte) (*Softmax, error) {
	return decodeAs(data, kindSoftmax, func(r *released) *Softmax { return &Softmax{r} })
}

// DecodeSoftmaxAdaptive reads a SoftmaxAdaptive from its file.
func DecodeSoftmaxAdaptive(data []byte) (*SoftmaxAdaptive, error) {
	return decodeAs(data, kindAdaptive, func(r *released) *SoftmaxAdaptive { return &SoftmaxAdaptive{r} })
}

// DecodeCrossAttention reads a CrossAttention from its file.
func DecodeCrossAttention(data []byte) (*CrossAttention, error) {
	return decodeAs(data, kindAttention, func(r *released) *CrossAttention { return &CrossAttention{r} })
}
