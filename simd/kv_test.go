package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// attention is softmax attention in float64, over the f32 that a KV holds.
type attention struct {
	keys, values [][]float64
	bias         []float64
	kv           *KV
}

func someAttention(r *rand.Rand, cells, dim, cols int) *attention {
	a := &attention{kv: NewKV(cells, dim, cols)}
	for c := range cells {
		key, value, bias := make([]float64, dim), make([]float64, cols), float64(float32(r.NormFloat64()*3))
		for i := range key {
			key[i] = float64(float32(r.NormFloat64() / math.Sqrt(float64(dim))))
		}
		for i := range value {
			value[i] = float64(float32(2*r.Float64() - 1))
		}
		a.kv.Set(c, key, value, bias)
		a.keys, a.values, a.bias = append(a.keys, key), append(a.values, value), append(a.bias, bias)
	}
	return a
}

// of answers one query.
func (a *attention) of(q []float64, scale float64) (out []float64, lse, squares float64) {
	logits, top := slices.Clone(a.bias), math.Inf(-1)
	for c, key := range a.keys {
		for i, k := range key {
			logits[c] += scale * q[i] * k
		}
		top = max(top, logits[c])
	}
	out = make([]float64, len(a.values[0]))
	sum := 0.0
	for c, logit := range logits {
		w := math.Exp(logit - top)
		sum += w
		squares += math.Exp(2 * (logit - a.bias[c] - top))
		for i, v := range a.values[c] {
			out[i] += w * v
		}
	}
	for i := range out {
		out[i] /= sum
	}
	return out, top + math.Log(sum), squares / (sum * sum)
}

// kvAnswer is an answer as Answer gives it.
type kvAnswer struct {
	out          []float64
	lse, squares float64
}

// ask asks all queries at once, the parts in any order, in dirty memory.
func ask(t *KV, queries [][]float64, scale float64, w *KVWork, r *rand.Rand) []kvAnswer {
	w.Begin(t, queries, scale)
	scratch := []*KVScratch{t.NewScratch(), t.NewScratch()}
	for _, s := range scratch {
		for _, memory := range [][]float32{s.weights, s.psi, s.values, s.sums, s.squares, s.largest, w.out, w.top} {
			for i := range memory {
				memory[i] = float32(math.NaN())
			}
		}
	}
	for i, p := range r.Perm(t.Parts()) {
		w.Part(p, scratch[i%2])
	}
	answers := make([]kvAnswer, len(queries))
	for i := range answers {
		a := &answers[i]
		a.out = slices.Repeat([]float64{math.NaN()}, t.cols)
		a.lse, a.squares = w.Answer(i, 1, a.out)
	}
	return answers
}

// Every set of kernels gives attention within 1e-5 (logits of 60 have four times the error), and
// the same bits whatever queries come together and in whatever order the parts are summed. Sizes
// are around those of vectors, tiles and panels.
func TestKVMatchesDefinition(t *testing.T) {
	with(t, func(t *testing.T) {
		type shape struct{ cells, dim, cols int }
		shapes := []shape{
			{1, 1, 1}, {2, 3, 16}, {15, 64, 17}, {16, 63, 15}, {17, 65, 32}, {95, 7, 33}, {96, 8, 64}, {97, 129, 70},
			{256, 64, 64}, {768, 5, 3}, {769, 6, 20}, {1024, 40, 50}, {3000, 17, 9},
		}
		r := rand.New(rand.NewPCG(20, 1))
		for range 12 {
			shapes = append(shapes, shape{1 + r.IntN(70), 1 + r.IntN(70), 1 + r.IntN(70)})
		}
		w := new(KVWork)
		for _, c := range shapes {
			a := someAttention(r, c.cells, c.dim, c.cols)
			for _, scale := range []float64{1, 20} {
				t.Run(fmt.Sprint(c, scale), func(t *testing.T) {
					queries := make([][]float64, MostQueries)
					for i := range queries {
						queries[i] = make([]float64, c.dim)
						for j := range queries[i] {
							queries[i][j] = r.NormFloat64()
						}
					}
					all := ask(a.kv, queries, scale, w, r)
					for i, got := range all {
						out, lse, squares := a.of(queries[i], scale)
						for j, want := range out {
							if e := math.Abs(got.out[j] - want); !(e <= 1e-5*max(1, scale/5)) {
								t.Fatalf("query %d column %d: %v, want %v", i, j, got.out[j], want)
							}
						}
						if e := math.Abs(got.lse - lse); !(e <= 1e-6*(1+math.Abs(lse))) {
							t.Fatalf("query %d: lse %v, want %v", i, got.lse, lse)
						}
						if e := math.Abs(got.squares - squares); !(e <= 5e-5*max(1, scale)*squares) {
							t.Fatalf("query %d: squares %v, want %v", i, got.squares, squares)
						}
					}
					for _, n := range []int{1, 2, 3, 4, 7, few, few + 1, 15, 16, 17, 33, 48, 49, 63} {
						for i, got := range ask(a.kv, queries[64-n:], scale, w, r) {
							want := all[64-n+i]
							if !slices.Equal(got.out, want.out) || got.lse != want.lse || got.squares != want.squares {
								t.Fatalf("query %d of %d: other bits than among %d", i, n, MostQueries)
							}
						}
					}
				})
			}
		}
	})
}

