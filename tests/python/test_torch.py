"""Tensors without a copy, attention as torch calls it, private and public context merged."""

from __future__ import annotations

import copy
import io
from typing import Any

import numpy as np
import pytest

import dpattn
from conftest import held, make_codebook_params, make_params, make_release
from dpattn._c import tensor

torch = pytest.importorskip("torch", reason="needs torch: `make test-python` installs one")
functional = torch.nn.functional
torch.set_num_threads(1)  # tensors here are small; a second thread would only wait

FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]

# So much budget that the noise is far below the quantisation.
NO_NOISE = {"epsilon": 1e9, "delta": 0.5}


def spread(*shape: int, bound: float, seed: int) -> Any:
    """Vectors with norms up to `bound`."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*shape, generator=generator)
    return x / x.norm(dim=-1, keepdim=True) * bound * torch.rand(*shape[:-1], 1, generator=generator) ** 0.5


def no_noise(heads: int = 2, rows: int = 50, degree: int = 5, **changes: Any) -> tuple[dpattn.Release, Any, Any]:
    """A release without visible noise, and its rows (heads, rows, d)."""
    params = make_params(heads=heads, key_dim=6, value_dim=4, degree=degree, **changes)
    K, V = spread(heads, rows, 6, bound=1.0, seed=1), spread(heads, rows, 4, bound=1.0, seed=2)
    builder = dpattn.Builder(params)
    builder.add(K, V)
    return builder.release(**NO_NOISE), K, V


@pytest.fixture
def no_copies(monkeypatch) -> None:
    """Fails where the package would copy an array."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("an array was copied")

    monkeypatch.setattr(tensor, "_converted", refuse)
    monkeypatch.setattr(tensor, "_as_array", refuse)
    monkeypatch.setattr(tensor, "copied", refuse)


# ---- Zero copy ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_copies")
@pytest.mark.parametrize("dtype", FLOATS)
def test_views_are_the_tensors_own_memory(dtype) -> None:
    x = torch.arange(7 * 12 * 10).reshape(7, 12, 10).to(dtype)
    for y in (x, x[1:5, ::2, 3:8], x.transpose(0, 1), x.permute(2, 0, 1)[1:4], x[0].expand(5, 12, 10)):
        for borrow in (tensor.view, tensor.in_place, tensor.writable):
            view = borrow(y, "x")
            assert view.address == y.data_ptr()
            assert view.shape == tuple(y.shape)
            assert view.strides == tuple(step * x.element_size() for step in y.stride())


@pytest.mark.usefixtures("no_copies")
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_views_are_the_arrays_own_memory(dtype) -> None:
    x = np.arange(7 * 12 * 10).reshape(7, 12, 10).astype(dtype)
    frozen = x.copy()
    frozen.flags.writeable = False
    for y in (x, x[1:5, ::2, 3:8], x.swapaxes(0, 1), x[::-1, :, ::-3], np.broadcast_to(x[0], (5, 12, 10)), frozen):
        view = tensor.view(y, "x")
        assert view.owner is y
        assert (view.address, view.shape, view.strides) == (y.__array_interface__["data"][0], y.shape, y.strides)


