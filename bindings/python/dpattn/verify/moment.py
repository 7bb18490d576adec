"""Recompute the guarantee of a release from its file's own bytes, independently of the C library.

The file (docs/format.md) says which integers bound a contribution and which sigma the noise has. From these follow

    sensitivity^2   of one head to one unit, an integer
    mu^2            = sum over heads of sensitivity^2 / sigma_h^2, an exact fraction
    delta(epsilon)  = Phi(mu/2 - epsilon/mu) - e^epsilon Phi(-mu/2 - epsilon/mu), here with 50 digits

and the claim holds if delta(epsilon) is at most the delta of the file. No code is shared with the C library, and
nothing of numpy or of the rest of this package is used, except for an exception and for the way a number is printed.

What no reader of a file can verify: that the noise was drawn, that the bounds were chosen without looking at the data,
and that a row is the unit that somebody cares about.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import struct
import sys
from fractions import Fraction
from typing import Any, Callable, Collection, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from .._check import exact
from .._errors import LibraryError
from . import trees as _verify_trees

DIGITS = 50

# With more different sigmas than this mu^2 is no exact sum, but an upper bound.
_MAX_FRACTION = 64

_MAGIC = b"DPATTN release\0\0"
_SECRET_MAGIC = b"DPATTN SECRET!\0\0"
_VERSION = 1
_ADJACENCY = {1: "add_remove", 2: "replace"}
_POLYNOMIAL = {1: "minimax", 2: "taylor"}
_ROTATION = {1: "hadamard", 2: "none"}
_MAX_DIM, _MAX_DEGREE, _MAX_OWNER_ROWS, _MAX_SIGMA, _MAX_ROWS = 1 << 16, 8, 1 << 20, 1 << 53, 1 << 30
_MIN_OWNER_BOUND = 1 / 1024

# The grid of docs/format.md, "What the integers mean".
_KEY_SCALE, _VALUE_SCALE, _VALUE2 = 32766, 1022, 1 << 20


class _BadFileError(Exception):
    """The file cannot be read to its end; the message says why."""


@dataclasses.dataclass
class Report:
    """The outcome of `verify`.

    Attributes
    ----------
    problems : list of str
        What is wrong; empty if the guarantee holds.
    checks : list of str
        What was checked and holds.
    facts : dict
        What was recomputed: ``sensitivity_squared``, ``mu_squared`` (exact, as strings), ``mu`` and
        ``delta_at_epsilon`` (strings of 30 digits), and what the file claims.
    """

    problems: List[str] = dataclasses.field(default_factory=list)
    checks: List[str] = dataclasses.field(default_factory=list)
    facts: Dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the guarantee holds, and the certificate, if there is one, says the same."""
        return not self.problems

    def as_dict(self) -> Dict[str, Any]:
        """Give everything as one JSON-ready object."""
        return {"ok": self.ok, "problems": self.problems, "checks": self.checks, **self.facts}

    def __str__(self) -> str:
        lines = [f"  ok       {check}" for check in self.checks] + [
            f"  WRONG    {problem}" for problem in self.problems
        ]
        if not self.ok:
            return "\n".join(["FAILED: the guarantee was not confirmed", *lines])
        f = self.facts
        claim = f.get("claim") or f"({exact(f['epsilon'])}, {exact(f['delta'])})-differential privacy"
        return "\n".join([f"OK: {claim}, {f['adjacency']}, unit: {f['unit']}", *lines])

    def _check(self, holds: bool, good: str, bad: str) -> bool:
        (self.checks if holds else self.problems).append(good if holds else bad)
        return holds


def verify(
    data: Union[bytes, bytearray, memoryview], certificate: Union[bytes, str, Dict[str, Any], None] = None
) -> Report:
    """Verify a release.

    Parameters
    ----------
    data : bytes-like
        The release file.
    certificate : bytes, str or dict, optional
        A certificate (JSON) that must say the same as the file.

    Returns
    -------
    Report
        Never an exception for wrong input: `Report.problems` says what is wrong.

    Raises
    ------
    LibraryError
        If mpmath is not installed.
    """
    _mpmath()
    report = Report()
    view = memoryview(data).cast("B")
    if _verify_trees.is_mine(view):
        _verify_tree_file(view, certificate, report)
        return report
    try:
        file = _File(view)
    except _BadFileError as error:
        report.problems.append(f"file: {error}")
        return report
    report.checks.append("file: magic, version, SHA-256 and length agree")
    _verify_claim(file, report)
    if certificate is not None:
        _verify_certificate(file, certificate, report)
    return report


