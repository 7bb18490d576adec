package dptree

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"dpattn/core/privacy"
	"dpattn/tests/testkit"
)

// Without noise every structure is the brute-force answer, up to what the grids round.

func TestTreeExact(t *testing.T) {
	rng := testkit.Rand(1)
	for _, leaves := range []int{1, 2, 3, 5, 8, 13, 64, 100} {
		values := make([]float64, leaves)
		for i := range values {
			values[i] = float64(rng.IntN(1<<21+1)-1<<20) / (1 << 18) // multiples of the grid's step, up to 4
		}
		p := Params{Adjacency: privacy.AddRemove, Leaves: leaves, Weight: 4}
		tree := testkit.Must2(newTree(p, nil, values, nil, budget, noNoise, nil))(t)
		for lo := range leaves + 1 {
			want := 0.0
			for hi := lo; hi <= leaves; hi++ {
				got, _, err := tree.Query(lo, hi)
				if err != nil || got != want {
					t.Fatalf("%d leaves: the sum of %d..%d is %v, %v; want %v", leaves, lo, hi, got, err, want)
				}
				if hi < leaves {
					want += values[hi]
				}
				if n := len(tree.f.d.shape.cover(nil, lo, hi)); n > 2*tree.f.d.shape.levels() {
					t.Errorf("%d leaves: %d nodes cover %d..%d", leaves, n, lo, hi)
				}
			}
		}
	}
}

// TestSpots: the two sides of a query cover all leaves, each once and on its side, with at most one
// node a level, which the estimate of what a query reads builds on.
func TestSpots(t *testing.T) {
	for leaves := 1; leaves <= 130; leaves++ {
		d, most, s := &design{Params: Params{Leaves: leaves}, shape: newDyadic(leaves)}, 0, split{}
		for g := range leaves + 1 {
			d.split(float64(g)/float64(leaves), &s)
			covered := 0
			for i, node := range s.nodes {
				h := 0
				for int(node) >= d.shape.first[h+1] {
					h++
				}
				lo := (int(node) - d.shape.first[h]) << h
				hi := min(lo+1<<h, leaves)
				if covered += hi - lo; (i < s.left) != (hi <= g) || i >= s.left && lo < g {
					t.Errorf("%d leaves: %d..%d is on the wrong side of %d", leaves, lo, hi, g)
				}
			}
			if covered != leaves {
				t.Errorf("%d leaves: the two sides of %d have %d", leaves, g, covered)
			}
			most = max(most, len(s.nodes))
		}
		if levels := d.shape.levels(); most > levels || most < levels-1 {
			t.Errorf("%d leaves, %d levels: %d nodes at most", leaves, levels, most)
		}
	}
}

