package bigmath

import (
	"math"
	"math/big"
	"sync/atomic"
)

// The standard normal distribution at any precision: density phi, distribution function Phi and
// Mills' ratio
//
//	R(x) = (1 - Phi(x))/phi(x).
//
// Every operation is rounded outward and every infinite sum or fraction is cut with a proven bound,
// so the results hold the true values by construction. How narrow they are rests on guard bits: for
// a point x of at most prec bits, the relative width of a result of prec bits is at most 2^(2-prec)
// (for Density and Phi, while |x| <= MaxNormal). Tests check the width; nothing needs it.

// MaxNormal is the largest |x| for which Density and Phi tell more than one bound. Beyond it phi(x)
// and 1 - Phi(|x|) are below 2^-2^19, because x^2/2 > 2^19. (Much smaller numbers, subtracted from
// 1, would need megabytes in big.Float.)
const MaxNormal = 1 << 10

// Phi holds the distribution function: Phi(x) = phi(x) R(-x) for x <= 0 and 1 - phi(x) R(x) for
// x >= 0, without cancellation.
func Phi(x Interval) Interval {
	prec := x.prec()
	w := prec + 8
	x = x.To(w)
	switch {
	case x.Hi.Sign() <= 0:
		return Density(x).Mul(Mills(x.Neg())).To(prec)
	case x.Lo.Sign() >= 0:
		return Int(1, w).Sub(Density(x).Mul(Mills(x))).To(prec)
	}
	return Int(1, w).Add(x).Half().To(prec) // phi < 1/2, so Phi(x) is between 1/2 and (1 + x)/2
}

// Density holds phi(x) = e^(-x^2/2)/sqrt(2 pi). As x^2/2 is at most 2^19, a relative error of 2^-w
// in it changes the result by less than 2^(20-w) of itself.
func Density(x Interval) Interval {
	prec := x.prec()
	size := x.Abs().To(prec + 40)
	if size.Lo.Cmp(big.NewFloat(MaxNormal)) > 0 {
		return Interval{down(prec), up(prec).SetMantExp(big.NewFloat(1), -1<<19)}
	}
	return exp(size.Mul(size).Half().Neg()).Quo(rootTwoPi(prec + 40)).To(prec)
}

// exp holds e^x. With h the width of x and E = Exp(x.Hi), whose relative error is below
// t/2 = 2^-(prec-4), e^x lies between E (1-t) (1-h), because e^-h >= 1 - h, and E (1+t), because
// (1+t)(1-t/2) >= 1.
func exp(x Interval) Interval {
	e := Point(Exp(x.Hi, x.prec()), x.prec())
	one := Int(1, x.prec())
	t := x.up().SetMantExp(one.Hi, 5-int(x.prec()))
	lo := one.Sub(Interval{t, t}).Mul(one.Sub(Interval{x.down(), x.width()}).positive())
	return e.Mul(Interval{lo.Lo, x.up().Add(one.Hi, t)})
}

// Mills holds R(x), x >= 0. Its derivative is x R(x) - 1, and 1/x > R(x) > 0 puts that between -1
// and 0. So R(x.Lo), reduced by at most the width of x, is R(x).
func Mills(x Interval) Interval {
	prec := x.prec()
	var r Interval
	if f, _ := x.Lo.Float64(); f*f > float64(prec)/8 {
		r = millsFraction(x.Lo, prec+8)
	} else {
		r = millsSeries(x.Lo, prec+8)
	}
	return Interval{r.down().Sub(r.Lo, x.width()), r.Hi}.positive().To(prec)
}

// fixed returns bounds of x 2^w, x >= 0, as integers. With them the loops below work in fixed
// point, numbers standing for multiples of 2^-w: a lower bound is rounded down, an upper one down
// and up by one.
func fixed(x *big.Float, w uint) (lo, hi *big.Int) {
	scaled := new(big.Float).SetMantExp(x, int(w))
	lo, _ = scaled.Int(nil)
	hi = new(big.Int).Set(lo)
	if !scaled.IsInt() {
		hi.Add(hi, one)
	}
	return lo, hi
}

var one = big.NewInt(1)

// fromFixed is the reverse of fixed for any bounds.
func fromFixed(lo, hi *big.Int, w, prec uint) Interval {
	x := Interval{down(prec).SetInt(lo), up(prec).SetInt(hi)}
	x.Lo.SetMantExp(x.Lo, -int(w))
	x.Hi.SetMantExp(x.Hi, -int(w))
	return x
}

