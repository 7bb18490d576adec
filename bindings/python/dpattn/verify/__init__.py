"""Recompute the guarantee of a release from its file's own bytes, independently of the C library.

Every mechanism has a module here that reads its part of the file (docs/formats.md), recomputes what
the noise in it guarantees, and compares that with the claim of the file and with a certificate. No
code is shared with the C library, and nothing of numpy or of the rest of this package is used,
except for an exception and for the way a number is printed. Only a ledger's records come through
the library, and are added up here.

What no reader of a file can verify: that the noise was drawn, that the bounds were chosen without
looking at the data, and that a row is the unit that somebody cares about.
"""

from .ledger import verify_ledger
from .numbers import gaussian_delta
from .release import verify
from .report import Report

__all__ = ["Report", "gaussian_delta", "verify", "verify_ledger"]
