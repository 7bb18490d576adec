package parallel

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// helper is a goroutine that works for one job at a time. To wake a sleeping one takes tens of
// microseconds, as long as many a whole call; so after its work it looks for more for a while
// before it sleeps.
type helper struct {
	box    atomic.Pointer[job] // its next job; who takes it out, the helper or the caller, has it
	worker int                 // its number in that job
	asleep atomic.Bool         // whoever sets it to false again ends the sleep
	wake   chan struct{}
}

// patience is how long a helper looks for work before it sleeps: longer than what lies between
// calls that follow each other, short beside what a human or a scheduler would notice.
const patience = 100 * time.Microsecond

// pool holds all helpers of the process, and jobs to use again.
type pool struct {
	mutex sync.Mutex
	jobs  []*job
	idle  []*helper // the one used last at the end
	count int
	spins atomic.Int32 // how many look for work
	ended atomic.Int64 // when the last call ended that could have had more helpers
}

var (
	shared pool
	began  = time.Now()
)

// recent reports whether such a call has ended within patience.
func (p *pool) recent() bool { return time.Since(began)-time.Duration(p.ended.Load()) < patience }

// take returns an idle helper, or nil. If near, it returns one that sleeps, or a new one, only if
// there was a call recently that could have had more helpers.
func (p *pool) take(near bool) *helper {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for i, h := range slices.Backward(p.idle) {
		if !h.asleep.Load() {
			p.idle = slices.Delete(p.idle, i, i+1)
			return h
		}
	}
	if near && !p.recent() {
		return nil
	}
	if last := len(p.idle) - 1; last >= 0 {
		h := p.idle[last]
		p.idle = p.idle[:last]
		return h
	}
	if p.count >= perCore*runtime.NumCPU() {
		return nil
	}
	p.count++
	h := &helper{wake: make(chan struct{}, 1)}
	go h.live()
	return h
}

// job returns a job that nobody uses.
func (p *pool) job() *job {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	last := len(p.jobs) - 1
	if last < 0 {
		return &job{left: make(chan struct{}, 1)}
	}
	j := p.jobs[last]
	p.jobs = p.jobs[:last]
	return j
}

// put ends a call: it takes the job and its helpers back; enough says whether there were as many as
// it could have used.
func (p *pool) put(j *job, enough bool) {
	p.mutex.Lock()
	p.idle = append(p.idle, j.helpers...)
	j.helpers = j.helpers[:0]
	p.jobs = append(p.jobs, j)
	p.mutex.Unlock()
	if !enough {
		p.ended.Store(int64(time.Since(began)))
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
		spinning := shared.spins.Add(1)
		found := spinning < int32(runtime.GOMAXPROCS(0)) && spin(func() bool { return h.box.Load() != nil })
		shared.spins.Add(-1)
		if found {
			continue
		}
		h.asleep.Store(true)
		if h.box.Load() == nil || !h.asleep.CompareAndSwap(true, false) {
			<-h.wake
		}
	}
}

// spin waits for done for as long as patience, and lets other goroutines run meanwhile; it reports
// whether done came.
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
