package core

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/big"
	random "math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"dpattn/core/codebook"
	"dpattn/core/fault"
	"dpattn/core/mechanism"
	"dpattn/core/moment"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
	"dpattn/tests/testkit"
)

// units are the parameters of smallParams with every kind of unit, rows and owners by both rules,
// of both Gaussian mechanisms.
func units() map[string]settings {
	all := momentUnits()
	for name, p := range momentUnits() {
		p.Mechanism, p.Degree, p.QueryBound = codebook.Number, 0, 0
		p.Cells, p.Codebook = 6, testkit.Ball(testkit.Rand(77), 6, p.KeyDim, 1).Data
		all["codebook, "+name] = p
	}
	return all
}

// momentUnits are those of the moment release.
func momentUnits() map[string]settings {
	rows, most, clipped := smallParams(), smallParams(), smallParams()
	most.OwnerRows = 3
	clipped.OwnerRows, clipped.OwnerBound = 5, 1.5
	return map[string]settings{"rows": rows, "owners of 3 rows": most, "owners of norm 1.5": clipped}
}

func smallParams() settings {
	return settings{
		KeyDim:     5,
		ValueDim:   3,
		Degree:     3,
		Adjacency:  AddRemove,
		KeyBound:   1,
		ValueBound: 2,
		QueryBound: 2,
		Scale:      1,
	}
}

// Promise 3: the exact sums, and the state that comes of them, are the same bits for every
// chunking, order, number of threads and split into partials; with rows and with owners as units.
// 1,000 orders and 1 to 64 partials at full size.
func TestSumsDoNotDependOnTheWay(t *testing.T) {
	const n = 1003
	k, v := testkit.Ball(testkit.Rand(1), n, 5, 1.3), testkit.Ball(testkit.Rand(2), n, 3, 2.5)
	ids := make([]uint64, n)
	for i := range ids {
		ids[i] = testkit.Rand(uint64(i)).Uint64N(200)
	}
	for name, p := range units() {
		t.Run(name, func(t *testing.T) {
			add := func(b *Builder, lo, hi int, order []int) {
				t.Helper()
				kk, vv := testkit.Zeros(hi-lo, 5), testkit.Zeros(hi-lo, 3)
				var owners []uint64
				for i := lo; i < hi; i++ {
					from := i
					if order != nil {
						from = order[i]
					}
					copy(kk.Row(i-lo), k.Row(from))
					copy(vv.Row(i-lo), v.Row(from))
					if p.OwnerRows > 0 {
						owners = append(owners, ids[from])
					}
				}
				// Every second call is a cancellable one, which takes another way inside.
				var progress *Progress
				if lo%2 == 1 {
					progress = &Progress{Report: func(done, total uint64) bool { return true }}
				}
				if err := b.Add(0, kk.View(), vv.View(), owners, progress); err != nil {
					t.Fatal(err)
				}
			}
			whole := testkit.Must(NewBuilder(p.params()))(t)
			add(whole, 0, n, nil)
			want := held(t, whole)
			state := silent(t, whole).State()
			check := func(how string, b *Builder) {
				t.Helper()
				if !bytes.Equal(held(t, b), want) || !slices.Equal(silent(t, b).State(), state) {
					t.Errorf("%s: other bits", how)
				}
			}
			for _, size := range []int{1, 7, 256, 300} {
				b := testkit.Must(NewBuilder(p.params()))(t)
				for lo := 0; lo < n; lo += size {
					add(b, lo, min(lo+size, n), nil)
				}
				check(fmt.Sprint("chunks of ", size), b)
			}
			for seed := range uint64(testkit.Size(20, 1000)) {
				b := testkit.Must(NewBuilder(p.params()))(t)
				add(b, 0, n, testkit.Rand(seed).Perm(n))
				check(fmt.Sprint("order ", seed), b)
			}
			for _, threads := range []int{1, 2, 3, 16} {
				if err := SetThreads(threads); err != nil {
					t.Fatal(err)
				}
				b := testkit.Must(NewBuilder(p.params()))(t)
				add(b, 0, n, nil)
				check(fmt.Sprint(threads, " threads"), b)
			}
			_ = SetThreads(0)
			for shards := 1; shards <= 64; shards += testkit.Size(21, 1) {
				b := testkit.Must(NewBuilder(p.params()))(t)
				order := testkit.Rand(99).Perm(n)
				for s := range shards {
					part := testkit.Must(NewBuilder(p.params()))(t)
					add(part, n*s/shards, n*(s+1)/shards, order)
					part = testkit.Must(ImportSecret(exported(t, part)))(t)
					if err := b.Merge(part); err != nil {
						t.Fatal(err)
					}
				}
				check(fmt.Sprint(shards, " partials"), b)
			}
		})
	}
}

