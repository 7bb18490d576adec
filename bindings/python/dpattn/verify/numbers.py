"""Arithmetic with many digits, which mpmath does."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from .._errors import LibraryError


def mpmath() -> Any:
    """The module mpmath; LibraryError if it is not installed."""
    try:
        import mpmath as mp
    except ImportError:
        raise LibraryError("verify needs mpmath; install it with: pip install mpmath") from None
    return mp


def workdps() -> Any:
    """A context of 150 digits, for 50: both terms of delta may agree in many before they differ."""
    return mpmath().workdps(150)


def real(value: Fraction) -> Any:
    """A fraction in the current precision."""
    return mpmath().mpf(value.numerator) / value.denominator


def gaussian_delta(mu: Any, epsilon: Any) -> Any:
    """delta(epsilon) of mu-Gaussian differential privacy, in the current precision.

    Balle & Wang 2018, Theorem 8: Phi(mu/2 - epsilon/mu) - e^epsilon Phi(-mu/2 - epsilon/mu).
    Far out, where mpmath does not go, an upper bound: delta <= Phi(a) <= e^(-a^2/2), or 1.
    """
    mp = mpmath()
    mu, epsilon = mp.mpf(mu), mp.mpf(epsilon)
    if mu == 0:
        return mp.mpf(0)
    a = mu / 2 - epsilon / mu
    if abs(a) > 10**6:
        return mp.exp(-a * a / 2) if a < 0 else mp.mpf(1)
    return mp.ncdf(a) - mp.exp(epsilon) * mp.ncdf(a - mu)
