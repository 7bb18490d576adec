"""The library and the verifier take the same release files, field by field."""

from __future__ import annotations

import json
import math
import struct
from typing import Any, Iterable, Iterator

import numpy as np
import pytest
from test_verify_trees import made

import dpattn
from conftest import FULL, make_codebook_params, make_params, make_release, resealed
from dpattn import verify

# Name, type and number of the fields of a file after its magic and version; docs/formats.md.
Fields = Iterable["tuple[str, str, int]"]
HEAD: Fields = [(name, "I", 1) for name in ("heads", "key_dim", "value_dim", "degree", "mechanism")]
BUDGET: Fields = [("epsilon", "d", 1), ("delta", "d", 1), ("id", "Q", 2)]


def fields_of(params: dpattn.Params) -> Fields:
    """The fields of a release's file but the sums."""
    heads, weights = params.heads, 0 if params.head_weights is None else params.heads
    noise = [("sigma", "Q", 1), ("rows", "Q", 1)] * heads
    if params.mechanism == "codebook":
        return [
            *HEAD,
            *((name, "I", 1) for name in ("adjacency", "owner_rows", "cells", "has_weights")),
            *((name, "d", 1) for name in ("key_bound", "value_bound", "scale", "lambda", "owner_bound")),
            ("head_weights", "d", weights),
            ("grid lambda", "h", 1),
            ("centroids", "h", params.codebook.size),
            *BUDGET,
            *noise,
        ]
    if params.mechanism == "gaussian":
        flags = ("polynomial", "adjacency", "owner_rows", "rotation", "feature_map", "has_center", "has_weights")
        bounds = ("key_bound", "value_bound", "query_bound", "scale", "lambda", "owner_bound", "error")
        return [
            *HEAD,
            *((name, "I", 1) for name in flags),
            *((name, "d", 1) for name in bounds),
            ("center", "d", 0 if params.center is None else params.center.size),
            ("head_weights", "d", weights),
            ("coefficients", "d", params.degree + 1),
            *((name, "h", 1) for name in ("grid lambda", "constant")),
            ("gains", "h", params.degree),
            *BUDGET,
            *noise,
        ]
    return dptree_fields(params.degree, 1 if params.trees is False else 5, HEAD, BUDGET)


def dptree_fields(degree: int, terms: int, head: Fields = (), budget: Fields = ()) -> Fields:
    """Those of a release or, without the two, of a structure."""
    structure = ("kind", "adjacency", "owner_rows", "rows", "leaves", "dim", "value_dim")
    structure += ("degree", "copies", "squares", "no_trees")
    polynomial = [("error", "d", 1), ("coefficients", "d", degree + 1)] if degree else []
    return [
        *head,
        *((f"structure's {name}", "I", 1) for name in structure),
        *((name, "d", 1) for name in ("range", "weight", "relative_error", "copy_factor", "failure_probability")),
        *polynomial,
        *budget,
        ("rule", "I", 1),
        ("k", "Q", 1),
        *((name, "d", 1) for name in ("its epsilon", "its delta", "epsilon0", "delta0", "delta_prime")),
        *[(name, "Q", 1) for name in ("num", "den", "support")] * terms,
        ("numbers of rows", "Q", 1),
    ]


def layout(fields: Fields) -> Iterator[tuple[str, int, str]]:
    """Name, place and type of each number; of many of one name the first and the last."""
    places: dict[str, list[tuple[str, int, str]]] = {}
    at = 20
    for name, letter, count in fields:
        for _ in range(count):
            places.setdefault(name, []).append((name, at, letter))
            at += struct.calcsize(letter)
    for many in places.values():
        yield from dict.fromkeys((many[0], many[-1]))


