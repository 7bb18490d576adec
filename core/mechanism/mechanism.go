package mechanism

import (
	"dpattn/core/internal/wire"
	"dpattn/core/privacy"
)

// Kind is one entry of the registry: how a mechanism is found by its number.
type Kind struct {
	Number int32  // in enum dpattn_mechanism and in files; never used again for another
	Name   string // in certificates, ledgers and Python
	// Settings reads the mechanism's own parameters.
	Settings func(f *Fields) Settings
	// Decode reads what Mechanism.Encode wrote, from a file that may be hostile, and checks all of
	// it. State says that the file is a release: then the state follows, and must be there before
	// memory of its size is taken.
	Decode func(r *wire.Reader, head Head, state bool) (Mechanism, error)
}

// Head is what a file says first, whatever the mechanism.
type Head struct {
	Heads, KeyDim, ValueDim int
	Degree                  int // 0 for a mechanism without a polynomial
}

// Settings are a mechanism's own parameters; their type says which mechanism it is.
type Settings interface {
	// New checks the settings and what p has for all mechanisms, fills defaults in, and works out
	// the mechanism. A state that does not fit memory is refused.
	New(p Params) (Mechanism, error)
	// Plan works out a release of that many rows; what the settings leave open it may choose.
	Plan(p Params, rows uint64, budget privacy.Budget, targetError float64) (PlanResult, error)
	// Kind is the mechanism's entry in the registry.
	Kind() *Kind
	// Fields lists the settings by the names that dpattn_params gives them.
	Fields() []Field
}

// Mechanism is everything public that follows from Params. It is immutable.
type Mechanism interface {
	// Params are checked, with defaults filled in, those of Settings too. Read-only.
	Params() *Params
	// Unit says whom the guarantee is for.
	Unit() Unit
	// Head is what files say first.
	Head() Head
	// StateBytes is the size of the state of all heads.
	StateBytes() uint64
	// Cost is what a release with this budget spends. It is known before there is noise.
	Cost(budget privacy.Budget) (privacy.Cost, error)
	// NewSums makes the secret half of an empty builder.
	NewSums() (Sums, error)
	// Compatible reports whether sums of both mechanisms may be merged.
	Compatible(other Mechanism) bool

	// Encode writes the parameters after the head.
	Encode(w *wire.Writer)
	// StateLen is how many bytes the public half takes in a release file.
	StateLen() uint64
	// DecodeState reads the public half of a release, which is all of r, and refuses it where its
	// noise does not give the budget.
	DecodeState(r *wire.Reader, budget privacy.Budget) (State, error)
	// DecodeSums reads the secret half of a builder, which is all of r.
	DecodeSums(r *wire.Reader) (Sums, error)
}

// Sums is the secret half of a builder. SECRET. Its caller holds the builder's lock, and wipes it.
type Sums interface {
	// Rows is how many rows head h was given.
	Rows(h int) uint64
	// Owners counts the distinct owners over all heads, where owners are units, and those of them
	// whose rows are over their bound.
	Owners() (all, clipped uint64)
	// Add adds checked rows, all of them or, when cancelled or refused, none.
	Add(rows Rows, p *Progress) (Diagnostics, error)
	// Absorb moves everything in from here, which is of a compatible mechanism and left to be
	// wiped; dropped counts rows beyond OwnerRows.
	Absorb(from Sums) (dropped uint64)
	// Release makes the public half with fresh noise for the budget. It does not change the sums,
	// so that after an error everything is as it was.
	Release(budget privacy.Budget, p *Progress) (State, error)
	// Len and Encode write everything kept into a secret partial.
	Len() int
	Encode(w *wire.Writer)
	// Wipe zeroes everything.
	Wipe()
}

// State is the public half of a release: the noisy integers and what queries need. It is immutable
// and safe for concurrent use.
type State interface {
	// Load brings one query of head h into the public bounds, in place, and says whether that
	// changed it. shift is what is to be added to the logarithm of the denominator; NaN marks a
	// query with NaN or Inf, which counts as changed and is zeroed.
	Load(h int, query []float64) (shift float64, clipped bool)
	// Attend answers up to Block loaded queries of head h. The bits of an answer depend neither on
	// threads nor on which queries come together.
	Attend(h int, queries [][]float64, answers []Answer, threads int)
	// Integers are all noisy integers. Read-only.
	Integers() []int64
	// Certificate is head and what the mechanism adds to it, ready for JSON.
	Certificate(head Certificate) any
	// Describe fills in what the mechanism knows.
	Describe(i *Info)
	// Encode writes the bytes of a release file.
	Encode(w *wire.Writer)
	// Wipe zeroes a state that nobody was given.
	Wipe()
}

// KeysValues is a State that is a key-value cache as well, which any attention kernel reads:
// out = softmax_c(scale <q, key_c> + bias_c) value_c is what Attend answers.
type KeysValues interface {
	// Cells is the number of keys of a head.
	Cells() int
	// Cell writes key [d] and value [d_v] of one cell, and returns its bias.
	Cell(h, c int, key, value []float64) (bias float64)
}

// Block is the most queries that State.Attend takes at a time.
const Block = 64

// Answer is where State.Attend writes the answer to one query.
type Answer struct {
	Out    []float64 // [value_dim]
	Stddev []float64 // nil or [value_dim]: the predicted standard deviation of the noise in Out
	LSE    float64   // ln sum_j w_j
}

// MaxRows is the largest number of rows in one head.
const MaxRows = 1 << 30
