package dptree

import (
	"math"

	"dpattn/core/fault"
	"dpattn/core/internal/parallel"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

// CrossAttention is the paper's DPTreeCrossAttention (section 3): one DPTreeSoftmaxAdaptive for
// each column of V, and one for the normaliser. PUBLIC, immutable, safe for concurrent use.
//
//	out(q)_c = sum_j exp(<q, k_j>/d) V_jc / sum_j exp(<q, k_j>/d)
//
// The paper's theorem: for keys and queries in [0, R]^d and |V| <= R_w, up to logarithms,
//
//	relative error  2 eps_s/(1 - eps_s)
//	additive error  O((1 - eps_s)^-1 n^-1 epsilon^-1 R^(2s) R_w r^2)
//	space, building O(n d r^2); a query O(d r^2)
//
// Where this differs: the normaliser is released with noise, as one more column (an exact one is a
// function of K that enough queries give away); the budget is split over columns, too. The quotient
// is projected: with n_hat the public or the noisy number of rows, the normaliser is kept between
// n_hat min(1, c_0) and n_hat max(p(R^2), e^(R^2)), and out in [-R_w, R_w]; Sums has the numbers
// before that.
type CrossAttention struct{ *released }

// AttentionBuilder sums private rows up and releases them as one CrossAttention. SECRET: it holds
// exact sums. Its methods must not be called at the same time.
type AttentionBuilder struct {
	s      *sums // nil once released, merged away or wiped
	d      *design
	counts Diagnostics
}

// NewAttentionBuilder checks p and makes an empty builder. It reads all of Params but Squared.
// What does not fit the memory, exact sums or release, is refused.
func NewAttentionBuilder(p Params) (*AttentionBuilder, error) {
	d, err := newDesign(kindAttention, p)
	if err != nil {
		return nil, err
	}
	if err := d.fits(); err != nil {
		return nil, err
	}
	return d.newBuilder()
}

// newBuilder makes an empty builder of this design.
func (d *design) newBuilder() (*AttentionBuilder, error) {
	s, err := d.newSums()
	if err != nil {
		return nil, err
	}
	return &AttentionBuilder{s: s, d: d}, nil
}

// Params returns the parameters with their defaults filled in.
func (b *AttentionBuilder) Params() Params { return b.d.Params }

var errSpent = fault.New(fault.Consumed, "builder: it was released or merged into another; make a new one")

// Add adds rows: keys [n, Dim] and values [n, ValueDim], row units only (params.OwnerRows 0). Data
// never cause an error: entries outside of their ranges are clipped, a row with NaN or Inf
// contributes nothing, and both are counted.
func (b *AttentionBuilder) Add(keys, values tensor.Tensor) error {
	if b.s == nil {
		return errSpent
	}
	if b.d.OwnerRows > 0 {
		return fault.Invalid("params.owner_rows is %d: rows of owners are added by AddRounded", b.d.OwnerRows)
	}
	n, err := b.s.checkRows([2]string{"keys", "values"}, &keys, &values, b.d.ValueDim)
	if err != nil {
		return err
	}
	threads := parallel.Threads() // once, for it may change at any time
	b.counts.add(b.s.addRows(threads, n, b.d.rowsOf(threads, &keys, &values)))
	return nil
}

// round rounds one row to Dim + ValueDim integers.
func (d *design) round(key, value []float64, dst []int16) Outcome {
	whole := make([]int16, d.Dim+d.columns)
	defer clear(whole)
	f := d.quantise(key, value, whole)
	copy(dst, whole)
	return f
}

// rounded reports whether round can have given these integers.
func (d *design) rounded(row []int16) bool {
	for i, v := range row {
		lo, hi := int16(0), int16(keyScale)
		if i >= d.Dim {
			lo, hi = -weightOne, weightOne
		}
		if v < lo || v > hi {
			return false
		}
	}
	return true
}

// AddRounded adds rows that Heads.Round has rounded (not those it zeroed), [n, Dim + ValueDim]
// row-major. With owners as units, one call has all rows of one owner and at most OwnerRows of
// them; each owner comes once, which is the caller's to make sure.
func (b *AttentionBuilder) AddRounded(rows []int16) error {
	if b.s == nil {
		return errSpent
	}
	width := b.d.Dim + b.d.ValueDim
	if len(rows)%width != 0 {
		return fault.Invalid("rows has %d integers; it must have a multiple of dim + value_dim = %d", len(rows), width)
	}
	n := len(rows) / width
	if m := b.d.OwnerRows; m > 0 && n > m {
		return fault.Invalid("rows has %d rows of one owner; params.owner_rows is %d", n, m)
	}
	if err := b.s.room("rows", n); err != nil {
		return err
	}
	for i := range n {
		if !b.d.rounded(rows[i*width : (i+1)*width]) {
			return fault.Invalid("rows has an integer out of range; it must be what Round gave")
		}
	}
	b.counts.add(b.s.addRows(parallel.Threads(), n, func(_, i int, dst []int16) Outcome {
		copy(dst, rows[i*width:(i+1)*width])
		dst[width] = weightOne
		return 0
	}))
	return nil
}

// Merge adds everything in from to b and consumes from. The bits are those of one builder that was
// given all rows.
func (b *AttentionBuilder) Merge(from *AttentionBuilder) error {
	switch {
	case b == from:
		return fault.Invalid("from: it is the same builder as into; they must differ")
	case b.s == nil || from.s == nil:
		return errSpent
	case !b.d.compatible(from.d):
		return fault.New(fault.Mismatch, "from: its parameters differ from those of into; all must be equal")
	}
	if err := b.s.room("from", int(from.s.rows)); err != nil {
		return err
	}
	b.s.add(from.s)
	b.counts.add(from.counts)
	from.Wipe()
	return nil
}

// Rows is how many rows were added. SECRET with AddRemove.
func (b *AttentionBuilder) Rows() uint64 { return b.s.rows }

// Diagnostics returns the counts so far. SECRET.
func (b *AttentionBuilder) Diagnostics() Diagnostics { return b.counts }

// Wipe zeroes and consumes the builder.
func (b *AttentionBuilder) Wipe() {
	if b.s != nil {
		b.s.wipe()
	}
	b.s, b.counts = nil, Diagnostics{}
}

// Release spends the budget: it adds noise, consumes and wipes the builder. On an error the builder
// stays as it was and nothing is spent.
func (b *AttentionBuilder) Release(budget privacy.Budget, report Report) (*CrossAttention, error) {
	return b.release(budget, kernelNoise, report)
}

// release is Release with its randomness given.
func (b *AttentionBuilder) release(budget privacy.Budget, noise draw, report Report) (*CrossAttention, error) {
	if b.s == nil {
		return nil, errSpent
	}
	f, err := b.s.release(budget, noise, report)
	if err != nil {
		return nil, err
	}
	b.Wipe()
	return &CrossAttention{&released{f: f}}, nil
}

// Sums writes the medians, ValueDim numerators sum_j exp(<q,k_j>/d) V_jc and the normaliser,
// without any projection. It reports whether the query, of Dim numbers, had to be clipped to [0,
// R]; a query with NaN is taken for the zero query, which counts as clipped.
func (t *CrossAttention) Sums(y, dst []float64) (clipped bool, err error) {
	d := t.f.d
	if err := d.checkQuery(y); err != nil {
		return false, err
	}
	if len(dst) != d.columns {
		return false, fault.Invalid("sums has %d numbers; it must have value_dim + 1 = %d", len(dst), d.columns)
	}
	q := t.query()
	defer t.pool.Put(q)
	clipped, _ = q.load(d, y)
	t.f.attend(q)
	copy(dst, q.medians)
	return clipped, nil
}

// attend puts the numerators and the normaliser into q.medians.
func (f *forest) attend(q *query) {
	f.adaptive(q)
	for c := range f.d.ValueDim {
		q.medians[c] *= f.d.Weight
	}
}

// Answer is what Attend says besides the output.
type Answer struct {
	Normaliser float64 // sum_j exp(<q, k_j>/d)
	Stddev     float64 // about the standard deviation of the noise in an output near 0
	Clipped    bool    // the query was outside [0, R], or had NaN
}

// Attend writes the ValueDim outputs for a query of Dim numbers. Entries outside [0, R] are
// clipped; a query with NaN is taken for the zero query.
func (t *CrossAttention) Attend(y, out []float64) (Answer, error) {
	d := t.f.d
	if err := d.checkQuery(y); err != nil {
		return Answer{}, err
	}
	if len(out) != d.ValueDim {
		return Answer{}, fault.Invalid("out has %d numbers; it must have value_dim = %d", len(out), d.ValueDim)
	}
	q := t.query()
	defer t.pool.Put(q)
	clipped, _ := q.load(d, y)
	a := t.f.output(q, out)
	a.Clipped = clipped
	return a, nil
}

// AttendClipped is Attend for a query that Heads.Clip has clipped, with lengths that are known to
// fit.
func (t *CrossAttention) AttendClipped(y, out []float64) Answer {
	q := t.query()
	defer t.pool.Put(q)
	copy(q.y, y)
	q.place(t.f.d)
	return t.f.output(q, out)
}

// output divides the numerators by the normaliser, and projects both: a row's weight is at least
// min(1, c_0) and at most basis.maxWeight, an output at most R_w.
func (f *forest) output(q *query, out []float64) Answer {
	f.attend(q)
	d, sums, n := f.d, q.medians, f.rowCount()
	denominator, _ := clip(sums[d.ValueDim], n*min(1, d.basis.coeff[0]), n*d.basis.maxWeight)
	for c := range out {
		out[c], _ = clip(sums[c]/denominator, -d.Weight, d.Weight)
	}
	std := math.Sqrt(f.variance(q)) * medianFactor(d.Copies) * d.Weight / denominator
	return Answer{Normaliser: denominator, Stddev: std}
}

// rowCount is the public number of rows or, where that is private, the noisy one: the normaliser's
// s_w, without trees its constant feature, averaged over copies; at least 1.
func (f *forest) rowCount() float64 {
	d := f.d
	if f.rows > 0 {
		return float64(f.rows)
	}
	term, one := termWeight, float64(weightOne)
	if d.NoTrees {
		term, one = 0, weightOne*pointOne
	}
	v := 0.0
	for _, n := range f.numbers[term][d.ValueDim*d.Copies : d.columns*d.Copies] {
		v += float64(n) / one
	}
	return max(1, v/float64(d.Copies))
}
