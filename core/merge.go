package core

import (
	"math"

	"dpattn/core/fault"
	"dpattn/core/tensor"
)

// MergeAttention combines attention over two disjoint key sets, as flash attention combines its
// blocks:
//
//	out = (e^la outA + e^lb outB) / (e^la + e^lb),   lse = ln(e^la + e^lb)
//
// outA, outB, out [.., m, d_v]; lseA, lseB, lse [.., m, 1]; lse may be nil. An lse of -Inf means an
// empty set. out may be exactly outA or outB, lse exactly lseA or lseB.
func MergeAttention(outA, lseA, outB, lseB, out tensor.Tensor, lse *tensor.Tensor) error {
	if err := out.CheckOutput("out"); err != nil {
		return err
	}
	want := out.Shape
	for _, a := range []struct {
		name string
		t    *tensor.Tensor
		lse  bool
	}{
		{"out_a", &outA, false}, {"lse_a", &lseA, true}, {"out_b", &outB, false}, {"lse_b", &lseB, true},
		{"lse", lse, true},
	} {
		if a.t == nil {
			continue
		}
		check := a.t.Check
		if a.name == "lse" {
			check = a.t.CheckOutput
		}
		if err := check(a.name); err != nil {
			return err
		}
		shape := want
		if a.lse {
			shape[out.NDim-1] = 1
		}
		if a.t.NDim != out.NDim || a.t.Shape != shape {
			return fault.Invalid("%s.shape is %v; it must be %v, to match out", a.name, a.t.Shape[:a.t.NDim],
				shape[:out.NDim])
		}
	}
	heads, dim := 1, out.Shape[out.NDim-1]
	if out.NDim == 3 {
		heads = out.Shape[0]
	}
	a, b := make([]float64, dim), make([]float64, dim)
	for h := 0; h < heads; h++ {
		oa, la, ob, lb, o := outA.Head(h), lseA.Head(h), outB.Head(h), lseB.Head(h), out.Head(h)
		for i := 0; i < o.Shape[0]; i++ {
			var x, y [1]float64
			oa.LoadRow(i, a)
			ob.LoadRow(i, b)
			la.LoadRow(i, x[:])
			lb.LoadRow(i, y[:])
			x[0] = mergeRow(a, b, x[0], y[0])
			o.StoreRow(i, a)
			if lse != nil {
				l := lse.Head(h)
				l.StoreRow(i, x[:])
			}
		}
	}
	return nil
}

// mergeRow merges b into a and returns the joint lse.
func mergeRow(a, b []float64, la, lb float64) float64 {
	top := max(la, lb)
	if math.IsInf(top, -1) { // both sets are empty
		clear(a)
		return top
	}
	wa, wb := math.Exp(la-top), math.Exp(lb-top)
	sum := wa + wb
	for c := range a {
		// An empty set's output counts for nothing, whatever it holds.
		switch {
		case wa == 0:
			a[c] = b[c]
		case wb != 0:
			a[c] = (wa*a[c] + wb*b[c]) / sum
		}
	}
	return top + math.Log(sum)
}
