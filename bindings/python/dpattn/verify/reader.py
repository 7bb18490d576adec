"""What all files have in common: magic, version, checksum, and little-endian numbers."""

from __future__ import annotations

import hashlib
import struct
from typing import Any, Iterator, Tuple

RELEASE, STRUCTURE, _SECRET = b"DPATTN release\0\0", b"DPATTN dptree\0\0\0", b"DPATTN SECRET!\0\0"
_VERSION = 1


class BadFileError(Exception):
    """The file cannot be read to its end; the message says why."""


class Reader:
    """A file whose magic, version and checksum are right; what it holds is taken from its front."""

    def __init__(self, data: memoryview) -> None:
        self.magic = bytes(data[:16])
        if self.magic == _SECRET:
            raise BadFileError("it is a SECRET partial, not a release; it must not be published")
        if self.magic not in (RELEASE, STRUCTURE):
            raise BadFileError("it is not a dpattn release (its first bytes are not the magic)")
        if len(data) < 16 + 4 + 32 or hashlib.sha256(data[:-32]).digest() != bytes(data[-32:]):
            raise BadFileError("the SHA-256 does not match; the file was cut or altered")
        self._rest = data[16:-32]
        (version,) = self.take("I")
        if version != _VERSION:
            raise BadFileError(f"format version is {version}; this verifier knows {_VERSION}")

    @property
    def left(self) -> int:
        """How many bytes have not been taken."""
        return len(self._rest)

    def peek(self, layout: str) -> Tuple[Any, ...]:
        """What `take` would give."""
        rest = self._rest
        taken = self.take(layout)
        self._rest = rest
        return taken

    def skip(self, size: int) -> memoryview:
        """The next bytes."""
        if size > len(self._rest):
            raise BadFileError("it ends too early")
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def take(self, layout: str) -> Tuple[Any, ...]:
        """The next numbers, by the letters of Python's struct module."""
        return struct.unpack("<" + layout, self.skip(struct.calcsize("<" + layout)))

    @staticmethod
    def rows(data: memoryview, layout: str) -> Iterator[Tuple[Any, ...]]:
        """All rows of equal layout in what `skip` gave."""
        return struct.iter_unpack("<" + layout, data)


def in_range(name: str, value: int, low: int, high: int) -> None:
    """BadFileError if a number of the file is not in low..high."""
    if not low <= value <= high:
        raise BadFileError(f"{name} is {value}; it must be in {low}..{high}")
