package trees

import (
	"math"

	"dpattn/core/dptree"
	"dpattn/core/internal/parallel"
	"dpattn/core/internal/wire"
	"dpattn/core/mechanism"
)

// state is the public half of a release: one structure a head.
type state struct {
	*design
	heads []*dptree.CrossAttention
}

// Load implements mechanism.State: it clips the entries of a query to [0, R].
func (s *state) Load(_ int, q []float64) (shift float64, clipped bool) {
	for _, v := range q {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			clear(q)
			return math.NaN(), true
		}
	}
	return 0, s.design.heads.Clip(q)
}

// Attend implements mechanism.State.
func (s *state) Attend(h int, queries [][]float64, answers []mechanism.Answer, threads int) {
	parallel.DoN(threads, len(queries), func(_, i int) {
		a := s.heads[h].AttendClipped(queries[i], answers[i].Out)
		answers[i].LSE = math.Log(a.Normaliser)
		for c := range answers[i].Stddev {
			answers[i].Stddev[c] = a.Stddev
		}
	})
}

// Integers implements mechanism.State: head after head, the numbers of each term.
func (s *state) Integers() []int64 {
	out := make([]int64, 0, s.StateBytes()/8)
	for _, h := range s.heads {
		for _, list := range h.Numbers() {
			out = append(out, list...)
		}
	}
	return out
}

// Wipe implements mechanism.State.
func (s *state) Wipe() {
	for _, h := range s.heads {
		for _, list := range h.Numbers() {
			clear(list)
		}
	}
}

// Describe implements mechanism.State.
func (s *state) Describe(i *mechanism.Info) {
	heads := s.design.heads
	i.Mechanism, i.Degree, i.Scale = s.own, s.own.Degree, 1/float64(s.shared.KeyDim)
	i.LogitBound, i.PolynomialError, i.Features = s.own.logitBound(), heads.PolynomialError(), uint64(heads.Features())
}

// certificate is the certificate of a DPTree release.
type certificate struct {
	mechanism.Certificate
	Heads      int                `json:"heads"`
	Shape      shape              `json:"shape"`
	Bounds     bounds             `json:"bounds"`
	FeatureMap features           `json:"feature_map"`
	Rows       []uint64           `json:"rows"` // a head, where public; else null
	Structure  dptree.Certificate `json:"structure"`
}

type shape struct {
	KeyDim   int `json:"key_dim"`
	ValueDim int `json:"value_dim"`
	Degree   int `json:"degree"`
	Features int `json:"features"`
	Leaves   int `json:"leaves"`
	Copies   int `json:"copies"`
}

type bounds struct {
	Range      float64 `json:"range"`
	ValueRange float64 `json:"value_range"`
	Logit      float64 `json:"logit_bound"`
}

type features struct {
	Coefficients  []float64 `json:"coefficients"`
	RelativeError float64   `json:"relative_error"`
}

// Certificate implements mechanism.State.
func (s *state) Certificate(head mechanism.Certificate) any {
	d, heads := s.design, s.design.heads
	c := certificate{
		Certificate: head, Heads: d.shared.Heads,
		Shape: shape{
			d.shared.KeyDim, d.shared.ValueDim, d.own.Degree, heads.Features(), d.own.Leaves, d.own.Copies,
		},
		Bounds:     bounds{d.own.Range, d.own.ValueRange, d.own.logitBound()},
		FeatureMap: features{heads.Coefficients(), heads.PolynomialError()},
		Structure:  s.heads[0].Certificate(),
	}
	if d.shared.RowsPublic() {
		for _, h := range s.heads {
			c.Rows = append(c.Rows, h.Certificate().Rows)
		}
	}
	return c
}

// Encode implements mechanism.State.
func (s *state) Encode(w *wire.Writer) { s.design.heads.EncodeState(w, s.heads) }
