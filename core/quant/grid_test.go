package quant

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"

	"dpattn/simd"
	"dpattn/tests/testkit"
)

// Whatever floats come in, keys leave with |x[j]| <= 32767 and values with |u|^2 <= 2^20; rows with
// NaN or Inf, and only those, are Bad and all zero; the result does not depend on what the buffers
// held. Bounds over the whole admitted range.
func TestEveryRowIsOnTheGrid(t *testing.T) {
	rng := testkit.Rand(1)
	shapes := []int{1, 2, 3, 17, 64, 65, 100, 977}
	rows := testkit.Size(100000, 10000000)
	for n := 0; n < rows; {
		dim := shapes[rng.IntN(len(shapes))]
		bound := []float64{1, 3.7, 1e-100, 1e100, 0x1p-20}[rng.IntN(5)]
		g := Grid{KeyBound: bound, ValueBound: bound}
		if rng.IntN(2) == 0 {
			g.Rotation = NewRotation(dim)
		}
		v, copied := make([]float64, dim), make([]float64, dim)
		x, again := make([]int16, dim), make([]int16, dim)
		for range 100 {
			testkit.Hostile(rng, v, bound)
			good := finite(v)
			for _, f := range []func([]float64, []int16) Outcome{g.Key, g.Value} {
				n++
				for i := range again {
					again[i] = int16(rng.Uint32())
				}
				copy(copied, v)
				outcome := f(copied, x)
				copy(copied, v)
				if f(copied, again) != outcome || !slices.Equal(x, again) {
					t.Fatalf("%v gives %v, then %v", v, x, again)
				}
				if (outcome == Bad) == good {
					t.Fatalf("%v: outcome %d", v, outcome)
				}
				if outcome == Bad && simd.Norm2(x) != 0 {
					t.Fatalf("%v is bad and gives %v", v, x)
				}
				if slices.Contains(x, -1<<15) {
					t.Fatalf("%v gives -2^15", v)
				}
			}
			if n := simd.Norm2(x); n > ValueNorm2 {
				t.Fatalf("value %v, bound %v: squared norm %d", v, bound, n)
			}
		}
	}
}

// Values whose coordinates all round up are over the bound before they are shrunk: without the gate
// this test fails for most dimensions.
func TestValueGateAtTheBound(t *testing.T) {
	over := 0
	for dim := 1; dim <= 3000; dim++ {
		for _, ulps := range []int{-1, 0, 1} {
			v, u := make([]float64, dim), make([]int16, dim)
			for i := range v {
				v[i] = 5 / math.Sqrt(float64(dim))
				if ulps != 0 {
					v[i] = math.Nextafter(v[i], math.Inf(ulps))
				}
			}
			each := uint64(math.RoundToEven(v[0] * ValueScale / 5))
			if each*each*uint64(dim) > ValueNorm2 {
				over++
			}
			g := Grid{ValueBound: 5}
			g.Value(v, u)
			if n := simd.Norm2(u); n > ValueNorm2 {
				t.Fatalf("dim %d, %+d ulp: squared norm %d", dim, ulps, n)
			}
			if n := simd.Norm2(u); dim < 200 && n < ValueNorm2*97/100 {
				t.Errorf("dim %d, %+d ulp: shrunk to %d", dim, ulps, n)
			}
		}
	}
	if over < 100 {
		t.Errorf("only %d cases were over the bound: the test tests nothing", over)
	}
}

