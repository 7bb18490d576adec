"""The codebook release from Python: codebooks, bad input, answers, key-value form, files."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import dpattn
from conftest import exact, held, make_codebook_params, make_params, make_release
from dpattn._c import jobs

NAN, INF = float("nan"), float("inf")

# So much budget that the noise is far below the quantisation.
NO_NOISE = {"epsilon": 1e9, "delta": 0.5}


def at_centroids(params: dpattn.Params, rows: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Keys (heads, rows, d) that are centroids, and values up to the bound: cells lose nothing."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, params.codebook.shape[1], size=(params.heads, rows))
    V = rng.normal(size=(params.heads, rows, params.value_dim))
    V *= params.value_bound * rng.uniform(size=(params.heads, rows, 1)) / np.linalg.norm(V, axis=-1, keepdims=True)
    return np.take_along_axis(params.codebook, cells[..., None], 1), V


def attention(keys: Any, values: Any, bias: Any, scale: float, Q: Any) -> tuple[np.ndarray, np.ndarray]:
    """Softmax attention with a bias a key in numpy, and its lse."""
    logits = scale * np.asarray(Q, float) @ np.swapaxes(keys, -1, -2).astype(float) + bias[..., None, :]
    top = logits.max(-1, keepdims=True)
    weights = np.exp(logits - top)
    total = weights.sum(-1, keepdims=True)
    return weights @ values.astype(float) / total, (top + np.log(total))[..., 0]


def sigma_and_lambda(release: dpattn.Release) -> tuple[int, int]:
    """Of the noise on an integer, and of a row's weight in the masses."""
    certificate = release.certificate()
    (term,) = certificate["noise"]["terms"]
    return term["sigma"], certificate["sensitivity"]["lambda"]


# ---- Codebooks ---------------------------------------------------------------------------------


@pytest.fixture
def blobs(rng) -> tuple[np.ndarray, np.ndarray]:
    """Eight far centres, and 400 rows close to them."""
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    centres = 3 * rng.normal(size=(8, 5))
    return centres, np.repeat(centres, 50, axis=0) + 0.01 * rng.normal(size=(400, 5))


