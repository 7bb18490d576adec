package gaussian

import (
	"encoding/binary"
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

// ClippedSquared is the squared sensitivity to one unit whose sum has a squared norm of at most
// bound: bound, and 4 times that where one unit is replaced by another.
func ClippedSquared(replace bool, bound *big.Int) *big.Int {
	squared := new(big.Int).Set(bound)
	if replace {
		squared.Lsh(squared, 2)
	}
	return squared
}

// Clip makes the exact squared norm of a sum at most bound: if it is larger, it scales all of it by
// one factor, rounding each number toward zero, and reports that it did. What comes out is a
// function of the sum alone (PROOF.md of package moment, "Clipped sums").
//
// A norm is as private as the sum. It stays in registers: big integers would leave it in memory
// that nobody can wipe.
func Clip(sum []int64, bound *big.Int) (clipped bool) {
	norm2 := Norm2(sum)
	if !norm2.Above(bound) {
		return false
	}
	Scale(sum, norm2.Factor(bound))
	return true
}

// Square is a squared norm, below 2^128.
type Square struct{ hi, lo uint64 }

// Norm2 is the exact squared norm. It must be below 2^128.
func Norm2(sum []int64) (s Square) {
	for _, v := range sum {
		sign := v >> 63
		magnitude := uint64((v ^ sign) - sign)
		hi, lo := bits.Mul64(magnitude, magnitude)
		s = s.Plus(Square{hi, lo})
	}
	return s
}

// Plus adds.
func (s Square) Plus(o Square) Square {
	lo, carry := bits.Add64(s.lo, o.lo, 0)
	hi, _ := bits.Add64(s.hi, o.hi, carry)
	return Square{hi, lo}
}

// Above reports whether s > bound, which is in 0..2^128-1.
func (s Square) Above(bound *big.Int) bool {
	b := squareOf(bound)
	return s.hi > b.hi || s.hi == b.hi && s.lo > b.lo
}

func squareOf(x *big.Int) Square {
	var b [16]byte
	x.FillBytes(b[:])
	return Square{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// Factor is the largest integer f with f^2 s <= 2^124 bound, for s > bound: it is below 2^62.
func (s Square) Factor(bound *big.Int) (f uint64) {
	b := squareOf(bound)
	// 2^124 bound, the lowest word first.
	most := [4]uint64{0, b.lo << 60, b.lo>>4 | b.hi<<60, b.hi >> 4}
	for bit := uint64(1) << (shift - 1); bit > 0; bit >>= 1 {
		hi, lo := bits.Mul64(f|bit, f|bit)
		if product := times(Square{hi, lo}, s); !above(&product, &most) {
			f |= bit
		}
	}
	return f
}

// times is a b, the lowest word first.
func times(a, b Square) (p [4]uint64) {
	var carry uint64
	p[1], p[0] = bits.Mul64(a.lo, b.lo)
	p[3], p[2] = bits.Mul64(a.hi, b.hi)
	for _, m := range [2][2]uint64{{a.lo, b.hi}, {a.hi, b.lo}} {
		hi, lo := bits.Mul64(m[0], m[1])
		p[1], carry = bits.Add64(p[1], lo, 0)
		p[2], carry = bits.Add64(p[2], hi, carry)
		p[3] += carry
	}
	return p
}

// above reports whether a > b, of numbers with the lowest word first.
func above(a, b *[4]uint64) bool {
	for i := 3; i > 0; i-- {
		if a[i] != b[i] {
			return a[i] > b[i]
		}
	}
	return a[0] > b[0]
}

// Scale makes each number v factor/2^62, rounded toward zero.
func Scale(sum []int64, factor uint64) {
	for i, v := range sum {
		sign := v >> 63
		hi, lo := bits.Mul64(uint64((v^sign)-sign), factor)
		sum[i] = (int64(hi<<(64-shift)|lo>>shift) ^ sign) - sign
	}
}
