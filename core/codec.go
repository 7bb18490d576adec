package core

import (
	"dpattn/core/fault"
	"dpattn/core/internal/wire"
	"dpattn/core/privacy"
)

// encodeHead writes what every mechanism's parameters begin with.
func encodeHead(w *wire.Writer, p *Params) {
	for _, v := range []int{p.Heads, p.KeyDim, p.ValueDim, p.Degree, int(p.Mechanism)} {
		w.U32(uint32(v))
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// decodeMechanism reads a mechanism and checks all of it. perFeature is the least number of bytes that each feature takes in what follows, 0 if it takes none: the
// state must be there before tables of its size are made.
func decodeMechanism(r *wire.Reader, perFeature int) (mechanism, error) {
	p := Params{Heads: int(r.U32()), KeyDim: int(r.U32()), ValueDim: int(r.U32()), Degree: int(r.U32()), Mechanism: Mechanism(r.U32())}
	decode := p.Mechanism.entry().decode
	if decode == nil {
		return nil, fault.New(fault.Unsupported, "data: mechanism is %d; this version has 1 (gaussian) and 2 (dptree)", p.Mechanism)
	}
	return decode(r, p, perFeature)
}

// damaged is what a wrong parameter becomes in a file: damage; only what this version lacks stays that.
func damaged(err error) error {
	if code := fault.CodeOf(err); code == fault.Unsupported {
		return fault.New(code, "data: %v", err)
	}
	return wire.Corrupt(err.Error())
}

// encodedLen is how many bytes a mechanism's parameters take.
func encodedLen(m mechanism) int {
	var w wire.Writer
	m.encode(&w)
	return len(w.Buf)
}

// savedSize is the size of a saved release of this mechanism.
func savedSize(m mechanism) int {
	return wire.Overhead + encodedLen(m) + 16 + 16 + int(m.encodedState())
}

// Save writes the release to dst and returns how many bytes it takes; if dst is shorter, it writes nothing.
func (r *Release) Save(dst []byte) (needed int, err error) {
	needed = r.size
	if len(dst) < needed {
		return needed, fault.New(fault.BufferTooSmall, "capacity is %d bytes; the release needs %d", len(dst), needed)
	}
	w := wire.Writer{Buf: dst[:0]}
	w.Begin(wire.Release)
	r.mechanism.encode(&w)
	w.F64(r.budget.Epsilon)
	w.F64(r.budget.Delta)
	w.Raw(r.id[:])
	r.public.encode(&w)
	w.Seal()
	return needed, nil
}

// Load reads a saved release. A file that was cut or altered, or that claims a guarantee its own noise does not give, is refused.
func Load(data []byte) (*Release, error) {
	r, err := wire.Unseal(data, wire.Release)
	if err != nil {
		return nil, err
	}
	m, err := decodeMechanism(r, 8)
	if err != nil {
		return nil, err
	}
	out := &Release{mechanism: m, budget: privacy.Budget{Epsilon: r.F64(), Delta: r.F64()}, size: savedSize(m)}
	copy(out.id[:], r.Take(len(out.id)))
	if uint64(len(r.Buf)) != m.encodedState() {
		return nil, wire.Corrupt("its length does not fit its shapes")
	}
	if out.budget.Validate() != nil {
		return nil, wire.Corrupt("its epsilon or delta is out of range")
	}
	if out.public, err = m.decodeState(r, out.budget); err != nil {
		return nil, err
	}
	return out, nil
}

// ExportSecret writes the un-noised sums to dst and returns how many bytes they take; if dst is shorter, it writes nothing. SECRET. The same builder gives the
// same bytes until rows are added; two builders with the same rows differ in their origins.
func (b *Builder) ExportSecret(dst []byte) (needed int, err error) {
	defer b.unlock()
	if err := b.lock("builder"); err != nil {
		return 0, err
	}
	needed = wire.Overhead + b.originsLen() + encodedLen(b.mechanism) + 8*len(b.tally.list()) + b.secret.encodedLen()
	if len(dst) < needed {
		return needed, fault.New(fault.BufferTooSmall, "capacity is %d bytes; the partial needs %d", len(dst), needed)
	}
	if err := b.drawOrigin(); err != nil {
		return 0, err
	}
	w := wire.Writer{Buf: dst[:0]}
	w.Begin(wire.Partial)
	b.origins.encode(&w)
	b.mechanism.encode(&w)
	for _, v := range b.tally.list() {
		w.U64(*v)
	}
	b.secret.encode(&w)
	w.Seal()
	return needed, nil
}

// list names the counts that a partial carries, in the order of the file.
func (d *Diagnostics) list() []*uint64 {
	return []*uint64{&d.Rows, &d.KeysClipped, &d.ValuesClipped, &d.RowsZeroed, &d.RowsShrunk, &d.RowsDropped}
}

// ImportSecret makes a builder from an exported partial.
func ImportSecret(data []byte) (*Builder, error) {
	r, err := wire.Unseal(data, wire.Partial)
	if err != nil {
		return nil, err
	}
	from, err := decodeOrigins(r)
	if err != nil {
		return nil, err
	}
	m, err := decodeMechanism(r, 0)
	if err != nil {
		return nil, err
	}
	var tally Diagnostics
	for _, v := range tally.list() {
		*v = r.U64()
	}
	s, err := m.decodeSecret(r)
	if err != nil {
		return nil, err
	}
	b := newBuilder(m, s)
	b.tally, b.origins = tally, from
	if b.holdsRows() != (len(from) > 0) {
		b.wipe()
		return nil, wire.Corrupt("rows and origins do not fit: there are none of one of them")
	}
	return b, nil
}
