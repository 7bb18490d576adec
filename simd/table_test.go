package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// answer asks all queries at once and returns the sums [n, cols].
func answer(t *Table, x [][]float64, coeff []float64) [][]float64 {
	q := t.NewQueries()
	// Dirty memory: an earlier, larger block of queries.
	q.Begin(MostQueries, coeff)
	for _, s := range [][]float32{q.f, q.g, q.h, q.sums} {
		for i := range s {
			s[i] = float32(math.NaN())
		}
	}
	q.Begin(len(x), coeff)
	for i := range x {
		q.Set(i, x[i], 1)
	}
	for i := range q.Groups() {
		q.Prepare(i)
	}
	lane := q.Lane()
	out := make([][]float64, len(x))
	for p := range t.Parts() {
		q.Part(p, lane)
	}
	q.Gather()
	for i := range out {
		out[i] = make([]float64, t.cols)
		q.Sum(i, out[i])
	}
	return out
}

// Every set of kernels gives psi * state within 2e-6 of the sum of magnitudes (f32 has 6e-8, a part
// at most a few thousand steps), and the same bits whatever queries come together.
func TestTableMatchesDefinition(t *testing.T) {
	with(t, func(t *testing.T) {
		for _, c := range []struct{ dim, degree, cols int }{
			{1, 1, 1}, {1, 4, 2}, {2, 8, 3}, {3, 3, 16}, {5, 2, 17}, {7, 4, 15},
			{16, 2, 32}, {17, 3, 65}, {31, 2, 129}, {33, 2, 31},
			{64, 2, 65}, {3, 5, 200}, {70, 2, 11}, {12, 4, 145},
		} {
			t.Run(fmt.Sprint(c), func(t *testing.T) {
				r := rand.New(rand.NewPCG(3, 4))
				m := someMap(c.dim, c.degree)
				state := make([]int64, m.Features*c.cols)
				for i := range state {
					state[i] = int64(r.NormFloat64() * 1e6)
				}
				coeff := make([]float64, c.degree+1)
				for i := range coeff {
					coeff[i] = r.NormFloat64()
				}
				x := make([][]float64, MostQueries)
				for i := range x {
					x[i] = make([]float64, c.dim)
					for j := range x[i] {
						x[i][j] = r.NormFloat64()
					}
				}
				table := m.NewTable(state, c.cols, 0)
				all := answer(table, x, coeff)
				psi, want, size := make([]float64, m.Features), make([]float64, c.cols), make([]float64, c.cols)
				for i := range x {
					m.Psi(x[i], coeff, psi)
					clear(want)
					clear(size)
					for f, p := range psi {
						for col, s := range state[f*c.cols:][:c.cols] {
							want[col] += p * float64(s)
							size[col] += math.Abs(p * float64(s))
						}
					}
					for col := range want {
						if e := math.Abs(all[i][col] - want[col]); !(e <= 2e-6*size[col]) {
							t.Fatalf("query %d column %d: %v, want %v, off by %.2g of the magnitudes",
								i, col, all[i][col], want[col], e/size[col])
						}
					}
				}
				for _, n := range []int{1, 2, 3, 4, 5, 7, few, few + 1, 15, 16, 17, 33, 48, 49, 63} {
					for i, got := range answer(table, x[64-n:], coeff) {
						if !slices.Equal(got, all[64-n+i]) {
							t.Fatalf("query %d of %d: other bits than among %d", i, n, MostQueries)
						}
					}
				}
			})
		}
	})
}

// A large state that is mostly noise is kept in 16 bits: no entry moves by more than was allowed,
// large rows stay as they are, and the bits are the same whatever queries come together.
func TestShortTable(t *testing.T) {
	with(t, func(t *testing.T) {
		if active.gemv16 == nil {
			t.Skip("no kernels for 16 bits")
		}
		for _, c := range []struct{ dim, degree, cols int }{{64, 2, 145}, {64, 2, 160}, {31, 3, 49}} {
			t.Run(fmt.Sprint(c), func(t *testing.T) {
				r := rand.New(rand.NewPCG(5, 4))
				m := someMap(c.dim, c.degree)
				const sigma = 1e5
				state := make([]int64, m.Features*c.cols)
				for i := range state {
					state[i] = int64(r.NormFloat64() * sigma)
				}
				// Rows that do not fit, one by one entry: the first and the last, and at the very
				// limit.
				largest := int64(0.02 * sigma * math.MaxInt16)
				state[0], state[5*c.cols+3], state[len(state)-c.cols] = 1e11, largest+0.02*sigma, -1e10
				state[6*c.cols], state[7*c.cols+1] = largest, -largest
				table := m.NewTable(state, c.cols, 0.01*sigma)
				if want := []int32{0, 5, int32(m.Features - 1)}; !slices.Equal(table.far, want) {
					t.Fatalf("rows %v do not fit, want %v", table.far, want)
				}
				for i, h := range table.short {
					v := state[i/table.wide*c.cols+i%table.wide]
					far := slices.Contains(table.far, int32(i/table.wide))
					if e := math.Abs(float64(h)*table.step - float64(v)); e > 0.01*sigma && !far {
						t.Fatalf("entry %d is %d, kept as %d, off by %v", i, v, h, e)
					}
				}
				coeff := []float64{1, 0.5, -0.25, 0.1}[:c.degree+1]
				x := make([][]float64, MostQueries)
				for i := range x {
					x[i] = make([]float64, c.dim)
					for j := range x[i] {
						x[i][j] = r.NormFloat64() / 4
					}
				}
				all := answer(table, x, coeff)
				psi := make([]float64, m.Features)
				for i := range x {
					m.Psi(x[i], coeff, psi)
					for col := range c.cols {
						want, allowed := 0.0, 0.0
						for f, p := range psi {
							s := float64(state[f*c.cols+col])
							want += p * s
							allowed += math.Abs(p) * (2e-6*math.Abs(s) + 0.01*sigma)
						}
						if e := math.Abs(all[i][col] - want); !(e <= allowed) {
							t.Fatalf("query %d column %d: %v, want %v, off by %v", i, col, all[i][col], want, e)
						}
					}
				}
				for _, n := range []int{1, 2, 3, 7, few, few + 1, 16, 17, 63} {
					for i, got := range answer(table, x[64-n:], coeff) {
						if !slices.Equal(got, all[64-n+i]) {
							t.Fatalf("query %d of %d: other bits than among %d", i, n, MostQueries)
						}
					}
				}
			})
		}
	})
	if active.gemv16 == nil {
		return
	}
	// Small states, and those whose rows do not fit, stay in f32.
	m := someMap(64, 2)
	state := make([]int64, m.Features*160)
	if m.NewTable(state, 65, 1000).short != nil || m.NewTable(state, 160, 1000).short == nil {
		t.Error("the size of a state does not choose its form")
	}
	for i := range m.Features {
		state[i*160+i%160] = 1 << 40
	}
	if m.NewTable(state, 160, 1000).short != nil {
		t.Error("a state that does not fit was kept in 16 bits")
	}
}

