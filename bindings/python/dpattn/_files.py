"""Files that are either whole or absent."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import IO, Any, Iterator, Union

PathLike = Union[str, "os.PathLike[str]"]

# Of a ledger's file (docs/formats.md): the size of a page, and what the first two have where.
_PAGE, _MAGIC_AT, _MAGIC = 4096, slice(16, 20), 0xED0CDAED.to_bytes(4, "little")


@contextlib.contextmanager
def atomic(path: PathLike) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path`; on success it becomes `path`, on any error it goes.

    A file at `path` is replaced, unless it is a ledger: that raises FileExistsError.
    """
    refuse_ledger(path)
    target = Path(os.fspath(path))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    # os.open, unlike tempfile, gives the permissions that the user's umask asks for.
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(target.parent)


def write(path: PathLike, data: Any) -> None:
    """Write a whole file atomically."""
    with atomic(path) as file:
        file.write(data)


def is_ledger(path: PathLike) -> bool:
    """Whether `path` holds a ledger, by either of its two first pages."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        pages = file.read(2 * _PAGE)
    return _MAGIC in (pages[_MAGIC_AT], pages[_PAGE:][_MAGIC_AT])


def refuse_ledger(path: PathLike) -> None:
    """FileExistsError if `path` holds a ledger: what was spent must not be forgotten."""
    if is_ledger(path):
        raise FileExistsError(f"{os.fspath(path)} is a ledger; a ledger is never replaced")


def same(one: PathLike, other: PathLike) -> bool:
    """Whether two paths lead to one file, which need not be there yet."""
    with contextlib.suppress(OSError):
        if os.path.samefile(one, other):
            return True
    return os.path.realpath(one) == os.path.realpath(other)


def _sync_folder(folder: Path) -> None:
    """Make the rename durable; not every system can open a folder."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
