package noise

import (
	"math/big"
	"math/bits"

	"dpattn/core/internal/bigmath"
)

// verdict says where a point (z, y) lies, as far as its known digits tell.
type verdict uint8

const (
	undecided verdict = iota
	under             // y < f(z): accept
	over              // y >= f(z): reject
)

// judge decides, from 50 bits of x and 64 bits of u, whether
//
//	y = (level + u) * boxHeight/2^32 < f((j + x)/32).
//
// It is undecided in fewer than one trial of ten million.
func (t *table) judge(e edge, x, u uint64) verdict {
	lo, hi := t.bracket(uint64(e.cell), x)

	// In units of 2^-63, y = level*boxHeight*2^31 + u*boxHeight/2^33 with
	// u in [U, U+1). Dropping the fraction and the width of that interval
	// loses less than 1 + boxHeight/2^33 < 2, so y lies in [Y, Y+2).
	uh, ul := bits.Mul64(u, boxHeight)
	y := uint64(e.level)*boxHeight<<31 + (uh<<31 | ul>>33)
	switch {
	case y+2 <= lo:
		return under
	case y >= hi:
		return over
	}
	return undecided
}

// bracket returns lo <= 2^63 f((j+x)/32) <= hi for every x of the cell
// [X, X+1]/2^50. With
//
//	f((j+x)/32) = f(j/32) exp(-d),   d = x (2j+x) / 2^11 < 0.16,
//
// Taylor's sums alternate around exp(-d): P3(d) <= exp(-d) <= P4(d) for d >= 0.
func (t *table) bracket(j, x uint64) (lo, hi uint64) {
	// d = X (2^51 j + X) / 2^111 at the left end, here in units of 2^-63 and
	// rounded down. To the right end it grows by (2^51 j + 2X + 1)/2^111, less
	// than 2^59/2^111 = 2^11 units, the rounding included.
	ph, pl := bits.Mul64(x, j<<51|x)
	left := ph<<16 | pl>>48
	right := left + 1<<11

	// Horner's steps q -> 1 - floor(d q / c) err by less than one unit each and
	// shrink what comes in by d/c < 1/4: p3 and p4 are within 2 units.
	const one = 1 << 63
	p3 := one - right/3
	p3 = one - mul63(right, p3)/2
	p3 = one - mul63(right, p3)
	p4 := one - left/4
	p4 = one - mul63(left, p4)/3
	p4 = one - mul63(left, p4)/2
	p4 = one - mul63(left, p4)
	return mul63(t.f[j], p3-2), mul63(t.f[j]+2, p4+2) + 1
}

// mul63 returns floor(a b / 2^63) for a b < 2^127.
func mul63(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi<<1 | lo>>63
}

// digits is the known part of a lazily drawn number of [0, 1): it lies in
// [v, v+1]/2^n.
type digits struct {
	v *big.Int
	n uint
}

func newDigits(v uint64, n uint) digits {
	return digits{new(big.Int).SetUint64(v), n}
}

// push appends the n bits of w < 2^n.
func (d *digits) push(w uint64, n uint) {
	d.v.Lsh(d.v, n)
	d.v.Or(d.v, new(big.Int).SetUint64(w))
	d.n += n
}

// point is a point under judgement,
//
//	z = (j + x)/32,   y = (level + u) * boxHeight/2^scale,
//
// with x and u uniform in [0, 1) and known by their digits only.
type point struct {
	j, level uint64
	scale    uint
}

// judge decides from the known digits: under if y < f(z) for all x and u that
// have them, over if y >= f(z) for all such, undecided otherwise or when the
// bracket of f is too wide to tell.
func (p point) judge(x, u digits) verdict {
	prec := x.n + u.n + 64 // keeps the error of f below the width that x and u leave
	z := new(big.Int).SetUint64(p.j)
	z.Lsh(z, x.n).Add(z, x.v) // in units of 2^-(n+5)
	y := new(big.Int).SetUint64(p.level)
	y.Lsh(y, u.n).Add(y, u.v) // in units of boxHeight/2^(scale+n)

	_, fmax := curveBounds(z, x.n+cellBits, prec)
	if p.height(y, u.n).Cmp(fmax) >= 0 {
		return over
	}
	fmin, _ := curveBounds(z.Add(z, bigOne), x.n+cellBits, prec)
	if p.height(y.Add(y, bigOne), u.n).Cmp(fmin) <= 0 {
		return under
	}
	return undecided
}

var bigOne = big.NewInt(1)

// height returns y*boxHeight/2^(scale+n), exactly.
func (p point) height(y *big.Int, n uint) *big.Float {
	h := new(big.Int).Mul(y, big.NewInt(boxHeight))
	v := new(big.Float).SetInt(h) // as precise as h is long
	return v.SetMantExp(v, -int(p.scale+n))
}

// curveBounds returns lo <= exp(-(z/2^n)^2/2) <= hi, with hi - lo below
// 2^-(prec-7) lo unless the curve is below 2^-2^29.
func curveBounds(z *big.Int, n, prec uint) (lo, hi *big.Float) {
	e := new(big.Float).SetInt(new(big.Int).Mul(z, z)) // exact, as above
	e.SetMantExp(e, -int(2*n+1))
	if e.Cmp(big.NewFloat(1<<29)) > 0 { // where big.Float may underflow
		return new(big.Float), new(big.Float).SetMantExp(big.NewFloat(1), -1<<29)
	}
	f := bigmath.Exp(e.Neg(e), prec)
	d := new(big.Float).SetMantExp(f, -int(prec-5)) // twice the error of Exp
	lo = new(big.Float).SetPrec(prec).SetMode(big.ToNegativeInf).Sub(f, d)
	hi = new(big.Float).SetPrec(prec).SetMode(big.ToPositiveInf).Add(f, d)
	return lo, hi
}

// decide draws words for x and u in turn until the point is decided. It returns
// the words that it appended to x: x is known to have them from then on, and
// only what comes after them is still uniform.
func (p point) decide(x, u digits, s *stream) (accept bool, drawn []uint64) {
	for {
		switch p.judge(x, u) {
		case under:
			return true, drawn
		case over:
			return false, nil
		}
		w := s.next()
		drawn = append(drawn, w)
		x.push(w, 64)
		u.push(s.next(), 64)
	}
}
