package moment

import (
	"slices"
	"sync"

	"dpattn/core/gaussian"
	"dpattn/core/internal/memory"
	"dpattn/core/internal/owners"
	"dpattn/core/internal/parallel"
	"dpattn/core/mechanism"
	"dpattn/core/quant"
	"dpattn/core/tensor"
	"dpattn/simd"
)

// Add implements mechanism.Sums.
func (b *sums) Add(c mechanism.Rows, p *mechanism.Progress) (counts mechanism.Diagnostics, err error) {
	d := b.design
	// What a cancelled call has added could not be taken out of the sums again: the caller's rows
	// may have changed meanwhile. So it is summed aside.
	aside := d.shared.OwnerRows == 0 && p != nil
	if aside {
		need := uint64(len(c.Keys)) * 8 * uint64(d.Len)
		if err := memory.Fits("progress: summing a cancellable call aside", need); err != nil {
			return counts, err
		}
	}
	sinks := make([]sink, len(c.Keys))
	defer func() {
		for i := range sinks {
			sinks[i].wipe(aside)
		}
	}()
	for i := range sinks {
		switch h := &b.heads[c.First+i]; {
		case h.owners != nil:
			sinks[i].owners = owners.New(d.shared.OwnerRows)
		case aside:
			sinks[i].exact = h.exact.Empty()
		default:
			sinks[i].exact = h.exact
		}
	}
	total := c.Count * len(c.Keys)
	for i := range c.Keys {
		grid := d.grid(c.First + i)
		size := ownerBatch
		if sinks[i].owners == nil {
			size = b.batchFor(sinks[i].exact, c.Count).Capacity()
		}
		for lo := 0; lo < c.Count; lo += size {
			if !p.Step(i*c.Count+lo, total) {
				return counts, mechanism.ErrCancelled
			}
			hi := min(lo+size, c.Count)
			keys, values := c.Keys[i].Rows(lo, hi), c.Values[i].Rows(lo, hi)
			if sinks[i].owners != nil {
				sinks[i].keep(d, &grid, keys, values, c.Owners[lo:hi])
				continue
			}
			sinks[i].counts.Add(d.quantise(&grid, keys, values, func(first int, p *piece) {
				b.batch.SetRows(first, p.rows, p.x, p.u)
			}))
			sinks[i].counts.RowsShrunk += b.batch.AddTo(sinks[i].exact, hi-lo)
		}
	}
	if !p.Step(total, total) {
		return counts, mechanism.ErrCancelled
	}
	// Nothing below can fail or be cancelled.
	for i := range sinks {
		h := &b.heads[c.First+i]
		h.rows += uint64(c.Count)
		switch {
		case h.owners != nil:
			sinks[i].counts.RowsDropped += h.owners.Absorb(sinks[i].owners)
		case aside:
			h.exact.Add(sinks[i].exact)
		}
		counts.Add(sinks[i].counts)
	}
	return counts, nil
}

// ownerBatch is how many rows are quantised at a time where they are kept for their owners.
const ownerBatch = 256

// sink is where one head's rows of one call go until the call is certain to succeed.
type sink struct {
	exact  *Exact
	owners *owners.Owners
	counts mechanism.Diagnostics
}

// wipe zeroes what is the sink's own.
func (s *sink) wipe(aside bool) {
	if s.owners != nil {
		s.owners.Wipe()
	}
	if aside && s.exact != nil {
		s.exact.Wipe()
	}
}

// keep offers rows to their owners. A row of NaN or Inf is none of the owner's rows.
func (s *sink) keep(d *design, grid *quant.Grid, keys, values tensor.Tensor, ids []uint64) {
	rows := make([]owners.Row, len(ids))
	keyDim, valueDim := d.shared.KeyDim, d.shared.ValueDim
	s.counts.Add(d.quantise(grid, keys, values, func(first int, p *piece) {
		for i := range p.rows {
			if p.bad[i] {
				continue
			}
			data := make([]int16, keyDim+valueDim)
			copy(data, p.x[i*keyDim:][:keyDim])
			copy(data[keyDim:], p.u[i*d.cols:][:valueDim])
			rows[first+i] = owners.NewRow(data)
		}
	}))
	for i, id := range ids {
		s.owners.Touch(id)
		if rows[i].Data != nil && s.owners.Add(id, rows[i]) {
			s.counts.RowsDropped++
		}
	}
	clear(rows)
}

// pieceRows is how many rows one goroutine quantises at a time: as many as the kernels take side by
// side.
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
func (d *design) newPiece(rows int) *piece {
	p := pieces.Get().(*piece)
	p.rows = rows
	width := d.shared.KeyDim + d.shared.ValueDim
	p.wide = slices.Grow(p.wide[:0], width)[:width]
	p.x = slices.Grow(p.x[:0], pieceRows*d.shared.KeyDim)[:rows*d.shared.KeyDim]
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

// quantise turns rows into integers, in parallel, and hands them to emit, a piece at a time with
// the number of its first row. Rows of NaN or Inf are bad: x and u are zero, which makes the
// contribution zero whatever phi is and keeps no trace of the row. emit must not keep the piece.
func (d *design) quantise(
	grid *quant.Grid,
	keys, values tensor.Tensor,
	emit func(first int, p *piece),
) mechanism.Diagnostics {
	n := keys.Shape[0]
	var sum struct {
		sync.Mutex
		counts mechanism.Diagnostics
	}
	parallel.Do((n+pieceRows-1)/pieceRows, func(_, i int) {
		lo, hi := i*pieceRows, min((i+1)*pieceRows, n)
		p := d.newPiece(hi - lo)
		defer p.free()
		var t mechanism.Diagnostics
		simd.Plain(func() { t = d.quantisePiece(grid, &keys, &values, lo, p) })
		emit(lo, p)
		sum.Lock()
		defer sum.Unlock()
		sum.counts.Add(t)
	})
	return sum.counts
}

// quantisePiece quantises the piece's rows, of which the first is row lo.
func (d *design) quantisePiece(
	grid *quant.Grid,
	keys, values *tensor.Tensor,
	lo int,
	p *piece,
) (t mechanism.Diagnostics) {
	keyDim, valueDim := d.shared.KeyDim, d.shared.ValueDim
	k, v := p.wide[:keyDim], p.wide[keyDim:]
	for i := range p.rows {
		x, u := p.x[i*keyDim:][:keyDim], p.u[i*d.cols:][:d.cols]
		keys.LoadRow(lo+i, k)
		values.LoadRow(lo+i, v)
		u[valueDim] = d.lambda
		if p.bad[i] = gaussian.CountRow(&t, grid.Key(k, x), grid.Value(v, u[:valueDim])); p.bad[i] {
			clear(x)
			clear(u)
		}
	}
	return t
}
