package gaussian

import (
	"dpattn/core/privacy"
)

// Fraction is a fraction as two decimal integers.
type Fraction struct {
	Numerator   string `json:"numerator"`
	Denominator string `json:"denominator"`
}

// Noise says how the noise is distributed.
type Noise struct {
	Name  string `json:"law"`
	Terms []Term `json:"terms"`
}

// Term is so many heads with one sigma.
type Term struct {
	Heads int    `json:"heads"`
	Sigma uint64 `json:"sigma"`
}

// Point is one of the curve of guarantees that hold at once.
type Point struct {
	Delta   float64 `json:"delta"`
	Epsilon float64 `json:"epsilon"`
}

// Group is the guarantee for several units at once.
type Group struct {
	Units   int     `json:"units"`
	Epsilon float64 `json:"epsilon"`
	Delta   float64 `json:"delta"`
}

// Fraction is sum_h sensitivity^2/sigma_h^2: exact for up to 64 different sigmas, else each term is
// rounded up to a multiple of 2^-256.
func (s *State) Fraction() Fraction {
	x := s.MuSquared(s.Sigmas)
	return Fraction{x.Num().String(), x.Denom().String()}
}

// Noise describes the noise.
func (s *State) Noise() Noise {
	n := Noise{Name: "round(N(0, sigma^2)), independent on each integer"}
	for _, t := range s.Terms(s.Sigmas) {
		n.Terms = append(n.Terms, Term{t.Parts, t.Sigma})
	}
	return n
}

// PublicRows are the numbers of rows of the heads, nil where they are private.
func (s *State) PublicRows() []uint64 {
	if !s.RowsPublic {
		return nil
	}
	return s.Rows
}

// Curve lists epsilon for some deltas.
func (s *State) Curve() (curve []Point) {
	for _, p := range privacy.Table(s.Mu) {
		curve = append(curve, Point{p.Delta, p.Epsilon})
	}
	return curve
}

// Groups lists the guarantee for some numbers of units.
func (s *State) Groups(delta float64) (groups []Group) {
	for _, g := range privacy.GroupTable(s.Mu, delta, 1, 2, 5, 10, 100) {
		groups = append(groups, Group{g.Units, g.Epsilon, g.Delta})
	}
	return groups
}