def _verify_tree_file(view: memoryview, certificate: Union[bytes, str, Dict[str, Any], None], report: Report) -> None:
    """Verify a file of the DPTree family."""
    try:
        file = _verify_trees.File(view)
    except _verify_trees.BadFileError as error:
        report.problems.append(f"file: {error}")
        return
    report.checks.append("file: magic, version, SHA-256 and length agree")
    _verify_trees.verify_claim(file, report, _mpmath())
    if certificate is not None:
        computed = _verify_trees.computed(file)
        _compare(_verify_trees.expected(file), certificate, report, _verify_trees.verify_numbers, computed, file)


# ---- The file ----------------------------------------------------------------------------------------------------


class _File:
    """A release file, read as docs/format.md says. What it claims is checked later, by `_verify_claim`."""

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

    def __init__(self, data: memoryview) -> None:
        if bytes(data[:16]) == _SECRET_MAGIC:
            raise _BadFileError("it is a SECRET partial, not a release; it must not be published")
        if bytes(data[:16]) != _MAGIC:
            raise _BadFileError("it is not a dpattn release (its first bytes are not the magic)")
        if len(data) < 16 + 4 + 32 or hashlib.sha256(data[:-32]).digest() != bytes(data[-32:]):
            raise _BadFileError("the SHA-256 does not match; the file was cut or altered")
        self._rest = data[16:-32]
        (version,) = self._take("I")
        if version != _VERSION:
            raise _BadFileError(f"format version is {version}; this verifier knows {_VERSION}")
        (self.heads, self.key_dim, self.value_dim, self.degree, mechanism, polynomial, adjacency) = self._take("7I")
        (self.owner_rows, rotation, feature_map, has_center, has_weights) = self._take("5I")
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
            if not low <= value <= high:
                raise _BadFileError(f"{name} is {value}; it must be in {low}..{high}")
        self.adjacency = _ADJACENCY[adjacency]
        self.polynomial = _POLYNOMIAL[polynomial]
        self.rotation = _ROTATION[rotation]
        self.centered = bool(has_center)
        (self.key_bound, self.value_bound, self.query_bound, self.scale) = self._take("4d")
        (self.lambda_asked, self.owner_bound, self.error) = self._take("3d")
        if self.owner_bound != 0 and not _MIN_OWNER_BOUND <= self.owner_bound <= self.owner_rows:
            raise _BadFileError(f"owner_bound is {self.owner_bound}; it must be 0 or in 1/1024..owner_rows")
        self._skip(8 * self.heads * self.key_dim * has_center)
        self._skip(8 * self.heads * has_weights)
        self.coefficients = self._take(f"{self.degree + 1}d")
        self.lambda_, self.constant, *self.gains = self._take(f"{self.degree + 2}H")
        self.epsilon, self.delta = self._take("2d")
        self.id = bytes(self._skip(16)).hex()
        pairs = self._take(f"{2 * self.heads}Q")
        self.sigmas, self.rows = pairs[0::2], pairs[1::2]
        self.features = math.comb(self.key_dim + self.degree, self.degree)
        state = 8 * self.heads * self.features * (self.value_dim + 1)
        if len(self._rest) != state:
            raise _BadFileError(f"the state has {len(self._rest)} bytes; its shape needs {state}")

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

    def _skip(self, size: int) -> memoryview:
        if size > len(self._rest):
            raise _BadFileError("it ends too early")
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def _take(self, layout: str) -> Tuple[Any, ...]:
        return struct.unpack("<" + layout, self._skip(struct.calcsize("<" + layout)))


# ---- The guarantee -----------------------------------------------------------------------------------------------


def _verify_claim(file: _File, report: Report) -> None:
    finite = all(
        map(math.isfinite, (file.key_bound, file.value_bound, file.query_bound, file.scale, *file.coefficients))
    )
    positive = min(file.key_bound, file.value_bound, file.query_bound, file.scale) > 0
    report._check(
        finite and positive and file.epsilon > 0 and math.isfinite(file.epsilon) and 0 < file.delta < 1,
        "parameters: bounds, scale and budget are in range",
        "parameters: a bound, the scale or the budget is out of range",
    )
    report._check(
        1 <= file.constant <= 1 << 13
        and 1 <= file.lambda_ <= 32767
        and all(gain <= 32767 and gain * gain <= (1 << 26) * t for t, gain in enumerate(file.gains, 1)),
        "integers: the constant feature, the gains and lambda are in range",
        "integers: the constant feature, a gain or lambda is out of the range in which the norm gate works",
    )
    report._check(
        all(1 <= sigma <= _MAX_SIGMA for sigma in file.sigmas),
        f"noise: sigma is given for each of {file.heads} heads",
        f"noise: a sigma is not in 1..2^53: {sorted(set(file.sigmas))[:3]}",
    )
    public_rows = file.adjacency == "replace" and file.owner_rows == 0
    report._check(
        all(rows <= _MAX_ROWS if public_rows else rows == 0 for rows in file.rows),
        "rows: the number of rows is given only where it is public",
        "rows: the file gives a number of rows, which is private here (or is out of range)",
    )
    if not report.ok:
        return
    squared = sensitivity_squared(file)
    mp = _mpmath()
    with mp.workdps(_working_digits()):
        mu2 = _mu_squared(file, squared)
        mu = mp.sqrt(_real(mu2))
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
    report._check(
        holds,
        f"guarantee: mu = {report.facts['mu']}, delta({exact(file.epsilon)}) = {shown} <= {exact(file.delta)}",
        f"guarantee: the noise gives delta({exact(file.epsilon)}) = {shown}, "
        f"above the {exact(file.delta)} that the file claims",
    )


