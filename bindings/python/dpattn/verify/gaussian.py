"""What releases with one vector of integers a head and rounded Gaussian noise have in common.

The file says which integers bound a contribution and which sigma the noise has. From these follow

    sensitivity^2   of one head to one unit, an integer
    mu^2            = sum over heads of sensitivity^2 / sigma_h^2, an exact fraction
    delta(epsilon)  = Phi(mu/2 - epsilon/mu) - e^epsilon Phi(-mu/2 - epsilon/mu)

and the claim holds if delta(epsilon) is at most the delta of the file.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Dict, Tuple

from .._check import exact
from .numbers import gaussian_delta, mpmath, real, workdps
from .reader import BadFileError, Reader
from .report import Report, lookup, number, short

# With more different sigmas than this mu^2 is no exact sum, but an upper bound.
_MAX_FRACTION = 64

ADJACENCY = {1: "add_remove", 2: "replace"}
MAX_DIM, MAX_OWNER_ROWS = 1 << 16, 1 << 20
_MAX_SIGMA, _MAX_ROWS = 1 << 53, 1 << 30
_MIN_OWNER_BOUND = 1 / 1024

# Where bounds, scales and centres are, head weights, and lambda in units of the values' bound.
_LEAST, LARGEST = 1e-100, 1e100
_LEAST_WEIGHT, _LARGEST_WEIGHT = 1e-6, 1e6
_LEAST_LAMBDA, _LARGEST_LAMBDA = 1 / 64, 16

# The grid of docs/formats.md, "What the integers mean".
KEY_SCALE, VALUE_SCALE, VALUE2 = 32766, 1022, 1 << 20


class File:
    """What the files have in common; a mechanism's own reads its parameters first."""

    heads: int
    adjacency: str
    owner_rows: int
    owner_bound: float
    value_bound: float
    lambda_asked: float
    weights: Tuple[float, ...]
    epsilon: float
    delta: float
    id: str
    sigmas: Tuple[int, ...]
    rows: Tuple[int, ...]

    def check_owner_bound(self) -> None:
        """BadFileError if owners' sums are clipped to what cannot be."""
        if self.owner_bound != 0 and not _MIN_OWNER_BOUND <= self.owner_bound <= self.owner_rows:
            raise BadFileError(f"owner_bound is {self.owner_bound}; it must be 0 or in 1/1024..owner_rows")

    def take_noise(self, reader: Reader, integers: int) -> None:
        """Read the budget, the name and the noise; `integers` of each head end the file."""
        self.epsilon, self.delta = reader.take("2d")
        self.id = bytes(reader.skip(16)).hex()
        pairs = reader.take(f"{2 * self.heads}Q")
        self.sigmas, self.rows = pairs[0::2], pairs[1::2]
        state = 8 * self.heads * integers
        if reader.left != state:
            raise BadFileError(f"the state has {reader.left} bytes; its shape needs {state}")

    @property
    def public_rows(self) -> bool:
        """Whether the number of rows may be published."""
        return self.adjacency == "replace" and self.owner_rows == 0

    @property
    def unit(self) -> str:
        """The unit of the guarantee in words."""
        if not self.owner_rows:
            return "row"
        within = f" within the norm of {self.owner_bound:g}" if self.owner_bound else ""
        return f"owner with up to {self.owner_rows} rows{within}"

    def clip_squared(self, row_squared: int) -> int:
        """The bound on the squared norm of an owner's sum, where a row's is at most this."""
        return math.floor(Fraction(self.owner_bound) ** 2 * row_squared)


def in_bounds(file: File, *bounds: float) -> bool:
    """Whether value_bound, these bounds, lambda and the head weights are in range."""
    return (
        all(_LEAST <= bound <= LARGEST for bound in (file.value_bound, *bounds))
        and _LEAST_LAMBDA <= file.lambda_asked / file.value_bound <= _LARGEST_LAMBDA
        and all(_LEAST_WEIGHT <= weight <= _LARGEST_WEIGHT for weight in file.weights)
    )


def verify_noise(file: File, report: Report) -> bool:
    """Check the budget and the noise as such."""
    report.check(
        file.epsilon > 0 and math.isfinite(file.epsilon) and 0 < file.delta < 1,
        "budget: epsilon and delta are in range",
        "budget: epsilon or delta is out of range",
    )
    report.check(
        all(1 <= sigma <= _MAX_SIGMA for sigma in file.sigmas),
        f"noise: sigma is given for each of {file.heads} heads",
        f"noise: a sigma is not in 1..2^53: {sorted(set(file.sigmas))[:3]}",
    )
    report.check(
        all(rows <= _MAX_ROWS if file.public_rows else rows == 0 for rows in file.rows),
        "rows: the number of rows is given only where it is public",
        "rows: the file gives a number of rows, which is private here (or is out of range)",
    )
    return report.ok


