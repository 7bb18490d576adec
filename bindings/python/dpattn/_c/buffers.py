"""Bytes in and out of the C library."""

from __future__ import annotations

import ctypes
from typing import Any, Tuple

import numpy as np

from .._errors import BufferTooSmallError, InvalidArgumentError
from .library import call

_new_bytes = ctypes.pythonapi.PyBytes_FromStringAndSize
_new_bytes.argtypes = [ctypes.c_char_p, ctypes.c_ssize_t]
_new_bytes.restype = ctypes.py_object


def read_bytes(name: str, handle: int) -> bytes:
    """Call a function (handle, data, capacity, *needed, err) for the size, then for the bytes."""
    needed = ctypes.c_size_t()
    data = b""
    while True:  # once more where another process made the answer longer meanwhile
        try:
            call(name, handle, data or None, len(data), ctypes.byref(needed))
            return data if len(data) == needed.value else data[: needed.value]
        except BufferTooSmallError:
            data = _new_bytes(None, needed.value)  # filled in place, before anybody else sees it: no copy of a secret


def address_and_size(data: Any, name: str) -> Tuple[int, int, Any]:
    """Address and length of a bytes-like object, uncopied, and an object that keeps it alive."""
    try:
        array = np.frombuffer(data, np.uint8) if memoryview(data).nbytes else np.empty(1, np.uint8)[:0]
    except (TypeError, ValueError, BufferError):
        raise InvalidArgumentError(f"{name} is a {type(data).__name__}; it must be bytes-like and contiguous") from None
    return array.ctypes.data, array.nbytes, array
