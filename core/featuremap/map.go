// Package featuremap maps a quantised key to integer features phi, under an exact norm gate, and a
// query to the real vector psi that answers it:
//
//	<psi(q), phi(k)> is near exp(scale <q, k>)
//
// The moment release (package moment) sums phi(k) (x) [v ; lambda] over rows.
package featuremap

import (
	"dpattn/core/poly"
	"dpattn/simd"
)

// Map is a feature map. Which one a release uses is a parameter and is recorded in it. It is
// immutable.
type Map interface {
	// How many features there are, and how a batch of keys is filled with them.
	simd.FeatureMap
	// Polynomial is p, which stands for exp on [-b, b].
	Polynomial() poly.Polynomial
	// Norm2 is the public bound on |phi(x)|^2 over admitted keys, in exact integers.
	Norm2() uint64
	// Constant is the feature that is the same positive number for every key: it counts rows.
	Constant() int16
	// KernelFloor is an eta >= 0 with <phi(x), phi(y)> >= -eta*Norm2 for all admitted keys x, y;
	// +Inf if none is proven.
	KernelFloor() float64
	// Integers are what files record of the map: the constant first.
	Integers() []int16
	// NewGate makes the gate that admits keys, for one goroutine.
	NewGate() Gate
	// NewTable makes what answers queries from a noisy state [r, cols] in canonical order. It
	// rounds no entry by more than rounding, but to f64.
	NewTable(state []int64, cols int, rounding float64) Table
	// PsiNorm2 is |psi(q)|^2 of a rotated query.
	PsiNorm2(q []float64) float64
}

// Gate admits keys. It holds secrets after use; Wipe it.
type Gate interface {
	// Admit shrinks x, by a rule that depends on x alone, until |x|^2 < 2^30 and |phi(x)|^2 <=
	// Norm2 hold in exact integers, and reports whether it had to.
	Admit(x []int16) (shrunk bool)
	Wipe()
}

// Table answers queries. It is immutable and safe for concurrent use.
type Table interface {
	// Sum writes psi(q)^T state for each of up to simd.MostQueries rotated queries [d] to sums
	// [cols]. The bits depend neither on threads nor on which queries come together.
	Sum(queries, sums [][]float64, threads int)
}
