package core

import (
	"math"
	"sync/atomic"

	"dpattn/core/fault"
	"dpattn/core/internal/parallel"
	"dpattn/core/mechanism"
	"dpattn/core/tensor"
)

// Attend answers queries [m, d] (one head) or [heads, m, d] into out [.., m, d_v] and, where not
// nil, lse [.., m, 1] (natural log of the denominator) and stddev (shaped as out: the predicted
// standard deviation of the noise in out). Queries longer than QueryBound are scaled to it, and the
// answers to queries with NaN or Inf are NaN; clipped counts both.
func (r *Release) Attend(queries, out tensor.Tensor, lse, stddev *tensor.Tensor) (clipped uint64, err error) {
	return r.attend(0, r.mechanism.Params().Heads, queries, out, lse, stddev)
}

// AttendHead is Attend for head h alone, as if the release had no other, so that callers with
// threads of their own may share out heads.
func (r *Release) AttendHead(
	h int,
	queries, out tensor.Tensor,
	lse, stddev *tensor.Tensor,
) (clipped uint64, err error) {
	if heads := r.mechanism.Params().Heads; h < 0 || h >= heads {
		return 0, fault.Invalid("head is %d; it must be 0..%d", h, heads-1)
	}
	return r.attend(h, 1, queries, out, lse, stddev)
}

// attend answers for the given number of heads from first on.
func (r *Release) attend(
	first, heads int,
	queries, out tensor.Tensor,
	lse, stddev *tensor.Tensor,
) (clipped uint64, err error) {
	m, err := r.checkAttend(heads, &queries, &out, lse, stddev)
	if err != nil || m == 0 {
		return 0, err
	}
	threads := parallel.Threads()
	b := blocks{first: first, m: m, size: mechanism.Block}
	if threads > 1 {
		// Blocks have nothing to tell each other, so that is how threads share queries, as long as
		// each has as many as are answered side by side.
		share := (heads*m + threads - 1) / threads
		b.size = min(b.size, (share+leastShare-1)/leastShare*leastShare)
	}
	b.count = (m + b.size - 1) / b.size
	if tasks := heads * b.count; tasks < threads || tasks == 1 || threads == 1 {
		// Few blocks use the threads inside.
		for i := range tasks {
			clipped += r.block(b, i, &queries, &out, lse, stddev, threads)
		}
		return clipped, nil
	}
	return r.inParallel(b, heads*b.count, &queries, &out, lse, stddev), nil
}

// blocks says how a call's queries are shared out: count blocks a head, of size queries, m in all,
// for the heads from first on.
type blocks struct{ first, m, size, count int }

// leastShare is how many queries are worth a thread.
const leastShare = 16

// short bounds the calls that do not wake threads, in bytes of state for all their queries: a
// millisecond's work.
const short = 1 << 30

// call is one call of Attend whose blocks are answered side by side. It is used again, so that
// what its goroutines share costs no allocation.
type call struct {
	release               *Release
	blocks                blocks
	queries, out          tensor.Tensor
	lse, stddev           tensor.Tensor
	wantsLSE, wantsSpread bool
	clipped               atomic.Uint64
	task                  func(worker, i int)
}

func (r *Release) newCall() *call {
	c := &call{release: r}
	c.task = func(_, i int) {
		var lse, stddev *tensor.Tensor
		if c.wantsLSE {
			lse = &c.lse
		}
		if c.wantsSpread {
			stddev = &c.stddev
		}
		c.clipped.Add(c.release.block(c.blocks, i, &c.queries, &c.out, lse, stddev, 1))
	}
	return c
}

// inParallel answers many blocks in parallel.
func (r *Release) inParallel(b blocks, tasks int, queries, out *tensor.Tensor, lse, stddev *tensor.Tensor) uint64 {
	c, _ := r.calls.Get().(*call)
	if c == nil {
		c = r.newCall()
	}
	defer r.calls.Put(c)
	c.blocks, c.queries, c.out = b, *queries, *out
	if c.wantsLSE = lse != nil; c.wantsLSE {
		c.lse = *lse
	}
	if c.wantsSpread = stddev != nil; c.wantsSpread {
		c.stddev = *stddev
	}
	c.clipped.Store(0)
	do := parallel.DoN
	if r.mechanism.StateBytes() < short/uint64(b.m) {
		do = parallel.Near
	}
	do(parallel.Threads(), tasks, c.task)
	// The caller's memory is not ours any longer.
	c.queries, c.out, c.lse, c.stddev = tensor.Tensor{}, tensor.Tensor{}, tensor.Tensor{}, tensor.Tensor{}
	return c.clipped.Load()
}

// block answers the queries of one block.
func (r *Release) block(b blocks, i int, queries, out, lse, stddev *tensor.Tensor, threads int) (clipped uint64) {
	a, _ := r.pool.Get().(*answers)
	if a == nil {
		a = r.newAnswers()
	}
	defer r.pool.Put(a)
	h, lo := i/b.count, i%b.count*b.size
	hi := min(lo+b.size, b.m)
	a.begin(r, b.first+h, hi-lo, stddev != nil)
	a.load(queries.Head(h).Rows(lo, hi))
	r.state.Attend(b.first+h, a.queries, a.answers, threads)
	a.store(out, lse, stddev, h, lo, hi)
	return a.clipped
}

