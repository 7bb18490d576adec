// Package tensor is the one place where dpattn reads and writes memory that it does not own:
// strided views of f32, f64, f16 and bf16 numbers, borrowed for the duration of a call.
package tensor

import (
	"math"
	"slices"
	"unsafe"

	"dpattn/core/fault"
	"dpattn/simd"
)

// DType is an element type. The numbers are those of enum dpattn_dtype in include/dpattn.h.
type DType int32

// Element types, append-only.
const (
	F32  DType = 1
	F64  DType = 2
	F16  DType = 3
	BF16 DType = 4
)

// Size returns the bytes of one element, or 0 for an unknown type.
func (t DType) Size() int {
	switch t {
	case F32:
		return 4
	case F64:
		return 8
	case F16, BF16:
		return 2
	}
	return 0
}

// MaxDim is the largest number of axes.
const MaxDim = 3

// Tensor is a borrowed strided view: element (i0, i1, i2) is at Data + sum_a i_a*Strides[a] bytes.
// Strides may be negative, zero or unaligned.
type Tensor struct {
	Data    unsafe.Pointer
	DType   DType
	NDim    int
	Shape   [MaxDim]int
	Strides [MaxDim]int
}

// Float is an element type that Go has natively.
type Float interface{ ~float32 | ~float64 }

// Of views a dense row-major slice. It panics if the slice is shorter than the shape.
func Of[F Float](data []F, shape ...int) Tensor {
	t := Tensor{NDim: len(shape)}
	size := int(unsafe.Sizeof(*new(F)))
	if size == 4 {
		t.DType = F32
	} else {
		t.DType = F64
	}
	stride := size
	for a := len(shape) - 1; a >= 0; a-- {
		t.Shape[a], t.Strides[a] = shape[a], stride
		stride *= shape[a]
	}
	if stride > len(data)*size {
		panic("tensor: slice is shorter than its shape")
	}
	t.Data = unsafe.Pointer(unsafe.SliceData(data))
	return t
}

// Check reports whether the view is well formed; name is the argument's name in the error.
func (t *Tensor) Check(name string) error {
	if t.DType.Size() == 0 {
		return fault.Invalid("%s.dtype is %d; it must be 1 (f32), 2 (f64), 3 (f16) or 4 (bf16)", name, t.DType)
	}
	if t.NDim < 2 || t.NDim > MaxDim {
		return fault.Invalid("%s.ndim is %d; it must be 2 or 3", name, t.NDim)
	}
	for a := 0; a < t.NDim; a++ {
		if t.Shape[a] < 0 {
			return fault.Invalid("%s.shape[%d] is %d; it must be at least 0", name, a, t.Shape[a])
		}
	}
	if t.empty() {
		return nil
	}
	if t.Data == nil {
		return fault.Invalid("%s.data is NULL; it must point to the elements", name)
	}
	for a, size := 0, t.DType.Size(); a < t.NDim; a++ {
		if s := t.Strides[a]; t.Shape[a] > 1 && s != 0 && -size < s && s < size { // counted in elements, most likely
			return fault.Invalid("%s.strides[%d] is %d; it must be 0 or at least the %d bytes of an element: "+
				"strides are in bytes", name, a, s, size)
		}
	}
	// The farthest element in either direction must be reachable without wrapping the address
	// space.
	low, high := uint64(0), uint64(t.DType.Size())
	for a := 0; a < t.NDim; a++ {
		stride, side := uint64(t.Strides[a]), &high
		if t.Strides[a] < 0 {
			stride, side = -stride, &low
		}
		steps := uint64(t.Shape[a] - 1)
		if steps != 0 && stride > math.MaxInt64/steps {
			return fault.Invalid("%s.strides[%d] is %d with shape %d; the view must fit the address space", name,
				a, t.Strides[a], t.Shape[a])
		}
		if *side += steps * stride; *side > math.MaxInt64 {
			return fault.Invalid("%s.strides[%d] is %d with shape %d; the view must fit the address space", name,
				a, t.Strides[a], t.Shape[a])
		}
	}
	base := uint64(uintptr(t.Data))
	if base < low || base+high < base {
		return fault.Invalid("%s: shape and strides reach outside the address space", name)
	}
	return nil
}

