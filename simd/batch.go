package simd

import (
	"math"
	"unsafe"
)

// strip is how many pairs of rows one panel takes at most: 256 pairs x 32 features x 4 bytes fill
// two thirds of a first-level cache.
const strip = 256

// FeatureMap is what sums need of a feature map phi. Map is one.
type FeatureMap interface {
	// Count is r, the length of phi.
	Count() int
	// Largest bounds |phi_i| over keys with |x|^2 < 2^30.
	Largest() int
	// NormBlocks is over how many blocks the squares of a pair of rows may be summed in uint32.
	NormBlocks() int
	// KeyBytes is about the memory that NewKeys takes for each row.
	KeyBytes() int
	// NewKeys makes room for the keys of capacity rows, a multiple of 32.
	NewKeys(capacity int) Keys
}

// Keys are the keys of a batch of rows, from which a feature map makes features. Their memory is
// secret; Wipe clears it.
type Keys interface {
	// Set puts the key x [d] of row i in; Get reads it back.
	Set(i int, x []int16)
	Get(i int, x []int16)
	// Set32 is Set for rows first..first+31 at once, x [32, d]. first is a multiple of 32.
	Set32(first int, x []int16)
	// Clear makes the keys of rows lo..hi-1 zero.
	Clear(lo, hi int)
	// Prepare makes rows lo..lo+n-1, multiples of 32, ready for Fill. Ranges may be prepared at
	// once.
	Prepare(lo, n int)
	// Locate says in scratch, which is the goroutine's, what block Fill is to make.
	Locate(scratch *Scratch, block int)
	// Fill writes the features of that block for n pairs of rows from pair lo on, multiples of 16:
	//
	//	panel[p*32+i] = phi(x[2(lo+p)])[32 block + i], phi(x[2(lo+p)+1])[32 block + i]
	//
	// two rows to a word, zero beyond the last feature. It adds their squares to norms
	// [n/16][2][16], of the even rows and of both rows.
	Fill(panel []int32, norms []uint32, scratch *Scratch, lo, n int)
	Wipe()
}

// Scratch is working memory of Keys.Locate and Keys.Fill.
type Scratch [2][2 * step]int

// Layout says where sums of phi (x) u lie in memory, with cols columns: blocks of 32 features,
// [blocks, cols, 32] int64, so that neighbouring features are neighbouring numbers. Lanes beyond
// the last feature stay zero.
type Layout struct {
	Cols  int
	phi   FeatureMap
	count int // features
	tile  int // columns of a tile
	limit int // pairs that may be summed in int32
	norms int // blocks whose squares may be summed in uint32
}

// NewLayout makes the layout; largest bounds |u|.
func NewLayout(phi FeatureMap, cols int, largest int16) *Layout {
	l := &Layout{phi: phi, count: phi.Count(), Cols: cols, norms: phi.NormBlocks()}
	tiles := (cols + active.cols() - 1) / active.cols()
	l.tile = (cols + tiles - 1) / tiles
	// One pair moves an int32 accumulator by at most 2 |phi| |u|.
	l.limit = max(1, min(strip, int(math.MaxInt32/(2*int64(phi.Largest())*int64(largest)))))
	if l.limit > step {
		l.limit -= l.limit % step
	}
	return l
}

// panel is how many pairs one panel takes: features are made for whole granules.
func (l *Layout) panel() int { return max(l.limit, step) }

// PanelRows is how many rows are summed before 64-bit sums are read and written. A batch does best
// with a multiple of that.
func (l *Layout) PanelRows() int { return 2 * l.panel() }

// Blocks is the number of blocks.
func (l *Layout) Blocks() int { return (l.count + Lanes - 1) / Lanes }

// Len is the number of integers.
func (l *Layout) Len() int { return l.Blocks() * l.Cols * Lanes }

