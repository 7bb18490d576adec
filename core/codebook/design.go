// Package codebook is the codebook release: sharp attention on real keys. Every key belongs to the
// cell of its nearest public centroid; a cell's exact sums of values and rows get rounded Gaussian
// noise, and a query attends to the centroids with the noisy masses and values of their cells:
//
//	S[c] = sum over the cell's rows of [v ; lambda], plus noise
//	out(q) = softmax_c(scale <q, m_c> + ln n_c) v_c,   n_c = S[c, d_v]/lambda,  v_c = S[c, :d_v]/n_c
//
// So a release is C keys, C values and one bias a key, which any attention kernel reads. One row is
// in one cell, so its sensitivity knows neither the sharpness of attention nor the dimension of
// keys nor the number of cells. PROOF.md beside this file has the privacy argument; the noise is
// the analytic Gaussian mechanism (Balle & Wang 2018, arXiv 1805.06530).
package codebook

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"sync"

	"dpattn/core/fault"
	"dpattn/core/gaussian"
	"dpattn/core/internal/memory"
	"dpattn/core/mechanism"
	"dpattn/core/privacy"
	"dpattn/core/quant"
	"dpattn/simd"
)

// Number is the mechanism's in the C header and in files.
const Number = 3

// Kind is the codebook release, as the registry knows it.
var Kind = mechanism.Kind{Number: Number, Name: "codebook", Settings: readSettings, Decode: decode}

// design is everything public that follows from the parameters: the integer centroids, the grid and
// the sensitivity. Its secret half is sums, its public half state.
type design struct {
	*gaussian.Design
	shared    mechanism.Params
	own       Params
	cols      int      // d_v + 1
	lambda    int16    // Lambda on the integer grid
	centroids []int16  // [Heads, Cells, KeyDim], |m|^2 < 2^30
	clip      *big.Int // bound on the squared norm of an owner's sum in one head; nil: none is needed

	assignment sync.Once
	books      []*simd.Codebook // of each head, by book
}

// New implements mechanism.Settings.
func (p Params) New(shared mechanism.Params) (mechanism.Mechanism, error) {
	own, err := p.checked(&shared)
	if err != nil {
		return nil, err
	}
	d, err := sized(shared, own) // first, so that a codebook that cannot be is not read
	if err != nil {
		return nil, err
	}
	if err := own.checkCodebook(&shared); err != nil {
		return nil, err
	}
	centroids := make([]int16, len(p.Codebook))
	grid, wide := d.grid(), make([]float64, shared.KeyDim)
	for i := 0; i < len(centroids); i += shared.KeyDim {
		copy(wide, p.Codebook[i:])
		x := centroids[i : i+shared.KeyDim]
		grid.Key(wide, x)
		quant.Shorten(x)
	}
	d.derive(centroids, gaussian.GridLambda(own.Lambda, own.ValueBound))
	return d, nil
}

// sized returns a design with its shapes, after making sure that state and codebook fit.
func sized(shared mechanism.Params, own Params) (*design, error) {
	cells := uint64(shared.Heads) * uint64(own.Cells)
	need := cells * (8*uint64(shared.ValueDim+1) + 2*uint64(shared.KeyDim))
	what := fmt.Sprintf("params: the sums of heads*cells = %d*%d cells and their centroids", shared.Heads, own.Cells)
	if uint64(own.Cells)*uint64(shared.ValueDim+1) > math.MaxInt32 {
		return nil, fault.New(fault.OutOfMemory, "%s need %d bytes; choose fewer cells", what, need)
	}
	own.Codebook = nil
	d := &design{shared: shared, own: own, cols: shared.ValueDim + 1}
	return d, memory.Fits(what, need)
}

// derive fills in what follows from the other fields.
func (d *design) derive(centroids []int16, lambda int16) {
	d.centroids, d.lambda = centroids, lambda
	d.own.digest = digestOf(centroids)
	d.shared.Mechanism = d.own
	row := quant.ValueNorm2 + int64(lambda)*int64(lambda) // bound on the squared norm of one row's part
	replace := d.shared.Adjacency == privacy.Replace
	var squared *big.Int
	if d.own.OwnerBound > 0 {
		d.clip = gaussian.Worth(big.NewInt(row), d.own.OwnerBound)
		squared = gaussian.ClippedSquared(replace, d.clip)
	} else {
		if replace {
			row = max(2*row, 4*quant.ValueNorm2) // to another cell; within one
		}
		m := big.NewInt(int64(max(d.shared.OwnerRows, 1)))
		squared = m.Mul(m, m).Mul(m, big.NewInt(row))
	}
	d.Design = &gaussian.Design{
		Heads: d.shared.Heads, Len: d.own.Cells * d.cols, Squared: squared,
		Weights: d.own.HeadWeights, RowsPublic: d.shared.RowsPublic(),
	}
}

