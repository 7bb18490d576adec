package core

import (
	"slices"
	"sync"

	"dpattn/core/internal/memory"
	"dpattn/core/internal/parallel"
	"dpattn/core/moment"
	"dpattn/core/quant"
	"dpattn/core/tensor"
	"dpattn/simd"
)

// ingest implements secret.
func (b *gaussianSums) ingest(c chunk, p *Progress) (tally Diagnostics, err error) {
	d := b.gaussian
	// What a cancelled call has added could not be taken out of the sums again: the caller's rows may have changed meanwhile. So it is summed aside.
	aside := d.OwnerRows == 0 && p != nil
	if aside {
		if err := memory.Fits("progress: summing a cancellable call aside", uint64(len(c.keys))*8*uint64(d.stateLen())); err != nil {
			return tally, err
		}
	}
	sinks := make([]sink, len(c.keys))
	defer func() {
		for i := range sinks {
			sinks[i].wipe(aside)
		}
	}()
	for i := range sinks {
		switch h := &b.heads[c.first+i]; {
		case h.owners != nil:
			sinks[i].owners = newOwners(d.OwnerRows)
		case aside:
			sinks[i].sums = h.sums.Empty()
		default:
			sinks[i].sums = h.sums
		}
	}
	total := c.rows * len(c.keys)
	for i := range c.keys {
		grid := d.grid(c.first + i)
		size := ownerBatch
		if sinks[i].owners == nil {
			size = b.intakeFor(sinks[i].sums, c.rows).Capacity()
		}
		for lo := 0; lo < c.rows; lo += size {
			if !p.step(i*c.rows+lo, total) {
				return tally, errCancelled
			}
			hi := min(lo+size, c.rows)
			keys, values := c.keys[i].Rows(lo, hi), c.values[i].Rows(lo, hi)
			if sinks[i].owners != nil {
				sinks[i].keep(d, &grid, keys, values, c.owners[lo:hi])
				continue
			}
			sinks[i].tally.add(d.quantise(&grid, keys, values, func(first int, p *piece) { b.intake.SetRows(first, p.rows, p.x, p.u) }))
			sinks[i].tally.RowsShrunk += b.intake.AddTo(sinks[i].sums, hi-lo)
		}
	}
	if !p.step(total, total) {
		return tally, errCancelled
	}
	// Nothing below can fail or be cancelled.
	for i := range sinks {
		h := &b.heads[c.first+i]
		h.rows += uint64(c.rows)
		switch {
		case h.owners != nil:
			sinks[i].tally.RowsDropped += h.owners.absorb(sinks[i].owners)
		case aside:
			h.sums.Add(sinks[i].sums)
		}
		tally.add(sinks[i].tally)
	}
	return tally, nil
}

// ownerBatch is how many rows are quantised at a time where they are kept for their owners.
const ownerBatch = 256

// sink is where one head's rows of one call go until the call is certain to succeed.
type sink struct {
	sums   moment.Sums
	owners *owners
	tally  Diagnostics
}

// wipe zeroes what is the sink's own.
func (s *sink) wipe(aside bool) {
	if s.owners != nil {
		s.owners.wipe()
	}
	if aside && s.sums != nil {
		s.sums.Wipe()
	}
}

// keep offers rows to their owners. A row of NaN or Inf is none of the owner's rows.
func (s *sink) keep(d *gaussian, grid *quant.Grid, keys, values tensor.Tensor, ids []uint64) {
	rows := make([]ownerRow, len(ids))
	s.tally.add(d.quantise(grid, keys, values, func(first int, p *piece) {
		for i := range p.rows {
			if p.bad[i] {
				continue
			}
			row := &rows[first+i]
			row.data = make([]int16, d.KeyDim+d.ValueDim)
			copy(row.data, p.x[i*d.KeyDim:][:d.KeyDim])
			copy(row.data[d.KeyDim:], p.u[i*d.cols:][:d.ValueDim])
			row.rank = rankOf(row.data)
		}
	}))
	for i, id := range ids {
		s.owners.touch(id)
		if rows[i].data != nil && s.owners.add(id, rows[i]) {
			s.tally.RowsDropped++
		}
	}
	clear(rows)
}

// pieceRows is how many rows one goroutine quantises at a time: as many as the kernels take side by side.
const pieceRows = 32

// piece is a goroutine's memory for that. It is zero between uses.
type piece struct {
	rows int
	wide []float64 // one key and one value
	x    []int16   // keys [rows, d]
	u    []int16   // right factors [rows, cols]: value and lambda
	bad  [pieceRows]bool
}

// pieces are used again, so that the memory of a builder does not grow with its rows.
var pieces = sync.Pool{New: func() any { return new(piece) }}

// newPiece takes memory for rows rows.
func (d *gaussian) newPiece(rows int) *piece {
	p := pieces.Get().(*piece)
	p.rows = rows
	p.wide = slices.Grow(p.wide[:0], d.KeyDim+d.ValueDim)[:d.KeyDim+d.ValueDim]
	p.x = slices.Grow(p.x[:0], pieceRows*d.KeyDim)[:rows*d.KeyDim]
	p.u = slices.Grow(p.u[:0], pieceRows*d.cols)[:rows*d.cols]
	return p
}

// free gives it back.
func (p *piece) free() {
	clear(p.wide)
	clear(p.x)
	clear(p.u)
	clear(p.bad[:])
	pieces.Put(p)
}

// quantise turns rows into integers, in parallel, and hands them to emit, a piece at a time with the number of its first row. Rows of NaN or Inf
// are bad: x and u are zero, which makes the contribution zero whatever phi is and keeps no trace of the row. emit must not keep the piece.
func (d *gaussian) quantise(grid *quant.Grid, keys, values tensor.Tensor, emit func(first int, p *piece)) Diagnostics {
	n := keys.Shape[0]
	var sum struct {
		sync.Mutex
		tally Diagnostics
	}
	parallel.Do((n+pieceRows-1)/pieceRows, func(_, i int) {
		lo, hi := i*pieceRows, min((i+1)*pieceRows, n)
		p := d.newPiece(hi - lo)
		defer p.free()
		var t Diagnostics
		simd.Plain(func() { t = d.quantisePiece(grid, &keys, &values, lo, p) })
		emit(lo, p)
		sum.Lock()
		defer sum.Unlock()
		sum.tally.add(t)
	})
	return sum.tally
}

// quantisePiece quantises the piece's rows, of which the first is row lo.
func (d *gaussian) quantisePiece(grid *quant.Grid, keys, values *tensor.Tensor, lo int, p *piece) (t Diagnostics) {
	k, v := p.wide[:d.KeyDim], p.wide[d.KeyDim:]
	for i := range p.rows {
		x, u := p.x[i*d.KeyDim:][:d.KeyDim], p.u[i*d.cols:][:d.cols]
		keys.LoadRow(lo+i, k)
		values.LoadRow(lo+i, v)
		key, value := grid.Key(k, x), grid.Value(v, u[:d.ValueDim])
		u[d.ValueDim] = d.lambda
		t.Rows++
		if p.bad[i] = key == quant.Bad || value == quant.Bad; p.bad[i] {
			t.RowsZeroed++
			clear(x)
			clear(u)
			continue
		}
		if key == quant.Clipped {
			t.KeysClipped++
		}
		if value == quant.Clipped {
			t.ValuesClipped++
		}
	}
	return t
}
