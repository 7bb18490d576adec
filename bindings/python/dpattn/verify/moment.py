"""The release of the Gaussian mechanism: polynomial moments with rounded Gaussian noise.

The file (docs/formats.md) says which integers bound a contribution and which sigma the noise has.
From these follow

    sensitivity^2   of one head to one unit, an integer
    mu^2            = sum over heads of sensitivity^2 / sigma_h^2, an exact fraction
    delta(epsilon)  = Phi(mu/2 - epsilon/mu) - e^epsilon Phi(-mu/2 - epsilon/mu)

and the claim holds if delta(epsilon) is at most the delta of the file.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any, Collection, Dict, List, Sequence, Tuple

from .._check import exact
from .numbers import gaussian_delta, mpmath, real, workdps
from .reader import BadFileError, Reader, in_range
from .report import Report, lookup, number, short

# With more different sigmas than this mu^2 is no exact sum, but an upper bound.
_MAX_FRACTION = 64

_ADJACENCY = {1: "add_remove", 2: "replace"}
_POLYNOMIAL = {1: "minimax", 2: "taylor"}
_ROTATION = {1: "hadamard", 2: "none"}
_MAX_DIM, _MAX_DEGREE, _MAX_OWNER_ROWS, _MAX_SIGMA, _MAX_ROWS = 1 << 16, 8, 1 << 20, 1 << 53, 1 << 30
_MIN_OWNER_BOUND = 1 / 1024

# The grid of docs/formats.md, "What the integers mean".
_KEY_SCALE, _VALUE_SCALE, _VALUE2 = 32766, 1022, 1 << 20


# ---- The file ----------------------------------------------------------------------------------


class File:
    """A release file, read as docs/formats.md says; `verify_claim` checks what it claims."""

    heads: int
    key_dim: int
    value_dim: int
    degree: int
    owner_rows: int
    owner_bound: float
    lambda_: int
    constant: int
    gains: List[int]
    sigmas: Tuple[int, ...]
    rows: Tuple[int, ...]
    epsilon: float
    delta: float

    def __init__(self, reader: Reader) -> None:
        take, skip = reader.take, reader.skip
        (self.heads, self.key_dim, self.value_dim, self.degree, mechanism, polynomial, adjacency) = take("7I")
        (self.owner_rows, rotation, feature_map, has_center, has_weights) = take("5I")
        for name, value, low, high in (
            ("heads", self.heads, 1, _MAX_DIM),
            ("key_dim", self.key_dim, 1, _MAX_DIM),
            ("value_dim", self.value_dim, 1, _MAX_DIM),
            ("degree", self.degree, 1, _MAX_DEGREE),
            ("mechanism", mechanism, 1, 1),
            ("polynomial", polynomial, 1, 2),
            ("adjacency", adjacency, 1, 2),
            ("owner_rows", self.owner_rows, 0, _MAX_OWNER_ROWS),
            ("rotation", rotation, 1, 2),
            ("feature map", feature_map, 1, 1),
            ("has centre", has_center, 0, 1),
            ("has head weights", has_weights, 0, 1),
        ):
            in_range(name, value, low, high)
        self.adjacency = _ADJACENCY[adjacency]
        self.polynomial = _POLYNOMIAL[polynomial]
        self.rotation = _ROTATION[rotation]
        self.centered = bool(has_center)
        (self.key_bound, self.value_bound, self.query_bound, self.scale) = take("4d")
        (self.lambda_asked, self.owner_bound, self.error) = take("3d")
        if self.owner_bound != 0 and not _MIN_OWNER_BOUND <= self.owner_bound <= self.owner_rows:
            raise BadFileError(f"owner_bound is {self.owner_bound}; it must be 0 or in 1/1024..owner_rows")
        skip(8 * self.heads * self.key_dim * has_center)
        skip(8 * self.heads * has_weights)
        self.coefficients = take(f"{self.degree + 1}d")
        self.lambda_, self.constant, *self.gains = take(f"{self.degree + 2}H")
        self.epsilon, self.delta = take("2d")
        self.id = bytes(skip(16)).hex()
        pairs = take(f"{2 * self.heads}Q")
        self.sigmas, self.rows = pairs[0::2], pairs[1::2]
        self.features = math.comb(self.key_dim + self.degree, self.degree)
        state = 8 * self.heads * self.features * (self.value_dim + 1)
        if reader.left != state:
            raise BadFileError(f"the state has {reader.left} bytes; its shape needs {state}")

    @functools.cached_property
    def kernel_floor(self) -> Any:
        """The eta of the sharper REPLACE bound, or None; see `_kernel_floor`."""
        return _kernel_floor(self)

    @property
    def unit(self) -> str:
        """The unit of the guarantee in words."""
        if not self.owner_rows:
            return "row"
        within = f" within the norm of {self.owner_bound:g}" if self.owner_bound else ""
        return f"owner with up to {self.owner_rows} rows{within}"


# ---- The guarantee -----------------------------------------------------------------------------


def verify_claim(file: File, report: Report) -> None:
    """Check everything that the file promises, and fill in the report's facts."""
    finite = all(
        map(math.isfinite, (file.key_bound, file.value_bound, file.query_bound, file.scale, *file.coefficients))
    )
    positive = min(file.key_bound, file.value_bound, file.query_bound, file.scale) > 0
    report.check(
        finite and positive and file.epsilon > 0 and math.isfinite(file.epsilon) and 0 < file.delta < 1,
        "parameters: bounds, scale and budget are in range",
        "parameters: a bound, the scale or the budget is out of range",
    )
    report.check(
        1 <= file.constant <= 1 << 13
        and 1 <= file.lambda_ <= 32767
        and all(gain <= 32767 and gain * gain <= (1 << 26) * t for t, gain in enumerate(file.gains, 1)),
        "integers: the constant feature, the gains and lambda are in range",
        "integers: the constant feature, a gain or lambda is out of the range in which the norm gate works",
    )
    report.check(
        all(1 <= sigma <= _MAX_SIGMA for sigma in file.sigmas),
        f"noise: sigma is given for each of {file.heads} heads",
        f"noise: a sigma is not in 1..2^53: {sorted(set(file.sigmas))[:3]}",
    )
    public_rows = file.adjacency == "replace" and file.owner_rows == 0
    report.check(
        all(rows <= _MAX_ROWS if public_rows else rows == 0 for rows in file.rows),
        "rows: the number of rows is given only where it is public",
        "rows: the file gives a number of rows, which is private here (or is out of range)",
    )
    if not report.ok:
        return
    squared = sensitivity_squared(file)
    mp = mpmath()
    with workdps():
        mu2 = _mu_squared(file, squared)
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


