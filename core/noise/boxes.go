package noise

import (
	"math/big"
	"sync"
)

// The curve f(z) = exp(-z^2/2), z >= 0, is covered by boxes of equal area:
//
//	cell j    z in [j, j+1)/32                           j = 0 ... 159
//	level r   y in [r, r+1)*boxHeight/2^32               r = 0 ... heights[j]-1
//
// with heights[j] the least number of levels that reaches f(j/32), the maximum
// of the falling f on the cell. A box is inside if it lies below f((j+1)/32),
// the infimum on the cell: all its points are under the curve. Otherwise it is
// an edge box. One more box, of the same area, stands for the tail z >= 5
// (see tail).
const (
	cellBits  = 5   // 2^cellBits cells in a unit of z
	cells     = 160 // they cover z < tailStart
	tailStart = 5   // = cells / 2^cellBits

	boxBits = 13 // 2^boxBits boxes in all

	// boxHeight makes the boxes number exactly 2^boxBits; any value from
	// 21540638 to 21540735 does.
	boxHeight      = 21540700
	boxHeightScale = 32 // in units of 2^-32
)

// table is the cover, built once and then read-only.
type table struct {
	// f[j] <= 2^63 f(j/32) < f[j] + 2.
	f [cells + 1]uint64

	// Boxes 0 ... inside-1 are the inside boxes, cell[box] their cell;
	// boxes inside ... 2^boxBits-2 are edges[box-inside];
	// box 2^boxBits-1 is the tail.
	inside uint64
	cell   [1 << boxBits]uint8
	edges  []edge
}

// edge is an edge box.
type edge struct{ cell, level uint8 }

var boxes = sync.OnceValue(newTable)

func newTable() *table {
	t := new(table)
	for j := range t.f {
		lo, _ := curveBounds(big.NewInt(int64(j)), cellBits, 128)
		t.f[j], _ = lo.SetMantExp(lo, 63).Uint64() // the floor; hi - lo is far below 1
	}

	// The rounding goes to the safe side each time: too many levels only cost a
	// rejection, and a box wrongly called an edge only a comparison.
	const unit = boxHeight << (63 - boxHeightScale) // a level, in units of 2^-63
	for j := range cells {
		heights := (t.f[j] + 2 + unit - 1) / unit
		inside := t.f[j+1] / unit
		for range inside {
			t.cell[t.inside] = uint8(j)
			t.inside++
		}
		for r := inside; r < heights; r++ {
			t.edges = append(t.edges, edge{uint8(j), uint8(r)})
		}
	}
	if t.inside+uint64(len(t.edges))+1 != 1<<boxBits {
		panic("noise: the boxes do not add up")
	}
	return t
}
