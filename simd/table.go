package simd

import (
	"iter"
	"math"
	"slices"
	"unsafe"
)

// Table is a state for queries, [Features, cols] in f32. It is immutable.
//
// A large state has its body in 16 bits, too, where there are kernels for it: one or two queries
// read it from beyond the second-level cache, in half the time. Entries of the body are multiples
// of step then, in either form, so that the form is not to be seen in answers; they are no farther
// from the integers than was allowed. The noise alone takes 50 steps either way, and most features'
// sums are little else; the rows of the few whose entries do not fit (|h| > 32767) are kept in f32,
// in units of step.
//
// Queries are answered in parts of features whose number and order do not depend on threads or on
// how many queries come together. Within a part each output column is one chain of multiply-adds in
// the order of the features, whichever loop computes it; so its bits do not depend on that either.
// (They do depend on whether the kernels fuse the multiply-add: answers of different instruction
// sets agree to rounding.)
type Table struct {
	m    *Map
	cols int
	part int       // features in a part
	wide int       // the columns of body: those that fill whole vectors
	body []float32 // [Features, wide], aligned to a vector
	tail []float32 // [Features, cols-wide]

	short []int16   // nil, or body in 16 bits: both in units of step then, and zero in the rows of far
	step  float64   // 1 where there is no short
	far   []int32   // features whose rows do not fit, in order
	whole []float32 // [far, wide] in units of step
}

// There are a power of two of parts, so that threads share them evenly: as many as leave each at
// least leastPart features, at most mostParts.
const (
	leastPart = 512
	mostParts = 64
)

// vector is how many f32 the widest register holds. Kernels may read, never use, that many numbers
// beyond the end of an array, and write them where said.
const vector = 16

// leastShort is how many bytes a body in f32 takes to be worth 16 bits: a second-level cache gives
// numbers as fast as they are used. Measured.
const leastShort = 1 << 20

// NewTable converts a state in canonical order. It rounds each integer to f32 or, in a large state,
// to a multiple of 2*rounding; more than rounding it moves none below rounding * 2^24.
func (m *Map) NewTable(state []int64, cols int, rounding float64) *Table {
	t := &Table{m: m, cols: cols, wide: cols - cols%vector, step: 1}
	parts := 1
	for parts < mostParts && m.Features >= 2*parts*leastPart {
		parts *= 2
	}
	t.part = (m.Features + parts - 1) / parts
	t.tail = aligned(m.Features * (cols - t.wide))
	for i := range m.Features {
		for c, v := range state[i*cols+t.wide : (i+1)*cols] {
			t.tail[i*(cols-t.wide)+c] = float32(v)
		}
	}
	t.body = aligned(m.Features * t.wide)
	if active.gemv16 != nil && 4*m.Features*t.wide >= leastShort && rounding >= 0.5 && t.shorten(state, 2*rounding) {
		for i, h := range t.short {
			t.body[i] = float32(h)
		}
		return t
	}
	for i := range m.Features {
		for c, v := range state[i*cols : i*cols+t.wide] {
			t.body[i*t.wide+c] = float32(v)
		}
	}
	return t
}

// shorten makes short, unless too many rows do not fit.
func (t *Table) shorten(state []int64, step float64) bool {
	n := t.m.Features * t.wide
	memory := aligned((n + 1) / 2)
	short := unsafe.Slice((*int16)(unsafe.Pointer(&memory[0])), n)
	var far []int32
	var whole []float32
	for i := range t.m.Features {
		row, to := state[i*t.cols:i*t.cols+t.wide], short[i*t.wide:(i+1)*t.wide]
		fits := true
		for c, v := range row {
			h := math.RoundToEven(float64(v) / step)
			fits = fits && math.Abs(h) <= math.MaxInt16
			if fits {
				to[c] = int16(h)
			}
		}
		if fits {
			continue
		}
		clear(to)
		if far = append(far, int32(i)); len(far) > t.m.Features/8 {
			return false
		}
		for _, v := range row {
			whole = append(whole, float32(float64(v)/step))
		}
	}
	t.short, t.step, t.far, t.whole = short, step, far, whole
	return true
}

// aligned makes n numbers that begin at a multiple of 64 bytes and have a vector of room behind
// them.
func aligned(n int) []float32 {
	raw := make([]float32, n+2*vector)
	skip := -int(uintptr(unsafe.Pointer(&raw[0]))/4) & (vector - 1)
	return raw[skip : skip+n : skip+n+vector]
}

