package poly

import (
	"math"
	"math/big"

	"dpattn/core/fault"
)

// Features returns C(dim+degree, degree), the number of monomials of degree at most degree in dim
// variables.
func Features(dim, degree int) (int64, error) {
	if err := checkDegree(degree); err != nil {
		return 0, err
	}
	if dim < 1 || int64(dim) > math.MaxInt64-MaxDegree {
		return 0, fault.Invalid("dim is %d, must be at least 1 and leave room for degree %d in 64 bits", dim, degree)
	}
	r := new(big.Int).Binomial(int64(dim)+int64(degree), int64(degree))
	if !r.IsInt64() {
		return 0, fault.Invalid("dim is %d, must be smaller: at degree %d it makes more than 2^63 - 1 features",
			dim, degree)
	}
	return r.Int64(), nil
}

// BlockWeights returns beta_t = sqrt(|c_t| B^t / p+(B)), t = 0..s: the share of each degree block
// in the norm of the feature vector of a key at its bound, sum_t beta_t^2 = 1. A block whose weight
// is 0 is to be left out of the features.
//
// With a key bound B_k, a query bound B_q and B = scale B_q B_k, block t of a key is phi_t = a_t
// sym(k^(tensor t)), a_t = beta_t/B_k^t, so that up to one common factor a_t^2 = |c_t| (scale
// B_q/B_k)^t. Block t of a query is psi_t = (c_t scale^t/a_t) sym(q^(tensor t)), so that <psi,
// phi> = p(scale <q, k>).
//
// These weights are noise-optimal: the noise on <psi, sum phi> is proportional to |psi| |phi|
// (sensitivity times query norm), and they make this product smallest at the bounds. For any a_t,
// with |sym(q^(tensor t))| = |q|^t,
//
//	|phi|^2 |psi|^2 = (sum_t a_t^2 B_k^(2t)) (sum_t c_t^2 scale^(2t) B_q^(2t) / a_t^2) >= (sum_t
//	|c_t| scale^t B_q^t B_k^t)^2 = p+(B)^2
//
// by Cauchy-Schwarz, with equality if and only if a_t^2 B_k^(2t) is proportional to |c_t| B^t,
// which is beta_t^2 up to a factor.
func BlockWeights(p Polynomial) []float64 {
	beta := p.terms()
	plus := p.Plus()
	for t := range beta {
		beta[t] = math.Sqrt(beta[t] / plus)
	}
	return beta
}