def hostile(letter: str, old: Any) -> Iterator[Any]:
    """Small and extreme values, and neighbours of what is there and of limits."""
    if letter == "d":
        yield from (0.0, -0.0, 5e-324, 1e-101, 1e-100, 1e-6, 0.99e-6, 0.3, 1.0, 2.0, 1e6, 1.01e6, 1e100, 1.01e100)
        yield from (1.7e308, math.inf, -math.inf, math.nan, -1.0, -old, old / 2, 2 * old, 64.0, np.nextafter(64, 65))
        yield from (1 / 1024, np.nextafter(1 / 1024, 0), 1 / 64, np.nextafter(1 / 64, 0), 5.0, np.nextafter(5, 6))
        yield from (16.0, np.nextafter(16, 17), old * (1 - 1e-9), old * (1 + 1e-9))
    elif letter == "Q" and old > 1 << 60:  # a name: anything goes
        yield from (0, (1 << 64) - 1)
    elif letter == "h":
        yield from (0, 1, -1, 2, old - 1, old + 1, 8191, 8192, 8193, 11585, 11586, 32767, -32767, -32768, 23170, -23171)
    else:
        bits = 8 * struct.calcsize(letter)
        for value in (0, *range(1, 10), old - 1, old + 1, *(1 << i for i in (10, 15, 16, 20, 30, 31, 52, 53, 62, 63))):
            yield from (x for x in (value - 1, value, value + 1) if 0 <= x < 1 << bits)
        yield (1 << bits) - 1


TREES: dict[str, Any] = {
    **{"mechanism": "dptree", "key_dim": 2, "value_dim": 1, "range": 1.0, "value_range": 1.0, "degree": 1, "copies": 1},
    **{"key_bound": None, "value_bound": None, "query_bound": None, "scale": None},
}
PARAMS = {
    "codebook": make_codebook_params(2, key_dim=2, value_dim=1, adjacency="replace"),
    "codebook, owners": make_codebook_params(
        2, key_dim=2, value_dim=1, heads=2, head_weights=[1, 2], owner_rows=5, owner_bound=1.7
    ),
    "gaussian": make_params(key_dim=2, value_dim=1, degree=2, adjacency="replace"),
    "gaussian, owners": make_params(
        key_dim=2, value_dim=1, degree=1, heads=2, head_weights=[1, 2], owner_rows=5, owner_bound=1.7, center=[0.1, 0.2]
    ),
    "dptree": make_params(leaves=2, owner_rows=5, **TREES),
    "dptree, linear": make_params(trees=False, adjacency="replace", **TREES),
}


# Laplace noise is slow to verify.
SLOW = ("dptree", "distance")


@pytest.mark.parametrize("kind", [kind for kind in (*PARAMS, "tree", "distance") if FULL or kind not in SLOW])
def test_library_and_verifier_take_the_same_files(kind) -> None:
    """Every field set to small and extreme values under a right checksum: both take it, or none.

    What both take is saved as the same bytes, answers, and agrees with its own certificate (of
    which one a field is looked at, since that takes long).
    """
    if kind in PARAMS:
        params = PARAMS[kind]
        thing: Any = make_release(params)
        fields = fields_of(params)
    else:
        thing = made(kind)
        fields = dptree_fields(0, 1 if kind == "tree" else 3)
    data = thing.to_bytes()
    taken, refused = set(), set()
    for name, at, letter in layout(fields):
        (old,) = struct.unpack_from(f"<{letter}", data, at)
        for value in {repr(value): value for value in hostile(letter, old)}.values():
            if kind.startswith("dptree") and (name, value) == ("coefficients", 1e100):
                continue  # there the sum of all is within rounding of its limit
            altered = bytearray(data)
            struct.pack_into(f"<{letter}", altered, at, value)
            altered = resealed(altered)
            report = verify.verify(altered)
            try:
                other = type(thing).from_bytes(altered)
            except (dpattn.CorruptError, dpattn.UnsupportedError):
                other = None
            assert report.ok == (other is not None), (name, value, report)
            if other is None:
                refused.add(name)
                continue
            assert other.to_bytes() == altered
            if kind in PARAMS and name != "coefficients":  # anything multiplied by those may be too large
                assert np.isfinite(other.attend(np.ones((params.heads, 1, 2)))).all(), (name, value)
            if name not in taken:
                again = verify.verify(altered, json.dumps(other.certificate()))
                assert again.ok, (name, value, again)
            taken.add(name)
    names = {name for name, _, count in fields if count}
    assert taken | refused == names
    free = ("centroids", "id", "rows", "numbers of rows")
    assert refused >= {name for name in names if name not in free}
