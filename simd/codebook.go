package simd

import (
	"math"
	"sync"
	"unsafe"
)

// Codebook is a list of centroids, prepared for finding the nearest one of a key. It is immutable.
//
// Scores are exact. <x, m> of int16 vectors with |x|^2, |m|^2 < 2^30 is below 2^30 in magnitude,
// and so is every partial sum, by Cauchy's inequality: kernels may sum all dimensions in int32.
// Such vectors have no entry -2^15, whose products could wrap VPMADDWD.
//
// A score and its centroid make one int64, so that the largest is found by comparing these alone:
//
//	key(c) = (2 <x, m[c]> - |m[c]|^2) 2^31 + 2^31-1 - c
//
// A score is between -2^32 and 2^31, so keys do not overflow, and of equal scores that of the
// lowest index has the largest key.
type Codebook struct {
	dim, count int
	pairs      int        // of dimensions; the last one may be half empty
	panel      [][2]int16 // [blocks, pairs, 32]: two dimensions of a centroid to a word
	keys       []int64    // [blocks, 32], by keyAt: key(c) of a row of zeros
	spare      sync.Pool  // *assigner, wiped
}

// keyAt is where kernels find the key of centroid i of a block: in the order that remains when they
// unpack words of sums to 64 bits.
func keyAt(i int) int { return i/16*16 + i%4/2*8 + i%16/4*2 + i%2 }

// NewCodebook prepares centroids m [count, dim]. It panics unless count >= 1 and all |m|^2 < 2^30.
func NewCodebook(m []int16, dim int) *Codebook {
	if dim < 1 || len(m) < dim || len(m)%dim != 0 || len(m)/dim > math.MaxInt32 {
		panic("simd: bad codebook")
	}
	c := &Codebook{dim: dim, count: len(m) / dim, pairs: (dim + 1) / 2}
	c.panel = make([][2]int16, c.blocks()*c.pairs*Lanes)
	c.keys = make([]int64, c.blocks()*Lanes)
	for i := range c.keys {
		c.keys[i] = math.MinInt64 // where there is no centroid: below all keys
	}
	for i := range c.count {
		row := m[i*dim : (i+1)*dim]
		norm := Norm2(row)
		if norm >= 1<<30 {
			panic("simd: a centroid is too long")
		}
		c.keys[i/Lanes*Lanes+keyAt(i%Lanes)] = -int64(norm)<<31 + math.MaxInt32 - int64(i)
		panel := c.panel[i/Lanes*c.pairs*Lanes+i%Lanes:]
		for j, v := range row {
			panel[j/2*Lanes][j%2] = v
		}
	}
	return c
}

// CodebookBytes is about how much memory a Codebook of that shape takes: much more than its
// centroids where it has few, since blocks of them are filled up.
func CodebookBytes(count, dim int) uint64 {
	blocks := uint64((count + Lanes - 1) / Lanes)
	return blocks * Lanes * (4*uint64((dim+1)/2) + 8)
}

func (c *Codebook) blocks() int { return (c.count + Lanes - 1) / Lanes }

// assigner is the memory of one goroutine in Assign.
type assigner struct {
	rows   int     // of a tile
	stride int     // of u
	u      []int16 // [rows, stride], zero beyond the dimensions
	best   []int64 // [rows, 8]: the largest keys yet
}

func (c *Codebook) newAssigner() *assigner {
	// An odd number of cache lines a row keeps rows in different cache sets.
	rows, stride := active.cols(), ((2*c.pairs+31)/32|1)*32
	return &assigner{rows: rows, stride: stride, u: make([]int16, rows*stride), best: make([]int64, rows*8)}
}

// wipe zeroes what rows have left, which is secret.
func (a *assigner) wipe() {
	clear(a.u)
	clear(a.best)
}

// Assign writes the nearest centroid of each key of x [n, dim], with |x|^2 < 2^30, to cell [n], the
// one with the lowest index where several are as near:
//
//	cell[i] = argmax_c 2 <x[i], m[c]> - |m[c]|^2, in exact integers
func (c *Codebook) Assign(x []int16, cell []int32) {
	if len(x) != len(cell)*c.dim {
		panic("simd: keys of another length than the codebook's")
	}
	a, _ := c.spare.Get().(*assigner)
	if a == nil {
		a = c.newAssigner()
	}
	for first := 0; first < len(cell); first += a.rows {
		rows := min(a.rows, len(cell)-first)
		c.tile(a, x[first*c.dim:(first+rows)*c.dim], cell[first:first+rows])
	}
	a.wipe()
	c.spare.Put(a)
}

// tile is Assign for at most a tile's rows. What else the tile holds is left from earlier rows.
func (c *Codebook) tile(a *assigner, x []int16, cell []int32) {
	for i := range cell {
		copy(a.u[i*a.stride:], x[i*c.dim:(i+1)*c.dim])
	}
	for i := range a.best {
		a.best[i] = math.MinInt64
	}
	for block := range c.blocks() {
		panel := (*int32)(unsafe.Pointer(&c.panel[block*c.pairs*Lanes]))
		active.nearest(&a.best[0], &c.keys[block*Lanes], panel, &a.u[0], c.pairs, 2*a.stride)
	}
	for i := range cell {
		best := (*[8]int64)(a.best[8*i:])
		key := max(best[0], best[1], best[2], best[3], best[4], best[5], best[6], best[7])
		cell[i] = int32(math.MaxInt32 - key&math.MaxInt32)
	}
}

func nearestGeneric(best, keys *int64, panel *int32, u *int16, pairs, stride int) {
	nearestRows(16, best, keys, panel, u, pairs, stride)
}

// nearestRows is nearest for so many rows.
func nearestRows(rows int, best, keys *int64, panel *int32, u *int16, pairs, stride int) {
	m := unsafe.Slice((*int16)(unsafe.Pointer(panel)), pairs*2*Lanes)
	for r := range rows {
		var sums [Lanes]int64
		x := row16(u, r*stride, 2*pairs)
		for p := range pairs {
			row := (*[2 * Lanes]int16)(m[p*2*Lanes:])
			for i := range sums {
				sums[i] += int64(row[2*i])*int64(x[2*p]) + int64(row[2*i+1])*int64(x[2*p+1])
			}
		}
		highest((*int64)(unsafe.Add(unsafe.Pointer(best), 64*r)), keys, sums[:])
	}
}

// highest is nearest, once the sums are there.
func highest(best, keys *int64, sums []int64) {
	b, k := unsafe.Slice(best, len(sums)/Lanes*8), unsafe.Slice(keys, Lanes)
	for i, sum := range sums {
		at := keyAt(i % Lanes)
		to := &b[i/Lanes*8+at%8]
		*to = max(*to, sum<<32+k[at])
	}
}
