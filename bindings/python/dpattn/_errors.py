"""One exception class a status of the C library, all below DpattnError.

A message names the argument, what it was and what it must be, and never a private value.
"""

from __future__ import annotations

from typing import Dict, NoReturn, Type

from ._c.abi import STATUS


class DpattnError(Exception):
    """Base of every error that dpattn raises.

    Attributes
    ----------
    status : int
        The number in ``enum dpattn_status`` of ``include/dpattn.h``; -1 when the C library could
        not be loaded.
    """

    status: int = -1


class LibraryError(DpattnError, OSError):
    """The C library was not found, is of another version, or could not be loaded."""


class InvalidArgumentError(DpattnError, ValueError):
    """An argument is out of range, of the wrong shape or type, or missing."""

    status = STATUS["INVALID_ARGUMENT"]


class InvalidHandleError(DpattnError, ValueError):
    """The object was closed."""

    status = STATUS["INVALID_HANDLE"]


class ConsumedError(DpattnError):
    """The builder was released or merged into another one; its data are wiped."""

    status = STATUS["CONSUMED"]


class BufferTooSmallError(DpattnError):
    """A buffer given to the C library was too small."""

    status = STATUS["BUFFER_TOO_SMALL"]


class OutOfMemoryError(DpattnError, MemoryError):
    """The state would not fit in memory; the message says how many bytes it would need."""

    status = STATUS["OUT_OF_MEMORY"]


class CancelledError(DpattnError):
    """The work was asked to stop; nothing was changed. A progress callback may raise it."""

    status = STATUS["CANCELLED"]


class ForkedError(DpattnError, RuntimeError):
    """Called in a child process made by fork(). Use spawn or forkserver."""

    status = STATUS["FORKED"]


class CorruptError(DpattnError, ValueError):
    """A saved release or partial was cut, altered, or is not one."""

    status = STATUS["CORRUPT"]


class UnsupportedError(DpattnError, NotImplementedError):
    """Valid, but not in this version of the library."""

    status = STATUS["UNSUPPORTED"]


class MismatchError(DpattnError, ValueError):
    """Two objects that should be combined have different parameters."""

    status = STATUS["MISMATCH"]


class EntropyError(DpattnError, RuntimeError):
    """The kernel gave no randomness; nothing was released or exported, nothing was spent."""

    status = STATUS["ENTROPY"]


class LimitError(DpattnError, ValueError):
    """A fixed limit (rows, partials, sigma) would be exceeded."""

    status = STATUS["LIMIT"]


class InternalError(DpattnError, RuntimeError):
    """A bug in the library; please report it."""

    status = STATUS["INTERNAL"]


class OverspentError(DpattnError, ValueError):
    """The ledger cannot afford the release; no noise was drawn, nothing was spent."""

    status = STATUS["OVERSPENT"]


class BusyError(DpattnError, TimeoutError):
    """Another process or thread has been working on the ledger for too long."""

    status = STATUS["BUSY"]


class FileError(DpattnError, OSError):
    """A ledger's file could not be read or written."""

    status = STATUS["IO"]


_BY_STATUS: Dict[int, Type[DpattnError]] = {
    kind.status: kind
    for kind in (
        InvalidArgumentError,
        InvalidHandleError,
        ConsumedError,
        BufferTooSmallError,
        OutOfMemoryError,
        CancelledError,
        ForkedError,
        CorruptError,
        UnsupportedError,
        MismatchError,
        EntropyError,
        LimitError,
        InternalError,
        OverspentError,
        BusyError,
        FileError,
    )
}
_NAMES = {number: name for name, number in STATUS.items()}


def raise_status(status: int, message: bytes) -> NoReturn:
    """Raise the exception of a status that is not OK."""
    text = message.decode("utf-8", "replace")
    name = _NAMES.get(status, "UNKNOWN")
    kind = _BY_STATUS.get(status)
    if kind is None:
        error = DpattnError(f"{text or 'no detail'} (status {status}, {name})")
        error.status = status
        raise error
    raise kind(text or f"{(kind.__doc__ or name).splitlines()[0]} (status {status}, {name})")
