package core

import (
	"math"
	random "math/rand/v2"
	"testing"

	"dpattn/core/mechanism"
	"dpattn/core/tensor"
	"dpattn/tests/testkit"
)

// replayed releases b as a caller would, all of the way to the kernel's randomness, which is the
// tape of that seed instead; read is how much of it was read.
func replayed(t *testing.T, b *Builder, seed uint64) (r *Release, read int) {
	t.Helper()
	tape := newTape(seed)
	withRandomness(tape, func() { r = testkit.Must(b.Release(someBudget, nil))(t) })
	return r, tape.read
}

// record is one row of every head, and its owner.
type record struct {
	owner uint64
	k, v  [][]float64
}

// someRecords draws rows, some of them hostile.
func someRecords(r *random.Rand, m mechanism.Mechanism, n int, owner func() uint64) []record {
	p := m.Params()
	keyBound, valueBound := normBounds(m)
	rows := make([]record, n)
	for i := range rows {
		rows[i].owner = owner()
		for range p.Heads {
			k, v := testkit.Ball(r, 2, p.KeyDim, keyBound*1.5).
				Row(r.IntN(2)),
				testkit.Ball(r, 2, p.ValueDim, valueBound*1.5).
					Row(r.IntN(2))
			switch r.IntN(10) {
			case 0:
				k[r.IntN(len(k))] = []float64{math.NaN(), math.Inf(1), 1e308, 5e-324}[r.IntN(4)]
			case 1:
				v[r.IntN(len(v))] = []float64{math.NaN(), math.Inf(-1), -1e308, 0}[r.IntN(4)]
			}
			rows[i].k, rows[i].v = append(rows[i].k, k), append(rows[i].v, v)
		}
	}
	return rows
}

// with makes a builder of these rows, added in two calls.
func with(t *testing.T, m mechanism.Mechanism, rows []record) *Builder {
	t.Helper()
	p, b := m.Params(), newBuilder(m, testkit.Must(m.NewSums())(t))
	for _, part := range [][]record{rows[:len(rows)/3], rows[len(rows)/3:]} {
		var k, v []float64
		var ids []uint64
		for h := range p.Heads {
			for _, row := range part {
				k, v = append(k, row.k[h]...), append(v, row.v[h]...)
			}
		}
		for _, row := range part {
			if p.OwnerRows > 0 {
				ids = append(ids, row.owner)
			}
		}
		if err := b.Add(AllHeads, tensor.Of(k, p.Heads, len(part), p.KeyDim),
			tensor.Of(v, p.Heads, len(part), p.ValueDim), ids, nil); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// mixed puts the unit's rows among the others, in an order of its own.
func mixed(r *random.Rand, unit, others []record) []record {
	all := append(append([]record(nil), unit...), others...)
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// Promise 2: with the same randomness on neighbouring inputs, the releases differ by exactly one
// unit's contribution, bit for bit, and the same bytes of randomness are read: rows, owners by both
// rules, both adjacencies, one head and two. Everything is as in production, the kernel's reader
// apart. 100,000 pairs at full size.
func TestRecordReplay(t *testing.T) {
	r := testkit.Rand(3)
	kinds := units()
	for name, p := range units() {
		p.Heads, p.HeadWeights = 2, []float64{1, 3}
		p.Center = []float64{0.1, 0, 0, 0, 0, 0, 0, -0.2, 0, 0}
		p.Codebook = append(p.Codebook, p.Codebook...) // the second head's
		kinds[name+", two heads"] = p
	}
	pairs := testkit.Size(600, 100000) / (2 * len(kinds))
	for name, p := range kinds {
		for _, adjacency := range []Adjacency{AddRemove, Replace} {
			p.Adjacency = adjacency
			m := testkit.Must(newMechanism(p.params()))(t)
			clipped := uint64(0)
			for trial := range pairs {
				unit := func() []record {
					n := 1
					if p.OwnerRows > 0 {
						n += r.IntN(8)
					}
					return someRecords(r, m, n, func() uint64 { return 0 })
				}
				before, after := unit(), []record(nil)
				if adjacency == Replace {
					after = unit()
				}
				others := someRecords(r, m, 12, func() uint64 { return 1 + r.Uint64N(3) })
				seed := r.Uint64()
				a, readA := replayed(t, with(t, m, mixed(r, before, others)), seed)
				b, readB := replayed(t, with(t, m, mixed(r, after, others)), seed)
				alone := with(t, m, before)
				if d, _ := alone.Diagnostics(); d.OwnersClipped > 0 {
					clipped++
				}
				was, is := exact(alone), exact(with(t, m, after))
				for i, x := range a.State() {
					if x-b.State()[i] != was[i]-is[i] {
						t.Fatalf("%s, %v, pair %d: entry %d moved by %d, the unit's contribution by %d", name,
							adjacency, trial, i, x-b.State()[i], was[i]-is[i])
					}
				}
				if readA != readB || readA == 0 || a.id != b.id {
					t.Fatalf("%s, %v, pair %d: %d bytes of randomness were read, and %d on a neighbour", name,
						adjacency, trial, readA, readB)
				}
			}
			if p.OwnerBound > 0 && clipped == 0 {
				t.Errorf("%s, %v: no owner of %d was clipped", name, adjacency, pairs)
			}
		}
	}
}
