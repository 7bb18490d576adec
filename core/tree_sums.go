package core

import (
	"slices"

	"dpattn/core/dptree"
	"dpattn/core/internal/wire"
	"dpattn/core/moment"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
	"dpattn/simd"
)

// treeSums is the secret half of a builder: the exact sums of each head. SECRET.
type treeSums struct {
	trees *trees
	heads []treeHead
}

// treeHead is the secret part of one head. With rows as units sums is live and owners nil; with owners as units the rows are kept in owners and summed at release.
type treeHead struct {
	sums   *dptree.AttentionBuilder
	rows   uint64
	owners *owners
}

// empty implements mechanism.
func (t *trees) empty() (secret, error) { return t.noSums(t.Heads) }

// noSums makes empty sums of n heads.
func (t *trees) noSums(n int) (*treeSums, error) {
	b := &treeSums{trees: t, heads: make([]treeHead, n)}
	for h := range b.heads {
		if t.OwnerRows > 0 {
			b.heads[h].owners = newOwners(t.OwnerRows)
			continue
		}
		var err error
		if b.heads[h].sums, err = t.heads.NewBuilder(); err != nil {
			b.wipe()
			return nil, err
		}
	}
	return b, nil
}

// rows implements secret.
func (b *treeSums) rows(h int) uint64 { return b.heads[h].rows }

// owners implements secret.
func (b *treeSums) owners() (all, clipped uint64) {
	for h := range b.heads {
		if o := b.heads[h].owners; o != nil {
			all += uint64(len(o.rows))
		}
	}
	return all, 0
}

// treePiece is how many rows are added between two reports of progress.
const treePiece = 4096

// ingest implements secret.
func (b *treeSums) ingest(c chunk, p *Progress) (tally Diagnostics, err error) {
	into := b.heads[c.first : c.first+len(c.keys)]
	if p != nil || c.owners != nil {
		// What a cancelled call has added could not be taken out again, so it is added aside.
		aside, err := b.trees.noSums(len(c.keys))
		if err != nil {
			return tally, err
		}
		defer aside.wipe()
		into = aside.heads
	}
	total := c.rows * len(c.keys)
	for i := range into {
		for lo := 0; lo < c.rows; lo += treePiece {
			if !p.step(i*c.rows+lo, total) {
				return Diagnostics{}, errCancelled
			}
			hi := min(lo+treePiece, c.rows)
			keys, values := c.keys[i].Rows(lo, hi), c.values[i].Rows(lo, hi)
			if c.owners != nil {
				tally.add(b.trees.keep(into[i].owners, keys, values, c.owners[lo:hi]))
				continue
			}
			before := into[i].sums.Diagnostics()
			if err := into[i].sums.Add(keys, values); err != nil {
				panic(err) // everything was checked: a part of the rows must not stay
			}
			tally.add(between(before, into[i].sums.Diagnostics()))
		}
		into[i].rows += uint64(c.rows)
	}
	if !p.step(total, total) {
		return Diagnostics{}, errCancelled
	}
	if p != nil || c.owners != nil {
		tally.RowsDropped += absorbTrees(b.heads[c.first:], into)
	}
	return tally, nil
}

// between is what was counted from one time to another.
func between(before, after dptree.Diagnostics) Diagnostics {
	return Diagnostics{
		Rows: after.Rows - before.Rows, KeysClipped: after.PointsClipped - before.PointsClipped, ValuesClipped: after.WeightsClipped - before.WeightsClipped,
		RowsZeroed: after.RowsZeroed - before.RowsZeroed,
	}
}

// keep offers rows to their owners. A row of NaN or Inf is none of the owner's rows.
func (t *trees) keep(into *owners, keys, values tensor.Tensor, ids []uint64) (tally Diagnostics) {
	wide := make([]float64, t.KeyDim+t.ValueDim)
	defer clear(wide)
	for i, id := range ids {
		into.touch(id)
		keys.LoadRow(i, wide[:t.KeyDim])
		values.LoadRow(i, wide[t.KeyDim:])
		row := ownerRow{data: make([]int16, t.KeyDim+t.ValueDim)}
		var fate dptree.Fate
		simd.Plain(func() { fate = t.heads.Round(wide[:t.KeyDim], wide[t.KeyDim:], row.data) })
		tally.Rows++
		if fate&dptree.Zeroed != 0 {
			tally.RowsZeroed++
			continue
		}
		tally.KeysClipped += uint64(fate & dptree.PointClipped / dptree.PointClipped)
		tally.ValuesClipped += uint64(fate & dptree.WeightClipped / dptree.WeightClipped)
		row.rank = rankOf(row.data)
		if into.add(id, row) {
			tally.RowsDropped++
		}
	}
	return tally
}

