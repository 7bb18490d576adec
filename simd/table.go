package simd

import (
	"math"
	"unsafe"
)

// Table is a state for queries, [Features, cols] in f32. It is immutable.
//
// Queries are answered in parts of features whose number and order do not depend on threads or on how many queries come together. Within a part each
// output column is one chain of multiply-adds in the order of the features, whichever loop computes it; so its bits do not depend on that either. (They do
// depend on whether the kernels fuse the multiply-add: answers of different instruction sets agree to rounding.)
type Table struct {
	m    *Map
	cols int
	part int       // features in a part
	wide int       // the columns of body: those that fill whole vectors
	body []float32 // [Features, wide], aligned to a vector
	tail []float32 // [Features, cols-wide]
}

// There are a power of two of parts, so that threads share them evenly: as many as leave each at least leastPart features, at most mostParts.
const (
	leastPart = 512
	mostParts = 64
)

// vector is how many f32 the widest register holds. Kernels may read, never use, that many numbers beyond the end of an array, and write them where said.
const vector = 16

// NewTable converts a state in canonical order, rounding each integer to f32.
func (m *Map) NewTable(state []int64, cols int) *Table {
	t := &Table{m: m, cols: cols, wide: cols - cols%vector}
	parts := 1
	for parts < mostParts && m.Features >= 2*parts*leastPart {
		parts *= 2
	}
	t.part = (m.Features + parts - 1) / parts
	t.body = aligned(m.Features * t.wide)
	t.tail = aligned(m.Features * (cols - t.wide))
	for i := range m.Features {
		row := state[i*cols : (i+1)*cols]
		for c, v := range row[:t.wide] {
			t.body[i*t.wide+c] = float32(v)
		}
		for c, v := range row[t.wide:] {
			t.tail[i*(cols-t.wide)+c] = float32(v)
		}
	}
	return t
}

// aligned makes n numbers that begin at a multiple of 64 bytes and have a vector of room behind them.
func aligned(n int) []float32 {
	raw := make([]float32, n+2*vector)
	skip := -int(uintptr(unsafe.Pointer(&raw[0]))/4) & (vector - 1)
	return raw[skip : skip+n : skip+n+vector]
}

// Parts is the number of parts.
func (t *Table) Parts() int { return (t.m.Features + t.part - 1) / t.part }

// MostQueries is the most queries that Queries takes.
const MostQueries = 64

// few is how many queries are answered one by one, or a few at a time by gemv: the loops for many waste the lanes that queries do not fill.
const few = 8

// chunk is how many features the loops for many make at a time: 64 x 64 x 4 bytes stay in the first-level cache.
const chunk = 64

// Queries is working memory for queries of a table. Begin, Set for each query, Prepare for each group; then Part for each part; then Gather; then Sum for each
// query.
type Queries struct {
	t      *Table
	n      int
	lanes  int       // 1, 16 or 64: that many queries lie side by side
	groups int       // of lanes queries
	coeff  []float64 // [Degree+1]
	x      []float64 // [groups, dim, lanes]
	f      []float32 // [groups, prefixes+1, lanes]: the monomials of degree 0..Degree-1, in order
	g      []float32 // [groups, 1+dim*degree*(degree+1)/2, lanes]: psi = f*g, entries as in Batch.g, coefficients included
	h      []float32 // like g without coefficients, for degrees 2..Degree-1: monomials are f*h
	psi    []float32 // lanes 1: [n, Features]
	sums   []float32 // [parts, groups, cols, lanes]
	total  []float64 // [groups, cols, lanes]
}

// NewQueries makes a Queries; it grows to what it is used for.
func (t *Table) NewQueries() *Queries { return &Queries{t: t} }

// Begin says that n queries, 1..MostQueries, come, and what their coefficients [Degree+1] are: psi_t = coeff[t] sym(x^t).
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
			active.products(&f[from*lanes], &m.factors()[from], to-from, &f[0], &h[0], lanes)
		}
		return
	}
	psi := q.psi[group*m.Features:]
	copy(psi[:1+m.Dim], g) // f of the empty prefix is 1
	for t := 2; t <= m.Degree; t++ {
		entry, nodes := 1+m.Dim*t*(t-1)/2, m.nodes()[t-1]
		if t < m.Degree {
			active.runs(&f[m.first[t]], &f[m.first[t-1]], &h[entry], &nodes[0], len(nodes), m.Dim)
		}
		active.runs(&psi[m.first[t]], &f[m.first[t-1]], &g[entry], &nodes[0], len(nodes), m.Dim)
	}
}

// Part sums the features of part p: sums = sum over them of psi * state. lane is scratch of chunk*lanes numbers.
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
		active.gemv(&sums[0], &q.psi[lo], at(t.body, lo*t.wide), at(t.tail, lo*narrow), hi-lo, t.wide, narrow, q.n, t.m.Features)
		return
	}
	size := evenly(hi-lo, chunk)
	for ; lo < hi; lo += size {
		n := min(size, hi-lo)
		for group := range q.groups {
			active.gemm(&sums[group*t.cols*q.lanes], &lane[0], &t.m.factors()[lo], &q.f[group*t.slots()*q.lanes], &q.g[group*t.entries()*q.lanes], at(t.body, lo*t.wide), at(t.tail, lo*narrow), n, t.wide, narrow, q.lanes)
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
}
