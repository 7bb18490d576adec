package core

import "dpattn/core/moment"

// ownerSums sums the rows that one head keeps for its owners. SECRET; wipe it.
type ownerSums struct {
	d       *gaussian
	kept    *owners
	in      moment.Intake
	row     []int16 // [key_dim + cols]
	waiting int     // rows in the intake
	done    int     // rows that left it
}

func (b *gaussianSums) newOwnerSums(h int, sums moment.Sums) *ownerSums {
	d, kept := b.gaussian, b.heads[h].owners
	return &ownerSums{d: d, kept: kept, in: b.intakeFor(sums, kept.count()), row: make([]int16, d.KeyDim+d.cols)}
}

func (o *ownerSums) wipe() { clear(o.row) }

// add puts rows into the intake, and into sums whenever the intake is full; false if report says to stop.
func (o *ownerSums) add(sums moment.Sums, rows []ownerRow, report func(done int) bool) bool {
	x, u := o.row[:o.d.KeyDim], o.row[o.d.KeyDim:]
	for _, row := range rows {
		copy(x, row.data)
		copy(u, row.data[o.d.KeyDim:])
		u[o.d.ValueDim] = o.d.lambda
		o.in.Set(o.waiting, x, u)
		if o.waiting++; o.waiting == o.in.Capacity() && !o.flush(sums, report) {
			return false
		}
	}
	return true
}

// flush moves what is in the intake to sums.
func (o *ownerSums) flush(sums moment.Sums, report func(done int) bool) bool {
	o.in.AddTo(sums, o.waiting)
	o.done, o.waiting = o.done+o.waiting, 0
	return report(o.done)
}

// apart sums each owner's rows that may have to be clipped in alone, which is empty before and after, clips the sum, and calls use; false if report says to
// stop.
func (o *ownerSums) apart(alone moment.Sums, report func(done int) bool, use func(clipped bool)) bool {
	defer alone.Wipe()
	for _, rows := range o.kept.rows {
		if o.d.neverClipped(len(*rows)) {
			continue
		}
		if !o.add(alone, *rows, report) || !o.flush(alone, report) {
			return false
		}
		use(alone.Clip(o.d.clip))
		alone.Wipe()
	}
	return true
}

// neverClipped reports whether no sum of so many rows can be over the bound, a row's being 1.
func (d *gaussian) neverClipped(rows int) bool { return d.clip == nil || float64(rows) <= d.OwnerBound }

// sumOwners sums the kept rows of one head into fresh sums, at release, each owner's within its bound; nil if report says to stop.
func (b *gaussianSums) sumOwners(h int, report func(done int) bool) moment.Sums {
	sums, whole := b.gaussian.newSums(), false
	o := b.newOwnerSums(h, sums)
	defer func() {
		o.wipe()
		if !whole {
			sums.Wipe()
		}
	}()
	for _, rows := range o.kept.rows {
		if b.gaussian.neverClipped(len(*rows)) && !o.add(sums, *rows, report) {
			return nil
		}
	}
	if !o.flush(sums, report) {
		return nil
	}
	if b.gaussian.clip != nil {
		alone := sums.Empty()
		if !o.apart(alone, report, func(bool) { sums.Add(alone) }) {
			return nil
		}
	}
	whole = true
	return sums
}

// ownersClipped counts the owners of one head whose sums are over their bound.
func (b *gaussianSums) ownersClipped(h int) (n uint64) {
	if b.gaussian.clip == nil {
		return 0
	}
	alone := b.gaussian.newSums()
	o := b.newOwnerSums(h, alone)
	defer o.wipe()
	o.apart(alone, func(int) bool { return true }, func(clipped bool) {
		if clipped {
			n++
		}
	})
	return n
}
