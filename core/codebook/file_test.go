package codebook

import (
	"testing"

	"dpattn/core/internal/wire"
	"dpattn/core/mechanism"
	"dpattn/core/privacy"
	"dpattn/tests/testkit"
)

// A release that is loaded prepares no centroids for assigning keys, which nobody does with it:
// those of many heads with few cells would take much more memory than the file.
func TestLoadPreparesNoAssignment(t *testing.T) {
	own := small()
	own.Cells = 1
	d := newDesign(t, mechanism.Params{Heads: 1000, KeyDim: 64, ValueDim: 1}, own)
	made := testkit.Must(d.noSums().Release(budget, nil))(t)
	var w wire.Writer
	d.Encode(&w)
	made.Encode(&w)
	r := &wire.Reader{Buf: w.Buf}
	loaded := testkit.Must(decode(r, d.Head(), true))(t).(*design)
	testkit.Must(loaded.DecodeState(r, budget))(t)
	if loaded.books != nil {
		t.Error("centroids were prepared for assigning keys")
	}
}

// What does not fit this machine's memory is refused before any of it is taken: the sums, prepared
// centroids and, on the way to a release, keys and values for queries.
func TestMemoryIsAskedForFirst(t *testing.T) {
	huge := &design{
		shared: mechanism.Params{Heads: 1 << 16, KeyDim: 1 << 16, ValueDim: 1, Adjacency: privacy.AddRemove},
		own:    Params{Cells: 1 << 16}, cols: 2,
	}
	huge.Design = newDesign(t, mechanism.Params{KeyDim: 1, ValueDim: 1}, small()).Design
	if huge.assignable() == nil || huge.fitsWithQueries("what") == nil {
		t.Error("memory that nobody has is there")
	}
	if _, err := huge.NewSums(); err == nil {
		t.Error("sums were made that keys cannot be assigned to")
	}
	if _, err := huge.DecodeState(nil, budget); err == nil {
		t.Error("a state was read whose form for queries does not fit")
	}
}
