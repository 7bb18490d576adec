package moment

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"dpattn/core/gaussian"
	"dpattn/core/internal/parallel"
	"dpattn/core/poly"
	"dpattn/tests/testkit"
)

// bigNorm2 is the squared norm, worked out once more.
func bigNorm2(v []int64) *big.Int {
	sum := new(big.Int)
	for _, x := range v {
		b := big.NewInt(x)
		sum.Add(sum, b.Mul(b, b))
	}
	return sum
}

// sumsLike draws sums of many kinds: small, large, at the limit 2^59 of an entry, all the same, one
// entry.
func sumsLike(rng *rand.Rand, v []int64) {
	clear(v)
	reach := int64(1) << (1 + rng.IntN(59-1))
	switch rng.IntN(4) {
	case 0:
		for i := range v {
			v[i] = rng.Int64N(2*reach+1) - reach
		}
	case 1:
		for i := range v {
			v[i] = reach * int64(1-2*rng.IntN(2))
		}
	case 2:
		v[rng.IntN(len(v))] = -reach
	case 3:
		for i := range v {
			v[i] = rng.Int64N(5) - 2
		}
	}
}

// Clip leaves sums within the bound alone, and takes others to it: never over it, in exact
// integers, and no further below than rounding explains; each entry keeps its sign and is the given
// one times one factor, rounded toward zero; whatever the number of threads. Bounds are as far off
// as 1 unit from the norm.
func TestClip(t *testing.T) {
	rng := testkit.Rand(9)
	defer parallel.SetThreads(0)
	const cols = 3
	for _, tm := range []*testMap{expMap(t, poly.Minimax, 1, 1, 1), expMap(t, poly.Minimax, 5, 3, 1),
		expMap(t, poly.Minimax, 40, 2, 1)} {
		n := len(tm.seqs) * cols
		given, got := make([]int64, n), make([]int64, n)
		clipped := 0
		for trial := range testkit.Size(600, 20000) {
			parallel.SetThreads(1 + trial%3)
			sumsLike(rng, given)
			norm2 := bigNorm2(given)
			bound := new(big.Int).Set(norm2)
			switch trial % 4 {
			case 0:
				bound.Add(bound, big.NewInt(rng.Int64N(3)-1))
			case 1:
				bound.Div(bound, big.NewInt(1+rng.Int64N(1<<uint(rng.IntN(40)))))
			case 2:
				bound.SetUint64(1 + rng.Uint64N(1<<58))
			case 3:
				bound.Mul(bound, big.NewInt(999_999)).Div(bound, big.NewInt(1_000_000))
			}
			if bound.Sign() <= 0 {
				bound.SetInt64(1)
			}
			sums := tm.newExact(cols, 1000)
			sums.Set(given)
			over := norm2.Cmp(bound) > 0
			if sums.Clip(bound) != over {
				t.Fatalf("%s: norm^2 %v, bound %v: clipped is %v", tm.name, norm2, bound, !over)
			}
			clear(got)
			sums.AddTo(got)
			if !over {
				if !slices.Equal(got, given) {
					t.Fatalf("%s: sums within their bound were changed", tm.name)
				}
				continue
			}
			clipped++
			if after := bigNorm2(got); after.Cmp(bound) > 0 {
				t.Fatalf("%s: norm^2 %v was clipped to %v, over the bound %v", tm.name, norm2, after, bound)
			}
			ratio, _ := new(big.Rat).SetFrac(bound, norm2).Float64()
			factor := math.Sqrt(ratio)
			for i, v := range given {
				want := float64(v) * factor
				if d := math.Abs(want) - math.Abs(float64(got[i])); got[i] != 0 && (got[i] < 0) != (v < 0) ||
					d < -1e-9*math.Abs(want)-1e-9 ||
					d > 1+0x1p-62*math.Abs(float64(v))+1e-9*math.Abs(want) {
					t.Fatalf("%s: entry %d: %d times %v became %d", tm.name, i, v, factor, got[i])
				}
			}
		}
		if clipped < 100 {
			t.Errorf("%s: only %d sums were clipped", tm.name, clipped)
		}
	}
}

// The bound is floor(rows^2 Delta^2), exactly, and the sensitivity follows from it.
func TestClipBound(t *testing.T) {
	b := Bounds{Phi2: 100, Value2: 16, Lambda: 2}
	for _, c := range []struct {
		rows float64
		want string
	}{{1, "2000"}, {3, "18000"}, {1.5, "4500"}, {0.03125, "1"}, {1 << 20, "2199023255552000"}, {0.1, "20"}} {
		clip := b.Clip(c.rows)
		if clip.String() != c.want {
			t.Errorf("%v rows: %v, want %s", c.rows, clip, c.want)
		}
		if got := gaussian.ClippedSquared(false, clip); got.Cmp(clip) != 0 {
			t.Errorf("%v rows: ADD_REMOVE %v", c.rows, got)
		}
		if got := gaussian.ClippedSquared(true, clip); got.Cmp(new(big.Int).Lsh(clip, 2)) != 0 {
			t.Errorf("%v rows: REPLACE %v", c.rows, got)
		}
	}
	largest := Bounds{Phi2: math.MaxUint32, Value2: 1 << 31, Lambda: math.MaxInt16}
	want := largest.Sensitivity(false, 1<<20).Squared
	if got := largest.Clip(1 << 20); got.Cmp(want) != 0 {
		t.Errorf("the largest bound is %v, want %v", got, want)
	}
}
