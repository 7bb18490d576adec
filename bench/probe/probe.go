// Package probe measures what the processor can do at most: instructions in registers, and reads of
// memory. The benchmark sets its figures beside these. Nothing else uses it.
//
//go:generate go -C _asm run . -out ../probe_amd64.s -stubs ../stubs_amd64.go -pkg probe
package probe

import (
	"slices"
	"sync"
	"time"
)

// Loop is an endless supply of multiply-adds.
type Loop struct {
	Name string
	run  func(n int)
	macs int // multiply-adds of one round
}

// reader loads blocks of 512 bytes, times times.
type reader func(p *byte, blocks, times int)

// block is what one round of a reader loads.
const block = 512

// Find returns the loop of that name, or false where the processor lacks the instruction.
func Find(name string) (Loop, bool) {
	list := loops()
	i := slices.IndexFunc(list, func(l Loop) bool { return l.Name == name })
	if i < 0 {
		return Loop{}, false
	}
	return list[i], true
}

// Rate runs the loop on so many threads for about as long as told and returns multiply-adds a
// second, of all threads together.
func (l Loop) Rate(threads int, long time.Duration) float64 {
	const rounds = 4096 // some tens of microseconds: assembly cannot be preempted
	return rate(threads, long, func(int) float64 {
		l.run(rounds)
		return float64(rounds * l.macs)
	})
}

// CanRead reports whether Read works here.
func CanRead() bool { return widest() != nil }

// Read reads a piece of memory of that many bytes over and over, one piece a thread, and returns
// bytes a second, of all threads together.
func Read(bytes, threads int, long time.Duration) float64 {
	const most = 1 << 18 // bytes a call
	run := widest()
	pieces := make([][]byte, threads)
	at := make([]int, threads)
	for i := range pieces {
		pieces[i] = make([]byte, max(bytes/block, 1)*block)
		for j := 0; j < len(pieces[i]); j += 64 {
			pieces[i][j] = 1 // pages that were never written may all be one page of zeros
		}
	}
	return rate(threads, long, func(thread int) float64 {
		piece := pieces[thread]
		if len(piece) <= most {
			run(&piece[0], len(piece)/block, most/len(piece))
			return float64(most / len(piece) * len(piece))
		}
		n := min(most, len(piece)-at[thread])
		run(&piece[at[thread]], n/block, 1)
		at[thread] = (at[thread] + n) % len(piece)
		return float64(n)
	})
}

// piece is the least time that is measured at once: far above what the clock costs, far below a
// scheduler's slice.
const piece = 100 * time.Microsecond

// Rate calls work, which does some units of work, over and over for about as long as told and
// returns units a second: the median over short pieces, so that it says what happens while nobody
// else takes the processor. A first piece warms up.
func Rate(long time.Duration, work func() float64) float64 {
	var rates []float64
	for start := time.Now(); len(rates) < 2 || time.Since(start) < long; {
		sum, began, took := 0.0, time.Now(), time.Duration(0)
		for took < piece {
			sum += work()
			took = time.Since(began)
		}
		rates = append(rates, sum/took.Seconds())
	}
	rates = rates[1:]
	slices.Sort(rates)
	return (rates[(len(rates)-1)/2] + rates[len(rates)/2]) / 2
}

// rate adds up the rates of all threads, which work at once.
func rate(threads int, long time.Duration, work func(thread int) float64) float64 {
	rates := make([]float64, threads)
	var wait sync.WaitGroup
	for i := range threads {
		wait.Go(func() {
			rates[i] = Rate(long, func() float64 { return work(i) })
		})
	}
	wait.Wait()
	total := 0.0
	for _, r := range rates {
		total += r
	}
	return total
}
