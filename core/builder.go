package core

import (
	"sync"
	"sync/atomic"

	"dpattn/core/fault"
	"dpattn/core/internal/parallel"
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
}

func (d *Diagnostics) add(o Diagnostics) {
	d.Rows += o.Rows
	d.KeysClipped += o.KeysClipped
	d.ValuesClipped += o.ValuesClipped
	d.RowsZeroed += o.RowsZeroed
	d.RowsShrunk += o.RowsShrunk
	d.RowsDropped += o.RowsDropped
	d.Owners += o.Owners
}

// head is the secret part of one head. With rows as units sums is live and owners nil; with owners as units the rows are kept in
// owners and summed at release.
type head struct {
	sums   moment.Sums
	rows   uint64 // rows given
	owners *owners
}

// Builder takes private rows in and gives one release out. SECRET. Its methods may be called from any goroutine and take turns.
type Builder struct {
	mu     sync.Mutex
	id     uint64 // orders the locks of two builders
	design *design
	heads  []head
	tally  Diagnostics
	intake moment.Intake // working memory, made on first use
	hands  int           // goroutines that it was made for
	asked  int           // rows that it was made for
	spent  bool          // released, merged away or wiped
}

var builders atomic.Uint64

// NewBuilder checks p and makes an empty builder. A state that does not fit memory is refused before anything is allocated.
func NewBuilder(p Params) (*Builder, error) {
	d, err := newDesign(p)
	if err != nil {
		return nil, err
	}
	return emptyBuilder(d), nil
}

func emptyBuilder(d *design) *Builder {
	b := &Builder{id: builders.Add(1), design: d, heads: make([]head, d.Heads)}
	for h := range b.heads {
		if d.OwnerRows > 0 {
			b.heads[h].owners = newOwners(d.OwnerRows)
		} else {
			b.heads[h].sums = d.newSums()
		}
	}
	return b
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
	b.heads, b.tally, b.spent = nil, Diagnostics{}, true
}

// intakeFor returns working memory for adding rows rows to sums of this builder's shape.
func (b *Builder) intakeFor(sums moment.Sums, rows int) moment.Intake {
	if b.intake != nil && (b.hands != parallel.Threads() || rows > max(b.asked, b.intake.Capacity())) {
		b.dropIntake()
	}
	if b.intake == nil {
		b.intake, b.hands, b.asked = sums.NewIntake(rows), parallel.Threads(), rows
	}
	return b.intake
}

func (b *Builder) dropIntake() {
	if b.intake != nil {
		b.intake.Wipe()
		b.intake = nil
	}
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
	return b.ingest(chunk, p.fixed())
}

// Merge adds everything in from to b and consumes from. The bits are those of one builder that was given all rows.
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
	if !b.design.compatible(from.design) {
		return fault.New(fault.Mismatch, "from: its parameters differ from those of into; all must be equal")
	}
	for h := range b.heads {
		if b.heads[h].rows+from.heads[h].rows > moment.MaxRows {
			return fault.New(fault.Limit, "from: together the builders would have more than %d rows in head %d", moment.MaxRows, h)
		}
	}
	for h := range b.heads {
		into, other := &b.heads[h], &from.heads[h]
		into.rows += other.rows
		if into.owners != nil {
			b.tally.RowsDropped += into.owners.absorb(other.owners)
		} else {
			into.sums.Add(other.sums)
		}
	}
	b.tally.add(from.tally)
	from.wipe()
	return nil
}

// Diagnostics returns the counts so far. SECRET.
func (b *Builder) Diagnostics() (Diagnostics, error) {
	defer b.unlock()
	if err := b.lock("builder"); err != nil {
		return Diagnostics{}, err
	}
	d := b.tally
	for h := range b.heads {
		if o := b.heads[h].owners; o != nil {
			d.Owners += uint64(len(o.rows))
		}
	}
	return d, nil
}
