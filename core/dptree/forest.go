package dptree

import (
	"dpattn/core/fault"
	"dpattn/core/internal/parallel"
	"dpattn/core/noise"
	"dpattn/core/privacy"
)

// draw fills dst with independent noise of a law. Every structure takes its randomness from one of these; outside tests it is kernelNoise.
type draw func(dst []int64, law noise.TruncatedLaplace) error

func kernelNoise(dst []int64, law noise.TruncatedLaplace) error {
	if err := noise.Laplace(dst, law, parallel.Threads()); err != nil {
		return fault.New(fault.Entropy, "the kernel's random number generator failed (%v); nothing was released", err)
	}
	return nil
}

// Report is called from the caller's goroutine during long work; false cancels it. It may be nil.
type Report func(done, total uint64) (goOn bool)

var errCancelled = fault.New(fault.Cancelled, "cancelled by the progress callback; nothing was released")

// Places of the terms in a design with a basis and trees; those of w, w x and w x^2 are their powers.
const (
	termNorm   = 3 // P_wx
	termWeight = 4 // s_w
)

// forest is what every structure releases: noisy integers and public parameters, nothing else. PUBLIC, immutable, with no path to the data.
type forest struct {
	d         *design
	guarantee guarantee
	numbers   [][]int64 // one list a term, in the order that design names
	rows      uint64    // where the number of rows is public: Replace with rows as units; else 0
}

// release adds noise to the sums. Noise is drawn first, all of it, and only then the sums are read. On an error nothing leaves, and s is as it was.
func (s *sums) release(budget privacy.Budget, noise draw, report Report) (*forest, error) {
	d := s.d
	g, err := d.calibrate(budget)
	if err != nil {
		return nil, err
	}
	if err := d.fits(); err != nil {
		return nil, err
	}
	return s.noisy(g, noise, report)
}

// noisy is release with the accounting done.
func (s *sums) noisy(g guarantee, noise draw, report Report) (*forest, error) {
	d := s.d
	f := &forest{d: d, guarantee: g}
	if d.Adjacency == privacy.Replace && d.OwnerRows == 0 {
		f.rows = s.rows
	}
	whole := false
	defer func() {
		if !whole {
			f.clear()
		}
	}()
	done, total := uint64(0), 2*d.total()
	step := func(n uint64) bool {
		done += n
		return report == nil || report(done, total)
	}
	if !step(0) {
		return nil, errCancelled
	}
	const slab = 1 << 20
	for i := range d.terms {
		list := make([]int64, d.numbers(&d.terms[i]))
		f.numbers = append(f.numbers, list)
		for lo := 0; lo < len(list); lo += slab {
			part := list[lo:min(lo+slab, len(list))]
			if err := noise(part, g.laws[i]); err != nil {
				return nil, err
			}
			if !step(uint64(len(part))) {
				return nil, errCancelled
			}
		}
	}
	if !s.addTo(f, step) {
		return nil, errCancelled
	}
	whole = true
	return f, nil
}

// clear zeroes what must not leave.
func (f *forest) clear() {
	for _, list := range f.numbers {
		clear(list)
	}
}

// addTo adds the exact sums to the noise.
func (s *sums) addTo(f *forest, step func(n uint64) bool) bool {
	d := s.d
	trees := uint64(0)
	for t := range d.terms {
		if !d.terms[t].scalar {
			trees++
			continue
		}
		for i := range f.numbers[t] {
			f.numbers[t][i] += s.whole[2*(i/d.Copies)+t-termNorm]
		}
		if !step(uint64(len(f.numbers[t]))) {
			return false
		}
	}
	work := make([][]int64, parallel.Threads())
	defer func() {
		for _, w := range work {
			clear(w)
		}
	}()
	const piece = 32
	per := trees * uint64(d.Copies) * uint64(d.shape.nodes())
	for lo := 0; lo < d.columns*d.coords; lo += piece {
		count := min(piece, d.columns*d.coords-lo)
		parallel.Do(count, func(worker, i int) {
			if work[worker] == nil {
				work[worker] = make([]int64, 2*d.Leaves)
			}
			column, coord := (lo+i)/d.coords, (lo+i)%d.coords
			s.raise(f, column, coord, work[worker])
		})
		if !step(uint64(count) * per) {
			return false
		}
	}
	return true
}

// raise adds one coordinate's sums for one column to all copies of all trees. work has 2*leaves numbers and is left zero.
func (s *sums) raise(f *forest, column, coord int, work []int64) {
	d := s.d
	weights, values := work[:d.Leaves], work[d.Leaves:]
	leaf := s.leaf[coord*d.Leaves*d.columns:]
	for g := range weights {
		weights[g] = leaf[g*d.columns+column]
	}
	for t := range d.terms {
		if d.terms[t].scalar {
			continue
		}
		for copies := range d.Copies {
			for g, w := range weights {
				values[g] = w
				if d.point != nil {
					values[g] = w * d.multiplier(d.terms[t].power, g)
				}
			}
			d.shape.raise(f.tree(t, column, copies, coord).nodes, values)
		}
	}
	clear(work)
}

// tree is one noisy tree of the forest.
func (f *forest) tree(term, column, copy, coord int) tree {
	d := f.d
	n := d.shape.nodes()
	at := ((column*d.Copies+copy)*d.coords + coord) * n
	return tree{&d.shape, f.numbers[term][at : at+n : at+n]}
}

// scalar is one noisy scalar.
func (f *forest) scalar(term, column, copy int) float64 {
	return float64(f.numbers[term][column*f.d.Copies+copy])
}

// bytes is the size of the noisy integers.
func (d *design) bytes() uint64 { return 8 * d.total() }
