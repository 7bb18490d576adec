package core

import (
	"testing"

	"dpattn/core/codebook"
	"dpattn/core/mechanism"
	"dpattn/core/moment"
	"dpattn/core/privacy"
	"dpattn/tests/testkit"
)

// later is a mechanism with parameters that 0.1.0 did not have.
type later struct {
	moment.Params
	more []mechanism.Field
}

func (l later) Fields() []mechanism.Field { return append(l.Params.Fields(), l.more...) }

// A request names everything that was asked for, the codebook too: another one is another request.
func TestRequestNamesTheCodebook(t *testing.T) {
	text := func(change float64) string {
		p := settings{
			KeyDim: 1, ValueDim: 1, Adjacency: AddRemove, KeyBound: 1, ValueBound: 1, Scale: 1,
			Mechanism: codebook.Number, Cells: 2, Codebook: []float64{0.5, -0.5 + change},
		}
		m := testkit.Must(newMechanism(p.params()))(t)
		return string(requestText(m.Params(), privacy.Budget{Epsilon: 1, Delta: 1e-6}))
	}
	// The SHA-256 of the int16 16383 and -16383, little-endian.
	const want = `{"request":2,"heads":1,"key_dim":1,"value_dim":1,"mechanism":3,"adjacency":1,"owner_rows":0,` +
		`"cells":2,"codebook":"9fce7833dd595e86910e39453f998391ce657b921c446ac400a91693a9c80b4f",` +
		`"key_bound":1,"value_bound":1,"scale":1,"lambda":1,"owner_bound":0,"head_weights":null,` +
		`"epsilon":1,"delta":0.000001}`
	if got := text(0); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if text(0) == text(0.1) {
		t.Error("another codebook makes the same request")
	}
	if text(0) != text(1e-9) {
		t.Error("the same integers make another request")
	}
}

// The request's text, word for word: ledgers keep its digest for ever (docs/formats.md). Files of
// 0.1.0 hold version 1 to what that version wrote (TestStoredRequests).
func TestRequestText(t *testing.T) {
	settings := moment.Params{
		Degree: 2, Polynomial: moment.Taylor, Rotation: moment.Hadamard, KeyBound: 1, ValueBound: 1e21,
		QueryBound: 1.0 / 3, Scale: 1e-7, Lambda: 0.375, OwnerBound: 1.5,
		Center: []float64{1, -0.5}, HeadWeights: []float64{2},
	}
	p := Params{Heads: 1, KeyDim: 2, ValueDim: 3, Adjacency: Replace, OwnerRows: 4}
	budget := privacy.Budget{Epsilon: 1, Delta: 1e-6}
	const first = `[{"Heads":1,"KeyDim":2,"ValueDim":3,"Degree":2,"Mechanism":1,"Polynomial":2,"Adjacency":2,` +
		`"OwnerRows":4,"Rotation":1,"KeyBound":1,"ValueBound":1e+21,"QueryBound":0.3333333333333333,"Scale":1e-7,` +
		`"Lambda":0.375,"OwnerBound":1.5,"Center":[1,-0.5],"HeadWeights":[2],"Range":0,"ValueRange":0,` +
		`"RelativeError":0,"FailureProbability":0,"CopyFactor":0,"Rows":0,"Leaves":0,"Copies":0,"Trees":0},` +
		`{"Epsilon":1,"Delta":0.000001}]`
	const second = `{"request":2,"heads":1,"key_dim":2,"value_dim":3,"mechanism":1,"adjacency":2,"owner_rows":4,` +
		`"degree":2,"polynomial":2,"rotation":1,"key_bound":1,"value_bound":1e+21,"query_bound":0.3333333333333333,` +
		`"scale":1e-7,"lambda":0.375,"owner_bound":1.5,"center":[1,-0.5],"head_weights":[2],"period":7,` +
		`"epsilon":1,"delta":0.000001}`
	for _, c := range []struct {
		more []mechanism.Field
		want string
	}{
		{nil, first},
		{[]mechanism.Field{{Name: "period", Value: int64(0)}}, first}, // as before it was there
		{[]mechanism.Field{{Name: "period", Value: int64(7)}, {Name: "other", Value: 0.0}}, second},
	} {
		p.Mechanism = later{settings, c.more}
		if got := string(requestText(&p, budget)); got != c.want {
			t.Errorf("with %v:\n%s\nwant\n%s", c.more, got, c.want)
		}
	}
}
