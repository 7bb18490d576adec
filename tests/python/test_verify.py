"""The independent verifier: right on golden values, agrees with the library, catches changes."""

from __future__ import annotations

import copy
import json
import struct

import mpmath
import numpy as np
import pytest

import dpattn
from conftest import ROOT, make_params, make_release, resealed
from dpattn import verify
from dpattn.verify import moment

ACCOUNTING = json.loads((ROOT / "tests" / "vectors" / "accounting.json").read_text())

KINDS = {
    "default": {},
    "replace": {"adjacency": "replace"},
    "replace, sharper bound not proven": {"adjacency": "replace", "polynomial": "taylor", "degree": 1, "scale": 3.0},
    "replace, lambda too large": {"adjacency": "replace", "lam": 1.2},
    "owners": {"owner_rows": 5, "adjacency": "replace"},
    "owners, clipped": {"owner_rows": 5, "owner_bound": 1.7, "adjacency": "replace"},
    "owners, clipped, add_remove": {"owner_rows": 9, "owner_bound": 0.3},
    "heads": {"heads": 3, "head_weights": [1, 2, 4], "center": [0.1] * 5},
    "taylor": {"degree": 6, "polynomial": "taylor", "rotate": False, "value_dim": 1},
}


@pytest.mark.parametrize("line", ACCOUNTING["gaussian_delta"], ids=str)
def test_delta_is_golden(line) -> None:
    with mpmath.workdps(60):
        delta = verify.gaussian_delta(1 / mpmath.mpf(line["sigma_over_sensitivity"]), mpmath.mpf(line["epsilon"]))
        assert abs(delta / mpmath.mpf(line["delta"]) - 1) < 1e-18


@pytest.mark.parametrize("line", ACCOUNTING["gaussian_sigma"], ids=str)
def test_mu_is_golden(line) -> None:
    with mpmath.workdps(60):
        delta = verify.gaussian_delta(mpmath.mpf(line["mu"]), mpmath.mpf(line["epsilon"]))
        assert abs(delta / mpmath.mpf(line["delta"]) - 1) < 1e-17


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epsilon", [0.01, 1.0, 1e3])
def test_agrees_with_the_library(kind, epsilon) -> None:
    release = make_release(make_params(**KINDS[kind]), epsilon=epsilon)
    certificate = release.certificate()
    report = verify.verify(release.to_bytes(), certificate)
    assert report.ok, report
    assert report.facts["sensitivity_squared"] == certificate["sensitivity"]["squared"]
    # The noise is not needlessly large either: sigma is the least integer that keeps the claim.
    assert float(report.facts["delta_at_epsilon"]) > 0.99e-6
    assert certificate["sensitivity"]["sharper_replace_bound"] == (kind in ("replace", "owners"))
    assert str(report).startswith("OK: ")
    json.dumps(report.as_dict())


def test_catches_every_altered_byte() -> None:
    data = make_release(make_params(key_dim=2, value_dim=1, degree=1)).to_bytes()
    for i in range(len(data)):
        altered = bytearray(data)
        altered[i] ^= 1 << i % 8
        assert not verify.verify(altered).ok
    for size in range(0, len(data), 3):
        assert not verify.verify(data[:size]).ok
    assert "SECRET" in str(verify.verify(dpattn.Builder(make_params()).export_secret()))


