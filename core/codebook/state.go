package codebook

import (
	"math"
	"sync"

	"dpattn/core/gaussian"
	"dpattn/core/internal/parallel"
	"dpattn/core/mechanism"
	"dpattn/core/quant"
	"dpattn/simd"
)

// mostLogit is the largest |scale*<q, m>| that is told apart: longer queries are scaled to it.
// Softmax is the arg-max long before.
const mostLogit = 1 << 16

// state is the public half of a release: the noisy sums of each head's cells, and the same as keys,
// values and biases for queries.
type state struct {
	*gaussian.State
	design *design
	heads  []*simd.KV
	pool   sync.Pool // *work
}

// open makes what queries need: keys and values in units of their bounds, which f32 holds whatever
// those are.
func (d *design) open(noisy *gaussian.State) *state {
	s := &state{State: noisy, design: d, heads: make([]*simd.KV, d.shared.Heads)}
	keyDim, valueDim := d.shared.KeyDim, d.shared.ValueDim
	key, value := make([]float64, keyDim), make([]float64, valueDim)
	for h := range s.heads {
		kv := simd.NewKV(d.own.Cells, keyDim, valueDim)
		for c := range d.own.Cells {
			bias := s.Cell(h, c, key, value)
			for i := range key {
				key[i] /= d.own.KeyBound
			}
			for i := range value {
				value[i] /= d.own.ValueBound
			}
			kv.Set(c, key, value, bias)
		}
		s.heads[h] = kv
	}
	return s
}

// Cells implements mechanism.KeysValues.
func (s *state) Cells() int { return s.design.own.Cells }

// Cell implements mechanism.KeysValues. It is the definition of answers:
//
//	n_c = max(S[c, d_v], sigma)/lambda              the bias is ln n_c
//	v_c = S[c, :d_v]/n_c, scaled into the ball of radius B_v
//	out(q) = sum_c w_c v_c / sum_c w_c,  w_c = exp(scale <q, m_c> + ln n_c)
//
// Noise makes masses of nearly empty cells small or negative. They count as one standard deviation
// of it, so that n_c v_c stays S[c, :d_v] where that has more to say: with a far smaller floor the
// ball would take away what such cells add to an answer, and with it up to eight points of accuracy
// (digits, 64 cells, epsilon 0.5).
func (s *state) Cell(h, c int, key, value []float64) (bias float64) {
	d := s.design
	centroid := d.headCentroids(h)[c*len(key):][:len(key)]
	for i, x := range centroid {
		key[i] = float64(x) * d.keyStep()
	}
	sums := s.Of(h)[c*d.cols:][:d.cols]
	mass := max(float64(sums[len(value)]), float64(s.Sigmas[h])) / float64(d.lambda)
	for i := range value {
		value[i] = float64(sums[i]) * d.valueStep() / mass
	}
	if length := math.Sqrt(simd.Squares(value)); length > d.own.ValueBound {
		for i := range value {
			value[i] *= d.own.ValueBound / length
		}
	}
	return math.Log(mass)
}

// Wipe implements mechanism.State. The tables' numbers are noisy ones too, and go with it.
func (s *state) Wipe() {
	s.State.Wipe()
	s.heads = nil
}

// Load implements mechanism.State.
func (s *state) Load(_ int, q []float64) (shift float64, clipped bool) {
	d := s.design
	most := mostLogit / d.own.Scale / d.own.KeyBound // norm of the longest query
	// Nearly always this decides; it rounds, and where squares over- or underflow it does not.
	if square := simd.Squares(q); square <= 0.999*most*most && square < 1e300 && most > 1e-140 {
		return 0, false
	}
	largest := 0.0
	for _, v := range q {
		largest = max(largest, math.Abs(v))
		if !(math.Abs(v) <= math.MaxFloat64) { // NaN or Inf
			clear(q)
			return math.NaN(), true
		}
	}
	if largest == 0 {
		return 0, false
	}
	length := 0.0 // in units of the largest: the square of that may overflow
	for _, v := range q {
		length = math.Hypot(length, v/largest)
	}
	if length*largest <= most {
		return 0, false
	}
	for i := range q {
		q[i] = q[i] / largest / length * most
	}
	return 0, true
}

