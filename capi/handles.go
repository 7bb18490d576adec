package main

import (
	"sync"
	"sync/atomic"

	"dpattn/core/fault"
)

// A handle is kind (4 bits), generation (28 bits) and index (32 bits) of a slot. The kind is never
// 0, so no handle is. A slot gets a new generation each time it is filled, and a slot that has used
// them all is never filled again, so a handle that was freed is known as stale for ever.
const (
	indexBits      = 32
	generationBits = 28
	lastGeneration = 1<<generationBits - 1

	kindBuilder  = 1
	kindRelease  = 2
	kindTree     = 3
	kindDistance = 4
	kindLedger   = 5
)

// kindNames says what a handle is, for the caller who passes one of the wrong kind.
var kindNames = map[uint64]string{kindBuilder: "a builder", kindRelease: "a release", kindTree: "a tree",
	kindDistance: "a distance structure", kindLedger: "a ledger"}

// entry is what a slot holds. It is immutable: an entry that a call has found stays whole, and its
// object alive, while another thread frees the handle.
type entry[T any] struct {
	handle uint64
	object *T
}

const pageSize = 256

// page is a run of slots. Pages never move, so that readers need no lock.
type page[T any] [pageSize]atomic.Pointer[entry[T]]

// vacancy is a free slot and the generation that its next handle gets.
type vacancy struct {
	index      uint32
	generation uint32
}

// table maps the handles of one kind to objects. Lookups take no lock and allocate nothing.
type table[T any] struct {
	kind  uint64
	pages atomic.Pointer[[]*page[T]]

	mu    sync.Mutex // serialises put and remove
	free  []vacancy
	slots uint32 // slots ever filled
}

func newTable[T any](kind uint64) *table[T] {
	t := &table[T]{kind: kind}
	t.pages.Store(new([]*page[T]))
	return t
}

// slot returns the slot that a handle points at, or nil if there is none. It does not look at the
// generation.
func (t *table[T]) slot(handle uint64) *atomic.Pointer[entry[T]] {
	pages, index := *t.pages.Load(), uint32(handle)
	if index/pageSize >= uint32(len(pages)) {
		return nil
	}
	return &pages[index/pageSize][index%pageSize]
}

// get returns the object of a handle. argument is the name of the handle in the error.
func (t *table[T]) get(handle uint64, argument string) (*T, error) {
	if slot := t.slot(handle); slot != nil {
		if e := slot.Load(); e != nil && e.handle == handle {
			return e.object, nil
		}
	}
	return nil, t.refuse(handle, argument)
}

// put makes a handle for an object.
func (t *table[T]) put(object *T) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := vacancy{index: t.slots, generation: 1}
	if last := len(t.free) - 1; last >= 0 {
		v, t.free = t.free[last], t.free[:last]
	} else {
		t.slots++
		if pages := *t.pages.Load(); v.index/pageSize == uint32(len(pages)) {
			grown := append(pages[:len(pages):len(pages)], new(page[T]))
			t.pages.Store(&grown)
		}
	}
	handle := t.kind<<(indexBits+generationBits) | uint64(v.generation)<<indexBits | uint64(v.index)
	t.slot(handle).Store(&entry[T]{handle, object})
	return handle
}

// remove makes a handle stale and returns its object. Of calls with one handle, one succeeds.
func (t *table[T]) remove(handle uint64, argument string) (*T, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	object, err := t.get(handle, argument)
	if err != nil {
		return nil, err
	}
	t.slot(handle).Store(nil)
	if g := uint32(handle>>indexBits) & lastGeneration; g < lastGeneration {
		t.free = append(t.free, vacancy{uint32(handle), g + 1})
	}
	return object, nil
}

// refuse says what is wrong with a handle that get did not find.
func (t *table[T]) refuse(handle uint64, argument string) error {
	if handle == 0 {
		return fault.New(fault.InvalidHandle, "%s is 0; it must be the handle of %s", argument, kindNames[t.kind])
	}
	kind := handle >> (indexBits + generationBits)
	if name := kindNames[kind]; name != "" && kind != t.kind {
		return fault.New(fault.InvalidHandle, "%s is the handle of %s; it must be that of %s", argument, name,
			kindNames[t.kind])
	}
	return fault.New(fault.InvalidHandle, "%s is a handle that was freed, or never was one; it must be that of %s",
		argument, kindNames[t.kind])
}
