package tensor

import "math"

// fromHalf widens an IEEE 754 binary16; exact.
func fromHalf(h uint16) float64 {
	sign, magnitude := uint64(h>>15)<<63, uint64(h&0x7fff)
	if magnitude >= 0x7c00 { // infinity or NaN: the exponent of all ones, the fraction kept
		return math.Float64frombits(sign | 0x7ff<<52 | (magnitude&0x3ff)<<42)
	}
	// The same fraction with the exponent's bias wrong by 1023 - 15, which the product puts right;
	// subnormal numbers included.
	return math.Float64frombits(sign|magnitude<<42) * 0x1p1008
}

// toHalf rounds to the nearest binary16, ties to even, overflow to infinity.
func toHalf(x float64) uint16 {
	sign := uint16(math.Float64bits(x) >> 48 & 0x8000)
	x = math.Abs(x)
	switch {
	case x != x:
		return sign | 0x7e00
	case x >= 65520: // half-way between the largest finite number and the next
		return sign | 0x7c00
	case x < 0x1p-14:
		// Subnormal step 2^-24; a carry into the exponent gives the smallest normal number.
		return sign | uint16(math.RoundToEven(x*0x1p24))
	}
	fraction, exponent := math.Frexp(x) // x = fraction * 2^exponent, fraction in [1/2, 1)
	// The biased exponent is exponent+14; 2048*fraction is in [1024, 2048] and its leading 1024
	// adds one to it.
	return sign | uint16((exponent+13)<<10+int(math.RoundToEven(fraction*2048)))
}

// toBFloat rounds to the nearest bfloat16, ties to even. The one rounding is done on float64 bits,
// since rounding to float32 first could round twice.
func toBFloat(x float64) uint16 {
	narrow := math.Float32bits(float32(x))
	if x != x {
		return uint16(narrow>>16) | 0x40
	}
	// Round to odd at float32: if float32(x) is inexact, truncate toward zero and set the last bit.
	// 24 bits are more than 8 + 2, so that the second rounding, to nearest even, is then right.
	if y := math.Float32frombits(narrow); float64(y) != x && !math.IsInf(float64(y), 0) {
		if math.Abs(float64(y)) > math.Abs(x) {
			narrow--
		}
		narrow |= 1
	}
	return uint16((narrow + 0x7fff + narrow>>16&1) >> 16)
}
