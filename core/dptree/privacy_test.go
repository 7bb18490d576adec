package dptree

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"dpattn/core/fault"
	"dpattn/core/noise"
	"dpattn/core/privacy"
	"dpattn/tests/testkit"
)

// recorder is a draw whose noise follows from a seed, and which remembers what it was asked for. It
// gives the distribution's support some use: draws are uniform on it.
type recorder struct {
	rng   *rand.Rand
	asks  []string
	drawn []int64 // in the order of the calls, which is that of the noisy integers
}

func recorded() *recorder { return &recorder{rng: testkit.Rand(8)} }

func (r *recorder) draw(dst []int64, dist noise.TruncatedLaplace) error {
	r.asks = append(r.asks, fmt.Sprintf("%d of %+v", len(dst), dist))
	for i := range dst {
		dst[i] = int64(r.rng.Uint64N(2*dist.Support+1)) - int64(dist.Support)
	}
	r.drawn = append(r.drawn, dst...)
	return nil
}

// data is rows of any structure. Trees read weights, and points as positions.
type data struct {
	points, weights []float64 // [n, dim], [n, columns of V]
	owners          []uint64
}

// without is the data but rows lo..hi-1.
func (x data) without(lo, hi, dim, cols int) data {
	cut := func(v []float64, w int) []float64 { return slices.Concat(v[:lo*w], v[hi*w:]) }
	y := data{points: cut(x.points, dim), weights: cut(x.weights, cols)}
	if x.owners != nil {
		y.owners = slices.Concat(x.owners[:lo], x.owners[hi:])
	}
	return y
}

// structure is one way to make a forest of data with given randomness.
type structure struct {
	kind kind
	p    Params
}

func (s structure) dims() (dim, cols int) {
	dim, cols = max(s.p.Dim, 1), max(s.p.ValueDim, 1)
	if s.kind < kindHighDim {
		dim = 1
	}
	if s.kind < kindAttention {
		cols = 1
	}
	return dim, cols
}

func (s structure) release(x data, draw draw, report Report) (*forest, error) {
	dim, _ := s.dims()
	weights := view(x.weights, 1)
	var r *released
	var err error
	switch s.kind {
	case kindTree:
		positions := make([]int, len(x.points))
		for i, v := range x.points {
			positions[i] = int(v * float64(s.p.Leaves))
		}
		var t *Tree
		if t, _, err = newTree(s.p, positions, x.weights, x.owners, budget, draw, report); err == nil {
			r = t.released
		}
	case kindDistance:
		var t *Distance
		if t, _, err = newDistance(s.p, x.points, x.weights, x.owners, budget, draw, report); err == nil {
			r = t.released
		}
	case kindHighDim, kindSoftmax, kindAdaptive:
		r, _, err = releaseRows(s.kind, s.p, view(x.points, dim), &weights, x.owners, budget, draw, report)
	case kindAttention:
		var t *CrossAttention
		if t, err = s.attention(x, draw, report); err == nil {
			r = t.released
		}
	}
	if err != nil {
		return nil, err
	}
	return r.f, nil
}

// attention builds with rows or with owners, each owner's rows at once.
func (s structure) attention(x data, draw draw, report Report) (*CrossAttention, error) {
	dim, cols := s.dims()
	b, err := NewAttentionBuilder(s.p)
	if err != nil {
		return nil, err
	}
	defer b.Wipe()
	if s.p.OwnerRows == 0 {
		if err := b.Add(view(x.points, dim), view(x.weights, cols)); err != nil {
			return nil, err
		}
		return b.release(budget, draw, report)
	}
	rows := map[uint64][]int16{}
	for i, id := range x.owners {
		row := make([]int16, dim+cols)
		b.d.round(x.points[i*dim:(i+1)*dim], x.weights[i*cols:(i+1)*cols], row)
		if len(rows[id]) < s.p.OwnerRows*(dim+cols) {
			rows[id] = append(rows[id], row...)
		}
	}
	for _, list := range rows {
		if err := b.AddRounded(list); err != nil {
			return nil, err
		}
	}
	return b.release(budget, draw, report)
}

// structures is every structure with small shapes, for one adjacency and owner_rows.
func structures(adjacency privacy.Adjacency, ownerRows int) []structure {
	p := Params{Adjacency: adjacency, OwnerRows: ownerRows, Leaves: 13, Range: 1, Weight: 2, Dim: 3, Degree: 2,
		Copies: 3, ValueDim: 2, Squared: true}
	noTrees := p
	noTrees.NoTrees = true
	plain := p
	plain.Squared = false
	return []structure{
		{kindTree, p}, {kindDistance, p}, {kindDistance, plain}, {kindHighDim, p}, {kindSoftmax, p},
		{kindSoftmax, noTrees}, {kindAdaptive, p}, {kindAttention, p}, {kindAttention, noTrees},
	}
}

