package moment

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"dpattn/core/featuremap"
	"dpattn/core/mechanism"
	"dpattn/core/poly"
	"dpattn/core/quant"
	"dpattn/tests/testkit"
)

// table is one head with known rows, its exact sums and a reader's parameters.
type table struct {
	*testMap
	valueDim int
	lambda   int16
	k, v     [][]float64 // what the integers stand for
	sums     []int64
}

const valueBound, queryBound = 4., 2.

func newTable(t testing.TB, kind poly.Kind, dim, degree int, b float64, valueDim, rows int) *table {
	t.Helper()
	tb := &table{testMap: expMap(t, kind, dim, degree, b), valueDim: valueDim}
	tb.lambda = int16(quant.ValueScale * math.Pow(float64(valueDim), -0.25))
	cols := valueDim + 1
	sums := tb.newExact(cols, 1024)
	batch := sums.NewBatch(tb.dim, 1)
	rng := testkit.Rand(uint64(9 + rows))
	grid := quant.Grid{KeyBound: tb.keyBound, ValueBound: valueBound}
	x, u := make([]int16, dim), make([]int16, cols)
	for range rows {
		k, v := inBall(rng, dim, tb.keyBound), inBall(rng, valueDim, valueBound)
		v[0] = math.Abs(v[0]) // so that outputs are not all near 0
		tb.k, tb.v = append(tb.k, slices.Clone(k)), append(tb.v, slices.Clone(v))
		grid.Key(k, x)
		grid.Value(v, u[:valueDim])
		u[valueDim] = tb.lambda
		batch.Set(0, x, u)
		batch.AddTo(sums, 1)
	}
	tb.sums = make([]int64, len(tb.seqs)*cols)
	sums.AddTo(tb.sums)
	return tb
}

// inBall draws a vector of length radius or, half the time, less.
func inBall(rng *rand.Rand, dim int, radius float64) []float64 {
	v, sum := make([]float64, dim), 0.0
	for j := range v {
		v[j] = rng.NormFloat64()
		sum += v[j] * v[j]
	}
	f := radius / math.Sqrt(sum) * (1 - 1e-12)
	if rng.IntN(2) == 0 {
		f *= rng.Float64()
	}
	for j := range v {
		v[j] *= f
	}
	return v
}

func (tb *table) public(sigma float64) Public {
	b := tb.poly.B
	return Public{
		Map: tb.m, Cols: tb.valueDim + 1, ValueBound: valueBound,
		ValueStep: valueBound / quant.ValueScale, Lambda: tb.lambda,
		LogitBound: b, Top: max(tb.poly.At(b), math.Exp(b)), Sigma: sigma, Rows: uint64(len(tb.k)),
	}
}

func newAnswers(n, valueDim int) []mechanism.Answer {
	a := make([]mechanism.Answer, n)
	for i := range a {
		a[i] = mechanism.Answer{Out: make([]float64, valueDim), Stddev: make([]float64, valueDim)}
	}
	return a
}

// exactly is attention with the weights w(scale <q,k>).
func (tb *table) exactly(q []float64, w func(float64) float64) (out []float64, denominator float64) {
	out = make([]float64, tb.valueDim)
	for j, k := range tb.k {
		logit := 0.0
		for i, e := range k {
			logit += tb.scale * q[i] * e
		}
		weight := w(logit)
		denominator += weight
		for c, e := range tb.v[j] {
			out[c] += weight * e
		}
	}
	for c := range out {
		out[c] /= denominator
	}
	return out, denominator
}

