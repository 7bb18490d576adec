package tensor

import (
	"cmp"
	"slices"
)

// Apart reports whether no row of a view reaches into one of the other, for views that were
// checked. Rows of one may lie between rows of the other, as keys and values do in [rows, d + d_v];
// elements of one between elements of the other count as overlap.
func Apart(a, b *Tensor) bool {
	if a.empty() || b.empty() {
		return true
	}
	x, y := a.reach(0), b.reach(0)
	if x.end <= y.start || y.end <= x.start {
		return true
	}
	rows := append(a.rowSpans(nil, 0), b.rowSpans(nil, 1)...)
	slices.SortFunc(rows, func(x, y span) int { return cmp.Compare(x.start, y.start) })
	var ends [2]uintptr
	for _, r := range rows {
		if r.start < ends[1-r.view] {
			return false
		}
		ends[r.view] = max(ends[r.view], r.end)
	}
	return true
}

// span is memory that a row or a whole view of elements reaches over.
type span struct {
	start, end uintptr
	view       int
}

// reach is the memory between the first and the last byte of the axes from `axis` on.
func (t *Tensor) reach(axis int) span {
	low, high := 0, t.DType.Size()
	for a := axis; a < t.NDim; a++ {
		if far := (t.Shape[a] - 1) * t.Strides[a]; far < 0 {
			low += far
		} else {
			high += far
		}
	}
	return span{start: uintptr(t.Data) + uintptr(low), end: uintptr(t.Data) + uintptr(high)}
}

// rowSpans appends the memory of each row.
func (t *Tensor) rowSpans(spans []span, view int) []span {
	heads := 1
	if t.NDim == 3 {
		heads = t.Shape[0]
	}
	for h := range heads {
		head := t.Head(h)
		for i := range head.Shape[0] {
			row := head.Rows(i, i+1)
			s := row.reach(1)
			s.view = view
			spans = append(spans, s)
		}
	}
	return spans
}
