package moment

import (
	"math"
	"sync"

	"dpattn/core/featuremap"
	"dpattn/core/mechanism"
	"dpattn/simd"
)

// Public is what a Reader needs besides the state: all of it public.
type Public struct {
	Map        featuremap.Map
	Cols       int     // value_dim + 1
	ValueBound float64 // B_v
	ValueStep  float64 // one integer unit of a value column
	Lambda     int16   // integer weight of the denominator column
	LogitBound float64 // b
	Top        float64 // max(p(b), e^b)
	Sigma      float64 // standard deviation of the noise on each integer
	Rows       uint64  // n where it is public, else 0
}

// Reader answers queries of one head from the noisy state. It is immutable and safe for concurrent
// use. Everything here is post-processing of the release.
type Reader struct {
	Public
	low   float64 // bounds of the denominator
	high  float64
	table featuremap.Table
	pool  sync.Pool // *products
}

// products is the memory of one block of queries: <psi, S_c> of each.
type products struct {
	flat []float64
	rows [][]float64
}

// NewReader makes a Reader from the noisy integers [r, cols] of one head. It keeps each entry in 16
// or 32 bits where that moves it by at most 1 % of the noise, else in f64.
func NewReader(p Public, state []int64) *Reader {
	r := &Reader{Public: p}
	n := float64(p.Rows)
	if p.Rows == 0 {
		n = float64(state[p.Cols-1]) / (float64(p.Map.Constant()) * float64(p.Lambda))
	}
	n = max(n, 1)
	r.low, r.high = n*math.Exp(-p.LogitBound), n*p.Top
	r.table = p.Map.NewTable(state, p.Cols, 0.01*p.Sigma)
	return r
}

// Attend answers up to mechanism.Block rotated queries [d] each, of norm at most the query bound.
// The answers' bits depend neither on threads nor on which queries come together.
func (r *Reader) Attend(queries [][]float64, answers []mechanism.Answer, threads int) {
	w, _ := r.pool.Get().(*products)
	if w == nil {
		w = &products{make([]float64, mechanism.Block*r.Cols), make([][]float64, mechanism.Block)}
	}
	defer r.pool.Put(w)
	rows := w.rows[:len(queries)]
	for i := range rows {
		rows[i] = w.flat[i*r.Cols : (i+1)*r.Cols]
	}
	r.table.Sum(queries, rows, threads)
	for i := range queries {
		r.finish(&answers[i], rows[i], queries[i])
	}
}

// finish turns the sums <psi, S_c> into attention: divide, keep the denominator and the output in
// the sets where every exact answer lies, and predict the error.
func (r *Reader) finish(a *mechanism.Answer, sum, query []float64) {
	last := r.Cols - 1
	denominator := max(r.low, min(r.high, sum[last]/float64(r.Lambda)))
	a.LSE = math.Log(denominator)
	unit := r.ValueStep / denominator
	for c := range a.Out {
		a.Out[c] = sum[c] * unit
	}
	norm2 := simd.Squares(a.Out)
	if norm2 > r.ValueBound*r.ValueBound {
		shrink := r.ValueBound / math.Sqrt(norm2)
		for c := range a.Out {
			a.Out[c] *= shrink
		}
	}
	if a.Stddev == nil {
		return
	}
	// With s = sigma |psi|: numerators carry s * ValueStep, the denominator s / lambda; to first
	// order the quotient has std(out_c) = s/denominator * sqrt(ValueStep^2 + out_c^2/lambda^2).
	s := r.Sigma * math.Sqrt(r.Map.PsiNorm2(query)) / denominator
	for c, o := range a.Out {
		a.Stddev[c] = s * math.Hypot(r.ValueStep, o/float64(r.Lambda))
	}
}