// Without noise the answer is attention with the polynomial's weights, up to the rounding to 16
// bits; and attention with exponentials up to the polynomial's relative error besides.
func TestReaderWithoutNoise(t *testing.T) {
	for _, tb := range []*table{
		newTable(t, poly.Minimax, 4, 2, 1, 3, 400), newTable(t, poly.Minimax, 3, 4, 2, 1, 300),
		newTable(t, poly.Taylor, 6, 3, 1, 2, 500),
		newTable(t, poly.Minimax, 1, 8, 4, 5, 50), newTable(t, poly.Minimax, 40, 2, 2, 4, 200),
		newTable(t, poly.Minimax, 5, 3, 2, 2, 1),
	} {
		rng := testkit.Rand(10)
		r := NewReader(tb.public(1), tb.sums)
		if !held(r) {
			t.Fatalf("%s: the state is not held in f64", tb.name)
		}
		for range 40 {
			q := inBall(rng, tb.dim, queryBound)
			a := newAnswers(1, tb.valueDim)
			r.Attend([][]float64{q}, a, 1)
			// Rounding moves a key by 2^-16 B_k a coordinate, a value by 2^-11 B_v, and a feature
			// vector of length 8188 by at most E.
			_, e := tb.errorBounds()
			plus := 0.0
			for t, c := range tb.poly.Coeff {
				plus += math.Abs(c) * math.Pow(tb.poly.B, float64(t))
			}
			out, denominator := tb.exactly(q, tb.poly.At)
			n := float64(len(tb.k))
			slack := 2 * plus * (e/8188 + 3e-4) * n / denominator
			if d := math.Abs(math.Exp(a[0].LSE)-denominator) / denominator; d > slack {
				t.Fatalf("%s: the denominator is %v, want %v", tb.name, math.Exp(a[0].LSE), denominator)
			}
			for c := range out {
				if d := math.Abs(a[0].Out[c] - out[c]); d > 2*valueBound*slack+valueBound/1000 {
					t.Fatalf("%s: out[%d] = %v, want %v", tb.name, c, a[0].Out[c], out[c])
				}
			}
			relative := tb.poly.RelativeError
			out, denominator = tb.exactly(q, math.Exp)
			if d := math.Abs(math.Exp(a[0].LSE)-denominator) / denominator; d > relative+slack {
				t.Fatalf("%s: the denominator is %v, with exponentials %v", tb.name, math.Exp(a[0].LSE), denominator)
			}
			for c := range out {
				if d := math.Abs(a[0].Out[c] - out[c]); d > 2*valueBound*(relative+slack)/(1-relative)+valueBound/1000 {
					t.Fatalf("%s: out[%d] = %v, with exponentials %v", tb.name, c, a[0].Out[c], out[c])
				}
			}
		}
	}
}

// Bounds at the ends of their range, at which powers of a query or of a key's bound leave float64,
// give the answers of bounds of ordinary size.
func TestReaderWithExtremeBounds(t *testing.T) {
	tb := newTable(t, poly.Minimax, 3, 8, 2, 2, 100)
	q := inBall(testkit.Rand(11), 3, queryBound)
	want := newAnswers(1, 2)
	NewReader(tb.public(1), tb.sums).Attend([][]float64{q}, want, 1)
	for _, exponent := range []int{-300, -100, 100, 300} {
		p := tb.public(1)
		unit := math.Ldexp(1, exponent)
		p.Map = featuremap.RestoreMonomials(tb.m.Polynomial(), tb.m.Const, tb.gains(), 3, len(tb.seqs), tb.scale,
			tb.keyBound/unit)
		far := slices.Clone(q)
		for j := range far {
			far[j] *= unit
		}
		got := newAnswers(1, 2)
		NewReader(p, tb.sums).Attend([][]float64{far}, got, 1)
		for c := range got[0].Out {
			if math.Abs(got[0].Out[c]-want[0].Out[c]) > 1e-9 ||
				!(math.Abs(got[0].Stddev[c]/want[0].Stddev[c]-1) < 1e-9) {
				t.Errorf("queries of size 2^%d: out %v +- %v, want %v +- %v", exponent, got[0].Out, got[0].Stddev,
					want[0].Out, want[0].Stddev)
				break
			}
		}
	}
}

// noisy is the state with noise of standard deviation sigma, from a seed: for tests of the public
// side only.
func (tb *table) noisy(rng *rand.Rand, sigma float64) []int64 {
	state := slices.Clone(tb.sums)
	for i := range state {
		state[i] += int64(math.Round(sigma * rng.NormFloat64()))
	}
	return state
}

