package noise

import (
	"math/big"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// edgesOfX are the first 50 bits of x where a bracket is likeliest to be wrong.
func edgesOfX(rng *rand.Rand) []uint64 {
	xs := []uint64{0, 1, 2, xMask >> 1, xMask>>1 + 1, xMask - 1, xMask}
	for range 12 {
		xs = append(xs, rng.Uint64()&xMask, xMask>>rng.UintN(xBits))
	}
	return xs
}

// TestBracket holds the 64-bit bracket against the curve at both ends of the
// interval of x, in every cell.
func TestBracket(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	tab := boxes()
	for j := range uint64(cells) {
		for _, x := range edgesOfX(rng) {
			lo, hi := tab.bracket(j, x)
			_, fmax := fBounds(zInt(j, x, xBits), xBits+cellBits)
			fmin, _ := fBounds(zInt(j, x+1, xBits), xBits+cellBits)
			if v := new(big.Int).SetUint64(lo); v.Lsh(v, fix-63).Cmp(fmin) > 0 {
				t.Errorf("cell %d, x = %#x: the lower bound is above the curve", j, x)
			}
			if v := new(big.Int).SetUint64(hi); v.Lsh(v, fix-63).Cmp(fmax) < 0 {
				t.Errorf("cell %d, x = %#x: the upper bound is below the curve", j, x)
			}
			// Not only right but tight: d^4/24 < 2^-15, and less in the first cells.
			if width := hi - lo; width > 1<<48 || j == 0 && width > 1<<34 {
				t.Errorf("cell %d, x = %#x: the bracket is %#x wide", j, x, width)
			}
		}
	}
}

// around returns the u in [0, 2^64) where y passes the middle of the bracket of
// f, or a random one if the curve does not cross the box at x.
func around(tab *table, e edge, x uint64, rng *rand.Rand) uint64 {
	lo, hi := tab.bracket(uint64(e.cell), x)
	const height = boxHeight << (63 - boxHeightScale)
	middle := lo + (hi-lo)/2
	bottom := uint64(e.level) * height
	if middle < bottom || middle-bottom >= height {
		return rng.Uint64()
	}
	u, _ := bits.Div64(middle-bottom, 0, height)
	return u
}

// TestJudgeAgrees: what the 64-bit integers decide, the long ones decide alike
// from the same bits; and where the bits are too few for the long ones, the
// short ones do not decide either.
func TestJudgeAgrees(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	tab := boxes()
	var count [3]int
	for range 20000 {
		e := tab.edges[rng.IntN(len(tab.edges))]
		x := rng.Uint64() & xMask
		u := around(tab, e, x, rng)
		switch rng.IntN(3) {
		case 0:
			u = rng.Uint64()
		case 1: // at a distance of any order of magnitude from the curve
			u += rng.Uint64() >> rng.UintN(64)
			u -= rng.Uint64() >> rng.UintN(64)
		}
		fast := tab.judge(e, x, u)
		count[fast]++
		p := point{uint64(e.cell), uint64(e.level), boxHeightScale}
		if exact := p.judge(newDigits(x, xBits), newDigits(u, 64)); fast != undecided && fast != exact {
			t.Fatalf("box %v, x = %#x, u = %#x: %d by short integers, %d by long ones", e, x, u, fast, exact)
		}
	}
	for v, n := range count {
		if n < 1000 {
			t.Errorf("verdict %d came up %d times only", v, n)
		}
	}
}

// TestUndecidedRate adds up the area that the brackets leave open: it is what the
// comment of table.judge says.
func TestUndecidedRate(t *testing.T) {
	tab := boxes()
	const grid = 64
	const height = boxHeight << (63 - boxHeightScale)
	area := 0.0
	for _, e := range tab.edges {
		bottom := uint64(e.level) * height
		for g := range uint64(grid) {
			lo, hi := tab.bracket(uint64(e.cell), g<<(xBits-6)+1<<(xBits-7))
			lo, hi = max(lo-2, bottom), min(hi, bottom+height)
			if lo < hi {
				area += float64(hi-lo) / height / grid
			}
		}
	}
	rate := area / (1 << boxBits)
	t.Logf("undecided: %.3g of the trials", rate)
	if rate > 1e-7 {
		t.Errorf("undecided: %.3g of the trials", rate)
	}
}

// TestEnumeration goes through all pairs of n-bit beginnings of x and u. The mass
// of those judged under must not exceed the probability P that y < f(z), that of
// those judged over must not exceed 1 - P, and what is left must shrink as 2^-n.
//
// P is the integral over x of f/c - level, clamped to [0, 1], c the height of the
// box. As f falls, sums over 2^9 intervals enclose it, in integers.
func TestEnumeration(t *testing.T) {
	var points []point
	for _, e := range []edge{{0, 199}, {3, 198}, {17, 172}, {17, 171}, {31, 121}, {32, 120}, {64, 26}, {100, 1},
		{100, 0}, {159, 0}} {
		points = append(points, point{uint64(e.cell), uint64(e.level), boxHeightScale})
	}
	for _, tail := range []struct{ i, q uint64 }{{0, 0}, {0, 9}, {1, 31}} {
		points = append(points, point{(tailStart+tail.i)<<cellBits + tail.q, 0, uint(boxHeightScale + 10 + tail.i)})
	}
	for _, p := range points {
		lo, hi := p.probability(9)
		one := new(big.Int).Lsh(big.NewInt(1), fix)
		open := 1.0
		for n := uint(1); n <= 5; n++ {
			var count [3]int64
			for x := range uint64(1) << n {
				for u := range uint64(1) << n {
					count[p.judge(newDigits(x, n), newDigits(u, n))]++
				}
			}
			mass := func(v verdict) *big.Int { return new(big.Int).Lsh(big.NewInt(count[v]), fix-2*n) }
			if mass(under).Cmp(hi) > 0 {
				t.Errorf("%+v at %d bits: %d of %d under is too much", p, n, count[under], 1<<(2*n))
			}
			if new(big.Int).Sub(one, mass(over)).Cmp(lo) < 0 {
				t.Errorf("%+v at %d bits: %d of %d over is too much", p, n, count[over], 1<<(2*n))
			}
			// A falling curve passes fewer than 2*2^n of the 4^n squares.
			if count[undecided] >= 2<<n {
				t.Errorf("%+v at %d bits: %d of %d undecided", p, n, count[undecided], 1<<(2*n))
			}
			now := float64(count[undecided]) / float64(int(1)<<(2*n))
			if now > open {
				t.Errorf("%+v: more is undecided at %d bits than before", p, n)
			}
			open = now
		}
	}
}

// probability encloses 2^fix P(y < f(z)) by sums over 2^n intervals of x.
func (p point) probability(n uint) (lo, hi *big.Int) {
	lo, hi = new(big.Int), new(big.Int)
	for x := range uint64(1) << n {
		_, fmax := fBounds(zInt(p.j, x, n), n+cellBits)
		fmin, _ := fBounds(zInt(p.j, x+1, n), n+cellBits)
		hi.Add(hi, p.share(fmax, 1))
		lo.Add(lo, p.share(fmin, 0))
	}
	return lo.Rsh(lo, n), hi.Rsh(hi, n).Add(hi, big.NewInt(1))
}

// share returns the share of the box below the height f, rounded down, plus up.
func (p point) share(f *big.Int, up int64) *big.Int {
	one := new(big.Int).Lsh(big.NewInt(1), fix)
	s := new(big.Int).Lsh(f, p.scale)
	s.Quo(s, big.NewInt(boxHeight))
	s.Sub(s, new(big.Int).Mul(one, new(big.Int).SetUint64(p.level)))
	s.Add(s, big.NewInt(up))
	switch {
	case s.Sign() < 0:
		return new(big.Int)
	case s.Cmp(one) > 0:
		return one
	}
	return s
}

// truth decides like point.judge, with the test's own arithmetic.
func (p point) truth(x, u digits) verdict {
	z := new(big.Int).SetUint64(p.j)
	z.Lsh(z, x.n).Add(z, x.v)
	y := new(big.Int).SetUint64(p.level)
	y.Lsh(y, u.n).Add(y, u.v)
	height := func(y *big.Int) *big.Int { // in units of 2^-fix
		h := new(big.Int).Mul(y, big.NewInt(boxHeight))
		return h.Lsh(h, fix-p.scale-u.n)
	}
	_, fhi := fBounds(z, x.n+cellBits)
	if height(y).Cmp(fhi) >= 0 {
		return over
	}
	flo, _ := fBounds(z.Add(z, big.NewInt(1)), x.n+cellBits)
	if height(y.Add(y, big.NewInt(1))).Cmp(flo) <= 0 {
		return under
	}
	return undecided
}

// TestDecideDraws follows decide on points that lie on the curve as far as their
// first bits tell: it goes on drawing while both outcomes are possible and not
// longer, takes words for x and u in turn, and hands back those of x.
func TestDecideDraws(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	tab := boxes()
	var count, accepted [3]int
	for range 3000 {
		e := tab.edges[rng.IntN(len(tab.edges))]
		p := point{uint64(e.cell), uint64(e.level), boxHeightScale}
		x := rng.Uint64() & xMask
		u := p.curveAt(x)
		if u == nil {
			continue
		}
		// Over the interval of x, u takes some 2^14 values of its first word. Or x
		// has a word of zeros, and u as many values of its second word.
		words := []uint64{0, u[1] - rng.Uint64N(1<<14), rng.Uint64(), rng.Uint64()}
		if rng.IntN(2) == 0 {
			words[0] = rng.Uint64()
			u[0] -= rng.Uint64N(1 << 14)
		}
		s := script(words...)
		accept, drawn := p.decide(newDigits(x, xBits), newDigits(u[0], 64), s)

		dx, du := newDigits(x, xBits), newDigits(u[0], 64)
		n := 0
		want := p.truth(dx, du)
		for ; want == undecided; n++ {
			dx.push(words[2*n], 64)
			du.push(words[2*n+1], 64)
			want = p.truth(dx, du)
		}
		count[n]++
		if accept != (want == under) || left(s) != len(words)-2*n {
			t.Fatalf("%+v, x = %#x: accept %v with %d words left; want verdict %d after %d rounds", p, x, accept,
				left(s), want, n)
		}
		if accept {
			accepted[n]++
		} else {
			n = 0
		}
		if len(drawn) != n || n > 0 && drawn[0] != words[0] || n > 1 && drawn[1] != words[2] {
			t.Fatalf("%+v, x = %#x: drawn %#x of %#x", p, x, drawn, words)
		}
	}
	for n := 1; n <= 2; n++ {
		if min(accepted[n], count[n]-accepted[n]) < 50 {
			t.Errorf("%d accepted, %d rejected after %d rounds", accepted[n], count[n]-accepted[n], n)
		}
	}
}

// curveAt returns the first two words of the u with y = f(z) at the left end of
// the interval of x, or nil if there is none in the box.
func (p point) curveAt(x uint64) []uint64 {
	f, _ := fBounds(zInt(p.j, x, xBits), xBits+cellBits)
	u := p.share(f, 0)
	if u.Sign() == 0 || u.BitLen() > fix {
		return nil
	}
	u.Rsh(u, fix-128)
	low := new(big.Int).And(u, new(big.Int).SetUint64(1<<64-1))
	return []uint64{u.Rsh(u, 64).Uint64(), low.Uint64()}
}

// TestCurveBounds holds the enclosure by bigmath against the test's own, and
// looks at its ends, where big.Float would underflow.
func TestCurveBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for range 300 {
		n := 1 + rng.UintN(60)
		z := new(big.Int).SetUint64(rng.Uint64N(7 << n))
		prec := 16 + rng.UintN(200)
		lo, hi := curveBounds(z, n, prec)
		wantLo, wantHi := fBounds(z, n)
		toFix := func(f *big.Float) *big.Int {
			v, _ := new(big.Float).SetMantExp(f, fix).Int(nil)
			return v
		}
		if toFix(lo).Cmp(wantHi) > 0 || toFix(hi).Cmp(wantLo) < 0 {
			t.Errorf("z = %v/2^%d at %d bits: [%v, %v]", z, n, prec, lo, hi)
		}
		width := new(big.Float).Sub(hi, lo)
		if width.Cmp(new(big.Float).SetMantExp(lo, 7-int(prec))) > 0 {
			t.Errorf("z = %v/2^%d at %d bits: the enclosure is %v wide", z, n, prec, width)
		}
	}
	limit := new(big.Float).SetMantExp(big.NewFloat(1), -1<<29)
	if lo, hi := curveBounds(big.NewInt(1<<15), 0, 64); lo.Sign() <= 0 || hi.Cmp(limit) > 0 {
		t.Errorf("z = 2^15: [%v, %v]", lo, hi)
	}
	for _, n := range []uint{16, 40, 80} {
		lo, hi := curveBounds(new(big.Int).Lsh(big.NewInt(1), n), 0, 64)
		if lo.Sign() != 0 || hi.Cmp(limit) != 0 {
			t.Errorf("z = 2^%d: [%v, %v]", n, lo, hi)
		}
	}
}
