package core

import (
	"crypto/rand"
	"io"
	"sync"

	"dpattn/core/fault"
	"dpattn/core/internal/parallel"
	"dpattn/core/noise"
	"dpattn/core/privacy"
)

// Release is the noisy state and the public parameters, and nothing else: PUBLIC. It is immutable and safe for concurrent use. Everything done
// with it is post-processing.
type Release struct {
	mechanism mechanism
	public    public
	budget    privacy.Budget
	id        [16]byte
	size      int       // of the saved release
	spare     sync.Pool // *answers
	calls     sync.Pool // *together
}

// draw fills dst with independent round(N(0, sigma^2)).
type draw func(dst []int64, sigma uint64) error

// kernelNoise is the only draw outside tests: exact samples from fresh kernel randomness.
func kernelNoise(dst []int64, sigma uint64) error {
	if err := noise.Gaussian(dst, sigma, parallel.Threads()); err != nil {
		return fault.NoEntropy(err, "nothing was released")
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
	r, err := b.draft(budget, p, noise, names)
	if err != nil {
		return nil, err
	}
	b.wipe()
	return r, nil
}

// draft makes a release and leaves the builder as it is: its caller wipes one of the two.
func (b *Builder) draft(budget privacy.Budget, p *Progress, noise draw, names io.Reader) (*Release, error) {
	m := b.mechanism
	r := &Release{mechanism: m, budget: budget, size: savedSize(m)}
	if _, err := io.ReadFull(names, r.id[:]); err != nil {
		return nil, fault.NoEntropy(err, "nothing was released")
	}
	var err error
	if r.public, err = b.secret.release(budget, p.fixed(), noise); err != nil {
		return nil, err
	}
	return r, nil
}

// State returns the noisy integers, row-major [heads, r, d_v+1]. Read-only.
func (r *Release) State() []int64 { return r.public.state() }

// Info describes a release.
type Info struct {
	Heads, KeyDim, ValueDim, Degree                 int
	Mechanism                                       Mechanism
	Polynomial                                      Polynomial
	Adjacency                                       Adjacency
	OwnerRows                                       int
	Rotation                                        Rotation
	KeyBound, ValueBound, QueryBound, Scale, Lambda float64
	OwnerBound                                      float64
	Range, ValueRange                               float64
	Leaves, Copies                                  int
	Trees                                           Trees
	LogitBound, PolynomialError, Epsilon, Delta, Mu float64
	Features, StateBytes, SaveBytes                 uint64
	ID                                              [16]byte
}

// Info describes the release.
func (r *Release) Info() Info {
	p := r.mechanism.params()
	i := Info{
		Heads: p.Heads, KeyDim: p.KeyDim, ValueDim: p.ValueDim, Degree: p.Degree, Mechanism: p.Mechanism, Adjacency: p.Adjacency, OwnerRows: p.OwnerRows,
		Epsilon: r.budget.Epsilon, Delta: r.budget.Delta, StateBytes: r.mechanism.stateBytes(), SaveBytes: uint64(r.size), ID: r.id,
	}
	r.public.describe(&i)
	return i
}
