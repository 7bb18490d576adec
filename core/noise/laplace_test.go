package noise

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// TestBelow: at both ends of the words that stand for a result, and where words are refused:
// floor(2^64/n) words are accepted for each.
func TestBelow(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 1))
	for _, n := range []uint64{1, 2, 3, 5, 6, 7, 10, 2432902008176640000, 1<<62 - 57, 1 << 62, 1<<63 + 1} {
		whole := new(big.Int).Lsh(big.NewInt(1), 64)
		bigN := new(big.Int).SetUint64(n)
		refused := new(big.Int).Mod(whole, bigN)
		share := new(big.Int).Quo(whole, bigN)
		for _, v := range []uint64{0, 1 % n, n / 2, n - 1, rng.Uint64N(n)} {
			// The words with result v: from ceil(v 2^64/n), as many as have v n.. below (v+1) 2^64.
			first := ceilDiv(new(big.Int).Mul(new(big.Int).SetUint64(v), whole), bigN)
			last := ceilDiv(new(big.Int).Mul(new(big.Int).SetUint64(v+1), whole), bigN)
			last.Sub(last, big.NewInt(1))
			count := new(big.Int).Sub(last, first)
			count.Add(count, big.NewInt(1))
			for _, w := range []*big.Int{first, new(big.Int).Add(first, big.NewInt(1)), last} {
				if w.Cmp(last) > 0 {
					continue
				}
				low := new(big.Int).Mul(w, bigN)
				low.Mod(low, whole)
				s := script(w.Uint64(), first.Uint64()|1<<63, ^uint64(0))
				got, accepted := s.below(n), left(s) == 2
				if want := low.Cmp(refused) >= 0; accepted != want {
					t.Errorf("below(%d), word %v: accepted %v, want %v", n, w, accepted, want)
				} else if want && got != v {
					t.Errorf("below(%d), word %v: %d, want %d", n, w, got, v)
				}
			}
			// One word of v may be refused, its first: then there is one more of them.
			low := new(big.Int).Mul(first, bigN)
			if low.Mod(low, whole).Cmp(refused) < 0 {
				count.Sub(count, big.NewInt(1))
			}
			if count.Cmp(share) != 0 {
				t.Errorf("below(%d): %v words for %d; want %v", n, count, v, share)
			}
		}
	}
}

func ceilDiv(a, b *big.Int) *big.Int {
	return new(big.Int).Sub(big.NewInt(0), new(big.Int).Div(new(big.Int).Neg(a), b))
}

// word i of m stands for the i-th of m equal parts of [0, 1): of below(n) for every n that divides
// m, of thresholds 1/k! with k! dividing m, and of a bit for even m.
func wordOf(i, m int) uint64 {
	w := new(big.Int).Lsh(big.NewInt(int64(2*i+1)), 63)
	return w.Quo(w, big.NewInt(int64(m))).Uint64()&^1 | uint64(i&1)
}

// enumerate runs f on all sequences of up to depth words of m. It calls seen with each outcome and
// its mass in units of m^-depth, and returns the mass of the sequences that f does not end on.
func enumerate[T any](m, depth int, f func(s *stream) T, seen func(outcome T, mass int64)) (open int64) {
	const filler = 64 // f reads on beyond its words, and what it says then is not looked at
	words := make([]uint64, depth+filler)
	for i := range filler {
		words[depth+i] = wordOf(i%m, m)
	}
	masses := []int64{1}
	for range depth {
		masses = append(masses, masses[len(masses)-1]*int64(m))
	}
	var s stream
	var visit func(n int)
	visit = func(n int) {
		s.pos = len(s.buf) - 8*len(words)
		for i, w := range words {
			binary.LittleEndian.PutUint64(s.buf[s.pos+8*i:], w)
		}
		outcome := f(&s)
		switch {
		case len(words)-left(&s) <= n:
			seen(outcome, masses[depth-n])
		case n == depth:
			open++
		default:
			kept := words[n]
			for i := range m {
				words[n] = wordOf(i, m)
				visit(n + 1)
			}
			words[n] = kept
		}
	}
	visit(0)
	return open
}

