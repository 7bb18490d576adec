package main

import (
	"dpattn/core"
	"dpattn/core/codebook"
	"dpattn/core/mechanism"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

// codebookBuilder makes a builder whose codebook is drawn like keys.
func codebookBuilder(r request) *core.Builder {
	b, err := core.NewBuilder(core.Params{
		KeyDim: r.D, ValueDim: r.DV, Adjacency: core.AddRemove,
		Mechanism: codebook.Params{
			Cells: r.Cells, Codebook: wide(vectors(r.Cells, r.D, 4)), KeyBound: 1, ValueBound: 1, Scale: 1,
		},
	})
	check(err)
	return b
}

// codebookAdd measures Builder.Add of rows of f32, counted on the multiply-adds of assignment.
func codebookAdd(r request) answer {
	in := keep(r, func() *input { return newInput(r.shape(), r.N) })
	rate := repeat(r.long(), func() float64 {
		if in.builder == nil || in.added+r.N > mechanism.MaxRows {
			in.builder, in.added = codebookBuilder(r), 0
		}
		check(in.builder.Add(0, in.keys, in.values, nil, nil))
		in.added += r.N
		return float64(r.N)
	})
	return answer{"rows_s": rate, "gmac_s": rate * float64(r.Cells*r.D) / 1e9}
}

// codebookAttend measures one call of Attend with a batch of f32 queries.
func codebookAttend(r request) answer {
	a := keep(r, func() *asker {
		b := codebookBuilder(r)
		rows := newInput(r.shape(), 4096)
		check(b.Add(0, rows.keys, rows.values, nil, nil))
		made, err := b.Release(privacy.Budget{Epsilon: 1, Delta: 1e-6}, nil)
		check(err)
		return &asker{
			release: made,
			queries: tensor.Of(vectors(asked, r.D, 3), asked, r.D),
			out:     tensor.Of(make([]float32, asked*r.DV), asked, r.DV),
		}
	})
	return answer{"us": a.microseconds(r)}
}
