package moment

import (
	"math/big"

	"dpattn/core/mechanism"
	"dpattn/core/privacy"
	"dpattn/core/quant"
)

// certificate is the certificate of the Gaussian moment release.
type certificate struct {
	mechanism.Certificate
	Mu float64 `json:"mu"` // rounded up
	// MuSquared is sum_h sensitivity^2/sigma_h^2, two decimal integers: exact for up to 64 different
	// sigmas, else each term is rounded up to a multiple of 2^-256.
	MuSquared   fraction     `json:"mu_squared"`
	Sensitivity sensitivity  `json:"sensitivity"`
	Noise       distribution `json:"noise"`
	Shape       shape        `json:"shape"`
	Bounds      normBounds   `json:"bounds"`
	FeatureMap  featureMap   `json:"feature_map"`
	Grid        integerGrid  `json:"grid"`
	Rows        []uint64     `json:"rows"` // a head, where public; else null
	Curve       []curvePoint `json:"curve"`
	Groups      []group      `json:"groups"`
}

type fraction struct {
	Numerator   string `json:"numerator"`
	Denominator string `json:"denominator"`
}

type sensitivity struct {
	Norm          string `json:"norm"`
	Squared       string `json:"squared"` // of one head to one unit, exact
	PhiSquared    uint64 `json:"phi_squared"`
	ValueSquared  uint64 `json:"value_squared"`
	Lambda        int16  `json:"lambda"`
	SharperBound  bool   `json:"sharper_replace_bound"`
	KernelFloorOK bool   `json:"kernel_floor_proven"`
}

type distribution struct {
	Name  string      `json:"law"`
	Terms []noiseTerm `json:"terms"`
}

type noiseTerm struct {
	Heads int    `json:"heads"`
	Sigma uint64 `json:"sigma"`
}

type shape struct {
	Heads    int `json:"heads"`
	KeyDim   int `json:"key_dim"`
	ValueDim int `json:"value_dim"`
	Degree   int `json:"degree"`
	Features int `json:"features"`
}

type normBounds struct {
	Key    float64 `json:"key_bound"`
	Value  float64 `json:"value_bound"`
	Query  float64 `json:"query_bound"`
	Scale  float64 `json:"scale"`
	Lambda float64 `json:"lambda"`
	Logit  float64 `json:"logit_bound"`
}

type featureMap struct {
	Kind          string    `json:"kind"`
	Polynomial    string    `json:"polynomial"`
	Coefficients  []float64 `json:"coefficients"`
	RelativeError float64   `json:"relative_error"`
	Constant      int16     `json:"constant"`
	Gains         []int16   `json:"gains"`
	Rotation      string    `json:"rotation"`
	Centered      bool      `json:"centered"`
}

type integerGrid struct {
	KeyScale   int     `json:"key_scale"`
	ValueScale int     `json:"value_scale"`
	ValueStep  float64 `json:"value_step"`
}

type curvePoint struct {
	Delta   float64 `json:"delta"`
	Epsilon float64 `json:"epsilon"`
}

type group struct {
	Units   int     `json:"units"`
	Epsilon float64 `json:"epsilon"`
	Delta   float64 `json:"delta"`
}

// Certificate implements mechanism.State.
func (r *state) Certificate(head mechanism.Certificate) any {
	d, p := r.design, r.phi.Polynomial()
	b, integers := d.bounds(), d.phi.Integers()
	c := certificate{
		Certificate: head, Mu: r.mu, MuSquared: fractionOf(d.muSquared(r.heads)),
		Sensitivity: sensitivity{
			Norm: "L2", Squared: d.sensitivity.Squared.String(), PhiSquared: b.Phi2, ValueSquared: b.Value2,
			Lambda: b.Lambda, SharperBound: d.sensitivity.Sharper, KernelFloorOK: b.Floor < 1,
		},
		Noise: distribution{Name: "round(N(0, sigma^2)), independent on each integer"},
		Shape: shape{d.shared.Heads, d.shared.KeyDim, d.shared.ValueDim, d.own.Degree, d.features},
		Bounds: normBounds{
			d.own.KeyBound, d.own.ValueBound, d.own.QueryBound, d.own.Scale, d.lambdaValue(), d.own.logitBound(),
		},
		FeatureMap: featureMap{
			"polynomial", d.own.Polynomial.String(), p.Coeff, p.RelativeError, integers[0], integers[1:],
			d.own.Rotation.String(), len(d.own.Center) > 0,
		},
		Grid: integerGrid{quant.KeyScale, quant.ValueScale, d.valueStep()},
	}
	for _, t := range d.muTerms(r.heads) {
		c.Noise.Terms = append(c.Noise.Terms, noiseTerm{t.Parts, t.Sigma})
	}
	if d.shared.RowsPublic() {
		for _, h := range r.heads {
			c.Rows = append(c.Rows, h.rows)
		}
	}
	for _, point := range privacy.Table(r.mu) {
		c.Curve = append(c.Curve, curvePoint{point.Delta, point.Epsilon})
	}
	for _, line := range privacy.GroupTable(r.mu, head.Delta, 1, 2, 5, 10, 100) {
		c.Groups = append(c.Groups, group{line.Units, line.Epsilon, line.Delta})
	}
	return c
}

// fractionOf writes a fraction as two decimal integers.
func fractionOf(x *big.Rat) fraction { return fraction{x.Num().String(), x.Denom().String()} }
