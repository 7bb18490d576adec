package gaussian

import (
	"dpattn/core/fault"
	"dpattn/core/internal/parallel"
	"dpattn/core/internal/wire"
	"dpattn/core/mechanism"
	"dpattn/core/noise"
	"dpattn/core/privacy"
)

// State is a noisy state. PUBLIC once it is complete, and immutable then.
type State struct {
	*Design
	Sigmas []uint64 // standard deviation of the noise on each integer of a head, before rounding
	Rows   []uint64 // of each head, where public; else 0
	Noisy  []int64  // [Heads, Len]
	Mu     float64  // rounded up
}

// slab is how much noise is drawn between two reports of progress.
const slab = 1 << 20

// Draw makes a state that is noise for the budget and nothing else yet: only then are sums to be
// added. done counts the integers that have their noise.
func (d *Design) Draw(budget privacy.Budget, step func(done int) bool) (*State, error) {
	sigmas, err := d.Calibrate(budget)
	if err != nil {
		return nil, err
	}
	s := d.newState(sigmas)
	for h, sigma := range sigmas {
		integers := s.Of(h)
		for lo := 0; lo < len(integers); lo += slab {
			if !step(h*d.Len + lo) {
				s.Wipe()
				return nil, mechanism.ErrCancelled
			}
			part := integers[lo:min(lo+slab, len(integers))]
			if err := noise.Gaussian(part, sigma, parallel.Threads()); err != nil {
				s.Wipe()
				return nil, fault.NoEntropy(err, "nothing was released")
			}
		}
	}
	return s, nil
}

func (d *Design) newState(sigmas []uint64) *State {
	return &State{
		Design: d, Sigmas: sigmas, Rows: make([]uint64, d.Heads), Noisy: make([]int64, d.Heads*d.Len),
		Mu: privacy.RootUp(d.MuSquared(sigmas)),
	}
}

// Of is head h's part of the state.
func (s *State) Of(h int) []int64 { return s.Noisy[h*s.Len : (h+1)*s.Len] }

// Integers implements mechanism.State.
func (s *State) Integers() []int64 { return s.Noisy }

// Wipe implements mechanism.State.
func (s *State) Wipe() { clear(s.Noisy) }

// Encode implements mechanism.State.
func (s *State) Encode(w *wire.Writer) {
	for h, sigma := range s.Sigmas {
		w.U64(sigma)
		w.U64(s.Rows[h])
	}
	w.I64s(s.Noisy)
}

// DecodeState reads what Encode wrote, and refuses noise that does not give the budget. The caller
// has made sure that the bytes are there and that memory is.
func (d *Design) DecodeState(r *wire.Reader, budget privacy.Budget) (*State, error) {
	sigmas, rows := make([]uint64, d.Heads), make([]uint64, d.Heads)
	for h := range sigmas {
		sigmas[h], rows[h] = r.U64(), r.U64()
		if sigmas[h] < 1 || sigmas[h] > privacy.MaxSigma || rows[h] > mechanism.MaxRows ||
			rows[h] != 0 && !d.RowsPublic {
			return nil, wire.Corrupt("a head's sigma or number of rows is out of range")
		}
	}
	if !privacy.Keeps(budget, d.Terms(sigmas)) {
		return nil, wire.Corrupt("its noise is too small for the epsilon and delta that it claims")
	}
	s := d.newState(sigmas)
	s.Rows = rows
	r.I64s(s.Noisy)
	return s, nil
}
