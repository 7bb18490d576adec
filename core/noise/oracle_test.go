package noise

import (
	"encoding/binary"
	"io"
	"math/big"
	"math/rand/v2"
)

// fix is the number of fractional bits of the test's own arithmetic.
const fix = 320

// expBounds returns lo <= 2^fix exp(-a/2^n) <= hi for 0 <= a/2^n <= 30. It shares
// nothing with bigmath: a plain sum of Taylor's series of exp(+a/2^n) in integers,
// rounded down and rounded up, and one division. Above 200 terms the ratio of
// terms is below 1/6, so that the last term bounds what is left.
func expBounds(a *big.Int, n uint) (lo, hi *big.Int) {
	const terms = 200
	sum := func(roundUp int64) *big.Int {
		up := big.NewInt(roundUp)
		t := new(big.Int).Lsh(big.NewInt(1), fix)
		s := new(big.Int).Set(t)
		for i := int64(1); i <= terms; i++ {
			t.Mul(t, a)
			t.Rsh(t, n)
			t.Add(t, up) // t/i + 1 is at least the quotient of t + 1
			t.Quo(t, big.NewInt(i))
			t.Add(t, up)
			s.Add(s, t)
		}
		return s.Add(s, t.Mul(t, up))
	}
	square := new(big.Int).Lsh(big.NewInt(1), 2*fix)
	lo = new(big.Int).Quo(square, sum(1))
	hi = new(big.Int).Quo(square, sum(0))
	return lo, hi.Add(hi, big.NewInt(1))
}

// fBounds returns lo <= 2^fix exp(-(z/2^n)^2/2) <= hi.
func fBounds(z *big.Int, n uint) (lo, hi *big.Int) {
	return expBounds(new(big.Int).Mul(z, z), 2*n+1)
}

// zInt returns the integer j 2^n + x, for z = (j + x/2^n)/32 in units of 2^-(n+5).
func zInt(j, x uint64, n uint) *big.Int {
	z := new(big.Int).SetUint64(j)
	return z.Lsh(z, n).Add(z, new(big.Int).SetUint64(x))
}

// script returns a stream of the given words, at most 256. It panics when more
// are read.
func script(words ...uint64) *stream {
	s := new(stream)
	s.pos = len(s.buf) - 8*len(words)
	for i, w := range words {
		binary.LittleEndian.PutUint64(s.buf[s.pos+8*i:], w)
	}
	return s
}

// left returns the number of words of a script that have not been read.
func left(s *stream) int { return (len(s.buf) - s.pos) / 8 }

// seeded returns a reader of the given seed's bytes.
func seeded(seed byte) io.Reader {
	return rand.NewChaCha8([32]byte{seed})
}
