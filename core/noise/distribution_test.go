package noise

import (
	"crypto/rand"
	"math"
	"testing"

	"dpattn/tests/testkit"

	"gonum.org/v1/gonum/stat/distuv"
)

// Every statistic below fails when a value at least as far out has a chance
// below alpha under the exact distribution. The draws are fresh ones of each run. No test
// has more than 15 statistics, so that none raises a false alarm with a chance
// above 15*alpha < 1e-6, the error of the normal limit included (at these sample
// sizes it changes the chance at 5.4 deviations by less than a fifth).
const alpha = 5e-8

// draws returns the sample size: n, or 10n in an audit.
func draws(n int) int { return testkit.Size(n, 10*n) }

// sample calls visit with runs of draws, n in all.
func sample(t *testing.T, n int, sigma uint64, visit func(run []int64)) {
	t.Helper()
	sampleBy(t, n, func(run []int64) error { return Gaussian(run, sigma, 2) }, visit)
}

// sampleBy calls visit with runs that fill has filled, n numbers in all.
func sampleBy(t *testing.T, n int, fill func(run []int64) error, visit func(run []int64)) {
	t.Helper()
	buf := make([]int64, 1<<18)
	for n > 0 {
		run := buf[:min(n, len(buf))]
		if err := fill(run); err != nil {
			t.Fatal(err)
		}
		visit(run)
		n -= len(run)
	}
}

func judgeP(t *testing.T, name string, p float64) {
	t.Helper()
	t.Logf("%s: p = %.3g", name, p)
	if !(p >= alpha) { // NaN fails
		t.Errorf("%s: p = %.3g", name, p)
	}
}

// normalP is the two-sided chance of a standard normal beyond z.
func normalP(z float64) float64 { return math.Erfc(math.Abs(z) / math.Sqrt2) }

// binomialP is twice the smaller tail of the binomial distribution at k.
func binomialP(k, n int, p float64) float64 {
	b := distuv.Binomial{N: float64(n), P: p}
	return 2 * min(b.CDF(float64(k)), b.Survival(float64(k)-1))
}

// chiSquareP is the chance of a chi-square as large as that of the counts.
func chiSquareP(count []int, mass []float64) float64 {
	n := 0
	for _, c := range count {
		n += c
	}
	x := 0.0
	for i, c := range count {
		want := float64(n) * mass[i]
		x += (float64(c) - want) * (float64(c) - want) / want
	}
	return distuv.ChiSquared{K: float64(len(count) - 1)}.Survival(x)
}

// uniform returns n equal masses.
func uniform(n int) []float64 {
	mass := make([]float64, n)
	for i := range mass {
		mass[i] = 1 / float64(n)
	}
	return mass
}