// What is within the bound is rounded to nearest; what is longer keeps its direction and gets the
// bound's length.
func TestRoundingAndClipping(t *testing.T) {
	for _, c := range []struct {
		name    string
		bound   float64
		key     []float64
		want    []int16
		outcome Outcome
	}{
		{"zero", 1, []float64{0, math.Copysign(0, -1), 0}, []int16{0, 0, 0}, Kept},
		{"at the bound", 2, []float64{0, -2}, []int16{0, -32766}, Kept},
		{"one ulp over", 2, []float64{0, -math.Nextafter(2, 3)}, []int16{0, -32766}, Clipped},
		{"inside", 4, []float64{1, -2, 0.0001}, []int16{8192, -16383, 1}, Kept},
		{"3-4-5", 1, []float64{30, -40}, []int16{19660, -26213}, Clipped},
		{"squares overflow", 1, []float64{1e308, 1e308}, []int16{23169, 23169}, Clipped},
		{"length overflows", 1, []float64{math.MaxFloat64, -math.MaxFloat64, math.MaxFloat64, math.MaxFloat64},
			[]int16{16383, -16383, 16383, 16383}, Clipped},
		{"one giant", 1, []float64{1e308, 1}, []int16{32766, 0}, Clipped},
		{"denormal", 1, []float64{5e-324, -1e-310}, []int16{0, 0}, Kept},
		{"least bound", 1e-100, []float64{1e-100, 0}, []int16{32766, 0}, Kept},
		{"below the least bound", 1e-100, []float64{5e-324, 0}, []int16{0, 0}, Kept},
		{"squares underflow", 1e-100, []float64{3e-100, 4e-100}, []int16{19660, 26213}, Clipped},
		{"squares underflow, inside", 1e100, []float64{3e-300, 4e-300}, []int16{0, 0}, Kept},
		{"largest bound", 1e100, []float64{5e99, -1e308}, []int16{0, -32766}, Clipped},
		{"half to even", 32766, []float64{0.5, 1.5, -2.5, 3.4999999}, []int16{0, 2, -2, 3}, Kept},
		{"NaN", 1, []float64{1, math.NaN()}, []int16{0, 0}, Bad},
		{"infinite", 1, []float64{math.Inf(-1), 0}, []int16{0, 0}, Bad},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := Grid{KeyBound: c.bound}
			x := slices.Repeat([]int16{-7}, len(c.key))
			if outcome := g.Key(slices.Clone(c.key), x); outcome != c.outcome || !slices.Equal(x, c.want) {
				t.Errorf("got %v, outcome %d; want %v, outcome %d", x, outcome, c.want, c.outcome)
			}
		})
	}
}

// A clipped vector points where it pointed: every coordinate is within one unit of the real one,
// computed in 200 bits. So are rotated keys, with the rotation written as a matrix.
func TestClippedDirection(t *testing.T) {
	rng := testkit.Rand(3)
	for trial := range 300 {
		dim := 1 + rng.IntN(70)
		k := make([]float64, dim)
		for i := range k {
			k[i] = rng.NormFloat64() * math.Exp(40*rng.NormFloat64())
		}
		g := Grid{KeyBound: math.Exp(5 * rng.NormFloat64())}
		wide := slices.Clone(k)
		if trial%2 == 1 {
			g.Rotation = NewRotation(dim)
			wide = g.Rotation.slowly(k)
		}
		sum := new(big.Float).SetPrec(200)
		for _, e := range k {
			b := new(big.Float).SetPrec(200).SetFloat64(e)
			sum.Add(sum, b.Mul(b, b))
		}
		l, _ := sum.Sqrt(sum).Float64()
		factor := KeyScale / max(l, g.KeyBound)
		x := make([]int16, dim)
		g.Key(slices.Clone(k), x)
		for i := range x {
			if e := math.Abs(float64(x[i]) - wide[i]*factor); e > 0.5+1e-6 {
				t.Fatalf("dim %d, coordinate %d: %d, want %v", dim, i, x[i], wide[i]*factor)
			}
		}
	}
}

// The centre is subtracted before the length is taken, and no finite key minus a centre is
// infinite.
func TestCenter(t *testing.T) {
	g := Grid{KeyBound: 1, Center: []float64{10, -1e100, 1e100}}
	for _, c := range []struct {
		key     []float64
		want    []int16
		outcome Outcome
	}{
		{[]float64{10.5, -1e100, 1e100}, []int16{16383, 0, 0}, Kept},
		{[]float64{10, -math.MaxFloat64, 1e100}, []int16{0, -32766, 0}, Clipped},
		{[]float64{10, 0, 0}, []int16{0, 23169, -23169}, Clipped},
		{[]float64{10, math.Inf(1), 0}, []int16{0, 0, 0}, Bad},
	} {
		x := make([]int16, 3)
		if outcome := g.Key(slices.Clone(c.key), x); outcome != c.outcome || !slices.Equal(x, c.want) {
			t.Errorf("%v: got %v, outcome %d; want %v, outcome %d", c.key, x, outcome, c.want, c.outcome)
		}
	}
}

