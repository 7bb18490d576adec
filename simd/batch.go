package simd

import (
	"math"
	"unsafe"
)

// Lanes is how many features one block of the state holds side by side.
const Lanes = 32

// strip is how many pairs of rows one panel takes at most: 256 pairs x 32 features x 4 bytes fill two thirds of a first-level cache.
const strip = 256

// step is the granule of pairs: what one instruction takes at most.
const step = 16

// Layout says where the sums of a Map with cols columns lie in memory: blocks of 32 features, [blocks, cols, 32] int64, so that neighbouring features are
// neighbouring numbers. Lanes beyond the last feature stay zero.
type Layout struct {
	Map   *Map
	Cols  int
	tile  int // columns of a tile
	limit int // pairs that may be summed in int32
	norms int // blocks whose squares may be summed in uint32
}

// NewLayout makes the layout; largest bounds |u|.
func (m *Map) NewLayout(cols int, largest int16) *Layout {
	l := &Layout{Map: m, Cols: cols, norms: m.normBlocks()}
	tiles := (cols + active.cols() - 1) / active.cols()
	l.tile = (cols + tiles - 1) / tiles
	// One pair moves an int32 accumulator by at most 2 |phi| |u|.
	l.limit = max(1, min(strip, int(math.MaxInt32/(2*int64(m.Largest())*int64(largest)))))
	if l.limit > step {
		l.limit -= l.limit % step
	}
	return l
}

// panel is how many pairs one panel takes: features are made for whole granules.
func (l *Layout) panel() int { return max(l.limit, step) }

// PanelRows is how many rows are summed before 64-bit sums are read and written. A batch does best with a multiple of that.
func (l *Layout) PanelRows() int { return 2 * l.panel() }

// Blocks is the number of blocks.
func (l *Layout) Blocks() int { return (l.Map.Features + Lanes - 1) / Lanes }

// Len is the number of integers.
func (l *Layout) Len() int { return l.Blocks() * l.Cols * Lanes }

// Canonical adds the sums of blocks lo..hi-1 to dst, which is all sums in canonical order, [Features, cols].
func (l *Layout) Canonical(dst, sums []int64, lo, hi int) {
	for i := lo * Lanes; i < min(hi*Lanes, l.Map.Features); i++ {
		block := sums[i/Lanes*l.Cols*Lanes+i%Lanes:]
		row := dst[i*l.Cols : (i+1)*l.Cols]
		for c := range row {
			row[c] += block[c*Lanes]
		}
	}
}

// FromCanonical is the way back: it sets the sums of blocks lo..hi-1 from all sums in canonical order.
func (l *Layout) FromCanonical(sums, src []int64, lo, hi int) {
	for i := lo * Lanes; i < min(hi*Lanes, l.Map.Features); i++ {
		block := sums[i/Lanes*l.Cols*Lanes+i%Lanes:]
		for c, v := range src[i*l.Cols : (i+1)*l.Cols] {
			block[c*Lanes] = v
		}
	}
}

// Batch is a set of quantised rows, transposed: whatever belongs to one index of the key, one prefix or one column lies together for all rows, two rows
// (a pair) to a 32-bit word. Its memory is secret; Wipe clears it.
type Batch struct {
	layout   *Layout
	capacity int     // rows, a multiple of 2*step
	rows     int     // rows in use
	f        []int16 // [slots, capacity]: F of the empty prefix (32767), of all prefixes in order, and a row of zeros
	g        []int16 // [1 + dim*degree*(degree+1)/2, capacity]: the constant, then g_{t,m}(j)
	u        []int16 // [tiles][capacity/2][tile][2]
}

// NewBatch makes room for rows rows.
func (l *Layout) NewBatch(rows int) *Batch {
	m := l.Map
	// An odd number of cache lines a row keeps the rows of f and g, which are read side by side, in different cache sets.
	b := &Batch{layout: l, capacity: ((max(rows, 1)+2*step-1)/(2*step) | 1) * 2 * step}
	b.f = make([]int16, (m.prefixes()+2)*b.capacity)
	b.g = make([]int16, (1+m.Dim*m.Degree*(m.Degree+1)/2)*b.capacity)
	b.u = make([]int16, l.Cols*b.capacity)
	for i := range b.capacity {
		b.f[i], b.g[i] = 32767, m.Const
	}
	return b
}

// prefixes is the number of prefixes of length 1..Degree-1, but those of length 1, the key itself, are always there.
func (m *Map) prefixes() int { return m.first[max(m.Degree, 2)] - 1 }

// RowBytes is about the memory that a Batch takes for each row.
func (l *Layout) RowBytes() int {
	m := l.Map
	return 2 * (m.prefixes() + 3 + m.Dim*m.Degree*(m.Degree+1)/2 + l.Cols)
}

// Capacity is the most rows.
func (b *Batch) Capacity() int { return b.capacity }

// Wipe zeroes what rows have left.
func (b *Batch) Wipe() {
	clear(b.f[b.capacity:])
	clear(b.g[b.capacity:])
	clear(b.u)
	b.rows = 0
}

