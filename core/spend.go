package core

import (
	"dpattn/core/internal/memory"
	"dpattn/core/ledger"
	"dpattn/core/mechanism"
	"dpattn/core/privacy"
)

// ReleaseTo is Release through a ledger. The release that the ledger has under label is given once
// more, at no cost; else a new one is made if the ledger can afford it, and is on disk before it is
// given. Either way the builder is consumed and wiped. A label names one release of one state of
// the data: data that have changed need a new one, since a ledger cannot see them. "" stands for a
// label of its own, the release's id.
//
// On any error nothing leaves and the builder stays as it was; only if the disk fails in the last
// moment of a commit may the ledger hold, and count, a release that nobody was given: asking again
// with the same label then gives it.
func (b *Builder) ReleaseTo(l *ledger.Ledger, label string, budget privacy.Budget, p *Progress) (*Release, error) {
	defer b.unlock()
	if err := b.lock("builder"); err != nil {
		return nil, err
	}
	p = p.Fixed()
	cost, err := b.mechanism.Cost(budget)
	if err != nil {
		return nil, err
	}
	params, size := b.mechanism.Params(), int(mechanism.ReleaseLen(b.mechanism))
	// The file, and the pages that the store copies it to.
	if err := memory.Fits("release: the file and its pages in the ledger", 2*uint64(size)); err != nil {
		return nil, err
	}
	var made *Release
	wait := func() bool { return p.Step(0, 1) }
	file, err := l.Spend(ledger.Request{
		Label: label, Adjacency: params.Adjacency.String(), Unit: b.mechanism.Unit().Kind,
		Mechanism: params.Mechanism.Kind().Name,
		Cost:      cost, Digest: requestDigest(params, budget), Bytes: size,
	}, wait, func() ([16]byte, []byte, error) {
		if made, err = b.draft(budget, p); err != nil {
			return [16]byte{}, nil, err
		}
		file := make([]byte, size)
		_, err := made.Save(file)
		return made.id, file, err
	})
	if err != nil {
		if made != nil {
			made.state.Wipe()
		}
		return nil, err
	}
	if made == nil {
		if made, err = Load(file); err != nil {
			return nil, err
		}
	}
	b.wipe()
	return made, nil
}

// LoadFrom gives the release that a ledger has under label, at no cost.
func LoadFrom(l *ledger.Ledger, label string) (*Release, error) {
	file, err := l.Load(label)
	if err != nil {
		return nil, err
	}
	return Load(file)
}