// Attend implements mechanism.State. The predicted standard deviation is that of the unfloored,
// unprojected quotient of sums, to first order: with N = sum_c e_c S[c, :d_v], D = sum_c e_c
// S[c, d_v]/lambda and e_c = exp(scale <q, m_c>),
//
//	std(out_i) = sigma sqrt(sum_c e_c^2)/D * sqrt(step^2 + out_i^2/lambda^2)
func (s *state) Attend(h int, queries [][]float64, answers []mechanism.Answer, threads int) {
	d := s.design
	w, _ := s.pool.Get().(*work)
	if w == nil {
		w = newWork()
	}
	defer s.pool.Put(w)
	w.attend(s.heads[h], queries, d.own.Scale*d.own.KeyBound, threads)
	for i := range queries {
		a := &answers[i]
		var squares float64
		a.LSE, squares = w.queries.Answer(i, d.own.ValueBound, a.Out)
		if a.Stddev == nil {
			continue
		}
		unit := float64(s.Sigmas[h]) * math.Sqrt(squares)
		for c, v := range a.Out {
			a.Stddev[c] = unit * math.Hypot(d.valueStep(), v/float64(d.lambda))
		}
	}
}

// work is the memory of one call of Attend. It is used again, so that calls allocate nothing.
type work struct {
	queries simd.KVWork
	scratch []*simd.KVScratch // of each goroutine
	part    func(worker, p int)
}

func newWork() *work {
	w := new(work)
	w.part = func(worker, p int) { w.queries.Part(p, w.scratch[worker]) }
	return w
}

// nearWork bounds the calls that wake no threads, in multiply-adds: a millisecond's work.
const nearWork = 1 << 25

func (w *work) attend(kv *simd.KV, queries [][]float64, scale float64, threads int) {
	w.queries.Begin(kv, queries, scale)
	parts := kv.Parts()
	for len(w.scratch) < min(parts, threads) {
		w.scratch = append(w.scratch, kv.NewScratch())
	}
	do := parallel.DoN
	if kv.Work() < nearWork/len(queries) {
		do = parallel.Near
	}
	do(threads, parts, w.part)
}

// Describe implements mechanism.State.
func (s *state) Describe(i *mechanism.Info) {
	own := s.design.own
	own.Lambda = s.design.lambdaValue()
	i.Mechanism, i.Scale, i.Mu, i.Features = own, own.Scale, s.Mu, uint64(own.Cells)
}

// certificate is the certificate of a codebook release.
type certificate struct {
	mechanism.Certificate
	Mu          float64           `json:"mu"` // rounded up
	MuSquared   gaussian.Fraction `json:"mu_squared"`
	Sensitivity sensitivity       `json:"sensitivity"`
	Noise       gaussian.Noise    `json:"noise"`
	Shape       shape             `json:"shape"`
	Bounds      bounds            `json:"bounds"`
	Codebook    book              `json:"codebook"`
	Grid        grid              `json:"grid"`
	Rows        []uint64          `json:"rows"` // a head, where public; else null
	Curve       []gaussian.Point  `json:"curve"`
	Groups      []gaussian.Group  `json:"groups"`
}

type sensitivity struct {
	Norm         string `json:"norm"`
	Squared      string `json:"squared"` // of one head to one unit, exact
	ValueSquared uint64 `json:"value_squared"`
	Lambda       int16  `json:"lambda"`
}

type shape struct {
	Heads    int `json:"heads"`
	KeyDim   int `json:"key_dim"`
	ValueDim int `json:"value_dim"`
	Cells    int `json:"cells"`
}

type bounds struct {
	Key    float64 `json:"key_bound"`
	Value  float64 `json:"value_bound"`
	Scale  float64 `json:"scale"`
	Lambda float64 `json:"lambda"`
}

type book struct {
	SHA256    string `json:"sha256"`     // of the integers [heads, cells, key_dim], little-endian
	FloorMass string `json:"floor_mass"` // least number of rows that a cell counts as, in words
}

type grid struct {
	KeyScale   int     `json:"key_scale"`
	ValueScale int     `json:"value_scale"`
	KeyStep    float64 `json:"key_step"`
	ValueStep  float64 `json:"value_step"`
}

// Certificate implements mechanism.State.
func (s *state) Certificate(head mechanism.Certificate) any {
	d := s.design
	return certificate{
		Certificate: head, Mu: s.Mu, MuSquared: s.Fraction(),
		Sensitivity: sensitivity{"L2", d.Squared.String(), quant.ValueNorm2, d.lambda},
		Noise:       s.Noise(),
		Shape:       shape{d.shared.Heads, d.shared.KeyDim, d.shared.ValueDim, d.own.Cells},
		Bounds:      bounds{d.own.KeyBound, d.own.ValueBound, d.own.Scale, d.lambdaValue()},
		Codebook:    book{hexDigest(d.own.digest), "sigma/lambda"},
		Grid:        grid{quant.KeyScale, quant.ValueScale, d.keyStep(), d.valueStep()},
		Rows:        s.PublicRows(), Curve: s.Curve(), Groups: s.Groups(head.Delta),
	}
}