// TestDecays adds up the exact probability of true over all short sequences of words: it is
// exp(-u/n) up to what is open, which is at most (u/n)^3/3!.
func TestDecays(t *testing.T) {
	for _, n := range []int64{1, 2, 3, 4, 6} {
		for u := range n + 1 {
			yes, all := int64(0), int64(12*12*12*12*12)
			open := enumerate(12, 5, func(s *stream) bool { return s.decays(uint64(u), uint64(n)) },
				func(outcome bool, mass int64) {
					if outcome {
						yes += mass
					}
				})
			checkMass(t, fmt.Sprintf("decays(%d, %d)", u, n), big.NewRat(yes, all), big.NewRat(open, all), expRat(u, n))
			if most := big.NewRat(u*u*u, 6*n*n*n); big.NewRat(open, all).Cmp(most) > 0 {
				t.Errorf("decays(%d, %d): %d of %d is open, more than %v", u, n, open, all, most)
			}
		}
	}
	// Words of 1/5040 decide the first seven events exactly; the others are coarse.
	yes := int64(0)
	open := enumerate(5040, 1, (*stream).decaysOnce, func(outcome bool, mass int64) {
		if outcome {
			yes += mass
		}
	})
	checkMass(t, "decaysOnce", big.NewRat(yes-1, 5040), big.NewRat(open+2, 5040), expRat(1, 1))
}

// TestDecaysOnceWords: at every threshold 20!/k!, and beyond the twentieth event.
func TestDecaysOnceWords(t *testing.T) {
	const all = 2432902008176640000 // 20!
	word := func(v uint64) uint64 { // the second word whose result in below(20!) is v
		w := new(big.Int).Lsh(new(big.Int).SetUint64(v), 64)
		return w.Quo(w, big.NewInt(all)).Uint64() + 2
	}
	threshold := uint64(all)
	for k := uint64(1); k <= 20; k++ {
		threshold /= k
		for _, v := range []uint64{threshold - 1, threshold} {
			if v == 0 || v >= all {
				continue
			}
			first := uint64(1) // the first event that does not happen
			for f := uint64(all); v < f; f /= first {
				first++
			}
			s := script(word(v))
			if got := s.decaysOnce(); got != (first%2 == 1) || left(s) != 0 {
				t.Errorf("%d of 20!: %v; the first event not to happen is number %d", v, got, first)
			}
		}
	}
	// Event 21 happens if below(21) is 0, and so on.
	for _, c := range []struct {
		words []uint64
		want  bool
	}{{[]uint64{2, 1<<63 + 2}, true}, {[]uint64{2, 2, 1<<63 + 2}, false}, {[]uint64{2, 2, 2, 1<<63 + 2}, true}} {
		s := script(c.words...)
		if got := s.decaysOnce(); got != c.want || left(s) != 0 {
			t.Errorf("words %x: %v, %d left", c.words, got, left(s))
		}
	}
}

// expRat is exp(-a/n) to more than 300 bits.
func expRat(a, n int64) *big.Rat {
	lo, _ := expBounds(new(big.Int).Quo(new(big.Int).Lsh(big.NewInt(a), fix), big.NewInt(n)), fix)
	return new(big.Rat).SetFrac(lo, new(big.Int).Lsh(big.NewInt(1), fix))
}

func checkMass(t *testing.T, what string, mass, open, want *big.Rat) {
	t.Helper()
	slack := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 250))
	lo := new(big.Rat).Sub(mass, slack)
	hi := new(big.Rat).Add(mass, open)
	if hi.Add(hi, slack); want.Cmp(lo) < 0 || want.Cmp(hi) > 0 {
		t.Errorf("%s: the mass is in %s..%s; want %s", what, lo.FloatString(12), hi.FloatString(12),
			want.FloatString(12))
	}
}

