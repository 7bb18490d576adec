package core

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"sync"

	"dpattn/core/fault"
	"dpattn/core/mechanism"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

// Release is the noisy state and the public parameters, and nothing else: PUBLIC. It is immutable
// and safe for concurrent use. Everything done with it is post-processing.
type Release struct {
	mechanism mechanism.Mechanism
	state     mechanism.State
	budget    privacy.Budget
	id        [16]byte
	size      int       // of the saved release
	pool      sync.Pool // *answers
	calls     sync.Pool // *call

	certified   sync.Once
	certificate []byte
}

func newRelease(m mechanism.Mechanism, budget privacy.Budget) *Release {
	return &Release{mechanism: m, budget: budget, size: int(mechanism.ReleaseLen(m))}
}

// Release spends the budget: it adds noise to the sums, consumes and wipes the builder. On any
// error, cancelling included, the builder stays as it was and nothing is spent, for nothing leaves
// this function.
func (b *Builder) Release(budget privacy.Budget, p *Progress) (*Release, error) {
	defer b.unlock()
	if err := b.lock("builder"); err != nil {
		return nil, err
	}
	r, err := b.draft(budget, p)
	if err != nil {
		return nil, err
	}
	b.wipe()
	return r, nil
}

// draft makes a release and leaves the builder as it is: its caller wipes one of the two.
func (b *Builder) draft(budget privacy.Budget, p *Progress) (*Release, error) {
	r := newRelease(b.mechanism, budget)
	if _, err := io.ReadFull(rand.Reader, r.id[:]); err != nil {
		return nil, fault.NoEntropy(err, "nothing was released")
	}
	var err error
	if r.state, err = b.sums.Release(budget, p.Fixed()); err != nil {
		return nil, err
	}
	return r, nil
}

// State returns the noisy integers, row-major [heads, r, d_v+1]. Read-only.
func (r *Release) State() []int64 { return r.state.Integers() }

// Info describes the release.
func (r *Release) Info() Info {
	i := Info{
		Params: *r.mechanism.Params(), Budget: r.budget,
		StateBytes: r.mechanism.StateBytes(), SaveBytes: uint64(r.size), ID: r.id,
	}
	r.state.Describe(&i)
	return i
}

// Certificate returns the certificate as JSON. Read-only. It is made once, since it takes longer
// than the release and callers through C ask twice: for its size, and for its bytes.
func (r *Release) Certificate() []byte {
	r.certified.Do(func() { r.certificate = slices.Clip(r.makeCertificate()) })
	return r.certificate
}

func (r *Release) makeCertificate() []byte {
	p := r.mechanism.Params()
	head := mechanism.Certificate{
		Format: "dpattn-certificate/1", Library: version, ID: hex.EncodeToString(r.id[:]),
		Mechanism: p.Mechanism.Kind().Name, Adjacency: p.Adjacency.String(), Unit: r.mechanism.Unit(),
		Epsilon: r.budget.Epsilon, Delta: r.budget.Delta,
	}
	out, err := json.MarshalIndent(r.state.Certificate(head), "", "  ")
	if err != nil {
		panic(err) // every number is finite: checked where it came in
	}
	return out
}

// KV writes a release of the codebook mechanism as a key-value cache, which any attention kernel
// reads: keys [heads, cells, d] (or [cells, d] of one head), values [heads, cells, d_v] likewise,
// and bias [heads, cells], natural logarithms. softmax(Scale q keys^T + bias) values is what Attend
// answers. Of other mechanisms there is no such form.
func (r *Release) KV(keys, values, bias tensor.Tensor) error {
	kv, ok := r.state.(mechanism.KeysValues)
	p := r.mechanism.Params()
	if !ok {
		return fault.New(fault.Unsupported, "release: the mechanism %s has no key-value form; codebook has one",
			p.Mechanism.Kind().Name)
	}
	for _, a := range []struct {
		name string
		t    *tensor.Tensor
		dim  int
	}{{"keys", &keys, p.KeyDim}, {"values", &values, p.ValueDim}} {
		if err := a.t.CheckOutput(a.name); err != nil {
			return err
		}
		want := [tensor.MaxDim]int{p.Heads, kv.Cells(), a.dim}
		if a.t.NDim == 2 && p.Heads == 1 {
			want = [tensor.MaxDim]int{kv.Cells(), a.dim}
		}
		if a.t.NDim != 3 && want[2] != 0 || a.t.Shape != want {
			return fault.Invalid("%s.shape is %v; it must be [heads, cells, dim] = %v", a.name, a.t.Shape[:a.t.NDim],
				[]int{p.Heads, kv.Cells(), a.dim})
		}
	}
	if err := bias.CheckOutput("bias"); err != nil {
		return err
	}
	if want := [tensor.MaxDim]int{p.Heads, kv.Cells()}; bias.NDim != 2 || bias.Shape != want {
		return fault.Invalid("bias.shape is %v; it must be [heads, cells] = %v", bias.Shape[:bias.NDim], want[:2])
	}
	column := bias // one number a cell, so that it may lie between the rows of the others
	column.NDim, column.Shape[2], column.Strides[2] = 3, 1, bias.DType.Size()
	for _, pair := range []struct {
		names string
		a, b  *tensor.Tensor
	}{{"keys and values", &keys, &values}, {"keys and bias", &keys, &column}, {"values and bias", &values, &column}} {
		if !tensor.Apart(pair.a, pair.b) {
			return fault.Invalid("%s overlap; rows of outputs must lie apart", pair.names)
		}
	}
	key, value, row := make([]float64, p.KeyDim), make([]float64, p.ValueDim), make([]float64, kv.Cells())
	for h := range p.Heads {
		k, v := keys.Head(h), values.Head(h)
		for c := range row {
			row[c] = kv.Cell(h, c, key, value)
			k.StoreRow(c, key)
			v.StoreRow(c, value)
		}
		bias.StoreRow(h, row)
	}
	return nil
}
