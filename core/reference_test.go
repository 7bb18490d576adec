package core

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"dpattn/core/internal/wire"
	"dpattn/core/privacy"
	"dpattn/tests/testkit"
)

// Helpers of this package's tests.

var someBudget = privacy.Budget{Epsilon: 1, Delta: 1e-5}

// built makes a builder with one chunk of rows.
func built(t testing.TB, p settings, k, v testkit.Matrix) *Builder {
	t.Helper()
	b := testkit.Must(NewBuilder(p.params()))(t)
	if err := b.Add(0, k.View(), v.View(), nil, nil); err != nil {
		t.Fatal(err)
	}
	return b
}

// attended answers all queries.
func attended(t testing.TB, r *Release, q testkit.Matrix) (out, lse, std testkit.Matrix) {
	t.Helper()
	dim := r.mechanism.Params().ValueDim
	out, lse, std = testkit.Zeros(q.Rows, dim), testkit.Zeros(q.Rows, 1), testkit.Zeros(q.Rows, dim)
	l, s := lse.View(), std.View()
	if _, err := r.Attend(q.View(), out.View(), &l, &s); err != nil {
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

// held is everything in the builder's partial but the random origins of its rows, and the checksum:
// the same bytes for the same rows, whichever builders they are in.
func held(t testing.TB, b *Builder) []byte {
	t.Helper()
	_, body := parted(exported(t, b))
	return body
}

// parted cuts a partial into its origins, number and all, and what else there is between the
// version and the checksum.
func parted(partial []byte) (origins, body []byte) {
	start := len(wire.Partial) + 4
	end := start + 8 + 16*int(binary.LittleEndian.Uint64(partial[start:]))
	return partial[start:end], partial[end : len(partial)-sha256.Size]
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

// reference is the mechanism in real numbers, written down once more without the library: weighted
// monomials over all index sequences (not only the sorted ones), moments, and the quotient.
type reference struct {
	coeff []float64
	scale float64
}

// monomials lists all products of t entries of x, in every order: <monomials(q), monomials(k)> =
// <q,k>^t.
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
func (r reference) attend(k, v, q testkit.Matrix) (out, den testkit.Matrix) {
	var moments [][]float64
	for j := range k.Rows {
		phi := r.features(k.Row(j), false)
		if moments == nil {
			moments = make([][]float64, len(phi))
			for i := range moments {
				moments[i] = make([]float64, v.Cols+1)
			}
		}
		u := append(slices.Clone(v.Row(j)), 1)
		for i, p := range phi {
			for c, e := range u {
				moments[i][c] += p * e
			}
		}
	}
	out, den = testkit.Zeros(q.Rows, v.Cols), testkit.Zeros(q.Rows, 1)
	for i := range q.Rows {
		sum := make([]float64, v.Cols+1)
		for f, p := range r.features(q.Row(i), true) {
			for c := range sum {
				sum[c] += p * moments[f][c]
			}
		}
		den.Data[i] = sum[v.Cols]
		for c := range v.Cols {
			out.Row(i)[c] = sum[c] / sum[v.Cols]
		}
	}
	return out, den
}
