"""Checks of plain arguments; messages name the argument, what it was and what it must be."""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any, Iterable

from ._errors import InvalidArgumentError


def integer(name: str, value: Any, low: int, high: int) -> int:
    """An int in low..high."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise InvalidArgumentError(f"{name} is {value!r}; it must be an integer in {low}..{high}") from None
    if not low <= number <= high:
        raise InvalidArgumentError(f"{name} is {number}; it must be in {low}..{high}")
    return number


def real(name: str, value: Any, low: float, high: float) -> float:
    """A finite float strictly between low and high."""
    must = f"must be a number in ({low:g}, {high:g})" if math.isfinite(high) else f"must be finite and above {low:g}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InvalidArgumentError(f"{name} is {value!r}; it {must}")
    number = float(value)
    if not (low < number < high):  # NaN fails too
        raise InvalidArgumentError(f"{name} is {number:g}; it {must}")
    return number


def choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """One of a few words."""
    words = list(choices)
    if not isinstance(value, str) or value not in words:
        raise InvalidArgumentError(f"{name} is {value!r}; it must be {' or '.join(map(repr, words))}")
    return value


def flag(name: str, value: Any) -> bool:
    """True or False (numpy's as well)."""
    if value is True or value is False or type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    raise InvalidArgumentError(f"{name} is {value!r}; it must be True or False")


def budget(epsilon: Any, delta: Any) -> tuple[float, float]:
    """A privacy budget."""
    return real("epsilon", epsilon, 0.0, math.inf), real("delta", delta, 0.0, 1.0)


def exact(value: float) -> str:
    """All digits of a number: a guarantee is not rounded down to look better."""
    text = repr(float(value))
    return text[:-2] if text.endswith(".0") else text
