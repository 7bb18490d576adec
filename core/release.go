package core

import (
	"crypto/rand"
	"io"
	"math"
	"math/big"
	"sync"

	"dpattn/core/fault"
	"dpattn/core/internal/parallel"
	"dpattn/core/moment"
	"dpattn/core/noise"
	"dpattn/core/privacy"
)

// Release is the noisy state and the public parameters, and nothing else: PUBLIC. It is immutable and safe for concurrent use. Everything done
// with it is post-processing.
type Release struct {
	design  *design
	budget  privacy.Budget
	id      [16]byte
	heads   []published
	state   []int64 // [heads, r, d_v+1]
	mu      float64 // rounded up
	size    int     // of the saved release
	readers []*moment.Reader
	spare   sync.Pool // *answers
}

// published is what a release says of one head.
type published struct {
	sigma uint64 // standard deviation of the noise on each integer, before rounding
	rows  uint64 // number of rows where it is public, else 0
}

// draw fills dst with independent round(N(0, sigma^2)).
type draw func(dst []int64, sigma uint64) error

// kernelNoise is the only draw outside tests: exact samples from fresh kernel randomness.
func kernelNoise(dst []int64, sigma uint64) error {
	if err := noise.Gaussian(dst, sigma, parallel.Threads()); err != nil {
		return fault.New(fault.Entropy, "the kernel's random number generator failed (%v); nothing was released", err)
	}
	return nil
}

// Release spends the budget: it adds noise to the sums, consumes and wipes the builder. On any error, cancelling included, the builder
// stays as it was and nothing is spent, for nothing leaves this function.
func (b *Builder) Release(budget privacy.Budget, p *Progress) (*Release, error) {
	return b.release(budget, p, kernelNoise, rand.Reader)
}

// release is Release with its randomness given: noise on the sums, and the id.
func (b *Builder) release(budget privacy.Budget, p *Progress, noise draw, names io.Reader) (*Release, error) {
	defer b.unlock()
	if err := b.lock("builder"); err != nil {
		return nil, err
	}
	d := b.design
	heads, err := d.calibrate(budget)
	if err != nil {
		return nil, err
	}
	// The noisy state, and the readers' copy of it, which is at most as large.
	if err := fits("release: the noisy state and its form for queries", 2*d.stateBytes()); err != nil {
		return nil, err
	}
	b.dropIntake()
	r := &Release{design: d, budget: budget, heads: heads, state: make([]int64, d.Heads*d.stateLen())}
	if _, err := io.ReadFull(names, r.id[:]); err != nil {
		return nil, fault.New(fault.Entropy, "the kernel's random number generator failed (%v); nothing was released", err)
	}
	if err := b.fill(r, p.fixed(), noise); err != nil {
		clear(r.state)
		return nil, err
	}
	r.open()
	b.wipe()
	return r, nil
}

// fill makes the state noise first, all of it, and only then reads the sums. Rounded noise commutes with integer shifts, so this is the
// rounding of sum + Gaussian (PROOF.md in package moment).
func (b *Builder) fill(r *Release, p *Progress, noise draw) error {
	const slab = 1 << 20
	d := b.design
	total := len(r.state)
	for h := range b.heads {
		if o := b.heads[h].owners; o != nil {
			total += o.count()
		}
	}
	done := 0
	for h := range r.heads {
		state := r.of(h)
		for lo := 0; lo < len(state); lo += slab {
			if !p.step(done, total) {
				return errCancelled
			}
			part := state[lo:min(lo+slab, len(state))]
			if err := noise(part, r.heads[h].sigma); err != nil {
				return err
			}
			done += len(part)
		}
	}
	if !p.step(done, total) {
		return errCancelled
	}
	for h := range r.heads {
		sums := b.heads[h].sums
		if o := b.heads[h].owners; o != nil {
			if sums = b.sumOwners(h, func(rows int) bool { return p.step(done+rows, total) }); sums == nil {
				return errCancelled
			}
			done += o.count()
		}
		sums.AddTo(r.of(h))
		if b.heads[h].owners != nil {
			sums.Wipe()
		}
		if d.rowsPublic() {
			r.heads[h].rows = b.heads[h].rows
		}
	}
	return nil
}

