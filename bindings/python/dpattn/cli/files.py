"""The files that the commands read and write."""

from __future__ import annotations

import argparse
import itertools
import os
from typing import Any, Iterator, Optional, Sequence, Tuple

import numpy as np

from .. import _files
from .._errors import CorruptError, InvalidArgumentError, UnsupportedError
from .._structures import load

# Rows read at a time: enough to keep C busy, few enough to keep memory flat.
_CHUNK_BYTES = 64 << 20


def load_file(path: str) -> Any:
    """A release, a tree or a distance."""
    if _files.is_ledger(path):
        raise InvalidArgumentError(f"{path} is a ledger, not a release; use dpattn ledger show or export")
    try:
        return load(path)
    except (CorruptError, UnsupportedError) as error:
        raise type(error)(f"{path}: {error}") from None


def read(path: str, name: str) -> np.ndarray[Any, Any]:
    """A .npy file, memory-mapped."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InvalidArgumentError(f"{name}: {path} is not a readable .npy file of numbers: {error}") from None
    if not isinstance(array, np.ndarray):
        raise InvalidArgumentError(f"{name}: {path} is an archive; it must be one array, a .npy file")
    return array


def chunks(rows: int, *arrays: np.ndarray[Any, Any]) -> Iterator[Tuple[int, int]]:
    """Row ranges of about _CHUNK_BYTES as float64."""
    per_row = sum(8 * array.size // max(rows, 1) for array in arrays)
    step = max(1, _CHUNK_BYTES // max(per_row, 1))
    for start in range(0, rows, step):
        yield start, min(rows, start + step)


def check_outputs(
    options: argparse.Namespace, outputs: Sequence[Optional[str]], inputs: Sequence[Optional[str]]
) -> None:
    """Every output can be written, and --force replaces neither an input nor a ledger."""
    paths = [path for path in outputs if path]
    for path in paths:
        folder = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"output {path}: no such folder")
        if os.path.isdir(path):
            raise IsADirectoryError(f"output {path} is a folder")
        for other in filter(None, inputs):
            if _files.same(path, other):
                raise InvalidArgumentError(f"output {path} is the same file as {other}, which this command reads")
        _files.refuse_ledger(path)
        if os.path.lexists(path) and not options.force:
            raise FileExistsError(f"output {path} exists; give --force to replace it")
    if any(_files.same(one, other) for one, other in itertools.combinations(paths, 2)):
        raise InvalidArgumentError("two outputs have the same name")
