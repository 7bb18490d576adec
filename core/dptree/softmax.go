package dptree

import (
	"math"

	"dpattn/core/fault"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

// query is a query point, its features and where they lie on the grid, with the working memory to
// answer it. It serves one goroutine at a time.
type query struct {
	y      []float64 // [dim] the query, in units of the range
	mono   []float64 // [coords] P_i(y)/bound_i; without a basis, y
	splits []split   // [coords] the nodes on either side of mono
	norm   float64   // |P(y)|^2

	sums    []int64   // [columns, copies] some nodes added up
	answers []float64 // [columns, copies]
	medians []float64 // [columns]
}

// newQuery makes a query that can be loaded.
func (d *design) newQuery() *query {
	q := &query{y: make([]float64, d.Dim)}
	q.mono = q.y
	if d.basis != nil {
		q.mono = make([]float64, d.coords)
	}
	if !d.NoTrees {
		q.splits = make([]split, d.coords)
	}
	return q
}

// query returns one that can be answered, too. It goes back to the pool.
func (r *released) query() *query {
	if q, ok := r.pool.Get().(*query); ok {
		return q
	}
	d := r.f.d
	q := d.newQuery()
	q.sums, q.answers, q.medians = make([]int64, d.lanes()), make([]float64, d.lanes()), make([]float64, d.columns)
	return q
}

// clipQuery brings a query of d.Dim numbers into [0, R], in place; ok is false where it has a NaN,
// and then it becomes zero.
func (d *design) clipQuery(y []float64) (clipped, ok bool) {
	for i, v := range y {
		if math.IsNaN(v) {
			clear(y)
			return true, false
		}
		c, out := clip(v, 0, d.Range)
		y[i] = c
		clipped = clipped || out
	}
	return clipped, true
}

// load takes in a query of d.Dim numbers, and reports what clipQuery does.
func (q *query) load(d *design, y []float64) (clipped, ok bool) {
	copy(q.y, y)
	clipped, ok = d.clipQuery(q.y)
	q.place(d)
	return clipped, ok
}

// place works out what follows from q.y, which is within [0, R].
func (q *query) place(d *design) {
	for i := range q.y {
		q.y[i] /= d.Range
	}
	if d.basis != nil {
		d.basis.powers(q.y, q.mono)
		q.norm = 0
		for c, m := range q.mono {
			part := d.basis.bound[c] * m
			q.norm += part * part
		}
	}
	for c := range q.splits {
		d.split(q.mono[c], &q.splits[c])
	}
}

// softmax is one DPTreeSoftmax for each copy of each column, in q.answers: sum w <P(k), P(y)>, in
// units of the weight, by
//
//	sum w <P(k), P(y)> = (P_wx + s_w |P(y)|^2 - sum w |P(k) - P(y)|^2) / 2,
//	P_wx = sum w |P(k)|^2,   s_w = sum w,
//
// all three of them noisy.
func (f *forest) softmax(q *query) {
	b := f.d.basis
	clear(q.answers)
	if f.d.NoTrees {
		f.linear(q)
		return
	}
	for c := range q.splits {
		f.l2(q, c, b.bound[c]*b.bound[c])
	}
	norms, weights := f.numbers[termNorm], f.numbers[termWeight]
	for l, distances := range q.answers {
		pwx, sw := float64(norms[l])*b.top/(weightOne*pointOne), float64(weights[l])/weightOne
		q.answers[l] = (pwx + sw*q.norm - distances) / 2
	}
}

// linear is the same sum without trees: <P(y), sum w P(k)>.
func (f *forest) linear(q *query) {
	for c, y := range q.mono {
		factor := f.d.basis.bound[c] * f.d.basis.bound[c] * y / (weightOne * pointOne)
		for l, v := range f.tree(0, c) {
			q.answers[l] += factor * float64(v)
		}
	}
}

// variance is that of the noise in softmax, in units of the weight squared.
func (f *forest) variance(q *query) (v float64) {
	b, variance := f.d.basis, f.guarantee.variance
	if f.d.NoTrees {
		for c, y := range q.mono {
			part := b.bound[c] * b.bound[c] * y
			v += part * part
		}
		return v * variance[0] / (weightOne * weightOne * pointOne * pointOne)
	}
	const point2 = pointOne * pointOne
	w, wx, wxx := variance[0], variance[1]/point2, variance[2]/point2
	for c := range q.splits {
		s := &q.splits[c]
		b2 := b.bound[c] * b.bound[c]
		v += b2 * b2 * float64(len(s.nodes)) * (wxx + 4*s.y*s.y*wx + s.y*s.y*s.y*s.y*w)
	}
	v += variance[termNorm]*b.top*b.top/point2 + variance[termWeight]*q.norm*q.norm
	return v / (4 * weightOne * weightOne)
}

// Softmax is the paper's DPTreeSoftmax (appendix I): the weighted sum of exponentials
// sum_j w_j exp(<k_j, y>/d) over private keys k_j in [0, R]^d, for any y in [0, R]^d. PUBLIC,
// immutable, safe for concurrent use.
//
// The paper's theorem: with P of r = C(d+s, s) features such that <P(x), P(y)> is within a factor 1
// +- eps_s of exp(<x,y>/d), the sum is (P_wx + s_w |P(y)|^2 - sum w|P(k) - P(y)|^2)/2, the last
// term being a DPTreeHighDim's answer in r dimensions; relative error eps_s, additive error that of
// the distance.
//
// Where this differs: P_wx and s_w are noisy here (exact ones are functions of the data, and
// answers would leak them); P(k) is rounded to the grid in P_wx as in the trees, so that the
// identity holds exactly on the grid; each feature has a range of its own; the polynomial is the
// better of two known ones on [0, R^2] without negative coefficients (basis.go).
type Softmax struct{ *released }

// NewSoftmax releases sums over keys [n, params.Dim] with weights [n, 1], or nil: then every weight
// is params.Weight. It reads Adjacency, OwnerRows, Leaves (or Rows), Dim, Range, Weight, Degree (or
// RelativeError) and NoTrees.
func NewSoftmax(p Params, keys tensor.Tensor, weights *tensor.Tensor, owners []uint64, budget privacy.Budget,
	report Report) (*Softmax, Diagnostics, error) {
	r, counts, err := releaseRows(kindSoftmax, p, keys, weights, owners, budget, kernelNoise, report)
	if err != nil {
		return nil, counts, err
	}
	return &Softmax{r}, counts, nil
}

// Sum returns the noisy sum for a y of params.Dim numbers, each clipped to [0, R]; NaN gives NaN.
func (t *Softmax) Sum(y []float64) (float64, error) { return t.sum(y) }

// Stddev returns the standard deviation of the noise in Sum at y.
func (t *Softmax) Stddev(y []float64) (float64, error) { return t.stddev(y) }

// sum is the answer of the one column: of the only copy, or the median of all.
func (r *released) sum(y []float64) (float64, error) {
	if err := r.f.d.checkQuery(y); err != nil {
		return 0, err
	}
	q := r.query()
	defer r.pool.Put(q)
	if _, ok := q.load(r.f.d, y); !ok {
		return math.NaN(), nil
	}
	r.f.adaptive(q)
	return q.medians[0] * r.f.d.Weight, nil
}

func (r *released) stddev(y []float64) (float64, error) {
	if err := r.f.d.checkQuery(y); err != nil {
		return 0, err
	}
	q := r.query()
	defer r.pool.Put(q)
	if _, ok := q.load(r.f.d, y); !ok {
		return 0, fault.Invalid("query has a NaN; it must be numbers")
	}
	return math.Sqrt(r.f.variance(q)) * medianFactor(r.f.d.Copies) * r.f.d.Weight, nil
}
