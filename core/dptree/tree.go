package dptree

import (
	"math"

	"dpattn/core/fault"
	"dpattn/core/privacy"
	"dpattn/simd"
)

// Tree is the paper's DPTree (section 4, appendix D): noisy sums over ranges of an ordered list.
// PUBLIC, immutable, safe for concurrent use.
//
// The paper's theorem: for a list of n values of magnitude at most gamma, the sums of all nodes of
// a binary tree, each with truncated Laplace noise, are (epsilon, delta)-differentially private; a
// range is the sum of O(log n) nodes, with additive error O(gamma log^1.5(n)/epsilon) up to a
// logarithm of 1/delta, and any number of queries is post-processing.
//
// Where this differs: values are rounded to integers (2^-20 of the bound) before they are summed,
// so that neither sums nor noise are floating-point numbers; the noise is the exact discrete
// distribution; the budget is split over levels by the better of basic and advanced composition.
type Tree struct{ *released }

// NewTree releases the range sums of values: values[i] belongs to leaf positions[i], or to leaf i
// when positions is nil. Values outside [-Weight, Weight] are clipped; a value of NaN or Inf, or
// one whose position is outside of 0..Leaves-1, contributes nothing. owners has one id a value if
// params.OwnerRows is above 0, else it is nil: of one owner the first OwnerRows values count.
//
// It reads Adjacency, OwnerRows, Leaves (or Rows) and Weight. A neighbour has one value more or
// less (AddRemove) or one value, and its position, changed (Replace); the other values keep their
// positions.
func NewTree(p Params, positions []int, values []float64, owners []uint64, budget privacy.Budget,
	report Report) (*Tree, Diagnostics, error) {
	return newTree(p, positions, values, owners, budget, kernelNoise, report)
}

// newTree is NewTree with its randomness given.
func newTree(p Params, positions []int, values []float64, owners []uint64, budget privacy.Budget, noise draw,
	report Report) (*Tree, Diagnostics, error) {
	d, err := newDesign(kindTree, p)
	if err != nil {
		return nil, Diagnostics{}, err
	}
	if positions != nil && len(positions) != len(values) {
		return nil, Diagnostics{}, fault.Invalid("positions has %d numbers; it must have one for each of the %d values",
			len(positions), len(values))
	}
	s, err := d.newSums()
	if err != nil {
		return nil, Diagnostics{}, err
	}
	defer s.wipe()
	if err := s.room("values", len(values)); err != nil {
		return nil, Diagnostics{}, err
	}
	keep, err := d.firstOf(owners, len(values))
	if err != nil {
		return nil, Diagnostics{}, err
	}
	var counts Diagnostics
	simd.Plain(func() { counts = s.addValues(positions, values, keep) })
	s.rows = uint64(len(values))
	f, err := s.release(budget, noise, report)
	if err != nil {
		return nil, Diagnostics{}, err
	}
	return &Tree{&released{f: f}}, counts, nil
}

// addValues adds values to the leaves that their positions name.
func (s *sums) addValues(positions []int, values []float64, keep func(i int) bool) (counts Diagnostics) {
	d := s.d
	for i, v := range values {
		if !keep(i) {
			counts.Rows++
			counts.RowsDropped++
			continue
		}
		at := i
		if positions != nil {
			at = positions[i]
		}
		var f Outcome
		if math.IsNaN(v) || math.IsInf(v, 0) {
			f = Zeroed
		} else {
			c, out := clip(v, -d.Weight, d.Weight)
			if out {
				f |= WeightClipped
			}
			if at < 0 || at >= d.Leaves {
				f |= PointClipped
			} else {
				s.leaf[at] += int64(math.RoundToEven(c / d.Weight * valueOne))
			}
		}
		counts.count(f)
	}
	return counts
}

// firstOf reports for each row whether it is one of the first OwnerRows of its owner. That is a
// function of the owner's own rows in their order: who else is there does not change it.
func (d *design) firstOf(owners []uint64, rows int) (keep func(i int) bool, err error) {
	switch {
	case d.OwnerRows == 0 && owners != nil:
		return nil, fault.Invalid(
			"owners: ids were given, but params.owner_rows is 0 (the unit is a row); they must be nil")
	case d.OwnerRows == 0:
		return func(int) bool { return true }, nil
	case len(owners) != rows:
		return nil, fault.Invalid(
			"owners has %d ids; with params.owner_rows = %d it must have one for each of the %d rows",
			len(owners), d.OwnerRows, rows)
	}
	seen := map[uint64]int{}
	keeps := make([]bool, rows)
	for i, id := range owners {
		seen[id]++
		keeps[i] = seen[id] <= d.OwnerRows
	}
	return func(i int) bool { return keeps[i] }, nil
}

// CheckRange refuses a range lo..hi-1 of leaves that Query does not answer: ranges lie within
// 0..Leaves, and lo <= hi.
func (t *Tree) CheckRange(lo, hi int) error {
	if leaves := t.f.d.Leaves; lo < 0 || lo > hi || hi > leaves {
		return fault.Invalid("range is %d..%d; it must be within 0..%d and not end before it begins", lo, hi, leaves)
	}
	return nil
}

// Query returns the noisy sum of the values in leaves lo..hi-1, and the standard deviation of its
// noise, a function of public numbers.
func (t *Tree) Query(lo, hi int) (sum, stddev float64, err error) {
	if err := t.CheckRange(lo, hi); err != nil {
		return 0, 0, err
	}
	d := t.f.d
	var room [2 * maxLevels]int32
	nodes := d.shape.cover(room[:0], lo, hi)
	sum = t.f.sumOne(0, 0, nodes) * (d.Weight / valueOne)
	return sum, math.Sqrt(float64(len(nodes))*t.f.guarantee.variance[0]) * d.Weight / valueOne, nil
}
