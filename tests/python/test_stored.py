"""What earlier versions stored (tests/stored) is read, says the same and answers the same."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dpattn
from conftest import ROOT, held
from dpattn import verify

sys.path.insert(0, str(ROOT / "tests" / "stored"))

import cases

FOLDER = ROOT / "tests" / "stored" / "0.1.0"
MANIFEST = json.loads((FOLDER / "manifest.json").read_text())
RELEASES = {case["name"]: case for case in MANIFEST["releases"]}
EVERY_RELEASE = pytest.mark.parametrize("case", RELEASES.values(), ids=list(RELEASES))
EVERY_STRUCTURE = pytest.mark.parametrize("case", MANIFEST["structures"], ids=lambda case: case["name"])
EVERY_LEDGER = pytest.mark.parametrize("stored", MANIFEST["ledgers"], ids=lambda ledger: ledger["name"])


def answers(name: str) -> tuple[dict[str, Any], bool]:
    """The stored answers, and whether they are to be met bit for bit: by the same kernels."""
    kernels = dpattn.build_info()["simd"]
    for given in MANIFEST["answers"]:
        if kernels in given["kernels"]:
            return given["of"][name], platform.machine() in ("x86_64", "AMD64")
    return MANIFEST["answers"][-1]["of"][name], False


def same(got: Any, stored: str, exact: bool) -> None:
    """Compare numbers: bit for bit, or within 1e-5 of the largest, as core/stored_test.go does."""
    want = np.frombuffer(bytes.fromhex(stored), "<f8")
    got = np.asarray(got).ravel()
    assert want.size
    np.testing.assert_allclose(got, want, rtol=0, atol=0 if exact else 1e-5 * np.nanmax(abs(want)))


def certificate(name: str) -> dict[str, Any]:
    """A stored certificate, as this version would have written it."""
    text: dict[str, Any] = json.loads((FOLDER / f"{name}.certificate.json").read_text())
    if "library" in text:
        text["library"] = dpattn.build_info()["version"]
    return text


def test_manifest_has_every_case() -> None:
    """The cases that make.py would write are those that are stored."""
    assert [case["name"] for case in cases.cases()] == list(RELEASES)
    assert all(RELEASES[case["name"]]["params"] == case["params"] for case in cases.cases())


@EVERY_RELEASE
def test_releases(case: dict[str, Any]) -> None:
    """Bytes, state, certificate, info and answers are those of then; the guarantee holds."""
    file = (FOLDER / f"{case['name']}.dpa").read_bytes()
    release = dpattn.load(FOLDER / f"{case['name']}.dpa")
    assert release.to_bytes() == file
    assert release.certificate() == certificate(case["name"])
    assert hashlib.sha256(release.state().astype("<i8").tobytes()).hexdigest() == case["state_sha256"]
    assert {name: getattr(release.info, name) for name in case["info"]} == case["info"]
    want, exact = answers(case["name"])
    Q = cases.queries_of(case)
    out, lse, std, clipped = release.attend(Q, return_lse=True, return_std=True, return_clipped=True)
    same(out, want["out"], exact)
    same(lse, want["lse"], exact)
    same(std, want["stddev"], exact)
    assert clipped == want["clipped"]
    assert verify.verify(file).ok


@EVERY_RELEASE
def test_partials(case: dict[str, Any]) -> None:
    """Partials count and sum as they did, merge to the stored one, and new builders fit them."""
    files = {
        part: (FOLDER / f"{case['name']}.{part}.partial").read_bytes() for part in ("empty", "first", "second", "both")
    }
    loaded = {part: dpattn.Builder.import_secret(file) for part, file in files.items()}
    for part, builder in loaded.items():
        assert builder.export_secret() == files[part]
        counts = builder.diagnostics()
        for name, count in case["diagnostics"].get(part, {}).items():
            assert getattr(counts, name) == count, (part, name)
    K, V, owners = cases.rows_of(case)
    loaded["empty"].add(K, V, owners=owners)
    assert held(loaded["empty"]) == held(loaded["both"])
    loaded["first"].merge(loaded["second"])
    assert loaded["first"].export_secret() == files["both"]
    loaded["first"].merge(dpattn.Builder(cases.params_of(case)))
    with loaded["first"].release(**case["budget"]) as release:
        assert {**release.certificate(), "id": 0} == {**certificate(case["name"]), "id": 0}


@EVERY_STRUCTURE
def test_structures(case: dict[str, Any]) -> None:
    """Bytes, certificate, info and answers of trees and distances are those of then."""
    path = FOLDER / f"{case['name']}.dpa"
    made = dpattn.load(path)
    assert made.to_bytes() == path.read_bytes()
    assert made.certificate() == certificate(case["name"])
    assert {name: getattr(made.info, name) for name in case["info"]} == case["info"]
    want, exact = answers(case["name"])
    if case["kind"] == "tree":
        sums, std = made.sum(*np.triu_indices(case["params"]["leaves"] + 1), return_std=True)
        same(sums, want["sum"], True)  # integers, times the unit
        same(std, want["stddev"], exact)
    else:
        queries = cases.numbers(7, 9, case["params"]["dim"]) / 2 + 0.5
        same(made.l1(queries), want["l1"], exact)
        if "l2" in want:
            same(made.l2(queries), want["l2"], exact)
    assert verify.verify(path.read_bytes()).ok


@EVERY_LEDGER
def test_ledgers(stored: dict[str, Any], tmp_path: Path) -> None:
    """A ledger makes the same statement, gives its releases by label, and knows a request again."""
    path = tmp_path / "copy.ledger"
    shutil.copy(FOLDER / f"{stored['name']}.ledger", path)
    statement = json.loads((FOLDER / f"{stored['name']}.statement.json").read_text())
    requests = json.loads((FOLDER / "requests.json").read_text())
    with dpattn.Ledger(path, **stored["allowance"]) as ledger:
        assert ledger.show() == statement
        for release in stored["releases"]:
            case = RELEASES[release["case"]]
            assert hashlib.sha256(requests[case["name"]].encode()).hexdigest() == release["request_sha256"]
            builder = dpattn.Builder(cases.params_of(case))
            with pytest.raises(dpattn.MismatchError):
                builder.release(epsilon=0.5, delta=1e-6, ledger=ledger, label=release["label"])
            again = builder.release(**case["budget"], ledger=ledger, label=release["label"])
            for given in (again, ledger.load(release["label"])):
                assert hashlib.sha256(given.to_bytes()).hexdigest() == release["release_sha256"]
        assert ledger.show() == statement
    report = verify.verify_ledger(path)
    assert report.ok, report.problems
