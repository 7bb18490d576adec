package dptree

import (
	"fmt"
	"math"
	"sync"
	"time"

	"dpattn/core/fault"
	"dpattn/core/internal/memory"
	"dpattn/core/noise"
	"dpattn/core/privacy"
)

// EstimateResult says what a CrossAttention would cost and how accurate it would be, from public
// numbers alone.
type EstimateResult struct {
	Params          Params // with defaults filled in: Leaves, Degree and Copies are those that would be used
	Features        int    // r
	Levels          int
	Mechanisms      uint64 // k, over which the budget is split
	Numbers         uint64 // noisy integers
	Bytes           uint64 // of the noisy integers
	SecretBytes     uint64 // of the exact sums while building
	Available       uint64 // memory that there is
	Fits            bool
	InitSeconds     float64 // for drawing the noise and adding the sums, at a rate measured on this machine
	QueryNodes      uint64  // noisy integers that one query reads, at most
	PolynomialError float64 // eps_s
	RelativeError   float64 // 2 eps_s/(1 - eps_s), of an output in units of R_w; +Inf where eps_s is 1 or more
	GridError       float64 // rounding of features moves a softmax sum by so much a row, at the largest query
	Composition     privacy.Composition

	// SumStddev is the noise of one softmax sum at the largest query, in units of R_w. OutputStddev
	// is that of an output near 0, if Params.Rows rows have mean weight 1; +Inf without Rows.
	SumStddev    float64
	OutputStddev float64
}

// Estimate works out a CrossAttention. A release that does not fit the memory is reported by Fits,
// and is an error only when it is made; parameters or a budget that cannot be are an error.
func Estimate(p Params, budget privacy.Budget) (EstimateResult, error) {
	d, err := newDesign(kindAttention, p)
	if err != nil {
		return EstimateResult{}, err
	}
	return d.estimate(budget)
}

func (d *design) estimate(budget privacy.Budget) (EstimateResult, error) {
	g, err := d.calibrate(budget)
	if err != nil {
		return EstimateResult{}, err
	}
	r := EstimateResult{
		Params: d.Params, Features: d.coords, Levels: d.shape.levels(), Mechanisms: d.count(), Numbers: d.total(),
		Bytes: d.bytes(), SecretBytes: d.secretBytes(),
		Available: memory.Available(), PolynomialError: d.basis.err, Composition: g.composition,
	}
	r.Fits = r.Bytes+r.SecretBytes <= r.Available
	draw, add := rates()
	r.InitSeconds = float64(r.Numbers) * (draw + add)
	lane := uint64(d.coords) // without trees, one number a feature
	if !d.NoTrees {
		lane = lane*uint64(3*r.Levels) + 2 // both sides of a split are one node a level at most
	}
	r.QueryNodes = uint64(d.lanes()) * lane
	r.RelativeError = math.Inf(1)
	if e := r.PolynomialError; e < 1 {
		r.RelativeError = 2 * e / (1 - e)
	}
	f, top := &forest{d: d, guarantee: g}, d.newQuery()
	query := make([]float64, d.Dim)
	for i := range query {
		query[i] = d.Range
	}
	top.load(d, query)
	if !d.NoTrees {
		r.GridError = d.basis.top / float64(2*d.Leaves)
	}
	r.SumStddev = math.Sqrt(f.variance(top)) * medianFactor(d.Copies)
	r.OutputStddev = math.Inf(1)
	if d.Rows > 0 {
		r.OutputStddev = r.SumStddev * d.Weight / float64(d.Rows)
	}
	return r, nil
}

// rates are the seconds that drawing one number, and adding one node, take on this machine with the
// threads in use: measured once.
var rates = sync.OnceValues(func() (draw, add float64) {
	const n = 1 << 18
	numbers := make([]int64, n)
	dist := noise.TruncatedLaplace{Num: 1 << 40, Den: 1, Support: 1 << 45}
	start := time.Now()
	if err := kernelNoise(numbers, dist); err != nil {
		return 0, 0
	}
	draw = time.Since(start).Seconds() / n
	shape := newDyadic(n / 2)
	leaves, sums := make([]int64, n/2), make([]int64, shape.levels())
	start = time.Now()
	shape.addSums(numbers[:min(n, shape.nodes())], leaves, nil, sums, 1, 1)
	return draw, time.Since(start).Seconds() / float64(n)
})

// fits refuses a release that the memory does not hold, and says what would fit.
func (d *design) fits() error {
	available := memory.Available()
	need := d.bytes() + d.secretBytes()
	if need <= available {
		return nil
	}
	return fault.New(fault.OutOfMemory,
		"params: %s with %d columns, %d copies, %d coordinates and %d leaves has %d noisy integers; "+
			"they and the exact sums need %d bytes, %d are available%s",
		d.kind, d.columns, d.Copies, d.coords, d.Leaves, d.total(), need, available, d.wouldFit(available))
}

// wouldFit names the largest number of copies, else of leaves, that fits with the others as they
// are.
func (d *design) wouldFit(available uint64) string {
	fits := func(c design) bool { return c.derive() == nil && c.bytes()+c.secretBytes() <= available }
	most := func(now int, set func(c *design, n int)) int { // 0 if not even 1 fits
		lo, hi := 0, now
		for hi-lo > 1 {
			c := design{Params: d.Params, kind: d.kind, basis: d.basis}
			middle := lo + (hi-lo)/2
			if set(&c, middle); fits(c) {
				lo = middle
			} else {
				hi = middle
			}
		}
		return lo
	}
	if n := most(d.Copies, func(c *design, n int) { c.Copies = n }); n > 0 {
		return fmt.Sprintf("; copies = %d would fit", n)
	}
	if n := most(d.Leaves, func(c *design, n int) { c.Copies, c.Leaves = 1, n }); n > 0 {
		return fmt.Sprintf("; copies = 1 with leaves = %d would fit", n)
	}
	return "; no number of leaves would fit, choose a smaller degree, dim or value_dim"
}