// TestReplay: every noisy integer is the exact one and noise of its own; with the same randomness
// the noisy integers of neighbouring data differ by exactly what the structures without noise
// differ by, which is within the sensitivity in every level; and the same noise is asked for. The
// unit that changes has extreme, zero or no weight, and every position.
func TestReplay(t *testing.T) {
	rng := testkit.Rand(9)
	reached := map[string]bool{}
	for _, adjacency := range []privacy.Adjacency{privacy.AddRemove, privacy.Replace} {
		for _, owner := range []int{0, 1, 3} {
			for _, s := range structures(adjacency, owner) {
				dim, cols := s.dims()
				for trial := range testkit.Size(4, 40) {
					m := max(owner, 1)
					n := 5 * m
					x := data{points: between(rng, n*dim, 0, 1), weights: between(rng, n*cols, -2, 2)}
					if owner > 0 {
						for i := range n + m {
							x.owners = append(x.owners, uint64(i/m))
						}
						x.owners = x.owners[:n]
					}
					unit := 2 * m // rows unit..unit+m-1 change
					y := data{slices.Clone(x.points), slices.Clone(x.weights), slices.Clone(x.owners)}
					extreme := func(d data, sign float64, at float64) {
						for i := unit; i < unit+m; i++ {
							for c := range dim {
								d.points[i*dim+c] = at
							}
							for c := range cols {
								d.weights[i*cols+c] = 2 * sign
							}
						}
					}
					switch trial {
					case 0:
						extreme(x, 1, 1)
						extreme(y, -1, 1)
					case 1:
						extreme(x, 1, 1-1e-9)
						extreme(y, 1, 0)
					case 2:
						extreme(x, 1, 1e300)
						extreme(y, 1, math.NaN())
					default:
						for i := unit * dim; i < (unit+m)*dim; i++ {
							y.points[i] = rng.Float64()
						}
						for i := unit * cols; i < (unit+m)*cols; i++ {
							y.weights[i] = 4*rng.Float64() - 2
						}
					}
					if s.kind == kindTree { // positions
						for _, d := range []data{x, y} {
							for i, v := range d.points {
								d.points[i] = math.Min(math.Max(v, 0), 0.999)
							}
						}
					}
					if adjacency == privacy.AddRemove {
						y = x.without(unit, unit+m, dim, cols)
					}
					replay(t, s, x, y, reached)
				}
			}
		}
	}
	// The sensitivities are not only upper bounds.
	for _, adjacency := range []privacy.Adjacency{privacy.AddRemove, privacy.Replace} {
		for _, name := range []string{"sum", "w", "wx", "wxx", "linear", "s_w"} {
			if key := fmt.Sprint(adjacency, name); !reached[key] {
				t.Errorf("%s: no pair of neighbours moves a level by its whole sensitivity", key)
			}
		}
	}
}

