package core

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"dpattn/core/fault"
	"dpattn/core/internal/wire"
	"dpattn/tests/testkit"
)

// everyUnit is small parameters of both mechanisms with every kind of unit, and with several heads.
func everyUnit() map[string]settings {
	all := units()
	rows, owners := treeParams(), treeParams()
	rows.Leaves, rows.Degree, rows.Heads = 8, 2, 2
	owners.Leaves, owners.Degree, owners.OwnerRows = 8, 2, 2
	heads := smallParams()
	heads.Heads = 3
	all["heads"], all["trees"], all["trees with owners"] = heads, rows, owners
	return all
}

// put adds n rows to one head, each of an owner of its own where owners are units.
func put(t *testing.T, b *Builder, head, n int, seed uint64) {
	t.Helper()
	p := b.mechanism.Params()
	var owners []uint64
	if p.OwnerRows > 0 {
		for i := range n {
			owners = append(owners, seed<<20|uint64(i))
		}
	}
	if err := b.Add(head, box(2*seed, n, p.KeyDim, 0, 1).View(), box(2*seed+1, n, p.ValueDim, -1, 1).View(),
		owners, nil); err != nil {
		t.Fatal(err)
	}
}

// shard is a builder with some rows of that seed in its last head.
func shard(t *testing.T, p settings, seed uint64) *Builder {
	t.Helper()
	b := testkit.Must(NewBuilder(p.params()))(t)
	put(t, b, b.mechanism.Params().Heads-1, 3, seed)
	return b
}

// twin is what another process makes of a builder's partial.
func twin(t *testing.T, b *Builder) *Builder {
	t.Helper()
	return testkit.Must(ImportSecret(exported(t, b)))(t)
}

// refused makes sure that from is not merged into into, for the reason that it has rows in common
// with it, and that neither changes.
func refused(t *testing.T, how string, into, from *Builder) {
	t.Helper()
	before := [2][]byte{exported(t, into), exported(t, from)}
	err := into.Merge(from)
	if fault.CodeOf(err) != fault.InvalidArgument ||
		!strings.HasPrefix(err.Error(), "from: it holds rows of a partial that into has already") {
		t.Errorf("%s: %v", how, err)
		return
	}
	if !bytes.Equal(exported(t, into), before[0]) || !bytes.Equal(exported(t, from), before[1]) {
		t.Errorf("%s: a merge that was refused changed a builder", how)
	}
}

func merged(t *testing.T, into *Builder, from ...*Builder) *Builder {
	t.Helper()
	for _, b := range from {
		if err := into.Merge(b); err != nil {
			t.Fatal(err)
		}
	}
	return into
}

// A partial that is merged twice, in whatever guise, is refused. (Its rows would count twice, and
// the sensitivity is that of one.)
func TestPartialMergedTwice(t *testing.T) {
	for name, p := range everyUnit() {
		t.Run(name, func(t *testing.T) {
			a := shard(t, p, 1)
			file := exported(t, a)
			retried := func() *Builder { return testkit.Must(ImportSecret(file))(t) }

			refused(t, "the same file twice", retried(), retried())
			total := merged(t, testkit.Must(NewBuilder(p.params()))(t), retried())
			refused(t, "the same file, later, into an empty builder", total, retried())
			refused(t, "a builder and its own export", a, retried())
			refused(t, "a builder's export and the builder", retried(), a)

			put(t, a, 0, 2, 2)
			refused(t, "an earlier and a later export", retried(), twin(t, a))
			refused(t, "a later and an earlier export", twin(t, a), retried())

			both := merged(t, shard(t, p, 3), twin(t, a))
			refused(t, "a whole and its part", both, retried())
			refused(t, "a part and its whole", retried(), twin(t, both))
			refused(t, "a whole's export and a part", twin(t, both), retried())
			put(t, a, 0, 2, 4)
			refused(t, "two that were continued apart", twin(t, both), a)
			others := merged(t, shard(t, p, 5), shard(t, p, 6))
			refused(t, "one in common of several", merged(t, twin(t, both), shard(t, p, 7)), merged(t, others, a))
		})
	}
}

