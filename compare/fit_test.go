package main

import (
	"math"
	"testing"
)

// A power law has its exponent as slope, and R^2 1; noise lowers R^2.
func TestFit(t *testing.T) {
	l := line{}
	for x := 1.0; x <= 64; x *= 2 {
		exact, rough := 3*math.Pow(x, 2.5), x*(1+0.5*math.Sin(x))
		l.Points = append(l.Points, point{x, map[string]float64{"exact": exact, "flat": 7, "rough": rough}})
	}
	l = l.fitted()
	if f := l.Fits["exact"]; math.Abs(f.Slope-2.5) > 1e-12 || math.Abs(f.R2-1) > 1e-12 {
		t.Errorf("x^2.5: %+v", f)
	}
	if f := l.Fits["flat"]; math.Abs(f.Slope) > 1e-12 {
		t.Errorf("a constant: %+v", f)
	}
	if f := l.Fits["rough"]; f.Slope < 0.8 || f.Slope > 1.2 || f.R2 > 0.999 {
		t.Errorf("a rough line: %+v", f)
	}
}

// Exact attention is a mean of the values with positive weights, and the uniform one for a query of
// zeros.
func TestExact(t *testing.T) {
	x := makeRows(50, 3, 2, 1, 1)
	clear(x.queries[:3])
	x.normalisers, x.sums = nil, nil
	x.exact()
	mean := 0.0
	for j := range x.n {
		mean += x.values[2*j] / 50
	}
	if math.Abs(x.outs[0]-mean) > 1e-12 || math.Abs(x.normalisers[0]-50) > 1e-12 {
		t.Errorf("got %v over %v, want %v over 50", x.outs[0], x.normalisers[0], mean)
	}
	if most, average := difference([]float64{1, 2}, []float64{1, 4}); most != 2 || average != 1 {
		t.Errorf("distances are %v and %v", most, average)
	}
}
