package core

import (
	"dpattn/core/internal/wire"
	"dpattn/core/moment"
	"dpattn/core/privacy"
	"dpattn/simd"
)

// mechanism is one way of making a release: everything public that follows from the Params. Builder, Release, Plan and the files see no more of a
// mechanism than this and its two halves, secret and public. It is immutable.
type mechanism interface {
	// params are checked, with defaults filled in.
	params() *Params
	// stateBytes is the size of the state of all heads.
	stateBytes() uint64
	// plan works out a release of that many rows.
	plan(rows uint64, budget privacy.Budget, targetError float64) (PlanResult, error)
	// cost is what a release with this budget spends. It is known before there is noise.
	cost(budget privacy.Budget) (privacy.Cost, error)
	// empty makes the secret half of a builder.
	empty() (secret, error)
	// compatible reports whether secrets of both mechanisms may be merged.
	compatible(other mechanism) bool

	// encode writes the parameters, in a form that begins with those that every mechanism has (codec.go).
	encode(w *wire.Writer)
	// encodedState is how many bytes the public half takes in a release file.
	encodedState() uint64
	// decodeState reads the public half of a release, and refuses it where its noise does not give the budget.
	decodeState(r *wire.Reader, budget privacy.Budget) (public, error)
	// decodeSecret reads the secret half of a builder to its end.
	decodeSecret(r *wire.Reader) (secret, error)
}

// secret is a mechanism's half of a Builder: what it keeps of private rows, without noise. SECRET. Its caller holds the builder's lock.
type secret interface {
	// rows is how many rows head h was given.
	rows(h int) uint64
	// owners counts the distinct owners over all heads, where owners are units, and those of them whose rows are over OwnerBound.
	owners() (all, clipped uint64)
	// ingest adds a checked chunk, all of it or, when cancelled or refused, nothing.
	ingest(c chunk, p *Progress) (Diagnostics, error)
	// absorb adds everything in from, which is of a compatible mechanism and left to be wiped; dropped counts rows beyond OwnerRows.
	absorb(from secret) (dropped uint64)
	// release makes the public half: noise for the budget, then the rows on top. It does not change what is kept.
	release(budget privacy.Budget, p *Progress, noise draw) (public, error)
	// encodedLen and encode write everything kept into a secret partial.
	encodedLen() int
	encode(w *wire.Writer)
	wipe()
}

// public is a mechanism's half of a Release: the noisy state and what queries need. Immutable, safe for concurrent use.
type public interface {
	// load brings one query of head h into the public bounds, in place, and says whether that changed it. shift is what is to be added to the
	// logarithm of the denominator; NaN marks a query with NaN or Inf, which counts as changed and is zeroed.
	load(h int, query []float64) (shift float64, clipped bool)
	// attend answers up to moment.Block loaded queries of head h. The answers' bits do not depend on threads.
	attend(h int, queries [][]float64, answers []moment.Answer, threads int)
	// state is the noisy integers.
	state() []int64
	// certificate is common and what the mechanism adds to it, ready for JSON.
	certificate(common certificateHead) any
	// describe fills in what the mechanism knows.
	describe(i *Info)
	// encode writes the encodedState bytes of a release file.
	encode(w *wire.Writer)
	// wipe zeroes a state that nobody was given.
	wipe()
}

// entry is how one mechanism is called, made from Params that have passed checked, and read from a file: head is what every mechanism has there, perFeature as
// in decodeMechanism.
type entry struct {
	name    string
	degrees int // Plan chooses from degrees 1..degrees where the degree is open; 0: the mechanism chooses
	make    func(p Params) (mechanism, error)
	decode  func(r *wire.Reader, head Params, perFeature int) (mechanism, error)
}

// entry is the one list of mechanisms; an unknown one has no name.
func (m Mechanism) entry() entry {
	switch m {
	case Gaussian:
		return entry{"gaussian", planDegrees, newGaussian, decodeGaussian}
	case DPTree:
		return entry{"dptree", 0, newTrees, decodeTrees}
	}
	return entry{}
}

// newMechanism checks p and works out its mechanism, in the plain floating-point mode: the same on every host.
func newMechanism(p Params) (m mechanism, err error) {
	simd.Plain(func() {
		if p, err = p.checked(); err == nil {
			m, err = p.Mechanism.entry().make(p)
		}
	})
	return m, err
}
