"""The base of Builder, Release and Ledger: each owns one handle and frees it once."""

from __future__ import annotations

import weakref
from types import TracebackType
from typing import Callable, ClassVar, Optional, Type, TypeVar

from .._errors import InvalidHandleError
from .library import free

_Self = TypeVar("_Self", bound="Handle")


class Handle:
    """Owner of a C handle: closed by `close`, at the end of a `with` block, or by the collector."""

    _kind: ClassVar[str]  # "builder", "release" or "ledger"
    _end: ClassVar[str] = "free"  # what the C function is called that ends a handle
    _handle: int
    _finalizer: Callable[[], object]

    def _own(self, handle: int) -> None:
        self._handle = handle
        self._finalizer = weakref.finalize(self, free, f"dpattn_{self._kind}_{self._end}", handle)

    def _open(self) -> int:
        if not self._handle:
            raise InvalidHandleError(f"the {self._kind} is closed")
        return self._handle

    def close(self) -> None:
        """Free the memory, and wipe what is secret.

        Closing twice is harmless; so is not closing, since the collector does it.
        """
        self._finalizer()
        self._handle = 0

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()
