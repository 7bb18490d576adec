package main

import (
	"fmt"
	"math"
	"slices"

	"dpattn/core"
	"dpattn/core/dptree"
	"dpattn/core/moment"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
	"dpattn/core/trees"
)

// The setting of the comparison.
const (
	keyDim, valueDim, degree = 4, 4, 4
	logitRoot, weight        = 1.0, 1.0      // R and R_w
	fewBytes, fewSeconds     = 2 << 30, 15.0 // for the most copies that fit
	mostSeconds              = 150.0         // for the paper's
)

var budget = privacy.Budget{Epsilon: 1, Delta: 1e-6}

func setting() map[string]any {
	return map[string]any{
		"key_dim": keyDim, "value_dim": valueDim, "degree": degree, "range": logitRoot, "value_range": weight,
		"epsilon": budget.Epsilon, "delta": budget.Delta, "adjacency": "add_remove", "queries": queries,
		"few_bytes": fewBytes, "few_seconds": fewSeconds, "most_seconds": mostSeconds,
	}
}

// Kinds of releases.
const (
	paperCopies = "DPTree, the paper's l copies"
	mostCopies  = "DPTree, most copies that fit"
	oneCopy     = "DPTree, one copy"
	withoutTree = "DPTree, one copy, no trees"
	ofMoments   = "moment release"
)

// params are those of a kind of release of n rows.
func params(kind string, n, copies int) core.Params {
	p := core.Params{KeyDim: keyDim, ValueDim: valueDim, Adjacency: core.AddRemove}
	if kind == ofMoments {
		// The same box as a ball around its middle, which is public.
		p.Mechanism = moment.Params{
			Degree: degree, Center: slices.Repeat([]float64{logitRoot / 2}, keyDim),
			KeyBound: logitRoot / 2 * math.Sqrt(keyDim), QueryBound: logitRoot * math.Sqrt(keyDim),
			ValueBound: weight * math.Sqrt(valueDim), Scale: 1. / keyDim,
		}
		return p
	}
	own := trees.Params{Degree: degree, Range: logitRoot, ValueRange: weight, Rows: uint64(n), Copies: copies}
	if kind == withoutTree {
		own.Trees = trees.NoTrees
	}
	p.Mechanism = own
	return p
}

// structure is the same as Params of package dptree.
func structure(p core.Params) dptree.Params {
	own := p.Mechanism.(trees.Params)
	return dptree.Params{
		Adjacency: p.Adjacency, Rows: int(own.Rows), Leaves: own.Leaves, Dim: p.KeyDim, ValueDim: p.ValueDim,
		Range: own.Range, Weight: own.ValueRange, Degree: own.Degree, RelativeError: 0.1,
		FailureProbability: 0.01, Copies: own.Copies, NoTrees: own.Trees == trees.NoTrees,
	}
}

// releases measures every kind at every n.
func releases(quick bool) (out []map[string]any) {
	lengths := []int{1024, 4096, 16384, 65536}
	if quick {
		lengths = lengths[:2]
	}
	for _, n := range lengths {
		perCopy := 0.0 // seconds
		x := makeRows(n, keyDim, valueDim, logitRoot, weight)
		for _, kind := range []string{oneCopy, mostCopies, paperCopies, withoutTree, ofMoments} {
			note("n = %d: %s", n, kind)
			row := map[string]any{"n": n, "kind": kind}
			p, refused := planned(kind, n, perCopy, row)
			if refused == "" {
				measure(p, x, row)
				if kind == oneCopy {
					perCopy = row["init_seconds"].(float64)
				}
			} else {
				row["refused"] = refused
			}
			out = append(out, row)
		}
	}
	return out
}

// planned chooses the parameters, or says why there is no such release. perCopy is what one copy
// took.
func planned(kind string, n int, perCopy float64, row map[string]any) (core.Params, string) {
	copies := map[string]int{oneCopy: 1, withoutTree: 1, mostCopies: 1}[kind] // 0: the paper's
	p := params(kind, n, copies)
	if kind == ofMoments {
		return p, ""
	}
	e, err := dptree.Estimate(structure(p), budget)
	if err != nil {
		return p, err.Error()
	}
	if kind == mostCopies {
		limit := min(float64(fewBytes)/float64(e.Bytes), fewSeconds/perCopy)
		own := p.Mechanism.(trees.Params)
		own.Copies = max(1, int(limit))
		p.Mechanism = own
		if e, err = dptree.Estimate(structure(p), budget); err != nil {
			return p, err.Error()
		}
	}
	row["copies"], row["mechanisms"], row["predicted"] = e.Params.Copies, e.Mechanisms, e.OutputStddev
	row["estimated_bytes"] = e.Bytes
	if kind != oneCopy {
		row["estimated_seconds"] = perCopy * float64(e.Params.Copies) // from what one copy took
	}
	if b, err := core.NewBuilder(p); err != nil {
		return p, err.Error() // the library's own refusal
	} else {
		b.Wipe()
	}
	seconds := perCopy * float64(e.Params.Copies)
	if kind == paperCopies && (e.Bytes > e.Available/2 || seconds > mostSeconds) {
		return p, fmt.Sprintf("%d copies need %d bytes and about %.0f s of processor time; "+
			"this comparison takes half of the %d bytes that are available and %.0f s",
			e.Params.Copies, e.Bytes, seconds, e.Available, mostSeconds)
	}
	return p, ""
}

// measure makes one release and asks it.
func measure(p core.Params, x *rows, row map[string]any) {
	var r *core.Release
	start := cpu()
	b, err := core.NewBuilder(p)
	check(err)
	check(b.Add(0, x.keyView(), x.valueView(), nil, nil))
	r, err = b.Release(budget, nil)
	check(err)
	row["init_seconds"] = cpu() - start
	info := r.Info()
	row["bytes"], row["features"] = info.StateBytes, info.Features

	outs, std := make([]float64, queries*x.dv), make([]float64, queries*x.dv)
	o, s := tensor.Of(outs, queries, x.dv), tensor.Of(std, queries, x.dv)
	if _, err := r.Attend(x.queryView(), o, nil, &s); err != nil {
		check(err)
	}
	row["error_max"], row["error_mean"] = difference(outs, x.outs)
	mean := 0.0
	for _, v := range std {
		mean += v / float64(len(std))
	}
	row["stddev"] = mean
	row["query_us"] = 1e6 / queries * timed(func() {
		if _, err := r.Attend(x.queryView(), o, nil, nil); err != nil {
			check(err)
		}
	})
}
