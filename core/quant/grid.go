package quant

import (
	"math"

	"dpattn/simd"
)

// KeyScale is the integer length of a key at its bound. A little below 2^15, so that rounding does
// not carry a key at the bound over the gate |x|^2 < 2^30 (the slack, 131,000, is seven standard
// deviations of what rounding does to |x|^2).
const KeyScale = 32766

// ValueScale is the integer length of a value at its bound, and ValueNorm2 the public integer bound
// on its squared length.
const (
	ValueScale = 1022
	ValueNorm2 = ValueMax * ValueMax
	ValueMax   = 1 << 10 // hence the largest entry
)

// Grid quantises the rows of one head.
type Grid struct {
	KeyBound   float64
	ValueBound float64
	Center     []float64 // nil, or a public vector subtracted from every key
	Rotation   *Rotation // nil: none
}

// Outcome is what became of one vector.
type Outcome int

// Outcomes.
const (
	Kept    Outcome = iota
	Clipped         // it was longer than its bound and was scaled to it
	Bad             // it has a NaN or an Inf: the whole row counts as zero
)

// Key quantises a key in place of the scratch vector k, which is overwritten, to
// x = round(KeyScale * k/KeyBound), |x[j]| <= 32767. Bad keys give x = 0.
func (g *Grid) Key(k []float64, x []int16) Outcome {
	if g.Center != nil {
		for i, c := range g.Center {
			k[i] -= c
		}
	}
	length, down, ok := measure(k)
	if !ok {
		clear(x)
		return Bad
	}
	if g.Rotation != nil {
		g.Rotation.Apply(k)
	}
	factor, outcome := clip(length, down, g.KeyBound, KeyScale)
	simd.Round16(x, k, factor)
	return outcome
}

// Value quantises a value to u = round(ValueScale * v/ValueBound), with |u|^2 <= ValueNorm2 in
// exact integer arithmetic. v is overwritten. Bad values give u = 0.
func (g *Grid) Value(v []float64, u []int16) Outcome {
	length, down, ok := measure(v)
	if !ok {
		clear(u)
		return Bad
	}
	factor, outcome := clip(length, down, g.ValueBound, ValueScale)
	simd.Round16(u, v, factor)
	Shrink(u, func() bool { return simd.Norm2(u) <= ValueNorm2 })
	return outcome
}

// Key32 is Key for a key of float32, without the scratch vector, and with |x|^2 < KeyNorm2. It
// reports false, and leaves x undefined, where that takes more: Key has to do.
func (g *Grid) Key32(k []float32, x []int16) (Outcome, bool) {
	if g.Center != nil || g.Rotation != nil {
		return 0, false
	}
	outcome, norm, ok := narrow(k, x, g.KeyBound, KeyScale)
	return outcome, ok && norm < KeyNorm2
}

// Value32 is Value for a value of float32, as Key32 is Key.
func (g *Grid) Value32(v []float32, u []int16) (Outcome, bool) {
	outcome, norm, ok := narrow(v, u, g.ValueBound, ValueScale)
	return outcome, ok && norm <= ValueNorm2
}

// narrow quantises a vector whose square neither over- nor underflows, and returns that of x.
func narrow(v []float32, x []int16, bound, scale float64) (Outcome, uint64, bool) {
	square := simd.Squares32(v)
	if !(square >= leastSquare && square <= mostSquare) {
		return 0, 0, false
	}
	factor, outcome := clip(math.Sqrt(square), 0, bound, scale)
	return outcome, simd.Round16x32(x, v, factor), true
}

// Between these neither squares nor their sums are far from exact.
const (
	leastSquare = 1e-200
	mostSquare  = 1e200
)

// measure returns the length of v. A vector whose square over- or underflows is first scaled by a
// power of two, to a largest entry in [1/2, 1): what v stands for is v*2^down, of length*2^down. It
// reports false if v has a NaN or an Inf.
func measure(v []float64) (length float64, down int, ok bool) {
	if square := simd.Squares(v); square >= leastSquare && square <= mostSquare {
		return math.Sqrt(square), 0, true
	}
	largest := 0.0
	for _, e := range v {
		a := math.Abs(e)
		if !(a <= math.MaxFloat64) {
			return 0, 0, false
		}
		largest = max(largest, a)
	}
	_, down = math.Frexp(largest)
	for i := range v {
		v[i] = math.Ldexp(v[i], -down)
	}
	return math.Sqrt(simd.Squares(v)), down, true
}

// clip returns the factor that takes a vector, which stands for itself times 2^down, to the integer
// grid on which a vector of length bound has length scale; longer vectors are taken to length
// scale.
func clip(length float64, down int, bound, scale float64) (float64, Outcome) {
	if down == 0 { // nearly always
		if length > bound {
			return scale / length, Clipped
		}
		return scale / bound, Kept
	}
	// Compared as length > bound * 2^-down: the right side may overflow to Inf or vanish, and both
	// compare rightly.
	if length > math.Ldexp(bound, -down) {
		return scale / length, Clipped
	}
	return math.Ldexp(scale/bound, down), Kept
}

// Shrink makes v shorter, by truncating v*m/2^15 toward zero, until admitted says yes; it reports
// whether it had to. Every step starts from the vector as given and the m are fixed, so that the
// result is a function of v alone. The last step is the zero vector, which is not asked about: it
// must be admissible.
func Shrink(v []int16, admitted func() bool) bool {
	if admitted() {
		return false
	}
	given := append([]int16(nil), v...)
	defer clear(given)
	for step := 1 << 4; step <= 1<<15; step *= 2 {
		for i, e := range given {
			v[i] = int16(int32(e) * int32(1<<15-step) / (1 << 15)) // division truncates
		}
		if admitted() {
			break
		}
	}
	return true
}

// KeyNorm2 bounds |x|^2 of keys that kernels take.
const KeyNorm2 = 1 << 30

// Shorten makes |x|^2 < KeyNorm2, by a rule that depends on x alone, and reports whether it had to.
// Below, not equal: that keeps the entry -2^15 out, at which the kernels' products wrap.
func Shorten(x []int16) bool {
	return Shrink(x, func() bool { return simd.Norm2(x) < KeyNorm2 })
}
