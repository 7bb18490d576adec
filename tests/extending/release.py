"""The mechanism `sums` from Python: build, release, file, answers, certificate, ledger, plan."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import dpattn

params = dpattn.Params(mechanism="sums", heads=2, key_dim=3, value_dim=2, value_bound=1.0, adjacency="add_remove")
values = np.stack([np.full((5000, 2), 0.25), np.full((5000, 2), -0.5)])
keys = np.zeros((2, 5000, 3))


def built() -> dpattn.Builder:
    builder = dpattn.Builder(params)
    builder.add(keys[:, :2000], values[:, :2000])
    other = dpattn.Builder.import_secret(_partial())
    builder.merge(other)
    return builder


def _partial() -> bytes:
    builder = dpattn.Builder(params)
    builder.add(keys[:, 2000:], values[:, 2000:])
    return builder.export_secret()


release = built().release(epsilon=1.0, delta=1e-6)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "sums.dpa"
    release.save(path)
    loaded = dpattn.load(path)
    with dpattn.Ledger(Path(folder) / "a.ledger", mu=1.0) as ledger:
        again = built().release(epsilon=1.0, delta=1e-6, ledger=ledger, label="x")
out, std = loaded.attend(np.zeros((2, 4, 3)), return_std=True)
print("means", out[0, 0], out[1, 0], "+-", std[0, 0, 0])
assert np.abs(out[0] - 0.25).max() < 6 * std.max()
assert np.abs(out[1] + 0.5).max() < 6 * std.max()
assert loaded.certificate() == release.certificate()
assert loaded.certificate()["mechanism"] == "sums"
assert loaded.info.mechanism == "sums"
assert loaded.state().shape == (2, 1, 3)
assert again.info.mu == release.info.mu
plan = dpattn.plan(params, n=5000, epsilon=1.0, delta=1e-6)
assert plan.release_bytes == release.info.save_bytes
assert 0 < plan.noise_stddev < 0.05