// millsSeries holds R(x) for small x >= 0:
//
//	R(x) = 1/(2 phi(x)) - S(x),  S(x) = sum_{n>=0} t_n,  t_0 = x,  t_n = t_(n-1) x^2/(2n+1)
//
// (Abramowitz and Stegun 26.2.11). All terms are positive. Once x^2/(2n+3) <= 1/2, the terms after
// t_n sum to at most t_n. The difference is above 1/(x+1) and 1/(2 phi(x)) = 1.25 e^(x^2/2), so it
// cancels less than 0.73 x^2 + log2(x+1) + 1 bits.
func millsSeries(x *big.Float, prec uint) Interval {
	f, _ := x.Float64()
	w := prec + uint(0.73*f*f+math.Log2(f+1)) + 24
	termLo, termHi := fixed(x, w)
	squareLo, squareHi := new(big.Int).Mul(termLo, termLo), new(big.Int).Mul(termHi, termHi)
	squareLo.Rsh(squareLo, w)
	squareHi.Rsh(squareHi, w).Add(squareHi, one)
	sumLo, sumHi := new(big.Int).Set(termLo), new(big.Int).Set(termHi)
	odd := big.NewInt(1)
	for n := 0; float64(2*n+3) < 2.01*f*f || termHi.BitLen() > 2; {
		n++
		odd.SetInt64(int64(2*n + 1))
		termLo.Mul(termLo, squareLo).Rsh(termLo, w).Quo(termLo, odd)
		termHi.Mul(termHi, squareHi).Rsh(termHi, w).Add(termHi, one)
		termHi.Quo(termHi, odd).Add(termHi, one)
		sumLo.Add(sumLo, termLo)
		sumHi.Add(sumHi, termHi)
	}
	sum := fromFixed(sumLo, sumHi.Add(sumHi, termHi), w, w)
	v := max(w, x.Prec())
	return Int(1, v).Half().Quo(Density(Point(x, v))).Sub(sum).positive().To(prec)
}

// millsFraction holds R(x) for x > 0 that is not small, by Laplace's continued fraction (Abramowitz
// and Stegun 26.2.14):
//
//	R(x) = 1/f_1,  f_k = x + k/f_(k+1),  so  x < f_k < x + k/x.
//
// It starts from these bounds at k = n and goes down to 1. Near its fixed point
// f = (x + sqrt(x^2+4k))/2 step k shrinks the relative width by k/f^2, and n is where these factors
// come to 2^-(prec+4).
func millsFraction(x *big.Float, prec uint) Interval {
	w := prec + 16 + uint(max(0, x.MantExp(nil)))
	f, _ := x.Float64()
	n := int64(1)
	for bits := 0.0; bits < float64(prec+4); n++ {
		near := (f + math.Sqrt(f*f+4*float64(n))) / 2
		bits += math.Log2(near * near / float64(n))
	}
	pointLo, pointHi := fixed(x, w)
	k, quotient := new(big.Int), new(big.Int)
	// divided by a fixed-point f, it is a fixed-point n/f
	over := func(n int64) *big.Int { return k.Lsh(k.SetInt64(n), 2*w) }
	lo := new(big.Int).Set(pointLo)
	hi := new(big.Int).Quo(over(n), pointLo)
	hi.Add(hi, pointHi).Add(hi, one)
	for n--; n >= 1; n-- {
		quotient.Quo(over(n), hi)
		hi.Quo(k, lo)
		hi.Add(hi, pointHi).Add(hi, one)
		lo.Add(quotient, pointLo)
	}
	quotient.Quo(over(1), hi)
	hi.Quo(k, lo).Add(hi, one)
	return fromFixed(quotient, hi, w, prec)
}

// sharpestRoot keeps the enclosure of sqrt(2 pi) of the highest precision asked for so far.
var sharpestRoot atomic.Pointer[Interval]

// rootTwoPi holds sqrt(2 pi), with relative width below 2^(1-prec): if 2 pi 2^(2v) is in [p, q],
// integer square roots give floor(sqrt(p)) <= sqrt(2 pi) 2^v < floor(sqrt(q)) + 1.
func rootTwoPi(prec uint) Interval {
	if r := sharpestRoot.Load(); r != nil && r.prec() >= prec {
		return r.To(prec)
	}
	v := prec + 8
	p, q := piBounds(2*v + 1)
	p.Sqrt(p)
	q.Sqrt(q).Add(q, big.NewInt(1))
	r := fromFixed(p, q, v, prec)
	sharpestRoot.Store(&r)
	return r
}

// piBounds returns integers p <= pi 2^w <= q, by Machin's formula pi = 16 arctan(1/5) - 4
// arctan(1/239).
func piBounds(w uint) (p, q *big.Int) {
	const guard = 32
	a, errorA := arctanInverse(5, w+guard)
	b, errorB := arctanInverse(239, w+guard)
	a.Lsh(a, 4)
	a.Sub(a, b.Lsh(b, 2))
	e := big.NewInt(16*errorA + 4*errorB)
	p = new(big.Int).Sub(a, e)
	q = a.Add(a, e)
	p.Rsh(p, guard)
	q.Rsh(q, guard)
	return p, q.Add(q, big.NewInt(1))
}

// arctanInverse returns arctan(1/m) 2^w = sum_k (-1)^k 2^w/((2k+1) m^(2k+1)) as an integer, and a
// bound of its error, m >= 2.
//
// The powers are rounded down at each division by m^2, which leaves them less than
// 1/(1 - 1/m^2) <= 4/3 too small, and the terms again at the division by 2k+1: less than 3 per
// term. The sum ends where a power is 0, that is where 2^w/m^(2k+1) < 4/3, and the rest of an
// alternating sum is below its first term: less than 3 as well.
func arctanInverse(m int64, w uint) (sum *big.Int, bound int64) {
	square := big.NewInt(m * m)
	power := new(big.Int).Lsh(big.NewInt(1), w)
	power.Quo(power, big.NewInt(m))
	sum = new(big.Int)
	term := new(big.Int)
	for k := int64(0); power.Sign() > 0; k++ {
		term.Quo(power, big.NewInt(2*k+1))
		if k%2 == 0 {
			sum.Add(sum, term)
		} else {
			sum.Sub(sum, term)
		}
		power.Quo(power, square)
		bound += 3
	}
	return sum, bound + 3
}
