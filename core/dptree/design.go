package dptree

import (
	"math"
	"math/bits"
	"slices"

	"dpattn/core/fault"
	"dpattn/core/noise"
	"dpattn/core/privacy"
	"dpattn/simd"
)

// MaxRows is the most rows of one structure.
const MaxRows = 1 << 30

// The integer grids. A weight of R_w is weightOne; a point at the end of its range is pointOne, and
// so is its square; a value of a Tree at its bound is valueOne. Sums over MaxRows rows stay below
// 2^60, and maxSupport keeps the sum of the noisy nodes of a range below 2^63.
const (
	weightOne  = 1 << 10
	pointBits  = 20
	pointOne   = 1 << pointBits
	valueOne   = 1 << 20
	maxSupport = 1 << 56
)

// term is one of the sums that a structure keeps of every coordinate (trees) or of the whole
// (scalars).
type term struct {
	name   string
	scalar bool
	power  int    // trees: sums of w x^power
	row    uint64 // the most that one row moves it by, in integer units
}

// design is everything public that follows from the Params of a structure: what is released, in
// which units, and how much one unit moves it.
//
// The numbers of a release are terms x coords (trees only) x nodes (trees only) x columns x copies,
// in this order.
type design struct {
	Params
	kind    kind
	heads   int    // structures of this design that see the same units and share one budget; 0 is 1 (heads.go)
	basis   *basis // from DPTreeSoftmax up
	columns int    // d_v + 1 for the attention: the last is the normaliser; else 1
	coords  int    // r, the dimension of points, or 1
	shape   dyadic
	terms   []term
	point   []int64 // [leaves] the point that stands for a leaf, (2g+1)/(2N), in units of 1/pointOne
	square  []int64 // [leaves] its square, likewise
}

// newDesign checks p and works it out, in the plain floating-point mode: the same on every host.
func newDesign(k kind, p Params) (d *design, err error) {
	simd.Plain(func() {
		if p, err = p.checked(k); err != nil {
			return
		}
		d = &design{Params: p, kind: k}
		if k >= kindSoftmax {
			if d.basis, err = newBasis(&p); err != nil {
				return
			}
		}
		err = d.derive()
	})
	return d, err
}

// derive fills in what follows from kind, Params and basis.
func (d *design) derive() error {
	d.columns, d.coords = 1, d.Dim
	if d.kind == kindAttention {
		d.columns = d.ValueDim + 1
	}
	if d.basis != nil {
		d.Degree, d.coords = len(d.basis.coeff)-1, d.basis.features()
		if d.Copies == 0 {
			var err error
			if d.Copies, err = d.copies(d.coords); err != nil {
				return err
			}
		}
	}
	d.shape = newDyadic(d.Leaves)
	switch {
	case d.kind == kindTree:
		d.terms = []term{{name: "sum", row: valueOne}}
		return nil
	case d.NoTrees:
		d.terms = []term{{name: "linear", power: 1, row: weightOne * pointOne}}
		return nil
	}
	n := int64(d.Leaves)
	d.point, d.square = make([]int64, n), make([]int64, n)
	for g := range n {
		x := 2*g + 1
		d.point[g] = (x*pointOne + n) / (2 * n)
		d.square[g] = (x*x*pointOne + 2*n*n) / (4 * n * n) // below 2^62 on the way
	}
	d.terms = []term{
		{name: "w", power: 0, row: weightOne},
		{name: "wx", power: 1, row: weightOne * uint64(d.point[n-1])},
	}
	if d.Squared || d.basis != nil {
		d.terms = append(d.terms, term{name: "wxx", power: 2, row: weightOne * uint64(d.square[n-1])})
	}
	if d.basis != nil {
		d.terms = append(d.terms,
			term{name: "P_wx", scalar: true, row: weightOne * pointOne},
			term{name: "s_w", scalar: true, row: weightOne})
	}
	for i := range d.terms { // a grid so coarse that a term is always zero still has a distribution
		d.terms[i].row = max(d.terms[i].row, 1)
	}
	return nil
}

// multipliers is what a weight in each leaf adds to the tree of w x^power: [leaves], nil for 1.
func (d *design) multipliers(power int) []int64 {
	return [3][]int64{nil, d.point, d.square}[power] // without trees there is no point: sums are of w x already
}

// lanes is how many numbers every node has: one for each copy of each column. They lie side by
// side, since a query asks all of them for the same nodes.
func (d *design) lanes() int { return d.columns * d.Copies }

