// Package parallel runs independent tasks on a bounded number of goroutines.
package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

var limit atomic.Int32

// SetThreads bounds the goroutines of later calls; 0 means GOMAXPROCS.
func SetThreads(n int) { limit.Store(int32(n)) }

// perCore bounds goroutines by processors, since each takes working memory and more of them gain nothing.
const perCore = 4

// Threads returns the bound in force.
func Threads() int {
	if n := int(limit.Load()); n > 0 {
		return min(n, perCore*runtime.NumCPU())
	}
	return runtime.GOMAXPROCS(0)
}

// Do calls task(worker, i) for i in 0..n-1, each once, on at most Threads() goroutines; worker < min(n, Threads()) names the goroutine, for scratch memory.
// It returns when all have ended. A panic in a task becomes a panic of the caller, so that one guard at the outer wall sees it.
func Do(n int, task func(worker, i int)) { DoN(Threads(), n, task) }

// DoN is Do with an explicit number of goroutines.
func DoN(threads, n int, task func(worker, i int)) {
	workers := min(n, threads)
	if workers <= 1 {
		for i := 0; i < n; i++ {
			task(0, i)
		}
		return
	}
	var (
		next   atomic.Int64
		wait   sync.WaitGroup
		once   sync.Once
		caught any
	)
	run := func(worker int) {
		defer func() {
			if r := recover(); r != nil {
				once.Do(func() { caught = r })
			}
		}()
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			task(worker, i)
		}
	}
	for w := 1; w < workers; w++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			run(w)
		}()
	}
	run(0)
	wait.Wait()
	if caught != nil {
		panic(caught)
	}
}
