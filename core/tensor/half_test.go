package tensor

import (
	"math"
	"math/rand/v2"
	"testing"
)

// form is a binary format with one sign bit, as its definition says: nothing is shared with the
// code.
type form struct {
	name               string
	exponent, fraction int // bits of exponent and of fraction
	narrow             func(float64) uint16
	wide               func(uint16) float64
}

var forms = []form{
	{"f16", 5, 10, toHalf, fromHalf},
	{"bf16", 8, 7, toBFloat, func(b uint16) float64 { return float64(math.Float32frombits(uint32(b) << 16)) }},
}

// value is the number that bits stand for.
func (f form) value(bits uint16) float64 {
	bias := 1<<(f.exponent-1) - 1
	e, m := int(bits&0x7fff)>>f.fraction, float64(bits&(1<<f.fraction-1))
	var v float64
	switch {
	case e == 1<<f.exponent-1 && m != 0:
		return math.NaN()
	case e == 1<<f.exponent-1:
		v = math.Inf(1)
	case e == 0:
		v = m * math.Pow(2, float64(1-bias-f.fraction))
	default:
		v = (1 + m*math.Pow(2, float64(-f.fraction))) * math.Pow(2, float64(e-bias))
	}
	if bits&0x8000 != 0 {
		v = -v
	}
	return v
}

func (f form) infinity() uint16 { return uint16(1<<f.exponent-1) << f.fraction }

// All 65,536 patterns widen to their value, and narrow back to themselves; NaN stays NaN with its
// sign.
func TestHalfRoundTrip(t *testing.T) {
	for _, f := range forms {
		for i := range 1 << 16 {
			bits := uint16(i)
			want, got := f.value(bits), f.wide(bits)
			if math.Float64bits(got) != math.Float64bits(want) && !(math.IsNaN(got) && math.IsNaN(want)) ||
				math.Signbit(got) != (bits>>15 == 1) {
				t.Fatalf("%s %#04x is %v, want %v", f.name, bits, got, want)
			}
			back := f.narrow(got)
			if math.IsNaN(want) {
				if !math.IsNaN(f.value(back)) || back>>15 != bits>>15 {
					t.Fatalf("%s %#04x is NaN and becomes %#04x", f.name, bits, back)
				}
			} else if back != bits {
				t.Fatalf("%s %#04x, %v, becomes %#04x", f.name, bits, got, back)
			}
		}
	}
}

// Rounding is to nearest, ties to even: at the middle between all neighbours, exactly representable
// in float64, and one float64 beside it. What counts as the neighbour above the largest finite
// number is the next power of two, which stands for infinity.
func TestHalfRounding(t *testing.T) {
	for _, f := range forms {
		for i := range int(f.infinity()) {
			low, high := uint16(i), uint16(i+1)
			a, b := f.value(low), f.value(high)
			if math.IsInf(b, 1) {
				b = 2 * f.value(uint16(1<<f.exponent-2)<<f.fraction)
			}
			middle := a + (b-a)/2
			even := low + low&1
			for _, c := range []struct {
				x    float64
				want uint16
			}{
				{middle, even}, {math.Nextafter(middle, 0), low}, {math.Nextafter(middle, math.Inf(1)), high},
				{a, low}, {math.Nextafter(a, math.Inf(1)), low}, {math.Nextafter(b, 0), high},
			} {
				if got := f.narrow(c.x); got != c.want {
					t.Fatalf("%s: %v becomes %#04x, want %#04x", f.name, c.x, got, c.want)
				}
				if got := f.narrow(-c.x); got != c.want|0x8000 {
					t.Fatalf("%s: %v becomes %#04x, want %#04x", f.name, -c.x, got, c.want|0x8000)
				}
			}
		}
	}
}

// Numbers far outside of the range, and any float64.
func TestHalfExtremes(t *testing.T) {
	for _, f := range forms {
		for _, c := range []struct {
			x    float64
			want uint16
		}{
			{0, 0}, {math.Copysign(0, -1), 0x8000}, {5e-324, 0}, {-5e-324, 0x8000},
			{math.MaxFloat64, f.infinity()}, {-math.MaxFloat64, f.infinity() | 0x8000},
			{math.Inf(1), f.infinity()}, {math.Inf(-1), f.infinity() | 0x8000}, {math.MaxFloat32, f.infinity()},
			{1, f.narrow(1)},
		} {
			if got := f.narrow(c.x); got != c.want {
				t.Errorf("%s: %v becomes %#04x, want %#04x", f.name, c.x, got, c.want)
			}
		}
		for _, payload := range []uint64{1, 1 << 28, 1 << 29, 1 << 45, 1 << 51, 1<<52 - 1} {
			for _, sign := range []uint64{0, 1 << 63} {
				if got := f.narrow(math.Float64frombits(sign | 0x7ff<<52 | payload)); !math.IsNaN(f.value(got)) {
					t.Errorf("%s: NaN with payload %#x becomes %#04x", f.name, payload, got)
				}
			}
		}
		rng := rand.New(rand.NewPCG(1, 4))
		for range 200000 {
			x := math.Float64frombits(rng.Uint64())
			if rng.IntN(2) == 0 {
				x = math.Ldexp(rng.Float64()+1, rng.IntN(60)-30)
			}
			got := f.value(f.narrow(x))
			switch {
			case math.IsNaN(x):
				if !math.IsNaN(got) {
					t.Fatalf("%s: NaN becomes %v", f.name, got)
				}
			case !math.IsInf(got, 0): // the neighbours are not nearer
				bits := f.narrow(x) & 0x7fff
				for _, n := range []uint16{bits + 1, max(bits, 1) - 1} {
					if v := f.value(n); math.Abs(math.Abs(x)-v) < math.Abs(x-got) {
						t.Fatalf("%s: %v becomes %v, but %v is nearer", f.name, x, got, v)
					}
				}
			}
		}
	}
}
