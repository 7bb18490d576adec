package poly

import (
	"math"
	"math/big"
	"slices"
)

// KernelNonNegative reports whether the kernel of unit-norm features with block weights beta,
//
//	K(y) = sum_t beta_t^2 y^t,  y = <k, k'>/B_k^2,
//
// is at least 0 for all y in [-1, 1], that is for all pairs of admissible keys. True is proven, in
// exact arithmetic, for the weights given. False can also mean that K touches 0 inside of the
// interval.
func KernelNonNegative(beta []float64) bool {
	a := make([]*big.Rat, len(beta))
	for t, w := range beta {
		if math.IsNaN(w) || math.IsInf(w, 0) {
			return false
		}
		a[t] = new(big.Rat).SetFloat64(w)
		a[t].Mul(a[t], a[t])
	}
	return onUnit(a, func(low *big.Int) bool { return low.Sign() >= 0 })
}

// maxHalvings bounds the subdivision. Around a zero that is only touched it halves one or two
// intervals per level.
const maxHalvings = 50

// onUnit reports whether all values of sum_t a_t y^t, y in [-1, 1], pass, for a condition that
// larger numbers pass as well. It returns false if it cannot tell.
//
// A polynomial lies between the smallest and the largest of its Bernstein coefficients, and takes
// the first and the last of them as its values at the ends. So if all of them pass it passes; if an
// end fails it fails; else the halves decide.
func onUnit(a []*big.Rat, pass func(*big.Int) bool) bool {
	return len(a) > 0 && subdivide(bernstein(a), maxHalvings, pass)
}

// bernstein returns the Bernstein coefficients of sum_t a_t y^t on [-1, 1], times a common positive
// number that makes them integers. With y = 2u - 1 and s the degree, these are
//
//	b_i = sum_{j<=i} C(i,j)/C(s,j) d_j,  d_j = sum_{t>=j} a_t C(t,j) 2^j (-1)^(t-j).
func bernstein(a []*big.Rat) []*big.Int {
	s := len(a) - 1
	choose := func(n, k int) *big.Int { return new(big.Int).Binomial(int64(n), int64(k)) }
	d := make([]*big.Rat, s+1)
	for j := range d {
		d[j] = new(big.Rat)
		for t := j; t <= s; t++ {
			factor := choose(t, j)
			factor.Lsh(factor, uint(j))
			if (t-j)%2 == 1 {
				factor.Neg(factor)
			}
			term := new(big.Rat).SetInt(factor)
			d[j].Add(d[j], term.Mul(term, a[t]))
		}
		d[j].Quo(d[j], new(big.Rat).SetInt(choose(s, j)))
	}
	b := make([]*big.Rat, s+1)
	common := big.NewInt(1)
	for i := range b {
		b[i] = new(big.Rat)
		for j := range i + 1 {
			term := new(big.Rat).SetInt(choose(i, j))
			b[i].Add(b[i], term.Mul(term, d[j]))
		}
		common.Mul(common, b[i].Denom())
	}
	scaled := make([]*big.Int, s+1)
	for i := range b {
		b[i].Mul(b[i], new(big.Rat).SetInt(common))
		scaled[i] = b[i].Num()
	}
	return scaled
}

// subdivide decides onUnit for Bernstein coefficients b, by at most depth further halvings.
func subdivide(b []*big.Int, depth int, pass func(*big.Int) bool) bool {
	s := len(b) - 1
	if !pass(b[0]) || !pass(b[s]) {
		return false
	}
	if !slices.ContainsFunc(b, func(v *big.Int) bool { return !pass(v) }) {
		return true
	}
	if depth == 0 {
		return false
	}
	left, right := halves(b)
	return subdivide(left, depth-1, pass) && subdivide(right, depth-1, pass)
}

// halves returns the Bernstein coefficients of both halves of the interval, by de Casteljau's
// scheme. Means are left undivided and the result is multiplied by 2^s, so all stay integers.
func halves(b []*big.Int) (left, right []*big.Int) {
	s := len(b) - 1
	left, right = make([]*big.Int, s+1), make([]*big.Int, s+1)
	row := b
	for level := 0; ; level++ { // row holds sums of 2^level numbers
		shift := uint(s - level)
		left[level] = new(big.Int).Lsh(row[0], shift)
		right[s-level] = new(big.Int).Lsh(row[s-level], shift)
		if level == s {
			return left, right
		}
		next := make([]*big.Int, s-level)
		for i := range next {
			next[i] = new(big.Int).Add(row[i], row[i+1])
		}
		row = next
	}
}
