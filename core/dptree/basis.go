package dptree

import (
	"math"

	"dpattn/core/fault"
	"dpattn/core/poly"
)

// Fixed point of keys and of their monomials: an entry of R is keyScale, a monomial of ones is
// monoOne.
const (
	keyScale = 1<<15 - 1
	monoBits = 30
	monoOne  = 1 << monoBits
)

// basis is the polynomial kernel of DPTreeSoftmax: P with <P(x), P(y)> = sum_t c_t (<x,y>/d)^t
// close to exp(<x,y>/d) for x, y in [0, R]^d, every c_t >= 0. Coordinate i of P is a weighted
// monomial of degree t,
//
//	P_i(x) = bound_i prod_j (x_j/R)^(m_j),   bound_i^2 = c_t R^(2t)/d^t * t!/prod_j m_j!,
//
// with values in [0, bound_i]. (The paper bounds all coordinates by one number, Gamma R^s. Their
// own bounds are just as public and make less noise.)
type basis struct {
	dim       int
	coeff     []float64 // c_0..c_s
	err       float64   // of p against e^x, relative, on [0, R^2]
	parent    []int32   // the monomial that this one is a multiple of; -1 for the first, which is 1
	factor    []int32   // by which entry
	bound     []float64
	share     []uint64 // round(2^shareBits bound_i^2/top)
	top       float64  // sum_i bound_i^2 = p(R^2), the largest |P(x)|^2
	maxWeight float64  // max(p(R^2), e^(R^2)): a row's weight is at most this
}

// maxFeatures bounds r; each of them is a structure of its own.
const maxFeatures = 1 << 22

// shareBits is the fixed point of share.
const shareBits = 40

// newBasis makes the basis of degree p.Degree or, if that is 0, of the least degree within
// p.RelativeError.
func newBasis(p *Params) (*basis, error) {
	b := p.Range * p.Range
	coeff, err, e := p.polynomial(b)
	if e != nil {
		return nil, e
	}
	return restoreBasis(p, coeff, err)
}

// polynomial returns coefficients, all at least 0, and their relative error on [0, b].
func (p *Params) polynomial(b float64) (coeff []float64, err float64, e error) {
	if p.Degree != 0 {
		return positive(p.Degree, b)
	}
	best := math.Inf(1)
	for degree := 1; degree <= poly.MaxDegree; degree++ {
		if coeff, err, e = positive(degree, b); e != nil || err <= p.RelativeError {
			return coeff, err, e
		}
		best = min(best, err)
	}
	return nil, 0, fault.New(fault.Limit,
		"params.relative_error is %v; on logits up to range^2 = %v the polynomials of degree up to %d reach %.3g",
		p.RelativeError, b, poly.MaxDegree, best)
}

// positive returns the better of two polynomials for e^x on [0, b] without negative coefficients,
// which the identity of the squared distance needs: Taylor's, and the one of least relative error
// on [0, b], e^(b/2) q(x - b/2) with q minimax on [-b/2, b/2].
func positive(degree int, b float64) (coeff []float64, err float64, e error) {
	taylor, e := poly.Exp(poly.Taylor, degree, b)
	if e != nil {
		return nil, 0, fault.Invalid("params: %v", e)
	}
	// Taylor's rest is positive and its ratio to e^x grows with x.
	coeff, err = taylor.Coeff, 1-taylor.At(b)*math.Exp(-b)
	q, e := poly.Exp(poly.Minimax, degree, b/2)
	if e != nil {
		return nil, 0, fault.Invalid("params: %v", e)
	}
	// Horner's rule with the polynomial x - b/2.
	shifted := make([]float64, degree+1)
	for t := degree; t >= 0; t-- {
		for i := degree; i > 0; i-- {
			shifted[i] = shifted[i-1] - b/2*shifted[i]
		}
		shifted[0] = q.Coeff[t] - b/2*shifted[0]
	}
	for t := range shifted {
		if shifted[t] *= math.Exp(b / 2); !(shifted[t] >= 0) {
			return coeff, err, nil
		}
	}
	if q.RelativeError < err {
		return shifted, q.RelativeError, nil
	}
	return coeff, err, nil
}

// restoreBasis makes the basis from its coefficients.
func restoreBasis(p *Params, coeff []float64, err float64) (*basis, error) {
	degree := len(coeff) - 1
	features, e := poly.Features(p.Dim, degree)
	if e != nil || features > maxFeatures {
		return nil, fault.New(fault.OutOfMemory,
			"params: dim %d and degree %d make more than 2^22 features C(dim+degree, degree); choose a smaller degree",
			p.Dim, degree)
	}
	s := &basis{
		dim: p.Dim, coeff: coeff, err: err,
		parent: make([]int32, 0, features), factor: make([]int32, 0, features), bound: make([]float64, 0, features),
	}
	type node struct {
		last, run int // the last index, and how often it occurs
		count     float64
	}
	s.parent, s.factor, s.bound = append(s.parent, -1), append(s.factor, 0), append(s.bound, math.Sqrt(coeff[0]))
	level, first := []node{{0, 0, 1}}, 0
	for t := 1; t <= degree; t++ {
		var next []node
		scale := coeff[t] * math.Pow(p.Range*p.Range/float64(p.Dim), float64(t))
		for i, n := range level {
			for j := n.last; j < p.Dim; j++ {
				run := 1
				if j == n.last && t > 1 {
					run = n.run + 1
				}
				child := node{j, run, n.count * float64(t) / float64(run)} // t!/prod m_j!
				next = append(next, child)
				s.parent, s.factor = append(s.parent, int32(first+i)), append(s.factor, int32(j))
				s.bound = append(s.bound, math.Sqrt(scale*child.count))
			}
		}
		first += len(level)
		level = next
	}
	for _, v := range s.bound {
		s.top += v * v
	}
	if !(s.top > 0 && s.top <= largest) {
		return nil, fault.Invalid("params: the polynomial's coefficients are out of range")
	}
	s.maxWeight = max(s.top, math.Exp(p.Range*p.Range))
	s.share = make([]uint64, len(s.bound))
	for i, v := range s.bound {
		s.share[i] = uint64(math.RoundToEven(v * v / s.top * (1 << shareBits)))
	}
	return s, nil
}

func (s *basis) features() int { return len(s.bound) }

// monomials computes prod_j (x_j/keyScale)^(m_j) in fixed point, monoOne for 1, from the integers
// x_j in 0..keyScale.
func (s *basis) monomials(x []int16, mono []uint32) {
	mono[0] = monoOne
	for i := 1; i < len(mono); i++ {
		mono[i] = uint32((uint64(mono[s.parent[i]])*uint64(x[s.factor[i]]) + keyScale/2) / keyScale)
	}
}

// powers computes the monomials of a query's entries, which are in [0, 1].
func (s *basis) powers(y, mono []float64) {
	mono[0] = 1
	for i := 1; i < len(mono); i++ {
		mono[i] = mono[s.parent[i]] * y[s.factor[i]]
	}
}
