package parallel

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// Each index is given to exactly one task, by a worker below min(n, threads), and no worker runs two tasks at once: scratch memory is by worker,
// written here without a lock so that the race detector sees a second user.
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

func TestThreads(t *testing.T) {
	defer SetThreads(0)
	for _, c := range []struct{ set, want int }{{3, 3}, {1, 1}, {4096, min(4096, perCore*runtime.NumCPU())}, {0, runtime.GOMAXPROCS(0)}, {-5, runtime.GOMAXPROCS(0)}} {
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