def sensitivity_squared(file: File) -> int:
    """Squared L2 sensitivity of one head's integer state to one unit (core/moment/PROOF.md)."""
    phi2 = _phi_squared(file)
    right = _VALUE2 + file.lambda_ * file.lambda_
    if file.owner_bound:  # the sum of an owner's rows is clipped to this; two such sums are at most twice as far apart
        clip = math.floor(Fraction(file.owner_bound) ** 2 * phi2 * right)
        return clip if file.adjacency == "add_remove" else 4 * clip
    rows = max(file.owner_rows, 1)
    factor = rows * rows
    if file.adjacency == "replace":
        factor *= 4
        if _sharper(file):
            right = _VALUE2
    return factor * phi2 * right


def _phi_squared(file: File) -> int:
    """The bound on the squared norm of a row's features."""
    return (1 << 26) + file.features // 10


def _terms(file: File) -> Dict[int, int]:
    """How many heads have each sigma, in order of first appearance."""
    terms: Dict[int, int] = {}
    for sigma in file.sigmas:
        terms[sigma] = terms.get(sigma, 0) + 1
    return terms


def _mu_squared(file: File, squared: int) -> Fraction:
    """sum_h sensitivity^2/sigma_h^2; of many sigmas, each rounded up to a multiple of 2^-256."""
    terms = [Fraction(squared * heads, sigma * sigma) for sigma, heads in _terms(file).items()]
    if len(terms) > _MAX_FRACTION:
        terms = [Fraction(math.ceil(term * 2**256), 2**256) for term in terms]
    return sum(terms, Fraction(0))


def _sharper(file: File) -> bool:
    """Whether 2 sqrt(P) |v| bounds a replacement.

    It does if (1 + eta)(V + lambda^2) <= 2 V, where <phi(x), phi(y)> >= -eta P.
    """
    eta = file.kernel_floor
    return eta is not None and bool((1 + eta) * (_VALUE2 + file.lambda_**2) <= 2 * _VALUE2)


def _kernel_floor(file: File) -> Any:
    """eta, below 1, with <phi(x), phi(y)> >= -eta P for all admitted keys; None if none is proven.

    The features without rounding have the kernel w_0^2 + sum_t gain_t^2/t y^t, y in [-1, 1]; eta is
    what rounding adds.
    """
    kernel = [Fraction(file.constant**2)] + [Fraction(gain * gain, t) for t, gain in enumerate(file.gains, 1)]
    if not _not_negative(kernel):
        return None
    phi2 = _phi_squared(file)
    mp = mpmath()
    with workdps():
        squares = propagated = mp.mpf(0)
        for t, gain in enumerate(file.gains, 1):
            root = mp.sqrt(t)
            if t == 1:
                error = mp.mpf("0.5")
            else:
                error = mp.mpf("1.5") + propagated * (gain + 1) / 2**15
                propagated = root * (propagated + mp.mpf("0.5")) + mp.mpf("1.5")
            squares += math.comb(file.key_dim + t - 1, t) * error * error
        eta = 2 * mp.sqrt(squares / phi2) + squares / phi2
        return eta if eta < 1 else None


