package moment

import "dpattn/core/internal/owners"

// ownerSums sums the rows that one head keeps for its owners. SECRET; wipe it.
type ownerSums struct {
	d       *design
	kept    *owners.Owners
	in      *Batch
	row     []int16 // [key_dim + cols]
	waiting int     // rows in the batch
	done    int     // rows that left it
}

func (b *sums) newOwnerSums(h int, s *Exact) *ownerSums {
	d, kept := b.design, b.heads[h].owners
	return &ownerSums{d: d, kept: kept, in: b.batchFor(s, kept.Count()), row: make([]int16, d.shared.KeyDim+d.cols)}
}

func (o *ownerSums) wipe() { clear(o.row) }

// add puts rows into the batch, and into sums whenever the batch is full; false if report says to
// stop.
func (o *ownerSums) add(sums *Exact, rows []owners.Row, report func(done int) bool) bool {
	keyDim := o.d.shared.KeyDim
	x, u := o.row[:keyDim], o.row[keyDim:]
	for _, row := range rows {
		copy(x, row.Data)
		copy(u, row.Data[keyDim:])
		u[o.d.cols-1] = o.d.lambda
		o.in.Set(o.waiting, x, u)
		if o.waiting++; o.waiting == o.in.Capacity() && !o.flush(sums, report) {
			return false
		}
	}
	return true
}

// flush moves what is in the batch to sums.
func (o *ownerSums) flush(sums *Exact, report func(done int) bool) bool {
	o.in.AddTo(sums, o.waiting)
	o.done, o.waiting = o.done+o.waiting, 0
	return report(o.done)
}

// apart sums each owner's rows that may have to be clipped in alone, which is empty before and
// after, clips the sum, and calls use; false if report says to stop.
func (o *ownerSums) apart(alone *Exact, report func(done int) bool, use func(clipped bool)) bool {
	defer alone.Wipe()
	for rows := range o.kept.All() {
		if o.d.neverClipped(len(rows)) {
			continue
		}
		if !o.add(alone, rows, report) || !o.flush(alone, report) {
			return false
		}
		use(alone.Clip(o.d.clip))
		alone.Wipe()
	}
	return true
}

// neverClipped reports whether no sum of so many rows can be over the bound, a row's being 1.
func (d *design) neverClipped(rows int) bool {
	return d.clip == nil || float64(rows) <= d.own.OwnerBound
}

// sumOwners sums the kept rows of one head into fresh sums, at release, each owner's within its
// bound; nil if report says to stop.
func (b *sums) sumOwners(h int, report func(done int) bool) *Exact {
	sums, whole := b.newExact(), false
	o := b.newOwnerSums(h, sums)
	defer func() {
		o.wipe()
		if !whole {
			sums.Wipe()
		}
	}()
	for rows := range o.kept.All() {
		if b.neverClipped(len(rows)) && !o.add(sums, rows, report) {
			return nil
		}
	}
	if !o.flush(sums, report) {
		return nil
	}
	if b.clip != nil {
		alone := sums.Empty()
		if !o.apart(alone, report, func(bool) { sums.Add(alone) }) {
			return nil
		}
	}
	whole = true
	return sums
}

// ownersClipped counts the owners of one head whose sums are over their bound.
func (b *sums) ownersClipped(h int) (n uint64) {
	if b.clip == nil {
		return 0
	}
	alone := b.newExact()
	o := b.newOwnerSums(h, alone)
	defer o.wipe()
	o.apart(alone, func(int) bool { return true }, func(clipped bool) {
		if clipped {
			n++
		}
	})
	return n
}
