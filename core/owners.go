package core

import (
	"cmp"
	"slices"

	"dpattn/core/internal/wire"
)

// ownerRow is one kept row of an owner: its quantised key and value, and the number that decides which rows are kept. SECRET.
type ownerRow struct {
	rank uint64
	data []int16 // [key_dim + value_dim]
}

// rankOf is a public pseudo-random function of the row alone, so that which rows of an owner are kept depends on that owner's rows
// and on nothing else: not on other owners, order, chunks or shards. Privacy needs no more of it than that. It is FNV-1a over the numbers, mixed as MurmurHash3
// ends, and not a cryptographic hash, because it stays in registers: SHA-256 leaves the last row and its hash in memory that nobody can wipe.
func rankOf(data []int16) uint64 {
	h := uint64(14695981039346656037)
	for _, v := range data {
		h = (h ^ uint64(uint16(v))) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// compare orders rows by rank, and where two have the same by their numbers: then they are the same rows, or rare.
func (r ownerRow) compare(o ownerRow) int {
	if c := cmp.Compare(r.rank, o.rank); c != 0 {
		return c
	}
	return slices.Compare(r.data, o.data)
}

// rowHeap is a max-heap: its first row is the first to go. (Not container/heap: its Push and Pop box rows, and append moves them, and both leave
// copies of ranks that nobody can wipe.)
type rowHeap []ownerRow

// push adds a row.
func (h *rowHeap) push(row ownerRow) {
	if len(*h) == cap(*h) {
		grown := make(rowHeap, len(*h), 2*len(*h)+1)
		copy(grown, *h)
		clear(*h)
		*h = grown
	}
	*h = append(*h, row)
	for i := len(*h) - 1; i > 0; {
		up := (i - 1) / 2
		if (*h)[i].compare((*h)[up]) <= 0 {
			break
		}
		(*h)[i], (*h)[up] = (*h)[up], (*h)[i]
		i = up
	}
}

// drop removes the first row and wipes it.
func (h *rowHeap) drop() {
	s, last := *h, len(*h)-1
	clear(s[0].data)
	s[0], s[last] = s[last], ownerRow{}
	*h = s[:last]
	for i := 0; ; {
		next := 2*i + 1
		if next >= last {
			return
		}
		if next+1 < last && s[next+1].compare(s[next]) > 0 {
			next++
		}
		if s[next].compare(s[i]) <= 0 {
			return
		}
		s[i], s[next] = s[next], s[i]
		i = next
	}
}

// owners holds, for one head, at most most rows of each owner: the ones of least rank. They are summed at release, when all are known. So the set kept is a function of the owner's
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
	h.push(row)
	if len(*h) <= o.most {
		return false
	}
	h.drop()
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
		n += len(*h)
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
func (o *owners) encode(w *wire.Writer) {
	w.U64(uint64(len(o.rows)))
	for _, id := range o.sorted() {
		rows := slices.Clone(*o.rows[id])
		slices.SortFunc(rows, ownerRow.compare)
		w.U64(id)
		w.U64(uint64(len(rows)))
		for _, row := range rows {
			for _, v := range row.data {
				w.U16(uint16(v))
			}
		}
		clear(rows)
	}
}

// encodedLen is how many bytes encode writes, for rows of width integers.
func (o *owners) encodedLen(width int) int { return 8 + 16*len(o.rows) + 2*width*o.count() }

// decode reads what encode wrote into an empty o, for rows of width integers; possible says whether a mechanism could have kept such a row.
func (o *owners) decode(r *wire.Reader, width int, possible func(row []int16) bool) error {
	count := r.U64()
	for i := uint64(0); i < count; i++ {
		id, n := r.U64(), r.U64()
		if r.Short || n > uint64(o.most) || o.rows[id] != nil {
			return wire.Corrupt("an owner's rows are out of range")
		}
		h := o.touch(id)
		for ; n > 0; n-- {
			data := make([]int16, width)
			for j := range data {
				data[j] = int16(r.U16())
			}
			if r.Short || !possible(data) {
				clear(data)
				return wire.Corrupt("a kept row is out of range")
			}
			h.push(ownerRow{rank: rankOf(data), data: data})
		}
	}
	return nil
}
