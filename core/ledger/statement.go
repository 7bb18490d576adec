package ledger

import (
	"encoding/json"
	"math"

	"dpattn/core/privacy"
)

// statement is what everybody may know of a ledger, and all that is needed to add up its account
// once more (docs/formats.md).
type statement struct {
	Format    string    `json:"format"`
	ID        string    `json:"id"`
	Adjacency *string   `json:"adjacency"` // null before the first release; so is unit
	Unit      *string   `json:"unit"`
	Allowance allowance `json:"allowance"`
	Spent     spent     `json:"spent"`
	Left      left      `json:"left"`
	Shares    []share   `json:"shares"`
	Releases  []Entry   `json:"releases"`
}

type spent struct {
	Mu           float64  `json:"mu"` // all rounded up
	OtherEpsilon float64  `json:"other_epsilon"`
	OtherDelta   float64  `json:"other_delta"`
	Epsilon      *float64 `json:"epsilon"` // of all together at the allowance's delta; null where only mu was asked for
}

type left struct {
	Mu           float64 `json:"mu"` // all rounded down
	OtherEpsilon float64 `json:"other_epsilon"`
	OtherDelta   float64 `json:"other_delta"`
}

// share is what each of a number of further Gaussian releases may cost.
type share struct {
	Releases int     `json:"releases"`
	Epsilon  float64 `json:"epsilon"`
	Delta    float64 `json:"delta"`
}

// usualDelta is what shares are given at where the allowance names no delta.
const usualDelta = 1e-6

// JSON is the statement.
func (b *Book) JSON() []byte {
	s := statement{
		Format: "dpattn-ledger-statement/1", ID: b.ID, Allowance: b.Allowance,
		Releases: append([]Entry{}, b.Entries...),
	}
	if b.Releases > 0 {
		s.Adjacency, s.Unit = &b.Adjacency, &b.Unit
	}
	state := b.State()
	s.Spent = spent{Mu: state.Mu, OtherEpsilon: state.Other.Epsilon, OtherDelta: state.Other.Delta}
	if !math.IsNaN(state.Epsilon) {
		s.Spent.Epsilon = &state.Epsilon
	}
	s.Left = left{state.MuLeft, state.OtherLeft.Epsilon, state.OtherLeft.Delta}
	delta := b.Allowance.Delta
	if delta == 0 {
		delta = usualDelta
	}
	counts := []int{1, 2, 5, 10, 100}
	for i, epsilon := range privacy.Shares(state.MuLeft, delta, counts...) {
		s.Shares = append(s.Shares, share{counts[i], epsilon, delta})
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(err) // every number is finite: checked where it came in
	}
	return text
}