@pytest.mark.usefixtures("no_copies")
@pytest.mark.parametrize("dtype", FLOATS)
def test_rows_and_queries_of_any_layout(dtype) -> None:
    params = make_params(heads=3)
    K = spread(40, 3, 5, bound=0.9, seed=3).to(dtype).transpose(0, 1)  # [rows, heads, d], as models have it
    V = torch.empty(3, 3, 40, dtype=dtype).transpose(1, 2)  # columns lie together
    V.copy_(spread(3, 40, 3, bound=0.9, seed=4))
    strided, plain = dpattn.Builder(params), dpattn.Builder(params)
    strided.add(K, V)
    plain.add(K.double().contiguous().numpy(), V.double().contiguous().numpy())
    assert held(strided) == held(plain)
    release = plain.release(epsilon=1.0, delta=1e-6)
    Q = spread(20, 3, 5, bound=0.9, seed=5).to(dtype).transpose(0, 1)
    out, lse, std, clipped = release.attend(Q, return_lse=True, return_std=True, return_clipped=True)
    assert [x.dtype for x in (out, lse, std)] == [dtype, torch.float64, dtype]
    assert clipped == 0
    wanted, wanted_lse, wanted_std = release.attend(Q.double().numpy(), return_lse=True, return_std=True)
    step = torch.finfo(dtype).eps
    torch.testing.assert_close(out.double(), torch.tensor(wanted), rtol=step, atol=1e-6)
    torch.testing.assert_close(lse, torch.tensor(wanted_lse), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(std.double(), torch.tensor(wanted_std), rtol=step, atol=1e-6)
    wide = torch.full((3, 3, 40), 7.0, dtype=dtype)
    target = wide[:, :, ::2].transpose(1, 2)
    assert release.attend(Q, out=target) is target
    torch.testing.assert_close(target, out)
    assert (wide[:, :, 1::2] == 7).all()


def test_out_may_lie_over_the_queries() -> None:
    release = make_release(make_params(value_dim=5))
    Q = spread(6, 5, bound=0.9, seed=6)
    wanted = release.attend(Q.numpy())
    assert release.attend(Q, out=Q) is Q
    np.testing.assert_array_equal(Q.numpy(), wanted)


@pytest.mark.usefixtures("no_copies")
def test_bind() -> None:
    release = make_release()
    Q, out = spread(6, 5, bound=0.9, seed=7).bfloat16(), torch.zeros(6, 3, dtype=torch.bfloat16)
    step = release.bind(Q, out)
    Q.mul_(0.5)
    assert step() is out
    torch.testing.assert_close(out, release.attend(Q))


def test_what_has_no_kernel_is_converted() -> None:
    release = make_release()
    Q = torch.eye(5, dtype=torch.int64)
    out = release.attend(Q)
    assert out.dtype == torch.float64
    np.testing.assert_array_equal(out.numpy(), release.attend(np.eye(5)))


def test_refusals() -> None:
    release = make_release()
    Q, out = torch.zeros(4, 5), torch.zeros(4, 3)
    for query, answer, words in (
        (Q.clone().requires_grad_(), None, r"Q requires a gradient.*pass Q\.detach\(\)"),
        (Q, out.clone().requires_grad_(), "out requires a gradient"),
        (Q.to("meta"), None, "Q is .*[Mm]eta|gives no DLPack view"),
        (Q.to_sparse(), None, "gives no DLPack view"),
        (Q[:, :3], None, r"Q has shape \(4, 3\)"),
        (Q, out.int(), "out is a Tensor; it must be"),
    ):
        with pytest.raises(dpattn.InvalidArgumentError, match=words):
            release.attend(query, out=answer)
    with torch.no_grad():  # what a model computes there requires none
        release.attend(torch.nn.Linear(5, 5)(Q))
    with torch.inference_mode():
        release.attend(torch.zeros(4, 5) + 1)


def test_merge_gives_tensors() -> None:
    a = (spread(6, 3, bound=1.0, seed=8), torch.zeros(6))
    b = (spread(6, 3, bound=1.0, seed=9), torch.ones(6))
    out, lse = dpattn.merge(a, b)
    wanted, wanted_lse = dpattn.merge(tuple(x.numpy() for x in a), tuple(x.numpy() for x in b))
    assert (out.dtype, lse.dtype) == (torch.float32, torch.float64)
    np.testing.assert_array_equal(out.numpy(), wanted)
    np.testing.assert_array_equal(lse.numpy(), wanted_lse)
    mixed, _ = dpattn.merge((a[0].bfloat16(), a[1]), (b[0].half(), b[1]))
    assert mixed.dtype == torch.float32


# ---- Attention as torch calls it ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["torch", "numpy"])
@pytest.mark.parametrize(
    ("batch", "groups", "heads"), [((), 1, 2), ((1,), 1, 2), ((3,), 1, 2), ((2, 2), 3, 2), ((3,), 4, 1)]
)
def test_attention_is_torchs(kind, batch, groups, heads) -> None:
    release, K, V = no_noise(heads)
    query = spread(*batch, heads * groups, 7, 6, bound=1.0, seed=10)
    arguments: dict[str, Any] = {"scale": 1.0, "enable_gqa": groups > 1}
    shared = [x.expand(*batch, *x.shape) for x in (K, V)]
    wanted = functional.scaled_dot_product_attention(query, *shared, **arguments)
    _, wanted_lse = dpattn.torch.exact_attention(query, *shared, **arguments)
    given = query if kind == "torch" else query.numpy()
    out, lse = dpattn.scaled_dot_product_attention(given, release, return_lse=True, **arguments)
    assert isinstance(out, torch.Tensor if kind == "torch" else np.ndarray)
    torch.testing.assert_close(torch.as_tensor(out), wanted, rtol=0, atol=2e-3)
    torch.testing.assert_close(torch.as_tensor(lse), wanted_lse.double(), rtol=0, atol=2e-3)
    alone = dpattn.scaled_dot_product_attention(given, release, **arguments)
    torch.testing.assert_close(torch.as_tensor(alone), torch.as_tensor(out), rtol=0, atol=0)


@pytest.mark.usefixtures("no_copies")
def test_attention_reads_in_place() -> None:
    release, _, _ = no_noise(2)
    query = spread(1, 9, 2, 6, bound=1.0, seed=11).transpose(1, 2)  # [1, heads, m, d] in a [1, m, heads, d]
    seen = []
    attend = release.attend
    release.attend = lambda Q, out=None: seen.append(Q.data_ptr()) or attend(Q, out)  # type: ignore[method-assign]
    dpattn.scaled_dot_product_attention(query, release, scale=1.0)
    assert seen == [query.data_ptr()]


def test_attention_refusals() -> None:
    release, K, _ = no_noise(2)
    for query, arguments, words in (
        (K, {}, r"scale is None, which is 1 / sqrt\(key_dim\); it must be 1, that of the release"),
        (K, {"scale": 0.5}, "scale is 0.5; it must be 1"),
        (K[:1], {"scale": 1.0}, "query has 1 heads and the release 2"),
        (K[:1].expand(3, 50, 6), {"scale": 1.0, "enable_gqa": True}, "must be a multiple of the release's 2"),
        (K[..., :5], {"scale": 1.0}, r"it must be \(\.\.\., query_heads, m, 6\)"),
        (K[0, 0], {"scale": 1.0}, r"it must be \(\.\.\., query_heads, m, 6\)"),
        (K.requires_grad_(), {"scale": 1.0}, "Q requires a gradient"),
    ):
        with pytest.raises(dpattn.InvalidArgumentError, match=words):
            dpattn.scaled_dot_product_attention(query, release, **arguments)
    with pytest.raises(dpattn.InvalidArgumentError, match="release is a str"):
        dpattn.scaled_dot_product_attention(K.detach(), "context.dpa")


# ---- Exact attention with its denominator ------------------------------------------------------


@pytest.mark.parametrize("n", [1, 5, 1024, 2500])
@pytest.mark.parametrize("mask", ["none", "causal", "bool", "float", "one column"])
def test_exact_attention_is_torchs(n, mask) -> None:
    query, key, value = (spread(2, 3, m, 6, bound=8.0, seed=m).double() for m in (7, n, n + 1))
    value = value[..., 1:, :]
    generator = torch.Generator().manual_seed(0)
    arguments: dict[str, Any] = {"scale": 0.7}
    if mask == "causal":
        arguments["is_causal"] = True
    elif mask == "bool":
        arguments["attn_mask"] = torch.rand(3, 7, n, generator=generator) < 0.5
        arguments["attn_mask"][..., 0] = True  # torch gives NaN to a query that sees nothing
    elif mask == "float":
        arguments["attn_mask"] = torch.randn(2, 1, 7, n, generator=generator).double()
    elif mask == "one column":
        arguments["attn_mask"] = torch.ones(7, 1, dtype=torch.bool)
    wanted = functional.scaled_dot_product_attention(query, key, value, **arguments)
    out, lse = dpattn.torch.exact_attention(query, key, value, **arguments)
    torch.testing.assert_close(out, wanted, rtol=1e-9, atol=1e-12)
    logits = 0.7 * query @ key.mT
    if "attn_mask" in arguments and arguments["attn_mask"].dtype != torch.bool:
        logits = logits + arguments["attn_mask"]
    elif mask != "none":
        seen = torch.ones(7, n, dtype=torch.bool).tril() if mask == "causal" else arguments["attn_mask"]
        logits = logits.masked_fill(~seen, -torch.inf)
    torch.testing.assert_close(lse, logits.logsumexp(-1), rtol=1e-9, atol=1e-12)


def test_exact_attention_of_nothing_is_an_empty_set() -> None:
    query, key = torch.ones(2, 3), torch.ones(4, 3)
    mask = torch.tensor([[True] * 4, [False] * 4])
    out, lse = dpattn.torch.exact_attention(query, key, key, attn_mask=mask)
    assert (out[0] == 1).all()
    assert (out[1] == 0).all()
    assert lse[1] == -torch.inf


# ---- Private and public context together -------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("centre", [False, True])
def test_private_context_is_attention_over_the_union(dtype, centre) -> None:
    changes = {"center": np.full(6, 0.1)} if centre else {}
    release, K, V = no_noise(2, key_bound=1.3, **changes)
    context = dpattn.torch.PrivateContext(release)
    batch, groups, m, n = 3, 2, 7, 11
    query = spread(batch, 2 * groups, m, 6, bound=1.0, seed=12).to(dtype)
    key, value = (
        spread(batch, 2, n, 6, bound=1.0, seed=13).to(dtype),
        spread(batch, 2, n, 4, bound=1.0, seed=14).to(dtype),
    )
    union = [torch.cat([x.expand(batch, *x.shape), y.float()], -2) for x, y in ((K, key), (V, value))]
    arguments: dict[str, Any] = {"scale": 1.0, "enable_gqa": True}
    private = torch.ones(m, K.shape[-2], dtype=torch.bool)
    for public, masks in (
        (torch.ones(m, n, dtype=torch.bool), {}),
        (torch.ones(m, n, dtype=torch.bool).tril(), {"is_causal": True}),
        (torch.arange(n).expand(m, n) % 3 == 0, {"attn_mask": torch.arange(n).expand(m, n) % 3 == 0}),
        (torch.zeros(m, n, dtype=torch.bool), {"attn_mask": torch.zeros(m, n, dtype=torch.bool)}),
    ):
        wanted, wanted_lse = dpattn.torch.exact_attention(
            query.float(), *union, attn_mask=torch.cat([private, public], -1), **arguments
        )
        out, lse = context(query, key, value, return_lse=True, **masks, **arguments)
        assert out.dtype == dtype
        # Degree 5 at b = 1.3 has a relative error below 1e-3; the rest is rounding of rows and of
        # the answer.
        torch.testing.assert_close(out.float(), wanted, rtol=0, atol=4e-3 + torch.finfo(dtype).eps)
        torch.testing.assert_close(lse.float(), wanted_lse, rtol=0, atol=4e-3)
    alone = context(query, **arguments)
    torch.testing.assert_close(alone, dpattn.scaled_dot_product_attention(query, release, **arguments))


def codebook_release(heads: int, **changes: Any) -> dpattn.Release:
    """A release with visible noise, in which some cells have too few rows."""
    return make_release(make_codebook_params(32, heads=heads, key_dim=6, value_dim=4, **changes), rows=300)


def kv_tensors(release: dpattn.Release, dtype: Any = torch.float64) -> tuple[Any, Any, Any]:
    """Keys, values, and the bias as a mask for any queries."""
    keys, values, bias = (torch.from_numpy(array).to(dtype) for array in release.kv())
    return keys, values, bias[:, None]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("scale", [None, 30.0])
def test_torch_reads_the_key_value_form(dtype, scale) -> None:
    release = codebook_release(2, scale=scale)
    query = spread(3, 2, 7, 6, bound=2.0, seed=20).to(dtype)
    keys, values, mask = kv_tensors(release)
    wanted = functional.scaled_dot_product_attention(
        query.double(), *(x.expand(3, *x.shape) for x in (keys, values)), attn_mask=mask, scale=scale
    )
    out = dpattn.scaled_dot_product_attention(query, release, scale=scale)
    assert out.dtype == dtype
    torch.testing.assert_close(out.double(), wanted, rtol=torch.finfo(dtype).eps, atol=1e-5)
    torch.testing.assert_close(dpattn.torch.PrivateContext(release)(query, scale=scale), out)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_codebook_as_private_context(dtype) -> None:
    """Merged by lse, and as keys with a bias in one call of torch's, queries of any length."""
    release = codebook_release(2, scale=5.0)
    context = dpattn.torch.PrivateContext(release)
    batch, groups, m, n = 3, 2, 7, 11
    query = spread(batch, 2 * groups, m, 6, bound=3.0, seed=21).to(dtype)
    key, value = (spread(batch, 2, n, d, bound=1.0, seed=d).to(dtype) for d in (6, 4))
    keys, values, mask = kv_tensors(release)
    union = [torch.cat([y.double(), x.expand(batch, *x.shape)], -2) for x, y in ((keys, key), (values, value))]
    zeros = torch.zeros(m, n, dtype=torch.float64)
    arguments: dict[str, Any] = {"scale": 5.0, "enable_gqa": True}
    for public, masks in (
        (zeros, {}),
        (zeros.masked_fill(~torch.ones(m, n, dtype=torch.bool).tril(), -np.inf), {"is_causal": True}),
        (zeros - np.inf, {"attn_mask": torch.zeros(m, n, dtype=torch.bool)}),
    ):
        private = mask.repeat_interleave(groups, 0).expand(-1, m, -1)  # [query heads, m, cells]
        joint = torch.cat([public.expand(2 * groups, m, n), private], -1)
        wanted = functional.scaled_dot_product_attention(query.double(), *union, attn_mask=joint, **arguments)
        out, lse = context(query, key, value, return_lse=True, **masks, **arguments)
        assert out.dtype == dtype
        torch.testing.assert_close(out.double(), wanted, rtol=0, atol=1e-5 + torch.finfo(dtype).eps)
        _, wanted_lse = dpattn.torch.exact_attention(query.double(), *union, attn_mask=joint, **arguments)
        torch.testing.assert_close(lse, wanted_lse, rtol=0, atol=2e-5)


def test_a_model_keeps_its_codebook_release() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(6, 6), dpattn.torch.PrivateContext(codebook_release(2, scale=None)))
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other = torch.nn.Sequential(torch.nn.Linear(6, 6), dpattn.torch.PrivateContext())
    other.load_state_dict(torch.load(file, weights_only=True))
    assert other[1].release.to_bytes() == model[1].release.to_bytes()
    query = spread(1, 2, 5, 6, bound=1.0, seed=22)
    with torch.no_grad():
        torch.testing.assert_close(other(query), model(query))
    assert "cells=32" in repr(other)


