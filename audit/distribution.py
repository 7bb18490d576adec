"""The distribution that the noise must have, and tests of it on what the library gave.

round(N(0, sigma^2)) on every integer, independent of each other. Tests are two-sided: numbers that
fit too well are not random either.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Tuple

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import binom, chi2, norm, poisson

Array = np.ndarray[Any, np.dtype[Any]]

BINS = 64
# From this sigma on numbers hardly ever repeat, and their low bits are even.
WIDE = 1 << 16
# Pairs of coordinates are compared up to this many.
PAIRED = 64
MEDIAN = float(ndtri(0.75))


@dataclasses.dataclass
class Outcome:
    """One test: the chance, if all is well, of what was seen or something stranger."""

    name: str
    p: float
    detail: str


def cdf(m: Array | float, sigma: float) -> Any:
    """P(round(N(0, sigma^2)) <= m)."""
    return ndtr((np.asarray(m, np.float64) + 0.5) / sigma)


def hermite(z: Array) -> Tuple[Array, ...]:
    """He_1 .. He_4: under N(0, 1) they have mean 0, variance k! and no correlation."""
    square = z * z
    return z, square - 1, z * (square - 3), square * (square - 6) + 3


class Distribution:
    """round(N(0, sigma^2)) and what follows from it, with exact chances of every bin."""

    def __init__(self, sigma: int) -> None:
        self.sigma = sigma
        cuts = np.unique(np.floor(sigma * ndtri(np.arange(1, BINS) / BINS)).astype(np.int64))
        self.cuts = cuts  # bin i holds cuts[i-1] < m <= cuts[i]
        self.masses = np.diff(np.concatenate(([0.0], cdf(cuts, sigma), [1.0])))
        self.far = 4 * sigma  # beyond: |m| > 4 sigma
        self.far_mass = 2 * float(cdf(-self.far - 1, sigma))
        self.near = round(MEDIAN * sigma)
        self.near_mass = 1 - 2 * float(cdf(-self.near - 1, sigma))
        self.means, self.variances = np.zeros(4), np.array([1.0, 2.0, 6.0, 24.0])
        if sigma < 1000:  # where rounding is seen
            m = np.arange(-12 * sigma - 12, 12 * sigma + 13)
            mass = cdf(m, sigma) - cdf(m - 1, sigma)
            powers = hermite(m / sigma)
            self.means = np.array([float(mass @ h) for h in powers])
            self.variances = np.array([float(mass @ (h * h)) for h in powers]) - self.means**2


class Counts:
    """What is kept of releases: counts and sums that add up over batches, processes and sides.

    noise: integers (n, width), what is left of states when the exact sums are taken off.
    """

    def __init__(self, sigmas: Tuple[int, ...], width: int) -> None:
        self.sigmas, self.width = sigmas, width
        self.distributions = [Distribution(sigma) for sigma in sigmas]
        self.paired = width <= PAIRED
        self.wide = min(sigmas) >= WIDE
        self.releases = 0
        self.bins = [np.zeros(d.masses.size, np.int64) for d in self.distributions]
        self.far = 0
        self.powers = np.zeros((len(sigmas), 4))
        self.sum, self.squares = np.zeros(width), np.zeros(width)
        self.bytes = np.zeros(256, np.int64)
        self.equal, self.equal_expected = 0, 0.0
        self.first: List[Array] = []
        self.cross = np.zeros((3, width, width)) if self.paired else np.zeros(0)
        self.next = 0  # pairs of releases in a row

    def add(self, noise: Array) -> None:
        """Add a batch of releases, in the order in which they were made."""
        n, heads = len(noise), len(self.sigmas)
        by_head = noise.reshape(n, heads, -1)
        z = (by_head / np.array(self.sigmas, np.float64)[None, :, None]).reshape(n, -1)
        for h, d in enumerate(self.distributions):
            part = by_head[:, h].ravel()
            self.bins[h] += np.bincount(np.searchsorted(d.cuts, part), minlength=d.masses.size)
            self.far += int(np.count_nonzero(np.abs(part) > d.far))
            self.powers[h] += [float(power.sum()) for power in hermite(part / d.sigma)]
        self.sum += z.sum(axis=0)
        self.squares += np.square(z).sum(axis=0)
        if self.wide:
            self.bytes += np.bincount((noise & 255).ravel(), minlength=256)
            if heads == 1:
                self._count_equal(noise)
                self.first.append(np.abs(noise[:, 0]))
        if self.paired:
            far = np.concatenate([np.abs(by_head[:, h]) > d.near for h, d in enumerate(self.distributions)], axis=1)
            sign = np.where(far, np.float32(1), np.float32(-1))
            self.cross += [z.T @ z, sign.T @ sign, z[:-1].T @ z[1:]]
            self.next += n - 1
        self.releases += n

    def _count_equal(self, noise: Array) -> None:
        """Pairs of equal magnitude in a batch; two agree with chance 1/(sqrt(pi) sigma)."""
        ordered = np.sort(np.abs(noise), axis=None)
        self.equal += pairs(ordered)
        self.equal_expected += ordered.size * (ordered.size - 1) / 2 / (np.sqrt(np.pi) * self.sigmas[0])

    def merge(self, other: Counts) -> None:
        """Add what another one has."""
        self.bins = [a + b for a, b in zip(self.bins, other.bins)]
        for name in (
            "releases",
            "far",
            "powers",
            "sum",
            "squares",
            "bytes",
            "equal",
            "equal_expected",
            "first",
            "cross",
            "next",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    # ---- Tests ----

    def outcomes(self) -> List[Outcome]:
        """Every test that applies."""
        tests = [self._chi_square(), *self._moments(), self._tail()]
        tests += [self._coordinates("mean", self.sum / np.sqrt(self.releases), norm.sf)]
        if self.wide:
            variance = (self.squares - self.releases) / np.sqrt(2 * self.releases)
            p = two_sided(chi2.cdf(self.squares, self.releases), chi2.sf(self.squares, self.releases))
            worst = int(np.argmin(p))
            text = f"coordinate {worst}: variance {self.squares[worst] / self.releases:.4f}, {variance[worst]:+.1f} sd"
            tests.append(Outcome("variance of each coordinate", bonferroni(float(p.min()), self.width), text))
            tests.append(self._low_bits())
        if self.wide and len(self.sigmas) == 1:
            tests += [self._equal("equal numbers in a batch", self.equal, self.equal_expected), self._equal_first()]
        if self.paired:
            tests += self._correlations()
        return tests

    @property
    def draws(self) -> int:
        return self.releases * self.width

    def _chi_square(self) -> Outcome:
        value, freedom = 0.0, 0
        for bins, d in zip(self.bins, self.distributions):
            expected = d.masses * bins.sum()
            value += float((np.square(bins - expected) / expected).sum())
            freedom += d.masses.size - 1
        p = two_sided(chi2.cdf(value, freedom), chi2.sf(value, freedom))
        return Outcome("chi-square over equal-mass bins", float(p), f"{value:.1f} with {freedom} degrees of freedom")

    def _moments(self) -> List[Outcome]:
        n = self.draws / len(self.sigmas)
        tests = []
        for k in range(4):
            # Heads have their own sigmas; their deviations add up.
            off = sum(float(self.powers[h][k] - n * d.means[k]) for h, d in enumerate(self.distributions))
            deviation = off / np.sqrt(n * sum(d.variances[k] for d in self.distributions))
            text = f"{deviation:+.2f} sd"
            tests.append(Outcome(f"moment {k + 1}", float(2 * norm.sf(abs(deviation))), text))
        return tests

    def _tail(self) -> Outcome:
        mass = sum(d.far_mass for d in self.distributions) / len(self.distributions)
        p = two_sided(binom.cdf(self.far, self.draws, mass), binom.sf(self.far - 1, self.draws, mass))
        text = f"{self.far:,} of {self.draws:,}, {1e8 * self.far / self.draws:,.0f} of 1e8; expected {1e8 * mass:,.0f}"
        return Outcome("tail beyond 4 sigma", float(p), text)

    def _coordinates(self, name: str, deviations: Array, tail: Any) -> Outcome:
        worst = int(np.argmax(np.abs(deviations)))
        p = bonferroni(2 * float(tail(abs(deviations[worst]))), self.width)
        return Outcome(f"{name} of each coordinate", p, f"coordinate {worst}: {deviations[worst]:+.2f} sd")

    def _low_bits(self) -> Outcome:
        expected = self.bytes.sum() / 256
        value = float((np.square(self.bytes - expected) / expected).sum())
        p = two_sided(chi2.cdf(value, 255), chi2.sf(value, 255))
        return Outcome("low byte uniform", float(p), f"{value:.1f} with 255 degrees of freedom")

    def _equal(self, name: str, seen: int, expected: float) -> Outcome:
        p = two_sided(poisson.cdf(seen, expected), poisson.sf(seen - 1, expected))
        return Outcome(name, float(p), f"{seen:,} pairs, expected {expected:,.1f}")

    def _equal_first(self) -> Outcome:
        ordered = np.sort(np.concatenate(self.first))
        expected = ordered.size * (ordered.size - 1) / 2 / (np.sqrt(np.pi) * self.sigmas[0])
        return self._equal("equal first coordinates, all processes", pairs(ordered), expected)

    def _correlations(self) -> List[Outcome]:
        upper = np.triu_indices(self.width, 1)
        of_head = np.array([2 * (1 - d.near_mass) - 1 for d in self.distributions])
        mean = of_head.repeat(self.width // len(of_head))
        bits = self.cross[1] - self.releases * np.outer(mean, mean)
        spread = np.sqrt(self.releases * (1 - np.outer(mean, mean) ** 2))
        return [
            self._largest("correlation of coordinates", self.cross[0][upper] / np.sqrt(self.releases)),
            self._largest("correlation of magnitudes", (bits / spread)[upper]),
            self._largest("correlation of releases in a row", self.cross[2].ravel() / np.sqrt(max(1, self.next))),
        ]

    def _largest(self, name: str, deviations: Array) -> Outcome:
        worst = float(np.abs(deviations).max())
        p = bonferroni(2 * float(norm.sf(worst)), deviations.size)
        return Outcome(name, p, f"largest of {deviations.size:,}: {worst:.2f} sd")

    def facts(self) -> Dict[str, Any]:
        """For the report's plot."""
        return {
            "draws": self.draws,
            "sigma": list(self.sigmas),
            "cuts": [d.cuts.tolist() for d in self.distributions],
            "masses": [d.masses.tolist() for d in self.distributions],
            "bins": [bins.tolist() for bins in self.bins],
        }


def pairs(ordered: Array) -> int:
    """The number of pairs of equal numbers in a sorted array."""
    edges = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1], [True])))
    lengths = np.diff(edges)
    return int((lengths * (lengths - 1) // 2).sum())


def two_sided(low: Any, high: Any) -> Any:
    """The p value of a number with these chances to be at most, and at least, as large."""
    return np.minimum(1.0, 2 * np.minimum(low, high))


def bonferroni(p: float, tests: int) -> float:
    return min(1.0, p * tests)