// Shrink tries fixed factors, each on the vector as given, and ends at zero.
func TestShrink(t *testing.T) {
	rng := testkit.Rand(4)
	steps := []int32{0, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768}
	for admit := range len(steps) + 3 {
		t.Run(fmt.Sprint(admit), func(t *testing.T) {
			v := make([]int16, 40)
			for i := range v {
				v[i] = int16(rng.IntN(65535) - 32767)
			}
			v[0], v[1], v[2], v[3] = 32767, -32767, 1, -1
			given, asked := slices.Clone(v), 0
			shrunk := Shrink(v, func() bool { asked++; return asked > admit })
			if shrunk != (admit > 0) {
				t.Errorf("Shrink says %v after %d refusals", shrunk, admit)
			}
			factor := 32768 - steps[min(admit, len(steps)-1)]
			for i := range v {
				// Quo truncates.
				want := new(big.Int).Quo(big.NewInt(int64(given[i])*int64(factor)), big.NewInt(1<<15)).Int64()
				if int64(v[i]) != want {
					t.Fatalf("after %d refusals %d became %d, want %d", admit, given[i], v[i], want)
				}
			}
		})
	}
}

// Norm2 is exact at the limits, -2^15 included.
func TestNorm2(t *testing.T) {
	for _, c := range []struct {
		v    []int16
		want uint64
	}{
		{nil, 0}, {[]int16{-1}, 1}, {[]int16{-1 << 15}, 1 << 30}, {[]int16{3, -4}, 25},
		{slices.Repeat([]int16{-1 << 15}, 1<<16), 1 << 46},
	} {
		if got := simd.Norm2(c.v); got != c.want {
			t.Errorf("Norm2 of %d numbers is %d, want %d", len(c.v), got, c.want)
		}
	}
}

// Keys and values of float32 become what their widened ones become, or are left to those: always
// where there is a centre or a rotation, a NaN or an Inf; nearly never else.
func TestNarrowRows(t *testing.T) {
	rng := testkit.Rand(12)
	done, rows := 0, testkit.Size(20_000, 1_000_000)
	for range rows {
		dim := 1 + rng.IntN(70)
		bound := []float64{1, 3.7, 1e-30, 1e30}[rng.IntN(4)]
		g := Grid{KeyBound: bound, ValueBound: bound}
		wide, narrow := make([]float64, dim), make([]float32, dim)
		testkit.Hostile(rng, wide, bound)
		for i, v := range wide {
			narrow[i] = float32(v)
			wide[i] = float64(narrow[i])
		}
		x, want := make([]int16, dim), make([]int16, dim)
		good := finite(wide)
		scratch := slices.Clone(wide)
		outcome, ok := g.Key32(narrow, x)
		if wanted := g.Key(scratch, want); ok && (outcome != wanted || !slices.Equal(x, want) || Shorten(want)) {
			t.Fatalf("key %v, bound %v: %v, %d, want %v, %d", narrow, bound, x, outcome, want, wanted)
		}
		copy(scratch, wide)
		valueOutcome, valueOK := g.Value32(narrow, x)
		if wanted := g.Value(scratch, want); valueOK && (valueOutcome != wanted || !slices.Equal(x, want)) {
			t.Fatalf("value %v, bound %v: %v, %d, want %v, %d", narrow, bound, x, valueOutcome, want, wanted)
		}
		if !good && (ok || valueOK) {
			t.Fatalf("%v was taken", narrow)
		}
		if ok && valueOK {
			done++
		}
		g.Rotation = NewRotation(dim)
		if _, ok := g.Key32(narrow, x); ok {
			t.Fatal("a key was taken that has to be rotated")
		}
	}
	if done < rows/3 {
		t.Errorf("only %d rows of %d were taken", done, rows)
	}
}
