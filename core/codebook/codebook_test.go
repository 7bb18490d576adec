package codebook

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"dpattn/core/internal/parallel"
	"dpattn/core/internal/wire"
	"dpattn/core/mechanism"
	"dpattn/core/privacy"
	"dpattn/core/quant"
	"dpattn/core/tensor"
	"dpattn/tests/testkit"
)

var budget = privacy.Budget{Epsilon: 1, Delta: 1e-5}

// newDesign makes a design with centroids that are drawn from a ball, where own has none.
func newDesign(t testing.TB, shared mechanism.Params, own Params) *design {
	t.Helper()
	if shared.Adjacency == 0 {
		shared.Adjacency = privacy.AddRemove
	}
	shared, err := shared.Checked()
	if err != nil {
		t.Fatal(err)
	}
	if own.Codebook == nil {
		own.Codebook = testkit.Ball(testkit.Rand(1), shared.Heads*own.Cells, shared.KeyDim, own.KeyBound).Data
	}
	return testkit.Must(own.New(shared))(t).(*design)
}

func small() Params {
	return Params{Cells: 7, KeyBound: 1, ValueBound: 2, Scale: 3}
}

// addRows adds rows of head h the way of a builder.
func addRows(t testing.TB, s *sums, h int, keys, values testkit.Matrix, ids []uint64) mechanism.Diagnostics {
	t.Helper()
	rows := testkit.Must(s.shared.CheckRows(h, keys.View(), values.View(), ids, s.Rows))(t)
	return testkit.Must(s.Add(rows, nil))(t)
}

// all is the exact sums of all heads, owners' rows summed.
func (s *sums) all() []int64 {
	if s.owners == nil {
		return slices.Clone(s.exact.Exact)
	}
	out := make([]int64, s.Heads*s.Design.Len)
	for h := range s.owners {
		s.sumOwners(h, out[h*s.Design.Len:], (*mechanism.Progress)(nil).Parts(0, 0, 0))
	}
	return out
}

// distance2 is the exact squared distance of two states.
func distance2(a, b []int64) *big.Int {
	sum := new(big.Int)
	for i, x := range a {
		d := big.NewInt(x - b[i])
		sum.Add(sum, d.Mul(d, d))
	}
	return sum
}

// unitOf draws the rows of one unit: alike or not, in one cell or in many, at the bound or shorter,
// with opposite values, and hostile ones.
func unitOf(r *rand.Rand, d *design, most int) (keys, values testkit.Matrix) {
	n := 1 + r.IntN(2*most) // more than are kept, too
	if most == 1 {
		n = 1
	}
	keys, values = testkit.Zeros(n, d.shared.KeyDim), testkit.Zeros(n, d.shared.ValueDim)
	kind, cell := r.IntN(5), r.IntN(d.own.Cells)
	direction := testkit.Ball(r, 1, d.shared.ValueDim, d.own.ValueBound).Row(0)
	for i := range n {
		if kind > 1 {
			cell = r.IntN(d.own.Cells)
		}
		for j, x := range d.headCentroids(0)[cell*d.shared.KeyDim:][:d.shared.KeyDim] {
			keys.Row(i)[j] = float64(x) * d.keyStep()
		}
		copy(values.Row(i), direction)
		switch {
		case kind == 3 && i%2 == 0:
			for j := range direction {
				values.Row(i)[j] *= -1
			}
		case kind == 4:
			values.Row(i)[0] = []float64{math.NaN(), 1e308, -1e308, math.Inf(1), 5e-324, 0}[r.IntN(6)]
		}
	}
	return keys, values
}