// Logits as large as any that callers admit, biases far apart, and cells that weigh nothing give
// finite answers: those of the largest logits.
func TestKVExtremes(t *testing.T) {
	with(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(20, 2))
		for _, cells := range []int{1, 20, 1000} {
			kv, value := NewKV(cells, 2, 1), []float64{0}
			for c := range cells {
				value[0] = float64(c + 1)
				kv.Set(c, []float64{1 - float64(c)/float64(cells), 0}, value, []float64{-13.9, 27, 0}[c%3])
			}
			for _, scale := range []float64{65536, -65536, 0, 1e-40} {
				for _, a := range ask(kv, slices.Repeat([][]float64{{1, 0}}, 3), scale, new(KVWork), r) {
					if math.IsNaN(a.out[0]) || !(a.out[0] >= 1-1e-6 && a.out[0] <= float64(cells)*(1+1e-6)) ||
						math.IsNaN(a.lse) || math.IsInf(a.lse, 0) || !(a.squares > 0) || math.IsInf(a.squares, 0) {
						t.Fatalf("%d cells, scale %v: %+v", cells, scale, a)
					}
					if scale == 65536 && math.Abs(a.out[0]-1) > 1e-6 && cells < 1000 {
						t.Fatalf("%d cells: the largest logit's value is 1, the answer %v", cells, a.out[0])
					}
				}
			}
		}
	})
}

// The loops over logits do what their twins do, to 3e-7, for every length, anywhere in memory, and
// write nothing beyond. Weights are 0 from noWeight down, and never NaN.
func TestWeightLoops(t *testing.T) {
	with(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(20, 3))
		logits := []float32{0, float32(math.Copysign(0, -1)), -1e-45, -1e-30, -1e-8, noWeight, noWeight - 1e-5,
			noWeight + 1e-5, -87.4, -1e5, -math.MaxFloat32, float32(math.Inf(-1)), -math.Ln2 / 2, -math.Ln2}
		logit := func() float32 {
			if r.IntN(4) == 0 {
				return logits[r.IntN(len(logits))]
			}
			return float32(-r.ExpFloat64() * 15)
		}
		near := func(what string, got, want []float32, relative float64) {
			t.Helper()
			for i, v := range want {
				if e := math.Abs(float64(got[i] - v)); !(e <= relative*math.Abs(float64(v))) {
					t.Fatalf("%s: entry %d is %v, want %v", what, i, got[i], v)
				}
			}
		}
		for _, lanes := range []int{16, 64, 1} {
			for rows := 16; rows <= 112; rows += 16 {
				for offset := range 3 {
					const band = 17
					memory := func(n int, make func() float32) (inner, whole []float32) {
						whole = slices.Repeat([]float32{77}, n+2*band)
						inner = whole[band+offset : band+offset+n]
						for i := range inner {
							inner[i] = make()
						}
						return inner, whole
					}
					positive := func() float32 { return float32(math.Exp(r.NormFloat64() * 5)) }
					largest := []float32{0, 3, -3, 1e5}[r.IntN(4)]
					x, allX := memory(rows*lanes, func() float32 { return largest + logit() })
					inverse, allInverse := memory(rows, positive)
					top, allTop := memory(lanes, func() float32 { return largest })
					sums, allSums := memory(chains*lanes, positive)
					squares, allSquares := memory(chains*lanes, positive)
					wantX, wantSums, wantSquares := slices.Clone(x), slices.Clone(sums), slices.Clone(squares)
					if lanes == 1 {
						active.weighOne(&x[0], &inverse[0], &top[0], &sums[0], &squares[0], rows)
						weighOneGeneric(&wantX[0], &inverse[0], &top[0], &wantSums[0], &wantSquares[0], rows)
					} else {
						active.weigh(&x[0], &inverse[0], &top[0], &sums[0], &squares[0], rows, lanes)
						weighGeneric(&wantX[0], &inverse[0], &top[0], &wantSums[0], &wantSquares[0], rows, lanes)
					}
					near("weights", x, wantX, 3e-7)
					near("sums", sums, wantSums, 2e-6)
					near("squares", squares, wantSquares, 4e-6)
					for _, whole := range [][]float32{allX, allInverse, allTop, allSums, allSquares} {
						for i, v := range whole {
							if (i < band+offset || i >= len(whole)-band+offset) && v != 77 {
								t.Fatalf("%d lanes, %d rows: wrote beyond an end", lanes, rows)
							}
						}
					}
					if lanes == 1 {
						continue
					}
					for i := range x {
						x[i] = float32(r.NormFloat64())
					}
					got, whole := memory(lanes, func() float32 { return float32(r.NormFloat64()) })
					want := slices.Clone(got)
					active.largest(&got[0], &x[0], rows, lanes)
					largestGeneric(&want[0], &x[0], rows, lanes)
					if !slices.Equal(got, want) || whole[band+offset-1] != 77 || whole[band+offset+lanes] != 77 {
						t.Fatalf("largest, %d lanes, %d rows: %v, want %v", lanes, rows, got, want)
					}
				}
			}
		}
	})
}

