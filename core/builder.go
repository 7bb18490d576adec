package core

import (
	"sync"
	"sync/atomic"

	"dpattn/core/fault"
	"dpattn/core/mechanism"
	"dpattn/core/tensor"
)

// Builder takes private rows in and gives one release out. SECRET. Its methods may be called from
// any goroutine and take turns.
type Builder struct {
	mu        sync.Mutex
	id        uint64 // orders the locks of two builders
	mechanism mechanism.Mechanism
	sums      mechanism.Sums
	counts    Diagnostics
	origins   origins
	spent     bool // released, merged away or wiped
}

var builders atomic.Uint64

// NewBuilder checks p and makes an empty builder. A state that does not fit memory is refused
// before anything is allocated.
func NewBuilder(p Params) (*Builder, error) {
	m, err := newMechanism(p)
	if err != nil {
		return nil, err
	}
	s, err := m.NewSums()
	if err != nil {
		return nil, err
	}
	return newBuilder(m, s), nil
}

func newBuilder(m mechanism.Mechanism, s mechanism.Sums) *Builder {
	return &Builder{id: builders.Add(1), mechanism: m, sums: s}
}

// Info describes the release that will be, as far as it is known before.
func (b *Builder) Info() Info {
	return Info{Params: *b.mechanism.Params(), StateBytes: b.mechanism.StateBytes()}
}

// lock takes the builder's turn, and refuses a spent one, which is called name in the error. The
// caller defers unlock.
func (b *Builder) lock(name string) error {
	b.mu.Lock()
	if b.spent {
		return fault.New(fault.Consumed, "%s: it was released or merged into another; make a new one", name)
	}
	return nil
}

// unlock gives the turn back. If a bug made the work panic half-way, the sums may be wrong in a way
// that the sensitivity does not cover: the builder is wiped rather than released later.
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
	if b.sums != nil {
		b.sums.Wipe()
	}
	b.sums, b.counts, b.origins, b.spent = nil, Diagnostics{}, nil, true
}

// Add adds rows of one head (tensors [rows, dim]) or of all (AllHeads, tensors [heads, rows, dim]).
// owners has one id a row if the unit is an owner, else it is nil. Data never cause an error. When
// cancelled, no row of this call stays added.
func (b *Builder) Add(head int, keys, values tensor.Tensor, owners []uint64, p *Progress) error {
	defer b.unlock()
	if err := b.lock("builder"); err != nil {
		return err
	}
	rows, err := b.mechanism.Params().CheckRows(head, keys, values, owners, b.sums.Rows)
	if err != nil {
		return err
	}
	counts, err := b.sums.Add(rows, p.Fixed())
	b.counts.Add(counts)
	return err
}

// Merge adds everything in from to b and consumes from. The sums are those of one builder that was
// given all rows. It refuses builders that hold rows in common, since one of them was exported
// (origins.go).
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
	if !b.mechanism.Compatible(from.mechanism) {
		return fault.New(fault.Mismatch, "from: its parameters differ from those of into; all must be equal")
	}
	all, err := joint(b, from)
	if err != nil {
		return err
	}
	for h := range b.mechanism.Params().Heads {
		if b.sums.Rows(h)+from.sums.Rows(h) > mechanism.MaxRows {
			return fault.New(fault.Limit, "from: together the builders would have more than %d rows in head %d",
				mechanism.MaxRows, h)
		}
	}
	b.counts.RowsDropped += b.sums.Absorb(from.sums)
	b.counts.Add(from.counts)
	b.origins = all
	from.wipe()
	return nil
}

// Diagnostics returns the counts so far. SECRET. Where owners' sums are clipped, it sums their rows
// to find which, which takes as long as at release.
func (b *Builder) Diagnostics() (Diagnostics, error) {
	defer b.unlock()
	if err := b.lock("builder"); err != nil {
		return Diagnostics{}, err
	}
	d := b.counts
	d.Owners, d.OwnersClipped = b.sums.Owners()
	return d, nil
}
