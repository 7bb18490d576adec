package tensor_test

import (
	"fmt"
	"unsafe"

	"dpattn/core/tensor"
)

// Two heads of two rows each, dense and in row-major order.
func ExampleOf() {
	keys := tensor.Of([]float32{
		1, 2, 3,
		4, 5, 6,

		7, 8, 9,
		10, 11, 12,
	}, 2, 2, 3)
	fmt.Println(keys.Check("keys"), keys.Shape, "strides in bytes", keys.Strides)

	row := make([]float64, 3)
	second := keys.Head(1)
	second.LoadRow(0, row)
	fmt.Println(row)
	// Output:
	// <nil> [2 2 3] strides in bytes [24 12 4]
	// [7 8 9]
}

// The columns of a matrix as rows: shape and strides change places, and nothing is copied.
func ExampleTensor() {
	matrix := []float64{
		1, 2, 3,
		4, 5, 6,
	}
	columns := tensor.Tensor{
		Data: unsafe.Pointer(&matrix[0]), DType: tensor.F64, NDim: 2,
		Shape: [tensor.MaxDim]int{3, 2}, Strides: [tensor.MaxDim]int{8, 24},
	}
	fmt.Println(columns.Check("columns"))

	column := make([]float64, 2)
	last := columns.Rows(2, 3)
	last.LoadRow(0, column)
	fmt.Println(column)
	// Output:
	// <nil>
	// [3 6]
}

// Strides count bytes. Strides that count elements are refused.
func ExampleTensor_Check() {
	view := tensor.Of(make([]float32, 6), 2, 3)
	view.Strides = [tensor.MaxDim]int{3, 1}
	fmt.Println(view.Check("v"))
	// Output:
	// v.strides[0] is 3; it must be 0 or at least the 4 bytes of an element: strides are in bytes
}

// A stride of 0 repeats a row, which may be read but not written.
func ExampleTensor_CheckOutput() {
	view := tensor.Of(make([]float32, 3), 1, 3)
	view.Shape[0], view.Strides[0] = 4, 0
	fmt.Println(view.Check("out"))
	fmt.Println(view.CheckOutput("out"))
	// Output:
	// <nil>
	// out.strides[0] is 0; the elements of an output must be at least 4 bytes apart
}

// Numbers are rounded to the element type, here with the 8 bits of a bfloat16.
func ExampleTensor_StoreRow() {
	memory := make([]uint16, 2)
	out := tensor.Tensor{
		Data: unsafe.Pointer(&memory[0]), DType: tensor.BF16, NDim: 2,
		Shape: [tensor.MaxDim]int{1, 2}, Strides: [tensor.MaxDim]int{4, 2},
	}
	row := []float64{1.00390625, 1000.25}
	out.StoreRow(0, row)
	out.LoadRow(0, row)
	fmt.Println(row)
	// Output:
	// [1 1000]
}