func replay(t *testing.T, s structure, x, y data, reached map[string]bool) {
	t.Helper()
	name := fmt.Sprintf("%s, %s, owner_rows %d", s.kind, s.p.Adjacency, s.p.OwnerRows)
	make2 := func(draw draw, d data) *forest {
		f, err := s.release(d, draw, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return f
	}
	first, second := recorded(), recorded()
	fx, fy := make2(first.draw, x), make2(second.draw, y)
	if !slices.Equal(first.asks, second.asks) {
		t.Fatalf("%s: neighbours ask for different noise", name)
	}
	ex, ey := make2(noNoise, x), make2(noNoise, y)
	d := fx.d
	// Every noisy integer is the exact one and a draw of its own.
	noisy, exact := slices.Concat(fx.numbers...), slices.Concat(ex.numbers...)
	if len(noisy) != len(first.drawn) {
		t.Fatalf("%s: %d numbers, %d draws", name, len(noisy), len(first.drawn))
	}
	for i, v := range first.drawn {
		if noisy[i] != exact[i]+v {
			t.Fatalf("%s: number %d is %d; it must be %d and noise of %d", name, i, noisy[i], exact[i], v)
		}
	}
	for i := range d.terms {
		for j := range fx.numbers[i] {
			if fx.numbers[i][j]-fy.numbers[i][j] != ex.numbers[i][j]-ey.numbers[i][j] {
				t.Fatalf("%s, %s: noisy integers differ by %d, exact ones by %d", name, d.terms[i].name,
					fx.numbers[i][j]-fy.numbers[i][j], ex.numbers[i][j]-ey.numbers[i][j])
			}
		}
		// The l1 norm over every level.
		lanes := d.columns * d.Copies
		// Of the numbers lo, lo + lanes and so on before hi: one copy of one column.
		moved := func(lo, hi int) (sum uint64) {
			for j := lo; j < hi; j += lanes {
				v := ex.numbers[i][j] - ey.numbers[i][j]
				sum += uint64(max(v, -v))
			}
			return sum
		}
		check := func(lo, hi int) {
			switch sum, most := moved(lo, hi), d.sensitivity(&d.terms[i]); {
			case sum > most:
				t.Errorf("%s, %s: a level moves by %d; its sensitivity is %d", name, d.terms[i].name, sum, most)
			case sum == most:
				reached[fmt.Sprint(s.p.Adjacency, d.terms[i].name)] = true
			}
		}
		if d.terms[i].scalar {
			for j := range ex.numbers[i] {
				check(j, j+1)
			}
			continue
		}
		for coord := range d.coords {
			for h := range d.shape.levels() {
				at := coord * d.shape.nodes()
				for lane := range lanes {
					check((at+d.shape.first[h])*lanes+lane, (at+d.shape.first[h+1])*lanes)
				}
			}
		}
	}
}

// TestCertificate recomputes the guarantee from the certificate's numbers: the count of mechanisms
// from the shapes, the composition from epsilon0 and delta0, and those from the distributions.
func TestCertificate(t *testing.T) {
	rng := testkit.Rand(10)
	for _, adjacency := range []privacy.Adjacency{privacy.AddRemove, privacy.Replace} {
		for _, owner := range []int{0, 3} {
			for _, s := range structures(adjacency, owner) {
				dim, cols := s.dims()
				x := data{points: between(rng, 4*dim, 0, 1), weights: between(rng, 4*cols, -2, 2)}
				if owner > 0 {
					x.owners = []uint64{1, 2, 1, 3}
				}
				f := testkit.Must(s.release(x, kernelNoise, nil))(t)
				c := (&released{f: f}).Certificate()
				k := uint64(0)
				for i, term := range c.Terms {
					k += term.Mechanisms
					columns, copies := 1, 1
					if s.kind >= kindAdaptive {
						copies = 3
					}
					if s.kind == kindAttention {
						columns = 3
					}
					want, levels := columns*copies, 5 // 13 leaves: 13, 7, 4, 2, 1
					if c.Trees == false {
						levels = 1
					}
					coords := map[kind]int{kindTree: 1, kindDistance: 1, kindHighDim: 3}[s.kind]
					if coords == 0 {
						coords = 10 // C(3+2, 2)
					}
					if term.Name != "P_wx" && term.Name != "s_w" {
						want *= coords * levels
					}
					if term.Mechanisms != uint64(want) {
						t.Errorf("%s, %s: %d mechanisms, want %d", c.Mechanism, term.Name, term.Mechanisms, want)
					}
					if !(term.Epsilon <= c.Epsilon0 && term.Delta <= c.Delta0 && term.Epsilon > 0.99*c.Epsilon0) {
						t.Errorf("%s, %s: the noise spends (%v, %v) of (%v, %v)", c.Mechanism, term.Name, term.Epsilon,
							term.Delta, c.Epsilon0, c.Delta0)
					}
					// The strip and the ratio, in floating point, from the certificate alone.
					lambda := float64(term.ScaleNum) / float64(term.ScaleDen)
					a, u := float64(term.Support), float64(term.Sensitivity)
					mass := 1 + math.Exp(-1/lambda) - 2*math.Exp(-(a+1)/lambda)
					strip := math.Exp(-(a-u+1)/lambda) * -math.Expm1(-u/lambda) / mass
					if !(math.Abs(strip/term.Delta-1) < 1e-6) || !(math.Abs(u/lambda/term.Epsilon-1) < 1e-12) {
						t.Errorf("%s, %s: (%v, %v), want (%v, %v)", c.Mechanism, term.Name, term.Epsilon, term.Delta,
							u/lambda, strip)
					}
					for _, v := range f.numbers[i] {
						if bound := float64(term.Support) + 4*float64(term.Sensitivity); math.Abs(float64(v)) > bound {
							t.Errorf("%s, %s: a number is beyond the support", c.Mechanism, term.Name)
						}
					}
				}
				if k != c.Mechanisms {
					t.Errorf("%s: k is %d; its terms add up to %d", c.Mechanism, c.Mechanisms, k)
				}
				basic, delta := float64(k)*c.Epsilon0, float64(k)*c.Delta0
				advanced := math.Inf(1)
				if c.DeltaPrime > 0 {
					advanced = math.Sqrt(2*float64(k)*math.Log(1/c.DeltaPrime))*c.Epsilon0 +
						float64(k)*c.Epsilon0*math.Expm1(c.Epsilon0)
				}
				spent := map[string]float64{"basic": basic, "advanced": advanced}[c.Composition]
				if !(math.Abs(spent/c.Spent[0]-1) < 1e-9) || !(math.Abs((delta+c.DeltaPrime)/c.Spent[1]-1) < 1e-9) ||
					c.Spent[0] > budget.Epsilon || c.Spent[1] > budget.Delta {
					t.Errorf("%s: %s composition of %d spends %v; recomputed (%v, %v)", c.Mechanism, c.Composition, k,
						c.Spent, spent, delta+c.DeltaPrime)
				}
				rows := uint64(0)
				if adjacency == privacy.Replace && owner == 0 {
					rows = 4
				}
				if c.Rows != rows {
					t.Errorf("%s, %s, owner_rows %d: %d rows are published", c.Mechanism, adjacency, owner, c.Rows)
				}
				if c.Epsilon != budget.Epsilon || c.Delta != budget.Delta || c.UnitRows != max(owner, 1) ||
					c.Owners != (owner > 0) || c.Adjacency != adjacency.String() {
					t.Errorf("%s: %+v", c.Mechanism, c)
				}
			}
		}
	}
}

// TestSensitivityGolden: the numbers of section 2 of PROOF.md, written out.
func TestSensitivityGolden(t *testing.T) {
	point, square := uint64(((2*12+1)<<20+13)/26), uint64((25*25<<20+2*169)/(4*169))
	for _, c := range []struct {
		adjacency privacy.Adjacency
		owner     int
		times     uint64
	}{{privacy.AddRemove, 0, 1}, {privacy.Replace, 0, 2}, {privacy.AddRemove, 3, 3}, {privacy.Replace, 3, 6}} {
		for _, s := range structures(c.adjacency, c.owner) {
			d := testkit.Must(newDesign(s.kind, s.p))(t)
			for i := range d.terms {
				want := map[string]uint64{
					"sum": 1 << 20, "w": 1 << 10, "wx": 1 << 10 * point, "wxx": 1 << 10 * square, "P_wx": 1 << 30,
					"s_w": 1 << 10, "linear": 1 << 30,
				}[d.terms[i].name] * c.times
				if got := d.sensitivity(&d.terms[i]); got != want {
					t.Errorf("%s, %+v, %s: sensitivity %d, want %d", s.kind, c, d.terms[i].name, got, want)
				}
			}
		}
	}
}

// TestFailureProbability: p_f moves the number of copies, and nothing in the guarantee but what
// follows from that number.
func TestFailureProbability(t *testing.T) {
	base := Params{Adjacency: privacy.AddRemove, Leaves: 4, Range: 1, Weight: 1, Dim: 2, ValueDim: 1, Degree: 2,
		RelativeError: 0.1}
	for _, pf := range []float64{0.5, 1e-3, 1e-12} {
		p := base
		p.FailureProbability = pf
		d := testkit.Must(newDesign(kindAttention, p))(t)
		if want := int(math.Ceil(6 * math.Log(2/(0.1*pf)))); d.Copies != want {
			t.Errorf("p_f = %v: %d copies, want %d", pf, d.Copies, want)
		}
		g := testkit.Must(d.calibrate(budget))(t)
		fixed := base
		fixed.Copies = d.Copies
		e := testkit.Must(newDesign(kindAttention, fixed))(t)
		if h, err := e.calibrate(budget); err != nil || !reflect.DeepEqual(g, h) {
			t.Errorf("p_f = %v: the guarantee differs from that of as many copies: %+v, %+v, %v", pf, g, h, err)
		}
	}
}

// TestNoPathBack: no type that a release holds is sums or batch, and nothing of it aliases the
// builder's memory.
func TestNoPathBack(t *testing.T) {
	for _, v := range []any{Tree{}, Distance{}, HighDim{}, Softmax{}, SoftmaxAdaptive{}, CrossAttention{}} {
		seen := map[reflect.Type]bool{}
		var walk func(t reflect.Type) bool
		walk = func(t reflect.Type) bool {
			if seen[t] {
				return true
			}
			seen[t] = true
			switch t {
			case reflect.TypeFor[sums](), reflect.TypeFor[batch](), reflect.TypeFor[AttentionBuilder](),
				reflect.TypeFor[draw]():
				return false
			}
			switch t.Kind() {
			case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
				return walk(t.Elem())
			case reflect.Struct:
				for i := range t.NumField() {
					if !walk(t.Field(i).Type) {
						return false
					}
				}
			}
			return true
		}
		if !walk(reflect.TypeOf(v)) {
			t.Errorf("%T reaches secrets", v)
		}
	}
}

var errBroken = errors.New("broken")

// TestEntropyFailure: no noise, no release; the builder stays, and can be released later.
func TestEntropyFailure(t *testing.T) {
	rng := testkit.Rand(11)
	for _, s := range structures(privacy.AddRemove, 0) {
		dim, cols := s.dims()
		x := data{points: between(rng, 4*dim, 0, 1), weights: between(rng, 4*cols, -2, 2)}
		calls := 0
		var leaked [][]int64
		broken := func(dst []int64, dist noise.TruncatedLaplace) error {
			leaked = append(leaked, dst)
			if calls++; calls == 2 || len(structuresTerms(s)) == 1 {
				return errBroken
			}
			for i := range dst {
				dst[i] = 1
			}
			return nil
		}
		if f, err := s.release(x, broken, nil); !errors.Is(err, errBroken) || f != nil {
			t.Errorf("%s: %v, %v", s.kind, f, err)
		}
		for _, list := range leaked {
			if slices.Max(list) != 0 || slices.Min(list) != 0 {
				t.Errorf("%s: noise is left", s.kind)
			}
		}
	}
	if err := kernelNoise(make([]int64, 1), noise.TruncatedLaplace{}); fault.CodeOf(err) != fault.Entropy {
		t.Errorf("a failed draw is %v", err)
	}
}

func structuresTerms(s structure) []term {
	d, err := newDesign(s.kind, s.p)
	if err != nil {
		panic(err)
	}
	return d.terms
}

// TestCancel: cancelled at every step, nothing leaves and the builder stays as it was.
func TestCancel(t *testing.T) {
	rng := testkit.Rand(12)
	s := structures(privacy.Replace, 0)[7]
	dim, cols := s.dims()
	b := testkit.Must(NewAttentionBuilder(s.p))(t)
	if err := b.Add(view(between(rng, 20*dim, 0, 1), dim), view(between(rng, 20*cols, -1, 1), cols)); err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(b.s.leaf)
	for steps := 0; ; steps++ {
		left, last := steps, uint64(0)
		a, err := b.release(budget, noNoise, func(done, total uint64) bool {
			if done > total || done < last {
				t.Errorf("%d of %d done", done, total)
			}
			last = done
			left--
			return left >= 0
		})
		if err == nil {
			if steps < 3 || a == nil || last != 2*b.d.total() {
				t.Errorf("%d steps, the last at %d of %d", steps, last, 2*b.d.total())
			}
			break
		}
		if fault.CodeOf(err) != fault.Cancelled || !slices.Equal(b.s.leaf, before) {
			t.Fatalf("step %d: %v", steps, err)
		}
	}
	if _, err := b.release(budget, noNoise, nil); fault.CodeOf(err) != fault.Consumed {
		t.Errorf("a second release: %v", err)
	}
}

// TestWiped: after the release, and after Wipe, nothing of the rows is left in the builder's
// memory.
func TestWiped(t *testing.T) {
	rng := testkit.Rand(13)
	for _, s := range structures(privacy.AddRemove, 0) {
		if s.kind != kindAttention {
			continue
		}
		dim, cols := s.dims()
		b := testkit.Must(NewAttentionBuilder(s.p))(t)
		if err := b.Add(view(between(rng, 20*dim, 0, 1), dim), view(between(rng, 20*cols, -1, 1), cols)); err != nil {
			t.Fatal(err)
		}
		exact, work := b.s, b.s.batch
		leaf, whole := exact.leaf, exact.whole
		if _, err := b.Release(budget, nil); err != nil {
			t.Fatal(err)
		}
		for name, list := range map[string]bool{
			"leaf": zero(leaf), "whole": zero(whole), "rows": zero(work.rows), "leaves": zero(work.leaves),
			"norm": zero(work.norm), "mono": zero(work.mono),
		} {
			if !list {
				t.Errorf("%s has contents", name)
			}
		}
		if b.s != nil || b.counts != (Diagnostics{}) {
			t.Error("the builder is not spent")
		}
	}
}

func zero[T comparable](list []T) bool {
	var none T
	return !slices.ContainsFunc(list, func(v T) bool { return v != none })
}
