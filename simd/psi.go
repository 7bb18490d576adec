package simd

import "math"

// Psi writes the query side of the feature map: psi_t(q) = coeff[t] * sym(q^t), so that
//
//	<psi(q), phi(x)> = sum_t coeff[t] w_t <q, x/2^15>^t    (up to the rounding of phi).
//
// q is [d], coeff has Degree+1 entries, psi is [Features] and also serves as scratch for the
// unweighted monomials. q may be psi[1:1+d].
func (m *Map) Psi(q, coeff, psi []float64) {
	q, psi = q[:m.Dim], psi[:m.Features]
	psi[0] = 1
	copy(psi[1:], q)
	for t := 2; t <= m.Degree; t++ {
		prev := psi[m.first[t-1]:m.first[t]]
		block := psi[m.first[t]:m.first[t+1]]
		for p, n := range m.nodes()[t-1] {
			f, j := prev[p]*math.Sqrt(float64(t)), int(n.last)
			run := block[n.child : int(n.child)+m.Dim-j]
			for i, v := range q[j:] {
				run[i] = f * v
			}
			run[0] /= math.Sqrt(float64(n.run + 1))
		}
	}
	for t := 0; t <= m.Degree; t++ {
		for i := m.first[t]; i < m.first[t+1]; i++ {
			psi[i] *= coeff[t]
		}
	}
}

// Dot adds psi^T S for a block of the state's rows to out.
//
//	for i := range psi { for c := range out { out[c] += psi[i] * state[i*cols+c] } }
//
// state is [len(psi), cols], out is [cols]. The order of additions is that of the loop.
func Dot(out, psi, state []float64) {
	cols := len(out)
	for i, p := range psi {
		for c, s := range state[i*cols : (i+1)*cols] {
			out[c] += float64(p * s) // the conversion forbids fusing: the same bits on every machine
		}
	}
}