// Canonical adds the sums of blocks lo..hi-1 to dst, which is all sums in canonical order,
// [Features, cols].
func (l *Layout) Canonical(dst, sums []int64, lo, hi int) {
	for i := lo * Lanes; i < min(hi*Lanes, l.count); i++ {
		block := sums[i/Lanes*l.Cols*Lanes+i%Lanes:]
		row := dst[i*l.Cols : (i+1)*l.Cols]
		for c := range row {
			row[c] += block[c*Lanes]
		}
	}
}

// FromCanonical is the way back: it sets the sums of blocks lo..hi-1 from all sums in canonical
// order.
func (l *Layout) FromCanonical(sums, src []int64, lo, hi int) {
	for i := lo * Lanes; i < min(hi*Lanes, l.count); i++ {
		block := sums[i/Lanes*l.Cols*Lanes+i%Lanes:]
		for c, v := range src[i*l.Cols : (i+1)*l.Cols] {
			block[c*Lanes] = v
		}
	}
}

// Batch is a set of quantised rows: keys, and right factors u that lie together for all rows of a
// column, two rows (a pair) to a 32-bit word. Its memory is secret; Wipe clears it.
type Batch struct {
	layout   *Layout
	keys     Keys
	capacity int     // rows, a multiple of 2*step
	rows     int     // rows in use
	u        []int16 // [tiles][capacity/2][tile][2]
}

// NewBatch makes room for rows rows.
func (l *Layout) NewBatch(rows int) *Batch {
	// An odd number of cache lines a row keeps rows of keys that are read side by side in different
	// cache sets.
	capacity := ((max(rows, 1)+2*step-1)/(2*step) | 1) * 2 * step
	return &Batch{
		layout: l, keys: l.phi.NewKeys(capacity), capacity: capacity,
		u: make([]int16, l.Cols*capacity),
	}
}

// RowBytes is about the memory that a Batch takes for each row.
func (l *Layout) RowBytes() int { return l.phi.KeyBytes() + 2*l.Cols }

// Capacity is the most rows.
func (b *Batch) Capacity() int { return b.capacity }

// Wipe zeroes what rows have left.
func (b *Batch) Wipe() {
	b.keys.Wipe()
	clear(b.u)
	b.rows = 0
}

// Set puts row i in: key x [d] and right factor u [cols].
func (b *Batch) Set(i int, x, u []int16) {
	b.keys.Set(i, x)
	for c, v := range u {
		b.u[b.right(i, c)] = v
	}
}

// right is where the right factor of row i for column c lies in u.
func (b *Batch) right(i, c int) int {
	tile := b.layout.tile
	c0 := c / tile * tile
	return c0*b.capacity + i/2*min(tile, b.layout.Cols-c0)*2 + (c-c0)*2 + i%2
}

// SetRows is Set for rows first..first+n-1: keys x [n, d] and right factors u [n, cols]. first is a
// multiple of 32.
func (b *Batch) SetRows(first, n int, x, u []int16) {
	if n == 0 {
		return
	}
	dim, cols, tile := len(x)/n, b.layout.Cols, b.layout.tile
	i := 0
	for ; i+2*step <= n; i += 2 * step {
		b.keys.Set32(first+i, x[i*dim:])
		for c0 := 0; c0 < cols; c0 += tile {
			width := min(tile, cols-c0)
			interleave(b.u[c0*b.capacity+(first+i)*width:][:2*step*width], u[i*cols+c0:], cols)
		}
	}
	for ; i < n; i++ {
		b.Set(first+i, x[i*dim:][:dim], u[i*cols:][:cols])
	}
}

// interleave fills dst with pairs of rows of src, which are stride numbers apart, two rows to a
// word.
func interleave(dst, src []int16, stride int) {
	width := len(dst) / (2 * step)
	words := unsafe.Slice((*[2]int16)(unsafe.Pointer(&dst[0])), step*width)
	for pair := range step {
		even, odd, to := src[2*pair*stride:][:width], src[(2*pair+1)*stride:][:width], words[pair*width:][:width]
		for c, v := range even {
			to[c] = [2]int16{v, odd[c]}
		}
	}
}

// Row reads row i back.
func (b *Batch) Row(i int, x, u []int16) {
	b.keys.Get(i, x)
	for c := range u {
		u[c] = b.u[b.right(i, c)]
	}
}

