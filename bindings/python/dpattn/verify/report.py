"""The outcome of `verify`, and the comparison of a certificate with the file it belongs to."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any, Collection, Dict, Iterator, List, Optional, Tuple, Union

from .._check import exact

Certificate = Union[bytes, str, Dict[str, Any]]


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

    def check(self, holds: bool, good: str, bad: str) -> bool:
        """Note what was found."""
        (self.checks if holds else self.problems).append(good if holds else bad)
        return holds


def read_certificate(certificate: Certificate) -> Any:
    """A certificate's fields; ValueError if it is no JSON, or has a name twice."""
    return certificate if isinstance(certificate, dict) else json.loads(certificate, object_pairs_hook=_once)


def compare(expected: Dict[str, Any], computed: Collection[str], claims: Any, report: Report) -> None:
    """Compare a certificate's fields with the `expected`; besides, only `computed` may be there."""
    for name, value in expected.items():
        found = lookup(claims, name)
        if found != value or isinstance(found, bool) != isinstance(value, bool):
            report.problems.append(f"certificate: {name} is {short(found)}; by the file it must be {short(value)}")
    try:
        strange = list(_unknown(claims, {*expected, *computed}))
    except RecursionError:
        report.problems.append("certificate: it is nested too deeply")
    else:
        report.problems += [f"certificate: {name} is no field of it" for name in strange]


def lookup(value: Any, path: str) -> Any:
    """The value at a path of names and indices, as "terms.0.sigma"; None if there is none."""
    for part in path.split("."):
        if isinstance(value, list) and part.isdecimal():
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def number(value: Any) -> Optional[float]:
    """A JSON number that is a float; else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) <= sys.float_info.max else None


def short(value: Any) -> str:
    """A value in up to 80 characters."""
    text = repr(value)
    return "missing" if value is None else text if len(text) <= 80 else text[:77] + "..."


def _once(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    """A JSON object whose names differ: of equal ones, readers take the first or the last."""
    fields: Dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise ValueError(f"it has {short(name)} twice")
        fields[name] = value
    return fields


def _unknown(claims: Any, known: Collection[str], path: Tuple[str, ...] = ()) -> Iterator[str]:
    """Names in a certificate that nothing compares: whatever they claim, it is not verified."""
    # A name in a list is known with its index ("terms.3.name"), or without, if it is compared on
    # every line.
    if ".".join(path) in known or ".".join(step for step in path if not step.isdecimal()) in known:
        return
    inner = claims.items() if isinstance(claims, dict) else enumerate(claims) if isinstance(claims, list) else None
    if inner is None or not claims:
        yield ".".join(path)
        return
    for name, claim in inner:
        yield from _unknown(claim, known, (*path, str(name)))
