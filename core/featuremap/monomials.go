package featuremap

import (
	"math"

	"dpattn/core/poly"
	"dpattn/core/quant"
	"dpattn/simd"
)

// MonomialsNumber is the number of Monomials in files.
const MonomialsNumber = 1

// phiScale is the integer length of phi at the bounds, a little below 2^13 so that rounding does
// not carry keys at the bound over the gate: 2^26 - phiScale^2 is 65,520, fourteen standard
// deviations of what rounding to integers does to |phi|^2 beside its mean r/12.
const phiScale = 1<<13 - 4

// Monomials is the feature map of p(x) = sum_t c_t x^t: weighted monomials of degree 0..s.
//
// Block t carries the integer weight w_t = phiScale * sqrt(|c_t| b^t / p+(b)), the noise-optimal
// choice a_t^2 = |c_t| (scale B_q/B_k)^t in integer units.
type Monomials struct {
	*simd.Map
	p     poly.Polynomial
	gains []int16 // round(w_t sqrt(t)), t = 1..s

	unit  float64   // takes a query to q' with <q', x/2^15> = scale <q, k>
	psi   []float64 // factor of sym(q'^t) in psi
	norm2 uint64
	floor float64
}

var _ Map = (*Monomials)(nil)

// NewMonomials makes the map for p with keys of length dim.
func NewMonomials(p poly.Polynomial, dim, features int, scale, keyBound float64) *Monomials {
	weights := poly.BlockWeights(p)
	constant := int16(max(1, math.RoundToEven(phiScale*weights[0])))
	gains := make([]int16, len(weights)-1)
	for t := range gains {
		gains[t] = int16(math.RoundToEven(phiScale * weights[t+1] * math.Sqrt(float64(t+1))))
	}
	return RestoreMonomials(p, constant, gains, dim, features, scale, keyBound)
}

// RestoreMonomials makes the map from its recorded integers. constant and gains must be as
// simd.NewMap wants them.
func RestoreMonomials(
	p poly.Polynomial,
	constant int16,
	gains []int16,
	dim, features int,
	scale, keyBound float64,
) *Monomials {
	m := &Monomials{Map: simd.NewMap(dim, features, constant, gains), p: p, gains: gains}
	m.norm2 = 1<<26 + uint64(features)/10
	// x/2^15 = k/keyBound * KeyScale/2^15. The query is scaled before its powers are taken: it is
	// then of the size of a logit, whereas powers of a query in its own units may overflow.
	m.unit = scale * keyBound * (1 << 15) / quant.KeyScale
	m.psi = make([]float64, len(p.Coeff))
	for t, c := range p.Coeff {
		if w := m.Weight(t); w > 0 {
			m.psi[t] = c / w
		}
	}
	m.floor = m.kernelFloor()
	return m
}

// Polynomial implements Map.
func (m *Monomials) Polynomial() poly.Polynomial { return m.p }

// Norm2 returns the gate's bound, 2^26 + r/10: the scale's square with room for the squares of the
// rounding errors (r/12 on average).
func (m *Monomials) Norm2() uint64 { return m.norm2 }

// Constant returns w_0.
func (m *Monomials) Constant() int16 { return m.Const }

// Integers implements Map: w_0, then the gains.
func (m *Monomials) Integers() []int16 { return append([]int16{m.Const}, m.gains...) }

// KernelFloor returns eta; see PROOF.md of package moment, "The sharper REPLACE bound".
func (m *Monomials) KernelFloor() float64 { return m.floor }

// monomialGate is working memory for the exact norm of one key's features.
type monomialGate struct {
	m   *Monomials
	row *simd.Row
}

// NewGate implements Map.
func (m *Monomials) NewGate() Gate { return &monomialGate{m, m.NewRow()} }

// Admit implements Gate. The zero key, the last step of shrinking, has |phi|^2 = w_0^2, which is
// admissible.
func (g *monomialGate) Admit(x []int16) bool {
	long := quant.Shorten(x)
	return quant.Shrink(x, func() bool { return g.m.Map.Norm2(g.row, x) <= g.m.norm2 }) || long
}

// Wipe implements Gate.
func (g *monomialGate) Wipe() { g.row.Wipe() }

// kernelFloor bounds <phi(x), phi(y)> from below over admitted keys. PROOF.md of package moment,
// "The sharper REPLACE bound", has the argument; the names are those used there.
func (m *Monomials) kernelFloor() float64 {
	weights := make([]float64, m.Degree+1)
	for t := range weights {
		weights[t] = m.Weight(t)
	}
	if !poly.KernelNonNegative(weights) {
		return math.Inf(1)
	}
	squares := 0.0
	for t, epsilon := range m.FeatureErrors() {
		lo, hi := m.Block(t)
		squares += float64(hi-lo) * epsilon * epsilon
	}
	e := math.Sqrt(squares) / math.Sqrt(float64(m.norm2))
	return (2*e + e*e) * (1 + 1e-9)
}