// PROOF.md, 2: no pair of neighbours is farther apart than the sensitivity, for rows and owners by
// both rules, and some come near it, so that a smaller bound would be found out. 100,000 pairs each
// at full size.
func TestSensitivity(t *testing.T) {
	r := testkit.Rand(2)
	for _, c := range []struct {
		ownerRows  int
		ownerBound float64
	}{{0, 0}, {6, 0}, {40, 2.5}, {40, 0.5}} {
		for _, adjacency := range []privacy.Adjacency{privacy.AddRemove, privacy.Replace} {
			for _, lambda := range []float64{2. / 16, 2, 8} {
				own := small()
				own.OwnerBound, own.Lambda = c.ownerBound, lambda
				d := newDesign(t, mechanism.Params{
					KeyDim: 3, ValueDim: 2, OwnerRows: c.ownerRows, Adjacency: adjacency,
				}, own)
				most := max(c.ownerRows, 1)
				contribution := func(keys, values testkit.Matrix) []int64 {
					s := d.noSums()
					var ids []uint64
					if c.ownerRows > 0 {
						ids = make([]uint64, keys.Rows)
					}
					addRows(t, s, 0, keys, values, ids)
					return s.all()
				}
				largest := 0.0
				for range testkit.Size(300, 100_000) {
					a := contribution(unitOf(r, d, most))
					b := make([]int64, len(a))
					if adjacency == privacy.Replace {
						keys, values := unitOf(r, d, most)
						b = contribution(keys, values)
						if r.IntN(2) == 0 { // the opposite unit
							b = slices.Clone(a)
							for i := range b {
								if i%d.cols != d.cols-1 {
									b[i] *= -1
								}
							}
						}
					}
					moved := distance2(a, b)
					if moved.Cmp(d.Squared) > 0 {
						t.Fatalf("%+v, %v, lambda %v: neighbours are %v apart, squared; the bound is %v",
							c, adjacency, lambda, moved, d.Squared)
					}
					ratio, _ := new(big.Rat).SetFrac(moved, d.Squared).Float64()
					largest = max(largest, ratio)
				}
				// Clipped owners under REPLACE have the triangle's bound, which opposite values
				// reach where they are nearly all of the norm.
				least := 0.97
				if c.ownerBound > 0 && adjacency == privacy.Replace && lambda > 1 {
					least = 0.4
				}
				if largest < least {
					t.Errorf("%+v, %v, lambda %v: no pair came closer than %.3f to the bound", c, adjacency, lambda,
						largest)
				}
			}
		}
	}
}

// Every key is in one cell, the nearest, or contributes nothing: keys on boundaries between cells,
// with NaN and Inf, tiny, huge. The nearest cell is found in big integers, the lowest index where
// several are nearest. 1,000,000 keys at full size.
func TestOneCellEach(t *testing.T) {
	r := testkit.Rand(3)
	own := small()
	own.Cells = 33
	own.Codebook = testkit.Ball(r, own.Cells, 4, 1).Data
	copy(own.Codebook[4*20:4*21], own.Codebook[4*5:4*6]) // twice the same
	for i := range 4 {                                   // opposite ones, whose boundary goes through 0
		own.Codebook[4*31+i], own.Codebook[4*32+i] = float64(i%2), -float64(i%2)
	}
	d := newDesign(t, mechanism.Params{KeyDim: 4, ValueDim: 1}, own)
	n := testkit.Size(20_000, 1_000_000)
	extremes := []float64{
		math.NaN(), math.Inf(1), math.Inf(-1), 1e308, -1e308, 5e-324, -1e-310, 0, math.Copysign(0, -1), 1, 0.5,
	}
	keys, values := testkit.Zeros(1, 4), testkit.Dense(1, 1, []float64{2})
	hits := make([]int, own.Cells)
	for i := range n {
		k := keys.Row(0)
		for j := range k {
			switch k[j] = r.NormFloat64(); i % 3 {
			case 0:
				k[j] = extremes[r.IntN(len(extremes))]
			case 1: // half-way between two centroids
				a, b := r.IntN(own.Cells), r.IntN(own.Cells)
				k[j] = (own.Codebook[4*a+j] + own.Codebook[4*b+j]) / 2
			}
		}
		want := nearest(d, k)
		s := d.noSums()
		addRows(t, s, 0, keys, values, nil)
		for c := range own.Cells {
			mass := s.exact.Exact[c*d.cols+1]
			if mass != 0 && c != want || c == want && mass != int64(d.lambda) {
				t.Fatalf("key %v: cell %d has mass %d; the nearest is %d", k, c, mass, want)
			}
		}
		if want >= 0 {
			hits[want]++
		}
	}
	if hits[20] != 0 || hits[5] == 0 || slices.Max(hits) == n {
		t.Errorf("hits %v: this test sees nothing", hits)
	}
}

// nearest is the cell of a key, in big integers; -1 for a key that has none.
func nearest(d *design, key []float64) int {
	x, wide, g := make([]int16, len(key)), slices.Clone(key), d.grid()
	if g.Key(wide, x) == quant.Bad {
		return -1
	}
	quant.Shorten(x)
	best, cell := new(big.Int), -1
	for c := range d.own.Cells {
		score := new(big.Int)
		for j, m := range d.headCentroids(0)[c*len(key):][:len(key)] {
			term := big.NewInt(int64(x[j]))
			score.Add(score, term.Mul(term.Lsh(term, 1), big.NewInt(int64(m))))
			score.Sub(score, new(big.Int).Mul(big.NewInt(int64(m)), big.NewInt(int64(m))))
		}
		if cell < 0 || score.Cmp(best) > 0 {
			best, cell = score, c
		}
	}
	return cell
}

