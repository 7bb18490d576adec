package core

import (
	"dpattn/core/internal/memory"
	"dpattn/core/internal/parallel"
	"dpattn/core/moment"
	"dpattn/core/privacy"
)

// gaussianSums is the secret half of a builder: the exact sums of each head. SECRET.
type gaussianSums struct {
	gaussian *gaussian
	heads    []head
	intake   moment.Intake // working memory, made on first use
	hands    int           // goroutines that it was made for
	asked    int           // rows that it was made for
}

// head is the secret part of one head. With rows as units sums is live and owners nil; with owners as units the rows are kept in
// owners and summed at release.
type head struct {
	sums   moment.Sums
	rows   uint64 // rows given
	owners *owners
}

// empty implements mechanism.
func (d *gaussian) empty() (secret, error) { return d.noSums(), nil }

func (d *gaussian) noSums() *gaussianSums {
	b := &gaussianSums{gaussian: d, heads: make([]head, d.Heads)}
	for h := range b.heads {
		if d.OwnerRows > 0 {
			b.heads[h].owners = newOwners(d.OwnerRows)
		} else {
			b.heads[h].sums = d.newSums()
		}
	}
	return b
}

// rows implements secret.
func (b *gaussianSums) rows(h int) uint64 { return b.heads[h].rows }

// owners implements secret.
func (b *gaussianSums) owners() (all, clipped uint64) {
	for h := range b.heads {
		if o := b.heads[h].owners; o != nil {
			all += uint64(len(o.rows))
			clipped += b.ownersClipped(h)
		}
	}
	return all, clipped
}

// absorb implements secret.
func (b *gaussianSums) absorb(from secret) (dropped uint64) {
	for h, other := range from.(*gaussianSums).heads {
		into := &b.heads[h]
		into.rows += other.rows
		if into.owners != nil {
			dropped += into.owners.absorb(other.owners)
		} else {
			into.sums.Add(other.sums)
		}
	}
	return dropped
}

func (b *gaussianSums) wipe() {
	for h := range b.heads {
		if s := b.heads[h].sums; s != nil {
			s.Wipe()
		}
		if o := b.heads[h].owners; o != nil {
			o.wipe()
		}
		b.heads[h] = head{}
	}
	b.dropIntake()
}

// intakeFor returns working memory for adding rows rows to sums of this builder's shape.
func (b *gaussianSums) intakeFor(sums moment.Sums, rows int) moment.Intake {
	if b.intake != nil && (b.hands != parallel.Threads() || rows > max(b.asked, b.intake.Capacity())) {
		b.dropIntake()
	}
	if b.intake == nil {
		b.intake, b.hands, b.asked = sums.NewIntake(rows), parallel.Threads(), rows
	}
	return b.intake
}

func (b *gaussianSums) dropIntake() {
	if b.intake != nil {
		b.intake.Wipe()
		b.intake = nil
	}
}

// release implements secret.
func (b *gaussianSums) release(budget privacy.Budget, p *Progress, noise draw) (public, error) {
	d := b.gaussian
	heads, err := d.calibrate(budget)
	if err != nil {
		return nil, err
	}
	// The noisy state, and the readers' copy of it, which is at most as large; and before that, where owners are clipped, one owner's sums.
	need := 2 * d.stateBytes()
	if d.clip != nil {
		need += 8 * uint64(d.stateLen())
	}
	if err := memory.Fits("release: the noisy state and its form for queries", need); err != nil {
		return nil, err
	}
	b.dropIntake()
	r := &gaussianState{gaussian: d, heads: heads, noisy: make([]int64, d.Heads*d.stateLen())}
	if err := b.fill(r, p, noise); err != nil {
		clear(r.noisy)
		return nil, err
	}
	r.open()
	return r, nil
}

// fill makes the state noise first, all of it, and only then reads the sums. Rounded noise commutes with integer shifts, so this is the
// rounding of sum + Gaussian (PROOF.md in package moment).
func (b *gaussianSums) fill(r *gaussianState, p *Progress, noise draw) error {
	const slab = 1 << 20
	d := b.gaussian
	// A head of owners counts as much as its noise: how many rows it has is private, and totals are seen by whoever sees a progress bar.
	done, total := 0, len(r.noisy)
	for h := range b.heads {
		if b.heads[h].owners != nil {
			total += d.stateLen()
		}
	}
	for h := range r.heads {
		state := r.of(h)
		for lo := 0; lo < len(state); lo += slab {
			if !p.step(done, total) {
				return errCancelled
			}
			part := state[lo:min(lo+slab, len(state))]
			if err := noise(part, r.heads[h].sigma); err != nil {
				return err
			}
			done += len(part)
		}
	}
	if !p.step(done, total) {
		return errCancelled
	}
	for h := range r.heads {
		sums := b.heads[h].sums
		if o := b.heads[h].owners; o != nil {
			share := float64(d.stateLen()) / float64(max(1, o.count()))
			if sums = b.sumOwners(h, func(rows int) bool { return p.step(done+int(share*float64(rows)), total) }); sums == nil {
				return errCancelled
			}
			done += d.stateLen()
		}
		sums.AddTo(r.of(h))
		if b.heads[h].owners != nil {
			sums.Wipe()
		}
		if d.rowsPublic() {
			r.heads[h].rows = b.heads[h].rows
		}
	}
	return nil
}