// The kernels write what they say and nothing else.
func TestQueryKernelsStayInside(t *testing.T) {
	with(t, func(t *testing.T) {
		const guard = 40
		mark := float32(-7.25)
		memory := func(n int) (whole, inner []float32) {
			whole = slices.Repeat([]float32{mark}, n+2*guard)
			clear(whole[guard : guard+n])
			return whole, whole[guard : guard+n]
		}
		check := func(name string, whole []float32, n int) {
			t.Helper()
			for i := range guard {
				if whole[i] != mark || whole[guard+n+i] != mark {
					t.Fatalf("%s wrote outside", name)
				}
			}
		}
		shorts := slices.Repeat([]int16{-3}, 4096)
		ones, twos := slices.Repeat([]float32{1}, 4096), slices.Repeat([]float32{2}, 4096)
		for cols := 1; cols <= 290; cols++ {
			wide := cols - cols%vector
			rows := 7
			for queries := 1; queries <= few; queries++ {
				whole, out := memory(queries * cols)
				active.gemv(&out[0], &ones[0], &ones[0], &ones[0], rows, wide, cols-wide, queries, rows)
				check("gemv", whole, queries*cols)
				for c, v := range out {
					if v != float32(rows) {
						t.Fatalf("gemv, %d columns, %d queries: %d is %v", cols, queries, c, v)
					}
				}
				if wide == 0 || queries > shortMost || active.gemv16 == nil {
					continue
				}
				whole, out = memory(queries * cols)
				active.gemv16(&out[0], &ones[0], &shorts[0], &ones[0], rows, wide, cols-wide, queries, rows)
				check("gemv16", whole, queries*cols)
				for c, v := range out {
					want := float32(rows)
					if c%cols < wide {
						want *= -3
					}
					if v != want {
						t.Fatalf("gemv16, %d columns, %d queries: %d is %v", cols, queries, c, v)
					}
				}
			}
			for _, lanes := range []int{16, 64} {
				whole, out := memory(cols * lanes)
				aside, psi := memory(rows * lanes)
				factors, f, g := words(make([]factor, rows)), &twos[0], &ones[0]
				active.gemm(&out[0], &psi[0], factors, f, g, &ones[0], &ones[0], rows, wide, cols-wide, lanes)
				check("gemm", whole, cols*lanes)
				check("gemm, psi", aside, rows*lanes)
				for c, v := range out {
					if v != 2*float32(rows) {
						t.Fatalf("gemm, %d columns, %d lanes: %d is %v", cols, lanes, c, v)
					}
				}
			}
		}
	})
}

func BenchmarkTable(b *testing.B) {
	defer func(k *kernels) { active = k }(active)
	for _, k := range available() {
		active = k
		for _, s := range []int{2, 3} {
			for _, n := range []int{1, 16, 64} {
				b.Run(fmt.Sprintf("%s/s%d/batch%d", k.name, s, n), func(b *testing.B) {
					m := someMap(64, s)
					table := m.NewTable(make([]int64, m.Features*65), 65, 0)
					q := table.NewQueries()
					lane := q.Lane()
					x, coeff, out := make([]float64, 64), make([]float64, s+1), make([]float64, 65)
					for b.Loop() {
						q.Begin(n, coeff)
						for i := range n {
							q.Set(i, x, 1)
						}
						for i := range q.Groups() {
							q.Prepare(i)
						}
						for p := range table.Parts() {
							q.Part(p, lane)
						}
						q.Gather()
						for i := range n {
							q.Sum(i, out)
						}
					}
					b.ReportMetric(float64(b.N)*float64(n)*float64(m.Features*65)/b.Elapsed().Seconds()/1e9, "GMAC/s")
				})
			}
		}
	}
}
