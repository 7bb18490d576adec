package dptree

import (
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"dpattn/core/fault"
	"dpattn/core/internal/parallel"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
	"dpattn/tests/testkit"
)

// TestBadRows: NaN, Inf, numbers outside of their ranges, 1e308, denormals and minus zero never
// cause an error. Rows with NaN or Inf leave nothing, and each row is counted once.
func TestBadRows(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	p := Params{Adjacency: privacy.AddRemove, Leaves: 8, Range: 2, Weight: 1, Dim: 2, ValueDim: 2, Degree: 2, Copies: 1}
	keys := []float64{1, 1, nan, 1, 1, inf, 1, 1, 3, 1, -1, 1e308, 5e-324, math.Copysign(0, -1), -inf, nan}
	values := []float64{0.5, 0.5, 1, 1, 1, 1, nan, 1, 0.5, 0.5, 2, -1e308, 0, 0, 1, 1}
	b := testkit.Must(NewAttentionBuilder(p))(t)
	if err := b.Add(view(keys, 2), view(values, 2)); err != nil {
		t.Fatal(err)
	}
	if want := (Diagnostics{Rows: 8, PointsClipped: 2, WeightsClipped: 1, RowsZeroed: 4}); b.Diagnostics() != want {
		t.Errorf("counts are %+v; want %+v", b.Diagnostics(), want)
	}
	clean := testkit.Must(NewAttentionBuilder(p))(t)
	good := []float64{1, 1, 2, 1, 0, 2, 0, 0}
	if err := clean.Add(view(good, 2), view([]float64{0.5, 0.5, 0.5, 0.5, 1, -1, 0, 0}, 2)); err != nil {
		t.Fatal(err)
	}
	// Working memory that other rows have used must not shine through.
	rng := testkit.Rand(21)
	many, weights := view(between(rng, 2*600, 0, 2), 2), view(between(rng, 2*600, -1, 1), 2)
	for _, x := range []*AttentionBuilder{b, clean} {
		if err := x.Add(many, weights); err != nil {
			t.Fatal(err)
		}
	}
	nans, ones := slices.Repeat([]float64{1, nan}, 300), slices.Repeat([]float64{1, 1}, 300)
	if err := b.Add(view(nans, 2), view(ones, 2)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(b.s.leaf, clean.s.leaf) || !slices.Equal(b.s.whole, clean.s.whole) {
		t.Error("bad rows leave something, or clipped ones are not what they are clipped to")
	}
}

// TestBadQueries: queries outside of the range are clipped and flagged; NaN gives NaN, or for the
// attention the answer to zero.
func TestBadQueries(t *testing.T) {
	rng := testkit.Rand(18)
	p := Params{Adjacency: privacy.Replace, Leaves: 8, Range: 2, Weight: 1, Dim: 2, ValueDim: 2, Degree: 2, Copies: 2,
		Squared: true}
	points, weights := view(between(rng, 20, 0, 2), 2), view(between(rng, 10, -1, 1), 1)
	h := testkit.Must2(NewHighDim(p, points, &weights, nil, budget, nil))(t)
	s := testkit.Must2(NewSoftmaxAdaptive(p, points, &weights, nil, budget, nil))(t)
	for _, f := range []func([]float64) (float64, error){h.L1, h.L2, s.Sum} {
		inside, err1 := f([]float64{2, 0})
		outside, err2 := f([]float64{math.Inf(1), -7})
		nan, err3 := f([]float64{1, math.NaN()})
		_, short := f([]float64{1})
		if fault.CodeOf(short) != fault.InvalidArgument || err1 != nil || err2 != nil || err3 != nil {
			t.Error(short, err1, err2, err3)
		}
		if inside != outside || !math.IsNaN(nan) {
			t.Errorf("at the corner %v, outside %v, at NaN %v", inside, outside, nan)
		}
	}
	for _, y := range [][]float64{{2, 0}, {math.Inf(1), -7}, {0.3, 1.9}} {
		l1, l2, err := h.Both(y)
		want1, err1 := h.L1(y)
		want2, err2 := h.L2(y)
		if l1 != want1 || l2 != want2 || err != nil || err1 != nil || err2 != nil {
			t.Errorf("both distances of %v are %v and %v, want %v and %v; %v, %v, %v",
				y, l1, l2, want1, want2, err, err1, err2)
		}
	}
	if l1, l2, err := h.Both([]float64{1, math.NaN()}); !math.IsNaN(l1) || !math.IsNaN(l2) || err != nil {
		t.Errorf("both distances of a NaN are %v and %v, %v", l1, l2, err)
	}
	if _, _, err := h.Both(nil); fault.CodeOf(err) != fault.InvalidArgument {
		t.Errorf("both distances of nothing: %v", err)
	}
	plain := p
	plain.Squared = false
	d := testkit.Must2(NewDistance(plain, []float64{1}, nil, nil, budget, nil))(t)
	if !math.IsNaN(d.L2(1)) || !math.IsNaN(d.L1(math.NaN())) || d.L1(-1) != d.L1(0) {
		t.Error("distances without squares, at NaN or outside")
	}
	x := data{points: between(rng, 20, 0, 2), weights: between(rng, 20, -1, 1)}
	a, err := (structure{kindAttention, p}).attention(x, kernelNoise, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, other := make([]float64, 2), make([]float64, 2)
	for _, c := range []struct {
		q, same []float64
		clipped bool
	}{
		{[]float64{2, 0}, []float64{2, 0}, false},
		{[]float64{1e308, -1}, []float64{2, 0}, true},
		{[]float64{1, math.NaN()}, []float64{0, 0}, true},
	} {
		answer, err := a.Attend(c.q, out)
		want, err2 := a.Attend(c.same, other)
		if err != nil || err2 != nil || answer.Clipped != c.clipped || answer.Normaliser != want.Normaliser ||
			!slices.Equal(out, other) {
			t.Errorf("query %v: %+v, %v, %v; want that of %v", c.q, answer, err, out, c.same)
		}
		if !c.clipped {
			if again := a.AttendClipped(c.q, other); again != answer || !slices.Equal(out, other) {
				t.Errorf("query %v: %+v, %v once clipped; want %+v, %v", c.q, again, other, answer, out)
			}
		}
		for _, v := range out {
			if !(math.Abs(v) <= 1) {
				t.Errorf("query %v: an output is %v", c.q, v)
			}
		}
	}
	for _, err := range []error{
		second(a.Attend(nil, out)), second(a.Attend([]float64{1, 1}, out[:1])),
		second(a.Sums([]float64{1, 1}, out)), second(a.Sums([]float64{1}, make([]float64, 3))),
	} {
		if fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("a wrong length is %v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestParams: each wrong parameter is named, with what it was and what it must be.
func TestParams(t *testing.T) {
	good := Params{Adjacency: privacy.AddRemove, Leaves: 8, Range: 1, Weight: 1, Dim: 2, ValueDim: 2, Degree: 2,
		Copies: 2}
	for want, change := range map[string]func(p *Params){
		"params.adjacency is 0":                     func(p *Params) { p.Adjacency = 0 },
		"params.adjacency is 3":                     func(p *Params) { p.Adjacency = 3 },
		"params.leaves is 0 (the default":           func(p *Params) { p.Leaves = 0 },
		"params.leaves is -1":                       func(p *Params) { p.Leaves = -1 },
		"params.leaves is 1048577":                  func(p *Params) { p.Leaves = 1<<20 + 1 },
		"params.rows is -1":                         func(p *Params) { p.Rows = -1 },
		"params.owner_rows is -1":                   func(p *Params) { p.OwnerRows = -1 },
		"params.dim is 0":                           func(p *Params) { p.Dim = 0 },
		"params.value_dim is 0":                     func(p *Params) { p.ValueDim = 0 },
		"params.degree is 9":                        func(p *Params) { p.Degree = 9 },
		"params.copies is -1":                       func(p *Params) { p.Copies = -1 },
		"params.range is 0":                         func(p *Params) { p.Range = 0 },
		"params.range is NaN":                       func(p *Params) { p.Range = math.NaN() },
		"params.range is 9; its square":             func(p *Params) { p.Range = 9 },
		"params.weight is -1":                       func(p *Params) { p.Weight = -1 },
		"params.weight is +Inf":                     func(p *Params) { p.Weight = math.Inf(1) },
		"params.relative_error is 0":                func(p *Params) { p.Degree = 0 },
		"params.relative_error is 1":                func(p *Params) { p.Copies, p.RelativeError = 0, 1 },
		"params.relative_error is 1e-12; on logits": func(p *Params) { p.Degree, p.RelativeError = 0, 1e-12 },
		"params.failure_probability is 0":           func(p *Params) { p.Copies, p.RelativeError = 0, 0.1 },
		"params.failure_probability is NaN": func(p *Params) {
			p.Copies, p.RelativeError, p.FailureProbability = 0, 0.1, math.NaN()
		},
		"params.copy_factor is -1": func(p *Params) {
			p.Copies, p.RelativeError, p.FailureProbability, p.CopyFactor = 0, 0.1, 0.1, -1
		},
		"params: copy_factor*r*ln(dim*range/(relative_error": func(p *Params) {
			p.Copies, p.RelativeError, p.FailureProbability, p.CopyFactor = 0, 0.1, 0.1, 1e6
		},
		"params: dim 60000 and degree 8": func(p *Params) { p.Dim, p.Degree = 60000, 8 },
	} {
		p := good
		change(&p)
		b, err := NewAttentionBuilder(p)
		if err == nil || b != nil || !strings.Contains(err.Error(), want) || fault.CodeOf(err) == fault.Internal {
			t.Errorf("%s: %v", want, err)
		}
	}
	if b, err := NewAttentionBuilder(good); err != nil || b.Params() != good {
		t.Errorf("good parameters: %v", err)
	}
	// The grid's default is the declared number of rows.
	p := good
	p.Leaves, p.Rows = 0, 77
	if b, err := NewAttentionBuilder(p); err != nil || b.Params().Leaves != 77 {
		t.Errorf("leaves by default: %+v, %v", b.Params(), err)
	}
}

// TestTooLarge: what does not fit is refused before it is made, with the figures and with what
// would fit; and Estimate says the same.
func TestTooLarge(t *testing.T) {
	p := Params{Adjacency: privacy.AddRemove, Rows: 1 << 20, Range: 1, Weight: 1, Dim: 8, ValueDim: 64, Degree: 4,
		RelativeError: 0.1, FailureProbability: 1e-3}
	b, err := NewAttentionBuilder(p)
	if b != nil || fault.CodeOf(err) != fault.OutOfMemory || !strings.Contains(err.Error(), "would fit") ||
		!strings.Contains(err.Error(), "495 coordinates and 1048576 leaves") {
		t.Errorf("a giant release: %v", err)
	}
	e, err := Estimate(p, budget)
	if err == nil && e.Fits {
		t.Errorf("a giant release fits: %+v", e)
	}
	p.Leaves, p.Copies = 256, 1
	e, err = Estimate(p, budget)
	if err != nil || !e.Fits || e.Features != 495 || e.Levels != 9 || e.Mechanisms != 65*(495*9*3+2) ||
		e.Numbers != 65*(495*511*3+2) || e.Bytes != 8*e.Numbers || !(e.InitSeconds > 0) {
		t.Errorf("%+v, %v", e, err)
	}
	for _, c := range []struct {
		change func(p *Params)
		want   string
	}{
		{func(p *Params) { p.Copies = 1 << 24 }, "; copies = "},
		{func(p *Params) { p.ValueDim, p.Leaves = 1<<16, 1<<20 }, "; copies = 1 with leaves = "},
		{func(p *Params) { p.Dim, p.ValueDim = 60, 1<<16 }, "; no number of leaves would fit"},
	} {
		q := p
		c.change(&q)
		if b, err := NewAttentionBuilder(q); b != nil || fault.CodeOf(err) != fault.OutOfMemory ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("want %q: %v", c.want, err)
		}
	}
}

// TestBadCalls: shapes, owners, budgets, and builders that are spent.
func TestBadCalls(t *testing.T) {
	rng := testkit.Rand(19)
	p := Params{Adjacency: privacy.AddRemove, Leaves: 8, Range: 1, Weight: 1, Dim: 2, ValueDim: 2, Degree: 2, Copies: 1}
	owned := p
	owned.OwnerRows = 2
	keys, values := view(between(rng, 20, 0, 1), 2), view(between(rng, 20, -1, 1), 2)
	builder := func(p Params) *AttentionBuilder {
		b := testkit.Must(NewAttentionBuilder(p))(t)
		return b
	}
	b, o := builder(p), builder(owned)
	spent := builder(p)
	spent.Wipe()
	for i, c := range []struct {
		err  error
		code fault.Code
	}{
		{b.Add(view(make([]float64, 20), 4), values), fault.InvalidArgument},
		{b.Add(keys, view(make([]float64, 10), 1)), fault.InvalidArgument},
		{b.Add(keys, view(make([]float64, 18), 2)), fault.InvalidArgument},
		{b.Add(tensor.Tensor{}, values), fault.InvalidArgument},
		{b.AddRounded(make([]int16, 5)), fault.InvalidArgument},
		{b.AddRounded([]int16{-1, 0, 0, 0}), fault.InvalidArgument},
		{b.AddRounded([]int16{0, 0, 0, weightOne + 1}), fault.InvalidArgument},
		{b.Merge(b), fault.InvalidArgument},
		{b.Merge(o), fault.Mismatch},
		{b.Merge(spent), fault.Consumed},
		{o.Add(keys, values), fault.InvalidArgument},
		{o.AddRounded(make([]int16, 12)), fault.InvalidArgument},
		{spent.Add(keys, values), fault.Consumed},
		{spent.AddRounded(nil), fault.Consumed},
		{second(spent.Release(budget, nil)), fault.Consumed},
		{second(b.Release(privacy.Budget{}, nil)), fault.InvalidArgument},
		{second(b.Release(privacy.Budget{Epsilon: 1e-12, Delta: 1e-6}, nil)), fault.Limit},
		{second(b.Release(privacy.Budget{Epsilon: math.NaN(), Delta: 1e-6}, nil)), fault.InvalidArgument},
		{third(NewTree(p, []int{1}, []float64{1, 2}, nil, budget, nil)), fault.InvalidArgument},
		{third(NewTree(p, nil, []float64{1, 2}, []uint64{1, 2}, budget, nil)), fault.InvalidArgument},
		{third(NewTree(owned, nil, []float64{1, 2}, []uint64{1}, budget, nil)), fault.InvalidArgument},
		{third(NewTree(owned, nil, []float64{1, 2}, nil, budget, nil)), fault.InvalidArgument},
		{third(NewDistance(p, []float64{1}, []float64{1, 2}, nil, budget, nil)), fault.InvalidArgument},
		{third(NewDistance(owned, []float64{1}, nil, nil, budget, nil)), fault.InvalidArgument},
		{third(NewHighDim(p, tensor.Tensor{}, nil, nil, budget, nil)), fault.InvalidArgument},
		{third(NewSoftmax(p, keys, &values, nil, budget, nil)), fault.InvalidArgument},
	} {
		if fault.CodeOf(c.err) != c.code {
			t.Errorf("call %d: %v, want code %d", i, c.err, c.code)
		}
	}
	if b.s.rows != 0 || !zero(b.s.leaf) {
		t.Error("a refused call left rows")
	}
	tree := testkit.Must2(NewTree(p, nil, nil, nil, budget, nil))(t) // no values at all
	for _, r := range [][2]int{{-1, 2}, {0, 9}, {5, 4}} {
		if _, _, err := tree.Query(r[0], r[1]); fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("range %v: %v", r, err)
		}
	}
	if v, std, err := tree.Query(3, 3); v != 0 || std != 0 || err != nil {
		t.Errorf("an empty range is %v with noise of %v, %v", v, std, err)
	}
}

func third[T, U any](_ T, _ U, err error) error { return err }

// TestOwners: the first OwnerRows rows of each owner count, wherever the others' rows lie.
func TestOwners(t *testing.T) {
	p := Params{Adjacency: privacy.AddRemove, OwnerRows: 2, Leaves: 4, Weight: 8}
	tree, counts, err := newTree(p, []int{0, 1, 2, 3, 0, 1}, []float64{1, 2, 4, 1, 2, 4}, []uint64{7, 8, 7, 7, 7, 8},
		budget, noNoise, nil)
	if err != nil || counts != (Diagnostics{Rows: 6, RowsDropped: 2}) {
		t.Fatal(counts, err)
	}
	for i, want := range []float64{1, 6, 4, 0} {
		if got, _, err := tree.Query(i, i+1); got != want || err != nil {
			t.Errorf("leaf %d is %v, %v; want %v", i, got, err, want)
		}
	}
	d, counts, err := newDistance(Params{Adjacency: privacy.Replace, OwnerRows: 1, Leaves: 4, Range: 4, Weight: 1},
		[]float64{0.5, 2.5, 3.5}, nil, []uint64{1, 1, 2}, budget, noNoise, nil)
	if err != nil || counts != (Diagnostics{Rows: 3, RowsDropped: 1}) {
		t.Fatal(counts, err)
	}
	within(t, "l1", d.L1(0), 4, 1e-5)
}

// TestMedian: the answer is the median of the copies' own answers, for odd and even numbers of
// them.
func TestMedian(t *testing.T) {
	y := []float64{0.4, 0.8}
	for _, copies := range []int{1, 2, 3, 4, 7} {
		p := Params{Adjacency: privacy.AddRemove, Leaves: 4, Range: 1, Weight: 3, Dim: 2, Degree: 1, Copies: copies}
		s := testkit.Must2(NewSoftmaxAdaptive(p, view(y, 2), nil, nil, budget, nil))(t)
		q := s.query()
		q.load(s.f.d, y)
		s.f.softmax(q)
		var each []float64
		for _, v := range q.answers {
			each = append(each, 3*v)
		}
		slices.Sort(each)
		want := each[copies/2]
		if copies%2 == 0 {
			want = (each[copies/2-1] + each[copies/2]) / 2
		}
		got, err := s.Sum(y)
		if err != nil || !(math.Abs(got-want) <= 1e-9*math.Abs(want)) || copies > 1 && each[0] == each[1] {
			t.Errorf("%d copies: %v, %v; want %v of %v", copies, got, err, want, each)
		}
	}
}

// TestThreads: the numbers do not depend on how many goroutines add them up, and answers not on who
// else asks.
func TestThreads(t *testing.T) {
	defer parallel.SetThreads(0)
	rng := testkit.Rand(22)
	p := Params{Adjacency: privacy.AddRemove, Leaves: 300, Range: 1, Weight: 1, Dim: 3, ValueDim: 2, Degree: 2,
		Copies: 3}
	b := testkit.Must(NewAttentionBuilder(p))(t)
	if err := b.Add(view(between(rng, 3*500, 0, 1), 3), view(between(rng, 2*500, -1, 1), 2)); err != nil {
		t.Fatal(err)
	}
	var want [][]int64
	for _, threads := range []int{1, 2, 5} {
		parallel.SetThreads(threads)
		f := testkit.Must(b.s.release(budget, noNoise, nil))(t)
		if want == nil {
			want = f.numbers
		}
		if !slices.EqualFunc(f.numbers, want, slices.Equal) {
			t.Errorf("%d threads: other numbers", threads)
		}
	}
	a := testkit.Must(b.Release(budget, nil))(t)
	queries := between(rng, 3*50, 0, 1)
	answers := func() (list []float64) {
		for i := range 50 {
			out := make([]float64, 2)
			v, err := a.Attend(queries[3*i:3*i+3], out)
			if err != nil {
				t.Error(err)
			}
			list = append(list, append(out, v.Normaliser, v.Stddev)...)
		}
		return list
	}
	alone := answers()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if !slices.Equal(answers(), alone) {
				t.Error("answers differ when others ask")
			}
		})
	}
	all.Wait()
}

