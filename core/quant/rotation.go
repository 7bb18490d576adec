package quant

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// Rotation is a fixed public orthogonal map: random signs and a Hadamard transform, H D. It spreads a coordinate that is large
// in every row over all coordinates, so that int16 rounding costs each the same. <Rq, Rk> = <q, k>.
//
// A length that is not a power of two is covered by two overlapping transforms of the largest power of two below it, on the leading
// and then on the trailing coordinates: a product of orthogonal maps.
type Rotation struct {
	block int // largest power of two <= dim
	signs [2][]float64
}

// rotationSeed never changes: it is part of the file format (rotation 1). The signs need not be secret or unpredictable.
const rotationSeed = "dpattn hadamard rotation, v1    "

// NewRotation makes the rotation for vectors of length dim.
func NewRotation(dim int) *Rotation {
	r := &Rotation{block: 1 << (bits.Len(uint(dim)) - 1)}
	rng := rand.NewChaCha8([32]byte([]byte(rotationSeed)))
	for s := range r.signs {
		r.signs[s] = make([]float64, dim)
		for i := range r.signs[s] {
			r.signs[s][i] = 1 - 2*float64(rng.Uint64()&1)
		}
	}
	return r
}

// Apply rotates v in place.
func (r *Rotation) Apply(v []float64) {
	r.pass(v, r.signs[0], v[:r.block])
	if r.block < len(v) {
		r.pass(v, r.signs[1], v[len(v)-r.block:])
	}
}

func (r *Rotation) pass(v, signs, block []float64) {
	for i := range v {
		v[i] *= signs[i]
	}
	for h := 1; h < len(block); h *= 2 {
		for i := 0; i < len(block); i += 2 * h {
			a, b := block[i:i+h], block[i+h:i+2*h]
			for j, x := range a {
				y := b[j]
				a[j], b[j] = x+y, x-y
			}
		}
	}
	norm := 1 / math.Sqrt(float64(len(block)))
	for i := range block {
		block[i] *= norm
	}
}
