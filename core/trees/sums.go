package trees

import (
	"slices"

	"dpattn/core/dptree"
	"dpattn/core/internal/owners"
	"dpattn/core/internal/wire"
	"dpattn/core/mechanism"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
	"dpattn/simd"
)

// sums is the secret half of a builder: the exact sums of each head. SECRET.
type sums struct {
	*design
	heads []head
}

// head is the secret part of one head. With rows as units exact is live and owners nil; with owners
// as units the rows are kept in owners and summed at release.
type head struct {
	exact  *dptree.AttentionBuilder
	rows   uint64
	owners *owners.Owners
}

// NewSums implements mechanism.Mechanism.
func (d *design) NewSums() (mechanism.Sums, error) {
	b, err := d.noSums(d.shared.Heads)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// width is how many integers a kept row has.
func (d *design) width() int { return d.shared.KeyDim + d.shared.ValueDim }

// noSums makes empty sums of n heads.
func (d *design) noSums(n int) (*sums, error) {
	b := &sums{design: d, heads: make([]head, n)}
	for h := range b.heads {
		if d.shared.OwnerRows > 0 {
			b.heads[h].owners = owners.New(d.shared.OwnerRows)
			continue
		}
		var err error
		if b.heads[h].exact, err = d.heads.NewBuilder(); err != nil {
			b.Wipe()
			return nil, err
		}
	}
	return b, nil
}

// Rows implements mechanism.Sums.
func (b *sums) Rows(h int) uint64 { return b.heads[h].rows }

// Owners implements mechanism.Sums.
func (b *sums) Owners() (all, clipped uint64) {
	for h := range b.heads {
		if o := b.heads[h].owners; o != nil {
			all += uint64(o.Len())
		}
	}
	return all, 0
}

// pieceRows is how many rows are added between two reports of progress.
const pieceRows = 4096

// Add implements mechanism.Sums.
func (b *sums) Add(c mechanism.Rows, p *mechanism.Progress) (counts mechanism.Diagnostics, err error) {
	into := b.heads[c.First : c.First+len(c.Keys)]
	if p != nil || c.Owners != nil {
		// What a cancelled call has added could not be taken out again, so it is added aside.
		aside, err := b.noSums(len(c.Keys))
		if err != nil {
			return counts, err
		}
		defer aside.Wipe()
		into = aside.heads
	}
	total := c.Count * len(c.Keys)
	for i := range into {
		for lo := 0; lo < c.Count; lo += pieceRows {
			if !p.Step(i*c.Count+lo, total) {
				return mechanism.Diagnostics{}, mechanism.ErrCancelled
			}
			hi := min(lo+pieceRows, c.Count)
			keys, values := c.Keys[i].Rows(lo, hi), c.Values[i].Rows(lo, hi)
			if c.Owners != nil {
				counts.Add(b.keep(into[i].owners, keys, values, c.Owners[lo:hi]))
				continue
			}
			before := into[i].exact.Diagnostics()
			if err := into[i].exact.Add(keys, values); err != nil {
				panic(err) // everything was checked: a part of the rows must not stay
			}
			counts.Add(between(before, into[i].exact.Diagnostics()))
		}
		into[i].rows += uint64(c.Count)
	}
	if !p.Step(total, total) {
		return mechanism.Diagnostics{}, mechanism.ErrCancelled
	}
	if p != nil || c.Owners != nil {
		counts.RowsDropped += absorb(b.heads[c.First:], into)
	}
	return counts, nil
}

// between is what was counted from one time to another.
func between(before, after dptree.Diagnostics) mechanism.Diagnostics {
	return mechanism.Diagnostics{
		Rows:          after.Rows - before.Rows,
		KeysClipped:   after.PointsClipped - before.PointsClipped,
		ValuesClipped: after.WeightsClipped - before.WeightsClipped,
		RowsZeroed:    after.RowsZeroed - before.RowsZeroed,
	}
}

// keep offers rows to their owners. A row of NaN or Inf is none of the owner's rows.
func (d *design) keep(into *owners.Owners, keys, values tensor.Tensor, ids []uint64) (counts mechanism.Diagnostics) {
	keyDim, width := d.shared.KeyDim, d.shared.KeyDim+d.shared.ValueDim
	wide := make([]float64, width)
	defer clear(wide)
	for i, id := range ids {
		into.Touch(id)
		keys.LoadRow(i, wide[:keyDim])
		values.LoadRow(i, wide[keyDim:])
		row := make([]int16, width)
		var outcome dptree.Outcome
		simd.Plain(func() { outcome = d.heads.Round(wide[:keyDim], wide[keyDim:], row) })
		counts.Rows++
		if outcome&dptree.Zeroed != 0 {
			counts.RowsZeroed++
			continue
		}
		counts.KeysClipped += uint64(outcome & dptree.PointClipped / dptree.PointClipped)
		counts.ValuesClipped += uint64(outcome & dptree.WeightClipped / dptree.WeightClipped)
		if into.Add(id, owners.NewRow(row)) {
			counts.RowsDropped++
		}
	}
	return counts
}

// Absorb implements mechanism.Sums.
func (b *sums) Absorb(from mechanism.Sums) (dropped uint64) {
	return absorb(b.heads, from.(*sums).heads)
}

func absorb(into, from []head) (dropped uint64) {
	for h := range from {
		into[h].rows += from[h].rows
		if into[h].owners != nil {
			dropped += into[h].owners.Absorb(from[h].owners)
		} else if err := into[h].exact.Merge(from[h].exact); err != nil {
			panic(err) // mechanisms and numbers of rows were checked
		}
	}
	return dropped
}

// Release implements mechanism.Sums. Its noise is not Gaussian: package dptree draws it.
func (b *sums) Release(budget privacy.Budget, p *mechanism.Progress) (mechanism.State, error) {
	var report dptree.Report
	if p != nil {
		report = p.Report
	}
	exact := make([]*dptree.AttentionBuilder, len(b.heads))
	for h := range b.heads {
		if exact[h] = b.heads[h].exact; exact[h] == nil {
			var err error
			if exact[h], err = b.sumOwners(h); err != nil {
				return nil, err
			}
			defer exact[h].Wipe()
		}
	}
	heads, err := b.design.heads.Release(exact, budget, report)
	if err != nil {
		return nil, err
	}
	return &state{b.design, heads}, nil
}

// sumOwners sums the kept rows of one head.
func (b *sums) sumOwners(h int) (*dptree.AttentionBuilder, error) {
	exact, err := b.design.heads.NewBuilder()
	if err != nil {
		return nil, err
	}
	var flat []int16
	for rows := range b.heads[h].owners.All() {
		flat = slices.Grow(flat[:0], len(rows)*b.width()) // in one piece: append would leave copies
		for _, row := range rows {
			flat = append(flat, row.Data...)
		}
		if err := exact.AddRounded(flat); err != nil {
			exact.Wipe()
			panic(err) // rows are kept as they were rounded
		}
		clear(flat)
	}
	return exact, nil
}

// Wipe implements mechanism.Sums.
func (b *sums) Wipe() {
	for h := range b.heads {
		if s := b.heads[h].exact; s != nil {
			s.Wipe()
		}
		if o := b.heads[h].owners; o != nil {
			o.Wipe()
		}
		b.heads[h] = head{}
	}
}

// Len implements mechanism.Sums.
func (b *sums) Len() (n int) {
	for h := range b.heads {
		n += 8
		if o := b.heads[h].owners; o != nil {
			n += o.EncodedLen(b.width())
		} else {
			n += b.heads[h].exact.SecretLen()
		}
	}
	return n
}

// Encode implements mechanism.Sums.
func (b *sums) Encode(w *wire.Writer) {
	for h := range b.heads {
		w.U64(b.heads[h].rows)
		if o := b.heads[h].owners; o != nil {
			o.Encode(w)
		} else {
			b.heads[h].exact.PutSecret(w)
		}
	}
}

// DecodeSums implements mechanism.Mechanism.
func (d *design) DecodeSums(r *wire.Reader) (mechanism.Sums, error) {
	if d.shared.OwnerRows == 0 && uint64(len(r.Buf)) < d.heads.SecretBytes() {
		return nil, wire.Corrupt("its length does not fit its shapes")
	}
	b, err := d.noSums(d.shared.Heads)
	if err != nil {
		return nil, err
	}
	if err := b.decode(r); err != nil {
		b.Wipe()
		return nil, err
	}
	return b, nil
}

// decode reads what Encode wrote into empty sums.
func (b *sums) decode(r *wire.Reader) error {
	for h := range b.heads {
		head := &b.heads[h]
		var err error
		if head.rows, err = mechanism.DecodeRows(r); err != nil {
			return err
		}
		if head.owners != nil {
			if err := head.owners.Decode(r, b.width(), b.design.heads.Rounded); err != nil {
				return err
			}
			continue
		}
		part := wire.Reader{Buf: r.Take(head.exact.SecretLen())}
		if r.Short {
			return r.End()
		}
		if err := head.exact.TakeSecret(&part); err != nil {
			return err
		}
		if head.exact.Rows() != head.rows {
			return wire.Corrupt("it has two numbers of rows")
		}
	}
	return r.End()
}
