package main

import (
	"math"

	"dpattn/core/dptree"
	"dpattn/core/privacy"
)

// point is one measurement on a line: the figures by name at x.
type point struct {
	X      float64            `json:"x"`
	Values map[string]float64 `json:"values"`
}

// line is how figures grow with one quantity, with the rest fixed.
type line struct {
	Name   string         `json:"name"`
	Axis   string         `json:"axis"`
	Fixed  string         `json:"fixed"`
	Points []point        `json:"points"`
	Fits   map[string]fit `json:"fits"`
}

// fit is the straight line through the logarithms.
type fit struct {
	Slope float64 `json:"slope"`
	R2    float64 `json:"r2"`
}

// fitted fits every figure of the points.
func (l line) fitted() line {
	l.Fits = map[string]fit{}
	for name := range l.Points[0].Values {
		var sx, sy, sxx, sxy, syy float64
		n := float64(len(l.Points))
		for _, p := range l.Points {
			x, y := math.Log(p.X), math.Log(p.Values[name])
			sx, sy, sxx, sxy, syy = sx+x, sy+y, sxx+x*x, sxy+x*y, syy+y*y
		}
		cov, vx, vy := sxy-sx*sy/n, sxx-sx*sx/n, syy-sy*sy/n
		f := fit{Slope: cov / vx, R2: 1}
		if vy > 1e-12 {
			f.R2 = cov * cov / (vx * vy)
		}
		l.Fits[name] = f
	}
	return l
}

// made is a structure of rows x and its processor time.
func made(p dptree.Params, x *rows, b privacy.Budget) (*dptree.CrossAttention, float64) {
	var t *dptree.CrossAttention
	seconds := timed(func() {
		t = nil // two at a time might not fit
		t = once(p, x, b)
	})
	return t, seconds
}

// cost measures space, time to make and time to ask.
func cost(p dptree.Params, x *rows) map[string]float64 {
	t, init := made(p, x, budget)
	sums := make([]float64, p.ValueDim+1)
	ask := func(i int) {
		_, err := t.Sums(x.queries[i*x.d:(i+1)*x.d], sums)
		check(err)
	}
	query := timed(func() {
		for i := range queries {
			ask(i)
		}
	})
	again := timed(func() {
		for range queries {
			ask(0)
		}
	})
	e, err := dptree.Estimate(p, budget)
	check(err)
	return map[string]float64{
		"bytes": float64(t.Bytes()), "init_seconds": init, "query_us": 1e6 * query / queries,
		"query_again_us": 1e6 * again / queries, "query_reads": float64(e.QueryNodes),
	}
}

func base(d, dv, s, n, copies int) dptree.Params {
	return dptree.Params{
		Adjacency: privacy.AddRemove, Rows: n, Dim: d, ValueDim: dv,
		Range: 1, Weight: 1, Degree: s, Copies: copies,
	}
}

// scaling measures the paper's claims about space and time.
func scaling(quick bool) []line {
	cut := func(list []int) []int {
		if quick {
			return list[:3]
		}
		return list
	}
	var lines []line
	n := line{Name: "n", Axis: "rows n, as many leaves", Fixed: "key_dim 2, s = 3 (r = 10), one value column, 4 copies"}
	for _, v := range cut([]int{4096, 8192, 16384, 32768, 65536, 131072}) {
		note("scaling in n: %d", v)
		n.Points = append(n.Points, point{float64(v), cost(base(2, 1, 3, v, 4), makeRows(v, 2, 1, 1, 1))})
	}
	d := line{Name: "d", Axis: "columns, value_dim + 1", Fixed: "key_dim 2, s = 3 (r = 10), n = 16,384, 2 copies"}
	for _, v := range cut([]int{1, 3, 7, 15}) {
		note("scaling in d: %d", v)
		d.Points = append(d.Points, point{float64(v + 1), cost(base(2, v, 3, 16384, 2), makeRows(16384, 2, v, 1, 1))})
	}
	r := line{Name: "r", Axis: "features r, copies = r", Fixed: "s = 2, key_dim 4 to 12, one value column, n = 512"}
	for _, v := range cut([]int{4, 6, 8, 10, 12}) {
		features := (v + 2) * (v + 1) / 2
		note("scaling in r: %d", features)
		costs := cost(base(v, 1, 2, 512, features), makeRows(512, v, 1, 1, 1))
		r.Points = append(r.Points, point{float64(features), costs})
	}
	log := line{Name: "log n", Axis: "levels of a tree, log2(N) + 1", Fixed: n.Fixed}
	for _, p := range n.Points {
		log.Points = append(log.Points, point{math.Log2(p.X) + 1, map[string]float64{
			"query_again_us": p.Values["query_again_us"], "query_reads": p.Values["query_reads"],
		}})
	}
	for _, l := range []line{n, d, r, log} {
		lines = append(lines, l.fitted())
	}
	return lines
}

