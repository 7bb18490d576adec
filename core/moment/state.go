package moment

import (
	"math"

	"dpattn/core/gaussian"
	"dpattn/core/mechanism"
	"dpattn/simd"
)

// state is the public half of a release: the noisy sums of each head, and their readers.
type state struct {
	*gaussian.State
	design  *design
	readers []*Reader
}

// open makes what queries need.
func (d *design) open(noisy *gaussian.State) *state {
	b := d.own.logitBound()
	public := Public{
		Map: d.phi, Cols: d.cols, ValueBound: d.own.ValueBound, ValueStep: d.valueStep(), Lambda: d.lambda,
		LogitBound: b, Top: max(d.phi.Polynomial().At(b), math.Exp(b)),
	}
	r := &state{noisy, d, make([]*Reader, d.shared.Heads)}
	for h := range r.readers {
		public.Sigma, public.Rows = float64(noisy.Sigmas[h]), noisy.Rows[h]
		r.readers[h] = NewReader(public, noisy.Of(h))
	}
	return r
}

// Wipe implements mechanism.State. The readers' copies are of noisy numbers too, and go with it.
func (r *state) Wipe() {
	r.State.Wipe()
	r.readers = nil
}

// Load implements mechanism.State: it clips a query to the query bound and rotates it.
func (r *state) Load(h int, q []float64) (shift float64, clipped bool) {
	d := r.design
	length := norm(q)
	switch {
	case !(length <= math.MaxFloat64): // NaN or Inf
		clear(q)
		return math.NaN(), true
	case length > d.own.QueryBound:
		clipped = true
		for j := range q {
			q[j] = q[j] / length * d.own.QueryBound
		}
	}
	for j, c := range d.center(h) {
		shift += d.own.Scale * q[j] * c // centring the keys took this out of the logits
	}
	if d.rotation != nil {
		d.rotation.Apply(q)
	}
	return shift, clipped
}

// Attend implements mechanism.State.
func (r *state) Attend(h int, queries [][]float64, answers []mechanism.Answer, threads int) {
	r.readers[h].Attend(queries, answers, threads)
}

// Describe implements mechanism.State.
func (r *state) Describe(i *mechanism.Info) {
	d, own := r.design, r.design.own
	own.Lambda = d.lambdaValue()
	i.Mechanism, i.Degree, i.Scale = own, own.Degree, own.Scale
	i.LogitBound, i.PolynomialError = own.logitBound(), d.phi.Polynomial().RelativeError
	i.Mu, i.Features = r.Mu, uint64(d.features)
}

// norm is the Euclidean length; finite vectors longer than the largest float count as not finite.
func norm(q []float64) float64 {
	sum := simd.Squares(q)
	if sum >= 1e-200 && sum <= 1e200 || sum != sum {
		return math.Sqrt(sum)
	}
	length := 0.0 // squares may have over- or underflown
	for _, v := range q {
		length = math.Hypot(length, v)
	}
	return length
}
