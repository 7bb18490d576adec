package simd

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// features is C(dim+degree, degree).
func features(dim, degree int) int {
	n := 1
	for t := 1; t <= degree; t++ {
		n = n * (dim + t) / t
	}
	return n
}

func someMap(dim, degree int) *Map {
	gains := make([]int16, degree)
	for t := range gains {
		gains[t] = int16(4000 / (t + 1))
	}
	return NewMap(dim, features(dim, degree), 3000, gains)
}

// with runs a test once for each set of kernels that this processor has.
func with(t *testing.T, test func(t *testing.T)) {
	defer func(k *kernels) { active = k }(active)
	for _, k := range available() {
		active = k
		t.Run(k.name, test)
	}
}

// Every set of kernels gives the sums and norms of the definition, bit for bit.
func TestBatchMatchesDefinition(t *testing.T) {
	with(t, func(t *testing.T) {
		for _, c := range []struct{ dim, degree, cols, rows int }{
			{1, 1, 1, 1}, {1, 3, 2, 5}, {2, 2, 3, 32}, {3, 4, 7, 33}, {5, 6, 12, 64}, {7, 8, 13, 31},
			{16, 2, 14, 100}, {17, 3, 27, 129},
			{33, 2, 65, 513}, {64, 2, 11, 700}, {40, 1, 129, 40}, {9, 3, 6, 1100},
		} {
			for _, kind := range []string{"random", "extreme", "least", "zero"} {
				t.Run(fmt.Sprint(c, kind), func(t *testing.T) {
					r := rand.New(rand.NewPCG(1, 2))
					m := someMap(c.dim, c.degree)
					x, u := make([]int16, c.rows*c.dim), make([]int16, c.rows*c.cols)
					for i := range c.rows {
						row := x[i*c.dim:][:c.dim]
						switch kind {
						case "random":
							for j := range row {
								row[j] = int16(r.NormFloat64() * 12000 / float64(c.dim))
							}
						case "extreme": // |x|^2 <= 2^30 with all of it in one place
							row[i%c.dim] = 32767
						case "least":
							row[i%c.dim] = -32767
						}
					}
					for i := range u {
						switch kind {
						case "random":
							u[i] = int16(r.IntN(2001) - 1000)
						case "extreme":
							u[i] = 1000
						case "least":
							u[i] = -1000
						}
					}
					checkBatch(t, m, c.cols, c.rows, x, u)
				})
			}
		}
	})
}

func checkBatch(t *testing.T, m *Map, cols, rows int, x, u []int16) {
	t.Helper()
	want, norms := make([]int64, m.Features*cols), make([]uint64, rows)
	phi, scratch := make([]int16, m.Features), m.NewRow()
	for i := range rows {
		m.Phi(scratch, x[i*m.Dim:][:m.Dim], phi)
		norms[i] = m.Norm2(scratch, x[i*m.Dim:][:m.Dim])
		for f, p := range phi {
			for c, v := range u[i*cols:][:cols] {
				want[f*cols+c] += int64(p) * int64(v)
			}
		}
	}
	l := NewLayout(m, cols, 1000)
	b := l.NewBatch(rows)
	for i := range rows {
		b.Set(i, x[i*m.Dim:][:m.Dim], u[i*cols:][:cols])
	}
	b.Ready(rows)
	for i := range b.Tasks() {
		b.Prepare(i)
	}
	// The sums lie between guards, and a second pass adds to what is there.
	const guard = 64
	memory := make([]int64, l.Len()+2*guard)
	for i := range memory {
		memory[i] = 77
	}
	sums := memory[guard : guard+l.Len()]
	clear(sums)
	w := []*Worker{b.NewWorker(), b.NewWorker()}
	for range 2 {
		w[0].Reset()
		w[1].Reset()
		for block := range l.Blocks() {
			b.Accumulate(sums, block, w[block%2])
		}
	}
	got, gotNorms := make([]int64, len(want)), make([]uint64, rows)
	l.Canonical(got, sums, 0, l.Blocks())
	w[0].AddNorms(gotNorms)
	w[1].AddNorms(gotNorms)
	for i := range want {
		if got[i] != 2*want[i] {
			t.Fatalf("feature %d column %d: %d, want %d", i/cols, i%cols, got[i], 2*want[i])
		}
	}
	for i := range norms {
		if gotNorms[i] != norms[i] {
			t.Fatalf("row %d: norm %d, want %d", i, gotNorms[i], norms[i])
		}
	}
	for i := range guard {
		if memory[i] != 77 || memory[len(memory)-1-i] != 77 {
			t.Fatal("wrote outside the sums")
		}
	}
	back := make([]int64, l.Len())
	l.FromCanonical(back, got, 0, l.Blocks())
	for i := range back {
		if back[i] != sums[i] {
			t.Fatal("FromCanonical is not the inverse of Canonical, or padding lanes are not zero")
		}
	}
}

// Blocks of 32 features and tiles of columns leave little to do in vain: at most 5 % of the
// multiply-adds at degrees 2 to 4, and at degree 1, whose d+1 features are one more than whole
// blocks, at most that one block.
func TestWaste(t *testing.T) {
	with(t, func(t *testing.T) {
		for _, dim := range []int{64, 128} {
			for degree := 1; degree <= 4; degree++ {
				m := someMap(dim, degree)
				l := NewLayout(m, dim+1, 1022)
				need, done := m.Features*l.Cols, 0
				for c := 0; c < l.Cols; c += l.tile { // a tile is as wide as its columns
					done += l.Blocks() * Lanes * min(l.tile, l.Cols-c)
				}
				if done != l.Len() {
					t.Errorf("d = %d, degree %d: tiles cover %d sums of %d", dim, degree, done, l.Len())
				}
				allowed := need + need/20
				if degree == 1 {
					allowed = need + (Lanes-1)*l.Cols
				}
				if done < need || done > allowed {
					t.Errorf("d = %d, degree %d: %d multiply-adds a row for %d", dim, degree, done, need)
				}
			}
		}
	})
}

func BenchmarkBatch(b *testing.B) {
	defer func(k *kernels) { active = k }(active)
	for _, k := range available() {
		active = k
		for _, s := range []int{2, 3} {
			if k == &generic && s == 3 {
				continue
			}
			for _, rows := range []int{512, 2048} {
				b.Run(fmt.Sprintf("%s/s%d/rows%d", k.name, s, rows), func(b *testing.B) {
					m := someMap(64, s)
					l := NewLayout(m, 65, 1022)
					batch := l.NewBatch(rows)
					r := rand.New(rand.NewPCG(1, 2))
					x, u := make([]int16, 64), make([]int16, 65)
					for i := range rows {
						for j := range x {
							x[j] = int16(r.NormFloat64() * 3000)
						}
						for j := range u {
							u[j] = int16(r.NormFloat64() * 100)
						}
						batch.Set(i, x, u)
					}
					batch.Ready(rows)
					sums, w := make([]int64, l.Len()), batch.NewWorker()
					b.ResetTimer()
					for range b.N {
						for i := range batch.Tasks() {
							batch.Prepare(i)
						}
						for i := range l.Blocks() {
							batch.Accumulate(sums, i, w)
						}
					}
					macs := float64(b.N) * float64(rows) * float64(m.Features*65)
					b.ReportMetric(macs/b.Elapsed().Seconds()/1e9, "GMAC/s")
				})
			}
		}
	}
}