// The exponential of the kernels is good to 2e-7 of itself.
func TestExponential(t *testing.T) {
	with(t, func(t *testing.T) {
		x, ones, zero := make([]float32, 1<<16), slices.Repeat([]float32{1}, 1<<16), float32(0)
		var sums, squares [chains]float32
		for i := range x {
			x[i] = -59.99 * float32(i) / (1 << 16)
		}
		logits := slices.Clone(x)
		active.weighOne(&x[0], &ones[0], &zero, &sums[0], &squares[0], len(x))
		for i, v := range logits {
			want := math.Exp(float64(v))
			if e := math.Abs(float64(x[i])-want) / want; !(e <= 2e-7) {
				t.Fatalf("exp(%v) is %v, want %v: off by %.3g", v, x[i], want, e)
			}
		}
	})
}

// turn transposes matrices of every size, and writes nothing else.
func TestTurn(t *testing.T) {
	with(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(20, 4))
		for range 300 {
			rows, cols := 1+r.IntN(70), 1+r.IntN(70)
			from, to := cols+r.IntN(3), rows+r.IntN(3)
			src, dst := make([]float32, rows*from), make([]float32, cols*to+vector)
			for i := range src {
				src[i] = float32(1 + i)
			}
			turn(dst, src, rows, cols, to, from)
			for i, v := range dst {
				want := float32(0)
				if i/to < cols && i%to < rows {
					want = src[i%to*from+i/to]
				}
				if v != want {
					t.Fatalf("%d x %d: number %d is %v, want %v", rows, cols, i, v, want)
				}
			}
		}
	})
}

func BenchmarkKV(b *testing.B) {
	defer func(k *kernels) { active = k }(active)
	for _, k := range available() {
		active = k
		for _, c := range []struct{ cells, dim, cols int }{{256, 64, 64}, {1024, 384, 384}, {1024, 384, 10}} {
			for _, n := range []int{1, 64} {
				b.Run(fmt.Sprintf("%s/C%d/d%d/dv%d/%d", k.name, c.cells, c.dim, c.cols, n), func(b *testing.B) {
					r := rand.New(rand.NewPCG(1, 2))
					kv := someAttention(r, c.cells, c.dim, c.cols).kv
					w, s := new(KVWork), kv.NewScratch()
					queries, out := make([][]float64, n), make([]float64, c.cols)
					for i := range queries {
						queries[i] = slices.Repeat([]float64{0.1}, c.dim)
					}
					b.ResetTimer()
					for range b.N {
						w.Begin(kv, queries, 1)
						for p := range kv.Parts() {
							w.Part(p, s)
						}
						for i := range queries {
							w.Answer(i, 1, out)
						}
					}
					macs := float64(b.N*n) * float64(c.cells*(c.dim+c.cols+1))
					b.ReportMetric(macs/b.Elapsed().Seconds()/1e9, "GMAC/s")
				})
			}
		}
	}
}
