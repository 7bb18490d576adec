package simd

import (
	"math"
	"unsafe"
)

func widenGeneric(dst *float64, src *float32, n int) {
	out := unsafe.Slice(dst, n)
	for i, v := range unsafe.Slice(src, n) {
		out[i] = float64(v)
	}
}

func squaresGeneric(v *float64, n int) float64 {
	var c [8]float64
	for i, e := range unsafe.Slice(v, n) {
		c[i%8] += float64(e * e) // the conversion forbids fusing
	}
	return ((c[0] + c[4]) + (c[2] + c[6])) + ((c[1] + c[5]) + (c[3] + c[7]))
}

func squares32Generic(v *float32, n int) float64 {
	var c [8]float64
	for i, e := range unsafe.Slice(v, n) {
		c[i%8] += float64(float64(e) * float64(e))
	}
	return ((c[0] + c[4]) + (c[2] + c[6])) + ((c[1] + c[5]) + (c[3] + c[7]))
}

func norm16Generic(v *int16, n int) (sum uint64) {
	for _, e := range unsafe.Slice(v, n) {
		sum += uint64(int32(e) * int32(e))
	}
	return sum
}

func multiplyGeneric(v, w *float64, n int) {
	out := unsafe.Slice(v, n)
	for i, e := range unsafe.Slice(w, n) {
		out[i] *= e
	}
}

func hadamardGeneric(v *float64, n int) {
	all := unsafe.Slice(v, n)
	for h := 1; h < n; h *= 2 {
		for i := 0; i < n; i += 2 * h {
			a, b := all[i:i+h], all[i+h:i+2*h]
			for j, x := range a {
				y := b[j]
				a[j], b[j] = x+y, x-y
			}
		}
	}
}

func round16Generic(dst *int16, v *float64, n int, factor float64) {
	out := unsafe.Slice(dst, n)
	for i, e := range unsafe.Slice(v, n) {
		out[i] = int16(math.RoundToEven(max(-32767, min(32767, e*factor))))
	}
}

func add16Generic(sums *int64, v *int16, n int) {
	out := unsafe.Slice(sums, n)
	for i, e := range unsafe.Slice(v, n) {
		out[i] += int64(e)
	}
}

func round16x32Generic(dst *int16, v *float32, n int, factor float64) uint64 {
	for i, e := range unsafe.Slice(v, n) {
		wide := float64(e)
		round16Generic(&unsafe.Slice(dst, n)[i], &wide, 1, factor)
	}
	return norm16Generic(dst, n)
}
