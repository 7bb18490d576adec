"""The paper's structures: attention by Params(mechanism="dptree"), range sums, distances."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dpattn
from conftest import exact
from dpattn.cli import main

VAST = {"epsilon": 1e7, "delta": 1e-6}


def rows(seed: int, *shape: int) -> Any:
    """Numbers in [0, 1)."""
    return np.random.default_rng(seed).random(shape)


def tree_params(**more: Any) -> dpattn.Params:
    """Small parameters."""
    chosen: dict[str, Any] = {"key_dim": 3, "value_dim": 2, "degree": 3, "leaves": 256, "copies": 1, **more}
    return dpattn.Params(mechanism="dptree", adjacency="add_remove", range=1.0, value_range=1.0, **chosen)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("trees", [True, False])
def test_attention(heads: int, trees: bool, tmp_path: Path) -> None:
    params = tree_params(heads=heads, trees=trees)
    K, V, Q = rows(1, heads, 300, 3), 2 * rows(2, heads, 300, 2) - 1, rows(3, heads, 9, 3)
    builder = dpattn.Builder(params)
    builder.add(K, V)
    other = dpattn.Builder.import_secret(dpattn.Builder(params).export_secret())
    builder.merge(other)
    release = builder.release(**VAST)
    out, lse, std = release.attend(Q, return_lse=True, return_std=True)
    want, want_lse = exact(K, V, Q, 1 / K.shape[-1])
    np.testing.assert_allclose(out, want, atol=0.03)
    np.testing.assert_allclose(lse, want_lse, atol=0.03)
    assert ((std > 0) & (std < 0.01)).all()
    info = release.info
    assert (info.mechanism, info.range, info.copies, info.trees, info.mu) == ("dptree", 1.0, 1, trees, 0.0)
    assert info.leaves == (256 if trees else 1)
    assert release.state().nbytes == info.state_bytes == dpattn.plan(params, n=300, **VAST).state_bytes
    release.save(tmp_path / "trees.dpa")
    loaded = dpattn.load(tmp_path / "trees.dpa")
    np.testing.assert_array_equal(loaded.attend(Q), out)
    assert loaded.certificate()["structure"]["k"] == release.certificate()["structure"]["k"] > 0
    assert "dptree" in repr(params)


def test_diagnostics_and_queries_outside() -> None:
    builder = dpattn.Builder(tree_params())
    K, V = rows(1, 5, 3), rows(2, 5, 2)
    K[0, 0], K[1, 1], V[2, 0] = 2, np.nan, -3
    builder.add(K, V)
    counts = builder.diagnostics()
    assert (counts.rows, counts.keys_clipped, counts.values_clipped, counts.rows_zeroed) == (5, 1, 1, 1)
    release = builder.release(epsilon=1, delta=1e-6)
    out, clipped = release.attend([[0.5, 0.5, 0.5], [2, -1, 0.5], [np.nan, 0, 0]], return_clipped=True)
    assert clipped == 2
    assert np.isfinite(out[:2]).all()
    assert np.isnan(out[2]).all()
    assert (abs(out[:2]) <= 1).all()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"range": None}, "range"),
        ({"value_range": None}, "value_range"),
        ({"range": 9.0}, "range"),
        ({"leaves": 0}, "leaves"),
        ({"copies": 0}, "copies"),
        ({"relative_error": 1.0}, "relative_error"),
        ({"failure_probability": 0.0}, "failure_probability"),
        ({"trees": "no"}, "trees"),
        ({"key_bound": 1.0}, "key_bound"),
        ({"scale": 1.0}, "scale"),
        ({"center": [0, 0, 0]}, "center"),
        ({"polynomial": "taylor"}, "polynomial"),
        ({"rotate": False}, "rotate is False"),
    ],
)
def test_bad_params(change: dict[str, Any], named: str) -> None:
    chosen: dict[str, Any] = {"key_dim": 3, "value_dim": 2, "range": 1.0, "value_range": 1.0, "leaves": 8, "copies": 1}
    with pytest.raises(dpattn.InvalidArgumentError, match=named):
        dpattn.Builder(dpattn.Params(mechanism="dptree", adjacency="replace", **{**chosen, **change}))


def test_gaussian_refuses_a_range() -> None:
    with pytest.raises(dpattn.InvalidArgumentError, match="range"):
        dpattn.Builder(
            dpattn.Params(
                key_dim=1, value_dim=1, key_bound=1, value_bound=1, query_bound=1, adjacency="replace", range=1.0
            )
        )


def test_what_does_not_fit_is_refused_with_what_would() -> None:
    with pytest.raises(dpattn.OutOfMemoryError, match="would fit"):
        dpattn.Builder(tree_params(copies=None, leaves=1 << 20, degree=8, key_dim=8))


def tree(values: Any, **more: Any) -> dpattn.DPTree:
    """A tree with hardly any noise."""
    chosen: dict[str, Any] = {"adjacency": "replace", "leaves": 100, "weight": 1.0, **VAST, **more}
    return dpattn.DPTree(values, **chosen)


def test_tree(tmp_path: Path) -> None:
    values = 2 * rows(4, 100) - 1
    t = tree(values)
    first = np.array([[0, 3], [50, 100]])
    last = np.array([[100, 80], [51, 100]])
    sums, std = t.sum(first, last, return_std=True)
    sought = [[values[i:j].sum() for i, j in zip(a, b)] for a, b in zip(first, last)]
    np.testing.assert_allclose(sums, sought, atol=1e-3)
    assert (std[:, 0] > 0).all()
    assert std[1, 1] == 0
    assert isinstance(t.sum(0, 100), float)
    t.save(tmp_path / "tree.dpa")
    loaded = dpattn.load(tmp_path / "tree.dpa")
    assert isinstance(loaded, dpattn.DPTree)
    assert loaded.info == t.info
    assert (loaded.sum(first, last) == sums).all()
    assert pickle.loads(pickle.dumps(t)).sum(3, 80) == sums[0, 1]
    assert copy.copy(t).sum(3, 80) == sums[0, 1]
    assert t.certificate()["mechanism"] == "DPTree"
    assert "leaves=100" in repr(t)
    for bad in ((-1, 3), (3, 2), (0, 101), (0.5, 1)):
        with pytest.raises(dpattn.InvalidArgumentError):
            t.sum(*bad)
    t.close()
    with pytest.raises(dpattn.InvalidHandleError):
        t.sum(0, 1)
    assert "closed" in repr(t)


def test_tree_noise_is_there_and_predicted() -> None:
    sums, std = zip(*(tree(np.zeros(64), leaves=64, epsilon=1, delta=1e-6).sum(5, 60, True) for _ in range(300)))
    # 300 draws: within 5 standard errors, kurtosis of a sum of Laplace numbers included.
    assert np.std(sums) / std[0] == pytest.approx(1, abs=0.35)
    assert abs(np.mean(sums)) < 5 * std[0] / 300**0.5


def test_tree_positions_owners_and_counts() -> None:
    seen: list[dpattn.Diagnostics] = []
    t = tree(
        [1, np.nan, 1, 7, 1],
        leaves=3,
        positions=[2, 2, 9, 0, 2],
        owners=[1, 2, 3, 4, 1],
        owner_rows=1,
        on_diagnostics=seen.append,
    )
    np.testing.assert_allclose(t.sum([0, 1, 2], [1, 2, 3]), [1, 0, 1], atol=1e-3)
    assert (seen[0].rows, seen[0].rows_zeroed, seen[0].keys_clipped, seen[0].values_clipped) == (5, 1, 1, 1)
    assert seen[0].rows_dropped == 1


@pytest.mark.parametrize("dim", [1, 2])
def test_distance(dim: int, tmp_path: Path) -> None:
    points, weights, Y = 3 * rows(5, 200, dim), 2 * rows(6, 200) - 1, 3 * rows(7, 6, dim)
    d = dpattn.DPTreeDistance(
        points, weights, adjacency="add_remove", range=3.0, weight=1.0, leaves=4096, squared=True, **VAST
    )
    apart = np.abs(points[None] - Y[:, None])
    np.testing.assert_allclose(d.l1(Y), (apart.sum(-1) * weights).sum(-1), atol=0.5)
    np.testing.assert_allclose(d.l2(Y), ((apart**2).sum(-1) * weights).sum(-1), atol=1.5)
    assert np.isnan(d.l1(np.full(dim, np.nan)))
    if dim == 1:
        assert d.l1(1.5) == d.l1([1.5])[0] == d.l1([[1.5]])[0]
    d.save(tmp_path / "distance.dpa")
    loaded = dpattn.load(tmp_path / "distance.dpa")
    assert isinstance(loaded, dpattn.DPTreeDistance)
    assert (loaded.l2(Y) == d.l2(Y)).all()
    assert f"dim={dim} range=3" in repr(loaded)
    plain = dpattn.DPTreeDistance(points[:1], adjacency="replace", range=3.0, weight=1.0, leaves=1, **VAST)
    with pytest.raises(dpattn.UnsupportedError, match="squared"):
        plain.l2(Y)
    with pytest.raises(dpattn.InvalidArgumentError, match="Y has shape"):
        plain.l1(rows(1, 2, dim + 1))


def test_structures_refuse() -> None:
    for change in ({"leaves": 0}, {"weight": 0}, {"weight": np.nan}, {"epsilon": 0}, {"delta": 1}, {"adjacency": "x"}):
        with pytest.raises(dpattn.InvalidArgumentError, match=next(iter(change))):
            tree([1.0], **change)
    for bad, named in (([[1.0]], "values"), (["a"], "values")):
        with pytest.raises(dpattn.InvalidArgumentError, match=named):
            tree(bad)
    with pytest.raises(dpattn.InvalidArgumentError, match="positions"):
        tree([1.0], positions=[0.5])
    with pytest.raises(dpattn.InvalidArgumentError, match="owners"):
        tree([1.0], owner_rows=2)

    def stop(done: int, total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        tree([1.0], progress=stop)


def test_load_says_what_a_file_is(tmp_path: Path) -> None:
    path = tmp_path / "other.dpa"
    path.write_bytes(b"DPATTN dptree\0\0\0\x01\0\0\0\x06\0\0\0")
    with pytest.raises(dpattn.CorruptError, match="number 6"):
        dpattn.load(path)
    path.write_bytes(b"nothing")
    with pytest.raises(dpattn.CorruptError):
        dpattn.load(path)
    with pytest.raises(dpattn.CorruptError, match="is wanted"):
        dpattn.DPTreeDistance.from_bytes(tree([1.0]).to_bytes())


def test_console_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = {name: str(tmp_path / name) for name in ("K.npy", "V.npy", "Q.npy", "out.npy", "trees.dpa", "tree.dpa")}
    for name, shape in (("K.npy", (50, 3)), ("V.npy", (50, 2)), ("Q.npy", (4, 3))):
        np.save(paths[name], rows(9, *shape))
    chosen = "--mechanism dptree --range 1 --value-range 1 --copies 1 --epsilon 1e7 --delta 1e-6 --adjacency replace"
    made = ["release", paths["K.npy"], paths["V.npy"], "-o", paths["trees.dpa"], *chosen.split(), "--leaves", "64"]
    assert main(made) == 0
    assert "dptree" in capsys.readouterr().out
    assert main(["attend", paths["trees.dpa"], paths["Q.npy"], "-o", paths["out.npy"]]) == 0
    want, _ = exact(*(np.load(paths[name]) for name in ("K.npy", "V.npy", "Q.npy")), 1 / 3)
    np.testing.assert_allclose(np.load(paths["out.npy"]), want, atol=0.1)
    shape = ["--key-dim", "3", "--value-dim", "2", "--rows", "50"]
    assert main(["plan", *shape, *chosen.split(), "--public-rows", "64", "--json"]) == 0
    assert '"mu": 0.0' in capsys.readouterr().out
    assert main(["plan", *shape, *chosen.split()]) == 2  # neither leaves nor public rows
    assert "leaves" in capsys.readouterr().err
    tree([1.0]).save(paths["tree.dpa"])
    assert main(["inspect", paths["tree.dpa"]]) == 0
    assert "the content of one row" in capsys.readouterr().out
    assert main(["attend", paths["tree.dpa"], paths["Q.npy"], "-o", str(tmp_path / "no.npy")]) == 2
