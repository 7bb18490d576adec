package moment

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"testing"
	"unsafe"

	"dpattn/core/mechanism"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

// FuzzAdd feeds raw bytes to Add as rows of any element type and layout. Whatever they hold:
//
//   - Add succeeds: data never cause an error;
//   - the exact sums of each row alone are within the public sensitivity, in exact integers
//     (promise 1);
//   - the sums of all rows are the sum of those of each row, so no row moves more than its own
//     contribution (promise 2).
func FuzzAdd(f *testing.F) {
	bits := func(xs ...uint64) (b []byte) {
		for _, x := range xs {
			b = binary.LittleEndian.AppendUint64(b, x)
		}
		return b
	}
	f.Add(uint64(0), bits(0x7ff0000000000000, 0x7ff8000000000001, 0xffefffffffffffff, 1, 0x3ff0000000000000))
	f.Add(uint64(0x1234567), bits(0x3ff0000000000001, 0x3fefffffffffffff, 0xbff0000000000000))
	f.Add(^uint64(0), bytes.Repeat([]byte{0x80, 0x7f, 0, 0xfc, 0x3c}, 40))
	f.Fuzz(func(t *testing.T, choice uint64, data []byte) {
		pick := func(n uint64) int {
			c := choice % n
			choice /= n
			return int(c)
		}
		shared := mechanism.Params{KeyDim: 1 + pick(5), ValueDim: 1 + pick(4)}
		p := Params{Degree: 1 + pick(4)}
		shared.Adjacency = privacy.Adjacency(1 + pick(2))
		p.Polynomial, p.Rotation = Polynomial(1+pick(2)), Rotation(1+pick(2))
		p.KeyBound, p.ValueBound, p.QueryBound = []float64{1, 1e-3, 7}[pick(3)], []float64{1, 1e-3, 7}[pick(3)], 1
		p.Scale = 1 / p.KeyBound
		if pick(2) == 1 {
			p.Center = make([]float64, shared.KeyDim)
			p.Center[0] = p.KeyBound / 3
		}
		dtype := tensor.DType(1 + pick(4))
		pad, skew, backwards := pick(3), pick(3), pick(2) == 1
		d := newDesign(t, shared, p)
		b := d.noSums()
		keys, values, n := rowsIn(data, dtype, shared.KeyDim, shared.ValueDim, pad, skew, backwards)
		addRows(t, b, 0, keys, values, nil)
		state := b.all()
		most := d.bounds().Sensitivity(false, 1).Squared
		total := make([]int64, len(state))
		for i := range n {
			one := d.noSums()
			addRows(t, one, 0, keys.Rows(i, i+1), values.Rows(i, i+1), nil)
			norm, square := new(big.Int), new(big.Int)
			for j, x := range one.all() {
				norm.Add(norm, square.Mul(big.NewInt(x), big.NewInt(x)))
				total[j] += x
			}
			if norm.Cmp(most) > 0 {
				t.Fatalf("row %d moves the sums by %v, squared; the sensitivity is %v", i, norm, most)
			}
		}
		for j := range total {
			if total[j] != state[j] {
				t.Fatalf("entry %d of all rows is %d, of each row alone %d together", j, state[j], total[j])
			}
		}
	})
}

// rowsIn views data as rows of keys and values side by side, with pad bytes between rows and skew
// bytes before the first.
func rowsIn(data []byte, dtype tensor.DType, d, dv, pad, skew int, backwards bool) (keys, values tensor.Tensor, n int) {
	size := dtype.Size()
	stride := (d+dv)*size + pad
	data = data[min(skew, len(data)):]
	n = min(len(data)/stride, 40)
	keys = tensor.Tensor{
		DType:   dtype,
		NDim:    2,
		Shape:   [tensor.MaxDim]int{n, d},
		Strides: [tensor.MaxDim]int{stride, size},
	}
	values = tensor.Tensor{
		DType:   dtype,
		NDim:    2,
		Shape:   [tensor.MaxDim]int{n, dv},
		Strides: [tensor.MaxDim]int{stride, size},
	}
	if n == 0 {
		return keys, values, 0
	}
	first := unsafe.Pointer(unsafe.SliceData(data))
	if backwards {
		first = unsafe.Add(first, (n-1)*stride)
		keys.Strides[0], values.Strides[0] = -stride, -stride
	}
	keys.Data, values.Data = first, unsafe.Add(first, d*size)
	return keys, values, n
}
