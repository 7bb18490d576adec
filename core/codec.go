package core

import (
	"crypto/sha256"

	"dpattn/core/fault"
	"dpattn/core/privacy"
)

// head writes what every mechanism's parameters begin with.
func (w *writer) head(p *Params) {
	for _, v := range []int{p.Heads, p.KeyDim, p.ValueDim, p.Degree, int(p.Mechanism)} {
		w.u32(uint32(v))
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
func decodeMechanism(r *reader, perFeature int) (mechanism, error) {
	p := Params{Heads: int(r.u32()), KeyDim: int(r.u32()), ValueDim: int(r.u32()), Degree: int(r.u32()), Mechanism: Mechanism(r.u32())}
	decode := p.Mechanism.entry().decode
	if decode == nil {
		return nil, fault.New(fault.Unsupported, "data: mechanism is %d; this version has 1 (gaussian)", p.Mechanism)
	}
	return decode(r, p, perFeature)
}

// damaged is what a wrong parameter becomes in a file: damage; only what this version lacks stays that.
func damaged(err error) error {
	if code := fault.CodeOf(err); code == fault.Unsupported {
		return fault.New(code, "data: %v", err)
	}
	return corrupt(err.Error())
}

func corrupt(why string) error { return fault.New(fault.Corrupt, "data: %s", why) }

// encodedLen is how many bytes a mechanism's parameters take.
func encodedLen(m mechanism) int {
	var w writer
	m.encode(&w)
	return len(w.buf)
}

// savedSize is the size of a saved release of this mechanism.
func savedSize(m mechanism) int {
	return len(releaseMagic) + 4 + encodedLen(m) + 16 + 16 + int(m.encodedState()) + sha256.Size
}

// Save writes the release to dst and returns how many bytes it takes; if dst is shorter, it writes nothing.
func (r *Release) Save(dst []byte) (needed int, err error) {
	needed = r.size
	if len(dst) < needed {
		return needed, fault.New(fault.BufferTooSmall, "capacity is %d bytes; the release needs %d", len(dst), needed)
	}
	w := writer{dst[:0]}
	w.begin(releaseMagic)
	r.mechanism.encode(&w)
	w.f64(r.budget.Epsilon)
	w.f64(r.budget.Delta)
	w.raw(r.id[:])
	r.public.encode(&w)
	w.seal()
	return needed, nil
}

// Load reads a saved release. A file that was cut or altered, or that claims a guarantee its own noise does not give, is refused.
func Load(data []byte) (*Release, error) {
	r, err := unseal("a release", data, releaseMagic)
	if err != nil {
		return nil, err
	}
	m, err := decodeMechanism(r, 8)
	if err != nil {
		return nil, err
	}
	out := &Release{mechanism: m, budget: privacy.Budget{Epsilon: r.f64(), Delta: r.f64()}, size: savedSize(m)}
	copy(out.id[:], r.take(len(out.id)))
	if uint64(len(r.buf)) != m.encodedState() {
		return nil, corrupt("its length does not fit its shapes")
	}
	if out.budget.Validate() != nil {
		return nil, corrupt("its epsilon or delta is out of range")
	}
	if out.public, err = m.decodeState(r, out.budget); err != nil {
		return nil, err
	}
	return out, nil
}

// ExportSecret writes the un-noised sums to dst and returns how many bytes they take; if dst is shorter, it writes nothing. SECRET.
func (b *Builder) ExportSecret(dst []byte) (needed int, err error) {
	defer b.unlock()
	if err := b.lock("builder"); err != nil {
		return 0, err
	}
	needed = len(partialMagic) + 4 + encodedLen(b.mechanism) + 8*len(b.tally.list()) + b.secret.encodedLen() + sha256.Size
	if len(dst) < needed {
		return needed, fault.New(fault.BufferTooSmall, "capacity is %d bytes; the partial needs %d", len(dst), needed)
	}
	w := writer{dst[:0]}
	w.begin(partialMagic)
	b.mechanism.encode(&w)
	for _, v := range b.tally.list() {
		w.u64(*v)
	}
	b.secret.encode(&w)
	w.seal()
	return needed, nil
}

// list names the counts that a partial carries, in the order of the file.
func (d *Diagnostics) list() []*uint64 {
	return []*uint64{&d.Rows, &d.KeysClipped, &d.ValuesClipped, &d.RowsZeroed, &d.RowsShrunk, &d.RowsDropped}
}

// ImportSecret makes a builder from an exported partial.
func ImportSecret(data []byte) (*Builder, error) {
	r, err := unseal("a secret partial", data, partialMagic)
	if err != nil {
		return nil, err
	}
	m, err := decodeMechanism(r, 0)
	if err != nil {
		return nil, err
	}
	var tally Diagnostics
	for _, v := range tally.list() {
		*v = r.u64()
	}
	s, err := m.decodeSecret(r)
	if err != nil {
		return nil, err
	}
	b := newBuilder(m, s)
	b.tally = tally
	return b, nil
}
