package core

import (
	"dpattn/core/fault"
	"dpattn/core/internal/parallel"
	"dpattn/core/moment"
	"dpattn/core/tensor"
	"math"
	"sync/atomic"
)

// Attend answers queries [m, d] (one head) or [heads, m, d] into out [.., m, d_v] and, where not nil, lse [.., m, 1] (natural log of the
// denominator) and stddev (shaped as out: the predicted standard deviation of the noise in out). Queries longer than QueryBound are scaled to
// it, and the answers to queries with NaN or Inf are NaN; clipped counts both.
func (r *Release) Attend(queries, out tensor.Tensor, lse, stddev *tensor.Tensor) (clipped uint64, err error) {
	m, err := r.checkAttend(&queries, &out, lse, stddev)
	if err != nil || m == 0 {
		return 0, err
	}
	blocks := (m + moment.Block - 1) / moment.Block
	tasks := r.design.Heads * blocks
	// Many blocks run side by side; few blocks use the threads inside.
	outer, inner := 1, parallel.Threads()
	if tasks >= inner {
		outer, inner = inner, 1
	}
	var count atomic.Uint64
	parallel.DoN(outer, tasks, func(_, i int) {
		h, lo := i/blocks, i%blocks*moment.Block
		hi := min(lo+moment.Block, m)
		a := r.newAnswers(h, hi-lo, stddev != nil)
		a.load(queries.Head(h).Rows(lo, hi))
		r.readers[h].Attend(a.queries, a.answers, inner)
		view := func(t *tensor.Tensor) *tensor.Tensor {
			if t == nil {
				return nil
			}
			part := t.Head(h).Rows(lo, hi)
			return &part
		}
		a.store(view(&out), view(lse), view(stddev))
		count.Add(a.clipped)
	})
	return count.Load(), nil
}

// checkAttend checks shapes and returns the number of queries a head.
func (r *Release) checkAttend(queries, out, lse, stddev *tensor.Tensor) (int, error) {
	d := r.design
	if err := queries.Check("queries"); err != nil {
		return 0, err
	}
	ndim := queries.NDim
	if ndim == 2 && d.Heads != 1 {
		return 0, fault.Invalid("queries.ndim is 2; with %d heads it must be 3", d.Heads)
	}
	if ndim == 3 && queries.Shape[0] != d.Heads {
		return 0, fault.Invalid("queries.shape[0] is %d; it must be heads = %d", queries.Shape[0], d.Heads)
	}
	if queries.Shape[ndim-1] != d.KeyDim {
		return 0, fault.Invalid("queries.shape[%d] is %d; it must be key_dim = %d", ndim-1, queries.Shape[ndim-1], d.KeyDim)
	}
	want := queries.Shape
	for _, o := range []struct {
		name string
		t    *tensor.Tensor
		dim  int
	}{{"out", out, d.ValueDim}, {"lse", lse, 1}, {"stddev", stddev, d.ValueDim}} {
		if o.t == nil {
			continue
		}
		if err := o.t.CheckOutput(o.name); err != nil {
			return 0, err
		}
		want[ndim-1] = o.dim
		if o.t.NDim != ndim || o.t.Shape != want {
			return 0, fault.Invalid("%s.shape is %v; it must be %v, like queries", o.name, o.t.Shape[:o.t.NDim], want[:ndim])
		}
	}
	return queries.Shape[ndim-2], nil
}

// answers is one block of queries of one head on its way through.
type answers struct {
	release *Release
	queries [][]float64 // rotated, within the query bound
	answers []moment.Answer
	shift   []float64 // scale*<q, centre>, which centring the keys took out of the logits; NaN marks a query with NaN or Inf
	center  []float64
	clipped uint64
}

func (r *Release) newAnswers(h, n int, stddev bool) *answers {
	d := r.design
	a := &answers{release: r, queries: make([][]float64, n), answers: make([]moment.Answer, n), shift: make([]float64, n), center: d.center(h)}
	for i := range a.queries {
		a.queries[i] = make([]float64, d.KeyDim)
		a.answers[i].Out = make([]float64, d.ValueDim)
		if stddev {
			a.answers[i].Stddev = make([]float64, d.ValueDim)
		}
	}
	return a
}

// load reads, clips and rotates the queries.
func (a *answers) load(view tensor.Tensor) {
	d := a.release.design
	for i, q := range a.queries {
		view.LoadRow(i, q)
		length := norm(q)
		switch {
		case !(length <= math.MaxFloat64): // NaN or Inf
			a.clipped++
			a.shift[i] = math.NaN()
			clear(q)
			continue
		case length > d.QueryBound:
			a.clipped++
			for j := range q {
				q[j] = q[j] / length * d.QueryBound
			}
		}
		for j, c := range a.center {
			a.shift[i] += d.Scale * q[j] * c
		}
		if d.rotation != nil {
			d.rotation.Apply(q)
		}
	}
}

// norm is the Euclidean length; finite vectors longer than the largest float count as not finite.
func norm(q []float64) float64 {
	sum := 0.0
	for _, v := range q {
		sum += v * v
	}
	if sum >= 1e-200 && sum <= 1e200 || sum != sum {
		return math.Sqrt(sum)
	}
	length := 0.0 // squares may have over- or underflown
	for _, v := range q {
		length = math.Hypot(length, v)
	}
	return length
}

// store writes the answers.
func (a *answers) store(out, lse, stddev *tensor.Tensor) {
	for i := range a.answers {
		ans := &a.answers[i]
		sum := [1]float64{math.Log(ans.Denominator) + a.shift[i]}
		if sum[0] != sum[0] {
			fill(ans.Out, math.NaN())
			fill(ans.Stddev, math.NaN())
		}
		out.StoreRow(i, ans.Out)
		if lse != nil {
			lse.StoreRow(i, sum[:])
		}
		if stddev != nil {
			stddev.StoreRow(i, ans.Stddev)
		}
	}
}

func fill(dst []float64, v float64) {
	for i := range dst {
		dst[i] = v
	}
}
