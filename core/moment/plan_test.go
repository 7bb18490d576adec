package moment

import (
	"math"
	"testing"

	"dpattn/core/mechanism"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

func newDesign(t testing.TB, shared mechanism.Params, own Params) *design {
	t.Helper()
	shared, err := shared.Checked()
	if err != nil {
		t.Fatal(err)
	}
	m, err := own.New(shared)
	if err != nil {
		t.Fatal(err)
	}
	return m.(*design)
}

// addRows adds rows of head h the way of a builder. Data never cause an error.
func addRows(t testing.TB, b *sums, h int, keys, values tensor.Tensor, ids []uint64) mechanism.Diagnostics {
	t.Helper()
	rows, err := b.shared.CheckRows(h, keys, values, ids, b.Rows)
	if err != nil {
		t.Fatal(err)
	}
	counts, err := b.Add(rows, nil)
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

// all is the exact sums of all heads, owners' rows summed.
func (b *sums) all() []int64 {
	state := make([]int64, len(b.heads)*b.Design.Len)
	for h := range b.heads {
		s := b.heads[h].exact
		if s == nil {
			s = b.sumOwners(h, func(int) bool { return true })
		}
		s.AddTo(state[h*b.Design.Len:])
	}
	return state
}

// A plan for an arg-max counts the error of Taylor weights in units of the heaviest.
func TestBiasOfTaylor(t *testing.T) {
	shared := mechanism.Params{KeyDim: 64, ValueDim: 8, Adjacency: privacy.AddRemove}
	own := Params{KeyBound: 1, ValueBound: 1, QueryBound: 1, Scale: 4, Polynomial: Taylor}
	for own.Degree = 1; own.Degree <= 3; own.Degree++ {
		worst := 0.0
		for x := -4.0; x <= 4; x += 1.0 / 64 {
			term, sum := 1.0, 1.0
			for i := 1; i <= own.Degree; i++ {
				term *= x / float64(i)
				sum += term
			}
			worst = max(worst, math.Abs(sum-math.Exp(x))/math.Exp(4))
		}
		if got := newDesign(t, shared, own).bias(); math.Abs(got-worst) > 1e-12 {
			t.Errorf("degree %d: the error in units of the heaviest weight is %v, want %v", own.Degree, got, worst)
		}
	}
}

// Bounds are such that int64 sums cannot overflow at the limit of rows, for every design.
func TestNoOverflow(t *testing.T) {
	for _, c := range []struct {
		dim, values int
		own         Params
	}{
		{5, 3, Params{Degree: 3, KeyBound: 1, ValueBound: 2, QueryBound: 2, Scale: 1}},
		{64, 1, Params{Degree: 4, KeyBound: 1, ValueBound: 1, QueryBound: 30, Scale: 1, Lambda: 16}},
	} {
		shared := mechanism.Params{KeyDim: c.dim, ValueDim: c.values, Adjacency: privacy.AddRemove}
		b := newDesign(t, shared, c.own).bounds()
		norm := math.Sqrt(float64(b.Phi2) * float64(b.Value2+uint64(b.Lambda)*uint64(b.Lambda)))
		if norm*mechanism.MaxRows >= 1<<62 || norm >= 1<<31 {
			t.Errorf("%+v: a row moves an entry by up to %v", c, norm)
		}
	}
}
