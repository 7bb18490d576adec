package core

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"dpattn/core/codebook"
	"dpattn/core/internal/owners"
	"dpattn/core/moment"
	"dpattn/core/quant"
	"dpattn/simd"
	"dpattn/tests/testkit"
)

// needle is a secret that must not be found, kept under a mask so that it is not found here.
type needle struct {
	what   string
	masked []byte
}

const mask = 0x5a

// hide makes a needle of numbers that lie together, or stride elements apart.
func hide[N any](what string, numbers []N, count, stride int) needle {
	n := needle{what: what}
	for i := range count {
		for _, b := range unsafe.Slice((*byte)(unsafe.Pointer(&numbers[i*stride])), unsafe.Sizeof(numbers[0])) {
			n.masked = append(n.masked, b^mask)
		}
	}
	return n
}

// window is memory that is searched, under the mask.
var window [1 << 20]byte

// overlap is more than the longest needle has.
const overlap = 64

// search looks for the needles in all memory that this process can write, and counts where it finds
// each. Needles stay under the mask and what is searched goes there: a needle in the clear would
// stay in a register, and on a stack wherever the search is interrupted.
func search(t *testing.T, needles []needle) (found []int) {
	t.Helper()
	found = make([]int, len(needles))
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Skip(err)
	}
	defer memory.Close()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip(err)
	}
	defer clear(window[:])
	first := uintptr(unsafe.Pointer(&window[0]))
	for lines := bufio.NewScanner(bytes.NewReader(maps)); lines.Scan(); {
		var lo, hi uintptr
		var rights string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &lo, &hi, &rights); err != nil ||
			!strings.HasPrefix(rights, "rw") {
			continue
		}
		for at := lo; at < hi; at += uintptr(len(window) - overlap) {
			part := window[:min(uintptr(len(window)), hi-at)]
			if n, err := memory.ReadAt(part, int64(at)); err != nil {
				part = part[:n]
			}
			for i := range part {
				part[i] ^= mask
			}
			for i, n := range needles {
				for from := 0; ; from++ {
					next := bytes.Index(part[from:], n.masked)
					if next < 0 {
						break
					}
					from += next
					if place := at + uintptr(from); place < first || place >= first+uintptr(len(window)) {
						found[i]++
					}
				}
			}
		}
	}
	return found
}

// Promise 12: after release, nothing of the rows is left in this process's memory: not as they were
// given (the caller's own copy apart), not rounded, as one row or beside other rows, no rank, no
// sums; in whatever buffer, live or forgotten. Rows came by Add and by import and merge, and were
// exported. Before release the same search does find them.
func TestNoSecretIsLeftInMemory(t *testing.T) {
	for name, p := range units() {
		nothingIsLeft(t, name, p, 40)
		if p.OwnerRows > 0 { // the sums of all rows are then those of the owner
			nothingIsLeft(t, name+", one owner", p, 1)
		}
	}
}

