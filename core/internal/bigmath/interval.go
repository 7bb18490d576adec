package bigmath

import "math/big"

// Interval is a closed interval that is known to hold a number: Lo <= it <= Hi. Operations round Lo
// down and Hi up, so they hold the result for all numbers of their arguments. Results have the
// precision of the receiver. No operation changes an argument.
type Interval struct{ Lo, Hi *big.Float }

// Point returns an interval of the given precision that holds x.
func Point(x *big.Float, prec uint) Interval { return Interval{down(prec).Set(x), up(prec).Set(x)} }

// Int returns an interval of the given precision that holds n.
func Int(n int64, prec uint) Interval { return Interval{down(prec).SetInt64(n), up(prec).SetInt64(n)} }

func down(prec uint) *big.Float { return new(big.Float).SetPrec(prec).SetMode(big.ToNegativeInf) }
func up(prec uint) *big.Float   { return new(big.Float).SetPrec(prec).SetMode(big.ToPositiveInf) }

func (x Interval) down() *big.Float { return down(x.prec()) }
func (x Interval) up() *big.Float   { return up(x.prec()) }
func (x Interval) prec() uint       { return x.Lo.Prec() }

// To returns x with precision prec.
func (x Interval) To(prec uint) Interval { return Interval{down(prec).Set(x.Lo), up(prec).Set(x.Hi)} }

// Add returns x + y.
func (x Interval) Add(y Interval) Interval {
	return Interval{x.down().Add(x.Lo, y.Lo), x.up().Add(x.Hi, y.Hi)}
}

// Sub returns x - y.
func (x Interval) Sub(y Interval) Interval {
	return Interval{x.down().Sub(x.Lo, y.Hi), x.up().Sub(x.Hi, y.Lo)}
}

// Neg returns -x.
func (x Interval) Neg() Interval { return Interval{x.down().Neg(x.Hi), x.up().Neg(x.Lo)} }

// Mul returns x y for x, y >= 0.
func (x Interval) Mul(y Interval) Interval {
	return Interval{x.down().Mul(x.Lo, y.Lo), x.up().Mul(x.Hi, y.Hi)}
}

// Quo returns x/y for x >= 0, y > 0.
func (x Interval) Quo(y Interval) Interval {
	return Interval{x.down().Quo(x.Lo, y.Hi), x.up().Quo(x.Hi, y.Lo)}
}

// Half returns x/2.
func (x Interval) Half() Interval {
	return Interval{x.down().SetMantExp(x.Lo, -1), x.up().SetMantExp(x.Hi, -1)}
}

// Abs returns |x|.
func (x Interval) Abs() Interval {
	switch {
	case x.Lo.Sign() >= 0:
		return x
	case x.Hi.Sign() <= 0:
		return x.Neg()
	}
	far := x.up().Neg(x.Lo)
	if far.Cmp(x.Hi) < 0 {
		far.Set(x.Hi)
	}
	return Interval{x.down(), far}
}

// positive returns x with a negative Lo replaced by 0, for a number that is known not to be
// negative.
func (x Interval) positive() Interval {
	if x.Lo.Sign() < 0 {
		return Interval{x.down(), x.Hi}
	}
	return x
}

// width returns Hi - Lo, rounded up.
func (x Interval) width() *big.Float { return x.up().Sub(x.Hi, x.Lo) }