// Parts is the number of parts.
func (t *Table) Parts() int { return (t.m.Features + t.part - 1) / t.part }

// MostQueries is the most queries that Queries takes.
const MostQueries = 64

// few is how many queries are answered one by one, or a few at a time by gemv: the loops for many
// waste the lanes that queries do not fill.
const few = 8

// chunk is how many features the loops for many make at a time: 64 x 64 x 4 bytes stay in the
// first-level cache.
const chunk = 64

// Queries is working memory for queries of a table. Begin, Set for each query, Prepare for each
// group; then Part for each part; then Gather; then Sum for each query.
type Queries struct {
	t      *Table
	n      int
	lanes  int       // 1, 16 or 64: that many queries lie side by side
	groups int       // of lanes queries
	coeff  []float64 // [Degree+1]
	x      []float64 // [groups, dim, lanes]
	f      []float32 // [groups, prefixes+1, lanes]: the monomials of degree 0..Degree-1, in order
	g      []float32 // [groups, entries, lanes]: psi = f*g, entries as in keys.g, coefficients included
	h      []float32 // like g without coefficients, for degrees 2..Degree-1: monomials are f*h
	psi    []float32 // lanes 1: [n, Features]
	sums   []float32 // [parts, groups, cols, lanes]
	total  []float64 // [groups, cols, lanes]
}

// NewQueries makes a Queries; it grows to what it is used for.
func (t *Table) NewQueries() *Queries { return &Queries{t: t} }

// Begin says that n queries, 1..MostQueries, come, and what their coefficients [Degree+1] are:
// psi_t = coeff[t] sym(x^t).
func (q *Queries) Begin(n int, coeff []float64) {
	t := q.t
	q.n, q.coeff = n, coeff
	switch {
	case n <= few:
		q.lanes = 1
	case n <= MostQueries-16:
		q.lanes = 16
	default:
		q.lanes = 64
	}
	q.groups = (n + q.lanes - 1) / q.lanes
	side := q.groups * q.lanes
	if cap(q.x) < side*t.m.Dim {
		q.x = make([]float64, side*t.m.Dim)
	}
	q.x = q.x[:side*t.m.Dim]
	if cap(q.total) < side*t.cols {
		q.total = make([]float64, side*t.cols)
	}
	q.total = q.total[:side*t.cols]
	q.f = room(q.f, side*t.slots())
	q.g = room(q.g, side*t.entries())
	q.h = room(q.h, side*t.entries())
	q.sums = room(q.sums, side*t.Parts()*t.cols)
	if q.lanes == 1 {
		q.psi = room(q.psi, n*t.m.Features)
	}
	if n < side {
		clear(q.x[(q.groups-1)*q.lanes*t.m.Dim:]) // lanes without a query hold zeros
	}
}

// room returns s with n elements of any content, and a vector behind them.
func room(s []float32, n int) []float32 {
	if cap(s) < n+vector {
		return aligned(n)
	}
	return s[:n]
}

// slots is the room for one query's monomials; kernels may write a vector beyond the last.
func (t *Table) slots() int { return t.m.prefixes() + 1 + vector }

// entries is the room for one query's factors.
func (t *Table) entries() int { return 1 + t.m.Dim*t.m.Degree*(t.m.Degree+1)/2 }

// Set puts query i in: x [d], times unit.
func (q *Queries) Set(i int, x []float64, unit float64) {
	dim, lanes := q.t.m.Dim, q.lanes
	to := q.x[i/lanes*lanes*dim+i%lanes:]
	for j, v := range x[:dim] {
		to[j*lanes] = unit * v
	}
}

// Groups is the number of independent pieces of Prepare's work.
func (q *Queries) Groups() int { return q.groups }

