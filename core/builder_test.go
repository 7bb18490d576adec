package core

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"dpattn/core/fault"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

func smallParams() Params {
	return Params{KeyDim: 5, ValueDim: 3, Degree: 3, Adjacency: AddRemove, KeyBound: 1, ValueBound: 2, QueryBound: 2, Scale: 1}
}

// The exact sums are the same bits for every chunking, order, number of threads and split into partials; with rows and with owners as units.
func TestSumsDoNotDependOnTheWay(t *testing.T) {
	const n = 1003
	k, v := ball(rng(1), n, 5, 1.3), ball(rng(2), n, 3, 2.5)
	ids := make([]uint64, n)
	for i := range ids {
		ids[i] = rng(uint64(i)).Uint64N(200)
	}
	for _, ownerRows := range []int{0, 3} {
		t.Run(fmt.Sprint("owner_rows=", ownerRows), func(t *testing.T) {
			p := smallParams()
			p.OwnerRows = ownerRows
			add := func(b *Builder, lo, hi int, order []int) {
				t.Helper()
				kk, vv := zeros2(hi-lo, 5), zeros2(hi-lo, 3)
				var owners []uint64
				for i := lo; i < hi; i++ {
					from := i
					if order != nil {
						from = order[i]
					}
					copy(kk.row(i-lo), k.row(from))
					copy(vv.row(i-lo), v.row(from))
					if ownerRows > 0 {
						owners = append(owners, ids[from])
					}
				}
				// Every second call is a cancellable one, which takes another way inside.
				var progress *Progress
				if lo%2 == 1 {
					progress = &Progress{Report: func(done, total uint64) bool { return true }}
				}
				if err := b.Add(0, kk.view(), vv.view(), owners, progress); err != nil {
					t.Fatal(err)
				}
			}
			whole := must[*Builder](t)(NewBuilder(p))
			add(whole, 0, n, nil)
			want := exported(t, whole)
			check := func(how string, b *Builder) {
				t.Helper()
				if !bytes.Equal(exported(t, b), want) {
					t.Errorf("%s: other bits", how)
				}
			}
			for _, size := range []int{1, 7, 256, 300} {
				b := must[*Builder](t)(NewBuilder(p))
				for lo := 0; lo < n; lo += size {
					add(b, lo, min(lo+size, n), nil)
				}
				check(fmt.Sprint("chunks of ", size), b)
			}
			for seed := range uint64(20) {
				b := must[*Builder](t)(NewBuilder(p))
				add(b, 0, n, rng(seed).Perm(n))
				check(fmt.Sprint("order ", seed), b)
			}
			for _, threads := range []int{1, 2, 3, 16} {
				if err := SetThreads(threads); err != nil {
					t.Fatal(err)
				}
				b := must[*Builder](t)(NewBuilder(p))
				add(b, 0, n, nil)
				check(fmt.Sprint(threads, " threads"), b)
			}
			_ = SetThreads(0)
			for _, shards := range []int{1, 7, 64} {
				b := must[*Builder](t)(NewBuilder(p))
				order := rng(99).Perm(n)
				for s := range shards {
					part := must[*Builder](t)(NewBuilder(p))
					add(part, n*s/shards, n*(s+1)/shards, order)
					part = must[*Builder](t)(ImportSecret(exported(t, part)))
					if err := b.Merge(part); err != nil {
						t.Fatal(err)
					}
				}
				check(fmt.Sprint(shards, " partials"), b)
			}
		})
	}
}