// empty reports whether there are no elements, so that strides mean nothing.
func (t *Tensor) empty() bool {
	return slices.Contains(t.Shape[:t.NDim], 0)
}

// CheckOutput adds to Check that no axis is broadcast, so that distinct elements of the view do not
// overlap, as far as the strides alone can tell.
func (t *Tensor) CheckOutput(name string) error {
	if err := t.Check(name); err != nil {
		return err
	}
	for a := 0; a < t.NDim && !t.empty(); a++ {
		if t.Shape[a] > 1 && t.Strides[a] == 0 {
			return fault.Invalid("%s.strides[%d] is 0; the elements of an output must be at least %d bytes apart",
				name, a, t.DType.Size())
		}
	}
	return nil
}

// offset is Data plus a number of bytes. Strides of a view without elements are not checked, so
// that it gets no pointer to nowhere.
func (t *Tensor) offset(bytes int) unsafe.Pointer {
	for a := 0; a < t.NDim; a++ {
		if t.Shape[a] == 0 {
			return nil
		}
	}
	return unsafe.Add(t.Data, bytes)
}

// Head returns the 2-D view of index h along the leading axis of a 3-D tensor; a 2-D tensor is its
// own only head.
func (t Tensor) Head(h int) Tensor {
	if t.NDim == 2 {
		return t
	}
	return Tensor{
		Data: t.offset(h * t.Strides[0]), DType: t.DType, NDim: 2,
		Shape: [MaxDim]int{t.Shape[1], t.Shape[2]}, Strides: [MaxDim]int{t.Strides[1], t.Strides[2]},
	}
}

// Rows returns the 2-D view of rows lo..hi of a 2-D tensor.
func (t Tensor) Rows(lo, hi int) Tensor {
	t.Data = t.offset(lo * t.Strides[0])
	t.Shape[0] = hi - lo
	return t
}

// LoadRow widens row i of a 2-D tensor to float64, which is exact for every element type.
func (t *Tensor) LoadRow(i int, dst []float64) {
	row := t.offset(i * t.Strides[0])
	step := t.Strides[1]
	switch t.DType {
	case F32:
		if step == 4 && uintptr(row)%4 == 0 {
			simd.Widen(dst, unsafe.Slice((*float32)(row), len(dst)))
			return
		}
		for c := range dst {
			dst[c] = float64(math.Float32frombits(load32(unsafe.Add(row, c*step))))
		}
	case F64:
		for c := range dst {
			dst[c] = math.Float64frombits(load64(unsafe.Add(row, c*step)))
		}
	case F16:
		for c := range dst {
			dst[c] = fromHalf(load16(unsafe.Add(row, c*step)))
		}
	case BF16:
		for c := range dst {
			dst[c] = float64(math.Float32frombits(uint32(load16(unsafe.Add(row, c*step))) << 16))
		}
	default:
		panic("tensor: unknown dtype")
	}
}

// Row32 is row i of a 2-D tensor, or false where its numbers are not float32 that lie side by side.
func (t *Tensor) Row32(i int) ([]float32, bool) {
	row := t.offset(i * t.Strides[0])
	if t.DType != F32 || t.Strides[1] != 4 || uintptr(row)%4 != 0 {
		return nil, false
	}
	return unsafe.Slice((*float32)(row), t.Shape[1]), true
}

// StoreRow narrows src to row i of a 2-D tensor, rounding to nearest even.
func (t *Tensor) StoreRow(i int, src []float64) {
	row := t.offset(i * t.Strides[0])
	step := t.Strides[1]
	switch t.DType {
	case F32:
		if step == 4 && uintptr(row)%4 == 0 && len(src) > 0 {
			simd.Narrow(unsafe.Slice((*float32)(row), len(src)), src)
			return
		}
		for c, x := range src {
			store32(unsafe.Add(row, c*step), math.Float32bits(float32(x)))
		}
	case F64:
		for c, x := range src {
			store64(unsafe.Add(row, c*step), math.Float64bits(x))
		}
	case F16:
		for c, x := range src {
			store16(unsafe.Add(row, c*step), toHalf(x))
		}
	case BF16:
		for c, x := range src {
			store16(unsafe.Add(row, c*step), toBFloat(x))
		}
	default:
		panic("tensor: unknown dtype")
	}
}
