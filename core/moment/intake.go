package moment

import (
	"slices"

	"dpattn/core/internal/parallel"
	"dpattn/core/quant"
	"dpattn/simd"
)

// polynomialIntake adds rows before it knows their norms, which the kernels compute along the way, and takes those over the gate out again: sums
// of integers forget what was added and subtracted. So the gate costs next to nothing, and what stays is exactly what it admits.
type polynomialIntake struct {
	m       *Polynomial
	layout  *simd.Layout
	rows    int // that it takes
	batch   *simd.Batch
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
	batch   *simd.Batch
	worker  *simd.Worker
	scratch *Scratch
	x, y    []int16 // the row's key, before and after
	u       []int16
}

// mendRows is how many rows a mender's batch holds: two for each row that it replaces.
const mendRows = 32

// mostRows is about the most rows of a batch; intakeBytes the memory that a batch may take beside small sums: half of a second-level cache. Both were measured.
const (
	mostRows    = 1024
	intakeBytes = 512 << 10
)

// NewIntake implements Sums. Each batch reads and writes all sums once, so batches are larger where sums are: up to a quarter of their memory. A full batch is
// some panels, with no small one behind them.
func (s *polynomialSums) NewIntake(rows int) Intake {
	panel := s.layout.PanelRows()
	most := min(mostRows, max(intakeBytes, 2*len(s.state))/s.layout.RowBytes())
	in := &polynomialIntake{m: s.m, layout: s.layout, rows: min(max(rows, 1), max(most/panel, 1)*panel)}
	in.batch = s.layout.NewBatch(in.rows)
	for range parallel.Threads() {
		in.workers = append(in.workers, in.batch.NewWorker())
	}
	in.prepare = func(_, i int) { in.batch.Prepare(i) }
	in.accumulate = func(worker, i int) { in.batch.Accumulate(in.state, i, in.workers[worker]) }
	in.shrunk, in.norms = make([]bool, in.rows), make([]uint64, in.rows)
	return in
}

// Capacity implements Intake.
func (in *polynomialIntake) Capacity() int { return in.rows }

// Set implements Intake.
func (in *polynomialIntake) Set(i int, x, u []int16) {
	in.shrunk[i] = shrinkKey(x)
	in.batch.Set(i, x, u)
}

// SetRows implements Intake.
func (in *polynomialIntake) SetRows(first, n int, x, u []int16) {
	dim := in.m.table.Dim
	for i := range n {
		in.shrunk[first+i] = shrinkKey(x[i*dim:][:dim])
	}
	in.batch.SetRows(first, n, x, u)
}

// AddTo implements Intake.
func (in *polynomialIntake) AddTo(sums Sums, rows int) (shrunk uint64) {
	state := sums.(*polynomialSums).state
	in.batch.Ready(rows)
	parallel.DoN(len(in.workers), in.batch.Tasks(), in.prepare)
	for _, w := range in.workers {
		w.Reset()
	}
	// Goroutines own disjoint features: the same bits for any number of them.
	in.state = state
	parallel.DoN(len(in.workers), in.layout.Blocks(), in.accumulate)
	in.state = nil
	norms := in.norms[:rows]
	clear(norms)
	for _, w := range in.workers {
		w.AddNorms(norms)
	}
	var over []int
	for i, n := range norms {
		if n > in.m.norm2 {
			over = append(over, i)
			in.shrunk[i] = true
		}
		if in.shrunk[i] {
			shrunk++
		}
	}
	for part := range slices.Chunk(over, mendRows/2) {
		in.replace(state, part)
	}
	return shrunk
}

// replace takes the rows out of the sums and puts them in again as the gate admits them.
func (in *polynomialIntake) replace(state []int64, rows []int) {
	if in.mend == nil {
		batch := in.layout.NewBatch(mendRows)
		in.mend = &mender{batch, batch.NewWorker(), in.m.NewScratch(), make([]int16, in.m.table.Dim), make([]int16, in.m.table.Dim), make([]int16, in.layout.Cols)}
	}
	m := in.mend
	for n, i := range rows {
		in.batch.Row(i, m.x, m.u)
		copy(m.y, m.x)
		in.m.Gate(m.y, m.scratch)
		m.batch.Set(2*n, m.y, m.u)
		for c := range m.u {
			m.u[c] = -m.u[c]
		}
		m.batch.Set(2*n+1, m.x, m.u)
	}
	m.batch.Ready(2 * len(rows))
	for i := range m.batch.Tasks() {
		m.batch.Prepare(i)
	}
	for block := range in.layout.Blocks() {
		m.batch.Accumulate(state, block, m.worker)
	}
}

// Wipe implements Intake.
func (in *polynomialIntake) Wipe() {
	in.batch.Wipe()
	for _, w := range in.workers {
		w.Wipe()
	}
	clear(in.shrunk)
	clear(in.norms)
	if m := in.mend; m != nil {
		m.batch.Wipe()
		m.worker.Wipe()
		m.scratch.Wipe()
		clear(m.x)
		clear(m.y)
		clear(m.u)
	}
}

// shrinkKey makes |x|^2 < 2^30. Below, not equal: that keeps the entry -2^15 out, at which the kernels' products wrap.
func shrinkKey(x []int16) bool {
	return quant.Shrink(x, func() bool { return simd.Norm2(x) < 1<<30 })
}
