// Package sums is the simplest private release that can be: how many rows there are and the sum of
// their values, with exact rounded Gaussian noise. Every query is answered with the mean of all
// values: keys play no role.
//
// Privacy. A row adds [v ; one] to the sums of its head, or nothing where it has NaN or Inf; v is
// rounded by that row alone to integers with |v|^2 <= ValueNorm2. So one row moves the sums by at
// most sqrt(ValueNorm2 + one^2), twice that where it is replaced. They stay below 2^30 * 2^15.
package sums

import (
	"math"
	"math/big"

	"dpattn/core/fault"
	"dpattn/core/gaussian"
	"dpattn/core/internal/wire"
	"dpattn/core/mechanism"
	"dpattn/core/privacy"
	"dpattn/core/quant"
)

const (
	Number = 9                // the mechanism's in the C header and in files
	one    = quant.ValueScale // what a row adds to the count
)

// Kind is its entry in the registry.
var Kind = mechanism.Kind{
	Number: Number, Name: "sums", Decode: decode,
	Settings: func(f *mechanism.Fields) mechanism.Settings { return Params{f.Float("value_bound")} },
}

// Params are its own parameters.
type Params struct{ ValueBound float64 } // longer values are scaled to it; required

func (p Params) Kind() *mechanism.Kind { return &Kind }
func (p Params) Fields() []mechanism.Field {
	return []mechanism.Field{{Name: "value_bound", Value: p.ValueBound}}
}

func (p Params) New(shared mechanism.Params) (mechanism.Mechanism, error) {
	if shared.OwnerRows != 0 {
		return nil, fault.Invalid("params.owner_rows is %d; with mechanism sums it must be 0", shared.OwnerRows)
	}
	if err := mechanism.InRange("value_bound", p.ValueBound); err != nil {
		return nil, err
	}
	squared := big.NewInt(quant.ValueNorm2 + one*one)
	if shared.Adjacency == privacy.Replace {
		squared.Lsh(squared, 2)
	}
	shared.Mechanism = p
	return &design{&gaussian.Design{
		Heads: shared.Heads, Len: shared.ValueDim + 1, Squared: squared, RowsPublic: shared.RowsPublic(),
	}, shared}, nil
}

func (p Params) Plan(shared mechanism.Params, rows uint64, b privacy.Budget, _ float64) (mechanism.PlanResult, error) {
	m, err := p.New(shared)
	if err != nil {
		return mechanism.PlanResult{}, err
	}
	sigmas, err := m.(*design).Calibrate(b)
	if err != nil {
		return mechanism.PlanResult{}, err
	}
	noise := float64(sigmas[0]) * p.ValueBound / quant.ValueScale
	return mechanism.PlanResult{
		StateBytes: m.StateBytes(), ReleaseBytes: mechanism.ReleaseLen(m), NoiseStddev: noise / float64(rows),
	}, nil
}

// design is what is public.
type design struct {
	*gaussian.Design
	shared mechanism.Params
}

func (d *design) Params() *mechanism.Params                 { return &d.shared }
func (d *design) Unit() mechanism.Unit                      { return d.shared.Unit(0) }
func (d *design) Compatible(other mechanism.Mechanism) bool { return d.shared == *other.Params() }
func (d *design) NewSums() (mechanism.Sums, error)          { return &sums{d.Design.NewSums(), d}, nil }
func (d *design) Head() mechanism.Head                      { return d.shared.Head(0) }

func (d *design) Encode(w *wire.Writer) {
	w.U32(uint32(d.shared.Adjacency))
	w.F64(d.shared.Mechanism.(Params).ValueBound)
}

func decode(r *wire.Reader, head mechanism.Head, _ bool) (mechanism.Mechanism, error) {
	shared, err := mechanism.Params{
		Heads: head.Heads, KeyDim: head.KeyDim, ValueDim: head.ValueDim, Adjacency: privacy.Adjacency(r.U32()),
	}.Checked()
	if err != nil || head.Heads < 1 || head.Degree != 0 {
		return nil, wire.Corrupt("its shapes are out of range")
	}
	m, err := Params{r.F64()}.New(shared)
	if err != nil {
		return nil, mechanism.Damaged(err)
	}
	return m, nil
}

