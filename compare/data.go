package main

import (
	"math"
	"math/rand/v2"

	"dpattn/core/tensor"
)

// rows are private keys and values and public queries; entries of keys and queries are uniform in
// [0, R], of values in [-R_w, R_w]. They are made up and the same in every run.
type rows struct {
	n, d, dv                int
	r, rw                   float64
	keys, values, queries   []float64
	outs, sums, normalisers []float64 // exact attention: [m, dv], [m, dv], [m]
}

// queries is how many queries errors are taken over.
const queries = 100

func makeRows(n, d, dv int, r, rw float64) *rows {
	g := rand.New(rand.NewPCG(uint64(n), uint64(d)<<32|uint64(dv)))
	draw := func(count int, lo, hi float64) []float64 {
		out := make([]float64, count)
		for i := range out {
			out[i] = lo + (hi-lo)*g.Float64()
		}
		return out
	}
	x := &rows{n: n, d: d, dv: dv, r: r, rw: rw}
	x.keys, x.values, x.queries = draw(n*d, 0, r), draw(n*dv, -rw, rw), draw(queries*d, 0, r)
	x.exact()
	return x
}

// exact is attention with logits <q, k>/d.
func (x *rows) exact() {
	x.outs, x.sums = make([]float64, queries*x.dv), make([]float64, queries*x.dv)
	x.normalisers = make([]float64, queries)
	for i := range queries {
		q, sums := x.queries[i*x.d:(i+1)*x.d], x.sums[i*x.dv:(i+1)*x.dv]
		for j := range x.n {
			logit := 0.0
			for c, k := range x.keys[j*x.d : (j+1)*x.d] {
				logit += q[c] * k
			}
			w := math.Exp(logit / float64(x.d))
			x.normalisers[i] += w
			for c, v := range x.values[j*x.dv : (j+1)*x.dv] {
				sums[c] += w * v
			}
		}
		for c, s := range sums {
			x.outs[i*x.dv+c] = s / x.normalisers[i]
		}
	}
}

func (x *rows) keyView() tensor.Tensor   { return tensor.Of(x.keys, x.n, x.d) }
func (x *rows) valueView() tensor.Tensor { return tensor.Of(x.values, x.n, x.dv) }
func (x *rows) queryView() tensor.Tensor { return tensor.Of(x.queries, queries, x.d) }

// difference is the largest and the mean distance of two lists.
func difference(a, b []float64) (most, mean float64) {
	for i, v := range a {
		e := math.Abs(v - b[i])
		most, mean = max(most, e), mean+e/float64(len(a))
	}
	return most, mean
}