// TestLayout: every number lies where docs/formats.md says, [coordinates][nodes][columns][copies]
// or [columns][copies], and is the sum over the leaves of its node, in all copies.
func TestLayout(t *testing.T) {
	rng := testkit.Rand(6)
	for _, s := range structures(privacy.AddRemove, 0) {
		if s.kind != kindAttention {
			continue
		}
		s.p.Leaves = 11
		b := testkit.Must(NewAttentionBuilder(s.p))(t)
		if err := b.Add(view(between(rng, 3*90, 0, 1), 3), view(between(rng, 2*90, -2, 2), 2)); err != nil {
			t.Fatal(err)
		}
		f := testkit.Must(b.s.release(budget, noNoise, nil))(t)
		d, at := f.d, 0
		expect := func(term int, want int64) {
			t.Helper()
			if got := f.numbers[term][at]; got != want {
				t.Fatalf("%s: number %d is %d, want %d", d.terms[term].name, at, got, want)
			}
			at++
		}
		for term := range d.terms {
			if at = 0; d.terms[term].scalar {
				for column := range d.columns {
					for range d.Copies {
						expect(term, b.s.whole[2*column+term-termNorm])
					}
				}
				continue
			}
			for coord := range d.coords {
				for width, leaves := d.Leaves, 1; ; width, leaves = (width+1)/2, 2*leaves {
					for node := range width {
						for column := range d.columns {
							want := int64(0)
							for g := node * leaves; g < min((node+1)*leaves, d.Leaves); g++ {
								v := b.s.leaf[(coord*d.Leaves+g)*d.columns+column]
								switch d.terms[term].name {
								case "wx":
									v *= d.point[g]
								case "wxx":
									v *= d.square[g]
								}
								want += v
							}
							for range d.Copies {
								expect(term, want)
							}
						}
					}
					if width == 1 {
						break
					}
				}
			}
			if at != len(f.numbers[term]) {
				t.Errorf("%s: %d numbers, want %d", d.terms[term].name, len(f.numbers[term]), at)
			}
			// Any number of nodes together, in every lane.
			lanes, coord, nodes := d.columns*d.Copies, rng.IntN(d.coords), []int32(nil)
			want, got := make([]int64, lanes), make([]int64, lanes)
			for range 10 {
				if f.sum(got, term, coord, nodes); !slices.Equal(got, want) {
					t.Fatalf("%s: nodes %v of coordinate %d are %d, want %d",
						d.terms[term].name, nodes, coord, got, want)
				}
				next := rng.IntN(d.shape.nodes())
				nodes = append(nodes, int32(next))
				for lane := range want {
					want[lane] += f.numbers[term][(coord*d.shape.nodes()+next)*lanes+lane]
				}
			}
		}
		if n := f.rowCount(); n != 90 {
			t.Errorf("%v rows, want 90", n)
		}
	}
}

// TestTreePositions: values in any order, several to a leaf, outside, clipped and NaN.
func TestTreePositions(t *testing.T) {
	p := Params{Adjacency: privacy.Replace, Leaves: 6, Weight: 1}
	positions := []int{5, 0, 0, 3, -1, 6, 2, 2, 4}
	values := []float64{1, 0.5, -0.25, 7, 1, 1, math.NaN(), math.Inf(-1), -7}
	tree, counts, err := newTree(p, positions, values, nil, budget, noNoise, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0.25, 0, 0, 1, -1, 1} {
		if got, _, err := tree.Query(i, i+1); err != nil || got != want {
			t.Errorf("leaf %d is %v, %v; want %v", i, got, err, want)
		}
	}
	if want := (Diagnostics{Rows: 9, PointsClipped: 2, WeightsClipped: 2, RowsZeroed: 2}); counts != want {
		t.Errorf("counts are %+v; want %+v", counts, want)
	}
}

// TestDistanceExact: against the sum over the points themselves, within the rounding of points to
// the grid and of weights and of the entries of keys; and against the sum over rounded points
// exactly.
func TestDistanceExact(t *testing.T) {
	rng := testkit.Rand(2)
	const r, w = 3.0, 2.0
	for _, leaves := range []int{1, 2, 7, 64, 1000} {
		for _, n := range []int{1, 300} {
			points, weights := between(rng, n, 0, r), between(rng, n, -w, w)
			p := Params{Adjacency: privacy.AddRemove, Leaves: leaves, Range: r, Weight: w, Squared: true}
			d := testkit.Must2(newDistance(p, points, weights, nil, budget, noNoise, nil))(t)
			// A point moves by so much at most; entries of 15 bits and points of 20 bits add
			// theirs.
			step := r / (2 * float64(leaves))
			move := step + r/keyScale + r/pointOne
			for _, y := range append(between(rng, 50, 0, r), r/2, step, r-step) {
				var l1, l2, grid1, grid2, mass float64
				for i, x := range points {
					l1 += weights[i] * math.Abs(x-y)
					l2 += weights[i] * (x - y) * (x - y)
					mass += math.Abs(weights[i])
					at, weight := rounded(d.f.d, x), math.RoundToEven(weights[i]/w*weightOne)/weightOne*w
					grid1 += weight * math.Abs(at-y)
					grid2 += weight * (at - y) * (at - y)
				}
				slack := float64(n) * w / (2 * weightOne)
				name := fmt.Sprintf("%d leaves, %d points, y = %v: ", leaves, n, y)
				within(t, name+"l1", d.L1(y), l1, mass*move+slack*r)
				within(t, name+"l2", d.L2(y), l2, 2*r*mass*move+slack*r*r)
				within(t, name+"l1 on the grid", d.L1(y), grid1, float64(n)*w*r/pointOne)
				within(t, name+"l2 on the grid", d.L2(y), grid2, float64(n)*w*r*r*3/pointOne)
			}
		}
	}
}

