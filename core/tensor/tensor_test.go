package tensor

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"dpattn/core/fault"
)

var dtypes = []DType{F32, F64, F16, BF16}

// number is the i-th of some numbers that every type represents.
func number(i int) float64 { return float64(i%97) - 48 }

// Rows are read and written at Data + i0*Strides[0] + i1*Strides[1], whatever the strides; nothing
// else is written.
func TestStrides(t *testing.T) {
	const rows, cols, size = 5, 7, 2000
	for _, dtype := range dtypes {
		w := dtype.Size()
		for _, c := range []struct {
			name           string
			start, s0, s1  int
			overlap, read0 bool // rows or columns share memory: read only
		}{
			{name: "dense", s0: cols * w, s1: w},
			{name: "unaligned", start: 1, s0: cols*w + 3, s1: w},
			{name: "unaligned steps", start: 3, s0: 131, s1: w + 1},
			{name: "transposed", s0: w, s1: rows * w},
			{name: "backwards", start: 1000, s0: -cols * w, s1: -w},
			{name: "rows backwards", start: 1001, s0: -97, s1: w},
			{name: "columns backwards", start: 997, s0: 97, s1: -w - 5},
			{name: "one row for all", start: 8, s0: 0, s1: w, overlap: true},
			{name: "one number a row", start: 8, s0: w, s1: 0, overlap: true},
			{name: "one number", start: 5, s0: 0, s1: 0, overlap: true},
			{name: "sliding window", start: 8, s0: w, s1: w, overlap: true},
		} {
			t.Run(fmt.Sprintf("dtype %d, %s", dtype, c.name), func(t *testing.T) {
				memory := make([]byte, size)
				at := func(i, j int) int { return c.start + i*c.s0 + j*c.s1 }
				view := Tensor{Data: unsafe.Pointer(&memory[c.start]), DType: dtype, NDim: 2,
					Shape: [MaxDim]int{rows, cols}, Strides: [MaxDim]int{c.s0, c.s1}}
				if err := view.Check("x"); err != nil {
					t.Fatal(err)
				}
				// Elements by hand: the oracle for loading.
				want := map[int]float64{}
				for i := range rows {
					for j := range cols {
						put(memory, at(i, j), dtype, number(i*cols+j))
						want[at(i, j)] = number(i*cols + j)
					}
				}
				row := make([]float64, cols)
				for i := range rows {
					view.LoadRow(i, row)
					for j, v := range row {
						if v != want[at(i, j)] {
							t.Fatalf("element (%d, %d) is %v, want %v", i, j, v, want[at(i, j)])
						}
					}
				}
				if c.overlap {
					return
				}
				if err := view.CheckOutput("x"); err != nil {
					t.Fatal(err)
				}
				expected := make([]byte, size)
				for i := range memory {
					memory[i], expected[i] = 0xa5, 0xa5
				}
				for i := range rows {
					for j := range cols {
						row[j] = number(3*i + j)
						put(expected, at(i, j), dtype, row[j])
					}
					view.StoreRow(i, row)
				}
				if string(memory) != string(expected) {
					t.Error("stored bytes differ")
				}
			})
		}
	}
}

// put writes one element by its bytes, little-endian.
func put(memory []byte, at int, dtype DType, x float64) {
	bits := math.Float64bits(x)
	switch dtype {
	case F32:
		bits = uint64(math.Float32bits(float32(x)))
	case F16:
		bits = uint64(toHalf(x))
	case BF16:
		bits = uint64(math.Float32bits(float32(x)) >> 16) // these numbers are short enough
	}
	for i := range dtype.Size() {
		memory[at+i] = byte(bits >> (8 * i))
	}
}

// Of, Head and Rows address what they say.
func TestViews(t *testing.T) {
	data := make([]float32, 2*3*4)
	for i := range data {
		data[i] = float32(i)
	}
	view := Of(data, 2, 3, 4)
	row := make([]float64, 4)
	for h := range 2 {
		rows := view.Head(h).Rows(1, 3)
		if rows.NDim != 2 || rows.Shape != [MaxDim]int{2, 4} {
			t.Fatalf("head %d, rows 1..3: shape %v", h, rows.Shape)
		}
		for i := range 2 {
			rows.LoadRow(i, row)
			if want := float64(12*h + 4*(1+i)); row[0] != want || row[3] != want+3 {
				t.Errorf("head %d, row %d is %v", h, 1+i, row)
			}
		}
	}
	if two := Of(data, 6, 4); two.Head(0) != two {
		t.Error("a 2-D tensor is not its own head")
	}
	wide := Of([]float64{1, 2}, 1, 2)
	if wide.LoadRow(0, row[:2]); wide.DType != F64 || row[1] != 2 {
		t.Errorf("%v: %v", wide, row[:2])
	}
	defer func() {
		if recover() == nil {
			t.Error("Of took a slice that is shorter than its shape")
		}
	}()
	Of(data, 2, 3, 5)
}

// A view without elements is well formed whatever its pointer and strides, and no pointer is made
// from them.
func TestEmptyViews(t *testing.T) {
	for _, shape := range [][MaxDim]int{{0, 2, 3}, {2, 0, 3}, {2, 3, 0}, {0, math.MaxInt, math.MaxInt}} {
		view := Tensor{DType: F32, NDim: 3, Shape: shape, Strides: [MaxDim]int{math.MaxInt, math.MinInt, 3}}
		if err := view.Check("x"); err != nil {
			t.Errorf("%v: %v", shape, err)
		}
		head := view.Head(min(1, max(shape[0]-1, 0)))
		rows := head.Rows(0, min(1, head.Shape[0]))
		if head.Data != nil || rows.Data != nil {
			t.Errorf("%v: pointers %v, %v", shape, head.Data, rows.Data)
		}
		if shape[2] == 0 {
			rows.LoadRow(0, nil)
			rows.StoreRow(0, nil)
		}
	}
}

