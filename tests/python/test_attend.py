"""Answers: right numbers, and every shape, type and layout that a caller may have."""

from __future__ import annotations

import ctypes
import gc
import json
import threading
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import dpattn
from conftest import ROOT, exact, held, make_params, make_release

GOLDEN = json.loads((ROOT / "tests" / "vectors" / "attention.json").read_text())["cases"]

# So much budget that the noise is far below the quantisation.
NO_NOISE = {"epsilon": 1e9, "delta": 0.5}


@pytest.mark.parametrize("case", range(len(GOLDEN)))
@pytest.mark.parametrize("adjacency", ["add_remove", "replace"])
def test_golden(case: int, adjacency: str) -> None:
    g = GOLDEN[case]
    K, V, Q = (np.array(g[name], float) for name in ("K", "V", "Q"))
    degrees = [int(name.split("_")[1]) for name in g if name.startswith("taylor_")]
    assert degrees
    for degree in degrees:
        params = make_params(
            key_dim=g["key_dim"],
            value_dim=g["value_dim"],
            key_bound=np.linalg.norm(K, axis=1).max(),
            value_bound=np.linalg.norm(V, axis=1).max(),
            query_bound=np.linalg.norm(Q, axis=1).max(),
            scale=float(g["scale"]),
            polynomial="taylor",
            degree=degree,
            adjacency=adjacency,
        )
        builder = dpattn.Builder(params)
        builder.add(K, V)
        out, lse = builder.release(**NO_NOISE).attend(Q, return_lse=True)
        wanted = np.array(g[f"taylor_{degree}"]["output"], float)
        np.testing.assert_allclose(out, wanted, rtol=0, atol=1e-3 * params.value_bound)
        np.testing.assert_allclose(np.exp(lse), np.array(g[f"taylor_{degree}"]["denominator"], float), rtol=1e-3)


@pytest.fixture(scope="module")
def quiet() -> tuple[dpattn.Release, np.ndarray, np.ndarray]:
    """A release without visible noise, and its rows."""
    rng = np.random.default_rng(3)
    K = rng.uniform(-0.4, 0.4, size=(40, 5))
    V = rng.uniform(-0.5, 0.5, size=(40, 3))
    builder = dpattn.Builder(make_params(degree=4))
    builder.add(K, V)
    return builder.release(**NO_NOISE), K, V


def test_shapes(quiet, rng) -> None:
    release, K, V = quiet
    Q = rng.uniform(-0.4, 0.4, size=(6, 5))
    wanted, wanted_lse = exact(K, V, Q)
    out = release.attend(Q)
    assert out.shape == (6, 3)
    np.testing.assert_allclose(out, wanted, atol=2e-3)
    one, lse, std, clipped = release.attend(Q[2], return_lse=True, return_std=True, return_clipped=True)
    assert (one.shape, std.shape, clipped) == ((3,), (3,), 0)
    assert isinstance(lse, float)
    np.testing.assert_array_equal(one, out[2])
    assert lse == pytest.approx(wanted_lse[2], abs=2e-3)
    out3, lse3 = release.attend(Q[None], return_lse=True)
    assert (out3.shape, lse3.shape) == ((1, 6, 3), (1, 6))
    np.testing.assert_array_equal(out3[0], out)
    assert release.attend(Q[:0]).shape == (0, 3)
    assert release.attend(Q.tolist()).shape == (6, 3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_types(quiet, rng, dtype) -> None:
    release, K, V = quiet
    Q = rng.uniform(-0.4, 0.4, size=(6, 5)).astype(dtype)
    wanted, _ = exact(K, V, Q.astype(float))
    out, lse, std = release.attend(Q, return_lse=True, return_std=True)
    assert (out.dtype, lse.dtype, std.dtype) == (np.dtype(dtype), np.dtype(np.float64), np.dtype(dtype))
    step = float(ml_dtypes.finfo(dtype).eps)
    np.testing.assert_allclose(out.astype(float), wanted, atol=2e-3 + step)


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint16, np.int64, bool, np.longdouble, ">f4", ">f8", ml_dtypes.float8_e4m3fn]
)
def test_other_numbers_are_converted(dtype) -> None:
    release = make_release(make_params(query_bound=10.0, scale=0.1))
    Q = np.array([[1, 0, 1, 0, 1], [0, 1, 1, 0, 0]])
    np.testing.assert_allclose(release.attend(Q.astype(dtype)), release.attend(Q.astype(float)), rtol=1e-6)