// rounded is the point of the grid that stands for x, computed in real numbers.
func rounded(d *design, x float64) float64 {
	entry := math.RoundToEven(x / d.Range * keyScale)
	g := min(math.Floor(entry/keyScale*float64(d.Leaves)*(1+1e-15)), float64(d.Leaves-1))
	return (2*g + 1) / (2 * float64(d.Leaves)) * d.Range
}

func TestHighDimExact(t *testing.T) {
	rng := testkit.Rand(3)
	const r, n, dim, leaves = 1.5, 200, 5, 512
	points := between(rng, n*dim, 0, r)
	p := Params{Adjacency: privacy.Replace, Leaves: leaves, Range: r, Weight: 1, Dim: dim, Squared: true}
	h := &HighDim{testkit.Must2(releaseRows(kindHighDim, p, view(points, dim), nil, nil, budget, noNoise, nil))(t)}
	move := r/(2*leaves) + r/keyScale + r/pointOne
	for range 20 {
		y := between(rng, dim, 0, r)
		l1, l2 := 0.0, 0.0
		for i := range n {
			for c, v := range y {
				l1 += math.Abs(points[i*dim+c] - v)
				l2 += (points[i*dim+c] - v) * (points[i*dim+c] - v)
			}
		}
		got1, err1 := h.L1(y)
		got2, err2 := h.L2(y)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		within(t, "l1", got1, l1, n*dim*move)
		within(t, "l2", got2, l2, 2*r*n*dim*move)
	}
}

// gridError bounds |<P^(k), P(y)> - <P(k), P(y)>| where P^(k) is P(k) rounded to the grid: features
// move by half a leaf, and by what rounding of entries to 15 bits does to a monomial of degree s.
func gridError(d *design, y []float64) float64 {
	p := d.newQuery()
	p.load(d, y)
	move := 1/(2*float64(d.Leaves)) + float64(d.Degree)/keyScale + 1.0/pointOne
	if d.NoTrees {
		move = float64(d.Degree)/keyScale + 1.0/pointOne
	}
	v := 0.0
	for c, m := range p.mono {
		v += d.basis.bound[c] * d.basis.bound[c] * m * move
	}
	// P_wx is rounded to 20 bits of top; w x^2 to 20 bits.
	return v + d.basis.top*3/pointOne
}

func TestSoftmaxExact(t *testing.T) {
	rng := testkit.Rand(4)
	for _, c := range []struct {
		dim, degree, leaves, n, copies int
		r                              float64
		noTrees                        bool
	}{
		{dim: 1, degree: 2, leaves: 1, n: 1, copies: 1, r: 1},
		{dim: 1, degree: 4, leaves: 500, n: 300, copies: 1, r: 1.5},
		{dim: 4, degree: 4, leaves: 4096, n: 300, copies: 1, r: 1},
		{dim: 3, degree: 3, leaves: 1000, n: 200, copies: 4, r: 0.5},
		{dim: 4, degree: 4, n: 300, copies: 3, r: 1, noTrees: true},
		{dim: 10, degree: 2, leaves: 64, n: 50, copies: 1, r: 0.8},
	} {
		const w = 3.0
		keys, weights := between(rng, c.n*c.dim, 0, c.r), between(rng, c.n, -w, w)
		p := Params{Adjacency: privacy.AddRemove, Leaves: c.leaves, Range: c.r, Weight: w, Dim: c.dim,
			Degree: c.degree, Copies: c.copies, NoTrees: c.noTrees}
		perKey := view(weights, 1)
		x := view(keys, c.dim)
		s := &SoftmaxAdaptive{testkit.Must2(releaseRows(kindAdaptive, p, x, &perKey, nil, budget, noNoise, nil))(t)}
		for range 20 {
			y := between(rng, c.dim, 0, c.r)
			want, mass := 0.0, 0.0
			for i := range c.n {
				logit := 0.0
				for j, v := range y {
					logit += keys[i*c.dim+j] * v / float64(c.dim)
				}
				want += weights[i] * math.Exp(logit)
				mass += math.Abs(weights[i]) * math.Exp(logit)
			}
			got := testkit.Must(s.Sum(y))(t)
			rounding := float64(c.n) * (w*gridError(s.f.d, y) + w/(2*weightOne)*math.Exp(c.r*c.r)*2)
			within(t, fmt.Sprintf("%+v", c), got, want, mass*s.PolynomialError()+rounding)
			// Without the rounding's part, on fine grids, the bound means something.
			if c.leaves >= 1000 && rounding > 0.02*float64(c.n)*w {
				t.Errorf("%+v: the rounding's bound is %v", c, rounding)
			}
		}
	}
}

