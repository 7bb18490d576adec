//go:build unix

package simd

import (
	"math"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"unsafe"
)

// fenced returns count numbers of any content that end where the process may not read: a kernel
// that goes beyond crashes. What lies before them is watched when the test ends.
func fenced[T int16 | int32 | uint32 | int64](t *testing.T, count int) []T {
	page := syscall.Getpagesize()
	size := count * int(unsafe.Sizeof(T(0)))
	whole := (size+page-1)/page*page + page
	const access, kind = syscall.PROT_READ | syscall.PROT_WRITE, syscall.MAP_ANON | syscall.MAP_PRIVATE
	memory, err := syscall.Mmap(-1, 0, whole+page, access, kind)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mprotect(memory[whole:], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	for i := range memory[:whole] {
		memory[i] = 0x5a
	}
	t.Cleanup(func() {
		for _, b := range memory[:whole-size] {
			if b != 0x5a {
				t.Error("wrote before the beginning of an array")
				break
			}
		}
		if err := syscall.Munmap(memory); err != nil {
			t.Error(err)
		}
	})
	return unsafe.Slice((*T)(unsafe.Pointer(&memory[whole-size])), count)
}

// Kinds of numbers.
var fills = map[string]func(r *rand.Rand, limit int) int16{
	"random":  func(r *rand.Rand, limit int) int16 { return int16(r.IntN(2*limit+1) - limit) },
	"largest": func(r *rand.Rand, limit int) int16 { return int16(limit) },
	"least":   func(r *rand.Rand, limit int) int16 { return int16(-limit) },
	"edges": func(r *rand.Rand, limit int) int16 {
		return int16([]int{-limit, -limit + 1, -1, 0, 1, limit / 2, limit - 1, limit}[r.IntN(8)])
	},
}

func filled(t *testing.T, fill func(*rand.Rand, int) int16, r *rand.Rand, count, limit int) []int16 {
	s := fenced[int16](t, count)
	for i := range s {
		s[i] = fill(r, limit)
	}
	return s
}

// eachFill runs a test for every set of kernels and every kind of numbers.
func eachFill(t *testing.T, test func(t *testing.T, r *rand.Rand, fill func(*rand.Rand, int) int16)) {
	with(t, func(t *testing.T) {
		for name, fill := range fills {
			t.Run(name, func(t *testing.T) { test(t, rand.New(rand.NewPCG(3, 1)), fill) })
		}
	})
}

func TestScaleKernel(t *testing.T) {
	eachFill(t, func(t *testing.T, r *rand.Rand, fill func(*rand.Rand, int) int16) {
		for _, n := range []int{2 * step, 6 * step, share} {
			const rows = 3
			stride := n + r.IntN(40)
			count := (rows-1)*stride + n
			src, got := filled(t, fill, r, count, 32767), fenced[int16](t, count)
			want := slices.Clone(got)
			for range 200 {
				gain := int16(r.IntN(32768))
				scaleGeneric(&want[0], &src[0], gain, rows, 2*stride, n)
				active.scale(&got[0], &src[0], gain, rows, 2*stride, n)
				if !slices.Equal(got, want) {
					t.Fatalf("gain %d, %v: got %v, want %v", gain, src, got, want)
				}
			}
			copy(got, src)
			copy(want, src)
			scaleGeneric(&want[0], &src[0], 32767, rows, 2*stride, n)
			active.scale(&got[0], &got[0], 32767, rows, 2*stride, n)
			if !slices.Equal(got, want) {
				t.Fatal("wrong in place")
			}
		}
	})
}

func TestLiftKernel(t *testing.T) {
	eachFill(t, func(t *testing.T, r *rand.Rand, fill func(*rand.Rand, int) int16) {
		m := someMap(1, MaxDegree)
		for _, n := range []int{2 * step, 6 * step, share} {
			const rows = 5
			stride := n + r.IntN(40)
			count := (rows-1)*stride + n
			f, x, got := filled(t, fill, r, count, 32767), filled(t, fill, r, count, 32767), fenced[int16](t, count)
			want := slices.Clone(got)
			for degree := 2; degree <= MaxDegree; degree++ {
				nodes := make([]node, rows)
				for i := range nodes {
					parent, last, run := r.IntN(rows), r.IntN(rows), 1+r.IntN(degree)
					nodes[i] = node{parent: int32(parent), last: int32(last), run: int32(run), child: -1}
				}
				liftGeneric(&want[0], &f[0], &x[0], words(nodes), &m.lift[degree][0], rows, 2*stride, n)
				active.lift(&got[0], &f[0], &x[0], words(nodes), &m.lift[degree][0], rows, 2*stride, n)
				if !slices.Equal(got, want) {
					t.Fatalf("degree %d, %v, %v, %v: got %v, want %v", degree, nodes, f, x, got, want)
				}
			}
		}
	})
}

func TestPackKernel(t *testing.T) {
	eachFill(t, func(t *testing.T, r *rand.Rand, fill func(*rand.Rand, int) int16) {
		for dim := 1; dim <= 70; dim++ {
			stride := 2*step + r.IntN(20)
			src, got := filled(t, fill, r, 2*step*dim, 32767), fenced[int16](t, (dim-1)*stride+2*step)
			want := slices.Clone(got)
			packGeneric(&want[0], &src[0], dim, 2*dim, 2*stride)
			active.packAll(&got[0], &src[0], dim, 2*stride)
			if !slices.Equal(got, want) {
				t.Fatalf("%d dimensions: got %v, want %v", dim, got, want)
			}
		}
	})
}

func TestGenKernel(t *testing.T) {
	eachFill(t, func(t *testing.T, r *rand.Rand, fill func(*rand.Rand, int) int16) {
		for _, pairs := range []int{step, 3 * step, strip} {
			const rows = 5
			f, g := filled(t, fill, r, rows*2*pairs, 32767), filled(t, fill, r, rows*2*pairs, 32767)
			var at [2 * step]int
			for i := range at {
				at[i] = 4 * pairs * r.IntN(rows)
			}
			got, gotNorms := fenced[int32](t, (pairs-1)*Lanes+step), fenced[uint32](t, 2*pairs)
			want, wantNorms := slices.Clone(got), slices.Clone(gotNorms)
			genGeneric(&want[0], &at, &f[0], &g[0], pairs, &wantNorms[0])
			active.gen(&got[0], &at, &f[0], &g[0], pairs, &gotNorms[0])
			if !slices.Equal(got, want) {
				t.Fatalf("%d pairs: wrong features, or wrote between them", pairs)
			}
			if !slices.Equal(gotNorms, wantNorms) {
				t.Fatalf("%d pairs: norms %v, want %v", pairs, gotNorms, wantNorms)
			}
		}
	})
}

func TestTileKernels(t *testing.T) {
	eachFill(t, func(t *testing.T, r *rand.Rand, fill func(*rand.Rand, int) int16) {
		for w := 1; w <= active.cols(); w++ {
			for _, pairs := range []int{1, 2, 3, 16, 29, strip} {
				// 2*256*8192*511 is the most that 32 bits hold.
				panel, u := filled(t, fill, r, 2*pairs*Lanes, MaxWeight), filled(t, fill, r, 2*pairs*w, 511)
				got := fenced[int64](t, w*Lanes)
				want := slices.Clone(got)
				for range 2 {
					tileGeneric(w, &want[0], (*int32)(unsafe.Pointer(&panel[0])), &u[0], pairs)
					active.tiles[w](&got[0], (*int32)(unsafe.Pointer(&panel[0])), &u[0], pairs)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("width %d, %d pairs: got %v, want %v", w, pairs, got, want)
				}
			}
		}
	})
}

func TestNearestKernel(t *testing.T) {
	with(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 2))
		rows := active.cols()
		for _, pairs := range []int{1, 2, 3, 32, 200} {
			limit := int(math.Sqrt(float64(1<<29) / float64(pairs)))
			for name, fill := range fills {
				best, keys := fenced[int64](t, rows*8), fenced[int64](t, Lanes)
				panel := filled(t, fill, r, 2*pairs*Lanes, limit)
				stride := 2*pairs + r.IntN(40)
				u := filled(t, fill, r, (rows-1)*stride+2*pairs, limit)
				for i := range keys {
					keys[i] = []int64{math.MinInt64, 1<<31 - 1, -r.Int64N(1 << 61), 1 - 1<<61}[r.IntN(4)]
				}
				for i := range best {
					best[i] = []int64{math.MinInt64, r.Int64N(1<<63-1) - 1<<62}[r.IntN(2)]
				}
				want, words := slices.Clone(best), (*int32)(unsafe.Pointer(&panel[0]))
				nearestRows(rows, &want[0], &keys[0], words, &u[0], pairs, 2*stride)
				active.nearest(&best[0], &keys[0], words, &u[0], pairs, 2*stride)
				if !slices.Equal(best, want) {
					t.Fatalf("%s, %d pairs: got %v, want %v", name, pairs, best, want)
				}
			}
		}
	})
}
