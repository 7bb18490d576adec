// Package owners keeps rows for their owners until release, at most so many for each. SECRET.
package owners

import (
	"cmp"
	"iter"
	"slices"

	"dpattn/core/internal/wire"
)

// Row is one kept row of an owner: its quantised key and value, and the number that decides which
// rows are kept. SECRET.
type Row struct {
	rank uint64
	Data []int16 // [key_dim + value_dim]
}

// NewRow makes a row, which takes data over.
func NewRow(data []int16) Row { return Row{rankOf(data), data} }

// rankOf is a public pseudo-random function of the row alone, so that which rows of an owner are
// kept depends on that owner's rows and on nothing else: not on other owners, order, chunks or
// shards. Privacy needs no more of it than that. It is FNV-1a over the numbers, mixed as
// MurmurHash3 ends, and not a cryptographic hash, because it stays in registers: SHA-256 leaves the
// last row and its hash in memory that nobody can wipe.
func rankOf(data []int16) uint64 {
	h := uint64(14695981039346656037)
	for _, v := range data {
		h = (h ^ uint64(uint16(v))) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// compare orders rows by rank, and where two have the same by their numbers: then they are the same
// rows, or rare.
func (r Row) compare(o Row) int {
	if c := cmp.Compare(r.rank, o.rank); c != 0 {
		return c
	}
	return slices.Compare(r.Data, o.Data)
}

// rowHeap is a max-heap: its first row is the first to go. (Not container/heap: its Push and Pop
// box rows, and append moves them, and both leave copies of ranks that nobody can wipe.)
type rowHeap []Row

// push adds a row.
func (h *rowHeap) push(row Row) {
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
	clear(s[0].Data)
	s[0], s[last] = s[last], Row{}
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

// Owners holds, for one head, at most so many rows of each owner: the ones of least rank. They are
// summed at release, when all are known. So the set kept is a function of the owner's multiset of
// rows. SECRET.
type Owners struct {
	most int
	rows map[uint64]*rowHeap
}

// New makes Owners that keep at most most rows of each.
func New(most int) *Owners { return &Owners{most: most, rows: map[uint64]*rowHeap{}} }

// Len is the number of owners.
func (o *Owners) Len() int { return len(o.rows) }

// All gives the kept rows of each owner, in no order. Read-only.
func (o *Owners) All() iter.Seq[[]Row] {
	return func(yield func([]Row) bool) {
		for _, rows := range o.rows {
			if !yield(*rows) {
				return
			}
		}
	}
}

// Touch makes owner known, even if no row of it is kept.
func (o *Owners) Touch(owner uint64) { o.heap(owner) }

func (o *Owners) heap(owner uint64) *rowHeap {
	h := o.rows[owner]
	if h == nil {
		h = new(rowHeap)
		o.rows[owner] = h
	}
	return h
}

// Add offers a row and takes over its data; it reports whether a row, this one or another of that
// owner, was dropped.
func (o *Owners) Add(owner uint64, row Row) (dropped bool) {
	h := o.heap(owner)
	h.push(row)
	if len(*h) <= o.most {
		return false
	}
	h.drop()
	return true
}

// Absorb moves all rows of other here, and returns how many were dropped.
func (o *Owners) Absorb(other *Owners) (dropped uint64) {
	for owner, rows := range other.rows {
		o.heap(owner)
		for _, row := range *rows {
			if o.Add(owner, row) {
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
func (o *Owners) sorted() []uint64 {
	ids := make([]uint64, 0, len(o.rows))
	for id := range o.rows {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Count returns how many rows are kept.
func (o *Owners) Count() (n int) {
	for _, h := range o.rows {
		n += len(*h)
	}
	return n
}

// Wipe zeroes everything.
func (o *Owners) Wipe() {
	for _, h := range o.rows {
		for _, row := range *h {
			clear(row.Data)
		}
		clear(*h) // ranks are hashes of rows
	}
	clear(o.rows)
}

// Encode writes the owners in ascending order, each with its rows in ascending rank.
func (o *Owners) Encode(w *wire.Writer) {
	w.U64(uint64(len(o.rows)))
	ids := o.sorted()
	defer clear(ids)
	for _, id := range ids {
		rows := slices.Clone(*o.rows[id])
		slices.SortFunc(rows, Row.compare)
		w.U64(id)
		w.U64(uint64(len(rows)))
		for _, row := range rows {
			for _, v := range row.Data {
				w.U16(uint16(v))
			}
		}
		clear(rows)
	}
}

// EncodedLen is how many bytes Encode writes, for rows of width integers.
func (o *Owners) EncodedLen(width int) int { return 8 + 16*len(o.rows) + 2*width*o.Count() }

// Decode reads what Encode wrote into an empty o, for rows of width integers; possible says whether
// a mechanism could have kept such a row.
func (o *Owners) Decode(r *wire.Reader, width int, possible func(row []int16) bool) error {
	count := r.U64()
	for i := uint64(0); i < count; i++ {
		id, n := r.U64(), r.U64()
		if r.Short || n > uint64(o.most) || o.rows[id] != nil {
			return wire.Corrupt("an owner's rows are out of range")
		}
		h := o.heap(id)
		for ; n > 0; n-- {
			data := make([]int16, width)
			for j := range data {
				data[j] = int16(r.U16())
			}
			if r.Short || !possible(data) {
				clear(data)
				return wire.Corrupt("a kept row is out of range")
			}
			h.push(NewRow(data))
		}
	}
	return nil
}
