package moment

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"

	"dpattn/core/fault"
	"dpattn/core/featuremap"
	"dpattn/core/gaussian"
	"dpattn/core/internal/memory"
	"dpattn/core/mechanism"
	"dpattn/core/poly"
	"dpattn/core/privacy"
	"dpattn/core/quant"
)

// Number is the mechanism's in the C header and in files.
const Number = 1

// Kind is the Gaussian moment release, as the registry knows it.
var Kind = mechanism.Kind{Number: Number, Name: "gaussian", Settings: readSettings, Decode: decode}

// design is everything public that follows from the parameters: the polynomial, the integer feature
// map, the grids and the sensitivity. Its secret half is sums, its public half state.
type design struct {
	*gaussian.Design
	shared      mechanism.Params
	own         Params
	features    int   // r
	cols        int   // d_v + 1
	lambda      int16 // Lambda on the integer grid
	phi         featuremap.Map
	rotation    *quant.Rotation
	sensitivity Sensitivity // of one head, to one unit
	clip        *big.Int    // bound on the squared norm of an owner's sum in one head; nil: none is needed
}

// New implements mechanism.Settings.
func (p Params) New(shared mechanism.Params) (mechanism.Mechanism, error) {
	own, err := p.checked(&shared)
	if err != nil {
		return nil, err
	}
	d, err := sized(shared, own)
	if err != nil {
		return nil, err
	}
	exp, err := poly.Exp(own.Polynomial.kind(), own.Degree, own.logitBound())
	if err != nil {
		return nil, fault.Invalid("params: %v", err)
	}
	phi := featuremap.NewMonomials(exp, shared.KeyDim, d.features, own.Scale, own.KeyBound)
	d.derive(phi, gaussian.GridLambda(own.Lambda, own.ValueBound))
	return d, nil
}

// sized returns a design with its shapes, after making sure that its state fits.
func sized(shared mechanism.Params, own Params) (*design, error) {
	r, err := poly.Features(shared.KeyDim, own.Degree)
	if err != nil {
		return nil, fault.New(fault.OutOfMemory, "params: C(key_dim+degree, degree) with key_dim %d and degree %d "+
			"does not fit 64 bits; choose a smaller degree", shared.KeyDim, own.Degree)
	}
	need := new(big.Int).Mul(big.NewInt(r), big.NewInt(8*int64(shared.Heads)))
	need.Mul(need, big.NewInt(int64(shared.ValueDim)+1))
	what := fmt.Sprintf("params: heads*features*(value_dim+1) = %d*%d*%d int64", shared.Heads, r, shared.ValueDim+1)
	if r > math.MaxInt32 || !need.IsUint64() {
		return nil, fault.New(fault.OutOfMemory, "%s need %v bytes; choose a smaller degree", what, need)
	}
	d := &design{shared: shared, own: own, features: int(r), cols: shared.ValueDim + 1}
	d.shared.Mechanism = own
	return d, memory.Fits(what, need.Uint64())
}

// derive fills in what follows from the other fields.
func (d *design) derive(phi featuremap.Map, lambda int16) {
	d.phi, d.lambda = phi, lambda
	if d.own.Rotation == Hadamard {
		d.rotation = quant.NewRotation(d.shared.KeyDim)
	}
	replace := d.shared.Adjacency == privacy.Replace
	if d.own.OwnerBound == 0 {
		d.sensitivity = d.bounds().Sensitivity(replace, max(d.shared.OwnerRows, 1))
	} else {
		d.clip = d.bounds().Clip(d.own.OwnerBound)
		d.sensitivity = Sensitivity{Squared: gaussian.ClippedSquared(replace, d.clip)} // PROOF.md, "Clipped sums"
	}
	d.Design = &gaussian.Design{
		Heads: d.shared.Heads, Len: d.features * d.cols, Squared: d.sensitivity.Squared,
		Weights: d.own.HeadWeights, RowsPublic: d.shared.RowsPublic(),
	}
}

// bounds are what the gates enforce on every contribution.
func (d *design) bounds() Bounds {
	return Bounds{Phi2: d.phi.Norm2(), Value2: quant.ValueNorm2, Lambda: d.lambda, Floor: d.phi.KernelFloor()}
}

// Compatible implements mechanism.Mechanism. Coefficients are not compared: they do not enter sums,
// and their last bits may differ between machines.
func (d *design) Compatible(other mechanism.Mechanism) bool {
	o, same := other.(*design)
	return same && reflect.DeepEqual(d.shared, o.shared) && d.lambda == o.lambda &&
		slices.Equal(d.phi.Integers(), o.phi.Integers())
}

// Params implements mechanism.Mechanism.
func (d *design) Params() *mechanism.Params { return &d.shared }

// Unit implements mechanism.Mechanism.
func (d *design) Unit() mechanism.Unit { return d.shared.Unit(d.own.OwnerBound) }

// Head implements mechanism.Mechanism.
func (d *design) Head() mechanism.Head { return d.shared.Head(d.own.Degree) }

// center returns head h's centre, or nil.
func (d *design) center(h int) []float64 {
	if len(d.own.Center) == 0 {
		return nil
	}
	return d.own.Center[h*d.shared.KeyDim : (h+1)*d.shared.KeyDim]
}

// grid returns the quantiser of head h.
func (d *design) grid(h int) quant.Grid {
	return quant.Grid{
		KeyBound: d.own.KeyBound, ValueBound: d.own.ValueBound, Center: d.center(h), Rotation: d.rotation,
	}
}

// lambdaValue is the weight of the denominator column that the grid gives, in units of a value.
func (d *design) lambdaValue() float64 { return float64(d.lambda) * d.valueStep() }

// valueStep is one integer unit of a value.
func (d *design) valueStep() float64 { return d.own.ValueBound / quant.ValueScale }