// book is head h's centroids as keys are assigned to them. A release needs none, so they are made
// for the first row.
func (d *design) book(h int) *simd.Codebook {
	d.assignment.Do(func() {
		for h := range d.shared.Heads {
			d.books = append(d.books, simd.NewCodebook(d.headCentroids(h), d.shared.KeyDim))
		}
	})
	return d.books[h]
}

// assignable makes sure that the memory holds what book makes.
func (d *design) assignable() error {
	need := uint64(d.shared.Heads) * simd.CodebookBytes(d.own.Cells, d.shared.KeyDim)
	what := fmt.Sprintf("params: %d*%d centroids in the form that keys are assigned with", d.shared.Heads, d.own.Cells)
	return memory.Fits(what, need)
}

// fitsWithQueries makes sure that the memory holds a state and its keys, values and biases for
// queries.
func (d *design) fitsWithQueries(what string) error {
	heads := uint64(d.shared.Heads) * simd.KVBytes(d.own.Cells, d.shared.KeyDim, d.shared.ValueDim)
	return memory.Fits(what, d.StateBytes()+heads)
}

// headCentroids are those of head h, [Cells, KeyDim].
func (d *design) headCentroids(h int) []int16 {
	n := d.own.Cells * d.shared.KeyDim
	return d.centroids[h*n : (h+1)*n]
}

// grid quantises keys, centroids and values.
func (d *design) grid() quant.Grid {
	return quant.Grid{KeyBound: d.own.KeyBound, ValueBound: d.own.ValueBound}
}

// Params implements mechanism.Mechanism.
func (d *design) Params() *mechanism.Params { return &d.shared }

// Unit implements mechanism.Mechanism.
func (d *design) Unit() mechanism.Unit { return d.shared.Unit(d.own.OwnerBound) }

// Head implements mechanism.Mechanism.
func (d *design) Head() mechanism.Head { return d.shared.Head(0) }

// Compatible implements mechanism.Mechanism.
func (d *design) Compatible(other mechanism.Mechanism) bool {
	o, same := other.(*design)
	return same && reflect.DeepEqual(d.shared, o.shared) && d.lambda == o.lambda &&
		slices.Equal(d.centroids, o.centroids)
}

// keyStep and valueStep are one integer unit of a key and of a value.
func (d *design) keyStep() float64   { return d.own.KeyBound / quant.KeyScale }
func (d *design) valueStep() float64 { return d.own.ValueBound / quant.ValueScale }

// lambdaValue is the weight of the masses' column that the grid gives, in units of a value.
func (d *design) lambdaValue() float64 { return float64(d.lambda) * d.valueStep() }

// Plan implements mechanism.Settings. The noise is that of a query that attends to one cell of mean
// mass, rows/cells.
func (p Params) Plan(
	shared mechanism.Params,
	rows uint64,
	b privacy.Budget,
	target float64,
) (mechanism.PlanResult, error) {
	m, err := p.New(shared)
	if err != nil {
		return mechanism.PlanResult{}, err
	}
	d := m.(*design)
	sigmas, err := d.Calibrate(b)
	if err != nil {
		return mechanism.PlanResult{}, err
	}
	sigma := float64(slices.Max(sigmas))
	sensitivity, _ := new(big.Float).Sqrt(new(big.Float).SetInt(d.Squared)).Float64()
	numerator := sigma * d.valueStep() * float64(d.own.Cells)
	return mechanism.PlanResult{
		Features: uint64(d.own.Cells), StateBytes: d.StateBytes(), ReleaseBytes: mechanism.ReleaseLen(d),
		Mu: privacy.RootUp(d.MuSquared(sigmas)), SigmaOverSensitivity: sigma / sensitivity,
		NoiseStddev: numerator / float64(rows), NoiseStddevWorst: numerator / float64(rows),
		RowsForError: mechanism.RowsFor(numerator, target),
	}, nil
}