// mechanisms is how many times the term is released with noise of its own, each time with one unit
// moving it by at most its sensitivity in the l1 norm: once a level for trees (one unit moves the
// nodes of one level by that much together), once for scalars; in every coordinate, copy, column
// and head.
func (d *design) mechanisms(t *term) uint64 {
	heads := max(d.heads, 1)
	if t.scalar {
		return product(heads, d.columns, d.Copies)
	}
	return product(heads, d.columns, d.Copies, d.coords, d.shape.levels())
}

// numbers is how many noisy integers the term has.
func (d *design) numbers(t *term) uint64 {
	if t.scalar {
		return product(d.columns, d.Copies)
	}
	return product(d.columns, d.Copies, d.coords, d.shape.nodes())
}

// tooMany is more than any memory holds; sums of a few of them do not wrap.
const tooMany = 1 << 56

// product multiplies shapes, and stops at tooMany.
func product(factors ...int) uint64 {
	p := uint64(1)
	for _, f := range factors {
		hi, lo := bits.Mul64(p, uint64(f))
		if hi != 0 || lo > tooMany {
			return tooMany
		}
		p = lo
	}
	return p
}

// sensitivity is how much one unit moves the term, in the l1 norm over a level.
func (d *design) sensitivity(t *term) uint64 { return t.row * d.unitRows() }

// count is k, the number of mechanisms of the whole structure, or of all heads.
func (d *design) count() (k uint64) {
	for i := range d.terms {
		k += d.mechanisms(&d.terms[i])
	}
	return k
}

// total is how many noisy integers a release has.
func (d *design) total() (n uint64) {
	for i := range d.terms {
		n += d.numbers(&d.terms[i])
	}
	return n
}

// guarantee is the accounting of one release: how the budget is split, and each term's noise.
type guarantee struct {
	budget        privacy.Budget
	composition   privacy.Composition
	distributions []noise.TruncatedLaplace // one a term
	variance      []float64                // of each distribution
}

// add gives the next term its noise.
func (g *guarantee) add(dist noise.TruncatedLaplace) {
	g.distributions = append(g.distributions, dist)
	g.variance = append(g.variance, variance(dist))
}

// calibrate splits the budget evenly over all mechanisms and finds each term's distribution.
func (d *design) calibrate(budget privacy.Budget) (guarantee, error) {
	g := guarantee{budget: budget}
	var err error
	if g.composition, err = privacy.SplitBudget(budget, d.count()); err != nil {
		return g, err
	}
	for i := range d.terms {
		dist, err := privacy.Laplace(d.sensitivity(&d.terms[i]), g.composition.Epsilon0, g.composition.Delta0)
		if err != nil {
			return g, err
		}
		if dist.Support > maxSupport {
			return g, fault.New(fault.Limit,
				"epsilon is too small for %d mechanisms: noise of up to %d does not fit; at most 2^56 does",
				g.composition.Count, dist.Support)
		}
		g.add(dist)
	}
	return g, nil
}

// holds reports whether noise of these distributions gives the budget, from the distributions
// themselves.
func (d *design) holds(g *guarantee) bool {
	if g.budget.Validate() != nil || g.composition.Count != d.count() || len(g.distributions) != len(d.terms) {
		return false
	}
	if total := g.composition.Total(); !(total.Epsilon <= g.budget.Epsilon && total.Delta <= g.budget.Delta) {
		return false
	}
	for i, dist := range g.distributions {
		s := d.sensitivity(&d.terms[i])
		spent := privacy.Budget{Epsilon: privacy.LaplaceEpsilon(dist, s), Delta: privacy.LaplaceDelta(dist, s)}
		each := privacy.Budget{Epsilon: g.composition.Epsilon0, Delta: g.composition.Delta0}
		if !(spent.Epsilon <= each.Epsilon && spent.Delta <= each.Delta) || dist.Support > maxSupport {
			return false
		}
	}
	return true
}

// compatible reports whether sums of both designs mean the same.
func (d *design) compatible(o *design) bool {
	return d.kind == o.kind && d.Params == o.Params && (d.basis == nil || slices.Equal(d.basis.share, o.basis.share))
}

// clip brings v into [lo, hi] and reports whether it had to. NaN is not to be asked about.
func clip(v, lo, hi float64) (float64, bool) {
	c := math.Min(math.Max(v, lo), hi)
	return c, c != v
}
