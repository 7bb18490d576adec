package core

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unsafe"
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

// The two places where needles are in the clear while memory is searched.
var (
	window [1 << 20]byte
	plain  [64]byte
)

// search looks for the needles in all memory that this process can write, and counts where it finds each.
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
	defer clear(plain[:])
	mine := func(at uintptr) bool {
		for _, place := range [][]byte{window[:], plain[:]} {
			if first := uintptr(unsafe.Pointer(&place[0])); at >= first && at < first+uintptr(len(place)) {
				return true
			}
		}
		return false
	}
	const overlap = len(plain)
	for lines := bufio.NewScanner(bytes.NewReader(maps)); lines.Scan(); {
		var lo, hi uintptr
		var rights string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &lo, &hi, &rights); err != nil || !strings.HasPrefix(rights, "rw") {
			continue
		}
		for at := lo; at < hi; at += uintptr(len(window) - overlap) {
			part := window[:min(uintptr(len(window)), hi-at)]
			if n, err := memory.ReadAt(part, int64(at)); err != nil {
				part = part[:n]
			}
			for i, n := range needles {
				wanted := plain[:len(n.masked)]
				for j, b := range n.masked {
					wanted[j] = b ^ mask
				}
				for from := 0; ; from++ {
					next := bytes.Index(part[from:], wanted)
					if next < 0 {
						break
					}
					if from += next; !mine(at + uintptr(from)) {
						found[i]++
					}
				}
			}
		}
	}
	return found
}

// Promise 12: after release, nothing of the rows is left in this process's memory: not as they were given (the caller's own copy apart), not rounded, as one row or beside other
// rows, no rank, no sums; in whatever buffer, live or forgotten. Rows came by Add and by import and merge, and were exported. Before release the same search does find them.
func TestNoSecretIsLeftInMemory(t *testing.T) {
	for name, p := range units() {
		nothingIsLeft(t, name, p, 40)
		if p.OwnerRows > 0 { // the sums of all rows are then those of the owner
			nothingIsLeft(t, name+", one owner", p, 1)
		}
	}
}

func nothingIsLeft(t *testing.T, name string, p Params, owners int) {
	const n = 300
	k, v := ball(rng(201), n, 5, 0.9), ball(rng(202), n, 3, 1.9)
	ids := func(n int) (ids []uint64) {
		for i := range n {
			ids = append(ids, uint64(i%owners))
		}
		return ids
	}
	if p.OwnerRows == 0 {
		ids = func(int) []uint64 { return nil }
	}
	b, other := must[*Builder](t)(NewBuilder(p)), must[*Builder](t)(NewBuilder(p))
	for _, part := range []struct {
		b      *Builder
		lo, hi int
	}{{b, 0, 100}, {b, 100, 200}, {other, 200, n}} {
		if err := part.b.Add(0, k.slice(part.lo, part.hi).view(), v.slice(part.lo, part.hi).view(), ids(part.hi-part.lo), nil); err != nil {
			t.Fatal(err)
		}
	}
	part := exact(other)
	needles := []needle{hide("sums of a column of a partial", part, 4, sumsOf(b).gaussian.cols), hide("sums of a partial in order", part, 4, 1)}
	clear(part)
	partial := exported(t, other)
	imported := must[*Builder](t)(ImportSecret(partial))
	clear(partial)
	if err := b.Merge(imported); err != nil {
		t.Fatal(err)
	}
	other.Wipe()

	d := sumsOf(b).gaussian
	needles = append(needles, hide("a key as given", k.row(n-1), 3, 1), hide("a value as given", v.row(n-1), 3, 1), hide("a key as given, from the middle", k.row(150), 3, 1))
	state, columns := exact(b), len(needles)
	for _, column := range []int{0, d.ValueDim} {
		needles = append(needles, hide("sums of a column", state[column:], 4, d.cols))
	}
	needles = append(needles, hide("sums in order", state, 4, 1))
	clear(state)
	var must []int // what the search must find before release
	if kept := sumsOf(b).heads[0].owners; kept != nil {
		for _, id := range []uint64{0, uint64(owners) / 2, uint64(owners) - 1} {
			must = append(must, len(needles), len(needles)+1)
			row := &(*kept.rows[id])[0]
			needles = append(needles, hide("a rounded row", row.data, len(row.data), 1), hide("a rank", unsafe.Slice(&row.rank, 1), 1, 1))
		}
		// Of the row that was hashed last a hash leaves traces on its stack, if it keeps any.
		for _, last := range []int{n - 1, 199} {
			grid, row := d.grid(0), make([]int16, d.KeyDim+d.ValueDim)
			d.quantise(&grid, k.slice(last, last+1).view(), v.slice(last, last+1).view(), func(_ int, p *piece) {
				copy(row, p.x)
				copy(row[d.KeyDim:], p.u)
			})
			needles = append(needles, hide("the last rounded row", row, len(row), 1))
			clear(row)
		}
	} else {
		must = append(must, columns, columns+1)
		// The last rows that were rounded, as they lie side by side in a batch.
		grid, rows := d.grid(0), make([]int16, n)
		d.quantise(&grid, k.view(), v.view(), func(first int, p *piece) {
			for i := range p.rows {
				rows[first+i] = p.x[i*d.KeyDim+2]
			}
		})
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
	clear(k.data)
	clear(v.data)
	for i, times := range search(t, needles) {
		if times > 0 {
			t.Errorf("%s: after release, %s is in memory %d times", name, needles[i].what, times)
		}
	}
	runtime.KeepAlive(r)
}

// spans lists the memory that a value reaches, as [first, beyond) by address; it follows pointers, slices, maps, interfaces and structs, but not functions and channels.
func spans(v any) map[uintptr]uintptr {
	out, seen := map[uintptr]uintptr{}, map[unsafe.Pointer]bool{}
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if p := v.UnsafePointer(); p != nil && !seen[p] {
				seen[p] = true
				out[uintptr(p)] = max(out[uintptr(p)], uintptr(p)+v.Type().Elem().Size())
				walk(v.Elem())
			}
		case reflect.Interface:
			walk(v.Elem())
		case reflect.Slice:
			if p := v.UnsafePointer(); v.Cap() > 0 {
				out[uintptr(p)] = max(out[uintptr(p)], uintptr(p)+uintptr(v.Cap())*v.Type().Elem().Size())
				for i := range v.Len() {
					if k := v.Type().Elem().Kind(); k >= reflect.Bool && k <= reflect.Complex128 {
						break
					}
					walk(v.Index(i))
				}
			}
		case reflect.Array:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i))
			}
		case reflect.Map:
			for i := v.MapRange(); i.Next(); {
				walk(i.Key())
				walk(i.Value())
			}
		}
	}
	walk(reflect.ValueOf(v))
	return out
}

// Promise 12: a release reaches no memory that the builder's secret half had, the public parameters apart.
func TestReleaseReachesNoPrivateMemory(t *testing.T) {
	for name, p := range units() {
		m := must[mechanism](t)(newMechanism(p))
		b := with(t, m, someRecords(rng(203), m.params(), 100, func() uint64 { return 5 }))
		secret := spans(b.secret)
		for first := range spans(m) {
			delete(secret, first)
		}
		if len(secret) < 4 {
			t.Fatalf("%s: the secret half has %d pieces of memory: this test sees nothing", name, len(secret))
		}
		kept := b.secret // so that none of it is used again
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
