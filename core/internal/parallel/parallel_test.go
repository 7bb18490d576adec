package parallel

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Each index is given to exactly one task, by a worker below min(n, threads), and no worker runs
// two tasks at once: scratch memory is by worker, written here without a lock so that the race
// detector sees a second user.
func TestEachIndexOnce(t *testing.T) {
	for _, threads := range []int{-1, 0, 1, 2, 3, 8, 64} {
		for _, n := range []int{0, 1, 2, 3, 7, 8, 1000} {
			t.Run(fmt.Sprintf("threads %d, n %d", threads, n), func(t *testing.T) {
				seen := make([]atomic.Int32, n)
				workers := max(1, min(n, threads))
				scratch := make([]int, workers)
				DoN(threads, n, func(worker, i int) {
					seen[i].Add(1)
					scratch[worker]++
				})
				total := 0
				for _, s := range scratch {
					total += s
				}
				for i := range seen {
					if c := seen[i].Load(); c != 1 {
						t.Errorf("index %d was done %d times", i, c)
					}
				}
				if total != n {
					t.Errorf("%d tasks, want %d", total, n)
				}
			})
		}
	}
}

// DoN does use as many goroutines as it may: tasks that wait for each other all start.
func TestTasksRunAtOnce(t *testing.T) {
	const n = 5
	var wait sync.WaitGroup
	wait.Add(n)
	DoN(n, n, func(_, _ int) {
		wait.Done()
		wait.Wait()
	})
}

// A panic of any task reaches the caller, with its value, after all goroutines have ended.
func TestPanic(t *testing.T) {
	cause := errors.New("a bug")
	for _, threads := range []int{1, 2, 8} {
		for _, at := range []int{0, 5, 99} {
			var running atomic.Int32
			func() {
				defer func() {
					if r := recover(); r != cause {
						t.Errorf("%d threads, task %d: recovered %v", threads, at, r)
					}
					if n := running.Load(); n != 0 {
						t.Errorf("%d threads, task %d: %d tasks still run", threads, at, n)
					}
				}()
				DoN(threads, 100, func(_, i int) {
					running.Add(1)
					defer running.Add(-1)
					if i == at {
						panic(cause)
					}
					runtime.Gosched()
				})
				t.Error("no panic")
			}()
		}
	}
	// nil is a value too.
	defer func() {
		if recover() == nil {
			t.Error("panic(nil) was lost")
		}
	}()
	DoN(4, 4, func(_, _ int) { panic(nil) })
}

// Many callers at once, with calls of every length: helpers that come late, or not at all, or
// sleep, and jobs that are used again must not mix up indices or workers.
func TestConcurrentCalls(t *testing.T) {
	var callers sync.WaitGroup
	for caller := range 6 {
		callers.Go(func() {
			for call := range 400 {
				threads, n := 2+(caller+call)%4, 1+call%23
				do := DoN
				if call%2 == 1 {
					do = Near
				}
				seen, scratch := make([]int, n), make([]int, threads)
				do(threads, n, func(worker, i int) {
					seen[i]++
					scratch[worker]++
					for range call % 7 {
						runtime.Gosched()
					}
				})
				total := 0
				for _, s := range scratch {
					total += s
				}
				if total != n || slices.ContainsFunc(seen, func(c int) bool { return c != 1 }) {
					t.Errorf("%d threads: tasks done %v times, %v by each worker", threads, seen, scratch)
				}
				if call%100 == 0 {
					time.Sleep(3 * patience) // helpers fall asleep
				}
			}
		})
	}
	callers.Wait()
}

// A call allocates nothing, whoever helps.
func TestNoAllocations(t *testing.T) {
	var done atomic.Int64
	task := func(_, i int) { done.Add(int64(i)) }
	if n := testing.AllocsPerRun(200, func() { DoN(3, 10, task) }); n >= 1 {
		t.Errorf("%v allocations a call", n)
	}
}

func TestThreads(t *testing.T) {
	defer SetThreads(0)
	for _, c := range []struct{ set, want int }{
		{3, 3}, {1, 1}, {4096, min(4096, perCore*runtime.NumCPU())},
		{0, runtime.GOMAXPROCS(0)}, {-5, runtime.GOMAXPROCS(0)},
	} {
		SetThreads(c.set)
		if got := Threads(); got != c.want {
			t.Errorf("SetThreads(%d): Threads() is %d, want %d", c.set, got, c.want)
		}
	}
	SetThreads(2)
	var most atomic.Int32
	Do(50, func(worker, _ int) {
		for {
			m := most.Load()
			if int32(worker) <= m || most.CompareAndSwap(m, int32(worker)) {
				return
			}
		}
	})
	if most.Load() > 1 {
		t.Errorf("worker %d of 2", most.Load())
	}
}
