package parallel

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// helper is a goroutine that works for one job at a time. To wake a sleeping one takes tens of microseconds, as long as many a whole call; so after its
// work it looks for more for a while before it sleeps.
type helper struct {
	box    atomic.Pointer[job] // what it shall do next; who takes it out, helper or giver, has it
	worker int                 // its number in that job
	asleep atomic.Bool         // whoever sets it to false again ends the sleep
	wake   chan struct{}
}

// patience is how long one looks for work before sleeping: longer than what lies between calls that follow each other, short beside what a human or a scheduler
// would notice.
const patience = 100 * time.Microsecond

// helpers are all helpers of the process, and jobs to use again.
type helpers struct {
	mutex sync.Mutex
	jobs  []*job
	idle  []*helper // the one used last at the end
	count int
	spins atomic.Int32 // how many look for work
	ended atomic.Int64 // when the last call ended that could have had more helpers
}

var (
	crowd helpers
	began = time.Now()
)

// recent reports whether a call has ended within patience.
func (c *helpers) recent() bool { return time.Since(began)-time.Duration(c.ended.Load()) < patience }

// take returns an idle helper, or nil. If near, it returns one that sleeps, or a new one, only if there was such a call recently.
func (c *helpers) take(near bool) *helper {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for i, h := range slices.Backward(c.idle) {
		if !h.asleep.Load() {
			c.idle = slices.Delete(c.idle, i, i+1)
			return h
		}
	}
	if near && !c.recent() {
		return nil
	}
	if last := len(c.idle) - 1; last >= 0 {
		h := c.idle[last]
		c.idle = c.idle[:last]
		return h
	}
	if c.count >= perCore*runtime.NumCPU() {
		return nil
	}
	c.count++
	h := &helper{wake: make(chan struct{}, 1)}
	go h.live()
	return h
}

// job returns a job that nobody uses.
func (c *helpers) job() *job {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	last := len(c.jobs) - 1
	if last < 0 {
		return &job{left: make(chan struct{}, 1)}
	}
	j := c.jobs[last]
	c.jobs = c.jobs[:last]
	return j
}

// put ends a call: it takes the job and its helpers back; enough says whether there were as many as it could have used.
func (c *helpers) put(j *job, enough bool) {
	c.mutex.Lock()
	c.idle = append(c.idle, j.hands...)
	j.hands = j.hands[:0]
	c.jobs = append(c.jobs, j)
	c.mutex.Unlock()
	if !enough {
		c.ended.Store(int64(time.Since(began)))
	}
}

// give hands a job to an idle helper.
func (h *helper) give(j *job, worker int) {
	h.worker = worker
	h.box.Store(j)
	if h.asleep.CompareAndSwap(true, false) {
		h.wake <- struct{}{}
	}
}

// live does one job after the other.
func (h *helper) live() {
	for {
		if j := h.box.Load(); j != nil {
			if h.box.CompareAndSwap(j, nil) { // else the job was over
				j.work(h.worker)
				j.leave()
			}
			continue
		}
		if spinning := crowd.spins.Add(1); spinning < int32(runtime.GOMAXPROCS(0)) && spin(func() bool { return h.box.Load() != nil }) {
			crowd.spins.Add(-1)
			continue
		}
		crowd.spins.Add(-1)
		h.asleep.Store(true)
		if h.box.Load() == nil || !h.asleep.CompareAndSwap(true, false) {
			<-h.wake
		}
	}
}

// spin waits for done for as long as patience, and lets other goroutines run meanwhile; it reports whether done came.
func spin(done func() bool) bool {
	var start time.Time
	for round := 0; ; round++ {
		for range 2000 { // a microsecond or two: to let others run takes half of one
			if done() {
				return true
			}
		}
		if round == 0 {
			start = time.Now()
		} else if time.Since(start) > patience {
			return false
		}
		runtime.Gosched()
	}
}
