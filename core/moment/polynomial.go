package moment

import (
	"math"

	"dpattn/core/poly"
	"dpattn/core/quant"
	"dpattn/simd"
)

// phiScale is the integer length of phi at the bounds, a little below 2^13 so that rounding does not carry keys at the bound over
// the gate: 2^26 - phiScale^2 is 65,520, fourteen standard deviations of what rounding to integers does to |phi|^2 beside its mean r/12.
const phiScale = 1<<13 - 4

// Polynomial is the feature map of p(x) = sum_t c_t x^t: weighted monomials of degree 0..s.
//
// Block t carries the integer weight w_t = phiScale * sqrt(|c_t| b^t / p+(b)), the noise-optimal choice
// a_t^2 = |c_t| (scale B_q/B_k)^t of the design in integer units.
type Polynomial struct {
	Coeff []float64 // c_0..c_s
	Const int16     // w_0
	Gains []int16   // round(w_t sqrt(t)), t = 1..s

	table *simd.Map
	unit  float64   // takes a query to q' with <q', x/2^15> = scale <q, k>
	psi   []float64 // factor of sym(q'^t) in psi
	norm2 uint64
	floor float64
}

// NewPolynomial makes the map for p with keys of length dim.
func NewPolynomial(p poly.Polynomial, dim, features int, scale, keyBound float64) *Polynomial {
	weights := poly.BlockWeights(p)
	constant := int16(max(1, math.RoundToEven(phiScale*weights[0])))
	gains := make([]int16, len(weights)-1)
	for t := range gains {
		gains[t] = int16(math.RoundToEven(phiScale * weights[t+1] * math.Sqrt(float64(t+1))))
	}
	return RestorePolynomial(p.Coeff, constant, gains, dim, features, scale, keyBound)
}

// RestorePolynomial makes the map from its recorded integers. constant and gains must be as simd.NewMap wants them.
func RestorePolynomial(coeff []float64, constant int16, gains []int16, dim, features int, scale, keyBound float64) *Polynomial {
	m := &Polynomial{Coeff: coeff, Const: constant, Gains: gains, table: simd.NewMap(dim, features, constant, gains)}
	m.norm2 = 1<<26 + uint64(features)/10
	// x/2^15 = k/keyBound * KeyScale/2^15. The query is scaled before its powers are taken: it is then of the size of a logit, whereas powers
	// of a query in its own units may overflow.
	m.unit = scale * keyBound * (1 << 15) / quant.KeyScale
	m.psi = make([]float64, len(coeff))
	for t, c := range coeff {
		if w := m.table.Weight(t); w > 0 {
			m.psi[t] = c / w
		}
	}
	m.floor = m.kernelFloor()
	return m
}

// Features returns r.
func (m *Polynomial) Features() int { return m.table.Features }

// Norm2 returns the gate's bound, 2^26 + r/10: the scale's square with room for the squares of the rounding errors (r/12 on average).
func (m *Polynomial) Norm2() uint64 { return m.norm2 }

// Constant returns w_0.
func (m *Polynomial) Constant() int16 { return m.Const }

// KernelFloor returns eta; see PROOF.md, "The sharper REPLACE bound".
func (m *Polynomial) KernelFloor() float64 { return m.floor }

// Scratch is working memory for Gate. It holds secrets after use; Wipe it.
type Scratch struct{ row *simd.Row }

// NewScratch makes a Scratch.
func (m *Polynomial) NewScratch() *Scratch { return &Scratch{m.table.NewRow()} }

// Wipe zeroes the scratch.
func (s *Scratch) Wipe() { s.row.Wipe() }

// Gate makes x admissible: it shrinks x, by a rule that depends on x alone, until |x|^2 < 2^30 and then until |phi(x)|^2 <= Norm2, both in exact
// integers, and reports whether it had to. The zero key, the last step of shrinking, has |phi|^2 = w_0^2, which is admissible.
func (m *Polynomial) Gate(x []int16, s *Scratch) bool {
	long := shrinkKey(x)
	return quant.Shrink(x, func() bool { return m.table.Norm2(s.row, x) <= m.norm2 }) || long
}

// kernelFloor bounds <phi(x), phi(y)> from below over admitted keys. PROOF.md, "The sharper REPLACE bound", has the argument; the names
// are those used there.
func (m *Polynomial) kernelFloor() float64 {
	s := m.table.Degree
	weights := make([]float64, s+1)
	for t := range weights {
		weights[t] = m.table.Weight(t)
	}
	if !poly.KernelNonNegative(weights) {
		return math.Inf(1)
	}
	squares := 0.0
	for t, epsilon := range m.table.FeatureErrors() {
		lo, hi := m.table.Block(t)
		squares += float64(hi-lo) * epsilon * epsilon
	}
	e := math.Sqrt(squares) / math.Sqrt(float64(m.norm2))
	return (2*e + e*e) * (1 + 1e-9)
}