def _not_negative(coefficients: Sequence[Fraction]) -> bool:
    """Whether sum_t c_t y^t >= 0 on [-1, 1], for c_t >= 0.

    It is proven by Bernstein coefficients on halved intervals.
    Non-negative coefficients leave only [-1, 0] to prove: there it is sum_t c_t (-1)^t u^t with u
    in [0, 1].
    """
    degree = len(coefficients) - 1
    power = [c * (-1) ** t for t, c in enumerate(coefficients)]
    first = [
        sum((Fraction(math.comb(i, t), math.comb(degree, t)) * power[t] for t in range(i + 1)), Fraction(0))
        for i in range(degree + 1)
    ]
    todo = [(first, 0)]
    while todo:
        b, depth = todo.pop()
        if min(b) >= 0:
            continue
        if b[0] < 0 or b[-1] < 0 or depth == 50:
            return False
        left, right, row = [b[0]], [b[-1]], b
        while len(row) > 1:  # de Casteljau
            row = [(x + y) / 2 for x, y in zip(row, row[1:])]
            left.append(row[0])
            right.append(row[-1])
        todo += [(left, depth + 1), (right[::-1], depth + 1)]
    return True


# ---- The certificate ---------------------------------------------------------------------------


# What `verify_numbers` checks, and what is no claim about the release.
_COMPUTED = (
    "library",
    "sensitivity.squared",
    "mu",
    "mu_squared",
    "bounds.lambda",
    "bounds.logit_bound",
    "grid.value_step",
    *(f"curve.{name}" for name in ("delta", "epsilon")),
    *(f"groups.{name}" for name in ("units", "epsilon", "delta")),
)


def computed(_file: File) -> Collection[str]:
    """Certificate fields that `verify_numbers` checks, and what is no claim about the release."""
    return _COMPUTED


def expected(file: File) -> Dict[str, Any]:
    """Certificate fields that follow from the file exactly."""
    public_rows = file.adjacency == "replace" and file.owner_rows == 0
    return {
        "format": "dpattn-certificate/1",
        "id": file.id,
        "mechanism": "gaussian",
        "adjacency": file.adjacency,
        "unit": {
            "kind": "owner" if file.owner_rows else "row",
            "max_rows": max(file.owner_rows, 1),
            "owner_bound": file.owner_bound or None,
        },
        "epsilon": file.epsilon,
        "delta": file.delta,
        "sensitivity.norm": "L2",
        "sensitivity.phi_squared": _phi_squared(file),
        "sensitivity.value_squared": _VALUE2,
        "sensitivity.lambda": file.lambda_,
        "sensitivity.sharper_replace_bound": file.adjacency == "replace" and not file.owner_bound and _sharper(file),
        "sensitivity.kernel_floor_proven": file.kernel_floor is not None,
        "noise.law": "round(N(0, sigma^2)), independent on each integer",
        "noise.terms": [{"heads": heads, "sigma": sigma} for sigma, heads in _terms(file).items()],
        "shape.heads": file.heads,
        "shape.key_dim": file.key_dim,
        "shape.value_dim": file.value_dim,
        "shape.degree": file.degree,
        "shape.features": file.features,
        "bounds.key_bound": file.key_bound,
        "bounds.value_bound": file.value_bound,
        "bounds.query_bound": file.query_bound,
        "bounds.scale": file.scale,
        "feature_map.kind": "polynomial",
        "feature_map.polynomial": file.polynomial,
        "feature_map.coefficients": list(file.coefficients),
        "feature_map.relative_error": file.error,
        "feature_map.constant": file.constant,
        "feature_map.gains": list(file.gains),
        "feature_map.rotation": file.rotation,
        "feature_map.centered": file.centered,
        "grid.key_scale": _KEY_SCALE,
        "grid.value_scale": _VALUE_SCALE,
        "rows": list(file.rows) if public_rows else None,
    }


def verify_numbers(file: File, claims: Any, report: Report) -> None:
    """Check what the certificate computes: integers exactly, floats never below the loss."""
    mp = mpmath()
    squared = int(report.facts["sensitivity_squared"])

    def wrong(name: str, must: str) -> None:
        report.problems.append(f"certificate: {name} is {short(lookup(claims, name))}; {must}")

    if lookup(claims, "sensitivity.squared") != str(squared):
        wrong("sensitivity.squared", f"it must be {squared}")
    fraction = lookup(claims, "mu_squared")
    mu2 = _mu_squared(file, squared)
    exact = {"numerator": str(mu2.numerator), "denominator": str(mu2.denominator)}
    if fraction != exact:
        wrong("mu_squared", f"it must be {short(exact)}")
    for name, value in (
        ("bounds.lambda", Fraction(file.lambda_) * Fraction(file.value_bound) / _VALUE_SCALE),
        ("bounds.logit_bound", Fraction(file.scale) * Fraction(file.query_bound) * Fraction(file.key_bound)),
        ("grid.value_step", Fraction(file.value_bound) / _VALUE_SCALE),
    ):
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
