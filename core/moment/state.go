package moment

import (
	"math"

	"dpattn/core/mechanism"
	"dpattn/core/privacy"
	"dpattn/simd"
)

// state is the public half of a release: the noisy sums of each head.
type state struct {
	*design
	heads   []published
	noisy   []int64 // [heads, r, d_v+1]
	mu      float64 // rounded up
	readers []*Reader
}

// of is head h's part of the state.
func (r *state) of(h int) []int64 {
	n := r.stateLen()
	return r.noisy[h*n : (h+1)*n]
}

// open makes what queries need.
func (r *state) open() {
	d := r.design
	b := d.own.logitBound()
	public := Public{
		Map: d.phi, Cols: d.cols, ValueBound: d.own.ValueBound, ValueStep: d.valueStep(), Lambda: d.lambda,
		LogitBound: b, Top: max(d.phi.Polynomial().At(b), math.Exp(b)),
	}
	r.mu = privacy.RootUp(d.muSquared(r.heads))
	r.readers = make([]*Reader, d.shared.Heads)
	for h := range r.readers {
		public.Sigma, public.Rows = float64(r.heads[h].sigma), r.heads[h].rows
		r.readers[h] = NewReader(public, r.of(h))
	}
}

// Integers implements mechanism.State.
func (r *state) Integers() []int64 { return r.noisy }

// Wipe implements mechanism.State. The readers' copies are of noisy numbers too, and go with it.
func (r *state) Wipe() {
	clear(r.noisy)
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
	own := r.own
	own.Lambda = r.lambdaValue()
	i.Mechanism, i.Degree, i.Scale = own, own.Degree, own.Scale
	i.LogitBound, i.PolynomialError = own.logitBound(), r.phi.Polynomial().RelativeError
	i.Mu, i.Features = r.mu, uint64(r.features)
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
