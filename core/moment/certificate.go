package moment

import (
	"dpattn/core/gaussian"
	"dpattn/core/mechanism"
	"dpattn/core/quant"
)

// certificate is the certificate of the Gaussian moment release.
type certificate struct {
	mechanism.Certificate
	Mu          float64           `json:"mu"` // rounded up
	MuSquared   gaussian.Fraction `json:"mu_squared"`
	Sensitivity sensitivity       `json:"sensitivity"`
	Noise       gaussian.Noise    `json:"noise"`
	Shape       shape             `json:"shape"`
	Bounds      normBounds        `json:"bounds"`
	FeatureMap  featureMap        `json:"feature_map"`
	Grid        integerGrid       `json:"grid"`
	Rows        []uint64          `json:"rows"` // a head, where public; else null
	Curve       []gaussian.Point  `json:"curve"`
	Groups      []gaussian.Group  `json:"groups"`
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

// Certificate implements mechanism.State.
func (r *state) Certificate(head mechanism.Certificate) any {
	d, p := r.design, r.design.phi.Polynomial()
	b, integers := d.bounds(), d.phi.Integers()
	return certificate{
		Certificate: head, Mu: r.Mu, MuSquared: r.Fraction(),
		Sensitivity: sensitivity{
			Norm: "L2", Squared: d.Squared.String(), PhiSquared: b.Phi2, ValueSquared: b.Value2,
			Lambda: b.Lambda, SharperBound: d.sensitivity.Sharper, KernelFloorOK: b.Floor < 1,
		},
		Noise: r.Noise(),
		Shape: shape{d.shared.Heads, d.shared.KeyDim, d.shared.ValueDim, d.own.Degree, d.features},
		Bounds: normBounds{
			d.own.KeyBound, d.own.ValueBound, d.own.QueryBound, d.own.Scale, d.lambdaValue(), d.own.logitBound(),
		},
		FeatureMap: featureMap{
			"polynomial", d.own.Polynomial.String(), p.Coeff, p.RelativeError, integers[0], integers[1:],
			d.own.Rotation.String(), len(d.own.Center) > 0,
		},
		Grid: integerGrid{quant.KeyScale, quant.ValueScale, d.valueStep()},
		Rows: r.PublicRows(), Curve: r.Curve(), Groups: r.Groups(head.Delta),
	}
}
