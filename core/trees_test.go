package core

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"testing"

	"dpattn/core/dptree"
	"dpattn/core/fault"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

// vast is a budget with hardly any noise.
var vast = privacy.Budget{Epsilon: 1e8, Delta: 1e-3}

func treeParams() Params {
	return Params{KeyDim: 3, ValueDim: 2, Degree: 4, Mechanism: DPTree, Adjacency: AddRemove, Range: 1, ValueRange: 2, Leaves: 1 << 11, Copies: 1}
}

// box draws rows with entries in [lo, hi].
func box(seed uint64, rows, cols int, lo, hi float64) matrix {
	m, r := zeros2(rows, cols), rng(seed)
	for i := range m.data {
		m.data[i] = lo + (hi-lo)*r.Float64()
	}
	return m
}

// cube is the matrix as [heads, rows/heads, cols].
func (m matrix) cube(heads int) tensor.Tensor {
	t := tensor.Of(m.data, m.rows, m.cols)
	n := m.rows / heads
	t.NDim, t.Shape, t.Strides = 3, [3]int{heads, n, m.cols}, [3]int{8 * n * m.cols, 8 * m.cols, 8}
	return t
}

func treeBuilder(t *testing.T, p Params, k, v matrix, owners []uint64) *Builder {
	t.Helper()
	b := must[*Builder](t)(NewBuilder(p))
	for h := range max(p.Heads, 1) {
		if err := b.Add(h, k.view(), v.view(), owners, nil); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// Through builder and release, with hardly any noise, the answers are those of exact attention within the paper's relative error and the grid's rounding; with and without
// trees, with rows and with owners as units, for every head.
func TestTreesApproximateAttention(t *testing.T) {
	k, v, q := box(1, 400, 3, 0, 1), box(2, 400, 2, -2, 2), box(3, 30, 3, 0, 1)
	for name, change := range map[string]func(*Params){
		"trees":    func(*Params) {},
		"no trees": func(p *Params) { p.Trees, p.Leaves = NoTrees, 0 },
		"copies":   func(p *Params) { p.Copies, p.Leaves = 3, 512 },
		"heads":    func(p *Params) { p.Heads = 2 },
		"owners":   func(p *Params) { p.OwnerRows = 5 },
		"replace":  func(p *Params) { p.Adjacency = Replace },
		"degree":   func(p *Params) { p.Degree, p.RelativeError = 0, 0.01 },
	} {
		p := treeParams()
		change(&p)
		var owners []uint64
		if p.OwnerRows > 0 {
			for i := range k.rows {
				owners = append(owners, uint64(i/5))
			}
		}
		r := must[*Release](t)(treeBuilder(t, p, k, v, owners).Release(vast, nil))
		info := r.Info()
		if info.Mechanism != DPTree || info.Range != 1 || info.ValueRange != 2 || info.PolynomialError > 0.02 || info.StateBytes != 8*uint64(len(r.State())) {
			t.Errorf("%s: %+v", name, info)
		}
		for h := range info.Heads {
			queries, out, lse, std := zeros2(info.Heads*q.rows, 3), zeros2(info.Heads*q.rows, 2), zeros2(info.Heads*q.rows, 1), zeros2(info.Heads*q.rows, 2)
			for i := range info.Heads {
				copy(queries.data[i*len(q.data):], q.data)
			}
			l, s := lse.cube(info.Heads), std.cube(info.Heads)
			if clipped, err := r.Attend(queries.cube(info.Heads), out.cube(info.Heads), &l, &s); err != nil || clipped != 0 {
				t.Fatal(name, clipped, err)
			}
			for i := range q.rows {
				sum, want := 0.0, [2]float64{}
				for j := range k.rows {
					w := 0.0
					for c, x := range k.row(j) {
						w += x * q.row(i)[c]
					}
					w = math.Exp(w / 3)
					sum += w
					for c, x := range v.row(j) {
						want[c] += w * x
					}
				}
				row := h*q.rows + i
				// 2 eps_s/(1-eps_s) R_w, and rounding of features to the grid.
				bound := 2*info.PolynomialError/(1-info.PolynomialError)*2 + 4e-3
				for c := range want {
					if got := out.row(row)[c]; math.Abs(got-want[c]/sum) > bound {
						t.Errorf("%s, head %d, query %d: got %v, exact attention is %v", name, h, i, got, want[c]/sum)
					}
					if got := std.row(row)[c]; !(got > 0 && got < 1e-3) {
						t.Errorf("%s: predicted standard deviation is %v with hardly any noise", name, got)
					}
				}
				if got := lse.row(row)[0]; math.Abs(got-math.Log(sum)) > 2*info.PolynomialError+4e-3 {
					t.Errorf("%s: lse is %v, exactly %v", name, got, math.Log(sum))
				}
			}
		}
	}
}

// A saved release is the same after loading; damage and false claims are refused.
func TestTreesFiles(t *testing.T) {
	for _, change := range []func(*Params){func(*Params) {}, func(p *Params) { p.Heads, p.Adjacency = 2, Replace }, func(p *Params) { p.Trees, p.Leaves = NoTrees, 0 }} {
		p := treeParams()
		p.Leaves, p.Degree = 8, 2
		change(&p)
		r := must[*Release](t)(treeBuilder(t, p, box(1, 20, 3, 0, 1), box(2, 20, 2, -2, 2), nil).Release(someBudget, nil))
		file := saved(t, r)
		again := must[*Release](t)(Load(file))
		if !slices.Equal(again.State(), r.State()) || again.Info() != r.Info() || !bytes.Equal(again.Certificate(), r.Certificate()) || !bytes.Equal(saved(t, again), file) {
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
			// Behind a right checksum anything may come: an error, or a release whose noise gives what it claims; never a panic.
			if r, err := Load(resealed(bad)); err == nil {
				var c treeCertificate
				if err := json.Unmarshal(r.Certificate(), &c); err != nil || c.Structure.Spent[0] > c.Epsilon || c.Structure.Spent[1] > c.Delta {
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

// One budget covers all heads: the mechanisms of all of them are composed, and the noise is larger than that of one head.
func TestTreesShareTheBudget(t *testing.T) {
	scale := map[int]float64{}
	for _, heads := range []int{1, 4} {
		p := treeParams()
		p.Heads, p.Leaves = heads, 16
		r := must[*Release](t)(treeBuilder(t, p, box(1, 5, 3, 0, 1), box(2, 5, 2, -2, 2), nil).Release(someBudget, nil))
		var c treeCertificate
		if err := json.Unmarshal(r.Certificate(), &c); err != nil {
			t.Fatal(err)
		}
		features, columns, levels := uint64(35), uint64(3), uint64(5)
		if want := uint64(heads) * columns * (3*features*levels + 2); c.Structure.Mechanisms != want || c.Heads != heads {
			t.Errorf("%d heads: %d mechanisms, must be %d", heads, c.Structure.Mechanisms, want)
		}
		sum := uint64(0)
		for _, term := range c.Structure.Terms {
			sum += term.Mechanisms
			if term.Epsilon > c.Structure.Epsilon0 || term.Delta > c.Structure.Delta0 {
				t.Errorf("a term spends more than its share: %+v", term)
			}
		}
		if sum != c.Structure.Mechanisms || c.Structure.Spent[0] > c.Epsilon || c.Structure.Spent[1] > c.Delta || c.Structure.Spent[0] < 0.999*c.Epsilon {
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
	k.row(7)[1] = math.NaN()
	v.row(9)[0] = math.Inf(1)
	for _, ownerRows := range []int{0, 3} {
		p := treeParams()
		p.Leaves, p.OwnerRows = 32, ownerRows
		var owners []uint64
		if ownerRows > 0 {
			for i := range k.rows {
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

		a, b := must[*Builder](t)(NewBuilder(p)), must[*Builder](t)(NewBuilder(p))
		for lo := 99; lo >= 0; lo-- { // one by one, backwards, on two shards
			to := []*Builder{a, b}[lo%2]
			if err := to.Add(0, k.view().Rows(lo, lo+1), v.view().Rows(lo, lo+1), ids(lo, lo+1), &Progress{Report: func(_, _ uint64) bool { return true }}); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Add(0, k.view(), v.view(), owners, &Progress{Report: func(done, total uint64) bool { return done < total }}); fault.CodeOf(err) != fault.Cancelled {
			t.Errorf("cancelled at the last moment: %v", err)
		}
		imported := must[*Builder](t)(ImportSecret(exported(t, b)))
		if err := a.Merge(imported); err != nil {
			t.Fatal(err)
		}
		if got := held(t, a); !bytes.Equal(got, want) {
			t.Errorf("owner_rows %d: the sums depend on how rows came", ownerRows)
		}
		d := must[Diagnostics](t)(a.Diagnostics())
		if d.Rows != 100 || d.RowsZeroed != 2 || d.KeysClipped < 30 || d.ValuesClipped < 30 || ownerRows > 0 && (d.Owners != 20 || d.RowsDropped != 38) {
			t.Errorf("owner_rows %d: %+v", ownerRows, d)
		}
		if _, err := a.Release(someBudget, &Progress{Report: func(done, total uint64) bool { return done < total/2 }}); fault.CodeOf(err) != fault.Cancelled {
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

// Parameters that a mechanism does not read are refused, not ignored; so are those that make no sense.
func TestTreesParams(t *testing.T) {
	for name, change := range map[string]func(*Params){
		"params.key_bound":           func(p *Params) { p.KeyBound = 1 },
		"params.center":              func(p *Params) { p.Center = make([]float64, 3) },
		"params.rotation":            func(p *Params) { p.Rotation = NoRotation },
		"params.range":               func(p *Params) { p.Range = 0 },
		"params.value_range":         func(p *Params) { p.ValueRange = math.NaN() },
		"params.leaves":              func(p *Params) { p.Leaves = 0 },
		"params.copies":              func(p *Params) { p.Copies = 1 << 30 },
		"params.trees":               func(p *Params) { p.Trees = 3 },
		"params.relative_error":      func(p *Params) { p.Degree, p.RelativeError = 0, 1 },
		"params.failure_probability": func(p *Params) { p.Copies, p.FailureProbability = 0, 2 },
	} {
		p := treeParams()
		change(&p)
		if _, err := NewBuilder(p); fault.CodeOf(err) != fault.InvalidArgument || !bytes.Contains([]byte(err.Error()), []byte(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := smallParams()
	p.Range = 1
	if _, err := NewBuilder(p); fault.CodeOf(err) != fault.InvalidArgument {
		t.Errorf("the Gaussian release took a range: %v", err)
	}
	p = treeParams()
	p.Copies, p.Leaves = 1<<20, 1<<20
	if _, err := NewBuilder(p); fault.CodeOf(err) != fault.OutOfMemory || !bytes.Contains([]byte(err.Error()), []byte("would fit")) {
		t.Errorf("what does not fit: %v", err)
	}
	if _, err := must[*Builder](t)(NewBuilder(treeParams())).Release(privacy.Budget{Epsilon: -1, Delta: 0.1}, nil); fault.CodeOf(err) != fault.InvalidArgument {
		t.Errorf("a negative epsilon: %v", err)
	}
}

// One row, one leaf, one dimension; and queries outside of the range or not finite.
func TestTreesSmallest(t *testing.T) {
	p := Params{KeyDim: 1, ValueDim: 1, Degree: 1, Mechanism: DPTree, Adjacency: Replace, Range: 1, ValueRange: 1, Leaves: 1, Copies: 1}
	for _, rows := range []int{0, 1} {
		r := must[*Release](t)(treeBuilder(t, p, box(1, rows, 1, 0, 1), box(2, rows, 1, -1, 1), nil).Release(someBudget, nil))
		q, out, lse := matrix{4, 1, []float64{math.NaN(), math.Inf(1), 2, 0.5}}, zeros2(4, 1), zeros2(4, 1)
		l := lse.view()
		clipped, err := r.Attend(q.view(), out.view(), &l, nil)
		if err != nil || clipped != 3 {
			t.Errorf("%d rows: %d clipped, %v", rows, clipped, err)
		}
		for i, o := range out.data {
			if bad := math.IsNaN(o) || math.IsNaN(lse.data[i]); bad != (i < 2) || !bad && math.Abs(o) > 1 {
				t.Errorf("query %v gives %v, lse %v", q.data[i], o, lse.data[i])
			}
		}
	}
}

// The plan predicts what comes out: sizes exactly, noise as measured; and it chooses the degree by the relative error.
func TestTreesPlan(t *testing.T) {
	p := treeParams()
	p.Leaves = 64
	budget := privacy.Budget{Epsilon: 2000, Delta: 1e-5}
	plan := must[PlanResult](t)(Plan(p, 2000, budget, 0.1))
	k, v := zeros2(2000, 3), zeros2(2000, 2) // keys of 0 have weight 1; outputs are 0
	q := matrix{1, 3, []float64{1, 1, 1}}
	squares, predicted := 0.0, 0.0
	const trials = 60
	for range trials {
		r := must[*Release](t)(treeBuilder(t, p, k, v, nil).Release(budget, nil))
		if i := r.Info(); i.StateBytes != plan.StateBytes || i.SaveBytes != plan.ReleaseBytes {
			t.Fatalf("plan %+v, release %+v", plan, i)
		}
		out, std := zeros2(1, 2), zeros2(1, 2)
		s := std.view()
		if _, err := r.Attend(q.view(), out.view(), nil, &s); err != nil {
			t.Fatal(err)
		}
		squares += out.data[0]*out.data[0] + out.data[1]*out.data[1]
		predicted += std.data[0] / trials
	}
	// 120 normal numbers: their root mean square is within 35 % of the standard deviation but for a chance below 1e-6.
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
	if plan := must[PlanResult](t)(Plan(p, 2000, budget, 0)); plan.PolynomialError > 0.01 || plan.Degree < 2 {
		t.Errorf("%+v", plan)
	}
}

// The order of the state is that of the header.
func TestTreesState(t *testing.T) {
	p := treeParams()
	p.Leaves, p.Degree = 4, 1
	r := must[*Release](t)(treeBuilder(t, p, matrix{1, 3, []float64{0, 0, 0}}, matrix{1, 2, []float64{2, -1}}, nil).Release(vast, nil))
	sums := r.public.(*treeState).heads[0]
	var c dptree.Certificate = sums.Certificate()
	// The first term is the sums of w, [features][nodes][columns][copies]: the root of every column's first feature has the whole weight.
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

// A partial has its number of rows twice, once for the head and once for its sums: one that lies about either is refused before it can spoil a builder.
func TestTreesPartialWithTwoNumbersOfRows(t *testing.T) {
	b := treeBuilder(t, treeParams(), box(1, 10, 3, 0, 1), box(2, 10, 2, -2, 2), nil)
	b.secret.(*treeSums).heads[0].rows = 0
	n, _ := b.ExportSecret(nil)
	partial := make([]byte, n)
	if _, err := b.ExportSecret(partial); err != nil {
		t.Fatal(err)
	}
	if _, err := ImportSecret(partial); fault.CodeOf(err) != fault.Corrupt {
		t.Errorf("0 rows with sums of 10: %v", err)
	}
}
