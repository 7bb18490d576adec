package moment

import (
	"math"
	"math/big"
	"testing"
)

func TestSensitivity(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		bounds  Bounds
		replace bool
		rows    int
		want    string // worked out by hand, or by the loop below
		sharper bool
	}{
		{Bounds{100, 16, 2, 0}, false, 1, "2000", false},
		{Bounds{100, 16, 2, inf}, false, 1, "2000", false},
		{Bounds{100, 16, 2, 0}, false, 3, "18000", false},
		{Bounds{100, 16, 2, 0}, true, 1, "6400", true},
		{Bounds{100, 16, 2, 0}, true, 3, "57600", true},
		{Bounds{100, 16, 2, 0.59}, true, 1, "6400", true},
		// 1.6*20 = 2*16: equality is left to the rounding's safe side
		{Bounds{100, 16, 2, 0.6}, true, 1, "8000", false},
		{Bounds{100, 16, 2, 0.61}, true, 1, "8000", false},
		{Bounds{100, 16, 2, inf}, true, 1, "8000", false},
		{Bounds{100, 16, 2, nan}, true, 1, "8000", false},
		{Bounds{100, 16, 4, 0}, true, 1, "12800", false}, // lambda^2 = V: likewise
		{Bounds{100, 16, 5, 0}, true, 1, "16400", false},
		{Bounds{100, 16, 5, 0}, true, 10, "1640000", false},
		{Bounds{1, 1, 1, inf}, false, 1, "2", false},
	} {
		got := c.bounds.Sensitivity(c.replace, c.rows)
		if got.Squared.String() != c.want || got.Sharper != c.sharper {
			t.Errorf("%+v, replace %v, %d rows: %v, sharper %v; want %s, %v", c.bounds, c.replace, c.rows, got.Squared,
				got.Sharper, c.want, c.sharper)
		}
	}
}

// The largest numbers do not wrap, and no combination is ever below the ADD_REMOVE bound or the
// bound for fewer rows.
func TestSensitivityIsExact(t *testing.T) {
	for _, phi2 := range []uint64{1, 1 << 26, 1<<26 + 214, 1 << 29, math.MaxUint32} {
		for _, value2 := range []uint64{1, 1 << 20, 1 << 31} {
			for _, lambda := range []int16{1, 16, 361, 1022, 16352, math.MaxInt16} {
				for _, floor := range []float64{0, 0.01, 0.5, math.Inf(1)} {
					b := Bounds{phi2, value2, lambda, floor}
					for _, rows := range []int{1, 2, 1 << 20} {
						unit := new(big.Int).SetUint64(value2)
						unit.Add(unit, big.NewInt(int64(lambda)*int64(lambda)))
						unit.Mul(unit, new(big.Int).SetUint64(phi2))
						unit.Mul(unit, big.NewInt(int64(rows)*int64(rows)))
						add, replace := b.Sensitivity(false, rows), b.Sensitivity(true, rows)
						if add.Squared.Cmp(unit) != 0 || add.Sharper {
							t.Fatalf("%+v, %d rows: ADD_REMOVE %v, want %v", b, rows, add.Squared, unit)
						}
						want := new(big.Int).Lsh(unit, 2)
						if replace.Sharper {
							want.SetUint64(4 * phi2)
							want.Mul(want, new(big.Int).SetUint64(value2)).
								Mul(want, big.NewInt(int64(rows)*int64(rows)))
						}
						if replace.Squared.Cmp(want) != 0 {
							t.Fatalf("%+v, %d rows: REPLACE %v, want %v", b, rows, replace.Squared, want)
						}
						// Against an absent unit, a replaced one moves the sums by what it is.
						if replace.Squared.Cmp(add.Squared) < 0 {
							t.Fatalf("%+v, %d rows: REPLACE %v is below ADD_REMOVE %v", b, rows, replace.Squared,
								add.Squared)
						}
					}
				}
			}
		}
	}
}
