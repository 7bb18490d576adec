"""The public side: files, copies, what a release tells of itself."""

from __future__ import annotations

import copy
import gc
import hashlib
import json
import os
import pickle
import weakref
from pathlib import Path

import numpy as np
import pytest

import dpattn
from conftest import FULL, make_params, make_release


def rss() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_fresh_process_answers_identically(release, rng, tmp_path, run_python) -> None:
    path, queries, answers = tmp_path / "context.dpa", tmp_path / "Q.npy", tmp_path / "out.npy"
    release.save(path)
    Q = rng.uniform(-0.5, 0.5, size=(1000, 5)).astype(np.float32)
    np.save(queries, Q)
    code = (
        "import sys, dpattn, numpy as np; r = dpattn.load(sys.argv[1]);"
        "np.save(sys.argv[3], r.attend(np.load(sys.argv[2])));"
        "print(r.info.id, r.to_bytes() == open(sys.argv[1], 'rb').read())"
    )
    done = run_python("-c", code, str(path), str(queries), str(answers))
    assert done.stdout.split() == [release.info.id, "True"], done.stderr
    np.testing.assert_array_equal(np.load(answers), release.attend(Q))


def test_save_is_atomic(release, tmp_path, monkeypatch) -> None:
    path = tmp_path / "context.dpa"
    path.write_bytes(b"old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        release.save(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["context.dpa"]
    monkeypatch.undo()
    release.save(str(path))
    assert path.read_bytes() == release.to_bytes()
    assert os.listdir(tmp_path) == ["context.dpa"]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    with pytest.raises(FileNotFoundError):
        release.save(tmp_path / "no" / "context.dpa")
    with pytest.raises(FileNotFoundError):
        dpattn.load(tmp_path / "absent.dpa")


def test_every_cut_and_alteration_is_refused() -> None:
    data = make_release(make_params(key_dim=2, value_dim=1, degree=1)).to_bytes()
    for size in range(len(data)):
        with pytest.raises(dpattn.CorruptError):
            dpattn.Release.from_bytes(data[:size])
    for i in range(len(data)):
        for bit in range(8):
            altered = bytearray(data)
            altered[i] ^= 1 << bit
            with pytest.raises(dpattn.CorruptError):
                dpattn.Release.from_bytes(altered)
    with pytest.raises(dpattn.CorruptError):
        dpattn.Release.from_bytes(data + b"\0")
    with pytest.raises(dpattn.InvalidArgumentError, match="data is a str"):
        dpattn.Release.from_bytes("abc")


def test_a_file_that_claims_more_than_its_noise_gives_is_refused() -> None:
    data = bytearray(make_release().to_bytes())
    epsilon = data.find(np.float64(1.0).tobytes() + np.float64(1e-6).tobytes())
    data[epsilon : epsilon + 8] = np.float64(0.5).tobytes()
    data[-32:] = hashlib.sha256(data[:-32]).digest()
    with pytest.raises(dpattn.CorruptError, match="noise"):
        dpattn.Release.from_bytes(data)


@pytest.mark.parametrize("data", [bytes, bytearray, memoryview])
def test_bytes_like(release, data) -> None:
    assert dpattn.Release.from_bytes(data(release.to_bytes())).info == release.info


def test_copies(release, rng) -> None:
    Q = rng.uniform(-0.5, 0.5, size=(10, 5))
    wanted = release.attend(Q)
    for copied in (copy.copy(release), copy.deepcopy(release), pickle.loads(pickle.dumps(release))):
        assert copied.info == release.info
        np.testing.assert_array_equal(copied.attend(Q), wanted)
        copied.close()
    np.testing.assert_array_equal(release.attend(Q), wanted)


def test_info() -> None:
    params = make_params(
        heads=2, degree=3, polynomial="taylor", adjacency="replace", owner_rows=4, owner_bound=1.5, rotate=False
    )
    info = make_release(params, epsilon=2.5).info
    for name in (
        "heads",
        "degree",
        "polynomial",
        "adjacency",
        "owner_rows",
        "owner_bound",
        "rotate",
        "mechanism",
        "key_bound",
    ):
        assert getattr(info, name) == getattr(params, name), name
    assert (info.epsilon, info.delta, info.logit_bound) == (2.5, 1e-6, 1.0)
    assert info.features == 56
    assert info.state_bytes == 2 * 56 * 4 * 8
    assert 0 < info.mu < 1
    assert info.lambda_ == pytest.approx(3**-0.25, rel=1e-3)
    assert len(bytes.fromhex(info.id)) == 16
    assert info.id != make_release(params).info.id


def test_state_and_certificate() -> None:
    release = make_release(make_params(heads=2))
    state = release.state()
    assert (state.shape, state.dtype) == ((2, 21, 4), np.int64)
    assert state.tobytes() == release.to_bytes()[-32 - state.nbytes : -32]
    certificate = release.certificate()
    json.dumps(certificate)
    assert certificate["id"] == release.info.id
    assert certificate["mu"] == release.info.mu


def test_two_releases_of_the_same_rows_have_independent_noise() -> None:
    a, b = make_release().state(), make_release().state()
    assert (a != b).mean() > 0.99


def test_repr_shows_the_guarantee(release) -> None:
    text = repr(release)
    promise = "(1, 1e-06)-differential privacy for the presence of one row"
    for part in (promise, "|k| <= 1, |v| <= 1, |q| <= 1", "key_dim=5", "value_dim=3", "bytes"):
        assert part in text
    page = release._repr_html_()
    for part in (
        promise,
        "|k| &lt;= 1",
        "1 head, keys of 5, values of 3 numbers",
        f"{release.info.save_bytes:,} bytes",
    ):
        assert part in page
    other = make_release(make_params(owner_rows=4, adjacency="replace"))
    assert "the content of one owner with up to 4 rows" in repr(other)
    other.close()
    assert "Release (closed)" in other._repr_html_()


def test_close() -> None:
    release = make_release()
    release.close()
    release.close()
    for call in (lambda: release.attend(np.zeros(5)), release.to_bytes, release.state, release.certificate):
        with pytest.raises(dpattn.InvalidHandleError, match="release is closed"):
            call()
    with pytest.raises(dpattn.InvalidHandleError, match="release is closed"):
        release.attend(np.zeros(5), return_lse=True)
    assert "closed" in repr(release)
    with pytest.raises(TypeError, match=r"dpattn\.load"):
        dpattn.Release()


def test_the_collector_frees() -> None:
    release = make_release()
    handle, alive = release._handle, weakref.ref(release)
    del release
    gc.collect()
    assert alive() is None
    from dpattn._c.library import call

    with pytest.raises(dpattn.InvalidHandleError):
        call("dpattn_release_state", handle, None, 0, None)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_memory_stays_flat(rng) -> None:
    release = make_release(make_params(key_dim=16, value_dim=16))
    Q = rng.uniform(-0.2, 0.2, size=(8, 16))

    def work(times: int) -> None:
        for _ in range(times):
            release.attend(Q, return_lse=True, return_std=True)
            release.attend(Q[0])
        for _ in range(times // 20):
            copy.copy(release).close()
            dpattn.Release.from_bytes(release.to_bytes())
            dpattn.Builder(make_params(key_dim=16, value_dim=16)).export_secret()

    work(1000)
    gc.collect()
    before = rss()
    work(10_000)
    gc.collect()
    assert rss() - before < 16 << 20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_memory_stays_flat_over_many_calls() -> None:
    release = make_release(make_params(key_dim=4, value_dim=4))
    Q, out = np.full((1, 4), 0.1, dtype=np.float32), np.empty((1, 4), dtype=np.float32)
    for _ in range(10_000):
        release.attend(Q, out=out)
    gc.collect()
    before = rss()
    for _ in range(1_000_000 if FULL else 250_000):
        release.attend(Q, out=out)
    gc.collect()
    assert rss() - before < 4 << 20  # four bytes a call would be seen, or sixteen


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_memory_does_not_grow_with_rows() -> None:
    row = np.full(16, 0.1)
    with dpattn.Builder(make_params(key_dim=16, value_dim=16)) as builder:
        builder.add(np.broadcast_to(row, (20_000, 16)), np.broadcast_to(row, (20_000, 16)))
        before = rss()
        builder.add(np.broadcast_to(row, (200_000, 16)), np.broadcast_to(row, (200_000, 16)))
        assert rss() - before < 16 << 20