def test_query_layouts_give_the_same_bits(quiet, rng) -> None:
    release, _, _ = quiet
    Q = rng.uniform(-0.4, 0.4, size=(6, 5)).astype(np.float32)
    wanted = release.attend(Q)
    wide = np.zeros((12, 11), np.float32)
    wide[::2, 1::2] = Q
    unaligned = np.zeros(Q.nbytes + 1, np.uint8)
    unaligned[1:] = np.frombuffer(Q.tobytes(), np.uint8)
    read_only = Q.copy()
    read_only.flags.writeable = False
    for layout in (
        np.asfortranarray(Q),
        wide[::2, 1::2],
        np.ascontiguousarray(Q[::-1])[::-1],
        np.ascontiguousarray(Q[:, ::-1])[:, ::-1],
        unaligned[1:].view(np.float32).reshape(6, 5),
        read_only,
        Q.view(np.matrix),
    ):
        np.testing.assert_array_equal(np.asarray(layout), Q)
        np.testing.assert_array_equal(release.attend(layout), wanted)
    same = np.broadcast_to(Q[0], (4, 5))
    np.testing.assert_array_equal(release.attend(same), np.broadcast_to(wanted[0], (4, 3)))


def test_out(quiet, rng) -> None:
    release, _, _ = quiet
    Q = rng.uniform(-0.4, 0.4, size=(6, 5))
    wanted = release.attend(Q)
    out = np.empty((6, 3))
    assert release.attend(Q, out) is out
    np.testing.assert_array_equal(out, wanted)
    wide = np.full((6, 9), 7.0)
    release.attend(Q, out=wide[:, 1:7:2])
    np.testing.assert_array_equal(wide[:, 1:7:2], wanted)
    assert (wide[:, [0, 2, 4, 6, 7, 8]] == 7.0).all()
    backward = np.empty((6, 3))
    release.attend(Q, out=backward[::-1])
    np.testing.assert_array_equal(backward[::-1], wanted)
    single = np.empty((6, 3), np.float32)
    result, std = release.attend(Q, out=single, return_std=True)
    assert result is single
    assert std.dtype == np.float32
    np.testing.assert_array_equal(single, wanted.astype(np.float32))
    row = np.empty(3)
    release.attend(Q[1], out=row)
    np.testing.assert_array_equal(row, wanted[1])


def test_out_may_lie_over_the_queries(rng) -> None:
    release = make_release(make_params(value_dim=5))
    Q = rng.uniform(-0.4, 0.4, size=(6, 5))
    wanted = release.attend(Q)
    assert release.attend(Q, out=Q) is Q
    np.testing.assert_array_equal(Q, wanted)
    many = rng.uniform(-0.4, 0.4, size=(5000, 5))
    wanted = release.attend(many)
    for shift in (5, 25, 5000):  # each answer lies over queries that come later
        memory = np.zeros(25000 + shift)
        memory[:25000] = many.ravel()
        release.attend(memory[:25000].reshape(5000, 5), out=memory[shift:].reshape(5000, 5))
        np.testing.assert_array_equal(memory[shift:].reshape(5000, 5), wanted)
    memory = np.zeros((6, 8))
    memory[:, :5] = Q
    wanted, wanted_std = release.attend(Q, return_std=True)
    _, std = release.attend(memory[:, :5], out=memory[:, 3:], return_std=True)
    np.testing.assert_array_equal(memory[:, 3:], wanted)
    np.testing.assert_array_equal(std, wanted_std)