// Shards that were exported once each are merged in any order and grouping, to the sums of all
// rows; so are those that began with the same empty template.
func TestPartialsOnce(t *testing.T) {
	for name, p := range everyUnit() {
		t.Run(name, func(t *testing.T) {
			empty := testkit.Must(NewBuilder(p.params()))(t)
			template := exported(t, empty)
			if origins, _ := parted(template); !bytes.Equal(origins, make([]byte, 8)) {
				t.Fatalf("a partial without rows has origins %x", origins)
			}
			whole := testkit.Must(NewBuilder(p.params()))(t)
			const shards = 7
			var files [][]byte
			for s := range uint64(shards) {
				put(t, whole, 0, 4, s)
				part := testkit.Must(ImportSecret(template))(t)
				put(t, part, 0, 4, s)
				if s%2 == 0 {
					part = merged(t, part, testkit.Must(ImportSecret(template))(t),
						testkit.Must(ImportSecret(template))(t))
				}
				files = append(files, exported(t, part))
			}
			want := held(t, whole)
			var set []byte
			r := testkit.Rand(11)
			for trial := range 20 {
				var parts []*Builder
				for _, i := range r.Perm(shards) {
					parts = append(parts, testkit.Must(ImportSecret(files[i]))(t))
				}
				for len(parts) > 1 { // any two, either way, through a file or not
					r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
					joined := merged(t, parts[0], parts[1])
					if trial%2 == 1 {
						joined = twin(t, joined)
					}
					parts = append(parts[2:], joined)
				}
				if !bytes.Equal(held(t, parts[0]), want) {
					t.Fatal("the shards are not the whole")
				}
				origins, _ := parted(exported(t, parts[0]))
				if len(origins) != 8+16*shards || set != nil && !bytes.Equal(origins, set) {
					t.Fatalf("the origins are %x, and were %x in another order", origins, set)
				}
				set = origins
			}
		})
	}
}

// Whatever is exported, imported, continued and merged: a merge is refused exactly if both sides
// hold a row in common, as told by a list of rows kept beside each builder.
func TestMergeRefusesExactlyRowsInCommon(t *testing.T) {
	type pair struct {
		b    *Builder
		rows map[uint64]bool
	}
	copied := func(rows map[uint64]bool) map[uint64]bool {
		out := map[uint64]bool{}
		for row := range rows {
			out[row] = true
		}
		return out
	}
	for name, p := range everyUnit() {
		r, next, yes, no := testkit.Rand(17), uint64(0), 0, 0
		pool := make([]pair, 6)
		renew := func(i int) { pool[i] = pair{testkit.Must(NewBuilder(p.params()))(t), map[uint64]bool{}} }
		for i := range pool {
			renew(i)
		}
		for range testkit.Size(1200, 20000) {
			i, j := r.IntN(len(pool)), r.IntN(len(pool))
			switch r.IntN(5) {
			case 0, 1:
				next++
				put(t, pool[i].b, r.IntN(max(p.Heads, 1)), 1, next)
				pool[i].rows[next] = true
			case 2:
				if i != j {
					pool[j] = pair{twin(t, pool[i].b), copied(pool[i].rows)}
				}
			case 3:
				if r.IntN(4) == 0 {
					renew(i)
				}
			case 4:
				if i == j {
					continue
				}
				common := false
				for row := range pool[j].rows {
					common = common || pool[i].rows[row]
				}
				if common {
					refused(t, name, pool[i].b, pool[j].b)
					no++
					continue
				}
				merged(t, pool[i].b, pool[j].b)
				for row := range pool[j].rows {
					pool[i].rows[row] = true
				}
				if d := testkit.Must(pool[i].b.Diagnostics())(t); d.Rows != uint64(len(pool[i].rows)) {
					t.Fatalf("%s: %d rows of %d", name, d.Rows, len(pool[i].rows))
				}
				renew(j)
				yes++
			}
		}
		if yes < 20 || no < 20 {
			t.Errorf("%s: %d merges, %d refused; too few to tell", name, yes, no)
		}
	}
}

