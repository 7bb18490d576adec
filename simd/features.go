package simd

// mulhrs is the rounded product of two numbers of scale 2^15. Neither may be -2^15.
func mulhrs(a, b int16) int16 { return int16((int32(a)*int32(b) + 1<<14) >> 15) }

// lifted is F_t from F_{t-1}, x[j] and lift(t,m).
func lifted(f, x int16, lift int32) int16 {
	v := (int32(mulhrs(f, x))*lift + 1<<(liftBits-1)) >> liftBits
	return int16(max(-32767, min(32767, v)))
}

// Row holds what one key's features are made from. Its memory is secret; Wipe clears it.
type Row struct {
	prefix [MaxDegree + 1][]int16                // prefix[t][p] = F_t(p), 1 <= t < Degree
	g      [MaxDegree + 1][MaxDegree + 1][]int16 // g[t][m][j]
}

// NewRow allocates a Row for the map.
func (m *Map) NewRow() *Row {
	r := new(Row)
	for t := 1; t < m.Degree; t++ {
		r.prefix[t] = make([]int16, len(m.nodes()[t]))
	}
	for t := 1; t <= m.Degree; t++ {
		for k := 1; k <= t; k++ {
			r.g[t][k] = make([]int16, m.Dim)
		}
	}
	return r
}

// Wipe zeroes the row.
func (r *Row) Wipe() {
	for t := range r.prefix {
		clear(r.prefix[t])
		for k := range r.g[t] {
			clear(r.g[t][k])
		}
	}
}

// load fills r from the key x.
func (m *Map) load(r *Row, x []int16) {
	x = x[:m.Dim]
	for t := 1; t <= m.Degree; t++ {
		for k := 1; k <= t; k++ {
			g, gain := r.g[t][k], m.gain[t][k]
			for j, v := range x {
				g[j] = mulhrs(v, gain)
			}
		}
	}
	if m.Degree > 1 {
		copy(r.prefix[1], x)
	}
	for t := 2; t < m.Degree; t++ {
		prev, cur, lift := r.prefix[t-1], r.prefix[t], &m.lift[t]
		for p, q := range m.nodes()[t] {
			cur[p] = lifted(prev[q.parent], x[q.last], lift[q.run])
		}
	}
}

// run writes the children of prefix p of length t-1 to dst, which has their number.
func (m *Map) run(r *Row, t, p int, dst []int16) {
	q := &m.nodes()[t-1][p]
	f, j := r.prefix[t-1][p], int(q.last)
	g := r.g[t][1][j : j+len(dst)]
	for i, v := range g {
		dst[i] = mulhrs(f, v)
	}
	dst[0] = mulhrs(f, r.g[t][q.run+1][j])
}

// Phi writes all features of the key x.
//
//	phi[0] = Const; phi[i] as in the package comment
func (m *Map) Phi(r *Row, x, phi []int16) {
	m.load(r, x)
	phi = phi[:m.Features]
	phi[0] = m.Const
	copy(phi[1:], r.g[1][1])
	for t := 2; t <= m.Degree; t++ {
		block := phi[m.first[t]:m.first[t+1]]
		for p, q := range m.nodes()[t-1] {
			m.run(r, t, p, block[q.child:int(q.child)+m.Dim-int(q.last)])
		}
	}
}

// Norm2 returns the exact squared norm of the features of the key x.
//
//	for i := range phi { sum += phi[i]*phi[i] }
//
// It cannot overflow: there are fewer than 2^31 features, each square is below 2^30.
func (m *Map) Norm2(r *Row, x []int16) uint64 {
	m.load(r, x)
	sum := uint64(m.Const) * uint64(m.Const)
	for _, v := range r.g[1][1] {
		sum += uint64(int32(v) * int32(v))
	}
	for t := 2; t <= m.Degree; t++ {
		gs, prev := &r.g[t], r.prefix[t-1]
		for p, q := range m.nodes()[t-1] {
			f, j := prev[p], int(q.last)
			v := int32(mulhrs(f, gs[q.run+1][j]))
			sum += uint64(v * v)
			for _, g := range gs[1][j+1:] {
				v := int32(mulhrs(f, g))
				sum += uint64(v * v)
			}
		}
	}
	return sum
}
