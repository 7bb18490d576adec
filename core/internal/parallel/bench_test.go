package parallel

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// goroutines is DoN with new goroutines in each call.
func goroutines(threads, n int, task func(worker, i int)) {
	var next atomic.Int64
	var group sync.WaitGroup
	for worker := range min(n, threads) - 1 {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				task(worker+1, int(i))
			}
		})
	}
	for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
		task(0, int(i))
	}
	group.Wait()
}

// BenchmarkAgainstGoroutines compares the helpers with new goroutines: 16 tasks on two threads, in
// all so many microseconds of arithmetic, in calls that follow each other and in calls a
// millisecond apart. All take turns in bursts; the metrics are medians.
func BenchmarkAgainstGoroutines(b *testing.B) {
	const tasks, burst = 16, 20
	doers := []struct {
		name string
		do   func(n int, task func(worker, i int))
	}{
		{"one-thread", func(n int, task func(worker, i int)) { DoN(1, n, task) }},
		{"helpers", func(n int, task func(worker, i int)) { DoN(2, n, task) }},
		{"near", func(n int, task func(worker, i int)) { Near(2, n, task) }},
		{"goroutines", func(n int, task func(worker, i int)) { goroutines(2, n, task) }},
	}
	for _, work := range []int{20, 100, 1000} {
		for _, pause := range []time.Duration{0, time.Millisecond} {
			b.Run(fmt.Sprintf("work=%dus/pause=%v", work, pause), func(b *testing.B) {
				var sums [tasks]uint64
				task := func(_, i int) {
					x := uint64(i)
					for range work * 1000 / tasks / 2 { // two steps take a nanosecond or so
						x = x*6364136223846793005 + 1442695040888963407
						x ^= x >> 29
					}
					sums[i] += x
				}
				samples := make([][]float64, len(doers))
				for turn := 0; b.Loop(); turn++ {
					which := turn % len(doers)
					time.Sleep(3 * patience) // helpers of the turn before sleep
					for range burst {
						time.Sleep(pause)
						start := time.Now()
						doers[which].do(tasks, task)
						samples[which] = append(samples[which], float64(time.Since(start).Nanoseconds())/1e3)
					}
				}
				for i, d := range doers {
					if s := samples[i]; len(s) > 0 {
						slices.Sort(s)
						b.ReportMetric(s[len(s)/2], d.name+"-us")
					}
				}
			})
		}
	}
}
