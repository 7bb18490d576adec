package core

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"testing"

	"dpattn/core/dptree"
	"dpattn/core/fault"
	"dpattn/core/mechanism"
	"dpattn/core/moment"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
	"dpattn/core/trees"
	"dpattn/tests/testkit"
)

// vast is a budget with hardly any noise.
var vast = privacy.Budget{Epsilon: 1e8, Delta: 1e-3}

func treeParams() settings {
	return settings{
		KeyDim:     3,
		ValueDim:   2,
		Degree:     4,
		Mechanism:  trees.Number,
		Adjacency:  AddRemove,
		Range:      1,
		ValueRange: 2,
		Leaves:     1 << 11,
		Copies:     1,
	}
}

// treesCertificate is what tests read of a certificate.
type treesCertificate struct {
	mechanism.Certificate
	Heads     int
	Structure dptree.Certificate
}

// box draws rows with entries in [lo, hi].
func box(seed uint64, rows, cols int, lo, hi float64) testkit.Matrix {
	m, r := testkit.Zeros(rows, cols), testkit.Rand(seed)
	for i := range m.Data {
		m.Data[i] = lo + (hi-lo)*r.Float64()
	}
	return m
}

// cube is the matrix as [heads, rows/heads, cols].
func cube(m testkit.Matrix, heads int) tensor.Tensor {
	t := tensor.Of(m.Data, m.Rows, m.Cols)
	n := m.Rows / heads
	t.NDim, t.Shape, t.Strides = 3, [3]int{heads, n, m.Cols}, [3]int{8 * n * m.Cols, 8 * m.Cols, 8}
	return t
}

