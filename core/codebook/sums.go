package codebook

import (
	"math/big"
	"slices"
	"sync"

	"dpattn/core/gaussian"
	"dpattn/core/internal/memory"
	"dpattn/core/internal/owners"
	"dpattn/core/internal/parallel"
	"dpattn/core/internal/wire"
	"dpattn/core/mechanism"
	"dpattn/core/privacy"
	"dpattn/core/quant"
	"dpattn/core/tensor"
	"dpattn/simd"
)

// sums is the secret half of a builder. With rows as units exact is live and owners nil; with
// owners as units rows are kept in owners, as cell and value, and summed at release. SECRET.
type sums struct {
	*design
	first  int // head that exact begins with: 0, except aside in Add
	exact  gaussian.Sums
	owners []*owners.Owners // of each head
	rows   []uint64         // given to each head, where owners are units
}

// NewSums implements mechanism.Mechanism.
func (d *design) NewSums() (mechanism.Sums, error) {
	if err := d.assignable(); err != nil {
		return nil, err
	}
	return d.noSums(), nil
}

func (d *design) noSums() *sums {
	s := &sums{design: d}
	if d.shared.OwnerRows == 0 {
		s.exact = d.Design.NewSums()
		return s
	}
	s.rows = make([]uint64, d.shared.Heads)
	for range d.shared.Heads {
		s.owners = append(s.owners, owners.New(d.shared.OwnerRows))
	}
	return s
}

// Rows implements mechanism.Sums.
func (s *sums) Rows(h int) uint64 {
	if s.owners != nil {
		return s.rows[h]
	}
	return s.exact.Rows(h)
}

// Owners implements mechanism.Sums.
func (s *sums) Owners() (all, clipped uint64) {
	for _, o := range s.owners {
		all += uint64(o.Len())
		if s.clip == nil {
			continue
		}
		sum := s.newOwnerSum()
		for rows := range o.All() {
			if sum.set(rows); sum.clip(s.clip) {
				clipped++
			}
		}
		sum.wipe()
	}
	return all, clipped
}

// pieceRows is how many rows one goroutine quantises and assigns at a time.
const pieceRows = 64

// batchRows is how many rows are read between two reports of progress.
const batchRows = 1 << 14

// Add implements mechanism.Sums.
func (s *sums) Add(rows mechanism.Rows, p *mechanism.Progress) (counts mechanism.Diagnostics, err error) {
	into := s
	// What a cancelled call has added could not be taken out again, so it is added aside.
	switch {
	case s.owners != nil:
		into = s.noSums()
		defer into.Wipe()
	case p != nil:
		need := 8 * uint64(len(rows.Keys)) * uint64(s.Design.Len)
		if err := memory.Fits("progress: summing a cancellable call aside", need); err != nil {
			return counts, err
		}
		into = &sums{design: s.design, first: rows.First, exact: s.NewSumsOf(len(rows.Keys))}
		defer into.Wipe()
	}
	total := rows.Count * len(rows.Keys)
	for i := range rows.Keys {
		h := rows.First + i
		for lo := 0; lo < rows.Count; lo += batchRows {
			if !p.Step(i*rows.Count+lo, total) {
				return mechanism.Diagnostics{}, mechanism.ErrCancelled
			}
			hi := min(lo+batchRows, rows.Count)
			var ids []uint64
			if rows.Owners != nil {
				ids = rows.Owners[lo:hi]
			}
			counts.Add(into.addBatch(h, rows.Keys[i].Rows(lo, hi), rows.Values[i].Rows(lo, hi), ids))
		}
		if s.owners != nil {
			into.rows[h] += uint64(rows.Count)
		} else {
			into.exact.CountRows(h-into.first, rows.Count)
		}
	}
	if !p.Step(total, total) {
		return mechanism.Diagnostics{}, mechanism.ErrCancelled
	}
	if into != s {
		counts.RowsDropped += s.Absorb(into)
	}
	return counts, nil
}

// piece is a goroutine's memory for some rows. It is zero between uses.
type piece struct {
	wide []float64 // one key and one value
	x    []int16   // keys [rows, d]
	u    []int16   // values [rows, d_v]
	cell []int32   // [rows]
	bad  []bool    // [rows]
}

var pieces = sync.Pool{New: func() any { return new(piece) }}

func (d *design) newPiece() *piece {
	p := pieces.Get().(*piece)
	width := d.shared.KeyDim + d.shared.ValueDim
	p.wide = slices.Grow(p.wide[:0], width)[:width]
	p.x = slices.Grow(p.x[:0], pieceRows*d.shared.KeyDim)[:pieceRows*d.shared.KeyDim]
	p.u = slices.Grow(p.u[:0], pieceRows*d.shared.ValueDim)[:pieceRows*d.shared.ValueDim]
	p.cell = slices.Grow(p.cell[:0], pieceRows)[:pieceRows]
	p.bad = slices.Grow(p.bad[:0], pieceRows)[:pieceRows]
	return p
}