// Prepare makes the factors and monomials of one group.
func (q *Queries) Prepare(group int) {
	m, lanes := q.t.m, q.lanes
	side := m.Dim * lanes
	x := q.x[group*side:][:side]
	f, g, h := q.f[group*q.t.slots()*lanes:], q.g[group*q.t.entries()*lanes:], q.h[group*q.t.entries()*lanes:]
	for i := range lanes {
		f[i], g[i] = 1, float32(q.coeff[0])
	}
	active.round32(&f[lanes], &x[0], side, 1)
	entry := lanes
	for t := 1; t <= m.Degree; t++ {
		for k := 1; k <= t; k++ {
			root := math.Sqrt(float64(t) / float64(k))
			active.round32(&g[entry], &x[0], side, root*q.coeff[t])
			if t > 1 && t < m.Degree { // monomials of degree 1 are x, those of the last degree are nobody's prefixes
				active.round32(&h[entry], &x[0], side, root)
			}
			entry += side
		}
	}
	if lanes > 1 {
		if from, to := 1+m.Dim, m.prefixes()+1; from < to {
			active.products(&f[from*lanes], words(m.factors()[from:]), to-from, &f[0], &h[0], lanes)
		}
		return
	}
	psi := q.psi[group*m.Features:]
	copy(psi[:1+m.Dim], g) // f of the empty prefix is 1
	for t := 2; t <= m.Degree; t++ {
		entry, nodes := 1+m.Dim*t*(t-1)/2, m.nodes()[t-1]
		if t < m.Degree {
			active.runs(&f[m.first[t]], &f[m.first[t-1]], &h[entry], words(nodes), len(nodes), m.Dim)
		}
		active.runs(&psi[m.first[t]], &f[m.first[t-1]], &g[entry], words(nodes), len(nodes), m.Dim)
	}
}

// Part sums the features of part p: sums = sum over them of psi * state. lane is scratch of
// chunk*lanes numbers.
func (q *Queries) Part(p int, lane []float32) {
	t := q.t
	lo, hi := min(p*t.part, t.m.Features), min((p+1)*t.part, t.m.Features)
	sums := q.sums[p*len(q.total):][:len(q.total)]
	clear(sums)
	if lo == hi {
		return
	}
	narrow := t.cols - t.wide
	if q.lanes == 1 {
		tail, rows, step := at(t.tail, lo*narrow), hi-lo, t.m.Features
		if t.short != nil && q.n <= shortMost {
			active.gemv16(&sums[0], &q.psi[lo], &t.short[lo*t.wide], tail, rows, t.wide, narrow, q.n, step)
		} else {
			active.gemv(&sums[0], &q.psi[lo], at(t.body, lo*t.wide), tail, rows, t.wide, narrow, q.n, step)
		}
		for i, row := range t.farIn(lo, hi) {
			for query := range q.n {
				active.gemv(&sums[query*t.cols], &q.psi[query*t.m.Features+i], row, row, 1, t.wide, 0, 1, 0)
			}
		}
		return
	}
	gemm := func(i, n int, body, tail *float32, narrow int) {
		for group := range q.groups {
			f, g := &q.f[group*t.slots()*q.lanes], &q.g[group*t.entries()*q.lanes]
			factors := words(t.m.factors()[i:])
			out := &sums[group*t.cols*q.lanes]
			active.gemm(out, &lane[0], factors, f, g, body, tail, n, t.wide, narrow, q.lanes)
		}
	}
	size := evenly(hi-lo, chunk)
	for first := lo; first < hi; first += size {
		gemm(first, min(size, hi-first), at(t.body, first*t.wide), at(t.tail, first*narrow), narrow)
	}
	for i, row := range t.farIn(lo, hi) {
		gemm(i, 1, row, row, 0)
	}
}

// farIn goes through the features lo..hi-1 that are far, and their rows.
func (t *Table) farIn(lo, hi int) iter.Seq2[int, *float32] {
	return func(yield func(int, *float32) bool) {
		n, _ := slices.BinarySearch(t.far, int32(lo))
		for ; n < len(t.far) && int(t.far[n]) < hi; n++ {
			if !yield(int(t.far[n]), &t.whole[n*t.wide]) {
				return
			}
		}
	}
}

// evenly returns the size of the pieces that cover n with the fewest pieces of at most most.
func evenly(n, most int) int {
	pieces := (n + most - 1) / most
	return (n + pieces - 1) / max(pieces, 1)
}

// Lane makes scratch for Part.
func (q *Queries) Lane() []float32 { return aligned(chunk * MostQueries) }

// at is &s[i], or s's end.
func at(s []float32, i int) *float32 { return &s[:cap(s)][i] }

// Gather adds up the parts, in order.
func (q *Queries) Gather() {
	n := len(q.total)
	active.gather(&q.total[0], &q.sums[0], n, q.t.Parts())
}

// Sum writes the sums of query i over all parts to out [cols].
func (q *Queries) Sum(i int, out []float64) {
	cols, lanes := q.t.cols, q.lanes
	from := q.total[i/lanes*lanes*cols+i%lanes:]
	for c := range out {
		out[c] = from[c*lanes]
	}
	for c := range q.t.wide {
		out[c] *= q.t.step
	}
}