// absorb implements secret.
func (b *treeSums) absorb(from secret) (dropped uint64) {
	return absorbTrees(b.heads, from.(*treeSums).heads)
}

func absorbTrees(into, from []treeHead) (dropped uint64) {
	for h := range from {
		into[h].rows += from[h].rows
		if into[h].owners != nil {
			dropped += into[h].owners.absorb(from[h].owners)
		} else if err := into[h].sums.Merge(from[h].sums); err != nil {
			panic(err) // mechanisms and numbers of rows were checked
		}
	}
	return dropped
}

// release implements secret. Its noise is not Gaussian: package dptree draws it.
func (b *treeSums) release(budget privacy.Budget, p *Progress, _ draw) (public, error) {
	var report dptree.Report
	if p != nil {
		report = p.Report
	}
	sums := make([]*dptree.AttentionBuilder, len(b.heads))
	for h := range b.heads {
		if sums[h] = b.heads[h].sums; sums[h] == nil {
			var err error
			if sums[h], err = b.sumOwners(h); err != nil {
				return nil, err
			}
			defer sums[h].Wipe()
		}
	}
	heads, err := b.trees.heads.Release(sums, budget, report)
	if err != nil {
		return nil, err
	}
	return &treeState{b.trees, heads}, nil
}

// sumOwners sums the kept rows of one head.
func (b *treeSums) sumOwners(h int) (*dptree.AttentionBuilder, error) {
	sums, err := b.trees.heads.NewBuilder()
	if err != nil {
		return nil, err
	}
	var flat []int16
	for _, rows := range b.heads[h].owners.rows {
		flat = slices.Grow(flat[:0], len(*rows)*(b.trees.KeyDim+b.trees.ValueDim)) // in one piece: append would leave copies
		for _, row := range *rows {
			flat = append(flat, row.data...)
		}
		if err := sums.AddRounded(flat); err != nil {
			sums.Wipe()
			panic(err) // rows are kept as they were rounded
		}
		clear(flat)
	}
	return sums, nil
}

func (b *treeSums) wipe() {
	for h := range b.heads {
		if s := b.heads[h].sums; s != nil {
			s.Wipe()
		}
		if o := b.heads[h].owners; o != nil {
			o.wipe()
		}
		b.heads[h] = treeHead{}
	}
}

// encodedLen implements secret.
func (b *treeSums) encodedLen() (n int) {
	for h := range b.heads {
		n += 8
		if o := b.heads[h].owners; o != nil {
			n += o.encodedLen(b.trees.KeyDim + b.trees.ValueDim)
		} else {
			n += b.heads[h].sums.SecretLen()
		}
	}
	return n
}

// encode implements secret.
func (b *treeSums) encode(w *wire.Writer) {
	for h := range b.heads {
		w.U64(b.heads[h].rows)
		if o := b.heads[h].owners; o != nil {
			o.encode(w)
		} else {
			b.heads[h].sums.PutSecret(w)
		}
	}
}

// decodeSecret implements mechanism.
func (t *trees) decodeSecret(r *wire.Reader) (secret, error) {
	if t.OwnerRows == 0 && uint64(len(r.Buf)) < t.heads.SecretBytes() {
		return nil, wire.Corrupt("its length does not fit its shapes")
	}
	b, err := t.noSums(t.Heads)
	if err != nil {
		return nil, err
	}
	for h := range b.heads {
		head := &b.heads[h]
		if head.rows = r.U64(); head.rows > moment.MaxRows {
			err = wire.Corrupt("a head has too many rows")
		} else if head.owners != nil {
			err = head.owners.decode(r, t.KeyDim+t.ValueDim, t.heads.Rounded)
		} else {
			part := wire.Reader{Buf: r.Take(head.sums.SecretLen())}
			if err = wire.Corrupt("its length does not fit its shapes"); !r.Short {
				err = head.sums.TakeSecret(&part)
			}
			if err == nil && head.sums.Rows() != head.rows {
				err = wire.Corrupt("it has two numbers of rows")
			}
		}
		if err != nil {
			b.wipe()
			return nil, err
		}
	}
	if r.Short || len(r.Buf) != 0 {
		b.wipe()
		return nil, wire.Corrupt("its length does not fit its shapes")
	}
	return b, nil
}
