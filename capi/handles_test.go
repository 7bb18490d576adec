package main

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"dpattn/core/fault"
)

func wantStale(t *testing.T, table *table[int], handle uint64, text string) {
	t.Helper()
	for name, use := range map[string]func(uint64, string) (*int, error){"get": table.get, "remove": table.remove} {
		object, err := use(handle, "thing")
		if object != nil || fault.CodeOf(err) != fault.InvalidHandle {
			t.Fatalf("%s(%#x) gave %v, %v", name, handle, object, err)
		}
		if !strings.HasPrefix(err.Error(), "thing is ") || !strings.Contains(err.Error(), text) {
			t.Errorf("%s(%#x): message %q does not name the argument and say %q", name, handle, err, text)
		}
	}
}

func TestHandleLife(t *testing.T) {
	table := newTable[int](kindBuilder)
	var objects [3 * pageSize]int
	var handles [len(objects)]uint64
	for i := range objects {
		handles[i] = table.put(&objects[i])
	}
	for i, h := range handles {
		if got, err := table.get(h, "thing"); got != &objects[i] || err != nil {
			t.Fatalf("get(%#x) gave %v, %v", h, got, err)
		}
	}
	if got, err := table.remove(handles[7], "thing"); got != &objects[7] || err != nil {
		t.Fatalf("remove gave %v, %v", got, err)
	}
	wantStale(t, table, handles[7], "freed")

	// The slot is used again, under another handle.
	again := table.put(&objects[8])
	if uint32(again) != uint32(handles[7]) || again == handles[7] {
		t.Errorf("slot of %#x was filled again as %#x", handles[7], again)
	}
	wantStale(t, table, handles[7], "freed")
	if got, err := table.get(again, "thing"); got != &objects[8] || err != nil {
		t.Errorf("get gave %v, %v", got, err)
	}
}

func TestHandleForged(t *testing.T) {
	table := newTable[int](kindBuilder)
	handle := table.put(new(int))
	wantStale(t, table, 0, "0; it must be the handle of a builder")
	wantStale(t, table, newTable[int](kindRelease).put(new(int)),
		"the handle of a release; it must be that of a builder")
	for bit := range 64 {
		wantStale(t, table, handle^1<<bit, "")
	}
	wantStale(t, table, ^uint64(0), "")
	if _, err := table.get(handle, "thing"); err != nil {
		t.Error(err)
	}
}

// A slot whose generations are used up is never filled again: the next handle of generation 1 would
// equal the first.
func TestHandleGenerationsEnd(t *testing.T) {
	table := newTable[int](kindBuilder)
	first := table.put(new(int))
	if _, err := table.remove(first, "thing"); err != nil {
		t.Fatal(err)
	}
	table.free[0].generation = lastGeneration
	last := table.put(new(int))
	if uint32(last) != uint32(first) {
		t.Fatalf("%#x is not in the slot of %#x", last, first)
	}
	if _, err := table.remove(last, "thing"); err != nil {
		t.Fatal(err)
	}
	if next := table.put(new(int)); uint32(next) == uint32(first) {
		t.Errorf("a spent slot was filled again, as %#x", next)
	}
}

func TestHandlesConcurrently(t *testing.T) {
	table := newTable[int](kindRelease)
	shared := table.put(new(int))
	var freed atomic.Int32
	var group sync.WaitGroup
	for worker := range 16 {
		group.Go(func() {
			for range 2000 {
				own := worker
				handle := table.put(&own)
				if got, err := table.get(handle, "thing"); got != &own || err != nil {
					t.Errorf("get gave %v, %v", got, err)
				}
				table.get(shared, "thing")
				if _, err := table.remove(handle, "thing"); err != nil {
					t.Error(err)
				}
				if _, err := table.get(handle, "thing"); err == nil {
					t.Error("a freed handle was found")
				}
			}
			if _, err := table.remove(shared, "thing"); err == nil {
				freed.Add(1)
			}
		})
	}
	group.Wait()
	if n := freed.Load(); n != 1 {
		t.Errorf("%d of 16 frees of one handle succeeded", n)
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	table := newTable[int](kindRelease)
	handle := table.put(new(int))
	if n := testing.AllocsPerRun(100, func() { table.get(handle, "thing") }); n != 0 {
		t.Errorf("a look-up allocates %v times", n)
	}
}
