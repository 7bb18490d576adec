package simd_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"dpattn/simd"
)

// The tests of this package know the kernels by their documentation only: the package comment is
// written down here a second time, slowly.

// spec is a feature map as the package comment defines it.
type spec struct {
	dim      int
	constant int16
	gains    []int16 // gain(t,1)
	seqs     [][]int // the index sequence of each feature, in order
	table    *simd.Map
}

// newSpec makes the map with block weights w_0..w_s.
func newSpec(dim int, weights ...float64) *spec {
	s := &spec{dim: dim, constant: int16(math.Round(weights[0]))}
	for t, w := range weights[1:] {
		s.gains = append(s.gains, int16(min(32767, math.Floor(w*math.Sqrt(float64(t+1))))))
	}
	for t := range weights {
		s.seqs = sequences(s.seqs, nil, dim, t)
	}
	s.table = simd.NewMap(dim, len(s.seqs), s.constant, s.gains)
	return s
}

// sequences appends the non-decreasing sequences that prefix begins and that are longer by more, in
// lexicographic order.
func sequences(to [][]int, prefix []int, dim, more int) [][]int {
	if more == 0 {
		return append(to, append([]int(nil), prefix...))
	}
	least := 0
	if len(prefix) > 0 {
		least = prefix[len(prefix)-1]
	}
	for j := least; j < dim; j++ {
		to = sequences(to, append(prefix[:len(prefix):len(prefix)], j), dim, more-1)
	}
	return to
}

func (s *spec) degree() int           { return len(s.gains) }
func (s *spec) weight(t int) float64  { return float64(s.gains[t-1]) / math.Sqrt(float64(t)) }
func (s *spec) String() string        { return fmt.Sprintf("d=%d,s=%d", s.dim, s.degree()) }
func (s *spec) row() *simd.Row        { return s.table.NewRow() }
func (s *spec) phi(x []int16) []int16 { return s.phiInto(s.row(), x) }
func last(seq []int) int              { return seq[len(seq)-1] }
func mulhrs(a, b int16) int16         { return int16((int64(a)*int64(b) + 1<<14) >> 15) }
func roundInt(v float64) int64        { return int64(math.RoundToEven(v)) }
func clamp(v int64) int16             { return int16(max(-32767, min(32767, v))) }
func ratio(t, m int) float64          { return math.Sqrt(float64(t) / float64(m)) }
func factorial(n int) (product float64) {
	product = 1
	for ; n > 1; n-- {
		product *= float64(n)
	}
	return product
}

func (s *spec) phiInto(r *simd.Row, x []int16) []int16 {
	phi := make([]int16, len(s.seqs))
	s.table.Phi(r, x, phi)
	return phi
}

// run is how often the last index ends the sequence: its multiplicity.
func run(seq []int) int {
	m := 1
	for m < len(seq) && seq[len(seq)-1-m] == last(seq) {
		m++
	}
	return m
}

// unweighted is F of a sequence by the package comment's recursion.
func (s *spec) unweighted(seq []int, x []int16) int16 {
	t := len(seq)
	if t == 1 {
		return x[seq[0]]
	}
	lift := roundInt(math.Ldexp(ratio(t, run(seq)), 14))
	return clamp((int64(mulhrs(s.unweighted(seq[:t-1], x), x[last(seq)]))*lift + 1<<13) >> 14)
}

// exact lists the features by the package comment's recursion, in integers.
func (s *spec) exact(x []int16) []int16 {
	phi := make([]int16, len(s.seqs))
	for i, seq := range s.seqs {
		switch t := len(seq); t {
		case 0:
			phi[i] = s.constant
		default:
			// gain(t,m) = round(w_t sqrt(t/m)), of which only w_t sqrt(t) is an integer.
			gain := int16(roundInt(float64(s.gains[t-1]) / math.Sqrt(float64(run(seq)))))
			phi[i] = mulhrs(x[last(seq)], gain)
			if t > 1 {
				phi[i] = mulhrs(s.unweighted(seq[:t-1], x), phi[i])
			}
		}
	}
	return phi
}

// real lists the features as real numbers, w_t sqrt(t!/prod m_j!) prod x/2^15.
func (s *spec) real(x []int16) []float64 {
	phi := make([]float64, len(s.seqs))
	for i, seq := range s.seqs {
		phi[i] = float64(s.constant)
		if len(seq) == 0 {
			continue
		}
		counts := map[int]int{}
		value := s.weight(len(seq))
		for _, j := range seq {
			counts[j]++
			value *= float64(x[j]) / (1 << 15)
		}
		multinomial := factorial(len(seq))
		for _, m := range counts {
			multinomial /= factorial(m)
		}
		phi[i] = value * math.Sqrt(multinomial)
	}
	return phi
}

// someMaps are maps of all degrees and of odd and even lengths, with large, small, missing and the
// largest weights.
func someMaps() []*spec {
	maps := []*spec{
		newSpec(3, 4000, 5000, 3000, 1000), newSpec(5, 8188, 8188, 8188, 8188),
		newSpec(7, 1, 0, 8192, 17, 300), newSpec(17, 3000, 5000, 6000),
		newSpec(33, 3000, 5000, 6000), newSpec(64, 3500, 5000, 5500),
		newSpec(19, 3500, 4500, 4800, 3000), newSpec(100, 5791, 5791), newSpec(2, 0, 0, 0),
	}
	for s := 1; s <= simd.MaxDegree; s++ {
		weights := []float64{3000}
		for t := 1; t <= s; t++ {
			weights = append(weights, 8000/float64(t))
		}
		maps = append(maps, newSpec(1, weights...), newSpec(2, weights...))
		for t := range weights {
			weights[t] = simd.MaxWeight
		}
		maps = append(maps, newSpec(1, weights...), newSpec(4, weights...))
	}
	return maps
}

// rows draws keys: arbitrary ones, extremes, unit vectors and zeros. inBall makes them admissible,
// |x| <= 2^15.
func (s *spec) rows(rng *rand.Rand, n int, inBall bool) []int16 {
	out := make([]int16, n*s.dim)
	for i := range n {
		x := out[i*s.dim : (i+1)*s.dim]
		for j := range x {
			switch i % 6 {
			case 0:
				x[j] = int16(rng.IntN(65535) - 32767)
			case 1:
				x[j] = 32767
			case 2:
				x[j] = -32767
			case 3:
				x[j] = int16((rng.IntN(2)*2 - 1) * (32767 - rng.IntN(2)))
			case 4:
				x[j] = int16(rng.IntN(5) - 2)
			}
		}
		if i%6 == 5 && i%12 == 5 {
			x[rng.IntN(s.dim)] = int16(rng.IntN(2)*65534 - 32767)
		}
		if inBall {
			shrinkToBall(x)
		}
	}
	return out
}

// shrinkToBall scales x by a float, towards zero, until |x|^2 <= 2^30.
func shrinkToBall(x []int16) {
	norm := 0.0
	for _, v := range x {
		norm += float64(v) * float64(v)
	}
	if norm <= 1<<30 {
		return
	}
	for j, v := range x {
		x[j] = int16(float64(v) * (1 << 15) / math.Sqrt(norm) * (1 - 1e-12))
	}
}

func forMaps(t *testing.T, test func(t *testing.T, s *spec)) {
	for _, s := range someMaps() {
		t.Run(s.String(), func(t *testing.T) { test(t, s) })
	}
}