// Promise 10: an owner with 10,000 rows moves the state by at most the owner bound, and keeps the same rows whatever else is there.
func TestOwnerBound(t *testing.T) {
	p := smallParams()
	p.OwnerRows = 4
	const n = 10000
	// All rows of the owner equal the worst one: aligned contributions of full length.
	k, v := zeros2(n, 5), zeros2(n, 3)
	for i := range n {
		k.row(i)[0], v.row(i)[0] = 1, 2
	}
	owner := make([]uint64, n)
	with := must[*Builder](t)(NewBuilder(p))
	if err := with.Add(0, k.view(), v.view(), owner, nil); err != nil {
		t.Fatal(err)
	}
	if d, _ := with.Diagnostics(); d.Rows != n || d.RowsDropped != n-4 || d.Owners != 1 {
		t.Fatalf("diagnostics %+v", d)
	}
	without := must[*Builder](t)(NewBuilder(p))
	a, b := silent(t, with), silent(t, without)
	squared := 0.0
	for i, x := range a.State() {
		squared += float64(x-b.State()[i]) * float64(x-b.State()[i])
	}
	bound, _ := stateOf(a).gaussian.sensitivity.Squared.Float64()
	if ratio := squared / bound; ratio > 1 || ratio < 0.98 {
		t.Errorf("an owner moves the state by %v of the squared bound; it must be below 1, and near it for the worst rows", ratio)
	}
}

// Promise 2: with the same randomness on neighbouring inputs, the outputs differ by exactly one unit's contribution, bit for bit.
func TestRecordReplay(t *testing.T) {
	const n = 40
	pairs := audit(100, 100000)
	r := rng(3)
	for trial := range pairs {
		p := smallParams()
		if trial%2 == 1 {
			p.Adjacency = Replace
		}
		k, v := ball(r, n, 5, 1.5), ball(r, n, 3, 3)
		switch trial % 5 {
		case 1:
			k.row(0)[1] = math.NaN()
		case 2:
			v.row(0)[0] = math.Inf(-1)
		case 3:
			k.row(0)[0] = 1e308
		}
		release := func(k, v matrix) *Release {
			return must[*Release](t)(built(t, p, k, v).release(someBudget, nil, recorded(uint64(trial)), constant(1)))
		}
		all, rest, alone := release(k, v), release(k.slice(1, n), v.slice(1, n)), silent(t, built(t, p, k.slice(0, 1), v.slice(0, 1)))
		for i, x := range all.State() {
			if x-rest.State()[i] != alone.State()[i] {
				t.Fatalf("trial %d: entry %d moved by %d, its contribution is %d", trial, i, x-rest.State()[i], alone.State()[i])
			}
		}
	}
}

