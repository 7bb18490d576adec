package moment

import (
	"dpattn/core/gaussian"
	"dpattn/core/internal/memory"
	"dpattn/core/internal/owners"
	"dpattn/core/internal/parallel"
	"dpattn/core/mechanism"
	"dpattn/core/privacy"
	"dpattn/core/quant"
)

// sums is the secret half of a builder: the exact sums of each head. SECRET.
type sums struct {
	*design
	heads   []head
	batch   *Batch // working memory, made on first use
	threads int    // goroutines that it was made for
	asked   int    // rows that it was made for
}

// head is the secret part of one head. With rows as units exact is live and owners nil; with owners
// as units the rows are kept in owners and summed at release.
type head struct {
	exact  *Exact
	rows   uint64 // rows given
	owners *owners.Owners
}

// NewSums implements mechanism.Mechanism.
func (d *design) NewSums() (mechanism.Sums, error) { return d.noSums(), nil }

func (d *design) noSums() *sums {
	b := &sums{design: d, heads: make([]head, d.shared.Heads)}
	for h := range b.heads {
		if d.shared.OwnerRows > 0 {
			b.heads[h].owners = owners.New(d.shared.OwnerRows)
		} else {
			b.heads[h].exact = d.newExact()
		}
	}
	return b
}

// newExact makes one head's empty sums.
func (d *design) newExact() *Exact {
	return NewExact(d.phi, d.cols, max(quant.ValueMax, d.lambda))
}

// Rows implements mechanism.Sums.
func (b *sums) Rows(h int) uint64 { return b.heads[h].rows }

// Owners implements mechanism.Sums.
func (b *sums) Owners() (all, clipped uint64) {
	for h := range b.heads {
		if o := b.heads[h].owners; o != nil {
			all += uint64(o.Len())
			clipped += b.ownersClipped(h)
		}
	}
	return all, clipped
}

// Absorb implements mechanism.Sums.
func (b *sums) Absorb(from mechanism.Sums) (dropped uint64) {
	for h, other := range from.(*sums).heads {
		into := &b.heads[h]
		into.rows += other.rows
		if into.owners != nil {
			dropped += into.owners.Absorb(other.owners)
		} else {
			into.exact.Add(other.exact)
		}
	}
	return dropped
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
	b.dropBatch()
}

// batchFor returns working memory for adding rows rows to sums of this builder's shape.
func (b *sums) batchFor(s *Exact, rows int) *Batch {
	if b.batch != nil && (b.threads != parallel.Threads() || rows > max(b.asked, b.batch.Capacity())) {
		b.dropBatch()
	}
	if b.batch == nil {
		b.batch, b.threads, b.asked = s.NewBatch(b.shared.KeyDim, rows), parallel.Threads(), rows
	}
	return b.batch
}

func (b *sums) dropBatch() {
	if b.batch != nil {
		b.batch.Wipe()
		b.batch = nil
	}
}

// Release implements mechanism.Sums.
func (b *sums) Release(budget privacy.Budget, p *mechanism.Progress) (mechanism.State, error) {
	d := b.design
	// The noisy state, and the readers' copy of it, which is at most as large; and before that,
	// where owners are clipped, one owner's sums.
	need := 2 * d.StateBytes()
	if d.clip != nil {
		need += 8 * uint64(d.Len)
	}
	if err := memory.Fits("release: the noisy state and its form for queries", need); err != nil {
		return nil, err
	}
	b.dropBatch()
	// A head of owners counts as much as its noise: how many rows it has is private, and totals are
	// seen by whoever sees a progress bar.
	done, total := d.shared.Heads*d.Len, d.shared.Heads*d.Len
	for h := range b.heads {
		if b.heads[h].owners != nil {
			total += d.Len
		}
	}
	noisy, err := d.Draw(budget, func(done int) bool { return p.Step(done, total) })
	if err != nil {
		return nil, err
	}
	if err := b.addTo(noisy, p, done, total); err != nil {
		noisy.Wipe()
		return nil, err
	}
	return d.open(noisy), nil
}

// addTo completes a state that is noise, and reads the sums only now. Rounded noise commutes with
// integer shifts, so what comes out is the rounding of sum + Gaussian (PROOF.md).
func (b *sums) addTo(noisy *gaussian.State, p *mechanism.Progress, done, total int) error {
	if !p.Step(done, total) {
		return mechanism.ErrCancelled
	}
	for h := range b.heads {
		s := b.heads[h].exact
		if o := b.heads[h].owners; o != nil {
			parts, all := p.Parts(done, b.Design.Len, total), o.Count()
			if s = b.sumOwners(h, func(rows int) bool { return parts.Step(rows, all) }); s == nil {
				return mechanism.ErrCancelled
			}
			done += b.Design.Len
		}
		s.AddTo(noisy.Of(h))
		if b.heads[h].owners != nil {
			s.Wipe()
		}
		if b.RowsPublic {
			noisy.Rows[h] = b.heads[h].rows
		}
	}
	return nil
}
