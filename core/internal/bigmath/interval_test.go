package bigmath

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// Every operation holds the exact results for the ends and the middle of its arguments, at low
// precision where rounding shows.
func TestIntervalHolds(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 18))
	random := func(low float64) Interval {
		a, b := low+(1-low)*rng.Float64(), low+(1-low)*rng.Float64()
		return Interval{down(12).SetFloat64(min(a, b)), up(12).SetFloat64(max(a, b))}
	}
	points := func(x Interval) []*big.Rat {
		lo, _ := x.Lo.Rat(nil)
		hi, _ := x.Hi.Rat(nil)
		middle := new(big.Rat).Add(lo, hi)
		return []*big.Rat{lo, hi, middle.Quo(middle, big.NewRat(2, 1))}
	}
	holds := func(name string, got Interval, want *big.Rat) {
		t.Helper()
		lo, _ := got.Lo.Rat(nil)
		hi, _ := got.Hi.Rat(nil)
		if lo.Cmp(want) > 0 || hi.Cmp(want) < 0 {
			t.Errorf("%s: %v does not hold %v", name, got, want.FloatString(20))
		}
	}
	for range 500 {
		x, y := random(-1), random(-1)
		p, q := random(0), random(0.01)
		for _, a := range points(x) {
			holds("-x", x.Neg(), new(big.Rat).Neg(a))
			holds("x/2", x.Half(), new(big.Rat).Quo(a, big.NewRat(2, 1)))
			holds("|x|", x.Abs(), new(big.Rat).Abs(a))
			holds("x to 5 bits", x.To(5), a)
			for _, b := range points(y) {
				holds("x + y", x.Add(y), new(big.Rat).Add(a, b))
				holds("x - y", x.Sub(y), new(big.Rat).Sub(a, b))
			}
		}
		for _, a := range points(p) {
			for _, b := range points(q) {
				holds("p q", p.Mul(q), new(big.Rat).Mul(a, b))
				holds("p/q", p.Quo(q), new(big.Rat).Quo(a, b))
			}
		}
	}
	holds("1001 in 5 bits", Int(1001, 5), big.NewRat(1001, 1))
	holds("pi in 5 bits", Point(big.NewFloat(3.14159), 5), new(big.Rat).SetFloat64(3.14159))
}
