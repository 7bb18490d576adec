package simd

// The loops that turn a row of float64 into integers, and add these up. Each entry's result is one
// or a few roundings in a fixed order, never a fused multiply-add: the bits are the same for every
// set of kernels.

// Widen copies src to dst; len(dst) numbers.
func Widen(dst []float64, src []float32) {
	if n := len(dst); n > 0 {
		active.widen(&dst[0], &src[:n][0], n)
	}
}

// Narrow sets dst to src, rounded to nearest even; len(dst) numbers.
func Narrow(dst []float32, src []float64) {
	if n := len(dst); n > 0 {
		active.round32(&dst[0], &src[:n][0], n, 1)
	}
}

// Squares returns sum v[i]^2, in eight chains: chain c adds entries c, c+8, ..; then ((0+4)+(2+6))
// + ((1+5)+(3+7)).
func Squares(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return active.squares(&v[0], len(v))
}

// Squares32 is Squares of the widened numbers.
func Squares32(v []float32) float64 {
	if len(v) == 0 {
		return 0
	}
	return active.squares32(&v[0], len(v))
}

// Norm2 is the exact squared length of integers.
func Norm2(v []int16) uint64 {
	if len(v) == 0 {
		return 0
	}
	return active.norm16(&v[0], len(v))
}

// Multiply sets v[i] *= w[i].
func Multiply(v, w []float64) {
	if n := len(v); n > 0 {
		active.multiply(&v[0], &w[:n][0], n)
	}
}

// Hadamard applies the unnormalised Hadamard transform; len(v) is a power of two.
//
//	for h := 1; h < len(v); h *= 2 { for each i with i&h == 0 {
//		v[i], v[i+h] = v[i]+v[i+h], v[i]-v[i+h]
//	} }
func Hadamard(v []float64) {
	n := len(v)
	if n&(n-1) != 0 {
		panic("simd: Hadamard of a length that is no power of two")
	}
	switch {
	case n >= 8:
		active.hadamard(&v[0], n)
	case n > 1:
		hadamardGeneric(&v[0], n)
	}
}

// Round16 sets dst[i] to v[i]*factor, rounded to the nearest integer (ties to even) of
// -32767..32767; len(dst) numbers. v[i]*factor must not be NaN.
func Round16(dst []int16, v []float64, factor float64) {
	if n := len(dst); n > 0 {
		active.round16(&dst[0], &v[:n][0], n, factor)
	}
}

// Round16x32 is Round16 of the widened numbers, and returns Norm2 of dst.
func Round16x32(dst []int16, v []float32, factor float64) uint64 {
	if len(dst) == 0 {
		return 0
	}
	return active.round16x32(&dst[0], &v[:len(dst)][0], len(dst), factor)
}

// Add16 adds v to sums; len(sums) numbers.
func Add16(sums []int64, v []int16) {
	if n := len(sums); n > 0 {
		active.add16(&sums[0], &v[:n][0], n)
	}
}
