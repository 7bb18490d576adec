// Package testkit has what the Go tests of several packages share. It imports core/tensor, so that
// tests inside that package and those that it is built of must do without.
package testkit

import (
	"encoding/json"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// Size returns how large a test is: small, or full where DPATTN_AUDIT is set.
func Size(small, full int) int {
	if os.Getenv("DPATTN_AUDIT") != "" {
		return full
	}
	return small
}

// Rand returns the random numbers of a seed, the same in every run.
func Rand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

// Must returns the value of a call that must succeed: testkit.Must(os.ReadFile(path))(t).
func Must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// Must2 is Must for calls that return a second value, which is dropped.
func Must2[T, U any](v T, _ U, err error) func(t testing.TB) T { return Must(v, err) }

// ReadJSON reads a file into what into points to.
func ReadJSON(t testing.TB, path string, into any) {
	t.Helper()
	if err := json.Unmarshal(Must(os.ReadFile(path))(t), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// Float returns the float64 nearest to a decimal.
func Float(t testing.TB, s string) float64 {
	t.Helper()
	return Must(strconv.ParseFloat(s, 64))(t)
}

// Decimal returns a decimal rounded to so many bits.
func Decimal(t testing.TB, s string, bits uint) *big.Float {
	t.Helper()
	return Must2(big.ParseFloat(s, 10, bits, big.ToNearestEven))(t)
}

// Hostile fills v, which has a number at least, with what a caller might send: ordinary numbers,
// all entries equal or one alone, any of them with a length at bound, next to it, below it or far
// from it; any bit pattern; extremes, alone or among ordinary numbers.
func Hostile(rng *rand.Rand, v []float64, bound float64) {
	extremes := [...]float64{
		math.NaN(), math.Inf(1), math.Inf(-1), 1e308, -1e308, math.MaxFloat64, -math.MaxFloat64,
		5e-324, -5e-324, 1e-310, 0x1p-1022, 0, math.Copysign(0, -1), 1e38, 65504, 6e4,
	}
	kind, squares := rng.IntN(9), 0.0
	for i := range v {
		switch kind {
		case 0, 1, 2:
			v[i] = rng.NormFloat64()
		case 3:
			v[i] = 1
		case 4:
			v[i] = -1
		case 5: // the first entry alone, or nearly
			v[i] = 1e-9 * float64(rng.IntN(2))
			v[0] = 1
		case 6:
			v[i] = math.Float64frombits(rng.Uint64())
		case 7:
			v[i] = extremes[rng.IntN(len(extremes))]
		case 8:
			v[i] = rng.NormFloat64()
			if rng.IntN(len(v)) == 0 {
				v[i] = extremes[rng.IntN(len(extremes))]
			}
		}
		squares += v[i] * v[i]
	}
	if kind > 5 {
		return
	}
	lengths := [...]float64{
		bound, math.Nextafter(bound, 0), math.Nextafter(bound, math.Inf(1)), bound * rng.Float64() * 1.5,
		bound * 1e-300, bound * 1e300, bound * math.Exp(200*rng.NormFloat64()),
	}
	length := lengths[rng.IntN(len(lengths))]
	for i := range v {
		v[i] = v[i] / math.Sqrt(squares) * length
	}
}
