"""Ledgers: budgets are spent once, also by several processes, and the account adds up."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import pytest

import dpattn
from conftest import make_params
from dpattn import verify
from dpattn.cli import main
from dpattn.verify.ledger import verify_records


def make_builder(rows=20, **kinds) -> dpattn.Builder:
    params = make_params(**kinds)
    builder = dpattn.Builder(params)
    rng = np.random.default_rng(1)
    shape = (rows,) if params.heads == 1 else (params.heads, rows)
    owners = np.arange(rows) if params.owner_rows else None
    builder.add(rng.normal(size=(*shape, params.key_dim)), rng.normal(size=(*shape, params.value_dim)), owners)
    return builder


@pytest.fixture
def path(tmp_path):
    return tmp_path / "people.ledger"


def report_of(path) -> verify.Report:
    return verify.verify_ledger(path)


def test_spends_once(path) -> None:
    ledger = dpattn.Ledger(path, epsilon=2, delta=1e-5)
    release = make_builder().release(epsilon=1, delta=1e-6, ledger=ledger, label="v1")
    again = make_builder().release(epsilon=1, delta=1e-6, ledger=dpattn.Ledger(path), label="v1")
    assert release.to_bytes() == again.to_bytes() == ledger.load("v1").to_bytes()
    builder = make_builder()
    with pytest.raises(dpattn.OverspentError, match="mu would be"):
        builder.release(epsilon=2, delta=1e-5, ledger=ledger)
    with pytest.raises(dpattn.MismatchError, match="label"):
        builder.release(epsilon=0.5, delta=1e-6, ledger=ledger, label="v1")
    unnamed = builder.release(epsilon=0.5, delta=1e-6, ledger=ledger)
    with pytest.raises(dpattn.ConsumedError):
        builder.release(epsilon=0.5, delta=1e-6, ledger=ledger)
    statement = ledger.show()
    assert [entry["label"] for entry in statement["releases"]] == ["v1", unnamed.info.id]
    assert statement["spent"]["mu"] == pytest.approx(np.hypot(release.info.mu, unnamed.info.mu))
    # What is left is of use: a release of the first share fits, and nothing after it.
    share = statement["shares"][0]
    make_builder().release(epsilon=share["epsilon"], delta=share["delta"], ledger=ledger, label="rest")
    assert ledger.show()["left"]["mu"] < 1e-3
    assert ledger.show()["spent"]["epsilon"] <= 2
    assert report_of(path).ok, report_of(path)


def test_open_and_create(path) -> None:
    with pytest.raises(dpattn.FileError, match="no such file"):
        dpattn.Ledger(path)
    for bad in (
        {"epsilon": 1},
        {"delta": 1e-6},
        {"epsilon": 1, "delta": 0},
        {"mu": 1, "epsilon": 1, "delta": 1e-6},
        {"mu": -1},
        {"mu": "1"},
        {"epsilon": float("inf"), "delta": 1e-6},
        {"epsilon": 1, "delta": 1e-6, "other_epsilon": 2},
        {"epsilon": 1, "delta": 1e-6, "other_epsilon": -1},
        {"other_epsilon": 1},
    ):
        with pytest.raises(dpattn.InvalidArgumentError):
            dpattn.Ledger(path, **bad)
    assert not path.exists()
    allowance = {"epsilon": 1.5, "delta": 1e-6, "other_epsilon": 0.5, "other_delta": 1e-7}
    first = dpattn.Ledger(path, **allowance)
    assert first.path == str(path)
    assert dpattn.Ledger(path, **allowance).show() == dpattn.Ledger(str(path)).show() == first.show()
    for other in ({**allowance, "epsilon": 1.6}, {**allowance, "other_delta": 0}, {"mu": 0.1}):
        with pytest.raises(dpattn.MismatchError):
            dpattn.Ledger(path, **other)
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    first.close()
    with pytest.raises(dpattn.InvalidHandleError):
        first.show()
    with pytest.raises(dpattn.InvalidArgumentError, match="zero byte"):
        dpattn.Ledger("a\0b")
    builder = make_builder()
    ledger = dpattn.Ledger(path)
    for label in ("a\0b", "a\nb", 3, "x" * 256, "\udcff"):
        with pytest.raises(dpattn.InvalidArgumentError, match="label"):
            builder.release(epsilon=1, delta=1e-6, ledger=ledger, label=label)
    with pytest.raises(dpattn.InvalidArgumentError, match="ledger"):
        builder.release(epsilon=1, delta=1e-6, ledger=str(path))
    with pytest.raises(dpattn.InvalidArgumentError, match="label"):
        builder.release(epsilon=1, delta=1e-6, label="v1")


def test_damage_is_corrupt(path) -> None:
    ledger = dpattn.Ledger(path, mu=1)
    make_builder().release(epsilon=1, delta=1e-6, ledger=ledger, label="v1")
    whole = path.read_bytes()
    for data in (whole[:8192], whole[:100], b"", bytes(len(whole)), whole[:4096] + bytes(64) + whole[4160:]):
        path.write_bytes(data)
        with pytest.raises(dpattn.CorruptError):
            ledger.load("v1")
        assert not report_of(path).ok
    path.write_bytes(whole)
    assert report_of(path).ok


def test_disk_full(path) -> None:
    """A limit on file sizes stands for a full disk; Python ignores the signal of that limit."""
    program = f"""if True:
        import resource, sys
        import dpattn
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        from test_ledger import make_builder
        ledger = dpattn.Ledger({str(path)!r}, mu=10)
        builder = make_builder(value_dim=400)
        before = builder.export_secret()
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
        try:
            builder.release(epsilon=1, delta=1e-6, ledger=ledger, label="v1")
        except dpattn.FileError as error:
            print(error)
        else:
            sys.exit("released on a full disk")
        assert builder.export_secret() == before
        assert ledger.show()["releases"] == []
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        builder.release(epsilon=1, delta=1e-6, ledger=ledger, label="v1")
        assert len(ledger.show()["releases"]) == 1
    """
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "too large" in run.stdout
    assert report_of(path).ok


def spend(path: str, name: str) -> int:
    ledger = dpattn.Ledger(path)
    for i in range(100):
        try:
            make_builder().release(epsilon=0.5, delta=1e-6, ledger=ledger, label=f"{name}{i}")
        except dpattn.OverspentError:
            return i
    return 100


def test_processes_cannot_overspend(path) -> None:
    one = make_builder().release(epsilon=0.5, delta=1e-6).info.mu
    dpattn.Ledger(path, mu=one * np.sqrt(7.5))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        counts = pool.starmap(spend, [(str(path), "a"), (str(path), "b")])
    assert sum(counts) == 7 == len(dpattn.Ledger(path).show()["releases"])


def test_console(path, tmp_path, capsys) -> None:
    np.save(tmp_path / "K.npy", np.eye(5))
    np.save(tmp_path / "V.npy", np.ones((5, 1)))
    release = ["release", str(tmp_path / "K.npy"), str(tmp_path / "V.npy"), "--key-bound=1", "--value-bound=1"]
    release += ["--query-bound=1", "--adjacency=replace", "--epsilon=1", "--delta=1e-6", "--ledger", str(path)]
    out = [str(tmp_path / f"{i}.dpa") for i in range(4)]
    assert main([*release, "-o", out[0]]) == 2  # no ledger yet
    assert main(["ledger", "create", str(path)]) == 2
    assert main(["ledger", "create", str(path), "--epsilon=1.2", "--delta=1e-6"]) == 0
    assert main(["ledger", "create", str(path), "--epsilon=9", "--delta=1e-6"]) == 2
    assert main([*release, "-o", out[0], "--label", "v1"]) == 0
    assert main([*release, "-o", out[1], "--label", "v1"]) == 0
    assert main([*release, "-o", out[2], "--label", "v2"]) == 2
    assert "mu would be" in capsys.readouterr().err
    assert main(["ledger", "export", str(path), "v1", "-o", out[3]]) == 0
    assert main(["ledger", "export", str(path), "v2", "-o", out[2]]) == 2
    files = [Path(name).read_bytes() for name in (out[0], out[1], out[3])]
    assert files[0] == files[1] == files[2]
    capsys.readouterr()
    assert main(["ledger", "show", str(path)]) == 0
    assert "v1" in capsys.readouterr().out
    assert main(["ledger", "show", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["releases"][0]["label"] == "v1"
    assert main(["verify", str(path)]) == 0
    assert "for all 1 releases together, replace, unit: row" in capsys.readouterr().out
    assert main(["verify", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    path.write_bytes(path.read_bytes()[:8192])
    assert main(["verify", str(path)]) == 1
    assert main(["ledger", "show", str(path)]) == 2


# ---- The independent account ----


def test_account_adds_up(path) -> None:
    ledger = dpattn.Ledger(path, epsilon=3, delta=1e-5, other_epsilon=0.25, other_delta=1e-6)
    assert report_of(path).ok
    total = Fraction(0)
    for i, kinds in enumerate([{}, {"degree": 3}, {"heads": 3, "head_weights": [1, 2, 4]}, {"value_dim": 300}] * 3):
        release = make_builder(**kinds).release(epsilon=0.3 + i / 50, delta=1e-6, ledger=ledger, label=f"no. {i}")
        fraction = release.certificate()["mu_squared"]
        total += Fraction(int(fraction["numerator"]), int(fraction["denominator"]))
    report = report_of(path)
    assert report.ok, report
    assert Fraction(report.facts["mu_squared"]) == total
    statement = ledger.show()
    with mpmath.workdps(40):
        mu = mpmath.mpf(report.facts["mu"])
        assert mu <= statement["spent"]["mu"] <= mu * (1 + mpmath.mpf("1e-15"))
        # Nothing is understated, and what is left is nearly all: the statement's own epsilon gives
        # delta.
        delta = verify.gaussian_delta(mu, statement["spent"]["epsilon"])
        assert mpmath.mpf("0.999") * 1e-5 < delta <= 1e-5
    allowance = statement["allowance"]
    with mpmath.workdps(40):
        delta = verify.gaussian_delta(mpmath.mpf(allowance["mu"]), mpmath.mpf(2.75))
        assert mpmath.mpf("0.999999") * 9e-6 < delta <= 1e-5 - mpmath.mpf(1e-6)


def exported(path, change) -> verify.Report:
    """The report of a ledger whose records are changed on their way to the verifier."""
    with dpattn.Ledger(path) as ledger:
        statement = ledger.show()
        files = {entry["label"]: ledger.load(entry["label"]).to_bytes() for entry in statement["releases"]}
    change(statement, statement["releases"], files)
    report = verify.Report()
    verify_records(statement, files.__getitem__, report)
    return report


def test_catches_false_accounts(path) -> None:
    ledger = dpattn.Ledger(path, epsilon=2, delta=1e-5)
    for i in range(3):
        make_builder().release(epsilon=0.8, delta=1e-6, ledger=ledger, label=str(i))
    assert exported(path, lambda *_: None).ok

    def lie(name, value, number=0):
        return lambda statement, entries, files: entries[number].update({name: value})

    def allow(**numbers):
        return lambda statement, entries, files: statement["allowance"].update(numbers)

    other = make_builder().release(epsilon=1, delta=1e-6).to_bytes()
    lies = {
        "a smaller mu^2": lie("mu_squared", {"numerator": "1", "denominator": "10000"}),
        "no mu^2": lie("mu_squared", None),
        "nonsense for mu^2": lie("mu_squared", {"numerator": "1", "denominator": "0"}),
        "a smaller epsilon": lie("epsilon", 0.1),
        "a smaller delta": lie("delta", 1e-7),
        "another id": lie("id", "0" * 32),
        "a label twice": lie("label", "1"),
        "fewer bytes": lie("release_bytes", 1),
        "another digest": lie("release_sha256", "0" * 64),
        "another release": lambda statement, entries, files: files.update({"0": other}),
        "other neighbours": lambda statement, entries, files: statement.update(adjacency="replace"),
        "other units": lambda statement, entries, files: statement.update(unit="owner"),
        "a smaller allowance": allow(mu=0.1),
        "a larger mu": allow(mu=0.6),
        "a smaller promise": allow(epsilon=1.9),
        "a smaller delta of all": allow(delta=0.9e-5),
        "more set aside": allow(other_epsilon=0.1),
        "set aside below zero": allow(other_epsilon=-1.0),
        "no allowance": allow(epsilon=0, mu=0, delta=0),
        "another format": lambda statement, entries, files: statement.update(format="dpattn-ledger-statement/2"),
    }
    for name, change in lies.items():
        assert not exported(path, change).ok, name


def test_every_page_counts(path, rng) -> None:
    ledger = dpattn.Ledger(path, mu=5)
    for i in range(9):
        make_builder(value_dim=40).release(epsilon=0.5, delta=1e-6, ledger=ledger, label=str(i))
    whole = path.read_bytes()
    right = report_of(path)
    assert right.ok, right
    for _ in range(150):
        data = bytearray(whole)
        at = int(rng.integers(len(data) // 4096)) * 4096 + int(rng.integers(100))
        data[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        report = report_of(path)
        assert not report.ok or report.facts == right.facts
    for cut in (1, 4095, 4096, 4097, 8192, len(whole) // 2):
        path.write_bytes(whole[:cut])
        assert not report_of(path).ok