func (d *design) DecodeState(r *wire.Reader, budget privacy.Budget) (mechanism.State, error) {
	noisy, err := d.Design.DecodeState(r, budget)
	if err != nil {
		return nil, err
	}
	return &state{noisy, d}, nil
}

func (d *design) DecodeSums(r *wire.Reader) (mechanism.Sums, error) {
	s := &sums{d.Design.NewSums(), d}
	return s, s.Decode(r)
}

// sums are SECRET.
type sums struct {
	gaussian.Sums
	d *design
}

// Add adds rows aside first: what a cancelled call has added could not be taken out again.
func (s *sums) Add(rows mechanism.Rows, p *mechanism.Progress) (counts mechanism.Diagnostics, err error) {
	aside, n, total := s.d.NewSumsOf(len(rows.Values)), s.d.shared.ValueDim, rows.Count*len(rows.Values)
	value, u := make([]float64, n), make([]int16, n)
	defer func() { aside.Wipe(); clear(value); clear(u) }()
	grid := quant.Grid{ValueBound: s.d.shared.Mechanism.(Params).ValueBound}
	for i, values := range rows.Values {
		to := aside.Exact[i*s.d.Len:][:s.d.Len]
		for j := range rows.Count {
			if j%4096 == 0 && !p.Step(i*rows.Count+j, total) {
				return mechanism.Diagnostics{}, mechanism.ErrCancelled
			}
			counts.Rows++
			values.LoadRow(j, value)
			switch grid.Value(value, u) {
			case quant.Bad:
				counts.RowsZeroed++
				continue
			case quant.Clipped:
				counts.ValuesClipped++
			}
			for c, v := range u {
				to[c] += int64(v)
			}
			to[n] += one
		}
		aside.CountRows(i, rows.Count)
	}
	if !p.Step(total, total) {
		return mechanism.Diagnostics{}, mechanism.ErrCancelled
	}
	s.Sums.Absorb(rows.First, &aside)
	return counts, nil
}

func (s *sums) Absorb(from mechanism.Sums) uint64 { s.Sums.Absorb(0, &from.(*sums).Sums); return 0 }

func (s *sums) Release(budget privacy.Budget, p *mechanism.Progress) (mechanism.State, error) {
	noisy, err := s.Sums.Release(s.d.Design, budget, p)
	if err != nil {
		return nil, err
	}
	return &state{noisy, s.d}, nil
}

// state is the noisy sums. PUBLIC.
type state struct {
	*gaussian.State
	d *design
}

func (s *state) Load(_ int, q []float64) (shift float64, clipped bool) { return 0, false }
func (s *state) Attend(h int, _ [][]float64, answers []mechanism.Answer, _ int) {
	sum, step := s.Of(h), s.d.shared.Mechanism.(Params).ValueBound/quant.ValueScale
	count := math.Max(1, float64(sum[s.Len-1])/one)
	for i := range answers {
		a := &answers[i]
		a.LSE = math.Log(count)
		for c := range a.Out {
			a.Out[c] = float64(sum[c]) * step / count
		}
		for c := range a.Stddev {
			a.Stddev[c] = float64(s.Sigmas[h]) / count * math.Hypot(step, a.Out[c]/one)
		}
	}
}

func (s *state) Describe(i *mechanism.Info) {
	i.Mechanism, i.Mu, i.Features = s.d.shared.Mechanism, s.Mu, 1
}
func (s *state) Certificate(head mechanism.Certificate) any {
	return struct {
		mechanism.Certificate
		MuSquared gaussian.Fraction `json:"mu_squared"`
		Noise     gaussian.Noise    `json:"noise"`
	}{head, s.Fraction(), s.Noise()}
}
