"""The verifier on codebook releases: right, and as strict with a file as the library is."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import struct
from typing import Any, Iterator

import numpy as np
import pytest
from test_verify import leaves

import dpattn
from conftest import make_codebook_params, make_release, resealed
from dpattn import verify

KINDS: dict[str, dict[str, Any]] = {
    "rows": {},
    "replace, another cell": {"adjacency": "replace", "lam": 2.0},
    "replace, the same cell": {"adjacency": "replace", "lam": 0.5},
    "owners": {"owner_rows": 5},
    "owners, replace": {"owner_rows": 5, "adjacency": "replace"},
    "owners, clipped": {"owner_rows": 5, "owner_bound": 1.7},
    "owners, clipped, replace": {"owner_rows": 5, "owner_bound": 0.3, "adjacency": "replace"},
    "heads": {"heads": 3, "head_weights": [1, 2, 4]},
    "one cell": {"cells": 1, "value_dim": 1},
}

# The squared sensitivity with V = 2^20 and L = round(1022 lambda): m^2 (V + L^2) for ADD_REMOVE,
# m^2 max(2 (V + L^2), 4 V) for REPLACE, floor(t^2 (V + L^2)) and four times that for clipped sums.
V, L = 1 << 20, 777
SQUARED = {
    "rows": V + L**2,
    "replace, another cell": 2 * (V + 2044**2),
    "replace, the same cell": 4 * V,
    "owners": 25 * (V + L**2),
    "owners, replace": 25 * 4 * V,
    "owners, clipped": math.floor(1.7 * 1.7 * (V + L**2)),
    "owners, clipped, replace": 4 * math.floor(0.09 * (V + L**2)),
    "heads": V + L**2,
    "one cell": V + 1022**2,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epsilon", [0.01, 1e3])
def test_agrees_with_the_library(kind, epsilon) -> None:
    params = make_codebook_params(**KINDS[kind])
    release = make_release(params, epsilon=epsilon)
    certificate = release.certificate()
    report = verify.verify(release.to_bytes(), json.dumps(certificate))
    assert report.ok, report
    assert report.facts["sensitivity_squared"] == certificate["sensitivity"]["squared"] == str(SQUARED[kind])
    if params.heads == 1:  # the noise is not needlessly large either: the next smaller sigma is found out
        data = bytearray(release.to_bytes())
        (at,) = [at for name, at, _ in layout(params) if name == "sigma[0]"]
        struct.pack_into("<Q", data, at, struct.unpack_from("<Q", data, at)[0] - 1)
        assert "guarantee: the noise gives" in str(verify.verify(resealed(data)))
    integers = np.rint(release.kv()[0] * 32766 / params.key_bound).astype("<i2")
    assert certificate["codebook"]["sha256"] == hashlib.sha256(integers.tobytes()).hexdigest()


def layout(params: dpattn.Params) -> Iterator[tuple[str, int, str]]:
    """Name, place and type of every number of a release file but the sums; docs/formats.md.

    Of the centroids' the first and the last.
    """
    at = 20
    weights = 0 if params.head_weights is None else params.heads
    centroids = params.codebook.size
    for name, letter, count in (
        *((name, "I", 1) for name in ("heads", "key_dim", "value_dim", "degree", "mechanism")),
        *((name, "I", 1) for name in ("adjacency", "owner_rows", "cells", "has_weights")),
        *((name, "d", 1) for name in ("key_bound", "value_bound", "scale", "lambda", "owner_bound")),
        ("head_weights", "d", weights),
        ("grid lambda", "h", 1),
        ("centroids", "h", centroids),
        ("epsilon", "d", 1),
        ("delta", "d", 1),
        ("id", "Q", 2),
        *(("sigma", "Q", 1), ("rows", "Q", 1)) * params.heads,
    ):
        for i in range(count):
            if name != "centroids" or i in (0, centroids - 1):
                yield f"{name}[{i}]", at, letter
            at += struct.calcsize(letter)


def hostile(letter: str, old: Any) -> Iterator[Any]:
    """Small and extreme values, and neighbours of what is there and of limits."""
    if letter == "d":
        yield from (0.0, -0.0, 5e-324, 1e-101, 1e-100, 1e-6, 0.99e-6, 0.3, 1.0, 2.0, 1e6, 1.01e6, 1e100, 1.01e100)
        yield from (1.7e308, math.inf, -math.inf, math.nan, -1.0, -old, old / 2, 2 * old)
        yield from (1 / 1024, np.nextafter(1 / 1024, 0), 1 / 64, np.nextafter(1 / 64, 0), 5.0, np.nextafter(5, 6))
        yield from (16.0, np.nextafter(16, 17), old * (1 - 1e-9), old * (1 + 1e-9))
    elif letter == "Q" and old > 1 << 60:  # a name: anything goes
        yield from (0, (1 << 64) - 1)
    elif letter == "h":
        yield from (0, 1, -1, 2, old - 1, old + 1, 32767, -32767, -32768, 23170, -23171)
    else:
        bits = 8 * struct.calcsize(letter)
        for value in (0, *range(1, 10), old - 1, old + 1, *(1 << i for i in (10, 15, 16, 20, 30, 31, 52, 53, 62, 63))):
            yield from (x for x in (value - 1, value, value + 1) if 0 <= x < 1 << bits)
        yield (1 << bits) - 1


@pytest.mark.parametrize(
    "changes",
    [
        {"adjacency": "replace"},
        {"heads": 2, "head_weights": [1, 2], "owner_rows": 5, "owner_bound": 1.7},
    ],
    ids=["rows", "owners"],
)
def test_library_and_verifier_take_the_same_files(changes) -> None:
    """Every field set to small and extreme values under a right checksum: both take it, or none.

    What both take answers, is saved as the same bytes, and agrees with its own certificate (of
    which one a field is looked at, since that takes long).
    """
    params = make_codebook_params(**{"cells": 2, "key_dim": 2, "value_dim": 1, **changes})
    data = make_release(params).to_bytes()
    taken, refused = set(), set()
    for name, at, letter in layout(params):
        (old,) = struct.unpack_from(f"<{letter}", data, at)
        for value in {repr(value): value for value in hostile(letter, old)}.values():
            altered = bytearray(data)
            struct.pack_into(f"<{letter}", altered, at, value)
            altered = resealed(altered)
            report = verify.verify(altered)
            try:
                release = dpattn.Release.from_bytes(altered)
            except (dpattn.CorruptError, dpattn.UnsupportedError):
                assert not report.ok, (name, value)
                refused.add(name)
                continue
            assert report.ok, (name, value, report)
            assert release.to_bytes() == altered
            assert np.isfinite(release.attend(np.ones((params.heads, 1, 2)))).all(), (name, value)
            if name not in taken:
                again = verify.verify(altered, json.dumps(release.certificate()))
                assert again.ok, (name, value, again)
            taken.add(name)
    fields = {name for name, *_ in layout(params)}
    assert taken | refused == fields
    assert refused >= {name for name in fields if not name.startswith(("centroids", "id", "rows"))}


def test_centroids_beyond_exact_scores_are_refused() -> None:
    params = make_codebook_params(cells=2, key_dim=2, value_dim=1)
    data = bytearray(make_release(params).to_bytes())
    (at,) = [at for name, at, _ in layout(params) if name == "centroids[0]"]
    for pair, fine in (((23170, 23170), True), ((23171, 23170), False), ((-32768, 0), False), ((-32767, 0), True)):
        struct.pack_into("<2h", data, at, *pair)
        assert verify.verify(resealed(data)).ok == fine
        if fine:
            dpattn.Release.from_bytes(resealed(data))
        else:
            with pytest.raises(dpattn.CorruptError, match="centroid"):
                dpattn.Release.from_bytes(resealed(data))


@pytest.mark.parametrize("kind", ["replace, the same cell", "owners, clipped"])
def test_catches_every_altered_field_of_a_certificate(kind) -> None:
    release = make_release(make_codebook_params(**KINDS[kind]))
    data, certificate = release.to_bytes(), release.certificate()
    seen = set()
    for path, value in leaves(certificate):
        if path == ("library",):  # who wrote it, which no file can tell
            continue
        if isinstance(value, (int, float)):
            lies: list[Any] = [value - 1, value * 0.99] if value else [1]
        else:
            lies = [f"{value}1", [1]]
        if path[0] in ("curve", "groups") and path[-1] == "delta":
            lies = [value * 0.99]
        if path[0] == "groups" and path[-1] == "units":
            continue  # fewer units at this epsilon: true, though not tight
        for lie in [*lies, "?", None] if value is not None else lies:
            altered = copy.deepcopy(certificate)
            inner = altered
            for step in path[:-1]:
                inner = inner[step]
            inner[path[-1]] = lie
            assert not verify.verify(data, json.dumps(altered)).ok, (path, value, lie)
            seen.add(path[0])
    assert seen == set(certificate) - {"library"}


def test_cut_and_altered_files_are_refused() -> None:
    data = make_release(make_codebook_params(cells=1, key_dim=1, value_dim=1)).to_bytes()
    for i in range(len(data)):
        altered = bytearray(data)
        altered[i] ^= 1 << i % 8
        assert not verify.verify(altered).ok
    for size in range(20, len(data) - 32):  # right checksums, too
        cut = resealed(data[:size] + bytes(32))
        assert not verify.verify(cut).ok
        with pytest.raises((dpattn.CorruptError, dpattn.UnsupportedError)):
            dpattn.Release.from_bytes(cut)
    longer = resealed(data[:-32] + bytes(40))
    assert not verify.verify(longer).ok
    with pytest.raises(dpattn.CorruptError):
        dpattn.Release.from_bytes(longer)


def test_a_certificate_of_another_mechanism_is_refused() -> None:
    assert not verify.verify(make_release().to_bytes(), make_release(make_codebook_params()).certificate()).ok
