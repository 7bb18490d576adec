package core

import (
	"dpattn/core/fault"
	"dpattn/core/internal/wire"
	"dpattn/core/mechanism"
	"dpattn/core/privacy"
)

// decodeMechanism reads a mechanism and checks all of it. state says that a release's state
// follows.
func decodeMechanism(r *wire.Reader, state bool) (mechanism.Mechanism, error) {
	head := mechanism.Head{
		Heads: int(r.U32()), KeyDim: int(r.U32()), ValueDim: int(r.U32()), Degree: int(r.U32()),
	}
	kind, err := kindOf(int32(r.U32()), "data: mechanism")
	if err != nil {
		return nil, err
	}
	return kind.Decode(r, head, state)
}

// Save writes the release to dst and returns how many bytes it takes; if dst is shorter, it writes
// nothing.
func (r *Release) Save(dst []byte) (needed int, err error) {
	needed = r.size
	if len(dst) < needed {
		return needed, fault.New(fault.BufferTooSmall, "capacity is %d bytes; the release needs %d", len(dst), needed)
	}
	w := wire.Writer{Buf: dst[:0]}
	w.Begin(wire.Release)
	mechanism.Encode(&w, r.mechanism)
	w.F64(r.budget.Epsilon)
	w.F64(r.budget.Delta)
	w.Raw(r.id[:])
	r.state.Encode(&w)
	w.Seal()
	return needed, nil
}

// Load reads a saved release. A file that was cut or altered, or that claims a guarantee its own
// noise does not give, is refused.
func Load(data []byte) (*Release, error) {
	r, err := wire.Unseal(data, wire.Release)
	if err != nil {
		return nil, err
	}
	m, err := decodeMechanism(r, true)
	if err != nil {
		return nil, err
	}
	out := newRelease(m, privacy.Budget{Epsilon: r.F64(), Delta: r.F64()})
	copy(out.id[:], r.Take(len(out.id)))
	if uint64(len(r.Buf)) != m.StateLen() {
		return nil, wire.Corrupt("its length does not fit its shapes")
	}
	if out.budget.Validate() != nil {
		return nil, wire.Corrupt("its epsilon or delta is out of range")
	}
	if out.state, err = m.DecodeState(r, out.budget); err != nil {
		return nil, err
	}
	return out, nil
}

// ExportSecret writes the un-noised sums to dst and returns how many bytes they take; if dst is
// shorter, it writes nothing. SECRET. The same builder gives the same bytes until rows are added;
// two builders with the same rows differ in their origins.
func (b *Builder) ExportSecret(dst []byte) (needed int, err error) {
	defer b.unlock()
	if err := b.lock("builder"); err != nil {
		return 0, err
	}
	needed = wire.Overhead + b.originsLen() + mechanism.EncodedLen(b.mechanism) +
		8*len(counts(&b.counts)) + b.sums.Len()
	if len(dst) < needed {
		// How large it is says how many owners there are: so does needed, but texts are logged.
		return needed, fault.New(fault.BufferTooSmall, "capacity is %d bytes; the partial needs more", len(dst))
	}
	if err := b.drawOrigin(); err != nil {
		return 0, err
	}
	w := wire.Writer{Buf: dst[:0]}
	w.Begin(wire.Partial)
	b.origins.encode(&w)
	mechanism.Encode(&w, b.mechanism)
	for _, v := range counts(&b.counts) {
		w.U64(*v)
	}
	b.sums.Encode(&w)
	w.Seal()
	return needed, nil
}

// counts names those that a partial carries, in the order of the file.
func counts(d *Diagnostics) []*uint64 {
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
	m, err := decodeMechanism(r, false)
	if err != nil {
		return nil, err
	}
	var read Diagnostics
	for _, v := range counts(&read) {
		*v = r.U64()
	}
	s, err := m.DecodeSums(r)
	if err != nil {
		return nil, err
	}
	b := newBuilder(m, s)
	b.counts, b.origins = read, from
	if b.holdsRows() != (len(from) > 0) {
		b.wipe()
		return nil, wire.Corrupt("rows and origins do not fit: there are none of one of them")
	}
	return b, nil
}
