// Package privacy answers what a release with noise promises, and how much noise a promise needs.
// It never understates what is spent: every result is rounded in the safe direction.
//
// For Gaussian noise the measure is mu = sensitivity/sigma. Telling the sum over one data set from
// the sum over its neighbour is then as hard as telling N(0, 1) from N(mu, 1), whatever the
// dimension ("mu-GDP", Dong, Roth and Su 2022), which means (epsilon, delta)-differential privacy
// for exactly the pairs on the curve
//
//	delta(epsilon) = Phi(mu/2 - epsilon/mu) - e^epsilon Phi(-mu/2 - epsilon/mu)
//
// (Balle and Wang 2018, "Improving the Gaussian Mechanism for Differential Privacy", arXiv
// 1805.06530, theorem 8). Several releases add up to sqrt(sum mu_i^2), and k units of data at once
// see k mu.
//
//	Budget, Mu        from a promise (epsilon, delta) to mu
//	Sigma             from mu and a sensitivity to the integer sigma of the noise
//	MuSquared, RootUp from sensitivity and sigma back to mu
//	Allowance         what several releases may spend together
//	Split, Shares     its division among equal ones
//	Group             mu for several units of data
//	Delta, Epsilon    from mu to points of the curve
//	Table, GroupTable the points that a certificate prints
//
// Releases with truncated Laplace noise, those of package dptree, are made of many mechanisms whose
// epsilons and deltas add up:
//
//	SplitBudget       from a promise and a number of mechanisms to the promise of each
//	Laplace           from that and a sensitivity to the distribution of the noise
//	LaplaceDelta      the exact delta of a distribution
//	Composition.Total what all of them spend
//
// The proof is in PROOF.md beside this file. What is trusted: math/big, and the inclusion of
// numbers in the intervals of core/internal/bigmath.
package privacy