// TestTrial adds up the exact probability of every outcome of one trial over all short sequences of
// words.
func TestTrial(t *testing.T) {
	const m = 24
	// Words of 1/24 decide the first four events of decaysOnce; what they make of it stands in for
	// exp(-1) below.
	again := int64(0)
	enumerate(m, 1, (*stream).decaysOnce, func(outcome bool, mass int64) {
		if outcome {
			again += mass
		}
	})
	for _, c := range []struct {
		dist  TruncatedLaplace
		depth int
		open  float64 // at most so much
	}{
		{TruncatedLaplace{Num: 2, Den: 1, Support: 3}, 5, 0.3},
		{TruncatedLaplace{Num: 1, Den: 1, Support: 2}, 4, 0.6},
		{TruncatedLaplace{Num: 2, Den: 3, Support: 1}, 4, 0.5},
		{TruncatedLaplace{Num: 3, Den: 2, Support: 2}, 4, 0.5},
		{TruncatedLaplace{Num: 6, Den: 1, Support: 2}, 5, 0.1},
		{TruncatedLaplace{Num: 12, Den: 2, Support: 1}, 4, 0.2},
		{TruncatedLaplace{Num: 4, Den: 1, Support: 3}, 4, 0.2}, {TruncatedLaplace{Num: 2, Den: 1, Support: 0}, 4, 0.2},
	} {
		dist, all := c.dist, int64(math.Pow(m, float64(c.depth)))
		type outcome struct {
			y  int64
			ok bool
		}
		p, got := newTrial(dist), map[int64]int64{}
		open := enumerate(m, c.depth, func(s *stream) outcome {
			y, ok := p.draw(s)
			return outcome{y, ok}
		}, func(o outcome, mass int64) {
			if o.ok {
				got[o.y] += mass
			}
		})
		if share := float64(open) / float64(all); share > c.open {
			t.Errorf("%+v: %v is open", dist, share)
		}
		// A trial gives x = u + num v with probability 1/span e^(-u/num) again^v (1 - again), the
		// last two if v is drawn, and half of that for either sign.
		limit := int64(dist.Den * (dist.Support + 1))
		span := min(int64(dist.Num), limit)
		for y := -int64(dist.Support); y <= int64(dist.Support); y++ {
			want := new(big.Rat)
			for x := range limit {
				if x/int64(dist.Den) != max(y, -y) {
					continue
				}
				part := expRat(x%int64(dist.Num), int64(dist.Num))
				if limit > int64(dist.Num) {
					part.Mul(part, big.NewRat(m-again, m))
					for range x / int64(dist.Num) {
						part.Mul(part, big.NewRat(again, m))
					}
				}
				want.Add(want, part)
			}
			want.Mul(want, big.NewRat(1, 2*span))
			checkMass(t, fmt.Sprintf("%+v, %d", dist, y), big.NewRat(got[y], all), big.NewRat(open, all), want)
			delete(got, y)
		}
		if len(got) != 0 {
			t.Errorf("%+v: outcomes beyond the support: %v", dist, got)
		}
	}
}

// masses are P(X = x), x = -support..support, in floating point.
func (l TruncatedLaplace) masses() []float64 {
	mass, sum := make([]float64, 2*l.Support+1), 0.0
	for i := range mass {
		mass[i] = math.Exp(-math.Abs(float64(i)-float64(l.Support)) * float64(l.Den) / float64(l.Num))
		sum += mass[i]
	}
	for i := range mass {
		mass[i] /= sum
	}
	return mass
}

// sampleLaplace calls visit with runs of draws, n in all.
func sampleLaplace(t *testing.T, n int, dist TruncatedLaplace, visit func(run []int64)) {
	t.Helper()
	sampleBy(t, n, func(run []int64) error { return Laplace(run, dist, 2) }, visit)
}

// smallLaws have supports whose integers can be counted one by one.
var smallDistributions = []TruncatedLaplace{
	{Num: 5, Den: 2, Support: 9}, {Num: 1, Den: 3, Support: 1}, {Num: 1000, Den: 7, Support: 12},
	{Num: 1 << 61, Den: 1 << 58, Support: 14}, {Num: 3, Den: 1, Support: 10},
}

// TestLaplaceSmall: 1e6 draws (1e7 in an audit) of distributions with small supports, each integer
// a bin with its exact mass. Five statistics.
func TestLaplaceSmall(t *testing.T) {
	for _, dist := range smallDistributions {
		count := make([]int, 2*dist.Support+1)
		sampleLaplace(t, draws(1e6), dist, func(run []int64) {
			for _, m := range run {
				count[m+int64(dist.Support)]++
			}
		})
		judgeP(t, fmt.Sprintf("%+v", dist), chiSquareP(count, dist.masses()))
	}
}

