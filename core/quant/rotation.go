package quant

import (
	"math"
	"math/bits"
	"math/rand/v2"

	"dpattn/simd"
)

// Rotation is a fixed public orthogonal map: random signs and a Hadamard transform, H D. It spreads
// a coordinate that is large in every row over all coordinates, so that int16 rounding costs each
// the same. <Rq, Rk> = <q, k>.
//
// A length that is not a power of two is covered by two overlapping transforms of the largest power
// of two below it, on the leading and then on the trailing coordinates: a product of orthogonal
// maps.
type Rotation struct {
	block int          // largest power of two <= dim
	signs [2][]float64 // of each transform, with its norm where it works
}

// rotationSeed never changes: it is part of the file format (rotation 1). The signs need not be
// secret or unpredictable.
const rotationSeed = "dpattn hadamard rotation, v1    "

// NewRotation makes the rotation for vectors of length dim.
func NewRotation(dim int) *Rotation {
	r := &Rotation{block: 1 << (bits.Len(uint(dim)) - 1)}
	rng := rand.NewChaCha8([32]byte([]byte(rotationSeed)))
	norm := 1 / math.Sqrt(float64(r.block))
	for s := range r.signs {
		r.signs[s] = make([]float64, dim)
		for i := range r.signs[s] {
			r.signs[s][i] = 1 - 2*float64(rng.Uint64()&1)
		}
		first := s * (dim - r.block) // where this transform begins
		for i := first; i < first+r.block; i++ {
			r.signs[s][i] *= norm
		}
	}
	return r
}

// Apply rotates v in place.
func (r *Rotation) Apply(v []float64) {
	simd.Multiply(v, r.signs[0])
	simd.Hadamard(v[:r.block])
	if r.block < len(v) {
		simd.Multiply(v, r.signs[1])
		simd.Hadamard(v[len(v)-r.block:])
	}
}
