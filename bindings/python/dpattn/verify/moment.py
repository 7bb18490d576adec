"""The release of the Gaussian mechanism: polynomial moments with rounded Gaussian noise."""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any, Collection, Dict, List, Sequence

from . import gaussian
from .gaussian import ADJACENCY, LARGEST, MAX_DIM, MAX_OWNER_ROWS, VALUE2, VALUE_SCALE
from .numbers import mpmath, workdps
from .reader import Reader, in_range
from .report import Report

_POLYNOMIAL = {1: "minimax", 2: "taylor"}
_ROTATION = {1: "hadamard", 2: "none"}
_MAX_DEGREE = 8
_LEAST_LOGIT_BOUND, _MAX_LOGIT_BOUND = 1e-6, 64


# ---- The file ----------------------------------------------------------------------------------


class File(gaussian.File):
    """A release file, read as docs/formats.md says; `verify_claim` checks what it claims."""

    key_dim: int
    value_dim: int
    degree: int
    lambda_: int
    constant: int
    gains: List[int]

    def __init__(self, reader: Reader) -> None:
        take = reader.take
        (self.heads, self.key_dim, self.value_dim, self.degree, mechanism, polynomial, adjacency) = take("7I")
        (self.owner_rows, rotation, feature_map, has_center, has_weights) = take("5I")
        for name, value, low, high in (
            ("heads", self.heads, 1, MAX_DIM),
            ("key_dim", self.key_dim, 1, MAX_DIM),
            ("value_dim", self.value_dim, 1, MAX_DIM),
            ("degree", self.degree, 1, _MAX_DEGREE),
            ("mechanism", mechanism, 1, 1),
            ("polynomial", polynomial, 1, 2),
            ("adjacency", adjacency, 1, 2),
            ("owner_rows", self.owner_rows, 0, MAX_OWNER_ROWS),
            ("rotation", rotation, 1, 2),
            ("feature map", feature_map, 1, 1),
            ("has centre", has_center, 0, 1),
            ("has head weights", has_weights, 0, 1),
        ):
            in_range(name, value, low, high)
        self.adjacency = ADJACENCY[adjacency]
        self.polynomial = _POLYNOMIAL[polynomial]
        self.rotation = _ROTATION[rotation]
        self.centered = bool(has_center)
        (self.key_bound, self.value_bound, self.query_bound, self.scale) = take("4d")
        (self.lambda_asked, self.owner_bound, self.error) = take("3d")
        self.check_owner_bound()
        self.center = take(f"{self.heads * self.key_dim * has_center}d")
        self.weights = take(f"{self.heads * has_weights}d")
        self.coefficients = take(f"{self.degree + 1}d")
        self.lambda_, self.constant, *self.gains = take(f"{self.degree + 2}H")
        self.features = math.comb(self.key_dim + self.degree, self.degree)
        self.take_noise(reader, self.features * (self.value_dim + 1))

    @functools.cached_property
    def kernel_floor(self) -> Any:
        """The eta of the sharper REPLACE bound, or None; see `_kernel_floor`."""
        return _kernel_floor(self)


# ---- The guarantee -----------------------------------------------------------------------------


def verify_claim(file: File, report: Report) -> None:
    """Check everything that the file promises, and fill in the report's facts."""
    report.check(
        gaussian.in_bounds(file, file.key_bound, file.query_bound, file.scale)
        and _LEAST_LOGIT_BOUND <= file.scale * file.query_bound * file.key_bound <= _MAX_LOGIT_BOUND
        and all(abs(x) <= LARGEST for x in (*file.center, *file.coefficients))
        and 0 <= file.error <= LARGEST,
        "parameters: bounds, scale, lambda, centre, head weights and coefficients are in range",
        "parameters: a bound, the scale, lambda, the centre, a head weight or a coefficient is out of range",
    )
    report.check(
        1 <= file.constant <= 1 << 13
        and 1 <= file.lambda_ <= 32767
        and all(gain <= 32767 and gain * gain <= (1 << 26) * t for t, gain in enumerate(file.gains, 1)),
        "integers: the constant feature, the gains and lambda are in range",
        "integers: the constant feature, a gain or lambda is out of the range in which the norm gate works",
    )
    if gaussian.verify_noise(file, report):
        gaussian.verify_guarantee(file, sensitivity_squared(file), report)


def sensitivity_squared(file: File) -> int:
    """Squared L2 sensitivity of one head's integer state to one unit (core/moment/PROOF.md)."""
    phi2 = _phi_squared(file)
    right = VALUE2 + file.lambda_ * file.lambda_
    if file.owner_bound:  # the sum of an owner's rows is clipped to this; two such sums are at most twice as far apart
        clip = file.clip_squared(phi2 * right)
        return clip if file.adjacency == "add_remove" else 4 * clip
    rows = max(file.owner_rows, 1)
    factor = rows * rows
    if file.adjacency == "replace":
        factor *= 4
        if _sharper(file):
            right = VALUE2
    return factor * phi2 * right


def _phi_squared(file: File) -> int:
    """The bound on the squared norm of a row's features."""
    return (1 << 26) + file.features // 10


def _sharper(file: File) -> bool:
    """Whether 2 sqrt(P) |v| bounds a replacement.

    It does if (1 + eta)(V + lambda^2) <= 2 V, where <phi(x), phi(y)> >= -eta P.
    """
    eta = file.kernel_floor
    return eta is not None and bool((1 + eta) * (VALUE2 + file.lambda_**2) <= 2 * VALUE2)


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


_COMPUTED = (*gaussian.COMPUTED, "bounds.lambda", "bounds.logit_bound", "grid.value_step")


def computed(_file: File) -> Collection[str]:
    """Certificate fields that `verify_numbers` checks, and what is no claim about the release."""
    return _COMPUTED


def expected(file: File) -> Dict[str, Any]:
    """Certificate fields that follow from the file exactly."""
    return {
        **gaussian.expected(file, "gaussian"),
        "sensitivity.phi_squared": _phi_squared(file),
        "sensitivity.lambda": file.lambda_,
        "sensitivity.sharper_replace_bound": file.adjacency == "replace" and not file.owner_bound and _sharper(file),
        "sensitivity.kernel_floor_proven": file.kernel_floor is not None,
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
    }


def verify_numbers(file: File, claims: Any, report: Report) -> None:
    """Check what the certificate computes."""
    products = {
        "bounds.lambda": Fraction(file.lambda_) * Fraction(file.value_bound) / VALUE_SCALE,
        "bounds.logit_bound": Fraction(file.scale) * Fraction(file.query_bound) * Fraction(file.key_bound),
        "grid.value_step": Fraction(file.value_bound) / VALUE_SCALE,
    }
    gaussian.verify_numbers(file, products, claims, report)
