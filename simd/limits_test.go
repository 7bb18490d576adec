package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// largestMap has every weight as large as NewMap takes, or the given share of it.
func largestMap(dim, degree int, share float64) *Map {
	gains := make([]int16, degree)
	for t := range gains {
		gains[t] = int16(share * MaxWeight * math.Sqrt(float64(t+1)))
	}
	return NewMap(dim, features(dim, degree), int16(share*MaxWeight), gains)
}

// fillLimits draws rows that press on the bounds of the kernels' 32-bit sums: keys of length 2^15
// in one direction for all rows, so that features and columns add up with one sign, or with
// alternating ones; and admissible random keys.
func fillLimits(r *rand.Rand, kind, dim, cols, rows int, largest int16, x, u []int16) {
	direction := make([]float64, dim)
	for i := range rows {
		sum := 0.0
		for j := range direction {
			if i == 0 || kind == 2 {
				direction[j] = r.NormFloat64()
			}
			sum += direction[j] * direction[j]
		}
		for j, v := range direction {
			x[i*dim+j] = int16(max(-32767, min(32767, v/math.Sqrt(sum)*32768*(1-1e-9)))) // truncated: in the ball
		}
		for c := range cols {
			u[i*cols+c] = largest
			switch {
			case c%2 == 1 || kind == 1 && i%2 == 1:
				u[i*cols+c] = -largest
			case kind == 2:
				u[i*cols+c] = int16(r.IntN(2*int(largest)+1) - int(largest))
			}
		}
	}
}

// The sums stay exact where the 32-bit accumulators are nearest to overflow: largest weights, keys
// at |x|^2 = 2^30, right factors at the announced limit, more rows than one spill takes; on every
// set of kernels, with a batch that is used again for fewer rows.
func TestBatchLimits(t *testing.T) {
	defer func(k *kernels) { active = k }(active)
	for _, k := range available() {
		active = k
		t.Run(k.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, 5))
			for _, c := range []struct {
				dim, degree, cols int
				largest           int16
				share             float64
			}{
				{1, 1, 1, 32767, 1}, {1, 1, 14, 1022, 1}, {1, 8, 3, 16352, 1},
				{2, 3, 27, 1024, 1}, {5, 2, 13, 4000, 1}, {3, 4, 6, 32767, 1},
				{17, 2, 7, 2047, 1}, {40, 1, 2, 12345, 0.5}, {6, 3, 65, 1, 1}, {9, 2, 2, 16352, 0.01},
			} {
				m := largestMap(c.dim, c.degree, c.share)
				const capacity = 1300
				b := NewLayout(m, c.cols, c.largest).NewBatch(capacity)
				for trial, rows := range []int{capacity, 1 + r.IntN(700), 513, 1} {
					x, u := make([]int16, rows*c.dim), make([]int16, rows*c.cols)
					fillLimits(r, trial%3, c.dim, c.cols, rows, c.largest, x, u)
					if err := compareBatch(b, x, u, rows); err != "" {
						t.Fatalf("%+v, %d rows: %s", c, rows, err)
					}
				}
				b.Wipe()
				k := b.keys.(*keys)
				for _, left := range [][]int16{b.u, k.f[b.capacity:], k.g[b.capacity:]} {
					if !slices.ContainsFunc(left, func(v int16) bool { return v != 0 }) {
						continue
					}
					t.Errorf("%+v: a wiped batch is not zero", c)
				}
			}
		})
	}
}

// compareBatch sums rows with the batch and, one by one, with Phi, Norm2 and 64-bit products.
func compareBatch(b *Batch, x, u []int16, rows int) string {
	l := b.layout
	m, cols := l.phi.(*Map), l.Cols
	b.SetRows(0, rows, x, u)
	b.Ready(rows)
	for i := range b.Tasks() {
		b.Prepare(i)
	}
	sums, workers := make([]int64, l.Len()), []*Worker{b.NewWorker(), b.NewWorker(), b.NewWorker()}
	for block := range l.Blocks() {
		b.Accumulate(sums, block, workers[block%len(workers)])
	}
	got, gotNorms := make([]int64, m.Features*cols), make([]uint64, rows)
	l.Canonical(got, sums, 0, l.Blocks())
	for _, w := range workers {
		w.AddNorms(gotNorms)
	}
	want, phi, row := make([]int64, len(got)), make([]int16, m.Features), m.NewRow()
	backX, backU := make([]int16, m.Dim), make([]int16, cols)
	for i := range rows {
		key, right := x[i*m.Dim:][:m.Dim], u[i*cols:][:cols]
		m.Phi(row, key, phi)
		for f, p := range phi {
			if int(max(p, -p)) > m.Largest() {
				return fmt.Sprintf("feature %d of row %d is %d, more than Largest, %d", f, i, p, m.Largest())
			}
			for c, v := range right {
				want[f*cols+c] += int64(p) * int64(v)
			}
		}
		if n := m.Norm2(row, key); n != gotNorms[i] {
			return fmt.Sprintf("norm of row %d is %d, want %d", i, gotNorms[i], n)
		}
		if b.Row(i, backX, backU); !slices.Equal(backX, key) || !slices.Equal(backU, right) {
			return fmt.Sprintf("row %d reads back as %v, %v", i, backX, backU)
		}
	}
	for i := range want {
		if got[i] != want[i] {
			return fmt.Sprintf("feature %d, column %d is %d, want %d", i/cols, i%cols, got[i], want[i])
		}
	}
	return ""
}