// An origin is drawn for rows, once, when they leave: not to say how large the partial is, not for
// nothing, and for rows of whatever outcome and head.
func TestWhenAnOriginIsDrawn(t *testing.T) {
	for name, p := range everyUnit() {
		b := shard(t, p, 1)
		size, err := b.ExportSecret(nil)
		if fault.CodeOf(err) != fault.BufferTooSmall || b.origins != nil {
			t.Errorf("%s: %v; asking for the size drew %x", name, err, b.origins)
		}
		file := exported(t, b)
		if len(file) != size || len(b.origins) != 1 || b.origins[0] == (origin{}) {
			t.Errorf("%s: %d bytes, announced were %d; origins %x", name, len(file), size, b.origins)
		}
		if !bytes.Equal(exported(t, b), file) {
			t.Errorf("%s: another export of the same builder has other bytes", name)
		}
		other := shard(t, p, 1)
		if !bytes.Equal(held(t, b), held(t, other)) || b.origins[0] == other.origins[0] {
			t.Errorf(
				"%s: of two builders with the same rows, origins %x and %x, the partials must differ in these alone",
				name, b.origins, other.origins)
		}
		if err := other.Merge(b); err != nil || b.origins != nil || len(other.origins) != 2 {
			t.Errorf("%s: %v; the consumed builder has origins %x", name, err, b.origins)
		}
		if other.Wipe(); other.origins != nil {
			t.Errorf("%s: a wiped builder has origins %x", name, other.origins)
		}
	}
	// A row that counts as zero is a row: with REPLACE its number is public.
	p := smallParams()
	nothing := testkit.Must(NewBuilder(p.params()))(t)
	if err := nothing.Add(0, testkit.Dense(1, 5, []float64{math.NaN(), 0, 0, 0, 0}).View(),
		testkit.Zeros(1, 3).View(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if exported(t, nothing); len(nothing.origins) != 1 {
		t.Errorf("a row of NaN has %d origins", len(nothing.origins))
	}
}

// Without randomness no partial with rows leaves, nothing is written, and the builder stays as it
// was. One that has its origin needs none.
func TestOriginFailsClosed(t *testing.T) {
	for name, p := range everyUnit() {
		b, empty := shard(t, p, 1), testkit.Must(NewBuilder(p.params()))(t)
		size, _ := b.ExportSecret(nil)
		named := shard(t, p, 2)
		exported(t, named)
		func() {
			defer func(kernel io.Reader) { rand.Reader = kernel }(rand.Reader)
			for _, left := range []int{0, 1, 15} {
				rand.Reader = &failing{left}
				dst := bytes.Repeat([]byte{7}, size)
				n, err := b.ExportSecret(dst)
				if n != 0 || fault.CodeOf(err) != fault.Entropy || !bytes.Equal(dst, bytes.Repeat([]byte{7}, size)) ||
					b.origins != nil {
					t.Errorf("%s, %d bytes of randomness: %d, %v, origins %x", name, left, n, err, b.origins)
				}
				exported(t, named)
				exported(t, empty)
			}
		}()
		if exported(t, b); len(b.origins) != 1 {
			t.Errorf("%s: origins %x", name, b.origins)
		}
	}
}

// A release is the same whether its builder ever had an origin: origins are no part of any
// mechanism.
func TestReleasesCarryNoOrigin(t *testing.T) {
	b, c := shard(t, smallParams(), 1), shard(t, smallParams(), 1)
	exported(t, b)
	name := b.origins[0]
	file := saved(t, silent(t, b))
	if !bytes.Equal(file, saved(t, silent(t, c))) || bytes.Contains(file, name[:4]) {
		t.Error("a release depends on the origin of its builder")
	}
}

// many is n origins in ascending order, of which no two calls with different tags have one in
// common.
func many(n int, tag byte) origins {
	s := make(origins, n)
	for i := range s {
		binary.BigEndian.PutUint64(s[i][:], uint64(i))
		s[i][15] = tag
	}
	return s
}

// As many origins as the limit allows work; one more is refused, and both builders stay as they
// were.
func TestOriginsLimit(t *testing.T) {
	p := smallParams()
	full, one, last := shard(t, p, 1), shard(t, p, 2), shard(t, p, 3)
	full.origins, one.origins, last.origins = many(maxOrigins-1, 1), many(1, 2), many(1, 3)
	merged(t, full, last)
	if !slices.IsSortedFunc(full.origins, origin.compare) || len(full.origins) != maxOrigins {
		t.Fatalf("%d origins", len(full.origins))
	}
	before := [2][]byte{exported(t, full), exported(t, one)}
	for _, way := range [][2]*Builder{{full, one}, {one, full}} {
		if err := way[0].Merge(way[1]); fault.CodeOf(err) != fault.Limit || !strings.HasPrefix(err.Error(), "from: ") {
			t.Errorf("one origin too many: %v", err)
		}
		if !bytes.Equal(exported(t, full), before[0]) || !bytes.Equal(exported(t, one), before[1]) {
			t.Error("a merge over the limit changed a builder")
		}
	}
	if again := testkit.Must(ImportSecret(before[0]))(t); !slices.Equal(again.origins, full.origins) {
		t.Error("as many origins as the limit allows do not survive a file")
	}
	refused(t, "one in common, and over the limit", full, testkit.Must(ImportSecret(before[0]))(t))
}

// Sets of origins that no builder can have are refused, behind a right checksum too; and a number
// of them, however large, makes nothing be allocated that is not in the file.
func TestOriginsInFiles(t *testing.T) {
	for name, p := range everyUnit() {
		set := many(3, 1)
		b := shard(t, p, 1)
		b.origins = set
		_, body := parted(exported(t, b))
		_, empty := parted(exported(t, testkit.Must(NewBuilder(p.params()))(t)))
		file := func(n uint64, set origins, body []byte) []byte {
			var w wire.Writer
			w.Begin(wire.Partial)
			w.U64(n)
			for _, o := range set {
				w.Raw(o[:])
			}
			w.Raw(body)
			w.Seal()
			return w.Buf
		}
		for i, c := range []struct {
			data []byte
			code fault.Code
		}{
			{file(3, set, body), fault.OK},
			{file(1, set[:1], body), fault.OK},
			{file(0, nil, empty), fault.OK},
			{file(0, nil, body), fault.Corrupt},      // rows that anybody could merge twice
			{file(1, set[:1], empty), fault.Corrupt}, // origins of no rows
			{file(3, origins{set[0], set[2], set[1]}, body), fault.Corrupt},
			{file(3, origins{set[0], set[1], set[1]}, body), fault.Corrupt},
			{file(2, set, body), fault.Corrupt},
			{file(4, set, nil), fault.Corrupt},
			{file(maxOrigins, set, nil), fault.Corrupt},
			{file(maxOrigins+1, set, body), fault.Limit},
			{file(1<<60, set, body), fault.Limit}, // times 16 it is 0
			{file(math.MaxUint64, set, body), fault.Limit},
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := ImportSecret(c.data)
			runtime.ReadMemStats(&after)
			if code := fault.CodeOf(err); code != c.code && !(c.code == fault.Corrupt && code == fault.Unsupported) {
				t.Errorf("%s, file %d: %v", name, i, err)
			}
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<20 {
				t.Errorf("%s, file %d: %d bytes were allocated for one of %d", name, i, allocated, len(c.data))
			}
		}
		var none wire.Writer
		none.Begin(wire.Partial)
		none.Seal()
		if _, err := ImportSecret(none.Buf); fault.CodeOf(err) != fault.Corrupt {
			t.Errorf("%s, a file that ends before its origins: %v", name, err)
		}
	}
}
