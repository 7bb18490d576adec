package noise

import (
	"math/big"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// rounded returns floor(sigma (j+x)/32 + 1/2), modulo 2^64, at both ends of the
// interval of x: min at the left one, max just left of the right one.
func rounded(sigma, j uint64, x digits) (min, max uint64) {
	z := new(big.Int).SetUint64(j)
	z.Lsh(z, x.n).Add(z, x.v)
	at := func(z *big.Int, below int64) uint64 {
		v := new(big.Int).Mul(z, new(big.Int).SetUint64(sigma))
		v.Lsh(v, 1)
		v.Add(v, new(big.Int).Lsh(big.NewInt(1), x.n+cellBits))
		v.Sub(v, big.NewInt(below))
		v.Rsh(v, x.n+cellBits+1)
		return v.And(v, new(big.Int).SetUint64(1<<64-1)).Uint64()
	}
	return at(z, 0), at(new(big.Int).Add(z, big.NewInt(1)), 1)
}

// checkRound rounds and demands that the result is that of exact arithmetic for
// all x with the words read, and that no word was read in vain.
func checkRound(t *testing.T, sigma, j, x uint64, words []uint64, drawn int) (read int) {
	t.Helper()
	s := script(words[drawn:]...)
	got := round(sigma, j, x, words[:drawn], s)
	d := newDigits(x, xBits)
	lo, hi := rounded(sigma, j, d)
	for lo != hi {
		d.push(words[read], 64)
		read++
		lo, hi = rounded(sigma, j, d)
	}
	if got != lo {
		t.Fatalf("sigma %d, cell %d, x = %#x, words %#x: %d, want %d", sigma, j, x, words, got, lo)
	}
	if n := len(words) - drawn - left(s); n != max(0, read-drawn) {
		t.Fatalf("sigma %d, cell %d, x = %#x, words %#x: %d words read, want %d", sigma, j, x, words, n, read-drawn)
	}
	return read
}

var sigmas = []uint64{1, 2, 3, 5, 31, 32, 33, 1000, 1<<31 - 1, 1 << 40, 1<<50 + 1, MaxSigma - 1, MaxSigma}

// TestRound: random and extreme x, and words that keep the outcome open.
func TestRound(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	var count [3]int
	for range 60000 {
		sigma := sigmas[rng.IntN(len(sigmas))]
		if rng.IntN(2) == 0 {
			sigma = 1 + rng.Uint64()>>(11+rng.UintN(53))
		}
		j := rng.Uint64N(cells)
		x := []uint64{0, 1, xMask, rng.Uint64() & xMask}[rng.IntN(4)]
		if rng.IntN(2) == 0 { // the last x before a number is passed where the rounding jumps
			m, _ := scale(sigma, j, x)
			jump := new(big.Int).Lsh(new(big.Int).SetUint64(2*m+1), xBits+cellBits-1)
			jump.Quo(jump, new(big.Int).SetUint64(sigma))
			jump.Sub(jump, zInt(j, 0, xBits))
			if jump.IsUint64() && jump.Uint64() <= xMask {
				x = jump.Uint64()
			}
		}
		words := []uint64{rng.Uint64(), rng.Uint64(), rng.Uint64()}
		if _, rest := scale(sigma, j, x); rest+sigma > roundUnit && rng.IntN(2) == 0 {
			q, r := bits.Div64(roundUnit-rest, 0, sigma) // sigma x' = d is between q and q+1
			words[0] = []uint64{q - 1, q, q + 1, 0, 1<<64 - 1}[rng.IntN(5)]
			if words[0] == q {
				words[1], _ = bits.Div64(r, 0, sigma)
				words[1] += rng.Uint64N(3) - 1
			}
		}
		count[min(2, checkRound(t, sigma, j, x, words, rng.IntN(3)))]++
	}
	for n, c := range count {
		if c < 1000 {
			t.Errorf("%d words were needed %d times only", n, c)
		}
	}
}

// TestRoundEnumeration: for small sigma, all cells and all x of 6 bits, each with
// the two extreme continuations.
func TestRoundEnumeration(t *testing.T) {
	for _, sigma := range []uint64{1, 2, 3, 7, 32, 45} {
		for j := range uint64(cells) {
			for g := range uint64(64) {
				x := g << (xBits - 6)
				checkRound(t, sigma, j, x, make([]uint64, 9), 0)
				all := ^uint64(0)
				checkRound(t, sigma, j, x+1<<(xBits-6)-1, []uint64{all, all, all, all}, 0)
			}
		}
	}
}

// TestCarry enumerates by monotony. With q = floor(2^64 d/sigma), all first words
// below q must give 0, all above q must give 1, and at most q itself asks for
// more: so the chance of 1 among 2^64 words is that of x' >= d/sigma, up to the
// open mass of 2^-64.
func TestCarry(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	for range 20000 {
		sigma := 2 + rng.Uint64N(MaxSigma-1)>>rng.UintN(52)
		d := 1 + rng.Uint64N(sigma-1)
		q, r := bits.Div64(d, 0, sigma)
		for _, w := range []uint64{0, rng.Uint64N(q), q - 1} {
			if carry(d, sigma, nil, script(w)) != 0 {
				t.Fatalf("carry(%d, %d) is 1 at %#x < %#x", d, sigma, w, q)
			}
		}
		for _, w := range []uint64{1<<64 - 1, q + 1 + rng.Uint64N(-q-1), q + 1} {
			if w > q && carry(d, sigma, nil, script(w)) != 1 {
				t.Fatalf("carry(%d, %d) is 0 at %#x > %#x", d, sigma, w, q)
			}
		}
		// At q, sigma v1 >= r is asked: decided at once only if r = 0.
		for _, w := range []uint64{0, 1<<64 - 1} {
			s := script(q, w)
			want := w >> 63
			if r == 0 {
				want = 1
			}
			if carry(d, sigma, nil, s) != want || (left(s) == 1) != (r == 0) {
				t.Fatalf("carry(%d, %d) at %#x, %#x", d, sigma, q, w)
			}
		}
	}
}

// TestTailWords follows a trial of the tail word by word.
func TestTailWords(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for high := range uint64(15) {
		if _, ok := tail(1, 0, script((high+1)<<60)); ok {
			t.Errorf("a word beginning with %d was not rejected at once", high+1)
		}
	}

	// u = 0.000...: accepted as soon as there are enough zeros to be below the curve.
	for i := range uint64(22) {
		for _, sigma := range sigmas {
			q, x := rng.Uint64N(32), rng.Uint64()&xMask
			words := []uint64{rng.Uint64()>>4&^31 | q, rng.Uint64()>>i>>1 | 1<<63>>i, 0}
			var xs []uint64
			for range 9 {
				xs = append(xs, rng.Uint64())
				words = append(words, xs[len(xs)-1], 0)
			}
			s := script(words...)
			m, ok := tail(sigma, x, s)
			if !ok {
				t.Fatalf("i = %d: rejected", i)
			}
			d := newDigits(x, xBits)
			for _, w := range xs {
				d.push(w, 64)
			}
			if want, _ := rounded(sigma, (tailStart+i)<<cellBits+q, d); m != want {
				t.Errorf("i = %d, q = %d, sigma = %d: %d, want %d", i, q, sigma, m, want)
			}
		}
	}

	// u = 0.1... is rejected in any column, and u = 2^-14 where a word of zeros came
	// first. No word is left.
	for _, words := range [][]uint64{
		{7, 1 << 63, 1 << 63},
		{7, 1 << 60, 1 << 63},
		{7, 1, 1 << 63},
		{7, 0, 1 << 63, 1 << 63},
		{7, 0, 1 << 63, 1 << 50},
		{7, 0, 0, 1, 1 << 50},
	} {
		s := script(words...)
		if _, ok := tail(1, 0, s); ok || left(s) != 0 {
			t.Errorf("words %#x: accepted %v, %d left", words, ok, left(s))
		}
	}
}

// TestTailColumns: the points of the tail are uniform on its columns. Column i at
// q must be judged at the height that section 2 of PROOF.md gives it, so the
// u at which the verdict turns is f(z)/(c 2^-(10+i)).
func TestTailColumns(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for i := range uint64(4) {
		for range 50 {
			q, x := rng.Uint64N(32), rng.Uint64()&xMask
			z := zInt((tailStart+i)<<cellBits+q, x, xBits)
			f, _ := fBounds(z, xBits+cellBits)
			u := f.Lsh(f, boxHeightScale+10+uint(i))
			u.Quo(u, big.NewInt(boxHeight))
			u.Rsh(u, fix-64)
			const margin = 1 << 20 // over the 2^12 that the unknown bits of x matter
			if _, ok := tail(1, x, script(q, 1<<63>>i, u.Uint64()-margin)); !ok {
				t.Errorf("i = %d, z = %v/2^55: rejected just under the curve", i, z)
			}
			if _, ok := tail(1, x, script(q, 1<<63>>i, u.Uint64()+margin)); ok {
				t.Errorf("i = %d, z = %v/2^55: accepted just over the curve", i, z)
			}
		}
	}
}

// TestTrialWords builds the words of whole trials: box, x and sign go where they
// belong, an inside box takes one word, an edge box two, and a rejected trial
// is followed by another.
func TestTrialWords(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	tab := boxes()
	word := func(box, x, sign uint64) uint64 { return box<<(64-boxBits) | x<<1 | sign }
	edge := func(cell uint64, level uint64) uint64 {
		for i, e := range tab.edges {
			if uint64(e.cell) == cell && uint64(e.level) == level {
				return tab.inside + uint64(i)
			}
		}
		t.Fatalf("no edge box at cell %d, level %d", cell, level)
		return 0
	}
	check := func(sigma, want uint64, words ...uint64) {
		t.Helper()
		var dst [1]int64
		s := script(words...)
		tab.fill(dst[:], sigma, s)
		if uint64(dst[0]) != want || left(s) != 0 {
			t.Errorf("words %#x: %d with %d words left, want %d", words, dst[0], left(s), int64(want))
		}
	}
	for box := range tab.inside {
		x, sign := rng.Uint64()&xMask, rng.Uint64()&1
		words := []uint64{word(box, x, sign)}
		sigma := sigmas[rng.IntN(len(sigmas))]
		d := newDigits(x, xBits)
		m, end := rounded(sigma, uint64(tab.cell[box]), d)
		for m != end { // more of x
			w := rng.Uint64()
			words = append(words, w)
			d.push(w, 64)
			m, end = rounded(sigma, uint64(tab.cell[box]), d)
		}
		check(sigma, m^-sign+sign, words...)
	}

	const sigma = 1 << 30
	// Cell 159 is crossed by the curve at about 1/1343 of its one box.
	const x = 12345 << 20
	m, _ := rounded(sigma, 159, newDigits(x, xBits))
	check(sigma, m, word(edge(159, 0), x, 0), 0)
	check(sigma, -m, word(edge(159, 0), x, 1), 1<<53)
	check(sigma, m, word(edge(159, 0), x, 1), 1<<63, word(edge(159, 0), x, 0), 1<<53)
	check(sigma, -m, word(1<<boxBits-1, x, 0), 1<<63, word(edge(159, 0), x, 1), 1<<53)

	// Points near the curve of cell 32, level 120, that one more word for x and one
	// for u put under it; the rounding then needs that same word of x.
	const large = MaxSigma - 1
	p := point{32, 120, boxHeightScale}
	for count := 0; count < 100; {
		x, w := rng.Uint64()&xMask, rng.Uint64()
		d := newDigits(x, xBits)
		if lo, hi := rounded(large, p.j, d); lo == hi {
			continue
		}
		u := p.curveAt(x)
		if u == nil {
			continue
		}
		u[0] -= rng.Uint64N(1 << 14)
		e := newDigits(u[0], 64)
		if p.truth(d, e) != undecided {
			continue
		}
		d.push(w, 64)
		e.push(0, 64)
		if lo, hi := rounded(large, p.j, d); lo == hi && p.truth(d, e) == under {
			check(large, lo, word(edge(p.j, p.level), x, 0), u[0], w, 0)
			count++
		}
	}
}