// Ready says that rows 0..rows-1 are in. Rows from there to the next multiple of the kernels'
// granule become zero rows.
func (b *Batch) Ready(rows int) {
	b.rows = rows
	b.keys.Clear(rows, b.padded())
	for i := rows; i < b.padded(); i++ {
		for c := range b.layout.Cols {
			b.u[b.right(i, c)] = 0
		}
	}
}

// padded is the number of rows that kernels work on.
func (b *Batch) padded() int { return (b.rows + 2*step - 1) / (2 * step) * 2 * step }

// share is how many rows are a task of Prepare: few enough that threads have something to share
// out.
const share = 128

// Tasks is the number of independent pieces of Prepare's work.
func (b *Batch) Tasks() int { return (b.padded() + share - 1) / share }

// Prepare does task i of Tasks. All must be done before Accumulate.
func (b *Batch) Prepare(i int) {
	lo := i * share
	b.keys.Prepare(lo, min(share, b.padded()-lo))
}

// Worker is the memory of one goroutine in Accumulate. It holds secrets; Wipe clears it.
type Worker struct {
	panel  []int32  // [pairs of a panel, 32]
	norms  []uint32 // [capacity/32][2][16]: squares of the even rows, of both rows of a pair, over the last blocks
	blocks int      // how many
	total  []uint64 // [capacity]: squares over all blocks before
	fill   Scratch
}

// NewWorker makes a Worker for the batch.
func (b *Batch) NewWorker() *Worker {
	return &Worker{
		panel: make([]int32, b.layout.panel()*Lanes),
		norms: make([]uint32, b.capacity),
		total: make([]uint64, b.capacity),
	}
}

// Wipe zeroes the worker.
func (w *Worker) Wipe() {
	clear(w.panel)
	w.fill = Scratch{}
	w.Reset()
}

// Reset forgets the norms.
func (w *Worker) Reset() {
	clear(w.norms)
	clear(w.total)
	w.blocks = 0
}

// flush moves the norms to where they have 64 bits.
func (w *Worker) flush() {
	for i := range w.total {
		pair := i / 2
		even, both := w.norms[pair/step*2*step+pair%step], w.norms[pair/step*2*step+step+pair%step]
		if i%2 == 0 {
			w.total[i] += uint64(even)
		} else {
			w.total[i] += uint64(both - even)
		}
	}
	clear(w.norms)
	w.blocks = 0
}

// AddNorms adds to norms[i] the exact squared norm of those features of row i that the worker has
// met since Reset.
func (w *Worker) AddNorms(norms []uint64) {
	w.flush()
	for i := range norms {
		norms[i] += w.total[i]
	}
}

// Accumulate adds the contributions of all rows to block number block of sums, and their squares to
// the worker's norms.
//
//	for row in rows { for i in block { for c in cols {
//		sums[block][c][i] += phi(x[row])[i] * u[row][c]
//	} } }
//
// Exact: int32 accumulators take limit pairs at a time. Keys must have |x|^2 < 2^30, which bounds
// every feature by Largest.
func (b *Batch) Accumulate(sums []int64, block int, w *Worker) {
	l := b.layout
	pairs := b.padded() / 2
	if w.blocks++; w.blocks > l.norms {
		w.flush()
		w.blocks = 1
	}
	sums = sums[block*l.Cols*Lanes:][:l.Cols*Lanes]
	b.keys.Locate(&w.fill, block)
	for lo := 0; lo < pairs; lo += l.panel() {
		n := min(l.panel(), pairs-lo)
		b.keys.Fill(w.panel, w.norms[2*lo:], &w.fill, lo, n)
		for c := 0; c < l.Cols; c += l.tile {
			width := min(l.tile, l.Cols-c)
			for p := 0; p < n; p += l.limit {
				u := &b.u[c*b.capacity+(lo+p)*width*2]
				active.tiles[width](&sums[c*Lanes], &w.panel[p*Lanes], u, min(l.limit, n-p))
			}
		}
	}
}