// The state is held in f32 where that costs at most 1 % of the noise, and the answers then agree
// with those from f64 to that.
func TestReaderPrecisions(t *testing.T) {
	tb := newTable(t, poly.Minimax, 4, 3, 2, 3, 3000)
	rng := testkit.Rand(12)
	sigma := 2e7
	state := tb.noisy(rng, sigma)
	p := tb.public(sigma)
	narrow := NewReader(p, state)
	if held(narrow) {
		t.Fatal("the state is not held in f32")
	}
	p.Sigma = 1e-9
	wide := NewReader(p, state)
	if !held(wide) {
		t.Fatal("the state is not held in f64")
	}
	for range 50 {
		q := [][]float64{inBall(rng, 4, queryBound)}
		a, b := newAnswers(1, 3), newAnswers(1, 3)
		narrow.Attend(q, a, 1)
		wide.Attend(q, b, 1)
		for c := range a[0].Out {
			if d := math.Abs(a[0].Out[c] - b[0].Out[c]); d > 0.02*a[0].Stddev[c] {
				t.Fatalf("f32 gives %v, f64 %v; the noise is %v", a[0].Out, b[0].Out, a[0].Stddev)
			}
		}
	}
	// The most negative integer has no negative: its size counts all the same.
	state[3] = math.MinInt64
	p.Sigma = 1e9
	if r := NewReader(p, state); !held(r) {
		t.Error("a state with -2^63 is held in f32")
	}
}

// The bits of an answer do not depend on threads, on the queries beside it or on its place among
// them.
func TestReaderBits(t *testing.T) {
	tb := newTable(t, poly.Minimax, 21, 3, 2, 5, 20) // 2,024 features: two parts
	rng := testkit.Rand(13)
	for _, sigma := range []float64{1, 1e9} {
		state := tb.noisy(rng, sigma)
		r := NewReader(tb.public(sigma), state)
		if tb.m.Map.NewTable(state, r.Cols, 0.01*sigma).Parts() < 2 {
			t.Fatal("this map has but one part")
		}
		queries := make([][]float64, mechanism.Block)
		for i := range queries {
			queries[i] = inBall(rng, tb.dim, queryBound)
		}
		want := newAnswers(mechanism.Block, tb.valueDim)
		for i := range queries {
			r.Attend(queries[i:i+1], want[i:i+1], 1)
		}
		for _, threads := range []int{0, 1, 2, 3, 8} {
			for trial := range 6 {
				order := rng.Perm(mechanism.Block)[:1+rng.IntN(mechanism.Block)]
				if trial == 0 {
					order = rng.Perm(mechanism.Block)
				}
				some := make([][]float64, len(order))
				for i, o := range order {
					some[i] = queries[o]
				}
				got := newAnswers(len(order), tb.valueDim)
				if trial == 1 {
					got[0].Stddev = nil
				}
				r.Attend(some, got, threads)
				for i, o := range order {
					if !slices.Equal(got[i].Out, want[o].Out) || got[i].LSE != want[o].LSE ||
						got[i].Stddev != nil && !slices.Equal(got[i].Stddev, want[o].Stddev) {
						t.Fatalf("%d threads, %d queries: the answer to query %d is %v, alone %v", threads, len(order),
							o, got[i], want[o])
					}
				}
			}
		}
	}
}

// Whatever the noise, the denominator stays in [n e^-b, n Top] and the output in the ball of
// values. n is the public number of rows, or the noisy count, but at least 1.
func TestReaderClamps(t *testing.T) {
	tb := newTable(t, poly.Minimax, 3, 2, 2, 3, 40)
	rng := testkit.Rand(14)
	low, high, projected := 0, 0, 0
	for range 300 {
		sigma := math.Exp(30 * rng.Float64())
		state := tb.noisy(rng, sigma)
		p := tb.public(sigma)
		n := float64(p.Rows)
		if rng.IntN(2) == 0 {
			p.Rows = 0
			n = max(1, float64(state[p.Cols-1])/(float64(tb.m.Const)*float64(tb.lambda)))
		}
		a := newAnswers(1, 3)
		NewReader(p, state).Attend([][]float64{inBall(rng, 3, queryBound)}, a, 1)
		least, most := n*math.Exp(-2), n*p.Top
		if d := math.Exp(a[0].LSE); !(d >= least*(1-1e-12) && d <= most*(1+1e-12)) {
			t.Fatalf("denominator %v is outside %v .. %v", d, least, most)
		} else if d <= least*(1+1e-12) {
			low++
		} else if d >= most*(1-1e-12) {
			high++
		}
		norm := math.Sqrt(a[0].Out[0]*a[0].Out[0] + a[0].Out[1]*a[0].Out[1] + a[0].Out[2]*a[0].Out[2])
		if !(norm <= valueBound*(1+1e-12)) {
			t.Fatalf("out %v is longer than %v", a[0].Out, valueBound)
		}
		if norm > valueBound*(1-1e-12) {
			projected++
		}
		for _, s := range a[0].Stddev {
			if !(s > 0) || math.IsInf(s, 1) {
				t.Fatalf("stddev %v", a[0].Stddev)
			}
		}
	}
	if low < 10 || high < 10 || projected < 10 {
		t.Errorf("%d low, %d high, %d projected: the test tests too little", low, high, projected)
	}
}