def nearest(x: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Of each row of `to`, its distance to the nearest row of x."""
    return np.linalg.norm(x[:, None] - to, axis=-1).min(0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_fit_finds_the_centres(blobs, dtype) -> None:
    centres, rows = blobs
    # 16 cells: k-means++ may start twice in one blob, but then never leaves one of eight out.
    codebook = dpattn.codebook.fit(rows.astype(dtype), 16, seed=3)
    assert codebook.shape == (16, 5)
    assert codebook.dtype == np.float64
    assert nearest(codebook, centres).max() < 0.05
    np.testing.assert_array_equal(codebook, dpattn.codebook.fit(rows.astype(dtype), 16, seed=3))


def test_fit_of_heads(blobs) -> None:
    centres, rows = blobs
    codebook = dpattn.codebook.fit(np.stack([rows, -2 * rows]), 16, seed=3)
    assert codebook.shape == (2, 16, 5)
    assert nearest(codebook[1], -2 * centres).max() < 0.1
    params = make_codebook_params(heads=2, codebook=codebook, key_bound=40.0)
    assert params.codebook.shape == (2, 16, 5)


def test_fit_scales_to_the_bound_and_takes_any_size(blobs) -> None:
    centres, rows = blobs
    codebook = dpattn.codebook.fit(rows * 1e99, 16, seed=3, key_bound=1e99)
    lengths = np.linalg.norm(centres, axis=1, keepdims=True)
    assert nearest(codebook / 1e99, centres / np.maximum(lengths, 1)).max() < 0.05
    tiny = dpattn.codebook.fit(rows * 1e-99, 16, seed=3)
    assert nearest(tiny * 1e99, centres).max() < 0.05
    small_integers = dpattn.codebook.fit(np.array([[-128, 3], [127, 4]], np.int8), 2)
    assert sorted(small_integers[:, 0]) == pytest.approx([-128, 127])


def test_fit_keeps_the_length_of_rows_of_one_length(rng) -> None:
    """A mean of unit rows is shorter than they are; of rows of any length it stays what it is."""
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    rows = rng.normal(size=(200, 5))
    rows *= 3 / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(dpattn.codebook.fit(rows, 4, seed=3), axis=1), 3, rtol=1e-3)
    heads = dpattn.codebook.fit(np.stack([rows, rows * rng.uniform(0.9, 1, (200, 1))]), 4, seed=3)
    assert np.linalg.norm(heads[1], axis=1).max() < 2.7
    opposite = dpattn.codebook.fit(np.array([[3.0, 4], [-3, -4]]), 1)
    np.testing.assert_allclose(opposite, 0, atol=1e-5)


def test_fit_of_many_rows(blobs, monkeypatch) -> None:
    from sklearn.cluster import KMeans

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("all rows are looked at in every step")

    centres, rows = blobs
    many = np.tile(rows, (251, 1))
    assert len(many) > dpattn.codebook.MANY_ROWS
    monkeypatch.setattr(KMeans, "fit", refuse)
    assert nearest(dpattn.codebook.fit(many, 64, seed=3), centres).max() < 0.05


ROWS = np.arange(40.0).reshape(8, 5)


@pytest.mark.parametrize(
    ("rows", "cells", "changes", "message"),
    [
        (ROWS, 9, {}, "public_keys has 8 rows; it must have at least cells = 9"),
        (np.stack([ROWS, ROWS]), 9, {}, "public_keys has 8 rows a head; it must have at least cells = 9"),
        (np.ones((8, 5)), 2, {}, "public_keys has fewer different rows than cells = 2"),
        (np.stack([ROWS, 0 * ROWS]), 4, {}, "fewer different rows than cells = 4 in head 1"),
        (ROWS[0], 1, {}, r"public_keys has shape \(5,\); it must be \(n, key_dim\) or \(heads, n, key_dim\)"),
        (ROWS[None, None], 1, {}, r"public_keys has shape \(1, 1, 8, 5\)"),
        (ROWS[:0], 1, {}, r"public_keys has shape \(0, 5\); .* not empty"),
        (ROWS[:, :0], 1, {}, r"public_keys has shape \(8, 0\); .* not empty"),
        (np.where(ROWS == 7, NAN, ROWS), 2, {}, "public_keys holds NaN or Inf"),
        (np.where(ROWS == 7, INF, ROWS), 2, {}, "public_keys holds NaN or Inf"),
        (ROWS * 1j, 2, {}, "public_keys cannot be read as an array of floats: its numbers are complex"),
        ("rows", 2, {}, "public_keys cannot be read as an array of floats"),
        ([[1.0], [1.0, 2.0]], 2, {}, "public_keys cannot be read as an array of floats"),
        (ROWS, 0, {}, "cells is 0; it must be in 1..65536"),
        (ROWS, 2.0, {}, "cells is 2.0; it must be an integer"),
        (ROWS, 2, {"seed": -1}, "seed is -1"),
        (ROWS, 2, {"key_bound": 0.0}, "key_bound is 0"),
    ],
)
def test_fit_refuses(rows, cells, changes, message) -> None:
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    with pytest.raises(dpattn.InvalidArgumentError, match=message):
        dpattn.codebook.fit(rows, cells, **changes)


@pytest.mark.parametrize(
    ("module", "package", "call"),
    [
        ("sklearn", "scikit-learn", lambda: dpattn.codebook.fit(ROWS, 2)),
        ("safetensors", "safetensors", lambda: make_release(make_codebook_params()).to_safetensors("a")),
    ],
)
def test_what_is_missing_is_named_with_its_pip_line(module, package, call, monkeypatch, tmp_path) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(dpattn.LibraryError, match=f"pip install {package}"):
        call()
    assert not list(tmp_path.iterdir())


def test_importing_the_package_imports_no_optional_one(run_python) -> None:
    done = run_python(
        "-c",
        "import dpattn, dpattn.cli, sys; dpattn.codebook.fit; assert not {'sklearn', 'safetensors'} & {*sys.modules}",
    )
    assert done.returncode == 0, done.stderr


# ---- Parameters and plan -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codebook": None}, "codebook is None; mechanism 'codebook' requires it"),
        ({"codebook": np.zeros((4, 4))}, r"codebook has shape \(1, 4, 4\); it must be \(cells, 5\)"),
        ({"codebook": np.zeros((2, 4, 5))}, r"codebook has shape \(2, 4, 5\)"),
        ({"codebook": np.zeros(5)}, r"codebook has shape \(5,\)"),
        ({"codebook": np.zeros((0, 5))}, "codebook has 0 cells"),
        ({"codebook": np.zeros((65537, 5))}, "codebook has 65537 cells"),
        ({"codebook": [[NAN] * 5]}, "codebook holds NaN or Inf"),
        ({"codebook": "M.npy"}, "codebook cannot be read"),
        ({"key_bound": None}, "key_bound is None"),
        ({"value_bound": None}, "value_bound is None"),
        ({"query_bound": 2.0}, "query_bound is 2.0; mechanism 'codebook' does not read it: leave it out"),
        ({"degree": 3}, "degree is 3; mechanism 'codebook' does not read it"),
        ({"polynomial": "taylor"}, "polynomial is 'taylor'; mechanism"),
        ({"rotate": False}, "rotate is False; mechanism"),
        ({"center": [0.0] * 5}, r"center has shape \(1, 5\); mechanism 'codebook' does not read it"),
        ({"range": 1.0}, "range is 1.0; mechanism"),
        ({"leaves": 8}, "leaves is 8; mechanism"),
        ({"scale": 0.0}, "scale is 0"),
        ({"lam": 100.0}, "lambda_ is 100"),
        ({"owner_bound": 1.0}, "owner_rows is 0"),
    ],
)
def test_bad_params(changes, message) -> None:
    with pytest.raises(dpattn.InvalidArgumentError, match=message):
        make_codebook_params(**changes)


def test_a_codebook_is_for_its_mechanism() -> None:
    with pytest.raises(dpattn.InvalidArgumentError, match=r"codebook has shape .*; mechanism 'gaussian' does not read"):
        make_params(codebook=np.zeros((4, 5)))


def test_params_that_the_library_refuses() -> None:
    with pytest.raises(dpattn.InvalidArgumentError, match="codebook"):
        dpattn.Builder(make_codebook_params(codebook=[[1e200] * 5]))


def test_params_are_values() -> None:
    params = make_codebook_params()
    assert params == make_codebook_params()
    assert params != make_codebook_params(codebook=-params.codebook)
    assert pickle.loads(pickle.dumps(params)) == params
    assert "codebook=<array (1, 4, 5)>" in repr(params)
    assert params.logit_bound == 0
    with pytest.raises(ValueError, match="read-only"):
        params.codebook[0] = 1
    one = make_codebook_params(codebook=params.codebook[0], heads=3)
    np.testing.assert_array_equal(one.codebook, np.repeat(params.codebook, 3, axis=0))


@pytest.mark.parametrize("changes", [{}, {"heads": 3, "head_weights": [1, 2, 4]}, {"owner_rows": 9, "owner_bound": 2}])
def test_plan_and_release_agree(changes) -> None:
    params = make_codebook_params(cells=16, **changes)
    plan = dpattn.plan(params, n=10_000, epsilon=1.0, delta=1e-6)
    info = make_release(params).info
    assert (plan.degree, plan.features, plan.logit_bound, plan.polynomial_error) == (0, 16, 0, 0)
    assert (plan.features, plan.state_bytes, plan.release_bytes) == (info.cells, info.state_bytes, info.save_bytes)
    assert plan.mu == info.mu
    assert plan.noise_stddev == plan.noise_stddev_worst > 0
    assert plan.rows_for_error == 0
    wanted = dpattn.plan(params, n=10_000, epsilon=1.0, delta=1e-6, target_error=plan.noise_stddev)
    assert wanted.rows_for_error == pytest.approx(10_000, abs=1)
    assert "16 cells a head" in plan._repr_html_()
    # The error bar of a query at one cell, all of n/cells rows there, is the planned one.
    if params.owner_rows == 0 and params.heads == 1:
        K, V = np.repeat(params.codebook[0], 625, axis=0), np.zeros((10_000, 3))
        with dpattn.Builder(dataclasses.replace(params, scale=1e3)) as builder:
            builder.add(K, V)
            release = builder.release(epsilon=1.0, delta=1e-6)
        (_, std) = release.attend(params.codebook[0], return_std=True)
        assert np.median(std) == pytest.approx(plan.noise_stddev, rel=0.05)


def test_info_and_words() -> None:
    params = make_codebook_params(cells=7, heads=2, value_bound=2.0, scale=None)
    release = make_release(params)
    info = release.info
    assert (info.mechanism, info.cells, info.features, info.heads) == ("codebook", 7, 7, 2)
    assert (info.degree, info.polynomial, info.rotate, info.polynomial_error) == (0, "0", False, 0)
    assert (info.query_bound, info.logit_bound) == (0, 0)
    assert (info.key_bound, info.value_bound, info.scale) == (1, 2, 5**-0.5)
    assert info.lambda_ == pytest.approx(2 * 3**-0.25, rel=1e-3)
    assert info.bounds == "|k| <= 1, |v| <= 2"
    assert "cells=7" in repr(release)
    assert "degree" not in repr(release)
    assert "7 cells" in release._repr_html_()
    assert "polynomial" not in release._repr_html_()
    assert release.state().shape == (2, 7, 4)
    assert len(release.to_bytes()) == info.save_bytes


# ---- Answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("scale", [0.5, 10.0, 1000.0])
def test_answers_are_attention_where_keys_are_centroids(heads, scale) -> None:
    params = make_codebook_params(cells=6, heads=heads, scale=scale)
    K, V = at_centroids(params, 200)
    with dpattn.Builder(params) as builder:
        builder.add(K, V)
        release = builder.release(**NO_NOISE)
    Q = np.random.default_rng(2).normal(size=(heads, 20, 5))
    out, lse = release.attend(Q, return_lse=True)
    logits = scale * Q @ np.swapaxes(K, -1, -2)
    top = logits.max(-1, keepdims=True)
    weights = np.exp(logits - top)
    # The grid moves a logit by up to scale |q| sqrt(d)/65532, here 3.5e-5 scale |q|.
    slack = 3e-3 + scale * 2e-4
    wanted = weights @ V / weights.sum(-1, keepdims=True)
    sure = np.ones(Q.shape[:-1], bool)
    if scale == 1000.0:  # arg-max: only where one cell leads by more than the grid's error
        lead = np.sort(scale * Q @ np.swapaxes(params.codebook, -1, -2), axis=-1)
        sure = lead[..., -1] - lead[..., -2] > 10
        slack = 3e-3
    assert sure.mean() > 0.8
    np.testing.assert_allclose(out[sure], wanted[sure], atol=slack)
    np.testing.assert_allclose(lse, (top + np.log(weights.sum(-1, keepdims=True)))[..., 0], atol=scale * 2e-4 + 1e-3)


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("value_bound", [1.0, 1e-30, 1e30])
@pytest.mark.parametrize("scale", [0.3, 20.0])
def test_the_key_value_form_is_attend(heads, value_bound, scale) -> None:
    """With noise, floored masses and shortened values: one function."""
    params = make_codebook_params(cells=40, heads=heads, value_bound=value_bound, scale=scale)
    release = make_release(params, rows=400)
    keys, values, bias = release.kv()
    assert (keys.shape, values.shape, bias.shape) == ((heads, 40, 5), (heads, 40, 3), (heads, 40))
    assert keys.dtype == values.dtype == bias.dtype == np.float64
    np.testing.assert_allclose(keys, params.codebook, atol=1 / 32766)
    assert np.linalg.norm(values, axis=-1).max() <= value_bound * (1 + 1e-12)
    sigma, weight = sigma_and_lambda(release)
    assert bias.min() == pytest.approx(np.log(sigma / weight))  # some cells' masses are all noise
    Q = np.random.default_rng(2).normal(size=(heads, 20, 5))
    out, lse = release.attend(Q, return_lse=True)
    wanted, wanted_lse = attention(keys, values, bias, scale, Q)
    np.testing.assert_allclose(out, wanted, atol=1e-5 * value_bound)
    np.testing.assert_allclose(lse, wanted_lse, atol=1e-5)


def test_the_key_value_form_is_that_of_the_state() -> None:
    params = make_codebook_params(cells=40, lam=0.7, value_bound=2.0)
    release = make_release(params, rows=400)
    _, values, bias = release.kv()
    sigma, weight = sigma_and_lambda(release)
    state = release.state().astype(float)
    mass = np.maximum(state[..., -1], sigma) / weight
    means = state[..., :-1] * (2.0 / 1022) / mass[..., None]
    means *= np.minimum(1, 2.0 / np.maximum(np.linalg.norm(means, axis=-1, keepdims=True), 1e-300))
    np.testing.assert_allclose(bias, np.log(mass), rtol=1e-12)
    np.testing.assert_allclose(values, means, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16, "float32"])
def test_types_of_the_key_value_form(dtype) -> None:
    release = make_release(make_codebook_params(cells=9))
    for array, wide in zip(release.kv(dtype), release.kv()):
        assert array.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(array, wide.astype(dtype))


@pytest.mark.parametrize("dtype", [np.int32, ">f4", "bfloat", complex])
def test_other_types_are_refused(dtype, tmp_path) -> None:
    release = make_release(make_codebook_params())
    for call in (release.kv, lambda dtype: release.to_safetensors(tmp_path / "a", dtype)):
        with pytest.raises(dpattn.InvalidArgumentError, match=r"dtype is .*; it must be float32"):
            call(dtype)


def test_other_mechanisms_have_no_key_value_form(tmp_path) -> None:
    with pytest.raises(dpattn.UnsupportedError, match="gaussian has no key-value form"):
        make_release().kv()
    with pytest.raises(dpattn.UnsupportedError):
        make_release().to_safetensors(tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())


def test_queries_of_any_length_and_bad_ones() -> None:
    release = make_release(make_codebook_params(scale=10.0))
    keys, values, _ = release.kv()
    for size in (1e3, 1e30, 1e300, 1.7e308):
        out, lse, clipped = release.attend(keys[0] * (size / 1.7), return_lse=True, return_clipped=True)
        np.testing.assert_allclose(out, values[0], atol=1e-6)  # arg-max
        assert clipped == (4 if size > 1e3 else 0)
        assert np.isfinite(lse).all()
    Q = np.zeros((4, 5))
    Q[1, 2], Q[2, 0] = NAN, INF
    out, lse, clipped = release.attend(Q, return_lse=True, return_clipped=True)
    assert clipped == 2
    assert np.isnan(out).all(1).tolist() == np.isnan(lse).tolist() == [False, True, True, False]


def test_bind_and_types(rng) -> None:
    release = make_release(make_codebook_params())
    Q = rng.normal(size=(6, 5))
    wanted = release.attend(Q)
    for dtype in (np.float32, np.float16, ml_dtypes.bfloat16):
        q = Q.astype(dtype)
        out = release.attend(q)
        assert out.dtype == q.dtype
        np.testing.assert_array_equal(out, release.attend(q.astype(float)).astype(dtype))
    q, out = np.zeros((6, 5)), np.empty((6, 3))
    step = release.bind(q, out)
    q[:] = Q
    np.testing.assert_array_equal(step(), wanted)


def test_copies_are_the_release(rng, tmp_path) -> None:
    release = make_release(make_codebook_params(cells=9, heads=2))
    Q = rng.normal(size=(2, 6, 5))
    wanted = release.attend(Q)
    release.save(tmp_path / "a.dpa")
    for other in (pickle.loads(pickle.dumps(release)), copy.deepcopy(release), dpattn.load(tmp_path / "a.dpa")):
        assert other.info == release.info
        assert other.to_bytes() == release.to_bytes()
        np.testing.assert_array_equal(other.attend(Q), wanted)


def test_merge_with_public_keys(rng) -> None:
    """By lse, and in one softmax over [public keys ; private keys]."""
    release = make_release(make_codebook_params(cells=12, scale=6.0), rows=400)
    public_K, public_V, Q = (rng.normal(size=shape) / 2 for shape in ((50, 5), (50, 3), (8, 5)))
    out, lse = dpattn.merge(exact(public_K, public_V, Q, 6.0), release.attend(Q, return_lse=True))
    keys, values, bias = (array[0] for array in release.kv())
    wanted, wanted_lse = attention(
        np.concatenate([public_K, keys]),
        np.concatenate([public_V, values]),
        np.concatenate([np.zeros(50), bias]),
        6.0,
        Q,
    )
    np.testing.assert_allclose(out, wanted, atol=1e-5)
    np.testing.assert_allclose(lse, wanted_lse, atol=1e-5)


def test_attention_as_torch_has_it(rng) -> None:
    release = make_release(make_codebook_params(cells=12, heads=2, scale=None), rows=400)
    Q = rng.normal(size=(3, 4, 6, 5))
    out = dpattn.scaled_dot_product_attention(Q, release, enable_gqa=True)
    for head in range(4):
        wanted = release.attend(np.stack([Q[1, head]] * 2))[head // 2]
        np.testing.assert_array_equal(out[1, head], wanted)


# ---- The secret side ---------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"owner_rows": 2}, {"owner_rows": 4, "owner_bound": 1.5}])
def test_chunks_shards_and_partials_add_up(changes, rng) -> None:
    params = make_codebook_params(cells=16, heads=2, **changes)
    K, V = rng.normal(size=(2, 90, 5)), rng.normal(size=(2, 90, 3))
    K[0, 3, 2], V[1, 5, 0], K[:, 7] = NAN, INF, 1e308
    owners = rng.integers(0, 30, size=90) if changes else None

    def part(rows: slice) -> dpattn.Builder:
        builder = dpattn.Builder(params)
        builder.add(K[:, rows], V[:, rows], owners=None if owners is None else owners[rows])
        return builder

    whole, pieces = part(slice(None)), part(slice(60, None))
    for rows in (slice(0, 10), slice(10, 60)):
        other = dpattn.Builder.import_secret(part(rows).export_secret())
        pieces.merge(other)
    assert held(pieces) == held(whole)
    counts = whole.diagnostics()
    assert counts == pieces.diagnostics()
    assert (counts.rows, counts.rows_zeroed) == (180, 2)
    assert counts.owners == (0 if owners is None else 2 * len(set(owners)))
    assert (counts.rows_dropped > 0) == (owners is not None)
    assert (counts.owners_clipped > 0) == (params.owner_bound is not None)


def test_long_work_hears_ctrl_c(monkeypatch) -> None:
    """Rows and queries of long keys are much work, though a state of few values is small."""
    params = make_codebook_params(400, key_dim=500, value_dim=1)
    builder = dpattn.Builder(params)
    assert "cells=400" in repr(builder)
    seen = []
    monkeypatch.setattr(jobs, "_run_in_thread", lambda work, _: (seen.append(work), work(None)))
    builder.add(np.zeros((10, 500)), np.zeros((10, 1)))
    assert not seen
    builder.add(np.zeros((150, 500)), np.zeros((150, 1)))  # 30 million multiplications
    assert seen
    release = builder.release(epsilon=1.0, delta=1e-6)
    Q = np.random.default_rng(2).normal(size=(10_000, 500)).astype(np.float32)
    assert release._chunk < len(Q)  # so that it goes to C in pieces
    np.testing.assert_array_equal(release.attend(Q)[-5:], release.attend(Q[-5:]))


def test_other_codebooks_do_not_merge() -> None:
    one, other = (dpattn.Builder(make_codebook_params(codebook=np.eye(5) * sign)) for sign in (1, -1))
    with pytest.raises(dpattn.MismatchError):
        one.merge(other)


def test_owners_and_their_bound(rng) -> None:
    """Without noise: an owner's five rows count as they are, as 3 kept, or as 1.5 rows' norm."""
    K, V = np.repeat(np.eye(5)[:1], 5, axis=0), np.repeat([[0.5, 0.0, 0.0]], 5, axis=0)
    row = 0.5**2 + 1.0  # the squared norm of a row's value and of lambda
    for changes, mass in (
        ({"owner_rows": 9}, 5.0),
        ({"owner_rows": 3}, 3.0),
        ({"owner_rows": 9, "owner_bound": 1.5}, 1.5 * (2.0 / row) ** 0.5),  # a row at its bounds has norm^2 2
        ({"owner_rows": 9, "owner_bound": 9}, 5.0),
    ):
        with dpattn.Builder(make_codebook_params(codebook=np.eye(5), lam=1.0, **changes)) as builder:
            builder.add(K, V, owners=np.zeros(5, int))
            _, values, bias = builder.release(**NO_NOISE).kv()
        assert np.exp(bias[0, 0]) == pytest.approx(mass, rel=5e-3)
        np.testing.assert_allclose(values[0, 0], [0.5, 0, 0], atol=5e-3)


def test_a_label_names_one_release(tmp_path) -> None:
    params, other = make_codebook_params(), make_codebook_params(codebook=-make_codebook_params().codebook)
    with dpattn.Ledger(tmp_path / "a.ledger", epsilon=3.0, delta=1e-5) as ledger:
        first = make_release(params, ledger=ledger, label="a")
        again = make_release(params, ledger=ledger, label="a")
        assert again.to_bytes() == first.to_bytes()
        assert len(ledger.show()["releases"]) == 1
        with pytest.raises(dpattn.MismatchError, match="label"):
            make_release(other, ledger=ledger, label="a")  # the codebook is a parameter as others are
        make_release(other, ledger=ledger, label="b")
        with pytest.raises(dpattn.OverspentError):
            make_release(params, ledger=ledger, label="c", epsilon=3.0)
        assert [entry["label"] for entry in ledger.show()["releases"]] == ["a", "b"]
        assert ledger.load("a").to_bytes() == first.to_bytes()
    assert dpattn.verify.verify_ledger(tmp_path / "a.ledger").ok


# ---- Noise -------------------------------------------------------------------------------------

RELEASES, VALUES, CELLS = 400, 24, 8


def repeated(params: dpattn.Params, K: Any, V: Any, Q: Any, releases: int) -> tuple[np.ndarray, np.ndarray]:
    """Answers and predicted standard deviations of releases of the same rows."""
    with dpattn.Builder(params) as builder:
        builder.add(K, V)
        partial = builder.export_secret()
    outs, stds = [], []
    for _ in range(releases):
        with dpattn.Builder.import_secret(partial) as builder:
            out, std = builder.release(epsilon=1.0, delta=1e-6).attend(Q, return_std=True)
        outs.append(out)
        stds.append(std)
    return np.array(outs), np.array(stds)


@pytest.mark.parametrize(("adjacency", "rows"), [("add_remove", 12_000), ("replace", 12_000), ("add_remove", 600)])
def test_predicted_stddev_is_measured(adjacency, rows) -> None:
    """400 releases, 24 coordinates, three queries: prediction and measurement within 5 %.

    Each cell has 1,500 rows or so, 100 times the noise's standard deviation on its mass; or 75,
    some 7 times that. The 24 coordinates have independent noise but for the mass's share, which is
    small beside it here (outputs are near 0). So a measured standard deviation has a relative error
    of about 1/sqrt(2*400*24) = 0.72 %; 5 % is 6.9 of those: false alarm below 1e-11 a comparison, 9
    comparisons.
    """
    rng = np.random.default_rng(11)
    params = make_codebook_params(CELLS, key_dim=4, value_dim=VALUES, scale=4.0, adjacency=adjacency)
    K = rng.normal(size=(rows, 4))
    K /= np.linalg.norm(K, axis=1, keepdims=True)
    V = rng.uniform(-0.1, 0.1, size=(rows, VALUES))
    Q = np.array([0.5, -0.5, 0.5, 0.5]) * np.array([[0.0], [1.0], [5.0]])  # all cells, some, one
    outs, stds = repeated(params, K, V, Q, RELEASES)
    measured = np.sqrt(np.var(outs, axis=0, ddof=1).mean(axis=1))
    predicted = np.sqrt(np.square(stds).mean(axis=(0, 2)))
    np.testing.assert_allclose(measured, predicted, rtol=0.05)
    # A reading aid in case of failure: one cell's noise is visible, and beside its rows small.
    assert (predicted[:2] < predicted[2]).all()
    assert (predicted < 0.1 * 12_000 / rows).all()


def test_answers_below_the_noise_are_sane() -> None:
    """Cells of a row or none: no guarantee of accuracy, but finite answers within value_bound.

    Their masses are noise: most count as one standard deviation of it, and values are shortened.
    An error bar there is large, never 0 and never NaN.
    """
    params = make_codebook_params(CELLS, key_dim=4, value_dim=VALUES, scale=20.0)
    K, V = at_centroids(params, 3)
    Q = np.concatenate([params.codebook[0], np.zeros((1, 4)), 1e6 * params.codebook[0]])
    outs, stds = repeated(params, K[0], V[0], Q, RELEASES)
    assert np.isfinite(outs).all()
    assert np.linalg.norm(outs, axis=-1).max() <= 1 + 1e-5
    assert np.isfinite(stds).all()
    # At one cell the noise of numerator and mass are of a size: the answer is no better than one
    # anywhere in the ball, and the error bar says so.
    assert np.median(stds[:, :CELLS]) > 0.2


# ---- Files for others --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_safetensors(dtype, tmp_path, rng) -> None:
    safetensors = pytest.importorskip("safetensors", reason="needs safetensors: `make test-python` installs it")
    release = make_release(make_codebook_params(cells=9, heads=2, scale=3.0))
    path = tmp_path / "kv.safetensors"
    path.write_bytes(b"an older file")
    release.to_safetensors(path, dtype)
    assert [other.name for other in tmp_path.iterdir()] == [path.name]
    with safetensors.safe_open(path, framework="np") as file:
        assert sorted(file.keys()) == ["bias", "keys", "scale", "values"]
        held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        metadata = file.metadata()
    for name, array in zip(("keys", "values", "bias"), release.kv(dtype)):
        assert held[name].dtype == array.dtype
        np.testing.assert_array_equal(held[name], array)
    assert held["scale"] == release.info.scale
    assert held["scale"].shape == ()
    assert json.loads(metadata["certificate"]) == release.certificate()
    assert metadata["attention"].startswith("softmax(scale * queries @ keys.T + bias) @ values")
    assert dpattn.verify.verify(release.to_bytes(), metadata["certificate"]).ok


def test_safetensors_default_and_ledgers(tmp_path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy", reason="needs safetensors")
    release = make_release(make_codebook_params())
    release.to_safetensors(tmp_path / "kv.safetensors")
    assert safetensors.load_file(tmp_path / "kv.safetensors")["keys"].dtype == np.float32
    dpattn.Ledger(tmp_path / "a.ledger", epsilon=1.0, delta=1e-5).close()
    before = (tmp_path / "a.ledger").read_bytes()
    with pytest.raises(FileExistsError, match="ledger"):
        release.to_safetensors(tmp_path / "a.ledger")
    assert (tmp_path / "a.ledger").read_bytes() == before
