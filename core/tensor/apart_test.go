package tensor

import (
	"testing"
	"unsafe"
)

func TestApart(t *testing.T) {
	memory := make([]float32, 64)
	view := func(at int, shape, strides [MaxDim]int) Tensor {
		n := 3
		if shape[2] == 0 {
			n = 2
		}
		return Tensor{Data: unsafe.Pointer(&memory[at]), DType: F32, NDim: n, Shape: shape, Strides: strides}
	}
	dense := view(16, [MaxDim]int{4, 4}, [MaxDim]int{16, 4}) // memory[16:32]
	first := view(0, [MaxDim]int{4, 4}, [MaxDim]int{16, 4})
	records := view(0, [MaxDim]int{8, 3}, [MaxDim]int{32, 4})
	for _, c := range []struct {
		name  string
		a, b  Tensor
		apart bool
	}{
		{"one after the other", dense, view(32, [MaxDim]int{4, 4}, [MaxDim]int{16, 4}), true},
		{"one element", dense, view(31, [MaxDim]int{4, 4}, [MaxDim]int{16, 4}), false},
		{"itself", dense, dense, false},
		{"backwards", view(28, [MaxDim]int{4, 4}, [MaxDim]int{-16, 4}), first, true},
		{"backwards into it", view(28, [MaxDim]int{5, 4}, [MaxDim]int{-16, 4}), first, false},
		{"row by row", records, view(3, [MaxDim]int{8, 5}, [MaxDim]int{32, 4}), true},
		{"row by row, too long", records, view(3, [MaxDim]int{7, 6}, [MaxDim]int{32, 4}), false},
		{"inside a long row", view(0, [MaxDim]int{1, 60}, [MaxDim]int{240, 4}), dense, false},
		{"in three axes", view(0, [MaxDim]int{2, 4, 3}, [MaxDim]int{128, 32, 4}),
			view(3, [MaxDim]int{2, 4, 1}, [MaxDim]int{128, 32, 4}), true},
		{"nothing", dense, view(16, [MaxDim]int{0, 4}, [MaxDim]int{16, 4}), true},
	} {
		if got := Apart(&c.a, &c.b); got != c.apart {
			t.Errorf("%s: Apart is %v", c.name, got)
		}
		if got := Apart(&c.b, &c.a); got != c.apart {
			t.Errorf("%s, the other way round: Apart is %v", c.name, got)
		}
	}
}