// Promise 10: an owner with 10,000 rows moves the state by at most the owner bound, and near it, by
// either rule.
func TestOwnerBound(t *testing.T) {
	for _, c := range []struct {
		rows          int
		bound, least  float64 // least: the part of the squared bound that the worst rows must reach
		kept, clipped uint64
	}{
		{4, 0, 0.98, 4, 0},
		{20000, 4, 0.999999, 10000, 1},
		{20000, 0.25, 0.99999, 10000, 1},
		{10, 7.5, 0.999999, 10, 1},
		{4, 4, 0.98, 4, 0},
	} {
		p := smallParams()
		p.OwnerRows, p.OwnerBound = c.rows, c.bound
		moved, squared := worstOwner(t, p, c.kept, c.clipped)
		if moved.Cmp(squared) > 0 {
			t.Errorf("%d rows, bound %v: an owner moves the state by %v, over the squared bound %v", c.rows, c.bound,
				moved, squared)
		}
		if ratio, _ := new(big.Rat).SetFrac(moved, squared).Float64(); ratio < c.least {
			t.Errorf("%d rows, bound %v: the worst owner moves the state by %v of the squared bound", c.rows, c.bound,
				ratio)
		}
	}
}

// worstOwner returns by how much 10,000 rows of one owner, all the worst one, move the state,
// squared, and the squared sensitivity.
func worstOwner(t *testing.T, p settings, kept, clipped uint64) (moved, squared *big.Int) {
	const n = 10000
	// All rows of the owner equal the worst one: aligned contributions of full length.
	k, v := testkit.Zeros(n, 5), testkit.Zeros(n, 3)
	for i := range n {
		k.Row(i)[0], v.Row(i)[0] = 1, 2
	}
	owner := make([]uint64, n)
	with := testkit.Must(NewBuilder(p.params()))(t)
	if err := with.Add(0, k.View(), v.View(), owner, nil); err != nil {
		t.Fatal(err)
	}
	if d, _ := with.Diagnostics(); d.Rows != n || d.RowsDropped != n-kept || d.Owners != 1 ||
		d.OwnersClipped != clipped {
		t.Fatalf("diagnostics %+v", d)
	}
	a := silent(t, with)
	return distance2(a.State(), make([]int64, len(a.State()))), squaredOf(t, a.mechanism)
}

// distance2 is the exact squared distance of two states.
func distance2(a, b []int64) *big.Int {
	sum := new(big.Int)
	for i, x := range a {
		d := big.NewInt(x - b[i])
		sum.Add(sum, d.Mul(d, d))
	}
	return sum
}

// An owner is replaced by another one, or comes and goes, among others: the state moves by at most
// the sensitivity, for owners of all kinds: similar rows, opposite values, rows that cancel, few,
// many, hostile ones. And some pairs come near the bound, so that one a little smaller would be
// found out.
func TestReplacedOwners(t *testing.T) {
	r := testkit.Rand(90)
	for _, c := range []struct {
		rows         int
		bound, least float64
	}{{6, 0, 0.95}, {40, 2.5, 0.98}, {40, 0.5, 0.98}} {
		for _, adjacency := range []Adjacency{AddRemove, Replace} {
			p := smallParams()
			p.OwnerRows, p.OwnerBound, p.Adjacency = c.rows, c.bound, adjacency
			// Values count for most of the norm: opposite owners are nearly twice the bound apart.
			p.Lambda = p.ValueBound / 16
			m := testkit.Must(newMechanism(p.params()))(t)
			bound, largest := squaredOf(t, m), 0.0
			for trial := range testkit.Size(60, 5000) {
				rest, restValues := testkit.Ball(r, 30, 5, 1.2), testkit.Ball(r, 30, 3, 2.4)
				ids := make([]uint64, 30)
				for i := range ids {
					ids[i] = 1 + r.Uint64N(3)
				}
				state := func(k, v testkit.Matrix) []int64 {
					b := newBuilder(m, testkit.Must(m.NewSums())(t))
					if k.Rows > 0 {
						if err := b.Add(0, k.View(), v.View(), make([]uint64, k.Rows), nil); err != nil {
							t.Fatal(err)
						}
					}
					if err := b.Add(0, rest.View(), restValues.View(), ids, nil); err != nil {
						t.Fatal(err)
					}
					return exact(b)
				}
				k, v := owner(r, trial)
				before := state(k, v)
				after := []int64(nil)
				if adjacency == AddRemove {
					after = state(testkit.Zeros(0, 5), testkit.Zeros(0, 3))
				} else if trial%2 == 0 { // the opposite owner
					for i := range v.Data {
						v.Data[i] *= -1
					}
					after = state(k, v)
				} else {
					after = state(owner(r, r.IntN(100)))
				}
				moved := distance2(before, after)
				if moved.Cmp(bound) > 0 {
					t.Fatalf("%v, %d rows, bound %v, trial %d: the state moved by %v, more than %v", adjacency, c.rows,
						c.bound, trial, moved, bound)
				}
				ratio, _ := new(big.Rat).SetFrac(moved, bound).Float64()
				largest = max(largest, ratio)
			}
			t.Logf("%v, %d rows, bound %v: up to %.4f of the squared bound", adjacency, c.rows, c.bound, largest)
			if largest < c.least {
				t.Errorf("%v, %d rows, bound %v: no pair came closer than %v to the squared bound", adjacency, c.rows,
					c.bound, largest)
			}
		}
	}
}

