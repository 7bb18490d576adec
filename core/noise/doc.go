// Package noise draws the noise of the release: the Gaussian rounded to
// integers and the truncated Laplace distribution on integers, from the kernel's
// randomness, with exactly sampled distributions.
//
// # Why exact
//
// The guarantee of the Gaussian mechanism is one about a real number, and a
// floating-point normal is not one: its gaps and its rounded tails depend on the
// data it is added to and have broken such guarantees in practice. Here the sum
// is an integer and the noise is round(Z), Z ~ N(0, sigma^2). As rounding
// commutes with integer shifts,
//
//	sum + round(Z) = round(sum + Z),
//
// the release is post-processing of the real mechanism and inherits its
// accounting as it is. That needs round(Z) to have exactly its distribution, hence no
// floating point on the way of a draw.
//
// # How
//
// A trial throws a uniform point (z, y) on a cover of the curve exp(-z^2/2) by
// equal boxes and accepts it if it is under the curve; then z is |N(0, 1)|. The
// coordinates of the point are bit strings that are drawn only as far as the
// comparison, and later the rounding of sigma z, needs them: integers decide, and
// where they cannot, more bits do. The idea of bits drawn on demand, and of an
// integer result that is exact because of them, is Karney's ("Sampling exactly
// from the normal distribution", ACM Trans. Math. Softw. 42(1), 2016); the cover
// is a rejection from a histogram, and takes little more than one random word a
// draw. PROOF.md, beside this file, has the proof.
//
// The truncated Laplace distribution has rational parameters, and its probabilities are
// made of exp(-u/n) for integers u <= n, which finitely many uniform integers
// decide (Canonne, Kamath and Steinke, NeurIPS 2020). LAPLACE.md has that proof.
//
//   - gaussian.go: the public function
//   - laplace.go: the truncated Laplace distribution
//   - sample.go: a trial, from the word to the rounded number
//   - boxes.go: the cover
//   - accept.go: under or over the curve
//   - stream.go: kernel entropy and AES-CTR
//
// # Who may see what
//
// The draws, and all that leads to them, are secret. Seeds and key streams are
// wiped after use. Three remainders are left to the garbage collector, which
// reuses but does not wipe: the key schedule inside crypto/aes; the large numbers
// of the one draw in a million that the integers cannot decide; registers and
// stack slots. Time and memory access depend on the draws, so that somebody who
// measures them closely on the same machine may learn something about them.
package noise
