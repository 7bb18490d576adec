// Package parallel runs independent tasks on a bounded number of goroutines, which it keeps: calls
// of tens to hundreds of microseconds are common here, and a goroutine begun for one of them comes
// late, takes its first task when the caller is nearly done, and is then waited for
// (BenchmarkAgainstGoroutines; docs/performance.md has figures).
package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

var limit atomic.Int32

// SetThreads bounds the goroutines of later calls; 0 means GOMAXPROCS.
func SetThreads(n int) { limit.Store(int32(n)) }

// perCore bounds goroutines by processors, since each takes working memory and more of them gain
// nothing.
const perCore = 4

// Threads returns the bound in force.
func Threads() int {
	if n := int(limit.Load()); n > 0 {
		return min(n, perCore*runtime.NumCPU())
	}
	return runtime.GOMAXPROCS(0)
}

// Do calls task(worker, i) for i in 0..n-1, each once, on at most Threads() goroutines; worker <
// min(n, Threads()) names the goroutine, for scratch memory. It returns when all have ended. A
// panic in a task becomes a panic of the caller, so that one guard at the C boundary sees it.
func Do(n int, task func(worker, i int)) { DoN(Threads(), n, task) }

// DoN is Do with an explicit number of goroutines.
func DoN(threads, n int, task func(worker, i int)) { run(threads, n, task, false) }

// Near is DoN for work of microseconds, which is done before a sleeping helper has woken: it takes
// helpers that are awake, and wakes others only when calls follow each other closely, for the sake
// of the next ones. Tasks may not wait for each other.
func Near(threads, n int, task func(worker, i int)) { run(threads, n, task, true) }

// job is one call of Do on its way.
type job struct {
	n       int64
	task    func(worker, i int)
	next    atomic.Int64
	busy    atomic.Int64  // helpers that have not left yet; with waits added once the caller sleeps until they have
	left    chan struct{} // wakes that caller
	once    sync.Once
	caught  any
	helpers []*helper
}

const waits = 1 << 32

func run(threads, n int, task func(worker, i int), near bool) {
	workers := min(n, threads)
	if workers <= 1 {
		for i := 0; i < n; i++ {
			task(0, i)
		}
		return
	}
	j := shared.job()
	j.n, j.task = int64(n), task
	j.next.Store(0)
	for len(j.helpers) < workers-1 {
		h := shared.take(near)
		if h == nil {
			break
		}
		j.helpers = append(j.helpers, h)
		j.busy.Add(1)
		h.give(j, len(j.helpers))
	}
	enough := len(j.helpers) == workers-1
	j.work(0)
	for _, h := range j.helpers {
		if h.box.CompareAndSwap(j, nil) {
			j.busy.Add(-1) // it never came
		}
	}
	j.wait()
	caught := j.caught
	j.task, j.caught, j.once = nil, nil, sync.Once{}
	shared.put(j, enough)
	if caught != nil {
		panic(caught)
	}
}

// work takes tasks until there are no more. A goroutine whose task panics takes no others.
func (j *job) work(worker int) {
	defer func() {
		if r := recover(); r != nil {
			j.once.Do(func() { j.caught = r })
		}
	}()
	for i := j.next.Add(1) - 1; i < j.n; i = j.next.Add(1) - 1 {
		j.task(worker, int(i))
	}
}

// leave is the last that a helper does with the job.
func (j *job) leave() {
	if j.busy.Add(-1) == waits {
		j.left <- struct{}{}
	}
}

// wait returns when all helpers have left.
func (j *job) wait() {
	if !spin(func() bool { return j.busy.Load() == 0 }) && j.busy.Add(waits) > waits {
		<-j.left
	}
	j.busy.Store(0)
}