def test_the_short_way_says_what_the_long_way_says(rng) -> None:
    release = make_release(make_params(value_dim=5))
    Q = rng.uniform(-0.4, 0.4, size=(6, 5)).astype(np.float32)
    wanted, _ = release.attend(Q, return_std=True)  # the long way
    out = np.full((6, 5), 7.0, np.float32)
    np.testing.assert_array_equal(release.attend(Q, out), wanted)
    np.testing.assert_array_equal(release.attend(Q, np.empty((6, 5))).astype(np.float32), wanted)
    np.testing.assert_array_equal(release.attend(Q, np.empty((6, 5), np.float16)), wanted.astype(np.float16))
    frozen = np.full((6, 5), 7.0, np.float32)
    frozen.flags.writeable = False
    integers, short = np.full((6, 5), 7), np.full((5, 5), 7.0, np.float32)
    for bad in (frozen, integers, short, [[7.0] * 5] * 6):
        with pytest.raises(dpattn.InvalidArgumentError, match=r"^out "):
            release.attend(Q, bad)
        assert (np.asarray(bad) == 7).all()
    release.close()
    with pytest.raises(dpattn.InvalidHandleError, match="release is closed"):
        release.attend(Q, out)
    np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_bind(quiet, rng, dtype) -> None:
    release = quiet[0]
    Q = rng.uniform(-0.4, 0.4, size=(6, 5)).astype(dtype)
    out = np.zeros((6, 9), dtype)[:, ::3]
    step = release.bind(Q, out)
    assert (out == 0).all()
    for _ in range(3):
        assert step() is out
        np.testing.assert_array_equal(out, release.attend(Q))
        Q[:] = rng.uniform(-0.4, 0.4, size=(6, 5)).astype(dtype)
    assert "Q (6, 5) -> out (6, 3)" in repr(step)


def test_bind_keeps_its_memory_and_its_release(rng) -> None:
    release = make_release()
    Q = rng.uniform(-0.4, 0.4, size=(6, 5))
    wanted = release.attend(Q)
    step = release.bind(Foreign(Q.copy()), np.empty((6, 3)))
    del release
    gc.collect()
    np.testing.assert_array_equal(step(), wanted)


def test_bind_refuses(rng) -> None:
    release = make_release(make_params(value_dim=5))
    Q, out = np.zeros((6, 5)), np.zeros((6, 5))
    for q, o, words in (
        (Q, Q, "out overlaps Q"),
        (Q.astype(int), out, "Q has dtype int64"),
        (Q.tolist(), out, "Q is a list"),
        (Q, out[:5], "out has shape"),
        (Q[:, :4], out, "Q has shape"),
    ):
        with pytest.raises(dpattn.InvalidArgumentError, match=words):
            release.bind(q, o)
    step = release.bind(Q, out)
    release.close()
    with pytest.raises(dpattn.InvalidHandleError, match="release is closed"):
        step()


def test_heads(rng) -> None:
    params = make_params(heads=4, degree=3)
    K = rng.uniform(-0.4, 0.4, size=(4, 30, 5))
    V = rng.uniform(-0.5, 0.5, size=(4, 30, 3))
    Q = rng.uniform(-0.4, 0.4, size=(4, 7, 5))
    together, apart = dpattn.Builder(params), dpattn.Builder(params)
    together.add(K, V)
    for h in range(4):
        apart.add(K[h], V[h], head=h)
    assert held(together) == held(apart)
    release = together.release(**NO_NOISE)
    out, lse = release.attend(Q, return_lse=True)
    for h in range(4):
        wanted, wanted_lse = exact(K[h], V[h], Q[h])
        np.testing.assert_allclose(out[h], wanted, atol=5e-3)
        np.testing.assert_allclose(lse[h], wanted_lse, atol=5e-3)
    # [m, heads, d], as transformers have it
    view = np.ascontiguousarray(Q.swapaxes(0, 1)).swapaxes(0, 1)
    np.testing.assert_array_equal(release.attend(view), out)


