package quant

import (
	"math"
	"testing"

	"dpattn/tests/testkit"
)

// slowly applies the rotation by its definition: signs, then the Hadamard matrix
// (-1)^popcount(i&j), on the leading and then on the trailing block.
func (r *Rotation) slowly(v []float64) []float64 {
	out := append([]float64(nil), v...)
	for pass, at := range []int{0, len(v) - r.block} {
		if pass == 1 && at == 0 {
			break
		}
		for i := range out {
			out[i] *= math.Copysign(1, r.signs[pass][i])
		}
		block := append([]float64(nil), out[at:at+r.block]...)
		for i := range block {
			sum := 0.0
			for j, e := range block {
				odd := false
				for b := i & j; b != 0; b &= b - 1 {
					odd = !odd
				}
				if odd {
					e = -e
				}
				sum += e
			}
			out[at+i] = sum / math.Sqrt(float64(r.block))
		}
	}
	return out
}

// R^T R = 1, for every small dimension and for large ones.
func TestRotationIsOrthogonal(t *testing.T) {
	dims := []int{128, 1000}
	for d := 1; d <= 70; d++ {
		dims = append(dims, d)
	}
	for _, d := range dims {
		r := NewRotation(d)
		rows := make([][]float64, d) // images of the unit vectors
		for i := range rows {
			rows[i] = make([]float64, d)
			rows[i][i] = 1
			r.Apply(rows[i])
		}
		for i := range rows {
			for j := i; j < d; j += 1 + d/100 {
				dot := 0.0
				for c := range rows[i] {
					dot += rows[i][c] * rows[j][c]
				}
				want := 0.0
				if i == j {
					want = 1
				}
				if math.Abs(dot-want) > 1e-13 {
					t.Fatalf("d = %d: <R e%d, R e%d> = %v", d, i, j, dot)
				}
			}
		}
	}
}

// The rotation is linear and is what slowly computes.
func TestRotationIsItsDefinition(t *testing.T) {
	rng := testkit.Rand(5)
	for d := 1; d <= 70; d++ {
		r := NewRotation(d)
		v := make([]float64, d)
		for i := range v {
			v[i] = rng.NormFloat64()
		}
		want := r.slowly(v)
		r.Apply(v)
		for i := range v {
			if math.Abs(v[i]-want[i]) > 1e-13 {
				t.Fatalf("d = %d, coordinate %d: %v, want %v", d, i, v[i], want[i])
			}
		}
	}
}

// It spreads a lone coordinate over all, for the lengths of heads in use.
func TestRotationSpreads(t *testing.T) {
	for _, d := range []int{64, 80, 96, 128, 1024} {
		r := NewRotation(d)
		for i := range d {
			v := make([]float64, d)
			v[i] = 1
			r.Apply(v)
			for j, e := range v {
				if math.Abs(e) > 0.25 {
					t.Fatalf("d = %d: R e%d has %v at %d", d, i, e, j)
				}
			}
		}
	}
}

// The signs are part of the file format: releases in files were made with them.
func TestRotationIsFrozen(t *testing.T) {
	const first, second = 0x52bae922cb8bd0c5, 0x5f23e5a2cb31bc95
	r := NewRotation(64)
	var got [2]uint64
	for s := range got {
		for i, e := range r.signs[s] {
			if e < 0 {
				got[s] |= 1 << i
			}
		}
	}
	if got != [2]uint64{first, second} {
		t.Errorf("signs of d = 64 are %#x, %#x", got[0], got[1])
	}
}
