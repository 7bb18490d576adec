package moment

import (
	"testing"
	"unsafe"

	"dpattn/core/mechanism"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
	"dpattn/tests/testkit"
)

// Promise 1, of the whole way of a row: what one row adds to the sums is within the sensitivity, in
// exact integers, and no row is refused. 10,000,000 rows at full size, as f32 and f64, f16 and
// bf16; the feature map's own test has as many at the gate itself.
func TestNoRowMovesMoreThanItMay(t *testing.T) {
	r := testkit.Rand(401)
	kinds := []struct {
		dim, values int
		own         Params
	}{
		{5, 3, Params{Degree: 3, KeyBound: 1, ValueBound: 2, QueryBound: 2, Scale: 1}},
		{1, 1, Params{Degree: 1, KeyBound: 1, ValueBound: 1, QueryBound: 1, Scale: 1}},
		{2, 4, Params{
			Degree: 4, KeyBound: 1e-3, ValueBound: 1e3, QueryBound: 3, Scale: 1e3,
			Polynomial: Taylor, Rotation: NoRotation, Lambda: 1e4,
		}},
	}
	for _, c := range kinds {
		p := c.own
		d := newDesign(t, mechanism.Params{KeyDim: c.dim, ValueDim: c.values, Adjacency: privacy.AddRemove}, p)
		b := d.noSums()
		sums := b.heads[0].exact
		if d.sensitivity.Squared.BitLen() > 60 {
			t.Fatal("the bound is too large for this test's sums")
		}
		most, state := d.sensitivity.Squared.Uint64(), make([]int64, d.Len)
		k, v := make([]float64, c.dim), make([]float64, c.values)
		memory := make([]byte, 8*(c.dim+c.values))
		largest := uint64(0)
		for i := range testkit.Size(300_000, 10_000_000) / len(kinds) {
			testkit.Hostile(r, k, p.KeyBound)
			testkit.Hostile(r, v, p.ValueBound)
			keys, values := stored(memory, tensor.DType(1+i%4), k, v)
			addRows(t, b, 0, keys, values, nil)
			clear(state)
			sums.AddTo(state)
			sums.Wipe()
			norm2 := uint64(0)
			for _, x := range state {
				if norm2 += uint64(x * x); norm2 > most || x <= -1<<30 || x >= 1<<30 { // so that nothing wraps
					t.Fatalf("row %d, keys %v, values %v: the sums moved by %d, squared, or more; the bound is %d", i,
						k, v, norm2, most)
				}
			}
			largest = max(largest, norm2)
			b.heads[0].rows = 0
		}
		if float64(largest) < 0.97*float64(most) {
			t.Errorf("%+v: no row moved the sums by more than %v of the squared bound", p,
				float64(largest)/float64(most))
		}
	}
}

// stored writes a row of each into memory as dtype.
func stored(memory []byte, dtype tensor.DType, k, v []float64) (keys, values tensor.Tensor) {
	size := dtype.Size()
	view := func(data []byte, row []float64) tensor.Tensor {
		m := tensor.Tensor{
			Data:    unsafe.Pointer(&data[0]),
			DType:   dtype,
			NDim:    2,
			Shape:   [tensor.MaxDim]int{1, len(row)},
			Strides: [tensor.MaxDim]int{len(row) * size, size},
		}
		m.StoreRow(0, row)
		return m
	}
	return view(memory, k), view(memory[len(k)*size:], v)
}
