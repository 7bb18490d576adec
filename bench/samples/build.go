package main

import (
	"dpattn/core"
	"dpattn/core/featuremap"
	"dpattn/core/mechanism"
	"dpattn/core/moment"
	"dpattn/core/noise"
	"dpattn/core/poly"
	"dpattn/core/quant"
	"dpattn/core/tensor"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"strconv"
)

// shape is that of one head.
type shape struct{ d, dv, s int }

// params are bounds of 1 and a largest logit of 1, whose polynomial is of degree s.
func (s shape) params() core.Params {
	return core.Params{KeyDim: s.d, ValueDim: s.dv, Adjacency: core.AddRemove, Mechanism: s.moment()}
}

func (s shape) moment() moment.Params {
	return moment.Params{Degree: s.s, KeyBound: 1, ValueBound: 1, QueryBound: 1, Scale: 1}
}

// features is r.
func (s shape) features() int {
	r, err := poly.Features(s.d, s.s)
	check(err)
	return int(r)
}

// macs is E, the multiply-adds of a row or a query.
func (s shape) macs() float64 { return float64(s.features() * (s.dv + 1)) }

// vectors draws n vectors of norm 0.9.
func vectors(n, dim int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 0))
	out := make([]float32, n*dim)
	v := make([]float64, dim)
	for i := range n {
		sum := 0.0
		for j := range v {
			v[j] = rng.NormFloat64()
			sum += v[j] * v[j]
		}
		for j := range v {
			out[i*dim+j] = float32(0.9 / math.Sqrt(sum) * v[j])
		}
	}
	return out
}

// kept are the inputs of a measurement, which is sampled many times.
var kept = map[request]any{}

// keep returns what prepare made for this request.
func keep[T any](r request, prepare func() T) T {
	r.MS = 0
	if _, ok := kept[r]; !ok {
		kept[r] = prepare()
		runtime.GC()
	}
	return kept[r].(T)
}

// batch is full of quantised rows.
type batch struct {
	sums *moment.Exact
	full *moment.Batch
	rows int
}

// sums measures what the kernels do: feature map, gate and accumulation of rows that are quantised
// already.
func sums(r request) answer {
	s := r.shape()
	b := keep(r, func() *batch { return newBatch(s, r.N) })
	rate := repeat(r.long(), func() float64 {
		b.full.AddTo(b.sums, b.rows)
		return float64(b.rows)
	})
	return answer{"rows_s": rate, "gmac_s": rate * s.macs() / 1e9, "rows": b.rows}
}

// newBatch makes rows as core does: the same polynomial, weights and grids.
func newBatch(s shape, rows int) *batch {
	p := s.moment()
	exp, err := poly.Exp(poly.Minimax, s.s, p.Scale*p.QueryBound*p.KeyBound)
	check(err)
	lambda := int16(math.RoundToEven(math.Pow(float64(s.dv), -0.25) * quant.ValueScale))
	phi := featuremap.NewMonomials(exp, s.d, s.features(), p.Scale, p.KeyBound)
	b := &batch{sums: moment.NewExact(phi, s.dv+1, max(quant.ValueMax, lambda))}
	b.full = b.sums.NewBatch(s.d, rows)
	b.rows = min(rows, b.full.Capacity())
	grid := quant.Grid{KeyBound: p.KeyBound, ValueBound: p.ValueBound, Rotation: quant.NewRotation(s.d)}
	keys, values := vectors(b.rows, s.d, 1), vectors(b.rows, s.dv, 2)
	x, u := make([]int16, s.d), make([]int16, s.dv+1)
	u[s.dv] = lambda
	for i := range b.rows {
		grid.Key(wide(keys[i*s.d:][:s.d]), x)
		grid.Value(wide(values[i*s.dv:][:s.dv]), u[:s.dv])
		b.full.Set(i, x, u)
	}
	return b
}

func wide(v []float32) []float64 {
	out := make([]float64, len(v))
	for i := range v {
		out[i] = float64(v[i])
	}
	return out
}

// input is a Builder and rows for it.
type input struct {
	builder      *core.Builder
	keys, values tensor.Tensor
	added        int
}

func newInput(s shape, rows int) *input {
	return &input{
		keys:   tensor.Of(vectors(rows, s.d, 1), rows, s.d),
		values: tensor.Of(vectors(rows, s.dv, 2), rows, s.dv),
	}
}

// add adds all rows once.
func (in *input) add(s shape) {
	rows := in.keys.Shape[0]
	if in.builder == nil || in.added+rows > mechanism.MaxRows {
		b, err := core.NewBuilder(s.params())
		check(err)
		in.builder, in.added = b, 0
	}
	check(in.builder.Add(0, in.keys, in.values, nil, nil))
	in.added += rows
}

// add measures the whole way of rows of f32 into the sums: Builder.Add.
func add(r request) answer {
	s := r.shape()
	in := keep(r, func() *input { return newInput(s, r.N) })
	rate := repeat(r.long(), func() float64 {
		in.add(s)
		return float64(r.N)
	})
	return answer{"rows_s": rate, "gmac_s": rate * s.macs() / 1e9}
}

// samples measures the exact sampler.
func samples(r request) answer {
	dst := keep(r, func() []int64 { return make([]int64, 1<<18) })
	return answer{"samples_s": repeat(r.long(), func() float64 {
		check(noise.Gaussian(dst, 1<<31, r.Threads))
		return float64(len(dst))
	})}
}

// memory builds the sums of n rows in this process and reports its peak, in bytes, before and
// after. The rows are one row, n times: a stride of 0.
func memory(r request) answer {
	s := r.shape()
	in := newInput(s, 1)
	for _, t := range []*tensor.Tensor{&in.keys, &in.values} {
		t.Shape[0], t.Strides[0] = r.N, 0
	}
	runtime.GC()
	before := peak()
	in.add(s)
	return answer{"before": before, "peak": peak(), "state": 8 * int64(s.macs())}
}

var peakLine = regexp.MustCompile(`VmHWM:\s*(\d+) kB`)

// peak is the most memory that this process ever held, or nil where the kernel does not say.
func peak() any {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil
	}
	found := peakLine.FindSubmatch(status)
	if found == nil {
		return nil
	}
	kb, err := strconv.ParseInt(string(found[1]), 10, 64)
	check(err)
	return kb << 10
}