func (p *piece) free() {
	clear(p.wide)
	clear(p.x)
	clear(p.u)
	clear(p.cell)
	clear(p.bad)
	pieces.Put(p)
}

// addBatch adds rows of head h. Cells are found in parallel; sums of integers are the same in any
// order.
func (s *sums) addBatch(h int, keys, values tensor.Tensor, ids []uint64) mechanism.Diagnostics {
	d, n := s.design, keys.Shape[0]
	var shared struct {
		sync.Mutex
		counts mechanism.Diagnostics
	}
	parallel.Do((n+pieceRows-1)/pieceRows, func(_, i int) {
		lo := i * pieceRows
		rows := min(pieceRows, n-lo)
		p := d.newPiece()
		defer p.free()
		var counts mechanism.Diagnostics
		simd.Plain(func() { counts = d.quantise(&keys, &values, lo, rows, p) })
		d.book(h).Assign(p.x[:rows*d.shared.KeyDim], p.cell[:rows])
		shared.Lock()
		defer shared.Unlock()
		if s.owners != nil {
			counts.RowsDropped += s.keep(h, ids[lo:lo+rows], p)
		} else {
			s.scatter(h, rows, p)
		}
		shared.counts.Add(counts)
	})
	return shared.counts
}

// quantise turns rows lo..lo+rows-1 into integers.
func (d *design) quantise(keys, values *tensor.Tensor, lo, rows int, p *piece) (counts mechanism.Diagnostics) {
	keyDim, valueDim := d.shared.KeyDim, d.shared.ValueDim
	grid, k, v := d.grid(), p.wide[:keyDim], p.wide[keyDim:]
	for i := range rows {
		x, u := p.x[i*keyDim:][:keyDim], p.u[i*valueDim:][:valueDim]
		key, shrunk := quantiseKey(&grid, keys, lo+i, k, x)
		value := quantiseValue(&grid, values, lo+i, v, u)
		if p.bad[i] = gaussian.CountRow(&counts, key, value); p.bad[i] {
			clear(x)
			clear(u)
		} else if shrunk {
			counts.RowsShrunk++
		}
	}
	return counts
}

// quantiseKey turns key i into integers of |x|^2 < 2^30, and says whether that took more than
// clipping. wide is scratch.
func quantiseKey(
	grid *quant.Grid,
	keys *tensor.Tensor,
	i int,
	wide []float64,
	x []int16,
) (outcome quant.Outcome, shrunk bool) {
	if row, ok := keys.Row32(i); ok {
		if outcome, ok := grid.Key32(row, x); ok {
			return outcome, false
		}
	}
	keys.LoadRow(i, wide)
	outcome = grid.Key(wide, x)
	return outcome, quant.Shorten(x)
}

// quantiseValue turns value i into integers. wide is scratch.
func quantiseValue(grid *quant.Grid, values *tensor.Tensor, i int, wide []float64, u []int16) quant.Outcome {
	if row, ok := values.Row32(i); ok {
		if outcome, ok := grid.Value32(row, u); ok {
			return outcome
		}
	}
	values.LoadRow(i, wide)
	return grid.Value(wide, u)
}

// scatter adds a piece's rows to their cells.
func (s *sums) scatter(h, rows int, p *piece) {
	valueDim, state := s.shared.ValueDim, s.exact.Exact[(h-s.first)*s.Design.Len:]
	for i := range rows {
		if p.bad[i] {
			continue
		}
		to := state[int(p.cell[i])*s.cols:][:s.cols]
		simd.Add16(to[:valueDim], p.u[i*valueDim:][:valueDim])
		to[valueDim] += int64(s.lambda)
	}
}

// keep offers a piece's rows to their owners. A row of NaN or Inf is none of the owner's rows.
func (s *sums) keep(h int, ids []uint64, p *piece) (dropped uint64) {
	valueDim := s.shared.ValueDim
	for i, id := range ids {
		s.owners[h].Touch(id)
		if p.bad[i] {
			continue
		}
		data := make([]int16, 1+valueDim)
		data[0] = int16(uint16(p.cell[i]))
		copy(data[1:], p.u[i*valueDim:][:valueDim])
		if s.owners[h].Add(id, owners.NewRow(data)) {
			dropped++
		}
	}
	return dropped
}

// Absorb implements mechanism.Sums.
func (s *sums) Absorb(from mechanism.Sums) (dropped uint64) {
	other := from.(*sums)
	if s.owners == nil {
		s.exact.Absorb(other.first, &other.exact)
		return 0
	}
	for h, o := range other.owners {
		s.rows[h] += other.rows[h]
		dropped += s.owners[h].Absorb(o)
	}
	return dropped
}

