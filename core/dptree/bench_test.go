package dptree

import (
	"testing"

	"dpattn/core/privacy"
	"dpattn/tests/testkit"
)

// benched is an attention of 65,536 rows in 4 dimensions at degree 4, one copy, on a grid of 4,096
// leaves.
func benched(b *testing.B, noTrees bool) (*AttentionBuilder, []float64, []float64) {
	rng := testkit.Rand(30)
	p := Params{Adjacency: privacy.AddRemove, Leaves: 4096, Range: 1, Weight: 1, Dim: 4, ValueDim: 1, Degree: 4,
		Copies: 1, NoTrees: noTrees}
	builder := testkit.Must(NewAttentionBuilder(p))(b)
	return builder, between(rng, 65536*4, 0, 1), between(rng, 65536, -1, 1)
}

func BenchmarkAdd(b *testing.B) {
	builder, keys, values := benched(b, false)
	for b.Loop() {
		if err := builder.Add(view(keys, 4), view(values, 1)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(65536*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}

func BenchmarkRelease(b *testing.B) {
	builder, _, _ := benched(b, false)
	for b.Loop() {
		if _, err := builder.s.release(budget, kernelNoise, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(builder.d.total())*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mnumbers/s")
}

func BenchmarkAttend(b *testing.B) {
	for name, noTrees := range map[string]bool{"trees": false, "linear": true} {
		b.Run(name, func(b *testing.B) {
			builder, _, _ := benched(b, noTrees)
			a := testkit.Must(builder.Release(budget, nil))(b)
			query, out := []float64{0.3, 0.5, 0.7, 0.2}, make([]float64, 1)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Attend(query, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
