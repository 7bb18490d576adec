"""Finds and loads libdpattn on first use, and calls it. `import dpattn` alone loads nothing."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, Dict, List, Optional

from .._check import integer
from .._errors import ForkedError, LibraryError, raise_status
from . import abi
from .abi import __version__

OVERRIDE = "DPATTN_LIBRARY"

# Names of the library, the last for the system's own search, and folders of a prefix.
if sys.platform == "darwin":
    _FILES, _FOLDERS = ("libdpattn.dylib", "libdpattn.0.dylib"), ("lib",)
elif sys.platform == "win32":
    _FILES, _FOLDERS = ("dpattn.dll",), ("bin", "Library/bin")
else:
    _FILES, _FOLDERS = ("libdpattn.so", "libdpattn.so.0"), ("lib", "lib64")

_lock = threading.Lock()
_library: Optional[ctypes.CDLL] = None


def candidates() -> List[str]:
    """Every name to try: the override alone, or those of package, checkout, prefix and system."""
    override = os.environ.get(OVERRIDE)
    if override:
        return [override]
    package = Path(__file__).resolve().parents[1]
    folders = [package]
    checkout = package.parents[2]
    if (checkout / "include" / "dpattn.h").is_file():
        folders.append(checkout / "build")
    folders += [Path(sys.prefix) / folder for folder in _FOLDERS]
    found = [str(folder / file) for folder in folders for file in _FILES]
    return [*found, _FILES[-1]]  # a bare name: the system's own search path


def library() -> ctypes.CDLL:
    """The loaded library, with prototypes; LibraryError lists every path tried."""
    global _library
    if _library is None:
        with _lock:
            if _library is None:
                _library = _load()
    return _library


def _load() -> ctypes.CDLL:
    tried = []
    for path in candidates():
        if os.sep in path and not os.path.isfile(path):
            tried.append(f"  {path}: no such file")
            continue
        try:
            loaded = ctypes.CDLL(path)
        except OSError as error:
            tried.append(f"  {path}: {error}")
            continue
        _check_version(loaded, path)
        return loaded
    hint = (
        f"{OVERRIDE} is set, so nothing else was tried"
        if os.environ.get(OVERRIDE)
        else f"build it with 'make build', or set {OVERRIDE} to its path"
    )
    raise LibraryError("the dpattn C library was not found; tried:\n" + "\n".join(tried) + f"\n({hint})")


def _check_version(loaded: ctypes.CDLL, path: str) -> None:
    """The ABI is compatible within a major version, and while that is 0, within a minor version."""
    want = tuple(int(part) for part in __version__.split("."))
    try:
        abi.declare(loaded)
        packed = int(loaded.dpattn_version())
    except AttributeError as error:
        raise LibraryError(f"{path} is not the dpattn C library of version {__version__}: {error}") from None
    have = (packed >> 16, packed >> 8 & 0xFF, packed & 0xFF)
    if have[0] != want[0] or (want[0] == 0 and have[1] != want[1]) or have < want:
        raise LibraryError(
            f"{path} is version {'.'.join(map(str, have))}; this package, {__version__}, needs "
            f"{want[0]}.{want[1]}.x, x >= {want[2]}"
        )


def call(name: str, *arguments: Any) -> None:
    """Call a function that returns a status; its last argument, the error struct, is added here."""
    error = abi.Error(size=ctypes.sizeof(abi.Error))
    status = getattr(library(), name)(*arguments, ctypes.byref(error))
    if status:
        raise_status(status, error.message)


def free(name: str, handle: int) -> None:
    """Free a handle. Finalizers do, even at exit and in forked children: failure is ignored."""
    if _library is not None:
        getattr(_library, name)(handle, None)


def set_threads(threads: int) -> None:
    """Set the number of threads for long work in this process.

    Results do not depend on it.

    Parameters
    ----------
    threads : int
        0..4096; 0 means as many as the machine offers.

    Raises
    ------
    InvalidArgumentError
        If `threads` is out of range.
    """
    call("dpattn_set_threads", integer("threads", threads, 0, abi.MAX_THREADS))


def build_info() -> Dict[str, Any]:
    """Describe the C library in memory.

    Returns
    -------
    dict
        ``version``, ``go``, ``os``, ``arch``, ``simd`` (the instruction set in use), ``kernels``,
        ``threads``.

    Raises
    ------
    LibraryError
        If the library cannot be loaded.
    ForkedError
        In a child made by fork().
    """
    text = library().dpattn_build_info()
    if text is None:
        raise ForkedError("build_info was called in a child process made by fork(); use spawn or forkserver")
    info: Dict[str, Any] = json.loads(text)
    return info