// Release implements mechanism.Sums.
func (s *sums) Release(budget privacy.Budget, p *mechanism.Progress) (mechanism.State, error) {
	d := s.design
	if err := d.fitsWithQueries("release: the noisy state and its form for queries"); err != nil {
		return nil, err
	}
	if s.owners == nil {
		noisy, err := s.exact.Release(d.Design, budget, p)
		if err != nil {
			return nil, err
		}
		return d.open(noisy), nil
	}
	all := d.Heads * d.Len
	total := 2 * all
	noisy, err := d.Draw(budget, func(done int) bool { return p.Step(done, total) })
	if err != nil {
		return nil, err
	}
	for h := range s.owners {
		if !s.sumOwners(h, noisy.Of(h), p.Parts(all+h*d.Len, d.Len, total)) {
			noisy.Wipe()
			return nil, mechanism.ErrCancelled
		}
	}
	if !p.Step(total, total) {
		noisy.Wipe()
		return nil, mechanism.ErrCancelled
	}
	return d.open(noisy), nil
}

// sumOwners adds the kept rows of one head to dst, each owner's within its bound; false if report
// says to stop.
func (s *sums) sumOwners(h int, dst []int64, report *mechanism.Parts) bool {
	sum := s.newOwnerSum()
	defer sum.wipe()
	done, count := 0, s.owners[h].Len()
	for rows := range s.owners[h].All() {
		if !report.Step(done, count) {
			return false
		}
		done++
		sum.set(rows)
		if s.clip != nil {
			sum.clip(s.clip)
		}
		for i, c := range sum.cells {
			to := dst[int(c)*s.cols:][:s.cols]
			for j, v := range sum.data[i*s.cols:][:s.cols] {
				to[j] += v
			}
		}
	}
	return report.Step(count, count)
}

// ownerSum is the sparse sum of one owner's rows: cells in ascending order, [cells, cols] integers.
// SECRET.
type ownerSum struct {
	d     *design
	order []int // rows by cell
	cells []uint16
	data  []int64
}

func (s *sums) newOwnerSum() *ownerSum { return &ownerSum{d: s.design} }

// set sums rows.
func (o *ownerSum) set(rows []owners.Row) {
	o.wipe()
	o.order = o.order[:0]
	for i := range rows {
		o.order = append(o.order, i)
	}
	cell := func(i int) uint16 { return uint16(rows[i].Data[0]) }
	slices.SortFunc(o.order, func(a, b int) int { return int(cell(a)) - int(cell(b)) })
	valueDim := o.d.shared.ValueDim
	if need := len(rows) * o.d.cols; cap(o.data) < need {
		o.data, o.cells = make([]int64, 0, need), make([]uint16, 0, len(rows))
	}
	for _, i := range o.order {
		if n := len(o.cells); n == 0 || o.cells[n-1] != cell(i) {
			o.cells = append(o.cells, cell(i))
			o.data = o.data[:len(o.data)+o.d.cols]
		}
		to := o.data[len(o.data)-o.d.cols:]
		for c, v := range rows[i].Data[1:] {
			to[c] += int64(v)
		}
		to[valueDim] += int64(o.d.lambda)
	}
}

// clip scales the sum to a squared norm of at most bound, and reports whether it was longer.
func (o *ownerSum) clip(bound *big.Int) bool { return gaussian.Clip(o.data, bound) }

func (o *ownerSum) wipe() {
	clear(o.data[:cap(o.data)])
	clear(o.cells[:cap(o.cells)])
	clear(o.order[:cap(o.order)])
	o.data, o.cells = o.data[:0], o.cells[:0]
}

// Len implements mechanism.Sums.
func (s *sums) Len() (n int) {
	if s.owners == nil {
		return s.exact.Len()
	}
	for _, o := range s.owners {
		n += 8 + o.EncodedLen(1+s.shared.ValueDim)
	}
	return n
}

// Encode implements mechanism.Sums.
func (s *sums) Encode(w *wire.Writer) {
	if s.owners == nil {
		s.exact.Encode(w)
		return
	}
	for h, o := range s.owners {
		w.U64(s.rows[h])
		o.Encode(w)
	}
}

// possible reports whether a kept row can be one.
func (d *design) possible(row []int16) bool {
	return int(uint16(row[0])) < d.own.Cells && simd.Norm2(row[1:]) <= quant.ValueNorm2
}

// DecodeSums implements mechanism.Mechanism.
func (d *design) DecodeSums(r *wire.Reader) (mechanism.Sums, error) {
	if d.shared.OwnerRows == 0 && uint64(len(r.Buf)) != 8*uint64(d.shared.Heads)+d.StateBytes() {
		return nil, wire.Corrupt("its length does not fit its shapes")
	}
	if err := d.assignable(); err != nil {
		return nil, err
	}
	s := d.noSums()
	if err := s.decode(r); err != nil {
		s.Wipe()
		return nil, err
	}
	return s, nil
}

func (s *sums) decode(r *wire.Reader) error {
	if s.owners == nil {
		return s.exact.Decode(r)
	}
	for h, o := range s.owners {
		var err error
		if s.rows[h], err = mechanism.DecodeRows(r); err != nil {
			return err
		}
		if err := o.Decode(r, 1+s.shared.ValueDim, s.possible); err != nil {
			return err
		}
	}
	return r.End()
}

// Wipe implements mechanism.Sums.
func (s *sums) Wipe() {
	s.exact.Wipe()
	clear(s.rows)
	for _, o := range s.owners {
		o.Wipe()
	}
}