// TestNoAllocations: a query allocates nothing.
func TestNoAllocations(t *testing.T) {
	p := Params{Adjacency: privacy.Replace, Leaves: 16, Range: 1, Weight: 1, Dim: 2, ValueDim: 40, Degree: 2,
		Copies: 5, Squared: true}
	y := []float64{0.5, 0.25}
	h := testkit.Must2(NewHighDim(p, view(y, 2), nil, nil, budget, nil))(t)
	d := testkit.Must2(NewDistance(p, y, nil, nil, budget, nil))(t)
	s := testkit.Must2(NewSoftmaxAdaptive(p, view(y, 2), nil, nil, budget, nil))(t)
	b := testkit.Must(NewAttentionBuilder(p))(t)
	a := testkit.Must(b.Release(budget, nil))(t)
	sums, out := make([]float64, 41), make([]float64, 40)
	r := testkit.Must2(NewTree(p, nil, y, nil, budget, nil))(t)
	for name, ask := range map[string]func() error{
		"l1":       func() error { return second(h.L1(y)) },
		"l2":       func() error { return second(h.L2(y)) },
		"both":     func() error { return third(h.Both(y)) },
		"distance": func() error { d.L1(0.5); d.L2(0.5); return nil },
		"sum":      func() error { return second(s.Sum(y)) },
		"stddev":   func() error { return second(s.Stddev(y)) },
		"sums":     func() error { return second(a.Sums(y, sums)) },
		"attend":   func() error { return second(a.Attend(y, out)) },
		"clipped":  func() error { a.AttendClipped(y, out); return nil },
		"tree":     func() error { return third(r.Query(3, 14)) },
	} {
		n := testing.AllocsPerRun(200, func() {
			if err := ask(); err != nil {
				t.Fatal(err)
			}
		})
		if n >= 1 { // a garbage collection may empty the pool once
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestMergeAndOrder: any order, chunks and shards give the same sums, and so does AddRounded.
func TestMergeAndOrder(t *testing.T) {
	rng := testkit.Rand(20)
	const n, dim, cols = 700, 3, 2
	for _, noTrees := range []bool{false, true} {
		p := Params{Adjacency: privacy.AddRemove, Leaves: 50, Range: 1, Weight: 1, Dim: dim, ValueDim: cols,
			Degree: 3, Copies: 1, NoTrees: noTrees}
		keys, values := between(rng, n*dim, 0, 1), between(rng, n*cols, -1, 1)
		whole, err := NewAttentionBuilder(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := whole.Add(view(keys, dim), view(values, cols)); err != nil {
			t.Fatal(err)
		}
		shards := make([]*AttentionBuilder, 4)
		for i := range shards {
			if shards[i], err = whole.d.newBuilder(); err != nil {
				t.Fatal(err)
			}
		}
		for _, i := range rng.Perm(n) {
			k, v := keys[i*dim:(i+1)*dim], values[i*cols:(i+1)*cols]
			b := shards[rng.IntN(len(shards))]
			if rng.IntN(2) == 0 {
				err = b.Add(view(k, dim), view(v, cols))
			} else {
				row := make([]int16, dim+cols)
				b.d.round(k, v, row)
				err = b.AddRounded(row)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, b := range shards[1:] {
			if err := shards[0].Merge(b); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(shards[0].s.leaf, whole.s.leaf) || !slices.Equal(shards[0].s.whole, whole.s.whole) ||
			shards[0].s.rows != n {
			t.Error("the sums depend on order or chunks")
		}
	}
}

// TestStddev: the predicted standard deviation against that of n releases. The standard error of a
// sample deviation is sqrt((kurtosis - 1)/(4n)), for n = 4,000 at most 0.0132 for the sum of four
// Laplace numbers and 0.0177 for any sum of them. Five of them are passed with a chance below 1e-6.
// For the median of three the factor is that of a large number of normal numbers, 8 % above the
// true one, and more above that of Laplace numbers.
func TestStddev(t *testing.T) {
	n := testkit.Size(4_000, 100_000)
	p := Params{Adjacency: privacy.AddRemove, Leaves: 8, Range: 1, Weight: 2, Dim: 2, ValueDim: 1, Degree: 2, Copies: 1}
	y := []float64{0.9, 0.6}
	linear, three := p, p
	linear.NoTrees, three.Copies = true, 3
	check := func(name string, slack float64, sample func() (v, std float64)) {
		sum, squares, want := 0.0, 0.0, 0.0
		for range n {
			v, std := sample()
			sum, squares, want = sum+v, squares+v*v, std
		}
		got := math.Sqrt((squares - sum*sum/float64(n)) / float64(n-1))
		if t.Logf("%s: predicted/measured %.3f", name, want/got); math.Abs(want/got-1) > slack {
			t.Errorf("%s: predicted %v, measured %v", name, want, got)
		}
	}
	sumsOf := func(k kind, p Params) *sums {
		return testkit.Must(testkit.Must(newDesign(k, p))(t).newSums())(t)
	}
	s := sumsOf(kindTree, p)
	s.addValues(nil, []float64{1, 2}, func(int) bool { return true })
	release := releases(t, s, budget)
	check("tree", 0.066, func() (float64, float64) {
		v, std, err := (&Tree{release()}).Query(1, 7)
		if err != nil {
			t.Fatal(err)
		}
		return v, std
	})
	for name, c := range map[string]struct {
		p     Params
		slack float64
	}{"softmax": {p, 0.089}, "linear": {linear, 0.089}, "median": {three, 0.2}} {
		s, key := sumsOf(kindAdaptive, c.p), view(y, 2)
		s.addRows(1, 1, s.d.rowsOf(1, &key, nil))
		release := releases(t, s, budget)
		check(name, c.slack, func() (float64, float64) {
			r := &SoftmaxAdaptive{release()}
			return testkit.Must(r.Sum(y))(t), testkit.Must(r.Stddev(y))(t)
		})
	}
	// The estimator's noise is that of the largest query.
	e, err := Estimate(p, budget)
	r := testkit.Must2(NewSoftmax(p, view(y, 2), nil, nil, budget, nil))(t)
	if std, err2 := r.Stddev([]float64{1, 1}); err != nil || err2 != nil || !(e.SumStddev*2 > std) {
		t.Errorf("estimate %v, one column alone %v; %v, %v", e.SumStddev*2, std, err, err2)
	}
}

// The number of threads may change at any time, in the middle of an Add too; working memory that is
// too small then is wiped before it goes.
func TestThreadsChange(t *testing.T) {
	defer parallel.SetThreads(0)
	rng := testkit.Rand(23)
	p := Params{Adjacency: privacy.AddRemove, Leaves: 8, Range: 1, Weight: 1, Dim: 3, ValueDim: 2, Degree: 2, Copies: 1}
	b := testkit.Must(NewAttentionBuilder(p))(t)
	keys, values := view(between(rng, 3*300, 0, 1), 3), view(between(rng, 2*300, -1, 1), 2)
	add := func() {
		if err := b.Add(keys, values); err != nil {
			t.Fatal(err)
		}
	}
	parallel.SetThreads(1)
	add()
	old := b.s.batch
	parallel.SetThreads(4)
	add()
	if b.s.batch == old {
		t.Fatal("one thread's working memory serves four")
	}
	if slices.Max(old.rows) != 0 || slices.Max(old.leaves) != 0 || slices.Max(old.norm) != 0 ||
		slices.Max(old.mono) != 0 {
		t.Error("rows are left in working memory that was given up")
	}
	var end atomic.Bool
	done := make(chan bool)
	go func() {
		for !end.Load() {
			parallel.SetThreads(1)
			parallel.SetThreads(8)
		}
		close(done)
	}()
	for range testkit.Size(500, 5000) {
		add()
	}
	end.Store(true)
	<-done
	if _, err := b.Release(budget, nil); err != nil {
		t.Fatal(err)
	}
}