// Attend is softmax attention over the KV form, in float64 to 1e-5; it does not depend on threads
// nor on company; and any sharpness is admissible.
func TestAttendIsTheKVForm(t *testing.T) {
	for _, scale := range []float64{1e-3, 3, 40, 5000} {
		own := small()
		own.Cells, own.Scale = 100, scale
		d := newDesign(t, mechanism.Params{Heads: 2, KeyDim: 5, ValueDim: 3}, own)
		s := d.noSums()
		for h := range 2 {
			r := testkit.Rand(uint64(4 + h))
			addRows(t, s, h, testkit.Ball(r, 3000, 5, 1), testkit.Ball(r, 3000, 3, 2), nil)
		}
		made := testkit.Must(s.Release(budget, nil))(t).(*state)
		queries := testkit.Ball(testkit.Rand(6), 64, 5, 3)
		for h := range 2 {
			got := attended(made, h, queries, 1)
			for i, a := range got {
				out, lse := softmax(made, h, queries.Row(i))
				for c := range out {
					if e := math.Abs(a.Out[c] - out[c]); !(e < 1e-4*max(1, scale/100)) {
						t.Fatalf("scale %v, query %d: %v, from the KV form %v", scale, i, a.Out, out)
					}
				}
				if e := math.Abs(a.LSE - lse); !(e < 1e-6*max(1, math.Abs(lse))) {
					t.Fatalf("scale %v, query %d: lse %v, from the KV form %v", scale, i, a.LSE, lse)
				}
			}
			for _, threads := range []int{2, 5} {
				for i, a := range attended(made, h, queries, threads) {
					if !slices.Equal(a.Out, got[i].Out) || !slices.Equal(a.Stddev, got[i].Stddev) ||
						a.LSE != got[i].LSE {
						t.Fatalf("%d threads: other bits", threads)
					}
				}
			}
			for i := range queries.Rows {
				if a := attended(made, h, queries.Slice(i, i+1), 1)[0]; !slices.Equal(a.Out, got[i].Out) ||
					a.LSE != got[i].LSE {
					t.Fatalf("query %d alone: other bits", i)
				}
			}
		}
	}
}

func attended(s *state, h int, queries testkit.Matrix, threads int) []mechanism.Answer {
	rows, answers := make([][]float64, queries.Rows), make([]mechanism.Answer, queries.Rows)
	for i := range rows {
		rows[i] = slices.Clone(queries.Row(i))
		answers[i].Out = make([]float64, s.design.shared.ValueDim)
		answers[i].Stddev = make([]float64, s.design.shared.ValueDim)
	}
	s.Attend(h, rows, answers, threads)
	return answers
}

// softmax answers from the KV form.
func softmax(s *state, h int, query []float64) (out []float64, lse float64) {
	d := s.design
	key, value := make([]float64, d.shared.KeyDim), make([]float64, d.shared.ValueDim)
	logits, top := make([]float64, s.Cells()), math.Inf(-1)
	for c := range logits {
		logits[c] = s.Cell(h, c, key, value)
		for i, k := range key {
			logits[c] += d.own.Scale * query[i] * k
		}
		top = max(top, logits[c])
	}
	out = make([]float64, len(value))
	sum := 0.0
	for c, l := range logits {
		s.Cell(h, c, key, value)
		w := math.Exp(l - top)
		sum += w
		for i, v := range value {
			out[i] += w * v
		}
	}
	for i := range out {
		out[i] /= sum
	}
	return out, top + math.Log(sum)
}

// Of cells that are empty, or whose mass noise made negative, come finite answers within the bound.
func TestEmptyCells(t *testing.T) {
	d := newDesign(t, mechanism.Params{KeyDim: 5, ValueDim: 3}, small())
	for range 20 {
		made := testkit.Must(d.noSums().Release(privacy.Budget{Epsilon: 0.01, Delta: 1e-6}, nil))(t).(*state)
		for _, a := range attended(made, 0, testkit.Ball(testkit.Rand(8), 20, 5, 10), 1) {
			if !(testkit.Norm(a.Out) <= 2*(1+1e-6)) || math.IsInf(a.LSE, 0) || math.IsNaN(a.LSE) {
				t.Fatalf("out %v, lse %v", a.Out, a.LSE)
			}
			for _, std := range a.Stddev {
				if !(std > 0) {
					t.Fatalf("stddev %v", a.Stddev)
				}
			}
		}
	}
}