def verify_guarantee(file: File, squared: int, report: Report) -> None:
    """Check that the noise keeps the budget at this squared sensitivity; fill in the facts."""
    mp = mpmath()
    with workdps():
        mu2 = mu_squared(file, squared)
        mu = mp.sqrt(real(mu2))
        delta = gaussian_delta(mu, file.epsilon)
        holds = delta <= mp.mpf(file.delta)
        shown = mp.nstr(delta, 30)
        report.facts = {
            "id": file.id,
            "epsilon": file.epsilon,
            "delta": file.delta,
            "adjacency": file.adjacency,
            "unit": file.unit,
            "sensitivity_squared": str(squared),
            "mu_squared": f"{mu2.numerator}/{mu2.denominator}",
            "mu": mp.nstr(mu, 30),
            "delta_at_epsilon": shown,
        }
    report.check(
        holds,
        f"guarantee: mu = {report.facts['mu']}, delta({exact(file.epsilon)}) = {shown} <= {exact(file.delta)}",
        f"guarantee: the noise gives delta({exact(file.epsilon)}) = {shown}, "
        f"above the {exact(file.delta)} that the file claims",
    )


def _terms(file: File) -> Dict[int, int]:
    """How many heads have each sigma, in order of first appearance."""
    terms: Dict[int, int] = {}
    for sigma in file.sigmas:
        terms[sigma] = terms.get(sigma, 0) + 1
    return terms


def mu_squared(file: File, squared: int) -> Fraction:
    """sum_h sensitivity^2/sigma_h^2; of many sigmas, each rounded up to a multiple of 2^-256."""
    terms = [Fraction(squared * heads, sigma * sigma) for sigma, heads in _terms(file).items()]
    if len(terms) > _MAX_FRACTION:
        terms = [Fraction(math.ceil(term * 2**256), 2**256) for term in terms]
    return sum(terms, Fraction(0))


# ---- The certificate ---------------------------------------------------------------------------

# What `verify_numbers` checks, and what is no claim about the release.
COMPUTED = (
    "library",
    "sensitivity.squared",
    "mu",
    "mu_squared",
    *(f"curve.{name}" for name in ("delta", "epsilon")),
    *(f"groups.{name}" for name in ("units", "epsilon", "delta")),
)


def expected(file: File, mechanism: str) -> Dict[str, Any]:
    """Certificate fields that follow from the file exactly."""
    return {
        "format": "dpattn-certificate/1",
        "id": file.id,
        "mechanism": mechanism,
        "adjacency": file.adjacency,
        "unit": {
            "kind": "owner" if file.owner_rows else "row",
            "max_rows": max(file.owner_rows, 1),
            "owner_bound": file.owner_bound or None,
        },
        "epsilon": file.epsilon,
        "delta": file.delta,
        "sensitivity.norm": "L2",
        "sensitivity.value_squared": VALUE2,
        "noise.law": "round(N(0, sigma^2)), independent on each integer",
        "noise.terms": [{"heads": heads, "sigma": sigma} for sigma, heads in _terms(file).items()],
        "grid.key_scale": KEY_SCALE,
        "grid.value_scale": VALUE_SCALE,
        "rows": list(file.rows) if file.public_rows else None,
    }


def verify_numbers(file: File, products: Dict[str, Fraction], claims: Any, report: Report) -> None:
    """Check what the certificate computes: integers exactly, floats never below the loss.

    Each of `products` may be off by rounding.
    """
    mp = mpmath()
    squared = int(report.facts["sensitivity_squared"])

    def wrong(name: str, must: str) -> None:
        report.problems.append(f"certificate: {name} is {short(lookup(claims, name))}; {must}")

    if lookup(claims, "sensitivity.squared") != str(squared):
        wrong("sensitivity.squared", f"it must be {squared}")
    fraction = lookup(claims, "mu_squared")
    mu2 = mu_squared(file, squared)
    exact = {"numerator": str(mu2.numerator), "denominator": str(mu2.denominator)}
    if fraction != exact:
        wrong("mu_squared", f"it must be {short(exact)}")
    for name, value in products.items():
        found = number(lookup(claims, name))
        if found is None or abs(Fraction(found) - value) > value / 10**14:
            wrong(name, f"it must be {float(value)!r}")
    with workdps():
        mu = mp.sqrt(real(mu2))
        found = number(lookup(claims, "mu"))
        if found is None or not mu <= found <= mu * (1 + mp.mpf("1e-12")):
            wrong("mu", f"it must be {mp.nstr(mu, 20)}, rounded up")
        for table, factor in (("curve", None), ("groups", "units")):
            lines = lookup(claims, table)
            for i, line in enumerate(lines if isinstance(lines, list) and lines else [None]):
                epsilon, delta = (number(lookup(line, name)) for name in ("epsilon", "delta"))
                k = 1 if factor is None else lookup(line, factor)
                if epsilon is None or delta is None or type(k) is not int or not 1 <= k <= 10**9 or epsilon < 0:
                    report.problems.append(f"certificate: {table}[{i}] is {short(line)}; it is no line of this table")
                elif gaussian_delta(k * mu, epsilon) > delta:
                    report.problems.append(
                        f"certificate: {table}[{i}] claims epsilon = {epsilon!r} at delta = {delta!r}; "
                        f"there delta is {mp.nstr(gaussian_delta(k * mu, epsilon), 20)}"
                    )
