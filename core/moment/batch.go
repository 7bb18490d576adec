package moment

import (
	"slices"

	"dpattn/core/featuremap"
	"dpattn/core/internal/parallel"
	"dpattn/core/quant"
	"dpattn/simd"
)

// Batch gates rows and adds their contributions to sums. It adds rows before it knows their norms,
// which the kernels compute along the way, and takes those over the gate out again: sums of
// integers forget what was added and subtracted. So the gate costs next to nothing, and what stays
// is exactly what it admits. It holds secrets after use; Wipe it.
type Batch struct {
	phi     featuremap.Map
	layout  *simd.Layout
	rows    int // that it takes
	dim     int // of keys
	packed  *simd.Batch
	workers []*simd.Worker
	// The tasks of AddTo, made once, and the sums that they work on.
	prepare, accumulate func(worker, i int)
	state               []int64

	shrunk []bool   // rows that Set shrank
	norms  []uint64 // of the last AddTo
	mend   *mender
}

// mender replaces rows.
type mender struct {
	packed *simd.Batch
	worker *simd.Worker
	gate   featuremap.Gate
	x, y   []int16 // the row's key, before and after
	u      []int16
}

// mendRows is how many rows a mender's batch holds: two for each row that it replaces.
const mendRows = 32

// mostRows is about the most rows of a batch; batchBytes the memory that a batch may take beside
// small sums: half of a second-level cache. Both were measured.
const (
	mostRows   = 1024
	batchBytes = 512 << 10
)

// NewBatch makes working memory for adding rows of dim-dimensional keys, many at a time: as many as
// serve the speed, at most rows. Each batch reads and writes all sums once, so batches are larger
// where sums are: up to a quarter of their memory. A full batch is some panels, with no small one
// behind them.
func (s *Exact) NewBatch(dim, rows int) *Batch {
	panel := s.layout.PanelRows()
	most := min(mostRows, max(batchBytes, 2*len(s.state))/s.layout.RowBytes())
	in := &Batch{phi: s.phi, layout: s.layout, dim: dim, rows: min(max(rows, 1), max(most/panel, 1)*panel)}
	in.packed = s.layout.NewBatch(in.rows)
	for range parallel.Threads() {
		in.workers = append(in.workers, in.packed.NewWorker())
	}
	in.prepare = func(_, i int) { in.packed.Prepare(i) }
	in.accumulate = func(worker, i int) { in.packed.Accumulate(in.state, i, in.workers[worker]) }
	in.shrunk, in.norms = make([]bool, in.rows), make([]uint64, in.rows)
	return in
}

// Capacity is how many rows go in at a time.
func (in *Batch) Capacity() int { return in.rows }

// Set puts row i in place: the key x [d] and the right factor u [cols], or zeros. Different rows
// may be set at once. It overwrites x.
func (in *Batch) Set(i int, x, u []int16) {
	in.shrunk[i] = quant.Shorten(x)
	in.packed.Set(i, x, u)
}

// SetRows is Set for rows first..first+n-1, x [n, d] and u [n, cols]. first is a multiple of 32.
func (in *Batch) SetRows(first, n int, x, u []int16) {
	for i := range n {
		in.shrunk[first+i] = quant.Shorten(x[i*in.dim:][:in.dim])
	}
	in.packed.SetRows(first, n, x, u)
}

// AddTo makes rows 0..rows-1 admissible, by a rule that for each row depends on that row alone: it
// shrinks x until |x|^2 < 2^30 and |phi(x)|^2 <= Norm2 hold in exact integers. It adds phi(x) (x) u
// of each to sums, and returns how many rows it had to shrink. The bits do not depend on the number
// of threads.
func (in *Batch) AddTo(sums *Exact, rows int) (shrunk uint64) {
	in.packed.Ready(rows)
	parallel.DoN(len(in.workers), in.packed.Tasks(), in.prepare)
	for _, w := range in.workers {
		w.Reset()
	}
	// Goroutines own disjoint features: the same bits for any number of them.
	in.state = sums.state
	parallel.DoN(len(in.workers), in.layout.Blocks(), in.accumulate)
	in.state = nil
	norms := in.norms[:rows]
	clear(norms)
	for _, w := range in.workers {
		w.AddNorms(norms)
	}
	var over []int
	for i, n := range norms {
		if n > in.phi.Norm2() {
			over = append(over, i)
			in.shrunk[i] = true
		}
		if in.shrunk[i] {
			shrunk++
		}
	}
	for part := range slices.Chunk(over, mendRows/2) {
		in.replace(sums.state, part)
	}
	return shrunk
}

// replace takes the rows out of the sums and puts them in again as the gate admits them.
func (in *Batch) replace(state []int64, rows []int) {
	if in.mend == nil {
		packed := in.layout.NewBatch(mendRows)
		in.mend = &mender{
			packed, packed.NewWorker(), in.phi.NewGate(),
			make([]int16, in.dim), make([]int16, in.dim), make([]int16, in.layout.Cols),
		}
	}
	m := in.mend
	for n, i := range rows {
		in.packed.Row(i, m.x, m.u)
		copy(m.y, m.x)
		m.gate.Admit(m.y)
		m.packed.Set(2*n, m.y, m.u)
		for c := range m.u {
			m.u[c] = -m.u[c]
		}
		m.packed.Set(2*n+1, m.x, m.u)
	}
	m.packed.Ready(2 * len(rows))
	for i := range m.packed.Tasks() {
		m.packed.Prepare(i)
	}
	for block := range in.layout.Blocks() {
		m.packed.Accumulate(state, block, m.worker)
	}
}

// Wipe zeroes the memory.
func (in *Batch) Wipe() {
	in.packed.Wipe()
	for _, w := range in.workers {
		w.Wipe()
	}
	clear(in.shrunk)
	clear(in.norms)
	if m := in.mend; m != nil {
		m.packed.Wipe()
		m.worker.Wipe()
		m.gate.Wipe()
		clear(m.x)
		clear(m.y)
		clear(m.u)
	}
}
