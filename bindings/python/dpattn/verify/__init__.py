"""Recompute the guarantee of a release from its file's own bytes, independently of the C library."""

from .moment import Report, gaussian_delta, verify

__all__ = ["Report", "gaussian_delta", "verify"]
