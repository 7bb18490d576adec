package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// nearestByDefinition is Assign as its doc says it.
func nearestByDefinition(x, m []int16, dim int) int32 {
	most, at := int64(math.MinInt64), 0
	for c := range len(m) / dim {
		score := int64(0)
		for j, v := range m[c*dim : (c+1)*dim] {
			score += 2*int64(x[j])*int64(v) - int64(v)*int64(v)
		}
		if score > most {
			most, at = score, c
		}
	}
	return int32(at)
}

// vectors are n vectors of a kind, all with a squared length below 2^30.
func vectors(r *rand.Rand, kind string, n, dim int) []int16 {
	v := make([]int16, n*dim)
	for i := range n {
		row := v[i*dim:][:dim]
		switch kind {
		case "random":
			for j := range row {
				row[j] = int16(max(-32767, min(32767, r.NormFloat64()*18000/float64(dim))))
			}
		case "edges": // as long as may be, in one place or in two
			sign := int16(1 - 2*r.IntN(2))
			if j := r.IntN(dim); r.IntN(2) == 0 || dim == 1 {
				row[j] = sign * 32767
			} else {
				row[j], row[(j+1)%dim] = sign*23170, -sign*23170
			}
		case "ties": // few values, so that many centroids are as near
			row[r.IntN(dim)] = int16(r.IntN(3) - 1)
		case "spread": // as long as may be, in all places: the sums of all pairs have one sign
			for j := range row {
				row[j] = int16(math.Sqrt(float64(1<<30-1) / float64(dim)))
			}
			if r.IntN(2) == 0 {
				for j := range row {
					row[j] = -row[j]
				}
			}
		}
	}
	return v
}

var vectorKinds = []string{"random", "edges", "ties", "spread"}

// Every set of kernels finds the centroids of the definition, for sizes around those of blocks and
// tiles, for rows anywhere in memory and whatever out held before.
func TestAssignMatchesDefinition(t *testing.T) {
	with(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(8, 1))
		for _, c := range []struct{ count, dim, rows int }{
			{1, 1, 1}, {2, 1, 30}, {31, 2, 14}, {32, 3, 13}, {33, 5, 27}, {64, 64, 40}, {100, 17, 7},
			{257, 8, 6}, {256, 33, 29}, {5, 384, 12}, {40, 129, 3},
		} {
			for _, centroids := range vectorKinds {
				m := vectors(r, centroids, c.count, c.dim)
				book := NewCodebook(m, c.dim)
				if got := uint64(4*len(book.panel) + 8*len(book.keys)); got != CodebookBytes(c.count, c.dim) {
					t.Fatalf("%d bytes; CodebookBytes says %d", got, CodebookBytes(c.count, c.dim))
				}
				for _, rows := range vectorKinds {
					for offset := range 2 {
						memory := make([]int16, offset+c.rows*c.dim)
						x := memory[offset:]
						copy(x, vectors(r, rows, c.rows, c.dim))
						const guard = 3
						out := slices.Repeat([]int32{-7}, c.rows+2*guard)
						book.Assign(x, out[guard:guard+c.rows])
						for i, got := range out {
							want := int32(-7)
							if i >= guard && i < guard+c.rows {
								want = nearestByDefinition(x[(i-guard)*c.dim:][:c.dim], m, c.dim)
							}
							if got != want {
								t.Fatalf("%v, %s centroids, %s rows: row %d has %d, want %d",
									c, centroids, rows, i-guard, got, want)
							}
						}
					}
				}
			}
		}
	})
}

// Of centroids as near the lowest index wins, in one block and over blocks, in whichever lane.
func TestAssignTies(t *testing.T) {
	with(t, func(t *testing.T) {
		for _, first := range []int{0, 1, 31, 32, 33, 70} {
			for _, second := range []int{71, 72, 95, 96, 99} {
				m := make([]int16, 100*2)
				for i := range 100 {
					m[2*i] = -100
				}
				m[2*first], m[2*first+1] = 3, 4
				m[2*second], m[2*second+1] = 4, 3 // as far from (5, 5)
				out := []int32{-1}
				NewCodebook(m, 2).Assign([]int16{5, 5}, out)
				if out[0] != int32(first) {
					t.Errorf("%d and %d are as near: got %d", first, second, out[0])
				}
			}
		}
	})
}

// A difference of one in the score decides, however large the scores.
func TestAssignIsExact(t *testing.T) {
	with(t, func(t *testing.T) {
		m := []int16{32767, 1, 32767, 0, 32766, 254}
		for _, x := range [][]int16{{32767, 1}, {32767, 0}, {32766, 254}, {-32767, 1}, {-32767, -1}, {16000, 127}} {
			out := []int32{-1}
			NewCodebook(m, 2).Assign(x, out)
			if want := nearestByDefinition(x, m, 2); out[0] != want {
				t.Errorf("%v: got %d, want %d", x, out[0], want)
			}
		}
	})
}

func TestAssignAllocatesNothing(t *testing.T) {
	with(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(8, 2))
		book := NewCodebook(vectors(r, "random", 40, 7), 7)
		x, out := vectors(r, "random", 30, 7), make([]int32, 30)
		if n := testing.AllocsPerRun(20, func() { book.Assign(x, out) }); n >= 1 { // a collection may empty the pool
			t.Errorf("%v allocations", n)
		}
	})
}

func TestAssignerWipe(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 3))
	book := NewCodebook(vectors(r, "random", 40, 7), 7)
	a := book.newAssigner()
	book.tile(a, vectors(r, "random", a.rows, 7), make([]int32, a.rows))
	if !slices.ContainsFunc(a.u, func(v int16) bool { return v != 0 }) {
		t.Error("no rows to wipe: this test sees nothing")
	}
	a.wipe()
	if slices.ContainsFunc(a.best, func(v int64) bool { return v != 0 }) {
		t.Error("keys are left")
	}
	if slices.ContainsFunc(a.u, func(v int16) bool { return v != 0 }) {
		t.Error("rows are left")
	}
}

func TestCodebookPanics(t *testing.T) {
	one := NewCodebook([]int16{1, 2}, 2)
	for name, call := range map[string]func(){
		"no centroid":         func() { NewCodebook(nil, 2) },
		"no dimension":        func() { NewCodebook([]int16{1}, 0) },
		"half a centroid":     func() { NewCodebook([]int16{1, 2, 3}, 2) },
		"too long a centroid": func() { NewCodebook([]int16{-32768}, 1) },
		"too few numbers":     func() { one.Assign(make([]int16, 3), make([]int32, 2)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}

func BenchmarkAssign(b *testing.B) {
	defer func(k *kernels) { active = k }(active)
	for _, k := range available() {
		active = k
		for _, c := range []struct{ count, dim int }{{256, 64}, {1024, 384}} {
			b.Run(fmt.Sprintf("%s/C=%d/d=%d", k.name, c.count, c.dim), func(b *testing.B) {
				r := rand.New(rand.NewPCG(8, 4))
				book := NewCodebook(vectors(r, "random", c.count, c.dim), c.dim)
				const rows = 1040
				x, out := vectors(r, "random", rows, c.dim), make([]int32, rows)
				for b.Loop() {
					book.Assign(x, out)
				}
				macs := float64(b.N) * float64(rows*c.count*c.dim)
				b.ReportMetric(macs/b.Elapsed().Seconds()/1e9, "GMAC/s")
			})
		}
	}
}