def test_center(rng) -> None:
    center = np.array([3.0, -2.0, 1.0, 0.0, 5.0])
    K = rng.uniform(-0.4, 0.4, size=(40, 5)) + center
    V = rng.uniform(-0.5, 0.5, size=(40, 3))
    Q = rng.uniform(-0.4, 0.4, size=(6, 5))
    builder = dpattn.Builder(make_params(center=center, degree=4))
    builder.add(K, V)
    out, lse = builder.release(**NO_NOISE).attend(Q, return_lse=True)
    wanted, wanted_lse = exact(K, V, Q)
    np.testing.assert_allclose(out, wanted, atol=2e-3)
    np.testing.assert_allclose(lse, wanted_lse, atol=2e-3)


def test_clipped_and_bad_queries(quiet) -> None:
    release, _, _ = quiet
    Q = np.zeros((4, 5))
    Q[0, 0], Q[1, 0], Q[2, 0] = 0.5, 3.0, np.nan
    out, lse, std, clipped = release.attend(Q, return_lse=True, return_std=True, return_clipped=True)
    assert clipped == 2
    assert np.isfinite(out[[0, 1, 3]]).all()
    assert np.isnan(out[2]).all()
    assert np.isnan(lse[2])
    assert np.isnan(std[2]).all()
    np.testing.assert_array_equal(out[1], release.attend([1.0, 0, 0, 0, 0]))


def test_chunked_attend_is_the_same(rng) -> None:
    release = make_release(make_params(heads=2))
    Q = rng.uniform(-0.4, 0.4, size=(2, 50, 5)).astype(np.float32)
    whole = release.attend(Q, return_lse=True, return_std=True, return_clipped=True)
    release._chunk = 7
    np.testing.assert_array_equal(release.attend(Q), whole[0])
    for part, wanted in zip(release.attend(Q, return_lse=True, return_std=True, return_clipped=True), whole):
        np.testing.assert_array_equal(part, wanted)


def test_many_threads(release, rng) -> None:
    Q = rng.uniform(-0.4, 0.4, size=(64, 5))
    wanted = release.attend(Q)
    wrong = []

    def ask(i: int) -> None:
        for _ in range(50):
            if not np.array_equal(release.attend(Q[i]), wanted[i]):
                wrong.append(i)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# ---- DLPack ------------------------------------------------------------------------------------


class Foreign:
    """Somebody else's array: nothing but DLPack, numpy's or made by hand (bfloat16, devices)."""

    def __init__(self, array: np.ndarray, device: int = 1) -> None:
        self.array, self.device, self.given = array, device, 0

    def __dlpack_device__(self) -> tuple[int, int]:
        return (self.device, 0)

    def __dlpack__(self, **_: Any) -> Any:
        self.given += 1
        if self.array.dtype == ml_dtypes.bfloat16:
            return bfloat16_capsule(self.array)
        return self.array.__dlpack__()


_kept: list[Any] = []


