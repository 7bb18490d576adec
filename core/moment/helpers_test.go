package moment

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"dpattn/core/featuremap"
	"dpattn/core/poly"
	"dpattn/simd"
)

// testMap is a feature map with what its tests need to know about it.
type testMap struct {
	name     string
	dim      int
	keyBound float64
	scale    float64
	poly     poly.Polynomial
	m        *featuremap.Monomials
	gate     featuremap.Gate
	seqs     [][]int // the index sequence of each feature
	row      *simd.Row
}

// expMap is the map that a release has for exp on [-b, b].
func expMap(t testing.TB, kind poly.Kind, dim, degree int, b float64) *testMap {
	t.Helper()
	p, err := poly.Exp(kind, degree, b)
	if err != nil {
		t.Fatal(err)
	}
	tm := &testMap{
		name:     fmt.Sprintf("kind=%d,d=%d,s=%d,b=%v", kind, dim, degree, b),
		dim:      dim,
		keyBound: 1.5,
		scale:    b / 3,
		poly:     p,
	} // query bound 2
	tm.list(degree)
	tm.m = featuremap.NewMonomials(p, dim, len(tm.seqs), tm.scale, tm.keyBound)
	tm.gate, tm.row = tm.m.NewGate(), tm.m.NewRow()
	return tm
}

// gains are the map's recorded integers after the constant.
func (tm *testMap) gains() []int16 { return tm.m.Integers()[1:] }

// newExact makes empty sums.
func (tm *testMap) newExact(cols int, largest int16) *Exact { return NewExact(tm.m, cols, largest) }

// rawMap is a map with given integers, as a file may hold them.
func rawMap(name string, dim int, constant int16, gains ...int16) *testMap {
	tm := &testMap{name: fmt.Sprintf("%s,d=%d,s=%d", name, dim, len(gains)), dim: dim, keyBound: 1.5, scale: 1}
	tm.list(len(gains))
	tm.m = featuremap.RestoreMonomials(poly.Polynomial{Coeff: make([]float64, len(gains)+1)}, constant, gains, dim,
		len(tm.seqs), tm.scale, tm.keyBound)
	tm.gate, tm.row = tm.m.NewGate(), tm.m.NewRow()
	return tm
}

func (tm *testMap) list(degree int) {
	var extend func(prefix []int, more int)
	extend = func(prefix []int, more int) {
		if more == 0 {
			tm.seqs = append(tm.seqs, prefix)
			return
		}
		least := 0
		if len(prefix) > 0 {
			least = prefix[len(prefix)-1]
		}
		for j := least; j < tm.dim; j++ {
			extend(append(prefix[:len(prefix):len(prefix)], j), more-1)
		}
	}
	for t := 0; t <= degree; t++ {
		extend(nil, t)
	}
}

// someMaps are the maps of the privacy tests: what releases have, and the extremes that a file may
// hold.
func someMaps(t testing.TB) []*testMap {
	largest := func(s int) (gains []int16) {
		for k := 1; k <= s; k++ {
			gains = append(gains, int16(8192*math.Sqrt(float64(k))))
		}
		return gains
	}
	return []*testMap{
		expMap(t, poly.Minimax, 8, 2, 2),
		expMap(t, poly.Minimax, 5, 3, 2),
		expMap(t, poly.Minimax, 64, 1, 0.5),
		expMap(t, poly.Minimax, 3, 5, 3),
		expMap(t, poly.Minimax, 1, 8, 6),
		expMap(t, poly.Minimax, 2, 6, 1e-3),
		expMap(t, poly.Taylor, 5, 3, 4),
		expMap(t, poly.Taylor, 17, 2, 1),
		expMap(t, poly.Taylor, 2, 8, 64),
		rawMap("all weights largest", 6, 8192, largest(3)...),
		rawMap("all weights largest", 1, 8192, largest(8)...),
		rawMap("odd kernel", 4, 1, 8188),
		rawMap("kernel touches zero", 4, 5789, 5789),
		rawMap("constant only", 3, 8188, 0, 0),
		rawMap("square only", 5, 1, 0, 11579),
	}
}

