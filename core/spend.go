package core

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"io"

	"dpattn/core/internal/memory"
	"dpattn/core/ledger"
	"dpattn/core/privacy"
)

// ReleaseTo is Release through a ledger. The release that the ledger has under label is given once more, at no cost; else a new one is made if the ledger can
// afford it, and is on disk before it is given. Either way the builder is consumed and wiped. A label names one release of one state of the data: data that
// have changed need a new one, since a ledger cannot see them. "" stands for a label of its own, the release's id.
//
// On any error nothing leaves and the builder stays as it was; only if the disk fails in the last moment of a commit may the ledger hold, and count, a release
// that nobody was given: asking again with the same label then gives it.
func (b *Builder) ReleaseTo(l *ledger.Ledger, label string, budget privacy.Budget, p *Progress) (*Release, error) {
	return b.releaseTo(l, label, budget, p, kernelNoise, rand.Reader)
}

func (b *Builder) releaseTo(l *ledger.Ledger, label string, budget privacy.Budget, p *Progress, noise draw, names io.Reader) (*Release, error) {
	defer b.unlock()
	if err := b.lock("builder"); err != nil {
		return nil, err
	}
	p = p.fixed()
	cost, err := b.mechanism.cost(budget)
	if err != nil {
		return nil, err
	}
	params, size := b.mechanism.params(), savedSize(b.mechanism)
	// The file, and the pages that the store copies it to.
	if err := memory.Fits("release: the file and its pages in the ledger", 2*uint64(size)); err != nil {
		return nil, err
	}
	var made *Release
	wait := func() bool { return p.step(0, 1) }
	file, err := l.Spend(ledger.Request{
		Label: label, Adjacency: params.Adjacency.String(), Unit: params.unit().Kind, Mechanism: params.Mechanism.String(),
		Cost: cost, Digest: requestDigest(params, budget), Bytes: size,
	}, wait, func() ([16]byte, []byte, error) {
		if made, err = b.draft(budget, p, noise, names); err != nil {
			return [16]byte{}, nil, err
		}
		file := make([]byte, size)
		_, err := made.Save(file)
		return made.id, file, err
	})
	if err != nil {
		if made != nil {
			made.public.wipe()
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

// requestDigest is of all that a caller asked for, with defaults filled in, and of nothing that a machine worked out from it.
func requestDigest(p *Params, budget privacy.Budget) [32]byte {
	text, err := json.Marshal([]any{p, budget})
	if err != nil {
		panic(err) // every number is finite: checked where it came in
	}
	return sha256.Sum256(text)
}
