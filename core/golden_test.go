package core

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"dpattn/core/moment"
	"dpattn/core/poly"
	"dpattn/tests/testkit"
)

// goldenCase is one case of attention.json, computed at 50 digits outside this project.
type goldenCase struct {
	KeyDim int `json:"key_dim"`
	Scale  string
	K      [][]float64
	V      [][]float64
	Q      [][]float64
	taylor map[int]goldenColumns
}

type goldenColumns struct {
	Output      [][]string
	Denominator []string
}

func loadGolden(t *testing.T) []goldenCase {
	var file struct{ Cases []json.RawMessage }
	testkit.ReadJSON(t, "../tests/vectors/attention.json", &file)
	var cases []goldenCase
	for _, raw := range file.Cases {
		var c goldenCase
		var all map[string]json.RawMessage
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &all); err != nil {
			t.Fatal(err)
		}
		c.taylor = map[int]goldenColumns{}
		for s := 1; s <= poly.MaxDegree; s++ {
			if text, ok := all[fmt.Sprintf("taylor_%d", s)]; ok {
				var columns goldenColumns
				if err := json.Unmarshal(text, &columns); err != nil {
					t.Fatal(err)
				}
				c.taylor[s] = columns
			}
		}
		if len(c.taylor) == 0 {
			t.Fatal("no taylor columns")
		}
		cases = append(cases, c)
	}
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	return cases
}

func dense(rows [][]float64) testkit.Matrix {
	m := testkit.Zeros(len(rows), len(rows[0]))
	for i, r := range rows {
		copy(m.Row(i), r)
	}
	return m
}

// The mechanism in real numbers agrees with the golden Taylor columns to 1e-12, and Attend of a
// release without noise to 1e-3 of the output scale: what is left is the rounding to int16.
func TestGoldenAttention(t *testing.T) {
	for i, c := range loadGolden(t) {
		k, v, q, scale := dense(c.K), dense(c.V), dense(c.Q), testkit.Float(t, c.Scale)
		for s, want := range c.taylor {
			for _, rotation := range []moment.Rotation{moment.Hadamard, moment.NoRotation} {
				t.Run(fmt.Sprintf("case%d/taylor%d/%v", i, s, rotation), func(t *testing.T) {
					p := settings{
						KeyDim:     k.Cols,
						ValueDim:   v.Cols,
						Degree:     s,
						Polynomial: moment.Taylor,
						Adjacency:  AddRemove,
						Rotation:   rotation,
						Scale:      scale,
						KeyBound:   k.MaxNorm(),
						ValueBound: v.MaxNorm(),
						QueryBound: q.MaxNorm(),
					}
					r := silent(t, built(t, p, k, v))
					out, lse, _ := attended(t, r, q)
					real, den := reference{taylor(s), scale}.attend(k, v, q)
					for j := range q.Rows {
						d := testkit.Float(t, want.Denominator[j])
						if e := math.Abs(den.Data[j]/d - 1); e > 1e-12 {
							t.Errorf("query %d: reference denominator %v, golden %v", j, den.Data[j], d)
						}
						if e := math.Abs(lse.Data[j] - math.Log(d)); e > 1e-3 {
							t.Errorf("query %d: lse %v, golden %v", j, lse.Data[j], math.Log(d))
						}
						for col := range v.Cols {
							o := testkit.Float(t, want.Output[j][col])
							if e := math.Abs(real.Row(j)[col] - o); e > 1e-12 {
								t.Errorf("query %d column %d: reference %v, golden %v", j, col, real.Row(j)[col], o)
							}
							if e := math.Abs(out.Row(j)[col] - o); e > 1e-3*p.ValueBound {
								t.Errorf("query %d column %d: got %v, golden %v, off by %.2g of the output scale", j,
									col, out.Row(j)[col], o, e/p.ValueBound)
							}
						}
					}
				})
			}
		}
	}
}

// taylor lists the coefficients of the Taylor polynomial of that degree.
func taylor(degree int) []float64 {
	c := []float64{1}
	for t := 1; t <= degree; t++ {
		c = append(c, c[t-1]/float64(t))
	}
	return c
}
