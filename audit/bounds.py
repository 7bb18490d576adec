"""What counts of right guesses say about privacy, with exact binomial bounds.

An auditor knows D, D' and a rule, all fixed before any release is made, and guesses from one
release which of the two it came from. This is done for N releases of each.

What a release claims is a curve, that of mu-Gaussian DP: a rule that says D' with chance a on D
says it with chance at most Phi(Phi^-1(a) + mu) on D'. So the mean of the two chances of a right
guess is at most Phi(mu/2), whatever the rule. The number of right guesses among 2N is a sum of
independent bits of mean at most 2N Phi(mu/2), and its upper tail is at most that of Binomial(2N,
Phi(mu/2)): equal chances have the heaviest tails (Hoeffding 1956, theorem 4). Therefore

    p value of the claim   = P(Binomial(2N, Phi(mu/2)) >= right)
    certified mu           = 2 Phi^-1(Clopper-Pearson's lower bound of right/2N at 1 - alpha)
    certified epsilon      = the epsilon of that mu at the delta in question

The library is assumed to make releases independently of each other, as it says, and that is tested
by itself; nothing else is, neither that its noise is Gaussian nor that its sums are what they
should be. What is refuted is a curve (as in Nasr et al. 2023, arXiv 2302.07956). To refute one
point (epsilon, delta) of it takes more: a rule that says D' with chances a on D and b on D' with b
> e^epsilon a + delta. `point_bound` certifies in this way, too, but far below the claim for any
affordable N: rules that come near the point say D' once in 10,000 releases.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.stats import beta, binom, norm


def delta_of(epsilon: float, mu: float) -> float:
    """delta(epsilon) of mu-Gaussian DP (Balle and Wang 2018, theorem 8)."""
    return float(norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon + norm.logcdf(-mu / 2 - epsilon / mu)))


def mu_of(epsilon: float, delta: float) -> float:
    """The largest mu that gives (epsilon, delta)-DP."""
    top = 2.0
    while delta_of(epsilon, top) < delta:
        top *= 2
    return float(brentq(lambda mu: delta_of(epsilon, mu) - delta, 1e-9, top, xtol=1e-15, rtol=1e-14))


def epsilon_of(mu: float, delta: float) -> float:
    """The smallest epsilon that mu-Gaussian DP gives at delta."""
    if mu <= 0 or delta_of(0, mu) <= delta:
        return 0.0
    return float(brentq(lambda epsilon: delta_of(epsilon, mu) - delta, 0, mu * mu / 2 + 40 * mu, xtol=1e-13))


def claim_p(right: int, total: int, mu: float) -> float:
    """The chance of so many right guesses or more, at most, if mu is true."""
    return float(binom.sf(right - 1, total, norm.cdf(mu / 2)))


def certified_mu(right: int, total: int, alpha: float) -> float:
    """No smaller mu is true, but for a chance of at most alpha."""
    least = beta.ppf(alpha, right, total - right + 1)
    return float(max(0.0, 2 * norm.ppf(least)))


def point_bound(on_d: int, on_other: int, side: int, delta: float, alpha: float) -> float:
    """No smaller epsilon is true at delta, by both rates of one rule, but for a chance of alpha."""
    most = beta.isf(alpha / 2, on_d + 1, side - on_d)
    least = beta.ppf(alpha / 2, on_other, side - on_other + 1) if on_other else 0.0
    return float(max(0.0, math.log((least - delta) / most))) if least > delta else 0.0


def point_p(on_d: int, on_other: int, side: int, epsilon: float, delta: float) -> float:
    """The alpha from which on `point_bound` exceeds epsilon."""
    low, high = -300.0, 0.0  # of log10 alpha
    if point_bound(on_d, on_other, side, delta, 1.0) <= epsilon:
        return 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if point_bound(on_d, on_other, side, delta, 10**middle) > epsilon:
            high = middle
        else:
            low = middle
    return float(10**high)


def point_threshold(mu: float, side: int, delta: float, alpha: float) -> float:
    """The score from which on to say D': for N(0, 1) against N(mu, 1) the best `point_bound`."""

    def expected(t: float) -> float:
        return point_bound(round(side * norm.sf(t)), round(side * norm.sf(t - mu)), side, delta, alpha)

    return float(max(np.arange(0.0, mu + 5, 0.05), key=expected))