func nothingIsLeft(t *testing.T, name string, p settings, owners int) {
	const n = 300
	k, v := testkit.Ball(testkit.Rand(201), n, 5, 0.9), testkit.Ball(testkit.Rand(202), n, 3, 1.9)
	ids := func(n int) (ids []uint64) {
		for i := range n {
			ids = append(ids, uint64(i%owners))
		}
		return ids
	}
	if p.OwnerRows == 0 {
		ids = func(int) []uint64 { return nil }
	}
	b, other := testkit.Must(NewBuilder(p.params()))(t), testkit.Must(NewBuilder(p.params()))(t)
	whole := testkit.Must(NewBuilder(p.params()))(t) // for its sums: asking b would clear its batch
	for _, part := range []struct {
		b      *Builder
		lo, hi int
	}{{b, 0, 100}, {b, 100, 200}, {other, 200, n}} {
		keys, values := k.Slice(part.lo, part.hi).View(), v.Slice(part.lo, part.hi).View()
		for _, b := range []*Builder{part.b, whole} {
			if err := b.Add(0, keys, values, ids(part.hi-part.lo), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Of a codebook's sums the needle is all of one cell that is not empty.
	book, cols := p.Mechanism == codebook.Number, p.ValueDim+1
	inOrder := func(what string, sums []int64) needle {
		for book && sums[p.ValueDim] == 0 {
			sums = sums[cols:]
		}
		return hide(what, sums, 4, 1)
	}
	part := exact(other)
	needles := []needle{inOrder("sums of a partial in order", part)}
	if !book {
		needles = append(needles, hide("sums of a column of a partial", part, 4, cols))
	}
	clear(part)
	partial := exported(t, other)
	imported := testkit.Must(ImportSecret(partial))(t)
	clear(partial)
	if err := b.Merge(imported); err != nil {
		t.Fatal(err)
	}
	other.Wipe()

	needles = append(needles, hide("a key as given", k.Row(n-1), 3, 1), hide("a value as given", v.Row(n-1), 3, 1),
		hide("a key as given, from the middle", k.Row(150), 3, 1))
	state, columns := exact(whole), len(needles)
	whole.Wipe()
	if !book {
		for _, column := range []int{0, p.ValueDim} {
			needles = append(needles, hide("sums of a column", state[column:], 4, cols))
		}
	}
	needles = append(needles, inOrder("sums in order", state))
	clear(state)
	var must []int // what the search must find before release
	if kept := keptRows(b); len(kept) > 0 {
		for _, i := range []int{0, len(kept) / 2, len(kept) - 1} {
			must = append(must, len(needles), len(needles)+1)
			row := &kept[i][0]
			rank := (*uint64)(unsafe.Pointer(row)) // its first field
			needles = append(needles, hide("a rounded row", row.Data, len(row.Data), 1),
				hide("a rank", unsafe.Slice(rank, 1), 1, 1))
		}
		// Of the row that was hashed last a hash leaves traces on its stack, if it keeps any.
		for _, last := range []int{n - 1, 199} {
			row := make([]int16, p.KeyDim+p.ValueDim)
			roundRow(b, k.Row(last), v.Row(last), row)
			if book { // keeps no keys
				needles = append(needles, hide("the last rounded key", row, p.KeyDim, 1))
			} else {
				needles = append(needles, hide("the last rounded row", row, len(row), 1))
			}
			clear(row)
		}
	} else if book {
		must = append(must, columns)
		for _, i := range []int{0, 150, n - 1} {
			row := make([]int16, p.KeyDim+p.ValueDim)
			roundRow(b, k.Row(i), v.Row(i), row)
			needles = append(needles, hide("a rounded key", row, p.KeyDim, 1))
			clear(row)
		}
	} else {
		must = append(must, columns, columns+1)
		// The last rows that were rounded, as they lie side by side in a batch.
		rows, row := make([]int16, n), make([]int16, p.KeyDim+p.ValueDim)
		for i := range n {
			roundRow(b, k.Row(i), v.Row(i), row)
			rows[i] = row[2]
		}
		clear(row)
		needles = append(needles, hide("an index of rounded keys", rows[100:], 16, 1))
		must = append(must, len(needles)-1)
		clear(rows)
	}
	before := search(t, needles)
	for _, i := range must {
		if before[i] == 0 {
			t.Fatalf("%s: the search does not find %s before release: this test sees nothing", name, needles[i].what)
		}
	}
	r, err := b.Release(someBudget, nil)
	if err != nil {
		t.Fatal(err)
	}
	clear(k.Data)
	clear(v.Data)
	for i, times := range search(t, needles) {
		if times > 0 {
			t.Errorf("%s: after release, %s is in memory %d times", name, needles[i].what, times)
		}
	}
	runtime.KeepAlive(r)
}

// Promise 12: a release reaches no memory that the builder's secret half had, the public parameters
// apart.
func TestReleaseReachesNoPrivateMemory(t *testing.T) {
	for name, p := range units() {
		m := testkit.Must(newMechanism(p.params()))(t)
		b := with(t, m, someRecords(testkit.Rand(203), m, 100, func() uint64 { return 5 }))
		secret := spans(b.sums)
		for first := range spans(m) {
			delete(secret, first)
		}
		if len(secret) < 3 {
			t.Fatalf("%s: the secret half has %d pieces of memory: this test sees nothing", name, len(secret))
		}
		kept := b.sums // so that none of it is used again
		r, err := b.Release(someBudget, nil)
		if err != nil {
			t.Fatal(err)
		}
		for first, beyond := range spans(r) {
			for f, e := range secret {
				if first < e && f < beyond {
					t.Errorf("%s: the release reaches %d bytes of the builder", name, min(e, beyond)-max(f, first))
				}
			}
		}
		runtime.KeepAlive(kept)
	}
}

// keptRows lists the rows that a Gaussian mechanism keeps for the owners of its first head, by
// owner; the rows themselves, not copies.
func keptRows(b *Builder) (all [][]owners.Row) {
	sums := reflect.ValueOf(b.sums).Elem()
	of := sums.FieldByName("owners") // of the codebook release: of each head
	if heads := sums.FieldByName("heads"); heads.IsValid() {
		of = heads.Index(0).FieldByName("owners")
	} else if of.Len() > 0 {
		of = of.Index(0)
	}
	if of.IsNil() {
		return nil
	}
	return slices.Collect((*owners.Owners)(of.UnsafePointer()).All())
}

// roundRow writes the integers that a row becomes, key and value; its working memory is cleared.
func roundRow(b *Builder, k, v []float64, row []int16) {
	var grid quant.Grid
	grid.KeyBound, grid.ValueBound = normBounds(b.mechanism)
	if _, rotated := b.mechanism.Params().Mechanism.(moment.Params); rotated {
		grid.Rotation = quant.NewRotation(len(k))
	}
	key, value := slices.Clone(k), slices.Clone(v)
	simd.Plain(func() {
		grid.Key(key, row[:len(k)])
		grid.Value(value, row[len(k):])
	})
	clear(key)
	clear(value)
}