// TestLaplaceLarge: 3e6 draws (3e7 in an audit) at lambda = 2^40 + 1/3, cut at 12 lambda:
// chi-square over 64 bins of equal mass, four moments, the tails beyond 8 and 11 lambda, the lowest
// 8 bits, and correlations. 13 statistics.
func TestLaplaceLarge(t *testing.T) {
	dist := TruncatedLaplace{Num: 3<<40 + 1, Den: 3, Support: 12 << 40}
	lambda := float64(dist.Num) / float64(dist.Den)
	const cut = 12.0
	n := draws(3e6)
	mass := -math.Expm1(-cut)
	cdf := func(z float64) float64 { // of |X|/lambda; continuous up to 2^-40
		return -math.Expm1(-z) / mass
	}
	var count [64]int
	var low [256]int
	var sum [5]float64
	var beyond8, beyond11 int
	lags := []int{1, 2, blockSize}
	products, pairs := make([]float64, len(lags)), make([]int, len(lags))
	z := make([]float64, 0, 1<<18)
	sampleLaplace(t, n, dist, func(run []int64) {
		z = z[:len(run)]
		for i, m := range run {
			v := float64(m) / lambda
			z[i] = v
			half := int(32 * cdf(math.Abs(v)))
			if half = min(half, 31); m < 0 {
				half += 32
			}
			count[half]++
			low[m&255]++
			for k, p := 1, v; k <= 4; k, p = k+1, p*v {
				sum[k] += p
			}
			if math.Abs(v) > 8 {
				beyond8++
			}
			if math.Abs(v) > 11 {
				beyond11++
			}
		}
		for l, lag := range lags {
			for i := lag; i < len(z); i++ {
				products[l] += z[i] * z[i-lag]
			}
			pairs[l] += max(0, len(z)-lag)
		}
	})
	judgeP(t, "64 bins", chiSquareP(count[:], uniform(64)))
	// Moments of the continuous distribution on [-cut, cut]: E|z|^k = integral_0^cut z^k e^-z dz /
	// mass.
	var moment [9]float64
	for k := range moment {
		v := 0.0
		term := 1.0
		for i := 1; i <= k; i++ {
			term *= float64(i)
		}
		v = term // k!
		rest, power := 0.0, 1.0
		for i := 0; i <= k; i++ { // k! e^-cut sum cut^i/i!
			rest += power
			power *= cut / float64(i+1)
		}
		moment[k] = (v - v*math.Exp(-cut)*rest) / mass
	}
	for k := 1; k <= 4; k++ {
		mean, variance := 0.0, moment[2*k]
		if k%2 == 0 {
			mean = moment[k]
			variance -= mean * mean
		}
		judgeP(t, fmt.Sprintf("moment %d", k), normalP((sum[k]/float64(n)-mean)*math.Sqrt(float64(n)/variance)))
	}
	judgeP(t, "beyond 8", binomialP(beyond8, n, 1-cdf(8)))
	judgeP(t, "beyond 11", binomialP(beyond11, n, 1-cdf(11)))
	judgeP(t, "low bits", chiSquareP(low[:], uniform(256)))
	for l := range lags {
		judgeP(t, "correlation", normalP(products[l]/moment[2]/math.Sqrt(float64(pairs[l]))))
	}
}

// inverse is a second implementation: inversion of the exact distribution function by binary
// search. A uniform number of 128 bits is compared with cumulative masses that the oracle of these
// tests computes to 300 bits; its randomness is seeded. It shares nothing with the package.
type inverse struct {
	*rand.Rand
	upTo []*big.Int // [support's integers] 2^128 P(X <= x), rounded down
}

func newInverse(l TruncatedLaplace, rng *rand.Rand) inverse {
	total, sums := new(big.Rat), []*big.Rat{}
	for x := -int64(l.Support); x <= int64(l.Support); x++ {
		a := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(max(x, -x)), new(big.Int).SetUint64(l.Den)),
			new(big.Int).SetUint64(l.Num))
		bound, _ := expBounds(new(big.Int).Quo(new(big.Int).Lsh(a.Num(), fix), a.Denom()), fix)
		total.Add(total, new(big.Rat).SetFrac(bound, new(big.Int).Lsh(big.NewInt(1), fix)))
		sums = append(sums, new(big.Rat).Set(total))
	}
	g := inverse{Rand: rng}
	for _, s := range sums {
		s.Quo(s, total)
		g.upTo = append(g.upTo, new(big.Int).Quo(new(big.Int).Lsh(s.Num(), 128), s.Denom()))
	}
	return g
}

func (g inverse) draw() int {
	u := new(big.Int).SetUint64(g.Uint64())
	u.Lsh(u, 64).Or(u, new(big.Int).SetUint64(g.Uint64()))
	i, found := slices.BinarySearchFunc(g.upTo, u, func(bound, u *big.Int) int { return bound.Cmp(u) })
	if found {
		i++
	}
	return i
}

// TestInverse: 1e5 draws (1e6 in an audit) of either implementation, compared by the chi-square of
// two samples. Five statistics.
func TestInverse(t *testing.T) {
	for _, dist := range smallDistributions {
		g := newInverse(dist, rand.New(rand.NewChaCha8([32]byte{2})))
		n := draws(1e5)
		ours, theirs := make([]int, 2*dist.Support+1), make([]int, 2*dist.Support+1)
		sampleLaplace(t, n, dist, func(run []int64) {
			for _, m := range run {
				ours[m+int64(dist.Support)]++
			}
		})
		for range n {
			theirs[g.draw()]++
		}
		x := 0.0
		for i := range ours {
			x += math.Pow(float64(ours[i]-theirs[i]), 2) / float64(max(1, ours[i]+theirs[i]))
		}
		judgeP(t, fmt.Sprintf("%+v, two samples", dist), distuv.ChiSquared{K: float64(len(ours) - 1)}.Survival(x))
	}
}