func attention(keys, values []float64, dim, cols int, q []float64) (out []float64, mass float64) {
	out = make([]float64, cols)
	for i := range len(keys) / dim {
		logit := 0.0
		for j, v := range q {
			logit += keys[i*dim+j] * v / float64(dim)
		}
		w := math.Exp(logit)
		mass += w
		for c := range out {
			out[c] += w * values[i*cols+c]
		}
	}
	for c := range out {
		out[c] /= mass
	}
	return out, mass
}

// TestAttentionExact: within 2 eps_s/(1 - eps_s) R_w of exact attention, beside the grids' part.
func TestAttentionExact(t *testing.T) {
	rng := testkit.Rand(5)
	for _, c := range []struct {
		dim, cols, leaves, n, copies int
		noTrees                      bool
	}{
		{dim: 4, cols: 3, leaves: 2048, n: 500, copies: 1},
		{dim: 1, cols: 1, leaves: 2048, n: 1, copies: 2},
		{dim: 2, cols: 2, leaves: 1, n: 1, copies: 1},
		{dim: 3, cols: 2, n: 400, copies: 3, noTrees: true},
	} {
		const r, w, eps = 1.2, 2.0, 0.02
		keys, values := between(rng, c.n*c.dim, 0, r), between(rng, c.n*c.cols, -w, w)
		p := Params{Adjacency: privacy.Replace, Leaves: c.leaves, Range: r, Weight: w, Dim: c.dim, ValueDim: c.cols,
			RelativeError: eps, Copies: c.copies, NoTrees: c.noTrees}
		b := testkit.Must(NewAttentionBuilder(p))(t)
		other := testkit.Must(NewAttentionBuilder(p))(t)
		cut := c.n / 3
		for _, part := range []struct {
			b      *AttentionBuilder
			lo, hi int
		}{{b, 0, cut}, {other, cut, c.n}} {
			k, v := keys[part.lo*c.dim:part.hi*c.dim], values[part.lo*c.cols:part.hi*c.cols]
			if err := part.b.Add(view(k, c.dim), view(v, c.cols)); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Merge(other); err != nil {
			t.Fatal(err)
		}
		a := testkit.Must(b.release(budget, noNoise, nil))(t)
		if e := a.PolynomialError(); e > eps {
			t.Errorf("eps_s is %v; %v was asked for", e, eps)
		}
		out := make([]float64, c.cols)
		for range 20 {
			q := between(rng, c.dim, 0, r)
			want, mass := attention(keys, values, c.dim, c.cols, q)
			answer := testkit.Must(a.Attend(q, out))(t)
			rounding := float64(c.n)/mass*2*w*gridError(a.f.d, q) + w/weightOne*2
			for i := range out {
				within(t, fmt.Sprintf("%+v", c), out[i], want[i], 2*eps/(1-eps)*w+rounding)
			}
			if c.leaves != 1 {
				within(t, fmt.Sprintf("%+v: lse", c), math.Log(answer.Normaliser), math.Log(mass), 2*eps)
			}
		}
	}
}
