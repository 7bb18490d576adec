package noise

import (
	"crypto/rand"
	"fmt"
	"io"
	"math/bits"
)

// TruncatedLaplace is the distribution of an integer X with
//
//	P(X = x) = exp(-|x|/lambda) / Z,   |x| <= Support,   lambda = Num/Den,
//
// Z the sum of the numerators: the truncated Laplace distribution (Geng, Ding, Guo and Kumar,
// "Tight analysis of privacy and utility tradeoff in approximate differential privacy",
// AISTATS 2020) on the integers. Package privacy says what it promises.
type TruncatedLaplace struct {
	Num, Den uint64 // lambda as a fraction, not necessarily in lowest terms
	Support  uint64 // the largest |x|
}

// MaxLaplace bounds the integers that the sampler works with: Num and Den*(Support+1).
const MaxLaplace = 1 << 62

// Validate reports whether Laplace can draw from the distribution: Num and Den at least 1, Num and
// Den*(Support+1) at most MaxLaplace.
func (l TruncatedLaplace) Validate() error {
	if l.Num < 1 || l.Num > MaxLaplace || l.Den < 1 {
		return fmt.Errorf("noise: lambda = %d/%d must be a fraction of positive integers, the first at most 2^62",
			l.Num, l.Den)
	}
	if hi, lo := bits.Mul64(l.Den, l.Support+1); l.Support >= MaxLaplace || hi != 0 || lo > MaxLaplace {
		return fmt.Errorf("noise: support = %d times %d is too large; the product must be below 2^62", l.Support, l.Den)
	}
	return nil
}

// Laplace fills dst with independent draws of the distribution, with no error of floating point in
// the probabilities; LAPLACE.md has the proof and says what it assumes. Entropy, threads, errors,
// panics and secrecy are as with Gaussian.
func Laplace(dst []int64, dist TruncatedLaplace, threads int) error {
	return laplace(dst, dist, threads, rand.Reader)
}

// laplace is Laplace with its randomness as an argument. It is a function of the first 48 bytes of
// entropy, of len(dst) and of the distribution, and not of threads.
func laplace(dst []int64, dist TruncatedLaplace, threads int, entropy io.Reader) error {
	if err := dist.Validate(); err != nil {
		return err
	}
	p := newTrial(dist)
	return inBlocks(dst, threads, entropy, p.fill)
}

// trial is a distribution in the form that drawing takes (Canonne, Kamath and Steinke, "The
// discrete Gaussian for differential privacy", NeurIPS 2020, algorithm 2). A trial draws
// X = u + num*v of the geometric distribution P(X = x) ~ exp(-x/num), whose quotient floor(X/den)
// has the distribution ~ exp(-y den/num), and is accepted if X < limit.
type trial struct {
	num, den uint64
	limit    uint64 // den*(support+1): floor(X/den) <= support is X < limit
	span     uint64 // u < span: num, or limit where that is less, for then v = 0
	most     uint64 // the largest v with num*v < limit
}

func newTrial(l TruncatedLaplace) *trial {
	limit := l.Den * (l.Support + 1)
	return &trial{num: l.Num, den: l.Den, limit: limit, span: min(l.Num, limit), most: (limit - 1) / l.Num}
}

// fill sets every element of dst to an independent draw.
func (p *trial) fill(dst []int64, s *stream) {
	for i := range dst {
		for {
			if y, ok := p.draw(s); ok {
				dst[i] = y
				break
			}
		}
	}
}

// draw makes one trial.
func (p *trial) draw(s *stream) (y int64, ok bool) {
	u := s.below(p.span)
	if !s.decays(u, p.num) {
		return 0, false
	}
	x := u
	if p.most > 0 {
		v := uint64(0)
		for s.decaysOnce() {
			if v++; v > p.most {
				return 0, false
			}
		}
		if x += p.num * v; x >= p.limit {
			return 0, false
		}
	}
	m := x / p.den
	sign := -(s.next() & 1) // 0 or all ones
	if sign != 0 && m == 0 {
		return 0, false // else 0 would come twice as often
	}
	return int64((m ^ sign) - sign), true
}

// below returns a uniform number of 0..n-1, for n >= 1, by the high word of a product (Lemire,
// "Fast random integer generation in an interval", ACM Trans. Model. Comput. Simul. 29(1), 2019):
// each result has floor(2^64/n) of the low words that are not refused.
func (s *stream) below(n uint64) uint64 {
	hi, lo := bits.Mul64(s.next(), n)
	if lo < n {
		for refused := -n % n; lo < refused; {
			hi, lo = bits.Mul64(s.next(), n)
		}
	}
	return hi
}

// decays returns true with probability exp(-u/n), for u <= n. The chance that the first k events of
// probabilities u/n, u/(2n), u/(3n), ... all happen is (u/n)^k/k!, so that the number of the first
// one that does not is odd with probability 1 - u/n + (u/n)^2/2 - (u/n)^3/6 + ...
func (s *stream) decays(u, n uint64) bool {
	for k := uint64(1); ; k++ {
		if k > 1 && s.below(k) != 0 || s.below(n) >= u {
			return k&1 == 1
		}
	}
}

// factorials are 20!/k! for k = 2, ..., 20.
var factorials = func() (f [19]uint64) {
	f[18] = 1
	for k := uint64(20); k > 2; k-- {
		f[k-3] = f[k-2] * k
	}
	return f
}()

// decaysOnce returns true with probability exp(-1): it is decays(1, 1), where one number w, uniform
// below 20!, decides the first twenty events at once. They are nested, and w < 20!/k! says that the
// first k happen.
func (s *stream) decaysOnce() bool {
	w := s.below(2 * factorials[0])
	for i, f := range &factorials {
		if w >= f {
			return i&1 == 1 // event number i + 2 is the first that does not happen
		}
	}
	for k := uint64(21); ; k++ { // one time in 20!
		if s.below(k) != 0 {
			return k&1 == 1
		}
	}
}