// noise measures the additive error of numerators before anything is projected, over n: the root
// mean square of their distance from exact attention's. predicted is the estimator's standard
// deviation, at the largest query.
func noise(p dptree.Params, x *rows, b privacy.Budget, releases int) map[string]float64 {
	squares := 0.0
	sums := make([]float64, p.ValueDim+1)
	for range releases {
		t := once(p, x, b)
		for i := range queries {
			_, err := t.Sums(x.queries[i*x.d:(i+1)*x.d], sums)
			check(err)
			for c, exact := range x.sums[i*x.dv : (i+1)*x.dv] {
				e := (sums[c] - exact) / float64(x.n)
				squares += e * e / float64(queries*releases*x.dv)
			}
		}
	}
	e, err := dptree.Estimate(p, b)
	check(err)
	return map[string]float64{"measured": math.Sqrt(squares), "predicted": e.OutputStddev}
}

// once makes a structure of rows x.
func once(p dptree.Params, x *rows, b privacy.Budget) *dptree.CrossAttention {
	builder, err := dptree.NewAttentionBuilder(p)
	check(err)
	check(builder.Add(x.keyView(), x.valueView()))
	t, err := builder.Release(b, nil)
	check(err)
	return t
}

// errors measures the additive error against n, epsilon, R and r.
func errors(quick bool) []line {
	releases := 40 // one release has little noise of its own: all queries share most nodes
	if quick {
		releases = 4
	}
	var lines []line
	n := line{Name: "n", Axis: "rows n, as many leaves", Fixed: "d = 2, s = 2 (r = 6), one copy, epsilon 1, R = 1"}
	for _, v := range []int{512, 1024, 2048, 4096, 8192, 16384, 32768} {
		note("error in n: %d", v)
		errors := noise(base(2, 1, 2, v, 1), makeRows(v, 2, 1, 1, 1), budget, releases)
		n.Points = append(n.Points, point{float64(v), errors})
	}
	eps := line{Name: "epsilon", Axis: "epsilon", Fixed: "d = 2, s = 2 (r = 6), one copy, n = 4,096, R = 1"}
	x := makeRows(4096, 2, 1, 1, 1)
	for _, v := range []float64{0.125, 0.25, 0.5, 1, 2, 4} {
		note("error in epsilon: %v", v)
		errors := noise(base(2, 1, 2, 4096, 1), x, privacy.Budget{Epsilon: v, Delta: budget.Delta}, releases)
		eps.Points = append(eps.Points, point{v, errors})
	}
	big := line{Name: "R", Axis: "range R", Fixed: "d = 2, s = 2 (r = 6), one copy, n = 4,096, epsilon 1"}
	for _, v := range []float64{2, 2.5, 3, 4, 5, 6, 8} {
		note("error in R: %v", v)
		p := base(2, 1, 2, 4096, 1)
		p.Range = v
		errors := onlyNoise(p, privacy.Budget{Epsilon: 1, Delta: budget.Delta}, v, releases)
		big.Points = append(big.Points, point{v, errors})
	}
	one := line{
		Name: "r, one copy", Axis: "features r",
		Fixed: "s = 2, key_dim 2 to 12, one copy, n = 512, epsilon 1, R = 1",
	}
	all := line{
		Name: "r, r copies", Axis: "features r, copies = r",
		Fixed: "s = 2, key_dim 2 to 12, n = 512, epsilon 1, R = 1",
	}
	for _, v := range []int{2, 4, 6, 8, 10, 12} {
		features := (v + 2) * (v + 1) / 2
		note("error in r: %d", features)
		rows := makeRows(512, v, 1, 1, 1)
		alone := noise(base(v, 1, 2, 512, 1), rows, budget, releases)
		together := noise(base(v, 1, 2, 512, features), rows, budget, max(1, releases/(1+features/8)))
		one.Points = append(one.Points, point{float64(features), alone})
		all.Points = append(all.Points, point{float64(features), together})
	}
	for _, l := range []line{n, eps, big, one, all} {
		lines = append(lines, l.fitted())
	}
	return lines
}

// onlyNoise is noise where the polynomial may be far from exp: with values of 0 every exact
// numerator is 0.
func onlyNoise(p dptree.Params, b privacy.Budget, r float64, releases int) map[string]float64 {
	x := makeRows(p.Rows, p.Dim, p.ValueDim, r, 1)
	clear(x.values)
	x.exact()
	return noise(p, x, b, releases)
}
