package simd_test

import (
	"math"
	"slices"
	"testing"

	"dpattn/simd"
	"dpattn/tests/testkit"
)

// <psi(q), real phi(x)> = sum_t coeff[t] w_t <q, x/2^15>^t, which is the identity that turns sums
// of features into attention.
func TestPsiIdentity(t *testing.T) {
	forMaps(t, func(t *testing.T, s *spec) {
		rng := testkit.Rand(5)
		for range max(3, min(200, 20000/len(s.seqs))) {
			x := s.rows(rng, 1, true)
			q := make([]float64, s.dim)
			dot := 0.0
			for j := range q {
				q[j] = rng.NormFloat64() / math.Sqrt(float64(s.dim))
				dot += q[j] * float64(x[j]) / (1 << 15)
			}
			coeff := make([]float64, s.degree()+1)
			want, size := 0.0, 0.0
			for deg := range coeff {
				coeff[deg] = rng.NormFloat64()
				w := float64(s.constant)
				if deg > 0 {
					w = s.weight(deg)
				}
				want += coeff[deg] * w * math.Pow(dot, float64(deg))
			}
			psi, all := guarded(make([]float64, len(s.seqs)), math.Pi)
			for i := range psi {
				psi[i] = math.NaN() // dirty
			}
			s.table.Psi(q, coeff, psi)
			got := 0.0
			for i, p := range s.real(x) {
				got += p * psi[i]
				size += math.Abs(p * psi[i])
			}
			// Fewer than 30 roundings are behind each term, and r in the sum.
			if e := math.Abs(got - want); !(e <= 0x1p-52*size*float64(30+len(s.seqs))) {
				t.Fatalf("<psi(q), phi(x)> is %v, want %v", got, want)
			}
			intact(t, "psi", all, len(psi), math.Pi)
		}
	})
}

// The query may already lie where the monomials of degree 1 belong.
func TestPsiInPlace(t *testing.T) {
	s := newSpec(5, 3000, 3000, 3000, 3000)
	q, coeff := []float64{1, -0.5, 0.25, 3, 0.1}, []float64{1, 2, 3, 4}
	want, got := make([]float64, len(s.seqs)), make([]float64, len(s.seqs))
	s.table.Psi(q, coeff, want)
	copy(got[1:], q)
	s.table.Psi(got[1:6], coeff, got)
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("entry %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestDot(t *testing.T) {
	rng := testkit.Rand(6)
	for _, n := range []int{0, 1, 2, 3, 7, 8, 9, 31, 64, 257} {
		for _, cols := range []int{1, 2, 3, 4, 7, 8, 15, 16, 17, 33, 65, 129} {
			psi, state, out := make([]float64, n), make([]float64, n*cols), make([]float64, cols)
			for i := range psi {
				psi[i] = rng.NormFloat64()
			}
			for i := range state {
				state[i] = rng.NormFloat64() * 1e6
			}
			for c := range out {
				out[c] = rng.NormFloat64() // Dot adds
			}
			want, size := make([]float64, cols), make([]float64, cols)
			for c := range out {
				want[c] = out[c]
				size[c] = math.Abs(out[c])
				for i := range psi {
					term := psi[i] * state[i*cols+c]
					want[c] += term
					size[c] += math.Abs(term)
				}
			}
			got, gotAll := guarded(out, math.Pi)
			in, inAll := guarded(state, 3)
			simd.Dot(got, psi, in)
			for c := range got {
				// Any order of additions is within this, with f64 arithmetic.
				if e := math.Abs(got[c] - want[c]); !(e <= 0x1p-52*size[c]*float64(n+2)) {
					t.Fatalf("n %d, cols %d: column %d is %v, want %v", n, cols, c, got[c], want[c])
				}
			}
			intact(t, "out", gotAll, cols, math.Pi)
			intact(t, "state", inAll, len(state), 3)
		}
	}
}

// guarded is a copy of v at an odd offset of a larger array, with sentinels on both sides.
func guarded[T float32 | float64](v []T, mark T) (inner, whole []T) {
	const band = 67
	whole = slices.Repeat([]T{mark}, len(v)+2*band)
	copy(whole[band:], v)
	return whole[band : band+len(v)], whole
}

func intact[T comparable](t *testing.T, name string, whole []T, inner int, mark T) {
	t.Helper()
	band := (len(whole) - inner) / 2
	for i, v := range whole {
		if (i < band || i >= band+inner) && v != mark {
			t.Fatalf("%s: the guard %d elements from its beginning was overwritten", name, i-band)
		}
	}
}