// calibrate chooses each head's sigma for the budget: the least integers with sum_h sensitivity^2/sigma_h^2 <= mu^2 and the wanted shares.
func (d *design) calibrate(budget privacy.Budget) ([]published, error) {
	if err := budget.Validate(); err != nil {
		return nil, fault.Invalid("%v", err)
	}
	mu, err := privacy.Mu(budget.Epsilon, budget.Delta)
	if err != nil {
		return nil, fault.Invalid("%v", err)
	}
	heads := make([]published, d.Heads)
	for h, target := range d.targets() {
		if heads[h].sigma, err = privacy.Sigma(target, mu); err != nil {
			return nil, fault.New(fault.Limit, "%v", err)
		}
	}
	return heads, nil
}

// muTerm is a number of heads with the same sigma.
type muTerm struct {
	heads int
	sigma uint64
}

// muTerms groups the heads by sigma, in order of first appearance.
func (r *Release) muTerms() (terms []muTerm) {
	at := map[uint64]int{}
	for _, h := range r.heads {
		i, ok := at[h.sigma]
		if !ok {
			i = len(terms)
			at[h.sigma] = i
			terms = append(terms, muTerm{sigma: h.sigma})
		}
		terms[i].heads++
	}
	return terms
}

// muUp returns mu = sqrt(sum_h sensitivity^2/sigma_h^2), rounded up.
func (r *Release) muUp() float64 {
	var mus []float64
	for _, t := range r.muTerms() {
		squared := new(big.Int).Mul(r.design.sensitivity.Squared, big.NewInt(int64(t.heads)))
		mus = append(mus, privacy.MuOf(squared, t.sigma))
	}
	return privacy.Compose(mus...)
}

// of is head h's part of the state.
func (r *Release) of(h int) []int64 {
	n := r.design.stateLen()
	return r.state[h*n : (h+1)*n]
}

// open makes what queries need.
func (r *Release) open() {
	d := r.design
	b := d.LogitBound()
	public := moment.Public{
		Map: d.fmap, Cols: d.cols, ValueBound: d.ValueBound, ValueStep: d.valueStep(), Lambda: d.lambda,
		LogitBound: b, Top: max(d.polynomial.At(b), math.Exp(b)),
	}
	r.mu, r.size = r.muUp(), savedSize(d)
	r.readers = make([]*moment.Reader, d.Heads)
	for h := range r.readers {
		public.Sigma, public.Rows = float64(r.heads[h].sigma), r.heads[h].rows
		r.readers[h] = moment.NewReader(public, r.of(h))
	}
}

// State returns the noisy integers, row-major [heads, r, d_v+1]. Read-only.
func (r *Release) State() []int64 { return r.state }

// Info describes a release.
type Info struct {
	Heads, KeyDim, ValueDim, Degree                 int
	Mechanism                                       Mechanism
	Polynomial                                      Polynomial
	Adjacency                                       Adjacency
	OwnerRows                                       int
	Rotation                                        Rotation
	KeyBound, ValueBound, QueryBound, Scale, Lambda float64
	LogitBound, PolynomialError, Epsilon, Delta, Mu float64
	Features, StateBytes, SaveBytes                 uint64
	ID                                              [16]byte
}

// Info describes the release.
func (r *Release) Info() Info {
	d := r.design
	return Info{
		Heads: d.Heads, KeyDim: d.KeyDim, ValueDim: d.ValueDim, Degree: d.Degree,
		Mechanism: d.Mechanism, Polynomial: d.Polynomial, Adjacency: d.Adjacency, OwnerRows: d.OwnerRows, Rotation: d.Rotation,
		KeyBound: d.KeyBound, ValueBound: d.ValueBound, QueryBound: d.QueryBound, Scale: d.Scale, Lambda: d.lambdaValue(),
		LogitBound: d.LogitBound(), PolynomialError: d.polynomial.RelativeError,
		Epsilon: r.budget.Epsilon, Delta: r.budget.Delta, Mu: r.mu,
		Features: uint64(d.features), StateBytes: d.stateBytes(), SaveBytes: uint64(r.size), ID: r.id,
	}
}