def sensitivity_squared(file: _File) -> int:
    """Squared L2 sensitivity of one head's integer state to one unit; core/moment/PROOF.md has the argument."""
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


def _phi_squared(file: _File) -> int:
    """The bound on the squared norm of a row's features."""
    return (1 << 26) + file.features // 10


def _terms(file: _File) -> Dict[int, int]:
    """How many heads have each sigma, in order of first appearance."""
    terms: Dict[int, int] = {}
    for sigma in file.sigmas:
        terms[sigma] = terms.get(sigma, 0) + 1
    return terms


def _mu_squared(file: _File, squared: int) -> Fraction:
    """sum_h sensitivity^2/sigma_h^2; with many different sigmas each term is rounded up to a multiple of 2^-256."""
    terms = [Fraction(squared * heads, sigma * sigma) for sigma, heads in _terms(file).items()]
    if len(terms) > _MAX_FRACTION:
        terms = [Fraction(math.ceil(term * 2**256), 2**256) for term in terms]
    return sum(terms, Fraction(0))


def _real(value: Fraction) -> Any:
    return _mpmath().mpf(value.numerator) / value.denominator


def _sharper(file: _File) -> bool:
    """Whether 2 sqrt(P) |v| bounds a replacement: (1 + eta)(V + lambda^2) <= 2 V with <phi(x), phi(y)> >= -eta P."""
    eta = file.kernel_floor
    return eta is not None and bool((1 + eta) * (_VALUE2 + file.lambda_**2) <= 2 * _VALUE2)