// phi is the normal distribution function.
func phi(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// bins are 64 intervals of integers of nearly equal mass for sigma: number i
// goes from limit[i-1] to limit[i] - 1.
type bins struct {
	limit [63]int64
	mass  [64]float64
}

func newBins(sigma float64) *bins {
	b := new(bins)
	last := 0.0
	for i := range b.limit {
		b.limit[i] = int64(math.Round(sigma * distuv.UnitNormal.Quantile(float64(i+1)/64)))
		next := phi((float64(b.limit[i]) - 0.5) / sigma)
		b.mass[i], last = next-last, next
	}
	b.mass[63] = 1 - last
	return b
}

func (b *bins) index(m int64) int {
	i := 0
	for step := 32; step > 0; step /= 2 {
		if m >= b.limit[i+step-1] {
			i += step
		}
	}
	return i
}

// TestDistribution: 1e7 draws at sigma = 2^40 (1e8 in an audit): chi-square over 64 bins of
// equal mass, four moments, the tails beyond 4 and 5, the lowest 8 bits, and
// correlations at the distances 1, 2 and blockSize, of the draws and of
// their squares.
func TestDistribution(t *testing.T) {
	const sigma = 1 << 40
	n := draws(1e7)
	b := newBins(sigma)
	var count [64]int
	var low [256]int
	var sum [5]float64
	var beyond4, beyond5 int
	lags := []int{1, 2, blockSize}
	pairs := make([]int, len(lags))
	products := make([]float64, len(lags))
	squares := make([]float64, len(lags))
	z := make([]float64, 0, 1<<18)
	sample(t, n, sigma, func(run []int64) {
		z = z[:len(run)]
		for i, m := range run {
			count[b.index(m)]++
			low[m&255]++
			v := float64(m) / sigma
			z[i] = v
			v2 := v * v
			sum[1] += v
			sum[2] += v2
			sum[3] += v2 * v
			sum[4] += v2 * v2
			if v2 > 16 {
				beyond4++
				if v2 > 25 {
					beyond5++
				}
			}
		}
		for l, lag := range lags {
			for i := lag; i < len(z); i++ {
				products[l] += z[i] * z[i-lag]
				squares[l] += (z[i]*z[i] - 1) * (z[i-lag]*z[i-lag] - 1) / 2
			}
			pairs[l] += max(0, len(z)-lag)
		}
	})

	judgeP(t, "64 bins", chiSquareP(count[:], b.mass[:]))
	// The k-th power of a standard normal has the mean and variance below.
	for k, c := range map[int]struct{ mean, variance float64 }{1: {0, 1}, 2: {1, 2}, 3: {0, 15}, 4: {3, 96}} {
		z := (sum[k]/float64(n) - c.mean) * math.Sqrt(float64(n)/c.variance)
		judgeP(t, "moment "+string(rune('0'+k)), normalP(z))
	}
	judgeP(t, "beyond 4", binomialP(beyond4, n, 2*phi(-4)))
	judgeP(t, "beyond 5", binomialP(beyond5, n, 2*phi(-5)))
	judgeP(t, "low bits", chiSquareP(low[:], uniform(256))) // up to exp(-2 pi^2 sigma^2/2^16)
	for l := range lags {
		judgeP(t, "correlation", normalP(products[l]/math.Sqrt(float64(pairs[l]))))
		judgeP(t, "correlation of squares", normalP(squares[l]/math.Sqrt(float64(pairs[l]))))
	}
}

// TestSmallSigma: 1e7 draws (1e8 in an audit) at sigma 1 and 3, each integer a
// bin with its exact mass; the ends are put together where fewer than 1000 draws
// are expected beyond.
func TestSmallSigma(t *testing.T) {
	for _, sigma := range []uint64{1, 3} {
		s := float64(sigma)
		n := draws(1e7)
		end := int64(0)
		for float64(n)*phi(-(float64(end)+0.5)/s) > 1000 {
			end++
		}
		count := make([]int, 2*end+1)
		mass := make([]float64, 2*end+1)
		for m := -end; m <= end; m++ {
			mass[m+end] = phi((0.5-math.Abs(float64(m)))/s) - phi((-0.5-math.Abs(float64(m)))/s)
		}
		mass[0] = phi((0.5 - float64(end)) / s)
		mass[2*end] = mass[0]
		sample(t, n, sigma, func(run []int64) {
			for _, m := range run {
				count[min(max(m, -end), end)+end]++
			}
		})
		judgeP(t, "integers", chiSquareP(count, mass))
	}
}

// TestLargeSigma: 2e6 draws at MaxSigma - 1, where one draw in four needs more
// than 50 bits of x (at MaxSigma itself, a power of 2, none does): bins, and the
// lowest 8 bits.
func TestLargeSigma(t *testing.T) {
	const sigma = MaxSigma - 1
	b := newBins(sigma)
	var count [64]int
	var low [256]int
	sample(t, draws(2e6), sigma, func(run []int64) {
		for _, m := range run {
			count[b.index(m)]++
			low[m&255]++
		}
	})
	judgeP(t, "64 bins", chiSquareP(count[:], b.mass[:]))
	judgeP(t, "low bits", chiSquareP(low[:], uniform(256)))
}

// TestTailDistribution: 4e5 trials of the tail alone, of which a sample sees few: some
// 1800 are accepted, as many as in 3e9 draws. 16 bins of equal mass beyond 5, and
// the rate of acceptance: the area under the curve over that of a box.
func TestTailDistribution(t *testing.T) {
	src, err := newSource(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var s stream
	s.open(src, 0)

	const sigma = MaxSigma - 1
	n := draws(4e5)
	var count [16]int
	accepted := 0
	for range n {
		if m, ok := tail(sigma, s.next()&xMask, &s); ok {
			accepted++
			count[min(15, int(16*(1-phi(-float64(m)/sigma)/phi(-5))))]++
		}
	}
	judgeP(t, "16 bins", chiSquareP(count[:], uniform(16)))
	box := boxHeight * math.Exp2(-boxHeightScale-cellBits)
	judgeP(t, "acceptance", binomialP(accepted, n, math.Sqrt(2*math.Pi)*phi(-5)/box))
}

// TestMutant: the bins of TestDistribution, at its sample size, reject a sigma that is 1 %
// off. The mean of the chi-square is then 63 + 1e7*1.6e-4, so a miss at p = 1e-100
// (chi-square 670) is some 12 deviations away.
func TestMutant(t *testing.T) {
	const sigma = 1 << 40
	b := newBins(sigma)
	for _, wrong := range []uint64{sigma / 100 * 99, sigma / 100 * 101} {
		var count [64]int
		sample(t, draws(1e7), wrong, func(run []int64) {
			for _, m := range run {
				count[b.index(m)]++
			}
		})
		p := chiSquareP(count[:], b.mass[:])
		t.Logf("sigma off by 1 %%: p = %.3g", p)
		if p > 1e-100 {
			t.Errorf("sigma off by 1 %% passes with p = %.3g", p)
		}
	}
}
