"""Reads a bbolt file (docs/formats.md, "Ledger"): the keys and values of one bucket.

It shares no code with the C library.
"""

from __future__ import annotations

import struct
from typing import Dict, Iterator, List, Tuple

PAGE = 4096
_HEADER = struct.Struct("<QHHI")  # id, kind, count, overflow
_META = struct.Struct("<4I6Q")  # magic, version, page size, flags; root, sequence, free list, end, txid, checksum
_BRANCH = struct.Struct("<IIQ")  # position, key size, page
_LEAF = struct.Struct("<4I")  # flags, position, key size, value size
_BRANCH_PAGE, _LEAF_PAGE, _META_PAGE, _IS_BUCKET = 1, 2, 4, 1
_MAGIC, _VERSION = 0xED0CDAED, 2


class BadStoreError(Exception):
    """The file is no database, or it is damaged."""


def is_store(data: memoryview) -> bool:
    """Whether a file begins as a database does."""
    return len(data) >= 20 and struct.unpack_from("<I", data, 16)[0] == _MAGIC


def read(data: memoryview, bucket: bytes) -> Dict[bytes, bytes]:
    """Everything in one bucket of the newest state; BadStoreError if the file is not whole."""
    try:
        older, newer = sorted((_meta(data, 0), _meta(data, 1)))
        if newer[0] - older[0] != 1:
            raise BadStoreError("its two meta pages are not of neighbouring transactions")
        _, root, end = newer
        if end * PAGE > len(data):
            raise BadStoreError("it was cut")
        found = [value for flags, key, value in _tree(data, root, end, set()) if flags == _IS_BUCKET and key == bucket]
        if len(found) != 1:
            raise BadStoreError("its bucket is missing")
        (root,) = struct.unpack_from("<Q", found[0])
        pairs = _tree(data, root, end, set()) if root else _leaf(found[0][16:])
        result: Dict[bytes, bytes] = {}
        last = b""
        for flags, key, value in pairs:
            if flags or key <= last:
                raise BadStoreError("its keys are not in order")
            result[key] = bytes(value)
            last = key
        return result
    except (struct.error, RecursionError) as error:
        raise BadStoreError(f"its pages do not form a database: {error}") from None


def _meta(data: memoryview, page: int) -> Tuple[int, int, int]:
    """(transaction, root page, end) of a meta page."""
    at = page * PAGE
    number, kind, _, _ = _HEADER.unpack_from(data, at)
    magic, version, size, _, root, _, _, end, transaction, checksum = _META.unpack_from(data, at + _HEADER.size)
    fnv = 0xCBF29CE484222325
    for byte in data[at + _HEADER.size : at + _HEADER.size + _META.size - 8]:
        fnv = (fnv ^ byte) * 0x100000001B3 % 2**64
    if (number, kind, magic, version, size, checksum) != (page, _META_PAGE, _MAGIC, _VERSION, PAGE, fnv):
        raise BadStoreError(f"meta page {page} is damaged")
    return transaction, root, end


_Element = Tuple[int, bytes, memoryview]


def _tree(data: memoryview, page: int, end: int, seen: set[int]) -> Iterator[_Element]:
    """All elements below a page, in order."""
    if not 2 <= page < end or page in seen:
        raise BadStoreError("a page is out of place")
    seen.add(page)
    number, kind, count, overflow = _HEADER.unpack_from(data, page * PAGE)
    if number != page or page + overflow >= end:
        raise BadStoreError("a page is out of place")
    whole = data[page * PAGE : (page + 1 + overflow) * PAGE]
    if kind == _LEAF_PAGE:
        yield from _leaf(whole)
    elif kind == _BRANCH_PAGE:
        for i in range(count):
            yield from _tree(data, _BRANCH.unpack_from(whole, _HEADER.size + i * _BRANCH.size)[2], end, seen)
    else:
        raise BadStoreError("a page is of the wrong kind")


def _leaf(page: memoryview) -> List[_Element]:
    _, kind, count, _ = _HEADER.unpack_from(page)
    if kind != _LEAF_PAGE:
        raise BadStoreError("a page is of the wrong kind")
    elements = []
    for i in range(count):
        at = _HEADER.size + i * _LEAF.size
        flags, position, key_size, value_size = _LEAF.unpack_from(page, at)
        middle = at + position + key_size
        if middle + value_size > len(page):
            raise BadStoreError("an element reaches outside its page")
        elements.append((flags, bytes(page[at + position : middle]), page[middle : middle + value_size]))
    return elements
