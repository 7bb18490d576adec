package core

import (
	"bytes"
	"container/heap"
	"crypto/sha256"
	"dpattn/core/quant"
	"dpattn/simd"
	"encoding/binary"
	"slices"
)

// ownerRow is one kept row of an owner: its quantised key and value, and the number that decides which rows are kept. SECRET.
type ownerRow struct {
	rank [16]byte
	data []int16 // [key_dim + value_dim]
}

// rankOf is a public pseudo-random function of the row alone, so that which rows of an owner are kept depends on that owner's rows
// and on nothing else: not on other owners, order, chunks or shards.
func rankOf(data []int16) (rank [16]byte) {
	raw := make([]byte, 2*len(data))
	for i, v := range data {
		binary.LittleEndian.PutUint16(raw[2*i:], uint16(v))
	}
	sum := sha256.Sum256(raw)
	clear(raw)
	copy(rank[:], sum[:])
	return rank
}

// compare orders rows by rank. Rows of the same rank are the same rows (or a SHA-256 collision, which the data then decide).
func (r ownerRow) compare(o ownerRow) int {
	if c := bytes.Compare(r.rank[:], o.rank[:]); c != 0 {
		return c
	}
	return slices.Compare(r.data, o.data)
}

// rowHeap is a max-heap: its first row is the first to go.
type rowHeap []ownerRow

func (h rowHeap) Len() int           { return len(h) }
func (h rowHeap) Less(i, j int) bool { return h[i].compare(h[j]) > 0 }
func (h rowHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *rowHeap) Push(x any)        { *h = append(*h, x.(ownerRow)) }
func (h *rowHeap) Pop() any {
	last := len(*h) - 1
	row := (*h)[last]
	(*h)[last] = ownerRow{}
	*h = (*h)[:last]
	return row
}

// owners holds, for one head, at most most rows of each owner: the ones of least rank. So the set kept is a function of the owner's
// multiset of rows. SECRET.
type owners struct {
	most int
	rows map[uint64]*rowHeap
}

func newOwners(most int) *owners { return &owners{most: most, rows: map[uint64]*rowHeap{}} }

// touch makes owner known, even if no row of it is kept.
func (o *owners) touch(owner uint64) *rowHeap {
	h := o.rows[owner]
	if h == nil {
		h = new(rowHeap)
		o.rows[owner] = h
	}
	return h
}

// add offers a row and takes over its data; it reports whether a row, this one or another of that owner, was dropped.
func (o *owners) add(owner uint64, row ownerRow) (dropped bool) {
	h := o.touch(owner)
	heap.Push(h, row)
	if h.Len() <= o.most {
		return false
	}
	clear(heap.Pop(h).(ownerRow).data)
	return true
}

// absorb moves all rows of other here, and returns how many were dropped.
func (o *owners) absorb(other *owners) (dropped uint64) {
	for owner, rows := range other.rows {
		o.touch(owner)
		for _, row := range *rows {
			if o.add(owner, row) {
				dropped++
			}
		}
		// The data have moved: wiping other must not clear what is here now.
		clear(*rows)
	}
	clear(other.rows)
	return dropped
}

// sorted lists the owners in ascending order.
func (o *owners) sorted() []uint64 {
	ids := make([]uint64, 0, len(o.rows))
	for id := range o.rows {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// count returns how many rows are kept.
func (o *owners) count() (n int) {
	for _, h := range o.rows {
		n += h.Len()
	}
	return n
}

func (o *owners) wipe() {
	for _, h := range o.rows {
		for _, row := range *h {
			clear(row.data)
		}
		clear(*h) // ranks are hashes of rows
	}
	clear(o.rows)
}

// encode writes the owners in ascending order, each with its rows in ascending rank.
func (o *owners) encode(w *writer) {
	w.u64(uint64(len(o.rows)))
	for _, id := range o.sorted() {
		rows := slices.Clone(*o.rows[id])
		slices.SortFunc(rows, ownerRow.compare)
		w.u64(id)
		w.u64(uint64(len(rows)))
		for _, row := range rows {
			for _, v := range row.data {
				w.u16(uint16(v))
			}
		}
		clear(rows)
	}
}

// decode reads what encode wrote into an empty o. Rows are clipped to the integer ranges again by the gate when they are summed; only -2^15, which
// no row has and the kernels exclude, is refused here, and values over their norm.
func (o *owners) decode(r *reader, d *design) error {
	count := r.u64()
	for i := uint64(0); i < count; i++ {
		id, n := r.u64(), r.u64()
		if r.short || n > uint64(o.most) || o.rows[id] != nil {
			return corrupt("an owner's rows are out of range")
		}
		h := o.touch(id)
		for ; n > 0; n-- {
			data := make([]int16, d.KeyDim+d.ValueDim)
			for j := range data {
				if data[j] = int16(r.u16()); data[j] == -1<<15 {
					return corrupt("a kept row is out of range")
				}
			}
			if r.short || simd.Norm2(data[d.KeyDim:]) > quant.ValueNorm2 {
				return corrupt("a kept row is out of range")
			}
			heap.Push(h, ownerRow{rank: rankOf(data), data: data})
		}
	}
	return nil
}