def test_catches_a_false_claim_under_a_right_checksum() -> None:
    """Alter what the guarantee rests on, and seal the file again."""
    release = make_release(make_params(adjacency="replace"))
    data = release.to_bytes()
    design = 20
    after = data.index(struct.pack("<2d", 1.0, 1e-6))
    lies = {
        "smaller epsilon": (after, struct.pack("<d", 0.9)),
        "smaller delta": (after + 8, struct.pack("<d", 1e-7)),
        "smaller sigma": (after + 32, struct.pack("<Q", struct.unpack_from("<Q", data, after + 32)[0] * 99 // 100)),
        "sigma 0": (after + 32, struct.pack("<Q", 0)),
        "adjacency 3": (design + 24, struct.pack("<I", 3)),
        "owners of 2 rows": (design + 28, struct.pack("<I", 2)),
        "owners of norm 3": (design + 48 + 40, struct.pack("<d", 3.0)),
        "another shape": (design + 8, struct.pack("<I", 4)),
        "huge shape": (design, struct.pack("<I", 65536)),
        "larger lambda": (after - 8, struct.pack("<H", 2000)),
        "a gain that undoes the sharper bound": (after - 4, struct.pack("<H", 8192)),
        "epsilon nan": (after, struct.pack("<d", float("nan"))),
        "delta 1": (after + 8, struct.pack("<d", 1.0)),
        "bound inf": (design + 48, struct.pack("<d", float("inf"))),
        "version 2": (16, struct.pack("<I", 2)),
    }
    assert verify.verify(data).ok
    for name, (at, value) in lies.items():
        altered = bytearray(data)
        altered[at : at + len(value)] = value
        report = verify.verify(resealed(altered))
        assert not report.ok, name
        assert str(report).startswith("FAILED"), name


def test_private_row_counts_are_refused() -> None:
    data = bytearray(make_release().to_bytes())
    after = data.index(struct.pack("<2d", 1.0, 1e-6))
    data[after + 40 : after + 48] = struct.pack("<Q", 60)
    assert "private" in str(verify.verify(resealed(data)))


def leaves(value, path=()):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list) and value:
        for i, inner in enumerate(value):
            yield from leaves(inner, (*path, i))
    else:
        yield path, value


@pytest.mark.parametrize("kind", ["replace", "heads", "owners, clipped"])
def test_catches_every_altered_field_of_a_certificate(kind) -> None:
    release = make_release(make_params(**KINDS[kind]))
    data, certificate = release.to_bytes(), release.certificate()
    seen = 0
    for path, value in leaves(certificate):
        if path == ("library",):  # who wrote it, which no file can tell
            continue
        if isinstance(value, bool):
            lies = [not value]
        elif isinstance(value, (int, float)):
            lies = [value - 1, value * 0.99] if value else [1]
        elif isinstance(value, str):
            lies = [value + "1", value[:-1]]
        else:
            lies = [[1]]
        if path[0] in ("curve", "groups") and path[-1] == "delta":
            lies = [value * 0.99]
        for lie in [*lies, "?", None] if value is not None else lies:
            altered = copy.deepcopy(certificate)
            inner = altered
            for step in path[:-1]:
                inner = inner[step]
            inner[path[-1]] = lie
            if path[0] == "groups" and path[-1] == "units" and isinstance(lie, (int, float)):
                continue  # fewer units at this epsilon: true, though not tight
            report = verify.verify(data, json.dumps(altered))
            assert not report.ok, (path, value, lie)
            seen += 1
    assert seen > 50


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ((), "effective_epsilon"),
        (("unit",), "also"),
        (("noise", "terms", 0), "law"),
        (("curve", 0), "mu"),
        (("rows",), "0"),
    ],
)
def test_refuses_fields_that_nothing_verifies(path, name) -> None:
    release = make_release()
    certificate = release.certificate()
    inner = certificate
    for step in path[:-1]:
        inner = inner[step]
    if path:
        inner[path[-1]] = {**(inner[path[-1]] or {}), name: 0.01}
    else:
        certificate[name] = 0.01
    report = verify.verify(release.to_bytes(), json.dumps(certificate))
    assert name in str(report)
    assert not report.ok


def test_refuses_a_name_that_stands_twice() -> None:
    """Some readers take the first of them, some the last."""
    release = make_release()
    text = json.dumps(release.certificate())
    assert verify.verify(release.to_bytes(), text).ok
    assert "'epsilon' twice" in str(verify.verify(release.to_bytes(), text.replace("{", '{"epsilon": 0.01, ', 1)))


def test_hostile_numbers_are_no_exceptions() -> None:
    release = make_release()
    for lie in (10**400, [[]]):
        for name in ("mu", "epsilon", "curve", "groups", "noise"):
            assert not verify.verify(release.to_bytes(), {**release.certificate(), name: lie}).ok
    certificate = release.certificate()
    certificate["groups"][0]["units"] = 10**400
    certificate["curve"][0]["epsilon"] = 1e308
    assert not verify.verify(release.to_bytes(), certificate).ok
    assert not verify.verify(release.to_bytes(), "[" * 100_000).ok


def test_very_many_sigmas(rng) -> None:
    release = make_release(make_params(heads=300, head_weights=rng.uniform(1, 9, size=300)), rows=2)
    certificate = release.certificate()
    assert int(certificate["mu_squared"]["denominator"]) <= 2**256
    report = verify.verify(release.to_bytes(), certificate)
    assert report.ok, report


@pytest.mark.parametrize(
    "certificate", [b"", b"[]", b"null", "{}", "{", b"\xff", "1e999", '{"noise": 3, "curve": {"a": 1}}']
)
def test_nonsense_certificates_are_no_exceptions(certificate) -> None:
    report = verify.verify(make_release().to_bytes(), certificate)
    assert not report.ok
    assert any(problem.startswith("certificate") for problem in report.problems)


def test_a_certificate_of_another_release_is_refused() -> None:
    assert "id is" in str(verify.verify(make_release().to_bytes(), make_release().certificate()))


def test_the_kernel_bound_against_a_grid(rng) -> None:
    from fractions import Fraction

    y = np.linspace(-1, 1, 2001)
    for _ in range(200):
        c = rng.integers(0, 1000, size=rng.integers(2, 9))
        least = np.polyval(c[::-1], y).min()
        if abs(least) > 1:
            assert moment._not_negative([Fraction(int(x)) for x in c]) == (least > 0), c