def _kernel_floor(file: _File) -> Any:
    """eta, below 1, with <phi(x), phi(y)> >= -eta P for all admitted keys; None if none is proven.

    The features without rounding have the kernel w_0^2 + sum_t gain_t^2/t y^t, y in [-1, 1]; eta is what rounding adds.
    """
    kernel = [Fraction(file.constant**2)] + [Fraction(gain * gain, t) for t, gain in enumerate(file.gains, 1)]
    if not _not_negative(kernel):
        return None
    phi2 = _phi_squared(file)
    mp = _mpmath()
    with mp.workdps(_working_digits()):
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
    """Whether sum_t c_t y^t >= 0 on [-1, 1], for c_t >= 0: proven by Bernstein coefficients on halved intervals.

    Non-negative coefficients leave only [-1, 0] to prove: there it is sum_t c_t (-1)^t u^t with u in [0, 1].
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


def gaussian_delta(mu: Any, epsilon: Any) -> Any:
    """delta(epsilon) of mu-Gaussian differential privacy (Balle & Wang 2018, Theorem 8), in the current precision.

    Far out, where mpmath does not go, an upper bound: delta <= Phi(a) <= e^(-a^2/2), or 1.
    """
    mp = _mpmath()
    mu, epsilon = mp.mpf(mu), mp.mpf(epsilon)
    if mu == 0:
        return mp.mpf(0)
    a = mu / 2 - epsilon / mu
    if abs(a) > 10**6:
        return mp.exp(-a * a / 2) if a < 0 else mp.mpf(1)
    return mp.ncdf(a) - mp.exp(epsilon) * mp.ncdf(a - mu)


def _working_digits() -> int:
    """Both terms of delta may agree in many digits before they differ."""
    return 3 * DIGITS


def _mpmath() -> Any:
    try:
        import mpmath
    except ImportError:
        raise LibraryError("verify needs mpmath; install it with: pip install mpmath") from None
    return mpmath


# ---- The certificate ---------------------------------------------------------------------------------------------


def _verify_certificate(file: _File, certificate: Union[bytes, str, Dict[str, Any]], report: Report) -> None:
    def numbers(file: _File, claims: Any, report: Report, _mp: Any) -> None:
        _verify_numbers(file, claims, report)

    _compare(_expected(file), certificate, report, numbers, _COMPUTED, file)


# What `_verify_numbers` checks, and what is no claim about the release.
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


def _once(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    """A JSON object whose names differ: of equal ones, readers take the first or the last."""
    fields: Dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise ValueError(f"it has {_short(name)} twice")
        fields[name] = value
    return fields


def _unknown(claims: Any, known: Collection[str], path: Tuple[str, ...] = ()) -> Iterator[str]:
    """Names in a certificate that nothing compares: whatever they claim, it is not verified."""
    # A name in a list is known with its index ("terms.3.name"), or without, if it is compared on every line.
    if ".".join(path) in known or ".".join(step for step in path if not step.isdecimal()) in known:
        return
    inner = claims.items() if isinstance(claims, dict) else enumerate(claims) if isinstance(claims, list) else None
    if inner is None or not claims:
        yield ".".join(path)
        return
    for name, claim in inner:
        yield from _unknown(claim, known, (*path, str(name)))


def _compare(
    expected: Dict[str, Any],
    certificate: Union[bytes, str, Dict[str, Any]],
    report: Report,
    numbers: Callable[[Any, Any, Report, Any], None],
    computed: Collection[str],
    file: Any,
) -> None:
    """Compare a certificate with what the file says it must be; `numbers` checks those that are `computed`."""
    try:
        claims = certificate if isinstance(certificate, dict) else json.loads(certificate, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        report.problems.append(f"certificate: it is not JSON: {error}")
        return
    before = len(report.problems)
    for name, value in expected.items():
        found = _lookup(claims, name)
        if found != value or isinstance(found, bool) != isinstance(value, bool):
            report.problems.append(f"certificate: {name} is {_short(found)}; by the file it must be {_short(value)}")
    known = {*expected, *computed}
    try:
        report.problems += [f"certificate: {name} is no field of it" for name in _unknown(claims, known)]
    except RecursionError:
        report.problems.append("certificate: it is nested too deeply")
    if report.facts:
        numbers(file, claims, report, _mpmath())
    if len(report.problems) == before:
        report.checks.append("certificate: every field agrees with the file")


def _expected(file: _File) -> Dict[str, Any]:
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


def _verify_numbers(file: _File, claims: Any, report: Report) -> None:
    """Check what the certificate computes: exact integers exactly, floats so that they never understate the loss."""
    mp = _mpmath()
    squared = int(report.facts["sensitivity_squared"])

    def wrong(name: str, must: str) -> None:
        report.problems.append(f"certificate: {name} is {_short(_lookup(claims, name))}; {must}")

    if _lookup(claims, "sensitivity.squared") != str(squared):
        wrong("sensitivity.squared", f"it must be {squared}")
    fraction = _lookup(claims, "mu_squared")
    mu2 = _mu_squared(file, squared)
    exact = {"numerator": str(mu2.numerator), "denominator": str(mu2.denominator)}
    if fraction != exact:
        wrong("mu_squared", f"it must be {_short(exact)}")
    for name, value in (
        ("bounds.lambda", Fraction(file.lambda_) * Fraction(file.value_bound) / _VALUE_SCALE),
        ("bounds.logit_bound", Fraction(file.scale) * Fraction(file.query_bound) * Fraction(file.key_bound)),
        ("grid.value_step", Fraction(file.value_bound) / _VALUE_SCALE),
    ):
        found = _number(_lookup(claims, name))
        if found is None or abs(Fraction(found) - value) > value / 10**14:
            wrong(name, f"it must be {float(value)!r}")
    with mp.workdps(_working_digits()):
        mu = mp.sqrt(_real(mu2))
        found = _number(_lookup(claims, "mu"))
        if found is None or not mu <= found <= mu * (1 + mp.mpf("1e-12")):
            wrong("mu", f"it must be {mp.nstr(mu, 20)}, rounded up")
        for table, factor in (("curve", None), ("groups", "units")):
            lines = _lookup(claims, table)
            for i, line in enumerate(lines if isinstance(lines, list) and lines else [None]):
                epsilon, delta = (_number(_lookup(line, name)) for name in ("epsilon", "delta"))
                k = 1 if factor is None else _lookup(line, factor)
                if epsilon is None or delta is None or type(k) is not int or not 1 <= k <= 10**9 or epsilon < 0:
                    report.problems.append(f"certificate: {table}[{i}] is {_short(line)}; it is no line of this table")
                elif gaussian_delta(k * mu, epsilon) > delta:
                    report.problems.append(
                        f"certificate: {table}[{i}] claims epsilon = {epsilon!r} at delta = {delta!r}; "
                        f"there delta is {mp.nstr(gaussian_delta(k * mu, epsilon), 20)}"
                    )


def _lookup(value: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(value, list) and part.isdecimal():
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def _number(value: Any) -> Optional[float]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) <= sys.float_info.max else None


def _short(value: Any) -> str:
    text = repr(value)
    return "missing" if value is None else text if len(text) <= 80 else text[:77] + "..."
