package moment

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"dpattn/core/internal/parallel"
	"dpattn/core/poly"
	"dpattn/simd"
	"dpattn/tests/testkit"
)

// someRows draws n admitted rows.
func (tm *testMap) someRows(rng *rand.Rand, n, cols int) (x, u []int16) {
	x, u = make([]int16, n*tm.dim), make([]int16, n*cols)
	for i := range n {
		tm.admitted(rng, x[i*tm.dim:(i+1)*tm.dim])
		v := u[i*cols : (i+1)*cols]
		direction(rng, v[:cols-1], 1000)
		v[cols-1] = 700
		if i%10 == 3 {
			clear(v) // a bad row
		}
	}
	return x, u
}

// sum adds n rows, chunk by chunk as long as there are chunks, to fresh sums and returns them in
// canonical order.
func (tm *testMap) sum(x, u []int16, n, cols int, chunks ...int) []int64 {
	sums := tm.newExact(cols, 1000)
	batch := sums.NewBatch(tm.dim, n)
	for lo := 0; lo < n; {
		hi := min(n, lo+batch.Capacity())
		if len(chunks) > 0 {
			hi, chunks = min(hi, lo+chunks[0]), chunks[1:]
		}
		for i := lo; i < hi; i++ {
			batch.Set(i-lo, slices.Clone(x[i*tm.dim:(i+1)*tm.dim]), u[i*cols:(i+1)*cols])
		}
		batch.AddTo(sums, hi-lo)
		lo = hi
	}
	out := make([]int64, len(tm.seqs)*cols)
	sums.AddTo(out)
	return out
}

// The sums are exactly sum phi (x) u, the same bits for 1, 2, 3 and 8 threads, in any order and in
// any chunks.
func TestSumsDoNotDependOnOrderOrThreads(t *testing.T) {
	rng := testkit.Rand(5)
	const n, cols = 101, 4
	defer parallel.SetThreads(0)
	for _, tm := range []*testMap{expMap(t, poly.Minimax, 6, 3, 2), expMap(t, poly.Minimax, 1, 1, 1),
		expMap(t, poly.Taylor, 30, 2, 1), rawMap("largest", 3, 8192, 8192, 11585, 14188)} {
		x, u := tm.someRows(rng, n, cols)
		want := make([]int64, len(tm.seqs)*cols)
		for j := range n {
			phi, _ := tm.phi(x[j*tm.dim : (j+1)*tm.dim])
			for i, p := range phi {
				for c := range cols {
					want[i*cols+c] += int64(p) * int64(u[j*cols+c])
				}
			}
		}
		for _, threads := range []int{1, 2, 3, 8} {
			parallel.SetThreads(threads)
			for trial := range testkit.Size(5, 50) {
				order := rng.Perm(n)
				px, pu := make([]int16, 0, len(x)), make([]int16, 0, len(u))
				for _, j := range order {
					px = append(px, x[j*tm.dim:(j+1)*tm.dim]...)
					pu = append(pu, u[j*cols:(j+1)*cols]...)
				}
				if got := tm.sum(px, pu, n, cols, rng.IntN(40), rng.IntN(40), rng.IntN(40)); !slices.Equal(got, want) {
					t.Fatalf("%s, %d threads, trial %d: the sums differ", tm.name, threads, trial)
				}
			}
		}
	}
}

// Promise 2, before the noise: one row moves the state by exactly its contribution.
func TestOneRowMovesTheStateByItsContribution(t *testing.T) {
	rng := testkit.Rand(6)
	const cols = 3
	tm := expMap(t, poly.Minimax, 5, 2, 2)
	for range testkit.Size(200, 100000) {
		n := 1 + rng.IntN(20)
		x, u := tm.someRows(rng, n, cols)
		with, without := tm.sum(x, u, n, cols), tm.sum(x[tm.dim:], u[cols:], n-1, cols)
		phi, _ := tm.phi(x[:tm.dim])
		for i := range with {
			if with[i]-without[i] != int64(phi[i/cols])*int64(u[i%cols]) {
				t.Fatalf("%d rows: entry %d moved by %d", n, i, with[i]-without[i])
			}
		}
	}
}

// Add and Set are element by element, in whatever order the sums lie.
func TestAddAndSet(t *testing.T) {
	rng := testkit.Rand(7)
	defer parallel.SetThreads(0)
	const cols = 3
	for _, tm := range []*testMap{expMap(t, poly.Minimax, 1, 1, 1), expMap(t, poly.Minimax, 40, 2, 1),
		expMap(t, poly.Minimax, 7, 4, 1)} {
		for _, threads := range []int{1, 2, 5} {
			parallel.SetThreads(threads)
			n := len(tm.seqs) * cols
			a, b, got := make([]int64, n), make([]int64, n), make([]int64, n)
			for i := range a {
				a[i], b[i] = int64(rng.Uint64()), int64(rng.Uint64()) // sums wrap
			}
			x := tm.newExact(cols, 1)
			y := x.Empty()
			x.Set(a)
			y.Set(b)
			x.Add(y)
			y.Wipe()
			x.AddTo(got)
			y.AddTo(got)
			for i := range got {
				if got[i] != int64(uint64(a[i])+uint64(b[i])) {
					t.Fatalf("%s: entry %d", tm.name, i)
				}
			}
		}
	}
}

// Nothing of a key is left in a batch that was wiped, in its mender either.
func TestBatchWipe(t *testing.T) {
	tm := rawMap("heavy", 3, 2000, 8192, 11585, 14188)
	sums := tm.newExact(2, 1000)
	in := sums.NewBatch(tm.dim, 40)
	long := []int16{32767, 1, 1} // over the norm that this map's gate admits
	if in.Set(0, long, []int16{1000, 700}); in.AddTo(sums, 1) != 1 || in.mend == nil {
		t.Fatal("the row met no gate: this test sees nothing")
	}
	same := reflect.DeepEqual
	fresh := sums.NewBatch(tm.dim, 40)
	if same(in.packed, fresh.packed) || same(in.mend.gate, tm.m.NewGate()) {
		t.Fatal("the row left nothing: this test sees nothing")
	}
	in.Wipe()
	other := in.layout.NewBatch(mendRows)
	if !same(in.packed, fresh.packed) || !same(in.mend.packed, other) || !same(in.mend.gate, tm.m.NewGate()) ||
		!same(in.workers[0], fresh.workers[0]) || !same(in.mend.worker, other.NewWorker()) ||
		simd.Norm2(in.mend.x)+simd.Norm2(in.mend.y)+simd.Norm2(in.mend.u) != 0 {
		t.Error("something is left after Wipe")
	}
}

// Goroutines write disjoint entries: the race detector watches this one.
func TestAddUnderRaceDetector(t *testing.T) {
	defer parallel.SetThreads(0)
	parallel.SetThreads(8)
	tm := expMap(t, poly.Minimax, 20, 2, 1)
	x, u := tm.someRows(testkit.Rand(8), 64, 2)
	if slices.Max(tm.sum(x, u, 64, 2)) == 0 {
		t.Error("nothing was added")
	}
}
