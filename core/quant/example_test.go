package quant_test

import (
	"fmt"
	"math"

	"dpattn/core/quant"
)

// Keys and values become integers; what is longer than its bound is scaled to it.
func ExampleGrid() {
	g := quant.Grid{KeyBound: 2, ValueBound: 1}
	x, u := make([]int16, 2), make([]int16, 2)

	fmt.Println(g.Key([]float64{1, -0.5}, x) == quant.Kept, x)
	fmt.Println(g.Key([]float64{30, 40}, x) == quant.Clipped, x)
	fmt.Println(g.Value([]float64{0.5, 0.25}, u) == quant.Kept, u)
	// Output:
	// true [16383 -8192]
	// true [19660 26213]
	// true [511 256]
}

// A row with a NaN or an Inf counts as zero.
func ExampleGrid_Value() {
	g := quant.Grid{KeyBound: 1, ValueBound: 1}
	u := []int16{7, 7}
	fmt.Println(g.Value([]float64{0.5, math.NaN()}, u) == quant.Bad, u)
	// Output:
	// true [0 0]
}

// The rotation spreads a single large coordinate over all and keeps the length.
func ExampleRotation() {
	v := []float64{8, 0, 0, 0}
	quant.NewRotation(len(v)).Apply(v)
	square := 0.0
	for i, e := range v {
		square += e * e
		v[i] = math.Abs(e)
	}
	fmt.Println(v, "length", math.Sqrt(square))
	// Output:
	// [4 4 4 4] length 8
}