// quarter is a quarter of what addresses there are.
const quarter = math.MaxInt/2 + 1

// Check accepts a view if and only if no two elements overlap in part, every element lies in the
// address space and the distance between any two fits an int: compared with arbitrary-precision
// arithmetic, over shapes and strides at all the edges. It never panics.
func TestCheckAddressSpace(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 4))
	edges := []int{0, 1, 2, 3, 4, 8, 1 << 20, quarter - 1, quarter, quarter + 1, math.MaxInt - 1, math.MaxInt}
	for _, e := range []int64{1<<31 - 1, 1 << 31, 1<<32 + 1, 1 << 47} {
		if e <= math.MaxInt {
			edges = append(edges, int(e))
		}
	}
	var byteOf [1]byte
	base := unsafe.Pointer(&byteOf[0])
	accepted, refused := 0, 0
	for range 400000 {
		view := Tensor{Data: base, DType: dtypes[rng.IntN(4)], NDim: 2 + rng.IntN(2)}
		for a := range MaxDim {
			view.Shape[a] = edges[rng.IntN(len(edges))]
			view.Strides[a] = edges[rng.IntN(len(edges))]
			if rng.IntN(3) > 0 {
				view.Shape[a] = rng.IntN(5)
			}
			switch rng.IntN(5) {
			case 0:
				view.Strides[a] = -view.Strides[a]
			case 1:
				view.Strides[a] = math.MinInt + rng.IntN(3)
			case 2:
				view.Strides[a] = 4
			}
		}
		err := view.Check("x")
		if want := fitsAddressSpace(&view) && !overlaps(&view); (err == nil) != want {
			t.Fatalf("%+v: %v, want %v", view, err, want)
		}
		if err == nil {
			accepted++
		} else {
			refused++
		}
		_ = view.CheckOutput("x")
	}
	if accepted < 10000 || refused < 10000 {
		t.Errorf("%d accepted, %d refused: the test tests too little", accepted, refused)
	}
}

// overlaps reports whether the stride of an axis is neither 0 nor as long as an element.
func overlaps(t *Tensor) bool {
	for a := range t.NDim {
		if s := t.Strides[a]; !t.empty() && t.Shape[a] > 1 && s != 0 && s > -t.DType.Size() && s < t.DType.Size() {
			return true
		}
	}
	return false
}

func fitsAddressSpace(t *Tensor) bool {
	low, high := new(big.Int), big.NewInt(int64(t.DType.Size()))
	for a := range t.NDim {
		if t.Shape[a] == 0 {
			return true
		}
		reach := big.NewInt(int64(t.Shape[a]) - 1)
		reach.Mul(reach, big.NewInt(int64(t.Strides[a])))
		if reach.Sign() < 0 {
			low.Add(low, reach)
		} else {
			high.Add(high, reach)
		}
	}
	base := new(big.Int).SetUint64(uint64(uintptr(t.Data)))
	largest := big.NewInt(math.MaxInt64)
	if high.Cmp(largest) > 0 || new(big.Int).Neg(low).Cmp(largest) > 0 {
		return false
	}
	return low.Add(low, base).Sign() >= 0 && high.Add(high, base).BitLen() <= 64
}

func TestCheckMessages(t *testing.T) {
	ok := Of([]float32{1, 2, 3, 4}, 2, 2)
	for _, c := range []struct {
		change func(*Tensor)
		want   string
	}{
		{func(t *Tensor) { t.DType = 0 }, "x.dtype is 0"},
		{func(t *Tensor) { t.DType = -1 }, "x.dtype is -1"},
		{func(t *Tensor) { t.DType = 5 }, "x.dtype is 5"},
		{func(t *Tensor) { t.NDim = 1 }, "x.ndim is 1"},
		{func(t *Tensor) { t.NDim = 4 }, "x.ndim is 4"},
		{func(t *Tensor) { t.NDim = math.MinInt }, fmt.Sprintf("x.ndim is %d", math.MinInt)},
		{func(t *Tensor) { t.Shape[1] = -1 }, "x.shape[1] is -1"},
		{func(t *Tensor) { t.Data = nil }, "x.data is NULL"},
		{func(t *Tensor) { t.Shape[0], t.Strides[0] = math.MaxInt, math.MaxInt }, "x.strides[0]"},
		{func(t *Tensor) { t.Strides[0] = -quarter; t.Shape[0] = 3 }, "x.strides[0]"},
		{func(t *Tensor) { t.Strides[1] = math.MinInt }, "x.strides[1]"},
		{func(t *Tensor) { t.Strides[1] = -quarter }, "outside the address space"},
	} {
		view := ok
		c.change(&view)
		err := view.Check("x")
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("want %q, got %v", c.want, err)
		}
		var e *fault.Error
		if !errors.As(err, &e) {
			t.Errorf("%v is no fault", err)
		}
	}
	for _, stride := range []int{0, 1, 3, -1, -3} {
		view := ok
		view.Strides[1] = stride
		if err := view.Check("x"); (err == nil) != (stride == 0) {
			t.Errorf("stride %d as an input: %v", stride, err)
		}
		if view.CheckOutput("x") == nil {
			t.Errorf("stride %d is taken for an output", stride)
		}
	}
}