func treeBuilder(t *testing.T, p settings, k, v testkit.Matrix, owners []uint64) *Builder {
	t.Helper()
	b := testkit.Must(NewBuilder(p.params()))(t)
	for h := range max(p.Heads, 1) {
		if err := b.Add(h, k.View(), v.View(), owners, nil); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// Through builder and release, with hardly any noise, the answers are those of exact attention
// within the paper's relative error and the grid's rounding; with and without trees, with rows and
// with owners as units, for every head.
func TestTreesApproximateAttention(t *testing.T) {
	k, v, q := box(1, 400, 3, 0, 1), box(2, 400, 2, -2, 2), box(3, 30, 3, 0, 1)
	for name, change := range map[string]func(*settings){
		"trees":    func(*settings) {},
		"no trees": func(p *settings) { p.Trees, p.Leaves = trees.NoTrees, 0 },
		"copies":   func(p *settings) { p.Copies, p.Leaves = 3, 512 },
		"heads":    func(p *settings) { p.Heads = 2 },
		"owners":   func(p *settings) { p.OwnerRows = 5 },
		"replace":  func(p *settings) { p.Adjacency = Replace },
		"degree":   func(p *settings) { p.Degree, p.RelativeError = 0, 0.01 },
	} {
		p := treeParams()
		change(&p)
		var owners []uint64
		if p.OwnerRows > 0 {
			for i := range k.Rows {
				owners = append(owners, uint64(i/5))
			}
		}
		r := testkit.Must(treeBuilder(t, p, k, v, owners).Release(vast, nil))(t)
		info := r.Info()
		own, ok := info.Mechanism.(trees.Params)
		if !ok || own.Range != 1 || own.ValueRange != 2 || info.PolynomialError > 0.02 ||
			info.StateBytes != 8*uint64(len(r.State())) {
			t.Errorf("%s: %+v", name, info)
		}
		for h := range info.Heads {
			rows := info.Heads * q.Rows
			queries, out := testkit.Zeros(rows, 3), testkit.Zeros(rows, 2)
			lse, std := testkit.Zeros(rows, 1), testkit.Zeros(rows, 2)
			for i := range info.Heads {
				copy(queries.Data[i*len(q.Data):], q.Data)
			}
			l, s := cube(lse, info.Heads), cube(std, info.Heads)
			if clipped, err := r.Attend(cube(queries, info.Heads), cube(out, info.Heads), &l, &s); err != nil ||
				clipped != 0 {
				t.Fatal(name, clipped, err)
			}
			for i := range q.Rows {
				sum, want := 0.0, [2]float64{}
				for j := range k.Rows {
					w := 0.0
					for c, x := range k.Row(j) {
						w += x * q.Row(i)[c]
					}
					w = math.Exp(w / 3)
					sum += w
					for c, x := range v.Row(j) {
						want[c] += w * x
					}
				}
				row := h*q.Rows + i
				// 2 eps_s/(1-eps_s) R_w, and rounding of features to the grid.
				bound := 2*info.PolynomialError/(1-info.PolynomialError)*2 + 4e-3
				for c := range want {
					if got := out.Row(row)[c]; math.Abs(got-want[c]/sum) > bound {
						t.Errorf("%s, head %d, query %d: got %v, exact attention is %v", name, h, i, got, want[c]/sum)
					}
					if got := std.Row(row)[c]; !(got > 0 && got < 1e-3) {
						t.Errorf("%s: predicted standard deviation is %v with hardly any noise", name, got)
					}
				}
				if got := lse.Row(row)[0]; math.Abs(got-math.Log(sum)) > 2*info.PolynomialError+4e-3 {
					t.Errorf("%s: lse is %v, exactly %v", name, got, math.Log(sum))
				}
			}
		}
	}
}

// A saved release is the same after loading; damage and false claims are refused.
func TestTreesFiles(t *testing.T) {
	for _, change := range []func(*settings){
		func(*settings) {},
		func(p *settings) { p.Heads, p.Adjacency = 2, Replace },
		func(p *settings) { p.Trees, p.Leaves = trees.NoTrees, 0 },
	} {
		p := treeParams()
		p.Leaves, p.Degree = 8, 2
		change(&p)
		r := testkit.Must(treeBuilder(t, p, box(1, 20, 3, 0, 1), box(2, 20, 2, -2, 2), nil).Release(someBudget, nil))(t)
		file := saved(t, r)
		again := testkit.Must(Load(file))(t)
		if !slices.Equal(again.State(), r.State()) || !reflect.DeepEqual(again.Info(), r.Info()) ||
			!bytes.Equal(again.Certificate(), r.Certificate()) ||
			!bytes.Equal(saved(t, again), file) {
			t.Error("a release changed on its way through a file")
		}
		for i := 0; i < len(file); i += 1 + len(file)/500 {
			bad := slices.Clone(file)
			bad[i] ^= 4
			if _, err := Load(bad); err == nil {
				t.Fatalf("byte %d flipped and not found", i)
			}
			if _, err := Load(file[:i]); err == nil {
				t.Fatalf("cut to %d bytes and not found", i)
			}
			// Behind a right checksum anything may come: an error, or a release whose noise gives
			// what it claims; never a panic.
			if r, err := Load(resealed(bad)); err == nil {
				var c treesCertificate
				if err := json.Unmarshal(r.Certificate(), &c); err != nil || c.Structure.Spent[0] > c.Epsilon ||
					c.Structure.Spent[1] > c.Delta {
					t.Fatalf("byte %d: %v, %+v", i, err, c.Structure)
				}
			}
		}
		r.budget.Epsilon *= 0.99
		if _, err := Load(resealed(saved(t, r))); fault.CodeOf(err) != fault.Corrupt {
			t.Errorf("a smaller epsilon was claimed: %v", err)
		}
	}
}

// One budget covers all heads: the mechanisms of all of them are composed, and the noise is larger
// than that of one head.
func TestTreesShareTheBudget(t *testing.T) {
	scale := map[int]float64{}
	for _, heads := range []int{1, 4} {
		p := treeParams()
		p.Heads, p.Leaves = heads, 16
		r := testkit.Must(treeBuilder(t, p, box(1, 5, 3, 0, 1), box(2, 5, 2, -2, 2), nil).Release(someBudget, nil))(t)
		var c treesCertificate
		if err := json.Unmarshal(r.Certificate(), &c); err != nil {
			t.Fatal(err)
		}
		features, columns, levels := uint64(35), uint64(3), uint64(5)
		if want := uint64(heads) * columns * (3*features*levels + 2); c.Structure.Mechanisms != want ||
			c.Heads != heads {
			t.Errorf("%d heads: %d mechanisms, must be %d", heads, c.Structure.Mechanisms, want)
		}
		sum := uint64(0)
		for _, term := range c.Structure.Terms {
			sum += term.Mechanisms
			if term.Epsilon > c.Structure.Epsilon0 || term.Delta > c.Structure.Delta0 {
				t.Errorf("a term spends more than its share: %+v", term)
			}
		}
		if sum != c.Structure.Mechanisms || c.Structure.Spent[0] > c.Epsilon || c.Structure.Spent[1] > c.Delta ||
			c.Structure.Spent[0] < 0.999*c.Epsilon {
			t.Errorf("%d heads: %+v", heads, c.Structure)
		}
		scale[heads] = float64(c.Structure.Terms[0].ScaleNum) / float64(c.Structure.Terms[0].ScaleDen)
	}
	if ratio := scale[4] / scale[1]; ratio < 1.9 || ratio > 2.4 { // advanced composition: sqrt(4), and logarithms
		t.Errorf("four heads have %v times the noise of one", ratio)
	}
}

// Chunks, order, shards, partials and cancelled calls leave the same secret bits.
func TestTreesSumsDoNotDependOnTheWay(t *testing.T) {
	k, v := box(1, 100, 3, -0.2, 1.2), box(2, 100, 2, -3, 3)
	k.Row(7)[1] = math.NaN()
	v.Row(9)[0] = math.Inf(1)
	for _, ownerRows := range []int{0, 3} {
		p := treeParams()
		p.Leaves, p.OwnerRows = 32, ownerRows
		var owners []uint64
		if ownerRows > 0 {
			for i := range k.Rows {
				owners = append(owners, uint64(i%20))
			}
		}
		ids := func(lo, hi int) []uint64 {
			if owners == nil {
				return nil
			}
			return owners[lo:hi]
		}
		want := held(t, treeBuilder(t, p, k, v, owners))

		a, b := testkit.Must(NewBuilder(p.params()))(t), testkit.Must(NewBuilder(p.params()))(t)
		for lo := 99; lo >= 0; lo-- { // one by one, backwards, on two shards
			to := []*Builder{a, b}[lo%2]
			if err := to.Add(0, k.View().Rows(lo, lo+1), v.View().Rows(lo, lo+1), ids(lo, lo+1),
				&Progress{Report: func(_, _ uint64) bool { return true }}); err != nil {
				t.Fatal(err)
			}
		}
		atLast := &Progress{Report: func(done, total uint64) bool { return done < total }}
		if err := a.Add(0, k.View(), v.View(), owners, atLast); fault.CodeOf(err) != fault.Cancelled {
			t.Errorf("cancelled at the last moment: %v", err)
		}
		imported := testkit.Must(ImportSecret(exported(t, b)))(t)
		if err := a.Merge(imported); err != nil {
			t.Fatal(err)
		}
		if got := held(t, a); !bytes.Equal(got, want) {
			t.Errorf("owner_rows %d: the sums depend on how rows came", ownerRows)
		}
		d := testkit.Must(a.Diagnostics())(t)
		if d.Rows != 100 || d.RowsZeroed != 2 || d.KeysClipped < 30 || d.ValuesClipped < 30 ||
			ownerRows > 0 && (d.Owners != 20 || d.RowsDropped != 38) {
			t.Errorf("owner_rows %d: %+v", ownerRows, d)
		}
		halfway := &Progress{Report: func(done, total uint64) bool { return done < total/2 }}
		if _, err := a.Release(someBudget, halfway); fault.CodeOf(err) != fault.Cancelled {
			t.Errorf("a cancelled release: %v", err)
		}
		if got := held(t, a); !bytes.Equal(got, want) {
			t.Error("a cancelled release changed the sums")
		}
		if _, err := a.Release(someBudget, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Release(someBudget, nil); fault.CodeOf(err) != fault.Consumed {
			t.Errorf("released twice: %v", err)
		}
	}
}

// Parameters that a mechanism does not read are refused, not ignored; so are those that make no
// sense.
func TestTreesParams(t *testing.T) {
	for name, change := range map[string]func(*settings){
		"params.key_bound":           func(p *settings) { p.KeyBound = 1 },
		"params.center":              func(p *settings) { p.Center = make([]float64, 3) },
		"params.rotation":            func(p *settings) { p.Rotation = moment.NoRotation },
		"params.range":               func(p *settings) { p.Range = 0 },
		"params.value_range":         func(p *settings) { p.ValueRange = math.NaN() },
		"params.leaves":              func(p *settings) { p.Leaves = 0 },
		"params.copies":              func(p *settings) { p.Copies = 1 << 30 },
		"params.trees":               func(p *settings) { p.Trees = 3 },
		"params.relative_error":      func(p *settings) { p.Degree, p.RelativeError = 0, 1 },
		"params.failure_probability": func(p *settings) { p.Copies, p.FailureProbability = 0, 2 },
	} {
		p := treeParams()
		change(&p)
		if _, err := newSettings(p); fault.CodeOf(err) != fault.InvalidArgument ||
			!bytes.Contains([]byte(err.Error()), []byte(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := smallParams()
	p.Range = 1
	if _, err := newSettings(p); fault.CodeOf(err) != fault.InvalidArgument {
		t.Errorf("the Gaussian release took a range: %v", err)
	}
	p = treeParams()
	p.Copies, p.Leaves = 1<<20, 1<<20
	if _, err := NewBuilder(p.params()); fault.CodeOf(err) != fault.OutOfMemory ||
		!bytes.Contains([]byte(err.Error()), []byte("would fit")) {
		t.Errorf("what does not fit: %v", err)
	}
	b := testkit.Must(NewBuilder(treeParams().params()))(t)
	if _, err := b.Release(privacy.Budget{Epsilon: -1, Delta: 0.1}, nil); fault.CodeOf(err) != fault.InvalidArgument {
		t.Errorf("a negative epsilon: %v", err)
	}
}

// One row, one leaf, one dimension; and queries outside of the range or not finite.
func TestTreesSmallest(t *testing.T) {
	p := settings{
		KeyDim:     1,
		ValueDim:   1,
		Degree:     1,
		Mechanism:  trees.Number,
		Adjacency:  Replace,
		Range:      1,
		ValueRange: 1,
		Leaves:     1,
		Copies:     1,
	}
	for _, rows := range []int{0, 1} {
		r := testkit.Must(
			treeBuilder(t, p, box(1, rows, 1, 0, 1), box(2, rows, 1, -1, 1), nil).Release(someBudget, nil),
		)(t)
		q := testkit.Dense(4, 1, []float64{math.NaN(), math.Inf(1), 2, 0.5})
		out, lse := testkit.Zeros(4, 1), testkit.Zeros(4, 1)
		l := lse.View()
		clipped, err := r.Attend(q.View(), out.View(), &l, nil)
		if err != nil || clipped != 3 {
			t.Errorf("%d rows: %d clipped, %v", rows, clipped, err)
		}
		for i, o := range out.Data {
			if bad := math.IsNaN(o) || math.IsNaN(lse.Data[i]); bad != (i < 2) || !bad && math.Abs(o) > 1 {
				t.Errorf("query %v gives %v, lse %v", q.Data[i], o, lse.Data[i])
			}
		}
	}
}

// The plan predicts what comes out: sizes exactly, noise as measured; and it chooses the degree by
// the relative error.
func TestTreesPlan(t *testing.T) {
	p := treeParams()
	p.Leaves = 64
	budget := privacy.Budget{Epsilon: 2000, Delta: 1e-5}
	plan := testkit.Must(Plan(p.params(), 2000, budget, 0.1))(t)
	k, v := testkit.Zeros(2000, 3), testkit.Zeros(2000, 2) // keys of 0 have weight 1; outputs are 0
	q := testkit.Dense(1, 3, []float64{1, 1, 1})
	squares, predicted := 0.0, 0.0
	const trials = 60
	for range trials {
		r := testkit.Must(treeBuilder(t, p, k, v, nil).Release(budget, nil))(t)
		if i := r.Info(); i.StateBytes != plan.StateBytes || i.SaveBytes != plan.ReleaseBytes {
			t.Fatalf("plan %+v, release %+v", plan, i)
		}
		out, std := testkit.Zeros(1, 2), testkit.Zeros(1, 2)
		s := std.View()
		if _, err := r.Attend(q.View(), out.View(), nil, &s); err != nil {
			t.Fatal(err)
		}
		squares += out.Data[0]*out.Data[0] + out.Data[1]*out.Data[1]
		predicted += std.Data[0] / trials
	}
	// 120 normal numbers: their root mean square is within 35 % of the standard deviation but for a
	// chance below 1e-6.
	measured := math.Sqrt(squares / (2 * trials))
	if ratio := measured / predicted; ratio < 0.65 || ratio > 1.35 {
		t.Errorf("noise has standard deviation %v, predicted %v", measured, predicted)
	}
	if ratio := measured / plan.NoiseStddev; ratio < 0.65 || ratio > 1.35 {
		t.Errorf("noise has standard deviation %v, planned %v", measured, plan.NoiseStddev)
	}
	if ratio := float64(plan.RowsForError) * 0.1 / (2000 * plan.NoiseStddev); ratio < 1 || ratio > 1.01 {
		t.Errorf("rows for an error of 0.1: %d", plan.RowsForError)
	}
	p.Degree, p.RelativeError = 0, 0.01
	if plan := testkit.Must(Plan(p.params(), 2000, budget, 0))(t); plan.PolynomialError > 0.01 || plan.Degree < 2 {
		t.Errorf("%+v", plan)
	}
}

// The order of the state is that of the header.
func TestTreesState(t *testing.T) {
	p := treeParams()
	p.Leaves, p.Degree = 4, 1
	key, value := testkit.Dense(1, 3, []float64{0, 0, 0}), testkit.Dense(1, 2, []float64{2, -1})
	r := testkit.Must(treeBuilder(t, p, key, value, nil).Release(vast, nil))(t)
	var all treesCertificate
	if err := json.Unmarshal(r.Certificate(), &all); err != nil {
		t.Fatal(err)
	}
	c := all.Structure
	// The first term is the sums of w, [features][nodes][columns][copies]: the root of every
	// column's first feature has the whole weight.
	nodes := 7
	if c.Terms[0].Name != "w" || len(r.State()) != 3*(3*4*nodes+2) {
		t.Fatalf("%d integers: %+v", len(r.State()), c.Terms)
	}
	for column, want := range []float64{2, -1, 2} {
		if got := float64(r.State()[(nodes-1)*3+column]) * c.Terms[0].Unit; math.Abs(got-want) > 0.01 {
			t.Errorf("column %d has weight %v, must be %v", column, got, want)
		}
	}
}

// A partial has its number of rows twice, once for the head and once for its sums: one that lies
// about either is refused before it can spoil a builder.
func TestTreesPartialWithTwoNumbersOfRows(t *testing.T) {
	b := treeBuilder(t, treeParams(), box(1, 10, 3, 0, 1), box(2, 10, 2, -2, 2), nil)
	partial := exported(t, b)
	partial = altered(partial, b.sums.Len(), func(sums []byte) { clear(sums[:8]) })
	if _, err := ImportSecret(partial); fault.CodeOf(err) != fault.Corrupt {
		t.Errorf("0 rows with sums of 10: %v", err)
	}
}