def bfloat16_capsule(array: np.ndarray) -> Any:
    class Managed(ctypes.Structure):
        _fields_ = [
            ("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
            ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
            ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p), ("byte_offset", ctypes.c_uint64),
            ("manager", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
        ]  # fmt: skip

    shape = (ctypes.c_int64 * array.ndim)(*array.shape)
    managed = Managed(
        data=array.__array_interface__["data"][0] - 2, device_type=1, ndim=array.ndim, code=4, bits=16, lanes=1,
        shape=ctypes.addressof(shape), strides=None, byte_offset=2,
    )  # fmt: skip
    _kept.extend([shape, managed, array])
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return new(ctypes.addressof(managed), b"dltensor", None)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_dlpack(quiet, rng, dtype) -> None:
    release, _, _ = quiet
    Q = rng.uniform(-0.4, 0.4, size=(6, 5)).astype(dtype)
    wanted = release.attend(Q)
    out = release.attend(Foreign(Q))
    answer = np.float32 if dtype is ml_dtypes.bfloat16 else dtype
    assert out.dtype == answer
    np.testing.assert_allclose(out.astype(float), wanted.astype(float), rtol=float(ml_dtypes.finfo(dtype).eps))
    target = np.zeros((6, 3), dtype)
    foreign = Foreign(target)
    assert release.attend(Q, out=foreign) is foreign
    np.testing.assert_array_equal(target.astype(float), wanted.astype(float))
    if dtype is not ml_dtypes.bfloat16:
        np.testing.assert_array_equal(release.attend(Foreign(Q[::2, :])), wanted[::2])


def test_dlpack_rows_go_in_without_a_copy_and_are_given_back(rng) -> None:
    K, V = rng.uniform(-0.4, 0.4, size=(40, 5)), rng.uniform(-0.4, 0.4, size=(40, 3)).astype(np.float32)
    plain, foreign = dpattn.Builder(make_params()), dpattn.Builder(make_params())
    plain.add(K, V)
    foreign.add(Foreign(K[::-1]), Foreign(V[::-1]))
    assert held(plain) == held(foreign)


def test_dlpack_elsewhere_is_refused(quiet) -> None:
    cuda = Foreign(np.zeros((2, 5)), device=2)
    with pytest.raises(dpattn.InvalidArgumentError, match="Q is on device type 2"):
        quiet[0].attend(cuda)
    assert cuda.given == 0


def test_dlpack_integers_are_converted(quiet) -> None:
    class WithArray(Foreign):
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return self.array

    np.testing.assert_array_equal(quiet[0].attend(WithArray(np.eye(5, dtype=int))), quiet[0].attend(np.eye(5)))


# ---- Merge -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5,), (6, 5), (2, 6, 5)])
def test_merge_is_attention_over_both(shape, rng) -> None:
    K, V = rng.normal(size=(30, 5)), rng.normal(size=(30, 3))
    Q = rng.normal(size=shape)
    a, b = exact(K[:10], V[:10], Q), exact(K[10:], V[10:], Q)
    out, lse = dpattn.merge(a, b)
    wanted, wanted_lse = exact(K, V, Q)
    np.testing.assert_allclose(out, wanted, rtol=1e-12)
    np.testing.assert_allclose(lse, wanted_lse, rtol=1e-12)
    assert (out.shape, np.shape(lse)) == ((*shape[:-1], 3), shape[:-1])


def test_merge_with_a_release(quiet, rng) -> None:
    release, K, V = quiet
    public_K, public_V = rng.uniform(-0.4, 0.4, size=(9, 5)), rng.uniform(-0.5, 0.5, size=(9, 3))
    Q = rng.uniform(-0.4, 0.4, size=(6, 5))
    out, lse = dpattn.merge(release.attend(Q, return_lse=True), exact(public_K, public_V, Q))
    wanted, wanted_lse = exact(np.vstack([K, public_K]), np.vstack([V, public_V]), Q)
    np.testing.assert_allclose(out, wanted, atol=2e-3)
    np.testing.assert_allclose(lse, wanted_lse, atol=2e-3)


def test_merge_types_and_empty_sets(rng) -> None:
    out = rng.normal(size=(4, 3))
    lse = np.zeros(4)
    merged, total = dpattn.merge((out.astype(np.float16), lse), (np.zeros((4, 3), np.float32), np.full(4, -np.inf)))
    assert (merged.dtype, total.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(merged, out.astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(total, lse)
    for dtype in (np.float16, np.float32, ml_dtypes.bfloat16):
        assert dpattn.merge((out.astype(dtype), lse), (out.astype(dtype), lse))[0].dtype == dtype
