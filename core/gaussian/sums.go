package gaussian

import (
	"dpattn/core/internal/wire"
	"dpattn/core/mechanism"
	"dpattn/core/privacy"
)

// Sums are exact sums [Heads, Len] with the number of rows of each head: the secret half of a
// builder whose sums need no form of their own. SECRET.
type Sums struct {
	Exact []int64
	rows  []uint64
}

// NewSums makes empty sums.
func (d *Design) NewSums() Sums { return d.NewSumsOf(d.Heads) }

// NewSumsOf makes empty sums of some heads alone.
func (d *Design) NewSumsOf(heads int) Sums {
	return Sums{make([]int64, heads*d.Len), make([]uint64, heads)}
}

// Rows implements mechanism.Sums.
func (s *Sums) Rows(h int) uint64 { return s.rows[h] }

// CountRows adds to the number of rows of head h.
func (s *Sums) CountRows(h, n int) { s.rows[h] += uint64(n) }

// Absorb adds the sums of heads first, first+1, and so on.
func (s *Sums) Absorb(first int, from *Sums) {
	for h, n := range from.rows {
		s.rows[first+h] += n
	}
	to := s.Exact[first*(len(s.Exact)/len(s.rows)):]
	for i, v := range from.Exact {
		to[i] += v
	}
}

// Owners implements mechanism.Sums: there are none, the unit is a row.
func (s *Sums) Owners() (all, clipped uint64) { return 0, 0 }

// Release draws a state's noise, all of it, and only then adds the sums, which it does not change.
func (s *Sums) Release(d *Design, budget privacy.Budget, p *mechanism.Progress) (*State, error) {
	total := len(s.Exact)
	noisy, err := d.Draw(budget, func(done int) bool { return p.Step(done, total) })
	if err != nil {
		return nil, err
	}
	if !p.Step(total, total) {
		noisy.Wipe()
		return nil, mechanism.ErrCancelled
	}
	for i, v := range s.Exact {
		noisy.Noisy[i] += v
	}
	if d.RowsPublic {
		copy(noisy.Rows, s.rows)
	}
	return noisy, nil
}

// Len implements mechanism.Sums.
func (s *Sums) Len() int { return 8 * (len(s.rows) + len(s.Exact)) }

// Encode implements mechanism.Sums.
func (s *Sums) Encode(w *wire.Writer) {
	for _, n := range s.rows {
		w.U64(n)
	}
	w.I64s(s.Exact)
}

// Decode reads what Encode wrote, which is all of r.
func (s *Sums) Decode(r *wire.Reader) error {
	if len(r.Buf) != s.Len() {
		return wire.Corrupt("its length does not fit its shapes")
	}
	for h := range s.rows {
		var err error
		if s.rows[h], err = mechanism.DecodeRows(r); err != nil {
			return err
		}
	}
	r.I64s(s.Exact)
	return nil
}

// Wipe implements mechanism.Sums.
func (s *Sums) Wipe() {
	clear(s.Exact)
	clear(s.rows)
}
