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

// Parts have at least leastPart features; there are at most mostParts of them.
const (
	leastPart = 512
	mostParts = 64
)

// vector is how many f32 the widest register holds. Kernels may read, never use, that many numbers beyond the end of an array, and write them where said.
const vector = 16

// NewTable converts a state in canonical order, rounding each integer to f32.
func (m *Map) NewTable(state []int64, cols int) *Table {
	t := &Table{m: m, cols: cols, wide: cols - cols%vector}
	t.part = max(leastPart, (m.Features+mostParts-1)/mostParts)
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

// few is how many queries are answered one by one: the loop for many wastes the lanes that queries do not fill.
const few = 5

// chunk is how many features the loop for many makes at a time: 64 x 64 x 4 bytes stay in the first-level cache.
const chunk = 64

// Queries is working memory for queries of a table. Begin, Set for each query, Prepare; then Part for each part; then Sum for each query.
type Queries struct {
	t     *Table
	n     int
	lanes int       // 1: one query after the other; 16 or 64: that many lie side by side
	f     []float32 // [prefixes+1, lanes] or [n, prefixes+1]: the monomials of degree 0..Degree-1, in order
	g     []float32 // [1+dim*degree*(degree+1)/2, lanes] or [n, ..]: psi = f*g, entries as in Batch.g, coefficients included
	h     []float32 // like g without coefficients, for degrees 2..Degree-1: monomials are f*h
	psi   []float32 // lanes 1: [n, Features]
	sums  []float32 // [parts, cols, lanes] or [parts, n, cols]
}

// NewQueries makes a Queries; it grows to what it is used for.
func (t *Table) NewQueries() *Queries { return &Queries{t: t} }

// Begin says that n queries, 1..MostQueries, come.
func (q *Queries) Begin(n int) {
	t := q.t
	q.n = n
	switch {
	case n <= few:
		q.lanes = 1
	case n <= 16:
		q.lanes = 16
	default:
		q.lanes = 64
	}
	side := max(q.lanes, n)
	q.f = room(q.f, side*t.slots())
	q.g = room(q.g, side*t.entries())
	q.h = room(q.h, side*t.entries())
	q.sums = room(q.sums, side*t.Parts()*t.cols)
	if q.lanes == 1 {
		q.psi = room(q.psi, n*t.m.Features)
		return
	}
	// Lanes without a query hold zeros.
	clear(q.f)
	clear(q.g)
	if t.m.Degree > 2 {
		clear(q.h)
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

// Set puts query i in: x [d], and coeff [Degree+1], so that its psi_t = coeff[t] sym(x^t).
func (q *Queries) Set(i int, x, coeff []float64) {
	m := q.t.m
	// Where entry e of f, g or h lies: base + e*stride.
	base, stride, baseF := i, q.lanes, i
	if q.lanes == 1 {
		base, baseF, stride = i*q.t.entries(), i*q.t.slots(), 1
	}
	q.f[baseF] = 1
	q.g[base] = float32(coeff[0])
	for j, v := range x[:m.Dim] {
		q.f[baseF+(1+j)*stride] = float32(v)
	}
	entry := 1
	for t := 1; t <= m.Degree; t++ {
		for k := 1; k <= t; k++ {
			root := math.Sqrt(float64(t) / float64(k))
			for j, v := range x[:m.Dim] {
				q.g[base+(entry+j)*stride] = float32(v * root * coeff[t])
			}
			if t > 1 && t < m.Degree { // monomials of degree 1 are x, those of the last degree are nobody's prefixes
				for j, v := range x[:m.Dim] {
					q.h[base+(entry+j)*stride] = float32(v * root)
				}
			}
			entry += m.Dim
		}
	}
}

// Prepare makes the monomials.
func (q *Queries) Prepare() {
	m := q.t.m
	if q.lanes > 1 {
		if from, to := 1+m.Dim, m.prefixes()+1; from < to {
			active.products(&q.f[from*q.lanes], &m.factors()[from], to-from, &q.f[0], &q.h[0], q.lanes)
		}
		return
	}
	for i := range q.n {
		f, g, h := q.f[i*q.t.slots():], q.g[i*q.t.entries():], q.h[i*q.t.entries():]
		psi := q.psi[i*m.Features:]
		psi[0] = g[0]
		for j := range m.Dim {
			psi[1+j] = g[1+j] // f of the empty prefix is 1
		}
		for t := 2; t <= m.Degree; t++ {
			entry, nodes := 1+m.Dim*t*(t-1)/2, m.nodes()[t-1]
			if t < m.Degree {
				active.runs(&f[m.first[t]], &f[m.first[t-1]], &h[entry], &nodes[0], len(nodes), m.Dim)
			}
			active.runs(&psi[m.first[t]], &f[m.first[t-1]], &g[entry], &nodes[0], len(nodes), m.Dim)
		}
	}
}

// Part sums the features of part p: sums = sum over them of psi * state. lane is scratch of chunk*lanes numbers.
func (q *Queries) Part(p int, lane []float32) {
	t := q.t
	lo, hi := p*t.part, min((p+1)*t.part, t.m.Features)
	sums := q.sums[p*max(q.lanes, q.n)*t.cols:][:max(q.lanes, q.n)*t.cols]
	clear(sums)
	narrow := t.cols - t.wide
	if q.lanes == 1 {
		for i := range q.n {
			active.gemv(&sums[i*t.cols], &q.psi[i*t.m.Features+lo], at(t.body, lo*t.wide), at(t.tail, lo*narrow), hi-lo, t.wide, narrow)
		}
		return
	}
	for ; lo < hi; lo += chunk {
		n := min(chunk, hi-lo)
		active.products(&lane[0], &t.m.factors()[lo], n, &q.f[0], &q.g[0], q.lanes)
		if t.wide > 0 {
			active.gemm(&sums[0], &lane[0], &t.body[lo*t.wide], n, t.wide, q.lanes)
		}
		if narrow > 0 {
			active.gemm(&sums[t.wide*q.lanes], &lane[0], &t.tail[lo*narrow], n, narrow, q.lanes)
		}
	}
}

// Lane makes scratch for Part.
func (q *Queries) Lane() []float32 { return aligned(chunk * MostQueries) }

// at is &s[i], or s's end.
func at(s []float32, i int) *float32 { return &s[:cap(s)][i] }

// Sum writes the sums of query i over all parts to out [cols].
func (q *Queries) Sum(i int, out []float64) {
	clear(out)
	cols, side := q.t.cols, max(q.lanes, q.n)
	for p := range q.t.Parts() {
		sums := q.sums[p*side*cols:][:side*cols]
		for c := range out {
			if q.lanes == 1 {
				out[c] += float64(sums[i*cols+c])
			} else {
				out[c] += float64(sums[c*q.lanes+i])
			}
		}
	}
}
