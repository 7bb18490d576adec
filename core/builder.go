package core

import (
	"sync"
	"sync/atomic"

	"dpattn/core/fault"
	"dpattn/core/moment"
	"dpattn/core/tensor"
)

// Progress lets long work report and be cancelled. Report is called from the caller's goroutine; false cancels.
type Progress struct {
	Report func(done, total uint64) (goOn bool)
}

// step reports and says whether to go on; p is nil or fixed.
func (p *Progress) step(done, total int) bool {
	return p == nil || p.Report(uint64(done), uint64(total))
}

// fixed is a copy, so that a caller who changes p meanwhile does not change which way the work goes.
func (p *Progress) fixed() *Progress {
	if p == nil || p.Report == nil {
		return nil
	}
	return &Progress{p.Report}
}

var errCancelled = fault.New(fault.Cancelled, "cancelled by the progress callback or the cancel flag; nothing was changed")

// AllHeads as a head index means tensors with a leading axis of heads.
const AllHeads = -1

// Diagnostics counts what became of the rows, over all heads. SECRET: exact functions of the private data.
type Diagnostics struct {
	Rows          uint64 // rows given
	KeysClipped   uint64 // keys longer than KeyBound
	ValuesClipped uint64 // values longer than ValueBound
	RowsZeroed    uint64 // rows with NaN or Inf
	RowsShrunk    uint64 // rows that rounding took over the integer norm gate
	RowsDropped   uint64 // rows beyond OwnerRows of their owner
	Owners        uint64 // distinct owners, over all heads; filled in by Builder.Diagnostics
	OwnersClipped uint64 // of those, the ones whose rows add up to more than OwnerBound; likewise
}

func (d *Diagnostics) add(o Diagnostics) {
	d.Rows += o.Rows
	d.KeysClipped += o.KeysClipped
	d.ValuesClipped += o.ValuesClipped
	d.RowsZeroed += o.RowsZeroed
	d.RowsShrunk += o.RowsShrunk
	d.RowsDropped += o.RowsDropped
	d.Owners += o.Owners
	d.OwnersClipped += o.OwnersClipped
}

// Builder takes private rows in and gives one release out. SECRET. Its methods may be called from any goroutine and take turns.
type Builder struct {
	mu        sync.Mutex
	id        uint64 // orders the locks of two builders
	mechanism mechanism
	secret    secret
	tally     Diagnostics
	origins   origins
	spent     bool // released, merged away or wiped
}

var builders atomic.Uint64

// NewBuilder checks p and makes an empty builder. A state that does not fit memory is refused before anything is allocated.
func NewBuilder(p Params) (*Builder, error) {
	m, err := newMechanism(p)
	if err != nil {
		return nil, err
	}
	s, err := m.empty()
	if err != nil {
		return nil, err
	}
	return newBuilder(m, s), nil
}

func newBuilder(m mechanism, s secret) *Builder {
	return &Builder{id: builders.Add(1), mechanism: m, secret: s}
}

// lock takes the builder's turn, and refuses a spent one, which is called name in the error. The caller defers unlock.
func (b *Builder) lock(name string) error {
	b.mu.Lock()
	if b.spent {
		return fault.New(fault.Consumed, "%s: it was released or merged into another; make a new one", name)
	}
	return nil
}

// unlock gives the turn back. If a bug made the work panic half-way, the sums may be wrong in a way that the sensitivity does not
// cover: the builder is wiped rather than released later.
func (b *Builder) unlock() {
	if r := recover(); r != nil {
		b.wipe()
		b.mu.Unlock()
		panic(r)
	}
	b.mu.Unlock()
}

// Wipe zeroes and consumes the builder.
func (b *Builder) Wipe() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wipe()
}

func (b *Builder) wipe() {
	if b.secret != nil {
		b.secret.wipe()
	}
	b.secret, b.tally, b.origins, b.spent = nil, Diagnostics{}, nil, true
}

// Add adds rows of one head (tensors [rows, dim]) or of all (AllHeads, tensors [heads, rows, dim]). owners has one id a row if the unit is an
// owner, else it is nil. Data never cause an error. When cancelled, no row of this call stays added.
func (b *Builder) Add(head int, keys, values tensor.Tensor, owners []uint64, p *Progress) error {
	defer b.unlock()
	if err := b.lock("builder"); err != nil {
		return err
	}
	chunk, err := b.chunk(head, keys, values, owners)
	if err != nil {
		return err
	}
	tally, err := b.secret.ingest(chunk, p.fixed())
	b.tally.add(tally)
	return err
}

// Merge adds everything in from to b and consumes from. The sums are those of one builder that was given all rows. It refuses builders that hold
// rows in common, since one of them was exported (origins.go).
func (b *Builder) Merge(from *Builder) error {
	if b == from {
		return fault.Invalid("from: it is the same builder as into; they must differ")
	}
	first, second, names := b, from, [2]string{"into", "from"}
	if second.id < first.id {
		first, second, names = second, first, [2]string{"from", "into"}
	}
	defer first.unlock()
	if err := first.lock(names[0]); err != nil {
		return err
	}
	defer second.unlock()
	if err := second.lock(names[1]); err != nil {
		return err
	}
	if !b.mechanism.compatible(from.mechanism) {
		return fault.New(fault.Mismatch, "from: its parameters differ from those of into; all must be equal")
	}
	all, err := joint(b, from)
	if err != nil {
		return err
	}
	for h := range b.mechanism.params().Heads {
		if b.secret.rows(h)+from.secret.rows(h) > moment.MaxRows {
			return fault.New(fault.Limit, "from: together the builders would have more than %d rows in head %d", moment.MaxRows, h)
		}
	}
	b.tally.RowsDropped += b.secret.absorb(from.secret)
	b.tally.add(from.tally)
	b.origins = all
	from.wipe()
	return nil
}

// Diagnostics returns the counts so far. SECRET. With OwnerBound it sums the owners' rows to find which are clipped, which takes as long as at release.
func (b *Builder) Diagnostics() (Diagnostics, error) {
	defer b.unlock()
	if err := b.lock("builder"); err != nil {
		return Diagnostics{}, err
	}
	d := b.tally
	d.Owners, d.OwnersClipped = b.secret.owners()
	return d, nil
}