// The predicted standard deviation is that of the answers over many draws of the noise.
//
// Sample size N = 20,000 draws. (N-1) var/predicted^2 is chi-square with N-1 degrees of freedom; at
// false-alarm chance 1e-8 for each of 12 checks (together below 1e-6) its relative deviation is at
// most 5.73 sqrt(2/N) = 5.8 %, and the first-order formula adds less than 0.5 % at a noise of 3 %
// of the denominator: 6.5 % on the variance. The mean is within 5.73/sqrt(N) = 4.1 % of a standard
// deviation, plus its second-order bias, below 3 % of that deviation times |out|/(lambda in
// values): 10 %.
func TestReaderStddev(t *testing.T) {
	const n = 20000
	tb := newTable(t, poly.Minimax, 3, 2, 1, 2, 500)
	rng := testkit.Rand(15)
	q := [][]float64{inBall(rng, 3, queryBound), {0, 0, 0}, inBall(rng, 3, queryBound)}
	exact := newAnswers(3, 2)
	NewReader(tb.public(1), tb.sums).Attend(q, exact, 1)
	for i := range exact {
		// Noise of 3 % of the denominator, or a little less.
		perSigma := exact[i].Stddev[0] / (valueBound / quant.ValueScale) // at least |psi|/denominator
		sigma := 0.03 * float64(tb.lambda) / perSigma
		p := tb.public(sigma)
		predicted := newAnswers(1, 2)
		NewReader(p, tb.sums).Attend(q[i:i+1], predicted, 1)
		var sum, squares [2]float64
		a := newAnswers(1, 2)
		for range n {
			NewReader(p, tb.noisy(rng, sigma)).Attend(q[i:i+1], a, 1)
			for c, o := range a[0].Out {
				d := o - exact[i].Out[c]
				sum[c] += d
				squares[c] += d * d
			}
		}
		for c := range sum {
			mean := sum[c] / n
			variance := (squares[c] - n*mean*mean) / (n - 1)
			want := predicted[0].Stddev[c]
			t.Logf("query %d, column %d: std %v, predicted %v, mean error %v", i, c, math.Sqrt(variance), want, mean)
			if math.Abs(variance/want/want-1) > 0.065 {
				t.Errorf("query %d, column %d: the standard deviation is %v, predicted %v", i, c, math.Sqrt(variance),
					want)
			}
			if math.Abs(mean) > 0.1*want {
				t.Errorf("query %d, column %d: the mean is off by %v, at a standard deviation of %v", i, c, mean, want)
			}
		}
	}
}

// Readers serve many goroutines at once.
func TestReaderIsConcurrent(t *testing.T) {
	tb := newTable(t, poly.Minimax, 4, 2, 1, 2, 50)
	r := NewReader(tb.public(1), tb.sums)
	q := [][]float64{{0.1, 0.2, -0.3, 0.4}, {1, -1, 0, 0}}
	want := newAnswers(2, 2)
	r.Attend(q, want, 1)
	done := make(chan error)
	for range 8 {
		go func() {
			var err error
			for range 50 {
				got := newAnswers(2, 2)
				if r.Attend(q, got, 2); !slices.Equal(got[1].Out, want[1].Out) {
					err = fmt.Errorf("%v, want %v", got[1].Out, want[1].Out)
				}
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// held reports whether the state is held in f64.
func held(r *Reader) bool {
	wide := fmt.Sprintf("%T", r.table) == "*featuremap.wideTable"
	return wide
}
