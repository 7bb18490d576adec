package featuremap

import (
	"sync"

	"dpattn/core/internal/parallel"
	"dpattn/simd"
)

// serial is how many multiply-adds are not worth two threads: what these have to tell each other
// takes up to ten microseconds where their caches lie far apart.
const serial = 1 << 21

// scaled writes q' with <q', x/2^15> = scale <q, k>. Taking powers of that, rather than of q, keeps
// them in range whatever the bounds' units are.
func (m *Monomials) scaled(q, dst []float64) {
	for i, v := range q {
		dst[i] = m.unit * v
	}
}

// PsiNorm2 implements Map: |psi|^2 = sum_t psi_t^2 |q'|^(2t).
func (m *Monomials) PsiNorm2(q []float64) float64 {
	square := 0.0
	for _, v := range q {
		square += m.unit * v * m.unit * v
	}
	sum := 0.0
	for t := len(m.psi) - 1; t >= 0; t-- {
		sum = sum*square + m.psi[t]*m.psi[t]
	}
	return sum
}

// NewTable implements Map.
func (m *Monomials) NewTable(state []int64, cols int, rounding float64) Table {
	largest := int64(0)
	for _, v := range state {
		largest = max(largest, v^v>>63) // |v| or |v|-1: unlike -v, it does not wrap at the minimum
	}
	if float64(largest)*0x1p-24 > rounding {
		t := &wideTable{m: m, cols: cols, state: make([]float64, len(state))}
		for i, v := range state {
			t.state[i] = float64(v)
		}
		return t
	}
	return &monomialTable{m: m, cols: cols, table: m.Map.NewTable(state, cols, rounding)}
}

// monomialTable has the state in f32 or 16 bits.
type monomialTable struct {
	m     *Monomials
	cols  int
	table *simd.Table
	pool  sync.Pool // *queryWork
}

// queryWork is the memory of one call of Sum.
type queryWork struct {
	queries *simd.Queries
	lanes   [][]float32 // one a goroutine
	part    func(worker, p int)
}

func (t *monomialTable) newWork() *queryWork {
	w := &queryWork{queries: t.table.NewQueries()}
	// Made once, so that Sum does not allocate.
	w.part = func(worker, p int) { w.queries.Part(p, w.lanes[worker]) }
	return w
}

// Sum implements Table.
func (t *monomialTable) Sum(queries, sums [][]float64, threads int) {
	w, _ := t.pool.Get().(*queryWork)
	if w == nil {
		w = t.newWork()
	}
	defer t.pool.Put(w)
	threads = max(threads, 1)
	if t.m.Features*t.cols*len(queries) < serial {
		threads = 1
	}
	for len(w.lanes) < threads {
		w.lanes = append(w.lanes, w.queries.Lane())
	}
	q := w.queries
	q.Begin(len(queries), t.m.psi)
	for i, query := range queries {
		q.Set(i, query, t.m.unit)
	}
	for i := range q.Groups() {
		q.Prepare(i)
	}
	parallel.Near(threads, t.table.Parts(), w.part)
	q.Gather()
	for i := range queries {
		q.Sum(i, sums[i])
	}
}

// wideTable has the state in f64, for states so large, against the noise, that f32 would be seen.
type wideTable struct {
	m     *Monomials
	cols  int
	state []float64
	pool  sync.Pool // *[]float64: psi, and the parts' sums
}

// wideParts is the number of parts that a query's sum is made of, in a fixed order.
const wideParts = 64

// Sum implements Table.
func (t *wideTable) Sum(queries, sums [][]float64, threads int) {
	r := t.m.Features
	memory, _ := t.pool.Get().(*[]float64)
	if memory == nil {
		fresh := make([]float64, r+wideParts*t.cols)
		memory = &fresh
	}
	defer t.pool.Put(memory)
	psi, partial := (*memory)[:r], (*memory)[r:]
	if r*t.cols < serial {
		threads = 1
	}
	for i, query := range queries {
		scaled := psi[1 : 1+t.m.Dim] // where the monomials of degree 1 belong
		t.m.scaled(query, scaled)
		t.m.Psi(scaled, t.m.psi, psi)
		clear(partial)
		parallel.Near(threads, wideParts, func(_, p int) {
			lo, hi := r*p/wideParts, r*(p+1)/wideParts
			simd.Dot(partial[p*t.cols:(p+1)*t.cols], psi[lo:hi], t.state[lo*t.cols:hi*t.cols])
		})
		clear(sums[i])
		for p := range wideParts {
			for c, v := range partial[p*t.cols : (p+1)*t.cols] {
				sums[i][c] += v
			}
		}
	}
}
