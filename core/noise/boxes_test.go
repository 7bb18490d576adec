package noise

import (
	"math/big"
	"testing"
)

// unit is the height of a box in units of 2^-fix.
var unit = new(big.Int).Lsh(big.NewInt(boxHeight), fix-boxHeightScale)

func levels(n uint64) *big.Int {
	return new(big.Int).Mul(unit, new(big.Int).SetUint64(n))
}

// TestCover checks section 2 of PROOF.md for every box, against the test's own
// exponential function: all boxes are there, once; those called inside are; the
// cover reaches the curve; and it is not wasteful.
func TestCover(t *testing.T) {
	tab := boxes()
	if n := tab.inside + uint64(len(tab.edges)) + 1; n != 1<<boxBits {
		t.Fatalf("%d boxes", n)
	}
	var inside, heights [cells]uint64
	for box := range tab.inside {
		inside[tab.cell[box]]++
	}
	heights = inside
	for _, e := range tab.edges { // in order of level, from the inside boxes on
		if uint64(e.level) != heights[e.cell] {
			t.Fatalf("cell %d: level %d follows %d boxes", e.cell, e.level, heights[e.cell])
		}
		heights[e.cell]++
	}
	for j := range uint64(cells) {
		lo, hi := fBounds(zInt(j, 0, 0), cellBits)
		if levels(heights[j]).Cmp(hi) < 0 {
			t.Errorf("cell %d: %d levels do not reach the curve", j, heights[j])
		}
		if j > 0 && levels(heights[j]-1).Cmp(lo) >= 0 {
			t.Errorf("cell %d: %d levels are too many", j, heights[j])
		}
		lo, hi = fBounds(zInt(j+1, 0, 0), cellBits)
		if levels(inside[j]).Cmp(lo) > 0 {
			t.Errorf("cell %d: %d levels are not inside", j, inside[j])
		}
		if levels(inside[j]+1).Cmp(hi) <= 0 {
			t.Errorf("cell %d: more than %d levels are inside", j, inside[j])
		}
	}
}

// TestCurve checks the bracket of the table, F <= 2^63 f < F + 2.
func TestCurve(t *testing.T) {
	for j, f := range boxes().f {
		lo, hi := fBounds(zInt(uint64(j), 0, 0), cellBits)
		v := new(big.Int).SetUint64(f)
		if v.Lsh(v, fix-63).Cmp(lo) > 0 {
			t.Errorf("f[%d] is above the curve", j)
		}
		v.SetUint64(f + 2)
		if v.Lsh(v, fix-63).Cmp(hi) <= 0 {
			t.Errorf("f[%d] + 2 is below the curve", j)
		}
	}
}

// TestCoverTail checks that the columns of the tail cover the curve: at k = 5
// directly, and then from column to column, where the curve falls by
// exp(-k-1/2) < 1/2 and the height by 1/2.
func TestCoverTail(t *testing.T) {
	if tailStart<<cellBits != cells {
		t.Fatal("the tail does not begin where the cells end")
	}
	_, hi := fBounds(big.NewInt(tailStart), 0)
	if c := new(big.Int).Rsh(unit, 10); c.Cmp(hi) < 0 {
		t.Error("the first column is below the curve")
	}
	if _, hi = expBounds(big.NewInt(2*tailStart+1), 1); hi.Cmp(new(big.Int).Lsh(big.NewInt(1), fix-1)) > 0 {
		t.Error("the curve does not fall as fast as the columns")
	}
}
