package privacy

import (
	"math"
	"sync/atomic"
)

// Mu returns the largest float64 mu with Delta(epsilon, mu) <= delta: the noise of a mechanism
// whose sensitivity/sigma is at most mu gives (epsilon, delta)-differential privacy. It is the
// exact solution rounded down.
func Mu(epsilon, delta float64) (float64, error) {
	b := Budget{epsilon, delta}
	if err := b.Validate(); err != nil {
		return 0, err
	}
	if last := lastMu.Load(); last != nil && last.Budget == b {
		return last.mu, nil
	}
	mu := lastWhere(func(mu float64) bool { return deltaAtMost(epsilon, mu, delta) })
	lastMu.Store(&solved{b, mu})
	return mu, nil
}

// solved is a budget and its mu. The last one is kept: many small releases usually have the same
// budget, and solving it takes milliseconds, a hundred times what drawing their noise takes.
type solved struct {
	Budget
	mu float64
}

var lastMu atomic.Pointer[solved]

// Epsilon returns the smallest float64 epsilon >= 0 with Delta(epsilon, mu) <= delta: the exact
// solution rounded up, +Inf if there is none. An argument that is negative or NaN gives +Inf.
func Epsilon(mu, delta float64) float64 {
	switch {
	case mu == 0 && delta >= 0 || delta >= 1 && mu >= 0:
		return 0
	case !(finite(mu) && mu > 0 && delta > 0):
		return math.Inf(1)
	case deltaAtMost(0, mu, delta):
		return 0
	}
	last := lastWhere(func(epsilon float64) bool { return !deltaAtMost(epsilon, mu, delta) })
	return math.Nextafter(last, math.Inf(1)) // +Inf after MaxFloat64
}

// lastWhere returns the largest finite x >= 0 where a condition holds, given that it holds at 0 and
// no more after the first x where it does not. Non-negative float64 are ordered as their bits are,
// so halving the range of bits takes 63 steps, whatever their size.
func lastWhere(holds func(float64) bool) float64 {
	last, after := uint64(0), math.Float64bits(math.Inf(1))
	for after-last > 1 {
		middle := last + (after-last)/2
		if holds(math.Float64frombits(middle)) {
			last = middle
		} else {
			after = middle
		}
	}
	return math.Float64frombits(last)
}
