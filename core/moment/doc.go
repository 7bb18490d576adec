// Package moment is the default mechanism, the Gaussian moment release: the sum over rows of phi(k)
// (x) [v ; lambda] in exact integers, one draw of rounded Gaussian noise, and attention answered
// from the noisy sums.
//
// A polynomial p(x) = sum_t c_t x^t stands for e^x on [-b, b]. It turns the sums of attention into
// linear functions of moments,
//
//	sum_j exp(scale <q,k_j>) [v_j ; 1]  ~  <psi(q), sum_j phi(k_j) (x) [v_j ; lambda]>
//
// with the last column over lambda, so that releasing the moments once answers every query.
// PROOF.md beside this file has the privacy argument; sources: the moments are the feature map of
// arXiv 2407.14717, the noise is the analytic Gaussian mechanism (Balle & Wang 2018, arXiv
// 1805.06530).
package moment
