package core

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"

	"dpattn/core/fault"
	"dpattn/core/internal/memory"
	"dpattn/core/moment"
	"dpattn/core/poly"
	"dpattn/core/quant"
)

// gaussian is the Gaussian moment release: everything public that follows from its Params, the polynomial, the integer feature map, the grids and
// the sensitivity. Its secret half is gaussianSums, its public half gaussianState.
type gaussian struct {
	Params
	polynomial  poly.Polynomial
	features    int   // r
	cols        int   // d_v + 1
	lambda      int16 // Lambda on the integer grid
	fmap        *moment.Polynomial
	rotation    *quant.Rotation
	sensitivity moment.Sensitivity // of one head, to one unit
	clip        *big.Int           // the bound on the squared norm of an owner's sum in one head; nil: none is needed
}

// newGaussian checks what p has for this mechanism alone and works it out.
func newGaussian(p Params) (mechanism, error) {
	p, err := p.checkedGaussian()
	if err != nil {
		return nil, err
	}
	d, err := sized(p)
	if err != nil {
		return nil, err
	}
	if d.polynomial, err = poly.Exp(p.Polynomial.kind(), p.Degree, p.LogitBound()); err != nil {
		return nil, fault.Invalid("params: %v", err)
	}
	d.lambda = int16(math.RoundToEven(p.Lambda / p.ValueBound * quant.ValueScale))
	d.fmap = moment.NewPolynomial(d.polynomial, p.KeyDim, d.features, p.Scale, p.KeyBound)
	d.derive()
	return d, nil
}

// sized returns a mechanism with its shapes, after making sure that its state fits.
func sized(p Params) (*gaussian, error) {
	r, err := poly.Features(p.KeyDim, p.Degree)
	if err != nil {
		return nil, fault.New(fault.OutOfMemory, "params: C(key_dim+degree, degree) with key_dim %d and degree %d does not fit 64 bits; choose a smaller degree", p.KeyDim, p.Degree)
	}
	need := new(big.Int).Mul(big.NewInt(r), big.NewInt(8*int64(p.Heads)))
	need.Mul(need, big.NewInt(int64(p.ValueDim)+1))
	what := fmt.Sprintf("params: heads*features*(value_dim+1) = %d*%d*%d int64", p.Heads, r, p.ValueDim+1)
	if r > math.MaxInt32 || !need.IsUint64() {
		return nil, fault.New(fault.OutOfMemory, "%s need %v bytes; choose a smaller degree", what, need)
	}
	return &gaussian{Params: p, features: int(r), cols: p.ValueDim + 1}, memory.Fits(what, need.Uint64())
}

// derive fills in what follows from the other fields.
func (d *gaussian) derive() {
	if d.Rotation == Hadamard {
		d.rotation = quant.NewRotation(d.KeyDim)
	}
	if d.OwnerBound == 0 {
		d.sensitivity = d.bounds().Sensitivity(d.Adjacency == Replace, max(d.OwnerRows, 1))
	} else {
		d.clip = d.bounds().Clip(d.OwnerBound)
		d.sensitivity = moment.ClippedSensitivity(d.Adjacency == Replace, d.clip)
	}
}

// bounds are what the gates enforce on every contribution.
func (d *gaussian) bounds() moment.Bounds {
	return moment.Bounds{Phi2: d.fmap.Norm2(), Value2: quant.ValueNorm2, Lambda: d.lambda, Floor: d.fmap.KernelFloor()}
}

// compatible implements mechanism. Coefficients are not compared: they do not enter sums, and their last bits may differ between machines.
func (d *gaussian) compatible(other mechanism) bool {
	o, same := other.(*gaussian)
	return same && reflect.DeepEqual(d.Params, o.Params) && d.lambda == o.lambda && d.fmap.Const == o.fmap.Const && slices.Equal(d.fmap.Gains, o.fmap.Gains)
}

// newSums makes one head's empty sums.
func (d *gaussian) newSums() moment.Sums {
	return d.fmap.NewSums(d.cols, max(quant.ValueMax, d.lambda))
}

// params implements mechanism.
func (d *gaussian) params() *Params { return &d.Params }

// stateLen is the number of integers of one head.
func (d *gaussian) stateLen() int { return d.features * d.cols }

// stateBytes implements mechanism.
func (d *gaussian) stateBytes() uint64 { return 8 * uint64(d.Heads) * uint64(d.stateLen()) }

// center returns head h's centre, or nil.
func (d *gaussian) center(h int) []float64 {
	if len(d.Center) == 0 {
		return nil
	}
	return d.Center[h*d.KeyDim : (h+1)*d.KeyDim]
}

// grid returns the quantiser of head h.
func (d *gaussian) grid(h int) quant.Grid {
	return quant.Grid{KeyBound: d.KeyBound, ValueBound: d.ValueBound, Center: d.center(h), Rotation: d.rotation}
}

// targets returns for each head the squared sensitivity over its share of mu^2, rounded up: noise with sigma_h^2 >= targets[h]/mu^2 on every
// head makes sum_h sensitivity^2/sigma_h^2 <= mu^2, since the shares add up to 1.
func (d *gaussian) targets() []*big.Int {
	weights := make([]*big.Rat, d.Heads)
	sum := new(big.Rat)
	for h := range weights {
		weights[h] = big.NewRat(1, 1)
		if len(d.HeadWeights) != 0 {
			weights[h].SetFloat64(d.HeadWeights[h])
		}
		sum.Add(sum, weights[h])
	}
	out := make([]*big.Int, d.Heads)
	for h, w := range weights {
		t := new(big.Rat).SetInt(d.sensitivity.Squared)
		t.Mul(t, sum).Quo(t, w)
		up := new(big.Int).Add(t.Num(), t.Denom())
		out[h] = up.Sub(up, big.NewInt(1)).Div(up, t.Denom())
	}
	return out
}

// lambdaValue is the weight of the denominator column that the grid gives, in units of a value.
func (d *gaussian) lambdaValue() float64 { return float64(d.lambda) * d.valueStep() }

// valueStep is one integer unit of a value.
func (d *gaussian) valueStep() float64 { return d.ValueBound / quant.ValueScale }
