package noise

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// karney is Algorithm N of C. F. F. Karney, "Sampling exactly from the normal
// distribution", ACM Trans. Math. Softw. 42(1), 2016, written from the paper: von
// Neumann's comparisons of uniform deviates, no table, no exponential. It shares
// nothing with the package, not the randomness either, which is seeded. Deviates
// end after 64 bits; that changes a comparison with a chance of 2^-64.
type karney struct{ *rand.Rand }

// half is Algorithm H: true with probability exp(-1/2). For the longest run
// 1/2 > u1 > u2 > ... > un, n is even with that probability.
func (g karney) half() bool {
	last := uint64(1 << 63)
	for n := 0; ; n++ {
		u := g.Uint64()
		if u >= last {
			return n%2 == 0
		}
		last = u
	}
}

// step is Algorithm B: true with probability exp(-x (2k+x)/(2k+2)). The run
// x > u1 > u2 > ... goes on only while v < (2k+x)/(2k+2) for a new v each time.
func (g karney) step(k, x uint64) bool {
	last := x
	for n := 0; ; n++ {
		u := g.Uint64()
		if u >= last {
			return n%2 == 0
		}
		hi, lo := bits.Mul64(g.Uint64(), 2*k+2)
		if hi > 2*k || hi == 2*k && lo >= x { // v (2k+2) >= 2k + x
			return n%2 == 0
		}
		last = u
	}
}

// normal returns k, the first 64 bits of x, and the sign of +-(k+x).
func (g karney) normal() (k, x uint64, negative bool) {
trial:
	for {
		for k = 0; g.half(); k++ { // N1: k with probability exp(-k/2) (1 - exp(-1/2))
		}
		for range max(0, int(k)*(int(k)-1)) { // N2: accept with exp(-k(k-1)/2)
			if !g.half() {
				continue trial
			}
		}
		x = g.Uint64() // N3
		for range k + 1 {
			if !g.step(k, x) { // N4: accept with exp(-x (2k+x)/2)
				continue trial
			}
		}
		return k, x, g.Uint64()&1 == 1 // N5, N6
	}
}

// rounded returns round(sigma z) for sigma a power of 2 below 2^50.
func (g karney) rounded(sigma uint64) int64 {
	k, x, negative := g.normal()
	hi, lo := bits.Mul64(sigma, x)
	m := int64(sigma*k + hi + lo>>63)
	if negative {
		return -m
	}
	return m
}

// TestKarney: 1e6 draws (1e7 in an audit) of either implementation, in 64 bins at
// sigma = 2^40 and over the integers from -12 to 12 at sigma = 4, compared by the
// chi-square of two samples; and Karney's against the exact masses.
func TestKarney(t *testing.T) {
	g := karney{rand.New(rand.NewChaCha8([32]byte{1}))}
	n := draws(1e6)

	b := newBins(1 << 40)
	for _, c := range []struct {
		sigma uint64
		size  int
		index func(int64) int
	}{
		{1 << 40, 64, b.index},
		{4, 25, func(m int64) int { return int(min(max(m, -12), 12) + 12) }},
	} {
		ours, theirs := make([]int, c.size), make([]int, c.size)
		sample(t, n, c.sigma, func(run []int64) {
			for _, m := range run {
				ours[c.index(m)]++
			}
		})
		for range n {
			theirs[c.index(g.rounded(c.sigma))]++
		}
		x := 0.0
		for i := range ours {
			x += math.Pow(float64(ours[i]-theirs[i]), 2) / float64(ours[i]+theirs[i])
		}
		judgeP(t, "two samples", distuv.ChiSquared{K: float64(c.size - 1)}.Survival(x))
		if c.size == len(b.mass) {
			judgeP(t, "Karney's algorithm", chiSquareP(theirs, b.mass[:]))
		}
	}
}
