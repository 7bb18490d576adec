package moment

import (
	"math"
	"math/rand/v2"
	"testing"

	"dpattn/simd"
	"dpattn/tests/testkit"
)

// errorBounds are epsilon_0..epsilon_s of PROOF.md, and E.
func (tm *testMap) errorBounds() (epsilon []float64, total float64) {
	epsilon, delta := []float64{0, 0.5}, 0.0
	for t := 2; t <= len(tm.gains()); t++ {
		root := math.Sqrt(float64(t))
		epsilon = append(epsilon, 1.5+delta*(float64(tm.gains()[t-1])+1)/(1<<15)) // gain(t,1) = w_t sqrt(t)
		delta = root*(delta+0.5) + 1.5
	}
	for _, seq := range tm.seqs {
		total += epsilon[len(seq)] * epsilon[len(seq)]
	}
	return epsilon, math.Sqrt(total)
}

// No admitted key's integer features are farther from the real ones than PROOF.md says, feature by
// feature and together; random keys, and a climb towards the largest errors. KernelFloor is what
// follows from E.
func TestFeatureError(t *testing.T) {
	rng := testkit.Rand(2)
	for _, tm := range someMaps(t) {
		epsilon, total := tm.errorBounds()
		check := func(x []int16) (worst float64) {
			phi, _ := tm.phi(x)
			sum := 0.0
			for i, want := range tm.real(x) {
				e := math.Abs(float64(phi[i]) - want)
				bound := epsilon[len(tm.seqs[i])] + 1e-9
				if e > bound {
					t.Fatalf("%s: x = %v: feature %v is off by %v, more than %v", tm.name, x, tm.seqs[i], e, bound)
				}
				worst = max(worst, e/bound)
				sum += e * e
			}
			if math.Sqrt(sum) > total+1e-6 {
				t.Fatalf("%s: x = %v: the features are off by %v, more than E = %v", tm.name, x, math.Sqrt(sum), total)
			}
			return worst
		}
		x := make([]int16, tm.dim)
		for range testkit.Size(1000000, 10000000) / 20 / len(tm.seqs) {
			tm.admitted(rng, x)
			check(x)
		}
		for range testkit.Size(2, 40) {
			tm.admitted(rng, x)
			best := check(x)
			for range testkit.Size(1000000, 10000000) / 40 / len(tm.seqs) {
				j := rng.IntN(tm.dim)
				old := x[j]
				x[j] = int16(max(-32767, min(32767, int(old)+rng.IntN(65)-32)))
				if _, norm2 := tm.phi(x); simd.Norm2(x) >= 1<<30 || norm2 > int64(tm.m.Norm2()) {
					x[j] = old
				} else if got := check(x); got >= best {
					best = got
				} else {
					x[j] = old
				}
			}
		}
		if floor := tm.m.KernelFloor(); !math.IsInf(floor, 1) {
			p := math.Sqrt(float64(tm.m.Norm2()))
			if want := 2*total/p + total*total/p/p; !(floor >= want && floor <= want*(1+1e-8)) {
				t.Errorf("%s: KernelFloor is %v, want %v", tm.name, floor, want)
			}
		}
	}
}

// admitted draws a key that passed the gate.
func (tm *testMap) admitted(rng *rand.Rand, x []int16) {
	tm.key(rng, x)
	tm.gate.Admit(x)
}

// KernelFloor is claimed where the kernel of the real features is not negative, and nowhere else;
// the maps are chosen to be clear cases.
func TestKernelFloorIsProvenWhereItHolds(t *testing.T) {
	for _, c := range []struct {
		tm     *testMap
		proven bool
	}{
		{rawMap("1 + y", 4, 5789, 5789), true},
		{rawMap("1 + 1.001 y", 4, 5789, 5792), false},
		{rawMap("y", 4, 1, 8188), false},
		{rawMap("1", 4, 8188, 0), true},
		{rawMap("1 + y + y^2", 4, 4000, 4000, 5656), true},
		{rawMap("1 + 4 y + y^2", 4, 2000, 4000, 2828), false},
		{rawMap("1 + y^3", 2, 4000, 0, 0, 6928), true},
		{rawMap("1 + 1.001 y^3", 2, 4000, 0, 0, 6932), false},
	} {
		if got := !math.IsInf(c.tm.m.KernelFloor(), 1); got != c.proven {
			t.Errorf("%s: proven is %v", c.tm.name, got)
		}
	}
}