// owner draws the rows of one owner.
func owner(r *random.Rand, kind int) (k, v testkit.Matrix) {
	n := 1 + r.IntN(50)
	k, v = testkit.Ball(r, n, 5, 1.5), testkit.Ball(r, n, 3, 3)
	for i := range n {
		switch kind % 5 {
		case 0, 1: // all alike, at the bounds
			copy(k.Row(i), k.Row(0))
			copy(v.Row(i), v.Row(0))
		case 2: // values cancel
			copy(k.Row(i), k.Row(0))
			for j := range v.Row(i) {
				v.Row(i)[j] = v.Row(0)[j] * float64(1-2*(i%2))
			}
		case 3:
			v.Row(i)[0] = []float64{math.NaN(), 1e308, 5e-324, -1}[i%4]
		}
	}
	return k, v
}

// A row of NaN or Inf is no error, contributes zero and is counted; finite rows of any size are
// scaled to the bounds.
func TestHostileRows(t *testing.T) {
	const n = 10000
	k, v := testkit.Zeros(n, 5), testkit.Zeros(n, 3)
	poison := []float64{math.NaN(), math.Inf(1), math.Inf(-1)}
	mild := []float64{5e-324, -1e-310, 1e308, -1e308, 0, math.Copysign(0, -1), 1}
	r := testkit.Rand(4)
	for i := range n {
		for j := range k.Row(i) {
			k.Row(i)[j] = mild[r.IntN(len(mild))]
		}
		for j := range v.Row(i) {
			v.Row(i)[j] = mild[r.IntN(len(mild))]
		}
		if i%2 == 0 {
			k.Row(i)[r.IntN(5)] = poison[i/2%3]
		} else {
			v.Row(i)[r.IntN(3)] = poison[i/2%3]
		}
	}
	b := built(t, smallParams(), k, v)
	if d, _ := b.Diagnostics(); d.Rows != n || d.RowsZeroed != n {
		t.Errorf("diagnostics %+v; all rows must be zeroed", d)
	}
	for i, x := range exact(b) {
		if x != 0 {
			t.Fatalf("entry %d is %d; rows of NaN and Inf must contribute zero", i, x)
		}
	}
	huge, one := testkit.Zeros(1, 5), testkit.Zeros(1, 3)
	huge.Row(0)[2], one.Row(0)[1] = 1e308, -1e308
	unit, minus := testkit.Zeros(1, 5), testkit.Zeros(1, 3)
	unit.Row(0)[2], minus.Row(0)[1] = 1, -2
	p := smallParams()
	p.Rotation = moment.NoRotation // its rounding may differ in the last bit
	a, c := built(t, p, huge, one), built(t, p, unit, minus)
	want := exact(c)
	for i, x := range exact(a) {
		if x != want[i] {
			t.Fatalf("entry %d: a row of 1e308 must count as the row of the same direction at the bounds", i)
		}
	}
	if d, _ := a.Diagnostics(); d.KeysClipped != 1 || d.ValuesClipped != 1 {
		t.Errorf("diagnostics %+v; key and value were clipped", d)
	}
}

