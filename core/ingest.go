package core

import (
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
			sinks[i].tally.add(d.quantise(&grid, keys, values, func(row int, x, u []int16, bad bool) { b.intake.Set(row, x, u) }))
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
	s.tally.add(d.quantise(grid, keys, values, func(i int, x, u []int16, bad bool) {
		if bad {
			return
		}
		rows[i].data = make([]int16, d.KeyDim+d.ValueDim)
		copy(rows[i].data, x)
		copy(rows[i].data[d.KeyDim:], u[:d.ValueDim])
		rows[i].rank = rankOf(rows[i].data)
	}))
	for i, id := range ids {
		s.owners.touch(id)
		if rows[i].data != nil && s.owners.add(id, rows[i]) {
			s.tally.RowsDropped++
		}
	}
	clear(rows)
}

// piece is how many rows one goroutine quantises at a time.
const piece = 32

// quantise turns rows into integers, in parallel, and hands each to emit: key x [d], right factor u [cols] (value and lambda). Rows of NaN or Inf
// are bad: x and u are zero, which makes the contribution zero whatever phi is and keeps no trace of the row. emit must not keep x and u.
func (d *gaussian) quantise(grid *quant.Grid, keys, values tensor.Tensor, emit func(i int, x, u []int16, bad bool)) (tally Diagnostics) {
	n := keys.Shape[0]
	tallies := make([]Diagnostics, (n+piece-1)/piece)
	parallel.Do(len(tallies), func(_, i int) {
		simd.Plain(func() {
			lo, hi := i*piece, min((i+1)*piece, n)
			tallies[i] = d.quantisePiece(grid, &keys, &values, lo, hi, emit)
		})
	})
	for _, t := range tallies {
		tally.add(t)
	}
	return tally
}

// quantisePiece is quantise for rows lo..hi-1, on one goroutine.
func (d *gaussian) quantisePiece(grid *quant.Grid, keys, values *tensor.Tensor, lo, hi int, emit func(i int, x, u []int16, bad bool)) (t Diagnostics) {
	wide, narrow := make([]float64, d.KeyDim+d.ValueDim), make([]int16, d.KeyDim+d.cols)
	defer clear(wide)
	defer clear(narrow)
	k, v := wide[:d.KeyDim], wide[d.KeyDim:]
	x, u := narrow[:d.KeyDim], narrow[d.KeyDim:]
	for j := lo; j < hi; j++ {
		keys.LoadRow(j, k)
		values.LoadRow(j, v)
		key, value := grid.Key(k, x), grid.Value(v, u[:d.ValueDim])
		u[d.ValueDim] = d.lambda
		t.Rows++
		bad := key == quant.Bad || value == quant.Bad
		if bad {
			t.RowsZeroed++
			clear(narrow)
		} else {
			if key == quant.Clipped {
				t.KeysClipped++
			}
			if value == quant.Clipped {
				t.ValuesClipped++
			}
		}
		emit(j, x, u, bad)
	}
	return t
}