// checkAttend checks shapes, for so many heads, and returns the number of queries a head.
func (r *Release) checkAttend(heads int, queries, out, lse, stddev *tensor.Tensor) (int, error) {
	d := r.mechanism.Params()
	if err := queries.Check("queries"); err != nil {
		return 0, err
	}
	ndim := queries.NDim
	if ndim == 2 && heads != 1 {
		return 0, fault.Invalid("queries.ndim is 2; with %d heads it must be 3", heads)
	}
	if ndim == 3 && queries.Shape[0] != heads {
		return 0, fault.Invalid("queries.shape[0] is %d; it must be heads = %d", queries.Shape[0], heads)
	}
	if queries.Shape[ndim-1] != d.KeyDim {
		return 0, fault.Invalid("queries.shape[%d] is %d; it must be key_dim = %d", ndim-1, queries.Shape[ndim-1],
			d.KeyDim)
	}
	for _, err := range [...]error{
		checkOutput("out", out, queries, d.ValueDim), checkOutput("lse", lse, queries, 1),
		checkOutput("stddev", stddev, queries, d.ValueDim),
	} {
		if err != nil {
			return 0, err
		}
	}
	return queries.Shape[ndim-2], nil
}

// checkOutput checks an output, if it is wanted, that has dim numbers for each query.
func checkOutput(name string, t, queries *tensor.Tensor, dim int) error {
	if t == nil {
		return nil
	}
	if err := t.CheckOutput(name); err != nil {
		return err
	}
	want := queries.Shape
	want[queries.NDim-1] = dim
	if t.NDim != queries.NDim || t.Shape != want {
		return wrongShape(name, t.Shape, t.NDim, want, queries.NDim)
	}
	return nil
}

// wrongShape takes its arguments by value, so that checking does not make Attend allocate.
func wrongShape(name string, got [tensor.MaxDim]int, gotDim int, want [tensor.MaxDim]int, wantDim int) error {
	return fault.Invalid("%s.shape is %v; it must be %v, like queries", name, got[:gotDim], want[:wantDim])
}

// answers is one block of queries of one head on its way through. It is used again, so that
// attending allocates nothing.
type answers struct {
	state   mechanism.State
	head    int
	queries [][]float64 // loaded: within the bounds
	answers []mechanism.Answer
	shift   []float64 // to be added to the logarithm of the denominator; NaN marks a query with NaN or Inf
	clipped uint64

	lse                 [1]float64 // of one query; StoreRow's kernels would move a local one to the heap
	rows, outs, stddevs []float64  // what the slices above are made of
}

func (r *Release) newAnswers() *answers {
	const n = mechanism.Block
	p := r.mechanism.Params()
	return &answers{
		queries: make([][]float64, 0, n), answers: make([]mechanism.Answer, 0, n), shift: make([]float64, 0, n),
		rows: make([]float64, n*p.KeyDim), outs: make([]float64, n*p.ValueDim), stddevs: make([]float64, n*p.ValueDim),
	}
}

// begin makes room for n queries of head h.
func (a *answers) begin(r *Release, h, n int, stddev bool) {
	d := r.mechanism.Params()
	a.state, a.head, a.clipped = r.state, h, 0
	a.queries, a.answers, a.shift = a.queries[:n], a.answers[:n], a.shift[:n]
	for i := range n {
		a.queries[i] = a.rows[i*d.KeyDim : (i+1)*d.KeyDim]
		a.answers[i] = mechanism.Answer{Out: a.outs[i*d.ValueDim : (i+1)*d.ValueDim]}
		if stddev {
			a.answers[i].Stddev = a.stddevs[i*d.ValueDim : (i+1)*d.ValueDim]
		}
	}
}

// load reads the queries and brings them into the bounds.
func (a *answers) load(view tensor.Tensor) {
	for i, q := range a.queries {
		view.LoadRow(i, q)
		var clipped bool
		if a.shift[i], clipped = a.state.Load(a.head, q); clipped {
			a.clipped++
		}
	}
}

// store writes the answers to queries lo..hi-1 of head h.
func (a *answers) store(out, lse, stddev *tensor.Tensor, h, lo, hi int) {
	o := out.Head(h).Rows(lo, hi)
	var l, s tensor.Tensor
	if lse != nil {
		l = lse.Head(h).Rows(lo, hi)
	}
	if stddev != nil {
		s = stddev.Head(h).Rows(lo, hi)
	}
	for i := range a.answers {
		ans := &a.answers[i]
		a.lse[0] = ans.LSE + a.shift[i]
		if a.lse[0] != a.lse[0] {
			fill(ans.Out, math.NaN())
			fill(ans.Stddev, math.NaN())
		}
		o.StoreRow(i, ans.Out)
		if lse != nil {
			l.StoreRow(i, a.lse[:])
		}
		if stddev != nil {
			s.StoreRow(i, ans.Stddev)
		}
	}
}

func fill(dst []float64, v float64) {
	for i := range dst {
		dst[i] = v
	}
}
