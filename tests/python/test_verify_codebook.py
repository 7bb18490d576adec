"""The independent verifier on codebook releases."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import struct
from typing import Any

import numpy as np
import pytest
from test_same_files import fields_of, layout
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
        (at,) = [at for name, at, _ in layout(fields_of(params)) if name == "sigma"]
        struct.pack_into("<Q", data, at, struct.unpack_from("<Q", data, at)[0] - 1)
        assert "guarantee: the noise gives" in str(verify.verify(resealed(data)))
    integers = np.rint(release.kv()[0] * 32766 / params.key_bound).astype("<i2")
    assert certificate["codebook"]["sha256"] == hashlib.sha256(integers.tobytes()).hexdigest()


def test_centroids_beyond_exact_scores_are_refused() -> None:
    params = make_codebook_params(cells=2, key_dim=2, value_dim=1)
    data = bytearray(make_release(params).to_bytes())
    at, _ = (at for name, at, _ in layout(fields_of(params)) if name == "centroids")
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