def test_gradients_reach_the_public_part() -> None:
    release, K, V = no_noise(1)
    context = dpattn.torch.PrivateContext(release)
    query = spread(1, 5, 6, bound=1.0, seed=15)
    public = [spread(1, 9, d, bound=1.0, seed=16 + d).requires_grad_() for d in (6, 4)]
    again = [x.detach().clone().requires_grad_() for x in public]
    context(query, *public, scale=1.0).square().sum().backward()
    union = [torch.cat([x, y], -2) for x, y in zip((K, V), again)]
    functional.scaled_dot_product_attention(query, *union, scale=1.0).square().sum().backward()
    for x, y in zip(public, again):
        torch.testing.assert_close(x.grad, y.grad, rtol=0, atol=2e-3)


def test_state_dict_carries_the_release() -> None:
    release, _, _ = no_noise(2)
    model = torch.nn.Sequential(torch.nn.Linear(6, 6), dpattn.torch.PrivateContext(release))
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    fresh = torch.nn.Sequential(torch.nn.Linear(6, 6), dpattn.torch.PrivateContext())
    query = spread(2, 5, 6, bound=1.0, seed=17)
    with pytest.raises(dpattn.InvalidArgumentError, match="holds no release yet"):
        fresh[1](query, scale=1.0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert fresh[1].release.info == release.info
    wanted = model[1](query, scale=1.0)
    torch.testing.assert_close(fresh[1](query, scale=1.0), wanted, rtol=0, atol=0)
    torch.testing.assert_close(copy.deepcopy(fresh)[1](query, scale=1.0), wanted, rtol=0, atol=0)
    state = model.state_dict()
    state["1._extra_state"][100] ^= 1
    with pytest.raises(dpattn.CorruptError):
        fresh.load_state_dict(state)
    empty = dpattn.torch.PrivateContext()
    empty.load_state_dict(dpattn.torch.PrivateContext().state_dict())
    assert empty.release is None


def test_context_says_what_it_is_and_what_is_wrong() -> None:
    release, K, V = no_noise(2)
    context = dpattn.torch.PrivateContext(release)
    assert "differential privacy for the presence of one row" in repr(torch.nn.Sequential(context))
    assert list(context.parameters()) == []
    mask = torch.ones(50, 50, dtype=torch.bool)
    for arguments, words in (
        ({"key": K}, "key and value go together"),
        ({"is_causal": True}, "there is no key"),
        ({"key": K, "value": V, "attn_mask": mask, "is_causal": True}, "only one may be"),
    ):
        with pytest.raises(dpattn.InvalidArgumentError, match=words):
            context(K, scale=1.0, **arguments)
    with pytest.raises(dpattn.InvalidArgumentError, match="release is a bytes"):
        dpattn.torch.PrivateContext(release.to_bytes())


def test_importing_the_package_imports_no_torch(run_python) -> None:
    done = run_python("-c", "import dpattn, sys; assert 'torch' not in sys.modules; dpattn.torch.PrivateContext")
    assert done.returncode == 0, done.stderr
