package dptree

import (
	"dpattn/core/fault"
	"dpattn/core/internal/parallel"
	"dpattn/core/noise"
	"dpattn/core/privacy"
)

// draw fills dst with independent noise of a distribution. Every structure takes its randomness
// from one of these; outside tests it is kernelNoise.
type draw func(dst []int64, dist noise.TruncatedLaplace) error

func kernelNoise(dst []int64, dist noise.TruncatedLaplace) error {
	if err := noise.Laplace(dst, dist, parallel.Threads()); err != nil {
		return fault.NoEntropy(err, "nothing was released")
	}
	return nil
}

// Report is called from the caller's goroutine during long work; false cancels it. It may be nil.
type Report func(done, total uint64) (goOn bool)

var errCancelled = fault.New(fault.Cancelled, "cancelled by the progress callback; nothing was released")

// Places of the terms in a design with a basis and trees; those of w, w x and w x^2 are their
// powers.
const (
	termNorm   = 3 // P_wx
	termWeight = 4 // s_w
)

// chunk is about how many numbers are worked on between two calls of Report.
const chunk = 1 << 20

// forest is what every structure releases: noisy integers and public parameters, nothing else.
// PUBLIC, immutable, with no path to the data.
type forest struct {
	d         *design
	guarantee guarantee
	numbers   [][]int64 // one list a term: trees [coords, nodes, columns, copies], scalars [columns, copies]
	rows      uint64    // where the number of rows is public: Replace with rows as units; else 0
}

// release adds noise to the sums. Noise is drawn first, all of it, and only then the sums are read.
// On an error nothing leaves, and s is as it was.
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
	complete := false
	defer func() {
		if !complete {
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
	for i := range d.terms {
		list := make([]int64, d.numbers(&d.terms[i]))
		f.numbers = append(f.numbers, list)
		for lo := 0; lo < len(list); lo += chunk {
			part := list[lo:min(lo+chunk, len(list))]
			if err := noise(part, g.distributions[i]); err != nil {
				return nil, err
			}
			if !step(uint64(len(part))) {
				return nil, errCancelled
			}
		}
	}
	if !s.addExact(f, step) {
		return nil, errCancelled
	}
	complete = true
	return f, nil
}

// clear zeroes what must not leave.
func (f *forest) clear() {
	for _, list := range f.numbers {
		clear(list)
	}
}

// addExact adds the exact sums to the noise.
func (s *sums) addExact(f *forest, step func(n uint64) bool) bool {
	d := s.d
	trees := 0
	for t := range d.terms {
		if !d.terms[t].scalar {
			trees++ // they come first
			continue
		}
		for i := range f.numbers[t] {
			f.numbers[t][i] += s.whole[2*(i/d.Copies)+t-termNorm]
		}
		if !step(uint64(len(f.numbers[t]))) {
			return false
		}
	}
	threads := parallel.Threads() // which may change at any time
	work := make([]int64, threads*d.shape.levels()*d.columns)
	defer clear(work)
	each := d.lanes() * d.shape.nodes() // numbers of a tree in all lanes
	piece := max(threads, chunk/each)
	for lo := 0; lo < trees*d.coords; lo += piece {
		count := min(piece, trees*d.coords-lo)
		parallel.DoN(threads, count, func(worker, i int) {
			s.addTree(f, (lo+i)/d.coords, (lo+i)%d.coords, work[worker*d.shape.levels()*d.columns:])
		})
		if !step(uint64(count) * uint64(each)) {
			return false
		}
	}
	return true
}

// addTree adds one coordinate's sums to its trees of one term. work is for dyadic.addSums.
func (s *sums) addTree(f *forest, term, coord int, work []int64) {
	d := s.d
	size := d.Leaves * d.columns
	leaf, scale := s.leaf[coord*size:(coord+1)*size], d.multipliers(d.terms[term].power)
	d.shape.addSums(f.tree(term, coord), leaf, scale, work, d.columns, d.Copies)
}

// tree is [nodes, columns, copies], the noisy trees of one term and coordinate.
func (f *forest) tree(term, coord int) []int64 {
	n := f.d.shape.nodes() * f.d.lanes()
	return f.numbers[term][coord*n : (coord+1)*n]
}

// sum adds up some nodes of a tree in every lane: dst [columns, copies]. Four at a time, so that
// the processor fetches them from memory at once.
func (f *forest) sum(dst []int64, term, coord int, nodes []int32) {
	clear(dst)
	tree := f.tree(term, coord)
	at := func(i int32) []int64 { return tree[int(i)*len(dst):][:len(dst)] }
	for ; len(nodes) >= 4; nodes = nodes[4:] {
		a, b, c, d := at(nodes[0]), at(nodes[1]), at(nodes[2]), at(nodes[3])
		for l := range dst {
			dst[l] += a[l] + b[l] + c[l] + d[l]
		}
	}
	for _, i := range nodes {
		for l, v := range at(i) {
			dst[l] += v
		}
	}
}

// sumOne is sum where there is one lane.
func (f *forest) sumOne(term, coord int, nodes []int32) float64 {
	var v [1]int64
	f.sum(v[:], term, coord, nodes)
	return float64(v[0])
}

// bytes is the size of the noisy integers.
func (d *design) bytes() uint64 { return 8 * d.total() }
