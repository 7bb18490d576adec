package simd

import (
	"math"
	"sync"
)

// MaxDegree is the largest polynomial degree: gains stay below 2^15 for weights up to 2^13 since
// sqrt(8)*2^13 < 2^15.
const MaxDegree = 8

// MaxWeight is the largest block weight w_t. Batch relies on it: its int32 and uint32 partial sums,
// and mulhrs(32767, g) = g.
const MaxWeight = 1 << 13

// liftBits is the binary point of lift(t,m): the product of a 16-bit number and sqrt(8)*2^14 stays
// below 2^31.
const liftBits = 14

// Map is the table of one feature map: what the kernels need besides the rows. It is immutable.
type Map struct {
	Dim      int
	Degree   int
	Features int
	Const    int16 // the feature of degree 0

	gain  [MaxDegree + 1][MaxDegree + 1]int16 // gain[t][m]
	lift  [MaxDegree + 1][MaxDegree + 1]int32 // lift[t][m]
	first [MaxDegree + 2]int                  // first[t]: the first feature of degree t; last: Features
	// nodes()[t], 1 <= t < Degree: the prefixes of length t, in order. Made on first use, so that a
	// file that names a giant map costs nothing to refuse.
	nodes func() *[MaxDegree + 1][]node
	// factors()[i] says of what feature i is the product. Made on first use, too.
	factors func() []factor
}

// node is a prefix of length t >= 1, and its run of children.
type node struct {
	parent int32 // index among the prefixes of length t-1 (0 when t = 1)
	last   int32 // last index of the prefix: the first child's
	run    int32 // how often last ends the prefix: the first child has multiplicity run+1
	child  int32 // offset of the first child within its degree
}

// NewMap makes the table for keys of length dim. constant is the feature of degree 0 and gains[t-1]
// is gain(t,1) = round(w_t sqrt(t)), for t = 1..degree: neither is negative, and no weight is above
// MaxWeight. features is C(dim+degree, degree), below 2^31. It panics on other arguments.
func NewMap(dim, features int, constant int16, gains []int16) *Map {
	degree := len(gains)
	if dim < 1 || degree < 1 || degree > MaxDegree || constant < 0 || constant > MaxWeight ||
		dim >= features || features > math.MaxInt32 {
		panic("simd: bad feature map")
	}
	m := &Map{Dim: dim, Degree: degree, Features: features, Const: constant}
	for t := 1; t <= degree; t++ {
		if gains[t-1] < 0 || float64(gains[t-1]) > MaxWeight*math.Sqrt(float64(t)) {
			panic("simd: gain out of range")
		}
		for k := 1; k <= t; k++ {
			// gain(t,k) = round(w_t sqrt(t/k)) with w_t = gain(t,1)/sqrt(t).
			m.gain[t][k] = int16(math.RoundToEven(float64(gains[t-1]) / math.Sqrt(float64(k))))
			m.lift[t][k] = int32(math.RoundToEven(math.Sqrt(float64(t)/float64(k)) * (1 << liftBits)))
		}
	}
	// C(dim+t-1, t) sequences of length t.
	m.first[1] = 1
	count := 1
	for t := 1; t <= degree; t++ {
		// The product cannot wrap: count and dim are below features.
		count = count * (dim + t - 1) / t
		m.first[t+1] = m.first[t] + count
		if m.first[t+1] > features {
			break
		}
	}
	if m.first[degree+1] != features {
		panic("simd: features is not C(dim+degree, degree)")
	}
	m.nodes = sync.OnceValue(m.tree)
	m.factors = sync.OnceValue(m.makeFactors)
	return m
}

// tree lists the prefixes of every length.
func (m *Map) tree() *[MaxDegree + 1][]node {
	nodes := new([MaxDegree + 1][]node)
	prefixes := make([]node, m.Dim)
	for j := range prefixes {
		prefixes[j] = node{last: int32(j), run: 1}
	}
	for t := 1; t < m.Degree; t++ {
		child := 0
		for p := range prefixes {
			prefixes[p].child = int32(child)
			child += m.Dim - int(prefixes[p].last)
		}
		nodes[t] = prefixes
		if t+1 < m.Degree {
			prefixes = extend(prefixes, m.Dim, child)
		}
	}
	return nodes
}

// extend lists the prefixes one longer.
func extend(prefixes []node, dim, count int) []node {
	out := make([]node, 0, count)
	for p, q := range prefixes {
		run := q.run + 1
		for j := int(q.last); j < dim; j++ {
			out = append(out, node{parent: int32(p), last: int32(j), run: run})
			run = 1
		}
	}
	return out
}

// Block returns where the features of degree t begin and end.
func (m *Map) Block(t int) (lo, hi int) { return m.first[t], m.first[t+1] }

// Weight returns w_t, the weight of degree t that the gains stand for.
func (m *Map) Weight(t int) float64 {
	if t == 0 {
		return float64(m.Const)
	}
	return float64(m.gain[t][1]) / math.Sqrt(float64(t))
}