// Rows of float32 have the sums and the counts of the same rows in float64: rows that lie side by
// side, rows with a stride, and hostile ones.
func TestNarrowRowsHaveTheSameSums(t *testing.T) {
	r := testkit.Rand(10)
	own := small()
	own.Cells = 20
	d := newDesign(t, mechanism.Params{KeyDim: 9, ValueDim: 5}, own)
	const n = 3000
	keys, values := testkit.Zeros(n, 9), testkit.Zeros(n, 5)
	for i := range n {
		testkit.Hostile(r, keys.Row(i), own.KeyBound)
		testkit.Hostile(r, values.Row(i), own.ValueBound)
	}
	narrow := func(m testkit.Matrix, stride int) tensor.Tensor {
		cols := len(m.Data) / m.Rows
		data := make([]float32, len(m.Data)*stride)
		for i, v := range m.Data {
			data[i*stride] = float32(v)
			m.Data[i] = float64(float32(v))
		}
		view := tensor.Of(data, m.Rows, cols*stride)
		view.Shape[1] = cols
		view.Strides[1] *= stride
		return view
	}
	for _, stride := range []int{1, 2} {
		s, wide := d.noSums(), d.noSums()
		counts := s.addBatch(0, narrow(keys, stride), narrow(values, stride), nil)
		if want := wide.addBatch(0, keys.View(), values.View(), nil); counts != want {
			t.Errorf("stride %d: %+v, want %+v", stride, counts, want)
		}
		if counts.RowsZeroed == 0 || counts.KeysClipped == 0 || counts.ValuesClipped == 0 {
			t.Errorf("%+v: this test sees nothing", counts)
		}
		if !slices.Equal(s.all(), wide.all()) {
			t.Errorf("stride %d: other sums", stride)
		}
	}
}

// Rows added with progress, some heads at a time, have the sums of rows added without; of a call
// that is cancelled there is nothing.
func TestAddedAside(t *testing.T) {
	own := small()
	d := newDesign(t, mechanism.Params{Heads: 3, KeyDim: 4, ValueDim: 2}, own)
	direct, aside := d.noSums(), d.noSums()
	for h := range 3 {
		keys := testkit.Ball(testkit.Rand(uint64(20+h)), 100, 4, 1)
		values := testkit.Ball(testkit.Rand(uint64(30+h)), 100, 2, 2)
		addRows(t, direct, h, keys, values, nil)
		rows := testkit.Must(d.shared.CheckRows(h, keys.View(), values.View(), nil, aside.Rows))(t)
		for _, goOn := range []bool{false, true} {
			report := &mechanism.Progress{Report: func(done, total uint64) bool { return goOn || done < total }}
			if _, err := aside.Add(rows, report); (err == nil) != goOn {
				t.Fatalf("head %d: %v", h, err)
			}
		}
		if direct.Rows(h) != aside.Rows(h) {
			t.Errorf("head %d has %d rows, want %d", h, aside.Rows(h), direct.Rows(h))
		}
	}
	if !slices.Equal(direct.all(), aside.all()) {
		t.Error("other sums")
	}
}

// Promise 3, between machines: the sums of fixed rows, and the centroids, have the hash that was
// recorded on amd64, whatever the processor, the kernels and the threads.
func TestSumsAreTheSameOnEveryMachine(t *testing.T) {
	seed := uint64(9)
	fixed := func(rows, cols int) testkit.Matrix {
		m := testkit.Zeros(rows, cols)
		for i := range m.Data {
			seed = seed*6364136223846793005 + 1442695040888963407 // Knuth's MMIX
			m.Data[i] = float64(int64(seed)>>49) / (1 << 14)
		}
		return m
	}
	var w wire.Writer
	for _, c := range []struct{ dim, values, cells, ownerRows int }{
		{64, 8, 256, 0}, {19, 3, 100, 0}, {5, 2, 17, 3}, {1, 1, 1, 0}, {33, 4, 65, 4},
	} {
		own := Params{Cells: c.cells, KeyBound: 0.5 * math.Sqrt(float64(c.dim)), ValueBound: 1, Scale: 1}
		own.Codebook = fixed(c.cells, c.dim).Data
		if c.ownerRows == 4 {
			own.OwnerBound = 1.5
		}
		d := newDesign(t, mechanism.Params{KeyDim: c.dim, ValueDim: c.values, OwnerRows: c.ownerRows}, own)
		keys, values := fixed(500, c.dim), fixed(500, c.values)
		keys.Row(3)[0], values.Row(4)[0] = math.NaN(), math.Inf(1)
		keys.Row(5)[c.dim-1] = 1e308
		var ids []uint64
		if c.ownerRows > 0 {
			for i := range keys.Rows {
				ids = append(ids, uint64(i%90))
			}
		}
		var sums []int64
		for _, threads := range []int{1, 3} {
			parallel.SetThreads(threads)
			s := d.noSums()
			addRows(t, s, 0, keys, values, ids)
			if got := s.all(); sums != nil && !slices.Equal(got, sums) {
				t.Errorf("%+v: other sums on %d threads", c, threads)
			}
			sums = s.all()
		}
		parallel.SetThreads(0)
		for _, m := range d.centroids {
			w.U16(uint16(m))
		}
		w.U16(uint16(d.lambda))
		w.I64s(sums)
	}
	const want = "57a5f99d238c50e8e2e9866f7ee3d1c32857410a4b2c20caa59850204999f30e"
	if got := fmt.Sprintf("%x", sha256.Sum256(w.Buf)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
