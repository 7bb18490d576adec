package simd_test

import (
	"math"
	"slices"
	"testing"

	"dpattn/tests/testkit"
)

// Phi is the recursion of the package comment, bit for bit, for every key without the excluded
// -2^15.
func TestPhiIsItsDefinition(t *testing.T) {
	forMaps(t, func(t *testing.T, s *spec) {
		n := max(12, testkit.Size(30000, 1000000)/len(s.seqs))
		xs := s.rows(testkit.Rand(1), n, false)
		row := s.row() // dirty from the second key on
		for i := range n {
			x := xs[i*s.dim : (i+1)*s.dim]
			if got, want := s.phiInto(row, x), s.exact(x); !slices.Equal(got, want) {
				at := 0
				for got[at] == want[at] {
					at++
				}
				t.Fatalf("x = %v: feature %d, sequence %v, is %d, want %d", x, at, s.seqs[at], got[at], want[at])
			}
		}
	})
}

// Norm2 is the sum of the squares of what Phi writes, exactly. It is what the gate trusts.
func TestNorm2IsPhiSquared(t *testing.T) {
	forMaps(t, func(t *testing.T, s *spec) {
		n := max(12, testkit.Size(30000, 1000000)/len(s.seqs))
		xs := s.rows(testkit.Rand(2), n, false)
		row := s.row()
		for i := range n {
			x := xs[i*s.dim : (i+1)*s.dim]
			var want uint64
			for _, v := range s.phi(x) {
				want += uint64(int64(v) * int64(v))
			}
			if got := s.table.Norm2(row, x); got != want {
				t.Fatalf("x = %v: Norm2 is %d, want %d", x, got, want)
			}
		}
	})
}

// epsilons are the bounds on |phi_i - real phi_i| for the blocks of degree 0..s that PROOF.md in
// core/moment derives from the rounding rule.
func (s *spec) epsilons() []float64 {
	epsilon := []float64{0, 0.5}
	delta := 0.0
	for t := 2; t <= s.degree(); t++ {
		root := math.Sqrt(float64(t))
		epsilon = append(epsilon, 1.5+delta*(s.weight(t)*root+1)/(1<<15))
		delta = root*(delta+0.5) + 1.5
	}
	return epsilon
}

// No admissible key's feature is farther from the real-number feature than the proof of the sharper
// REPLACE bound says.
func TestPhiAgainstRealFeatures(t *testing.T) {
	forMaps(t, func(t *testing.T, s *spec) {
		n := max(24, testkit.Size(60000, 3000000)/len(s.seqs))
		xs := s.rows(testkit.Rand(3), n, true)
		epsilon := s.epsilons()
		for i := range n {
			x := xs[i*s.dim : (i+1)*s.dim]
			want := s.real(x)
			for f, got := range s.phi(x) {
				if e := math.Abs(float64(got) - want[f]); e > epsilon[len(s.seqs[f])]+1e-9 {
					t.Fatalf("x = %v: feature %v is %d, in real numbers %v: off by %v, more than %v",
						x, s.seqs[f], got, want[f], e, epsilon[len(s.seqs[f])])
				}
			}
		}
	})
}

// Block says where the features of each degree are, and Weight what they are weighted with.
func TestBlocksAndWeights(t *testing.T) {
	forMaps(t, func(t *testing.T, s *spec) {
		at := 0
		for deg := 0; deg <= s.degree(); deg++ {
			lo, hi := s.table.Block(deg)
			if lo != at {
				t.Errorf("block %d begins at %d, want %d", deg, lo, at)
			}
			for ; at < len(s.seqs) && len(s.seqs[at]) == deg; at++ {
			}
			if hi != at {
				t.Errorf("block %d ends at %d, want %d", deg, hi, at)
			}
			want := float64(s.constant)
			if deg > 0 {
				want = s.weight(deg)
			}
			if got := s.table.Weight(deg); math.Abs(got-want) > 1e-9 {
				t.Errorf("weight %d is %v, want %v", deg, got, want)
			}
		}
	})
}

// A wiped row holds no trace of a key.
func TestWipe(t *testing.T) {
	s := newSpec(4, 3000, 3000, 3000, 3000)
	row := s.row()
	s.phiInto(row, []int16{1, 2, 3, 32767})
	if onlyZeros(row) {
		t.Fatal("a row in use holds nothing: this test sees nothing")
	}
	row.Wipe()
	if !onlyZeros(row) {
		t.Error("a wiped row is not zero")
	}
}
