package core

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"dpattn/core/internal/wire"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

// Helpers of this package's tests.

// matrix is a dense row-major matrix.
type matrix struct {
	rows, cols int
	data       []float64
}

func (m matrix) row(i int) []float64 { return m.data[i*m.cols : (i+1)*m.cols] }
func (m matrix) slice(lo, hi int) matrix {
	return matrix{hi - lo, m.cols, m.data[lo*m.cols : hi*m.cols]}
}
func (m matrix) view() tensor.Tensor { return tensor.Of(m.data, m.rows, m.cols) }
func zeros2(rows, cols int) matrix   { return matrix{rows, cols, make([]float64, rows*cols)} }
func (m matrix) maxNorm() (largest float64) {
	for i := range m.rows {
		largest = max(largest, norm(m.row(i)))
	}
	return largest
}

// ball draws rows in a ball of the given radius, half of them on its surface.
func ball(rng *rand.Rand, rows, cols int, radius float64) matrix {
	m := zeros2(rows, cols)
	for i := range rows {
		r := m.row(i)
		for j := range r {
			r[j] = rng.NormFloat64()
		}
		length := radius / norm(r)
		if i%2 == 1 {
			length *= rng.Float64()
		}
		for j := range r {
			r[j] *= length * (1 - 1e-12)
		}
	}
	return m
}

// audit chooses the small size of a test, or its full size when DPATTN_AUDIT is set.
func audit(small, full int) int {
	if os.Getenv("DPATTN_AUDIT") != "" {
		return full
	}
	return small
}

func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// silence is a draw without noise; it exists in tests only.
func silence(dst []int64, sigma uint64) error { clear(dst); return nil }

// recorded is a draw that gives the same noise at each use.
func recorded(seed uint64) draw {
	return func(dst []int64, sigma uint64) error {
		r := rng(seed + uint64(len(dst)))
		for i := range dst {
			dst[i] = int64(r.NormFloat64() * float64(sigma))
		}
		return nil
	}
}

type constant byte

func (c constant) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c)
	}
	return len(p), nil
}

var someBudget = privacy.Budget{Epsilon: 1, Delta: 1e-5}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// built makes a builder with one chunk of rows.
func built(t testing.TB, p Params, k, v matrix) *Builder {
	t.Helper()
	b := must[*Builder](t)(NewBuilder(p))
	if err := b.Add(0, k.view(), v.view(), nil, nil); err != nil {
		t.Fatal(err)
	}
	return b
}

// silent releases without noise.
func silent(t testing.TB, b *Builder) *Release {
	t.Helper()
	return must[*Release](t)(b.release(someBudget, nil, silence, constant(7)))
}

// attended answers all queries.
func attended(t testing.TB, r *Release, q matrix) (out, lse, std matrix) {
	t.Helper()
	out, lse, std = zeros2(q.rows, stateOf(r).gaussian.ValueDim), zeros2(q.rows, 1), zeros2(q.rows, stateOf(r).gaussian.ValueDim)
	l, s := lse.view(), std.view()
	if _, err := r.Attend(q.view(), out.view(), &l, &s); err != nil {
		t.Fatal(err)
	}
	return out, lse, std
}

func exported(t testing.TB, b *Builder) []byte {
	t.Helper()
	n, err := b.ExportSecret(nil)
	if n == 0 {
		t.Fatal(err)
	}
	buf := make([]byte, n)
	if _, err := b.ExportSecret(buf); err != nil {
		t.Fatal(err)
	}
	return buf
}

// held is everything in the builder's partial but the random origins of its rows, and the checksum: the same bytes for the same rows, whichever builders they are in.
func held(t testing.TB, b *Builder) []byte {
	t.Helper()
	_, body := parted(exported(t, b))
	return body
}

// parted cuts a partial into its origins, number and all, and what else there is between the version and the checksum.
func parted(partial []byte) (origins, body []byte) {
	start := len(wire.Partial) + 4
	end := start + 8 + 16*int(binary.LittleEndian.Uint64(partial[start:]))
	return partial[start:end], partial[end : len(partial)-sha256.Size]
}

// exact is the sums of all heads without noise.
func exact(b *Builder) []int64 {
	s := sumsOf(b)
	n := s.gaussian.stateLen()
	state := make([]int64, n*len(s.heads))
	for h := range s.heads {
		sums := s.heads[h].sums
		if sums == nil {
			sums = s.sumOwners(h, func(int) bool { return true })
			defer sums.Wipe()
		}
		sums.AddTo(state[h*n : (h+1)*n])
	}
	return state
}

func saved(t testing.TB, r *Release) []byte {
	t.Helper()
	n, _ := r.Save(nil)
	buf := make([]byte, n)
	if _, err := r.Save(buf); err != nil {
		t.Fatal(err)
	}
	return buf
}

// reference is the mechanism in real numbers, written down once more without the library: weighted monomials over all index sequences (not
// only the sorted ones), moments, and the quotient.
type reference struct {
	coeff []float64
	scale float64
}

// monomials lists all products of t entries of x, in every order: <monomials(q), monomials(k)> = <q,k>^t.
func monomials(x []float64, t int) []float64 {
	out := []float64{1}
	for range t {
		var next []float64
		for _, p := range out {
			for _, v := range x {
				next = append(next, p*v)
			}
		}
		out = next
	}
	return out
}

func (r reference) features(x []float64, query bool) (phi []float64) {
	for t, c := range r.coeff {
		weight := 1.0
		if query {
			weight = c * math.Pow(r.scale, float64(t))
		}
		for _, m := range monomials(x, t) {
			phi = append(phi, weight*m)
		}
	}
	return phi
}

// attend returns outputs and denominators.
func (r reference) attend(k, v, q matrix) (out, den matrix) {
	var moments [][]float64
	for j := range k.rows {
		phi := r.features(k.row(j), false)
		if moments == nil {
			moments = make([][]float64, len(phi))
			for i := range moments {
				moments[i] = make([]float64, v.cols+1)
			}
		}
		u := append(slices.Clone(v.row(j)), 1)
		for i, p := range phi {
			for c, e := range u {
				moments[i][c] += p * e
			}
		}
	}
	out, den = zeros2(q.rows, v.cols), zeros2(q.rows, 1)
	for i := range q.rows {
		sum := make([]float64, v.cols+1)
		for f, p := range r.features(q.row(i), true) {
			for c := range sum {
				sum[c] += p * moments[f][c]
			}
		}
		den.data[i] = sum[v.cols]
		for c := range v.cols {
			out.row(i)[c] = sum[c] / sum[v.cols]
		}
	}
	return out, den
}