// phi lists the integer features, and their squared norm.
func (tm *testMap) phi(x []int16) (phi []int16, norm2 int64) {
	phi = make([]int16, len(tm.seqs))
	tm.m.Phi(tm.row, x, phi)
	return phi, dot(phi, phi)
}

func dot(a, b []int16) (sum int64) {
	for i, v := range a {
		sum += int64(v) * int64(b[i])
	}
	return sum
}

// real lists the features in real numbers: w_t sqrt(t!/prod m_j!) prod x[j]/2^15, w_t =
// gain(t,1)/sqrt(t).
func (tm *testMap) real(x []int16) []float64 {
	phi := make([]float64, len(tm.seqs))
	for i, seq := range tm.seqs {
		phi[i] = float64(tm.m.Const)
		if len(seq) > 0 {
			phi[i] = float64(tm.gains()[len(seq)-1]) / math.Sqrt(float64(len(seq)))
		}
		run := 0
		for a, j := range seq {
			if run++; a > 0 && seq[a-1] != j {
				run = 1
			}
			// The multinomial is the product of (a+1)/run over the sequence.
			phi[i] *= float64(x[j]) / (1 << 15) * math.Sqrt(float64(a+1)/float64(run))
		}
	}
	return phi
}

// key draws an integer key, often at the gate |x|^2 < 2^30 or over it: arbitrary, in random
// directions at the length 2^15 (1 +- 2^-12), with |x|^2 exactly 2^30 - 1, 2^30 or 2^30 + 1, all
// equal, all at +-32767, one coordinate, tiny. An entry may be -2^15.
func (tm *testMap) key(rng *rand.Rand, x []int16) {
	clear(x)
	switch kind := rng.IntN(8); kind {
	case 0:
		for j := range x {
			x[j] = int16(rng.IntN(65535) - 32767)
		}
	case 1, 2:
		direction(rng, x, 32768*(1+(rng.Float64()-0.5)/2048))
	case 3:
		withNorm2(rng, x, 1<<30+rng.IntN(3)-1)
	case 4:
		v := int16(math.Round(32768/math.Sqrt(float64(len(x)))*(1+(rng.Float64()-0.5)/1024))) * int16(1-2*rng.IntN(2))
		for j := range x {
			x[j] = min(v, 32767)
		}
	case 5:
		for j := range x {
			x[j] = int16(1-2*rng.IntN(2)) * 32767
		}
	case 6:
		x[rng.IntN(len(x))] = int16([]int{32767, 32766, -32766, -32767, -32768}[rng.IntN(5)])
	case 7:
		for j := range x {
			x[j] = int16(rng.IntN(7) - 3)
		}
	}
}

// direction makes x of about the given length, in a random direction.
func direction(rng *rand.Rand, x []int16, length float64) {
	v, sum := make([]float64, len(x)), 0.0
	for j := range v {
		v[j] = rng.NormFloat64()
		sum += v[j] * v[j]
	}
	for j := range v {
		x[j] = int16(max(-32767, min(32767, math.Round(v[j]/math.Sqrt(sum)*length))))
	}
}

// withNorm2 makes |x|^2 equal to target where x has at least five entries, and near it where it has
// fewer.
func withNorm2(rng *rand.Rand, x []int16, target int) {
	free := min(4, len(x)-1)
	direction(rng, x[free:], math.Sqrt(float64(target))-1)
	rest := target - int(simd.Norm2(x[free:]))
	squares(x[:free], max(rest, 0))
}

// squares writes rest as a sum of len(x) squares, if it can; four always can.
func squares(x []int16, rest int) bool {
	if len(x) == 0 {
		return rest == 0
	}
	for v := min(int(math.Sqrt(float64(rest))), 32767); v >= 0 && v*v*len(x) >= rest; v-- {
		x[0] = int16(v)
		if squares(x[1:], rest-v*v) {
			return true
		}
	}
	return rest == 0
}
