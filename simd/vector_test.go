package simd

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Every set of kernels gives the bits of the generic loops, for all short lengths and some long
// ones, and writes nothing beyond.
func TestVectorLoops(t *testing.T) {
	lengths := []int{64, 65, 100, 127, 128, 1000, 4096}
	for n := 1; n <= 40; n++ {
		lengths = append(lengths, n)
	}
	with(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		odd := []float64{
			0, math.Copysign(0, -1), 5e-324, -1e-310, 0.5, -0.5, 1.5, 2.5, -32767.5, 32766.5,
			1e300, -1e300, math.MaxFloat64,
		}
		number := func(i int) float64 {
			if i%7 == 3 {
				return odd[r.IntN(len(odd))]
			}
			return r.NormFloat64() * 1000
		}
		for _, n := range lengths {
			const guard = 9
			v, w, narrow := make([]float64, n+guard), make([]float64, n+guard), make([]float32, n)
			for i := range v {
				v[i], w[i] = number(i), r.NormFloat64()
			}
			for i := range narrow {
				narrow[i] = float32(number(i))
			}
			same := func(name string, run func(v []float64), generic func(v []float64)) {
				t.Helper()
				got, want := slices.Clone(v), slices.Clone(v)
				run(got[:n:n])
				generic(want[:n])
				for i := range got {
					if math.Float64bits(got[i]) != math.Float64bits(want[i]) {
						t.Fatalf("%s, length %d: entry %d is %v, want %v", name, n, i, got[i], want[i])
					}
				}
			}
			same("widen",
				func(v []float64) { Widen(v, narrow) },
				func(v []float64) { widenGeneric(&v[0], &narrow[0], n) })
			same("multiply",
				func(v []float64) { Multiply(v, w) },
				func(v []float64) { multiplyGeneric(&v[0], &w[0], n) })
			if n&(n-1) == 0 {
				same("hadamard", Hadamard, func(v []float64) { hadamardGeneric(&v[0], n) })
			}
			if got, want := Squares(v[:n]), squaresGeneric(&v[0], n); math.Float64bits(got) != math.Float64bits(want) {
				t.Fatalf("squares, length %d: %v, want %v", n, got, want)
			}
			integers := make([]int16, n)
			for _, kind := range []int{0, -32768, 32767, -32767} {
				for i := range integers {
					if integers[i] = int16(kind); kind == 0 {
						integers[i] = int16(r.Uint32())
					}
				}
				if got, want := Norm2(integers), norm16Generic(&integers[0], n); got != want {
					t.Fatalf("norm16, length %d, %d: %v, want %v", n, kind, got, want)
				}
			}
			sums := make([]int64, n+guard)
			for i := range sums {
				sums[i] = r.Int64() - 1<<62
			}
			wantSums := slices.Clone(sums)
			for i := range integers {
				integers[i] = int16(r.Uint32())
			}
			Add16(sums[:n], integers)
			add16Generic(&wantSums[0], &integers[0], n)
			if !slices.Equal(sums, wantSums) {
				t.Fatalf("add16, length %d: %v, want %v", n, sums, wantSums)
			}
			got, want := slices.Repeat([]int16{77}, n+guard), slices.Repeat([]int16{77}, n+guard)
			widened := make([]float64, n)
			widenGeneric(&widened[0], &narrow[0], n)
			squares, wantSquares := Squares32(narrow), squaresGeneric(&widened[0], n)
			if math.Float64bits(squares) != math.Float64bits(wantSquares) {
				t.Fatalf("squares32, length %d: %v, want %v", n, squares, wantSquares)
			}
			for _, factor := range []float64{1, 0.5, 33.3, 1e-300} {
				norm := Round16x32(got[:n], narrow, factor)
				round16Generic(&want[0], &widened[0], n, factor)
				if !slices.Equal(got, want) || norm != norm16Generic(&want[0], n) {
					t.Fatalf("round16x32, length %d, factor %v: %v, %v, want %v", n, factor, norm, got, want)
				}
				Round16(got[:n], v, factor)
				round16Generic(&want[0], &v[0], n, factor)
				if !slices.Equal(got, want) {
					t.Fatalf("round16, length %d, factor %v: %v, want %v", n, factor, got, want)
				}
			}
		}
	})
}