// A cancelled Add or Release changes nothing.
func TestCancel(t *testing.T) {
	for _, p := range units() {
		const n = 5000 // several batches
		k, v := testkit.Ball(testkit.Rand(5), n, 5, 1), testkit.Ball(testkit.Rand(6), n, 3, 2)
		var owners []uint64
		if p.OwnerRows > 0 {
			owners = make([]uint64, n)
		}
		b := testkit.Must(NewBuilder(p.params()))(t)
		if err := b.Add(0, k.View(), v.View(), owners, nil); err != nil {
			t.Fatal(err)
		}
		add := func(stop int) (calls int, err error) {
			err = b.Add(0, k.View(), v.View(), owners,
				&Progress{Report: func(done, total uint64) bool { calls++; return calls <= stop }})
			return calls, err
		}
		calls, err := add(1 << 30)
		if err != nil || calls < 2 {
			t.Fatalf("%d calls, %v", calls, err)
		}
		want := exported(t, b)
		for stop := range calls {
			if _, err := add(stop); fault.CodeOf(err) != fault.Cancelled {
				t.Fatalf("stopped at call %d: %v", stop, err)
			}
			if !bytes.Equal(exported(t, b), want) {
				t.Fatalf("stopped at call %d: the builder changed", stop)
			}
		}
		_, err = b.Release(someBudget, &Progress{Report: func(done, total uint64) bool { return done < total }})
		if fault.CodeOf(err) != fault.Cancelled || !bytes.Equal(exported(t, b), want) {
			t.Fatalf("a cancelled release must leave the builder as it was: %v", err)
		}
		if _, err := b.Release(someBudget, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// Promise 7: no randomness, no output; the builder stays as it was and can be released later. The
// kernel's reader fails at once, after the id, amid the seed of the noise, at the second head's;
// for every kind of unit.
func TestEntropyFailure(t *testing.T) {
	for name, p := range units() {
		p.Heads, p.Codebook = 2, append(p.Codebook, p.Codebook...)
		m := testkit.Must(newMechanism(p.params()))(t)
		b := with(t, m, someRecords(testkit.Rand(7), m, 50, func() uint64 { return 1 }))
		want := exported(t, b)
		for _, left := range []int{0, 1, 15, 16, 17, 63, 64, 100, 111} {
			r, err := func() (*Release, error) {
				defer func(kernel io.Reader) { rand.Reader = kernel }(rand.Reader)
				rand.Reader = &failing{left}
				return b.Release(someBudget, nil)
			}()
			if r != nil || fault.CodeOf(err) != fault.Entropy {
				t.Fatalf("%s, %d bytes of randomness: %v, %v", name, left, r, err)
			}
			if !bytes.Equal(exported(t, b), want) {
				t.Fatalf("%s, %d bytes of randomness: the builder changed", name, left)
			}
		}
		if _, err := b.Release(someBudget, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// failing is a reader that fails after so many bytes.
type failing struct{ left int }

func (f *failing) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, errors.New("broken")
	}
	n := min(f.left, len(p))
	f.left -= n
	return n, nil
}

// Promise 12: after release the secret memory is zero and the builder answers nothing.
func TestReleaseConsumesAndWipes(t *testing.T) {
	for _, p := range units() {
		b := testkit.Must(NewBuilder(p.params()))(t)
		k, v := testkit.Ball(testkit.Rand(9), 300, 5, 1), testkit.Ball(testkit.Rand(10), 300, 3, 1)
		var owners []uint64
		if p.OwnerRows > 0 {
			owners = make([]uint64, 300)
		}
		if err := b.Add(0, k.View(), v.View(), owners, nil); err != nil {
			t.Fatal(err)
		}
		secret := map[uintptr][]byte{}
		for _, name := range []string{"heads", "exact", "owners"} {
			if field := reflect.ValueOf(b.sums).Elem().FieldByName(name); field.IsValid() {
				maps.Copy(secret, numbers(field))
			}
		}
		for first := range numbers(reflect.ValueOf(b.mechanism)) {
			delete(secret, first)
		}
		if !slices.ContainsFunc(slices.Concat(slices.Collect(maps.Values(secret))...), notZero) {
			t.Fatal("the secret half has no numbers: this test sees nothing")
		}
		if _, err := b.Release(someBudget, nil); err != nil {
			t.Fatal(err)
		}
		for _, memory := range secret {
			if slices.ContainsFunc(memory, notZero) {
				t.Fatal("numbers of the secret half were not wiped")
			}
		}
		_, releaseErr := b.Release(someBudget, nil)
		_, exportErr := b.ExportSecret(nil)
		_, diagnosticsErr := b.Diagnostics()
		fresh := testkit.Must(NewBuilder(p.params()))(t)
		for i, err := range []error{releaseErr, exportErr, diagnosticsErr,
			b.Add(0, k.View(), v.View(), owners, nil), b.Merge(fresh), fresh.Merge(b)} {
			if fault.CodeOf(err) != fault.Consumed {
				t.Errorf("call %d on a released builder: %v", i, err)
			}
		}
	}
}

// A panic half-way through the sums wipes the builder: it must not be released with a sum of
// unknown sensitivity.
func TestPanicWipes(t *testing.T) {
	b := built(t, smallParams(), testkit.Ball(testkit.Rand(11), 10, 5, 1), testkit.Ball(testkit.Rand(12), 10, 3, 1))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = b.Release(someBudget, &Progress{Report: func(done, total uint64) bool { panic("bug") }})
	}()
	if _, err := b.Release(someBudget, nil); fault.CodeOf(err) != fault.Consumed {
		t.Errorf("after a panic: %v", err)
	}
}

func TestBadParams(t *testing.T) {
	nan := math.NaN()
	for name, change := range map[string]func(*settings){
		"params.adjacency":    func(p *settings) { p.Adjacency = 0 },
		"params.key_bound":    func(p *settings) { p.KeyBound = nan },
		"params.value_bound":  func(p *settings) { p.ValueBound = 0 },
		"params.query_bound":  func(p *settings) { p.QueryBound = math.Inf(1) },
		"params.scale":        func(p *settings) { p.Scale = -1 },
		"params.lambda":       func(p *settings) { p.Lambda = 1e9 },
		"params.key_dim":      func(p *settings) { p.KeyDim = 0 },
		"params.value_dim":    func(p *settings) { p.ValueDim = -1 },
		"params.heads":        func(p *settings) { p.Heads = 1 << 20 },
		"params.degree":       func(p *settings) { p.Degree = 9 },
		"params.owner_rows":   func(p *settings) { p.OwnerRows = -1 },
		"params.owner_bound":  func(p *settings) { p.OwnerBound = 1 },
		"params.center":       func(p *settings) { p.Center = []float64{1} },
		"params.center[1]":    func(p *settings) { p.Center = []float64{0, nan, 0, 0, 0} },
		"params.head_weights": func(p *settings) { p.HeadWeights = []float64{1, 2} },
		"logit":               func(p *settings) { p.QueryBound = 1000 },
		"params.polynomial":   func(p *settings) { p.Polynomial = 7 },
		"params.rotation":     func(p *settings) { p.Rotation = 7 },
		"params.mechanism":    func(p *settings) { p.Mechanism = 7 },
		"params.range":        func(p *settings) { p.Range = 1 },
	} {
		p := smallParams()
		change(&p)
		_, err := newSettings(p)
		if code := fault.CodeOf(err); code != fault.InvalidArgument && code != fault.Unsupported ||
			!bytes.Contains([]byte(err.Error()), []byte(name)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	p := smallParams()
	p.KeyDim, p.Degree = 60000, 3
	if _, err := NewBuilder(p.params()); fault.CodeOf(err) != fault.OutOfMemory ||
		!bytes.Contains([]byte(err.Error()), []byte("bytes")) {
		t.Errorf("a state that fits no memory: %v", err)
	}
}

func TestBadCalls(t *testing.T) {
	p := smallParams()
	p.Heads = 2
	b := testkit.Must(NewBuilder(p.params()))(t)
	k, v := testkit.Zeros(4, 5), testkit.Zeros(4, 3)
	for i, c := range []struct {
		head   int
		k, v   tensor.Tensor
		owners []uint64
		name   string
	}{
		{2, k.View(), v.View(), nil, "head"},
		{-2, k.View(), v.View(), nil, "head"},
		{AllHeads, k.View(), v.View(), nil, "keys.ndim"},
		{0, v.View(), v.View(), nil, "keys.shape[1]"},
		{0, k.View(), k.View(), nil, "values.shape[1]"},
		{0, k.View(), v.Slice(0, 3).View(), nil, "values.shape[0]"},
		{0, k.View(), v.View(), make([]uint64, 4), "owners"},
		{0, tensor.Tensor{DType: 9, NDim: 2}, v.View(), nil, "keys.dtype"},
		{0, k.View(), tensor.Tensor{DType: tensor.F32, NDim: 2, Shape: [3]int{4, 3}}, nil, "values.data"},
	} {
		err := b.Add(c.head, c.k, c.v, c.owners, nil)
		if fault.CodeOf(err) != fault.InvalidArgument || !bytes.HasPrefix([]byte(err.Error()), []byte(c.name)) {
			t.Errorf("call %d: got %v; the message must begin with %s", i, err, c.name)
		}
	}
	for _, budget := range []privacy.Budget{{Epsilon: 0, Delta: 1e-5}, {Epsilon: -1, Delta: 1e-5},
		{Epsilon: 1, Delta: 0}, {Epsilon: 1, Delta: 1}, {Epsilon: math.NaN(), Delta: 1e-5},
		{Epsilon: 1, Delta: math.NaN()}, {Epsilon: math.Inf(1), Delta: 1e-5}} {
		if _, err := b.Release(budget, nil); fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("budget %+v: got %v", budget, err)
		}
	}
	if _, err := b.Release(privacy.Budget{Epsilon: 1e-12, Delta: 1e-14}, nil); fault.CodeOf(err) != fault.Limit {
		t.Errorf("an epsilon too small for the grid: %v", err)
	}
	if err := b.Merge(b); fault.CodeOf(err) != fault.InvalidArgument {
		t.Errorf("merge with itself: %v", err)
	}
	p.KeyBound = 2
	if err := b.Merge(testkit.Must(NewBuilder(p.params()))(t)); fault.CodeOf(err) != fault.Mismatch {
		t.Errorf("merge of different parameters: %v", err)
	}
	if _, err := b.Release(someBudget, nil); err != nil {
		t.Errorf("after all these errors the builder must still work: %v", err)
	}
}

// Reports of a release's progress, their number and what they say, are the same whatever rows and
// owners there are; and they end at their total.
func TestProgressHidesRows(t *testing.T) {
	for name, p := range everyUnit() {
		var want [][2]uint64
		for _, rows := range []int{0, 1, 10, 11, 1000} {
			b := testkit.Must(NewBuilder(p.params()))(t)
			var owners []uint64
			for i := range rows {
				owners = append(owners, uint64(i/3))
			}
			if p.OwnerRows == 0 {
				owners = nil
			}
			head := b.mechanism.Params().Heads - 1
			if err := b.Add(head, testkit.Ball(testkit.Rand(1), rows, p.KeyDim, 1).View(),
				testkit.Ball(testkit.Rand(2), rows, p.ValueDim, 1).View(), owners, nil); err != nil {
				t.Fatal(err)
			}
			last, reports := uint64(0), [][2]uint64{}
			report := &Progress{Report: func(done, total uint64) bool {
				if done < last || done > total {
					t.Errorf("%s, %d rows: %d of %d after %d", name, rows, done, total, last)
				}
				last, reports = done, append(reports, [2]uint64{done, total})
				return true
			}}
			if _, err := b.Release(someBudget, report); err != nil {
				t.Fatal(err)
			}
			if end := reports[len(reports)-1]; end[0] != end[1] {
				t.Errorf("%s: the last report is %d of %d", name, end[0], end[1])
			}
			if want == nil {
				want = reports
			} else if !slices.Equal(reports, want) {
				t.Errorf("%s: %d reports with %d rows, %d with none, or others", name, len(reports), rows, len(want))
			}
		}
	}
}

// Errors say nothing of how many rows or owners a builder has.
func TestErrorsHideRows(t *testing.T) {
	for name, p := range everyUnit() {
		if p.OwnerRows == 0 {
			continue
		}
		var want string
		for _, n := range []int{0, 1, 50} {
			b := testkit.Must(NewBuilder(p.params()))(t)
			put(t, b, 0, n, 1)
			_, err := b.ExportSecret(make([]byte, 10))
			if fault.CodeOf(err) != fault.BufferTooSmall || want != "" && err.Error() != want {
				t.Errorf("%s, %d rows: %v, else %s", name, n, err, want)
			}
			want = err.Error()
		}
	}
	p := smallParams()
	m := testkit.Must(newMechanism(p.params()))(t)
	keys, values := testkit.Zeros(3, p.KeyDim).View(), testkit.Zeros(3, p.ValueDim).View()
	var want string
	for _, had := range []uint64{mechanism.MaxRows - 2, mechanism.MaxRows} {
		_, err := m.Params().CheckRows(0, keys, values, nil, func(int) uint64 { return had })
		if fault.CodeOf(err) != fault.Limit || want != "" && err.Error() != want {
			t.Errorf("%d rows: %v, else %s", had, err, want)
		}
		want = err.Error()
	}
}
