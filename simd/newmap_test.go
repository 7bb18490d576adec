package simd_test

import (
	"math"
	"testing"

	"dpattn/simd"
)

// NewMap panics on arguments that no caller who checked its parameters has; none of them wraps,
// hangs or allocates first.
func TestNewMapPanics(t *testing.T) {
	for _, c := range []struct {
		name          string
		dim, features int
		constant      int16
		gains         []int16
	}{
		{"no dimension", 0, 1, 1, []int16{1}},
		{"negative dimension", -3, 1, 1, []int16{1}},
		{"no degree", 3, 1, 1, nil},
		{"degree too large", 1, 10, 1, make([]int16, simd.MaxDegree+1)},
		{"negative constant", 1, 2, -1, []int16{1}},
		{"least constant", 1, 2, -1 << 15, []int16{1}},
		{"negative gain", 1, 3, 1, []int16{1, -1}},
		{"constant too large", 1, 2, simd.MaxWeight + 1, []int16{1}},
		{"gain too large", 1, 2, 1, []int16{simd.MaxWeight + 1}},
		{"second gain too large", 1, 3, 1, []int16{1, 11586}},
		{"least gain", 1, 2, 1, []int16{-1 << 15}},
		{"too few features", 3, 9, 1, []int16{1, 1}},
		{"too many features", 3, 11, 1, []int16{1, 1}},
		{"negative features", 3, -10, 1, []int16{1, 1}},
		{"no features", 3, 0, 1, []int16{1, 1}},
		{"largest dimension", math.MaxInt, math.MinInt, 1, []int16{1}},
		{"more than 2^31 features", 1 << 31, 1<<31 + 1, 1, []int16{1}},
		// C(65536+8, 8) is about 8.4e33; modulo 2^64 the recurrence of the counts ends elsewhere.
		{"giant map", 1 << 16, 1 << 30, 1, make([]int16, 8)},
		{"giant map, 2^31 features", 1 << 30, math.MaxInt32, 1, make([]int16, 8)},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", c.name)
				}
			}()
			simd.NewMap(c.dim, c.features, c.constant, c.gains)
		}()
	}
}

// A map that is only named costs nothing: its tables are made on first use.
func TestNewMapIsLazy(t *testing.T) {
	const dim = 65534 // C(dim+2, 2) is just below 2^31
	bytes := testing.AllocsPerRun(10, func() { simd.NewMap(dim, (dim+2)*(dim+1)/2, 1, []int16{1, 1}) })
	if bytes > 10 {
		t.Errorf("NewMap made %v allocations", bytes)
	}
}
