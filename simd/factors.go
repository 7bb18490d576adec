package simd

// factor says of which two numbers a feature is the product: a row of keys.f and one of keys.g.
type factor struct{ f, g int32 }

// makeFactors lists all features. Degrees 0 and 1 are products with 32767: mulhrs(32767, g) = g for
// -2^14 < g <= 2^14.
func (m *Map) makeFactors() []factor {
	out := make([]factor, m.Features)
	for j := range m.Dim {
		out[1+j] = factor{0, int32(1 + j)}
	}
	for t := 2; t <= m.Degree; t++ {
		at, base := m.first[t], 1+m.Dim*t*(t-1)/2
		for p, n := range m.nodes()[t-1] {
			k := int(n.run) // multiplicity less one
			for j := int(n.last); j < m.Dim; j++ {
				out[at] = factor{int32(m.first[t-1] + p), int32(base + k*m.Dim + j)}
				at++
				k = 0
			}
		}
	}
	return out
}