// A row of NaN or Inf is no error, contributes zero and is counted; finite rows of any size are scaled to the bounds.
func TestHostileRows(t *testing.T) {
	const n = 10000
	k, v := zeros2(n, 5), zeros2(n, 3)
	poison := []float64{math.NaN(), math.Inf(1), math.Inf(-1)}
	mild := []float64{5e-324, -1e-310, 1e308, -1e308, 0, math.Copysign(0, -1), 1}
	r := rng(4)
	for i := range n {
		for j := range k.row(i) {
			k.row(i)[j] = mild[r.IntN(len(mild))]
		}
		for j := range v.row(i) {
			v.row(i)[j] = mild[r.IntN(len(mild))]
		}
		if i%2 == 0 {
			k.row(i)[r.IntN(5)] = poison[i/2%3]
		} else {
			v.row(i)[r.IntN(3)] = poison[i/2%3]
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
	huge, one := zeros2(1, 5), zeros2(1, 3)
	huge.row(0)[2], one.row(0)[1] = 1e308, -1e308
	unit, minus := zeros2(1, 5), zeros2(1, 3)
	unit.row(0)[2], minus.row(0)[1] = 1, -2
	p := smallParams()
	p.Rotation = NoRotation // its rounding may differ in the last bit
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
	for _, ownerRows := range []int{0, 2} {
		p := smallParams()
		p.OwnerRows = ownerRows
		const n = 5000 // several batches
		k, v := ball(rng(5), n, 5, 1), ball(rng(6), n, 3, 2)
		var owners []uint64
		if ownerRows > 0 {
			owners = make([]uint64, n)
		}
		b := must[*Builder](t)(NewBuilder(p))
		if err := b.Add(0, k.view(), v.view(), owners, nil); err != nil {
			t.Fatal(err)
		}
		add := func(stop int) (calls int, err error) {
			err = b.Add(0, k.view(), v.view(), owners, &Progress{Report: func(done, total uint64) bool { calls++; return calls <= stop }})
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

// Promise 7: no randomness, no output; the builder stays and can be released later.
func TestEntropyFailure(t *testing.T) {
	b := built(t, smallParams(), ball(rng(7), 50, 5, 1), ball(rng(8), 50, 3, 1))
	want := exported(t, b)
	broken := fault.New(fault.Entropy, "no randomness")
	r, err := b.release(someBudget, nil, func([]int64, uint64) error { return broken }, constant(1))
	if r != nil || fault.CodeOf(err) != fault.Entropy {
		t.Fatalf("got %v, %v", r, err)
	}
	r, err = b.release(someBudget, nil, silence, failing{})
	if r != nil || fault.CodeOf(err) != fault.Entropy {
		t.Fatalf("got %v, %v", r, err)
	}
	if !bytes.Equal(exported(t, b), want) {
		t.Fatal("the builder changed")
	}
	if _, err := b.Release(someBudget, nil); err != nil {
		t.Fatal(err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("broken") }

// Promise 12: after release the secret memory is zero and the builder answers nothing.
func TestReleaseConsumesAndWipes(t *testing.T) {
	for _, ownerRows := range []int{0, 2} {
		p := smallParams()
		p.OwnerRows = ownerRows
		b := must[*Builder](t)(NewBuilder(p))
		k, v := ball(rng(9), 300, 5, 1), ball(rng(10), 300, 3, 1)
		var owners []uint64
		if ownerRows > 0 {
			owners = make([]uint64, 300)
		}
		if err := b.Add(0, k.view(), v.view(), owners, nil); err != nil {
			t.Fatal(err)
		}
		secret := sumsOf(b)
		sums := secret.heads[0].sums
		var kept [][]int16
		if o := secret.heads[0].owners; o != nil {
			for _, rows := range o.rows {
				for _, row := range *rows {
					kept = append(kept, row.data)
				}
			}
		}
		if _, err := b.Release(someBudget, nil); err != nil {
			t.Fatal(err)
		}
		if sums != nil {
			left := make([]int64, secret.gaussian.stateLen())
			sums.AddTo(left)
			if slices.Max(left) != 0 || slices.Min(left) != 0 {
				t.Fatal("sums were not wiped")
			}
		}
		for _, row := range kept {
			for _, x := range row {
				if x != 0 {
					t.Fatal("kept rows were not wiped")
				}
			}
		}
		_, releaseErr := b.Release(someBudget, nil)
		_, exportErr := b.ExportSecret(nil)
		_, diagnosticsErr := b.Diagnostics()
		fresh := must[*Builder](t)(NewBuilder(p))
		for i, err := range []error{releaseErr, exportErr, diagnosticsErr, b.Add(0, k.view(), v.view(), owners, nil), b.Merge(fresh), fresh.Merge(b)} {
			if fault.CodeOf(err) != fault.Consumed {
				t.Errorf("call %d on a released builder: %v", i, err)
			}
		}
	}
}

// A panic half-way through the sums wipes the builder: it must not be released with a sum of unknown sensitivity.
func TestPanicWipes(t *testing.T) {
	b := built(t, smallParams(), ball(rng(11), 10, 5, 1), ball(rng(12), 10, 3, 1))
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
	for name, change := range map[string]func(*Params){
		"params.adjacency":    func(p *Params) { p.Adjacency = 0 },
		"params.key_bound":    func(p *Params) { p.KeyBound = nan },
		"params.value_bound":  func(p *Params) { p.ValueBound = 0 },
		"params.query_bound":  func(p *Params) { p.QueryBound = math.Inf(1) },
		"params.scale":        func(p *Params) { p.Scale = -1 },
		"params.lambda":       func(p *Params) { p.Lambda = 1e9 },
		"params.key_dim":      func(p *Params) { p.KeyDim = 0 },
		"params.value_dim":    func(p *Params) { p.ValueDim = -1 },
		"params.heads":        func(p *Params) { p.Heads = 1 << 20 },
		"params.degree":       func(p *Params) { p.Degree = 9 },
		"params.owner_rows":   func(p *Params) { p.OwnerRows = -1 },
		"params.center":       func(p *Params) { p.Center = []float64{1} },
		"params.center[1]":    func(p *Params) { p.Center = []float64{0, nan, 0, 0, 0} },
		"params.head_weights": func(p *Params) { p.HeadWeights = []float64{1, 2} },
		"logit":               func(p *Params) { p.QueryBound = 1000 },
		"params.polynomial":   func(p *Params) { p.Polynomial = 7 },
		"params.rotation":     func(p *Params) { p.Rotation = 7 },
		"params.mechanism":    func(p *Params) { p.Mechanism = 7 },
	} {
		p := smallParams()
		change(&p)
		_, err := NewBuilder(p)
		if code := fault.CodeOf(err); code != fault.InvalidArgument && code != fault.Unsupported || !bytes.Contains([]byte(err.Error()), []byte(name)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	p := smallParams()
	p.KeyDim, p.Degree = 60000, 3
	if _, err := NewBuilder(p); fault.CodeOf(err) != fault.OutOfMemory || !bytes.Contains([]byte(err.Error()), []byte("bytes")) {
		t.Errorf("a state that fits no memory: %v", err)
	}
}

func TestBadCalls(t *testing.T) {
	p := smallParams()
	p.Heads = 2
	b := must[*Builder](t)(NewBuilder(p))
	k, v := zeros2(4, 5), zeros2(4, 3)
	for i, c := range []struct {
		head   int
		k, v   tensor.Tensor
		owners []uint64
		name   string
	}{
		{2, k.view(), v.view(), nil, "head"},
		{-2, k.view(), v.view(), nil, "head"},
		{AllHeads, k.view(), v.view(), nil, "keys.ndim"},
		{0, v.view(), v.view(), nil, "keys.shape[1]"},
		{0, k.view(), k.view(), nil, "values.shape[1]"},
		{0, k.view(), v.slice(0, 3).view(), nil, "values.shape[0]"},
		{0, k.view(), v.view(), make([]uint64, 4), "owners"},
		{0, tensor.Tensor{DType: 9, NDim: 2}, v.view(), nil, "keys.dtype"},
		{0, k.view(), tensor.Tensor{DType: tensor.F32, NDim: 2, Shape: [3]int{4, 3}}, nil, "values.data"},
	} {
		err := b.Add(c.head, c.k, c.v, c.owners, nil)
		if fault.CodeOf(err) != fault.InvalidArgument || !bytes.HasPrefix([]byte(err.Error()), []byte(c.name)) {
			t.Errorf("call %d: got %v; the message must begin with %s", i, err, c.name)
		}
	}
	for _, budget := range []privacy.Budget{{Epsilon: 0, Delta: 1e-5}, {Epsilon: -1, Delta: 1e-5}, {Epsilon: 1, Delta: 0}, {Epsilon: 1, Delta: 1}, {Epsilon: math.NaN(), Delta: 1e-5}, {Epsilon: 1, Delta: math.NaN()}, {Epsilon: math.Inf(1), Delta: 1e-5}} {
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
	if err := b.Merge(must[*Builder](t)(NewBuilder(p))); fault.CodeOf(err) != fault.Mismatch {
		t.Errorf("merge of different parameters: %v", err)
	}
	if _, err := b.Release(someBudget, nil); err != nil {
		t.Errorf("after all these errors the builder must still work: %v", err)
	}
}
