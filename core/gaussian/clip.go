package gaussian

import (
	"math/big"
	"math/bits"
)

// shift is the number of fractional bits of the factor by which Clip scales.
const shift = 62

// Worth is the bound on the squared norm of one unit's sum that is worth rows fully aligned rows,
// of squared norm row each: floor(rows^2 row), exactly. rows is positive and finite.
func Worth(row *big.Int, rows float64) *big.Int {
	square := new(big.Rat)
	square.SetFloat64(rows)
	square.Mul(square, square)
	square.Mul(square, new(big.Rat).SetInt(row))
	return new(big.Int).Div(square.Num(), square.Denom())
}

// Clip makes the exact squared norm of a sum at most bound: if it is larger, it scales all of it by
// one factor, rounding each number toward zero, and reports that it did. What comes out is a
// function of the sum alone (PROOF.md of package moment, "Clipped sums").
func Clip(sum []int64, bound *big.Int) (clipped bool) {
	norm2 := Norm2(sum)
	if norm2.Cmp(bound) <= 0 {
		return false
	}
	Scale(sum, Factor(norm2, bound))
	return true
}

// Factor is floor(sqrt(floor(2^124 bound / norm2))) for norm2 > bound, so that factor^2 norm2 <=
// 2^124 bound; and it is below 2^62.
func Factor(norm2, bound *big.Int) uint64 {
	q := new(big.Int).Lsh(bound, 2*shift)
	return q.Sqrt(q.Div(q, norm2)).Uint64()
}

// Scale makes each number v factor/2^62, rounded toward zero.
func Scale(sum []int64, factor uint64) {
	for i, v := range sum {
		sign := v >> 63
		hi, lo := bits.Mul64(uint64((v^sign)-sign), factor)
		sum[i] = (int64(hi<<(64-shift)|lo>>shift) ^ sign) - sign
	}
}

// Norm2 is the exact squared norm. It must be below 2^128.
func Norm2(sum []int64) *big.Int {
	var hi, lo uint64
	for _, v := range sum {
		sign := v >> 63
		magnitude := uint64((v ^ sign) - sign)
		ph, pl := bits.Mul64(magnitude, magnitude)
		var carry uint64
		lo, carry = bits.Add64(lo, pl, 0)
		hi += ph + carry
	}
	out := new(big.Int).SetUint64(hi)
	return out.Lsh(out, 64).Add(out, new(big.Int).SetUint64(lo))
}
