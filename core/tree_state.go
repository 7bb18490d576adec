package core

import (
	"math"

	"dpattn/core/dptree"
	"dpattn/core/internal/parallel"
	"dpattn/core/internal/wire"
	"dpattn/core/moment"
)

// treeState is the public half of a release: one structure a head.
type treeState struct {
	trees *trees
	heads []*dptree.CrossAttention
}

// load implements public: clips the entries of a query to [0, R].
func (s *treeState) load(_ int, q []float64) (shift float64, clipped bool) {
	for _, v := range q {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			clear(q)
			return math.NaN(), true
		}
	}
	return 0, s.trees.heads.Clip(q)
}

// attend implements public.
func (s *treeState) attend(h int, queries [][]float64, answers []moment.Answer, threads int) {
	parallel.DoN(threads, len(queries), func(_, i int) {
		a := s.heads[h].AttendClipped(queries[i], answers[i].Out)
		answers[i].Denominator = a.Normaliser
		fill(answers[i].Stddev, a.Stddev)
	})
}

// state implements public: head after head, the numbers of each term.
func (s *treeState) state() []int64 {
	out := make([]int64, 0, s.trees.stateBytes()/8)
	for _, h := range s.heads {
		for _, list := range h.Numbers() {
			out = append(out, list...)
		}
	}
	return out
}

// wipe implements public.
func (s *treeState) wipe() {
	for _, h := range s.heads {
		for _, list := range h.Numbers() {
			clear(list)
		}
	}
}

// describe implements public.
func (s *treeState) describe(i *Info) {
	t := s.trees
	i.LogitBound, i.PolynomialError, i.Features = t.Range*t.Range, t.heads.PolynomialError(), uint64(t.heads.Features())
	i.Scale = 1 / float64(t.KeyDim)
	i.Range, i.ValueRange, i.Leaves, i.Copies, i.Trees = t.Range, t.ValueRange, t.Leaves, t.Copies, t.Trees
}

// treeCertificate is the certificate of a DPTree release.
type treeCertificate struct {
	certificateHead
	Heads      int                `json:"heads"`
	Shape      treeShape          `json:"shape"`
	Bounds     treeBounds         `json:"bounds"`
	FeatureMap treeFeatures       `json:"feature_map"`
	Rows       []uint64           `json:"rows"` // a head, where public; else null
	Structure  dptree.Certificate `json:"structure"`
}

type treeShape struct {
	KeyDim   int `json:"key_dim"`
	ValueDim int `json:"value_dim"`
	Degree   int `json:"degree"`
	Features int `json:"features"`
	Leaves   int `json:"leaves"`
	Copies   int `json:"copies"`
}

type treeBounds struct {
	Range      float64 `json:"range"`
	ValueRange float64 `json:"value_range"`
	Logit      float64 `json:"logit_bound"`
}

type treeFeatures struct {
	Coefficients  []float64 `json:"coefficients"`
	RelativeError float64   `json:"relative_error"`
}

// certificate implements public.
func (s *treeState) certificate(head certificateHead) any {
	t := s.trees
	c := treeCertificate{
		certificateHead: head, Heads: t.Heads,
		Shape:      treeShape{t.KeyDim, t.ValueDim, t.Degree, t.heads.Features(), t.Leaves, t.Copies},
		Bounds:     treeBounds{t.Range, t.ValueRange, t.Range * t.Range},
		FeatureMap: treeFeatures{t.heads.Coefficients(), t.heads.PolynomialError()},
		Structure:  s.heads[0].Certificate(),
	}
	if t.rowsPublic() {
		for _, h := range s.heads {
			c.Rows = append(c.Rows, h.Certificate().Rows)
		}
	}
	return c
}

// encode implements public.
func (s *treeState) encode(w *wire.Writer) { s.trees.heads.EncodeState(w, s.heads) }