// Set puts row i in: key x [d] and right factor u [cols].
func (b *Batch) Set(i int, x, u []int16) {
	for j, v := range x {
		b.f[(1+j)*b.capacity+i] = v
	}
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

// SetRows is Set for rows first..first+n-1: keys x [n, d] and right factors u [n, cols]. first is a multiple of 32.
func (b *Batch) SetRows(first, n int, x, u []int16) {
	dim, cols, tile := b.layout.Map.Dim, b.layout.Cols, b.layout.tile
	i := 0
	for ; i+2*step <= n; i += 2 * step {
		active.pack(&b.f[b.capacity+first+i], &x[i*dim], dim, 2*b.capacity)
		for c0 := 0; c0 < cols; c0 += tile {
			width := min(tile, cols-c0)
			interleave(b.u[c0*b.capacity+(first+i)*width:][:2*step*width], u[i*cols+c0:], cols)
		}
	}
	for ; i < n; i++ {
		b.Set(first+i, x[i*dim:][:dim], u[i*cols:][:cols])
	}
}

// interleave fills dst with pairs of rows of src, which are stride numbers apart, two rows to a word.
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
	for j := range x {
		x[j] = b.f[(1+j)*b.capacity+i]
	}
	for c := range u {
		u[c] = b.u[b.right(i, c)]
	}
}

// Ready says that rows 0..rows-1 are in. Rows from there to the next multiple of the kernels' granule become zero rows.
func (b *Batch) Ready(rows int) {
	b.rows = rows
	for i := rows; i < b.padded(); i++ {
		for j := range b.layout.Map.Dim {
			b.f[(1+j)*b.capacity+i] = 0
		}
		for c := range b.layout.Cols {
			b.u[b.right(i, c)] = 0
		}
	}
}

// padded is the number of rows that kernels work on.
func (b *Batch) padded() int { return (b.rows + 2*step - 1) / (2 * step) * 2 * step }

// share is how many rows are a task of Prepare: few enough that threads have something to share out.
const share = 128

// Tasks is the number of independent pieces of Prepare's work.
func (b *Batch) Tasks() int { return (b.padded() + share - 1) / share }

// Prepare computes g and F for task i of Tasks. All must be done before Accumulate.
func (b *Batch) Prepare(i int) {
	m := b.layout.Map
	lo := i * share
	n, stride := min(share, b.padded()-lo), 2*b.capacity
	at := func(a []int16, row int) *int16 { return &a[row*b.capacity+lo] }
	entry := 1
	for t := 1; t <= m.Degree; t++ {
		for k := 1; k <= t; k++ {
			active.scale(at(b.g, entry), at(b.f, 1), m.gain[t][k], m.Dim, stride, n)
			entry += m.Dim
		}
	}
	nodes := m.nodes()
	for t := 2; t < m.Degree; t++ {
		active.lift(at(b.f, m.first[t]), at(b.f, m.first[t-1]), at(b.f, 1), &nodes[t][0], &m.lift[t][0], len(nodes[t]), stride, n)
	}
}

// Worker is the memory of one goroutine in Accumulate. It holds secrets; Wipe clears it.
type Worker struct {
	panel  []int32  // [pairs of a panel, 32]
	norms  []uint32 // [capacity/32][2][16]: squares of the even rows, of both rows of a pair, over the last blocks
	blocks int      // how many
	total  []uint64 // [capacity]: squares over all blocks before
	at     [2][2 * step]int
}

// NewWorker makes a Worker for the batch.
func (b *Batch) NewWorker() *Worker {
	return &Worker{panel: make([]int32, b.layout.panel()*Lanes), norms: make([]uint32, b.capacity), total: make([]uint64, b.capacity)}
}

// Wipe zeroes the worker.
func (w *Worker) Wipe() {
	clear(w.panel)
	clear(w.at[:])
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

// AddNorms adds to norms[i] the exact squared norm of those features of row i that the worker has met since Reset.
func (w *Worker) AddNorms(norms []uint64) {
	w.flush()
	for i := range norms {
		norms[i] += w.total[i]
	}
}

// Accumulate adds the contributions of all rows to block number block of sums, and their squares to the worker's norms.
//
//	for row in rows { for i in block { for c in cols { sums[block][c][i] += phi(x[row])[i] * u[row][c] } } }
//
// Exact: int32 accumulators take limit pairs at a time. Keys must have |x|^2 < 2^30, which bounds every feature by Largest.
func (b *Batch) Accumulate(sums []int64, block int, w *Worker) {
	l := b.layout
	pairs := b.padded() / 2
	if w.blocks++; w.blocks > l.norms {
		w.flush()
		w.blocks = 1
	}
	sums = sums[block*l.Cols*Lanes:][:l.Cols*Lanes]
	for half := range w.at {
		b.locate(block*Lanes+half*step, &w.at[half])
	}
	for lo := 0; lo < pairs; lo += l.panel() {
		n := min(l.panel(), pairs-lo)
		for half := range w.at {
			active.gen(&w.panel[half*step], &w.at[half], &b.f[2*lo], &b.g[2*lo], n, &w.norms[2*lo])
		}
		for c := 0; c < l.Cols; c += l.tile {
			width := min(l.tile, l.Cols-c)
			for p := 0; p < n; p += l.limit {
				active.tiles[width](&sums[c*Lanes], &w.panel[p*Lanes], &b.u[c*b.capacity+(lo+p)*width*2], min(l.limit, n-p))
			}
		}
	}
}

// locate writes where features first..first+15 find their factors: at[2i] in f, at[2i+1] in g, in bytes.
func (b *Batch) locate(first int, at *[2 * step]int) {
	m := b.layout.Map
	table := m.factors()
	zero := m.prefixes() + 1
	for i := range step {
		f, g := zero, 0
		if first+i < m.Features {
			f, g = int(table[first+i].f), int(table[first+i].g)
		}
		at[2*i], at[2*i+1] = f*b.capacity*2, g*b.capacity*2
	}
}