// TestLaplaceMutant: the statistics of TestLaplaceSmall reject a lambda that is 5 % off, and a zero
// that comes twice as often, at a p of 1e-30 at most.
func TestLaplaceMutant(t *testing.T) {
	dist := TruncatedLaplace{Num: 3, Den: 1, Support: 10}
	count := make([]int, 2*dist.Support+1)
	sampleLaplace(t, draws(1e6), dist, func(run []int64) {
		for _, m := range run {
			count[m+int64(dist.Support)]++
		}
	})
	wrong := TruncatedLaplace{Num: 315, Den: 100, Support: 10}
	twice := dist.masses()
	twice[dist.Support] *= 2
	for i := range twice {
		twice[i] /= 1 + dist.masses()[dist.Support]
	}
	for name, mass := range map[string][]float64{"lambda": wrong.masses(), "zero": twice} {
		if p := chiSquareP(count, mass); p > 1e-30 {
			t.Errorf("%s passes with p = %.3g", name, p)
		}
	}
}

// TestLaplaceThreads: the result is a function of entropy, length and distribution only, and 48
// bytes of entropy are read, whatever comes out.
func TestLaplaceThreads(t *testing.T) {
	dist := TruncatedLaplace{Num: 1 << 40, Den: 1, Support: 1 << 44}
	long := make([]int64, 20000)
	if err := laplace(long, dist, 1, seeded(1)); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, blockSize, blockSize + 1, len(long)} {
		for _, threads := range []int{1, 2, 7} {
			dst, r := make([]int64, n), &spy{Reader: seeded(1)}
			if err := laplace(dst, dist, threads, r); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(dst, long[:n]) {
				t.Errorf("length %d on %d threads differs", n, threads)
			}
			if read := slices.Concat(r.seen...); len(read) != seedBytes || slices.Max(read) != 0 {
				t.Errorf("%d bytes of entropy were read, or are left", len(read))
			}
		}
	}
	other := make([]int64, len(long))
	if err := Laplace(other, dist, 2); err != nil {
		t.Fatal(err)
	}
	if i := repeated(long[:blockSize], long[blockSize:2*blockSize]); i >= 0 {
		t.Errorf("different blocks, same draw at %d", i)
	}
	if i := repeated(long, other); i >= 0 { // chance 2e4/(4 lambda), 5e-9
		t.Errorf("different entropy, same draw at %d", i)
	}
}

// TestLaplaceRefuses: bad distributions and no entropy, with dst as it was.
func TestLaplaceRefuses(t *testing.T) {
	for _, dist := range []TruncatedLaplace{
		{}, {Num: 0, Den: 1, Support: 1}, {Num: 1, Den: 0, Support: 1}, {Num: 1<<62 + 1, Den: 1, Support: 1},
		{Num: 1, Den: 1, Support: 1 << 62}, {Num: 1, Den: 1, Support: 1<<64 - 1},
		{Num: 1, Den: 1 << 32, Support: 1 << 30}, {Num: 1, Den: 1 << 63, Support: 1},
		{Num: 1, Den: 1<<62 + 1, Support: 0},
	} {
		dst, r := []int64{77}, &spy{Reader: seeded(1)}
		if err := laplace(dst, dist, 1, r); err == nil || dst[0] != 77 || len(r.seen) != 0 {
			t.Errorf("%+v: error %v, dst %v, %d reads", dist, err, dst, len(r.seen))
		}
	}
	for _, dist := range []TruncatedLaplace{{Num: 1 << 62, Den: 1, Support: 1<<62 - 1},
		{Num: 1, Den: 1 << 62, Support: 0}, {Num: 1, Den: 1, Support: 0}} {
		dst := make([]int64, 3)
		if err := Laplace(dst, dist, 1); err != nil {
			t.Errorf("%+v: %v", dist, err)
		}
		for _, x := range dst {
			if uint64(max(x, -x)) > dist.Support {
				t.Errorf("%+v: drew %d", dist, x)
			}
		}
	}
	dist := TruncatedLaplace{Num: 1, Den: 1, Support: 1}
	dst := []int64{77}
	if err := laplace(dst, dist, 0, seeded(1)); err == nil || dst[0] != 77 {
		t.Errorf("no threads: error %v, dst %v", err, dst)
	}
	err := laplace(dst, dist, 1, bytes.NewReader(make([]byte, seedBytes-1)))
	if !errors.Is(err, io.ErrUnexpectedEOF) || dst[0] != 77 {
		t.Errorf("too little entropy: error %v, dst %v", err, dst)
	}
}
