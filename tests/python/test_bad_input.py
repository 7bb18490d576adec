"""Bad input: each a status, and a message with the argument, what it was and what it must be."""

from __future__ import annotations

import numpy as np
import pytest

import dpattn
from conftest import make_params, make_release

NAN, INF = float("nan"), float("inf")

PARAMS = [
    ({"key_dim": 0}, "key_dim is 0"),
    ({"key_dim": -1}, "key_dim is -1"),
    ({"key_dim": 65537}, "key_dim is 65537"),
    ({"key_dim": 2**32 + 5}, "key_dim is 4294967301"),
    ({"key_dim": 5.0}, "key_dim is 5.0"),
    ({"key_dim": True}, "key_dim is True"),
    ({"key_dim": None}, "key_dim is None"),
    ({"value_dim": 0}, "value_dim is 0"),
    ({"heads": 0}, "heads is 0"),
    ({"heads": 65537}, "heads is 65537"),
    ({"degree": 0}, "degree is 0"),
    ({"degree": 9}, "degree is 9"),
    ({"owner_rows": -1}, "owner_rows is -1"),
    ({"owner_rows": 1048577}, "owner_rows is 1048577"),
    ({"owner_bound": 1.0}, "owner_bound is 1; .* owner_rows is 0"),
    ({"owner_rows": 4, "owner_bound": 4.5}, "owner_bound is 4.5"),
    ({"owner_rows": 4, "owner_bound": 0.0}, "owner_bound is 0"),
    ({"owner_rows": 4, "owner_bound": NAN}, "owner_bound is nan"),
    *[
        ({name: value}, f"{name} is")
        for name in ("key_bound", "value_bound", "query_bound")
        for value in (0, -1, NAN, INF)
    ],
    ({"key_bound": None}, "key_bound is None"),
    ({"key_bound": "1"}, "key_bound is '1'"),
    ({"key_bound": 1j}, "key_bound is 1j"),
    ({"scale": NAN}, "scale is nan"),
    ({"scale": -1.0}, "scale is -1"),
    ({"scale": 0.0}, "scale is 0"),
    ({"scale": 65.0}, "scale \\* query_bound \\* key_bound is 65"),
    ({"lambda_": 0.0}, "lambda_ is 0"),
    ({"lambda_": 17.0}, "lambda_ is 17"),
    ({"lam": 0.001}, "lambda_ is 0.001"),
    ({"lam": 1.0, "lambda_": 1.0}, "lam and lambda_"),
    ({"adjacency": None}, "adjacency is None; it must be 'add_remove' or 'replace'"),
    ({"adjacency": "add"}, "adjacency is 'add'"),
    ({"adjacency": 1}, "adjacency is 1"),
    ({"polynomial": "chebyshev"}, "polynomial is 'chebyshev'; it must be 'minimax' or 'taylor'"),
    ({"mechanism": "laplace"}, "mechanism is 'laplace'"),
    ({"rotate": "yes"}, "rotate is 'yes'"),
    ({"center": [1.0, 2.0]}, r"center has shape \(2,\); it must be \(5,\)"),
    ({"center": [NAN] * 5}, "center holds NaN"),
    ({"center": "abc"}, "center cannot be read"),
    ({"head_weights": [1.0, 2.0]}, r"head_weights has shape \(2,\)"),
    ({"head_weights": [0.0]}, "head_weights"),
    ({"head_weights": [INF]}, "head_weights"),
]


@pytest.mark.parametrize(("changes", "message"), PARAMS)
def test_params(changes, message) -> None:
    with pytest.raises(dpattn.InvalidArgumentError, match=message) as caught:
        make_params(**changes)
    assert caught.value.status == 1
    assert isinstance(caught.value, ValueError)


REQUIRED = {"key_dim": 5, "value_dim": 3, "key_bound": 1, "value_bound": 1, "query_bound": 1, "adjacency": "replace"}


@pytest.mark.parametrize("name", REQUIRED)
def test_required_params(name) -> None:
    values = {key: value for key, value in REQUIRED.items() if key != name}
    # The bounds are those of one mechanism of two, so it is not Python that asks for them.
    error, message = (
        (dpattn.InvalidArgumentError, f"{name} is None")
        if name.endswith("bound")
        else (TypeError, f"missing .* '{name}'")
    )
    with pytest.raises(error, match=message):
        dpattn.Params(**values)


# What only the C library knows is its error, and names the field all the same.
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key_bound": 1e-200, "query_bound": 1e200}, "key_bound"),
        ({"scale": 1e-9}, "scale"),
        ({"head_weights": [1e9]}, "head_weights"),
        ({"center": [1e200] * 5}, "center"),
    ],
)
def test_params_that_the_library_refuses(changes, message) -> None:
    with pytest.raises(dpattn.InvalidArgumentError, match=message):
        dpattn.Builder(make_params(**changes))


def test_a_state_that_does_not_fit_says_its_size() -> None:
    with pytest.raises(dpattn.OutOfMemoryError, match=r"\d{15,}") as caught:
        dpattn.Builder(make_params(key_dim=1000, value_dim=1000, degree=5))
    assert isinstance(caught.value, MemoryError)


K, V = np.zeros((4, 5)), np.zeros((4, 3))

ROWS = [
    (K[:, :4], V, {}, r"K has shape \(4, 4\); its last axis must be key_dim = 5"),
    (K, V[:, :2], {}, r"V has shape \(4, 2\); its last axis must be value_dim = 3"),
    (K, V[:3], {}, r"K has shape \(4, 5\) and V has shape \(3, 3\)"),
    (K[0], V[0], {}, "K has 1 axes"),
    (K[None, None], V, {}, "K has 4 axes"),
    (K[None], V, {}, "K has shape .* and V has shape"),
    (np.stack([K, K]), np.stack([V, V]), {}, "its first axis must be heads = 1"),
    ("abc", V, {}, "K has dtype"),
    (None, V, {}, "K has dtype object"),
    ([[1, 2], [3]], V, {}, "K is a list and cannot be read"),
    (K.astype(complex), V, {}, "K has dtype complex128"),
    (K, V.astype("datetime64[s]"), {}, "V has dtype datetime64"),
    (np.ma.masked_array(K, K == 0), V, {}, "K is a masked array"),
    (K, V, {"head": 1}, "head is 1; it must be in 0..0"),
    (K, V, {"head": -1}, "head is -1"),
    (K, V, {"head": 0.5}, "head is 0.5"),
    (K[None], V[None], {"head": 0}, "head is 0; it must be None"),
    (K, V, {"owners": [1, 2, 3, 4]}, "owners"),
    (K, V, {"progress": 3}, "progress is 3"),
]


@pytest.mark.parametrize(("keys", "values", "keywords", "message"), ROWS)
def test_rows(keys, values, keywords, message) -> None:
    with dpattn.Builder(make_params()) as builder:
        before = builder.export_secret()
        with pytest.raises(dpattn.InvalidArgumentError, match=message):
            builder.add(keys, values, **keywords)
        assert builder.export_secret() == before


@pytest.mark.parametrize(
    ("owners", "message"),
    [
        (None, "owners"),
        ([1, 2, 3], r"owners has shape \(3,\); it must be \(4,\)"),
        ([[1, 2, 3, 4]], "owners has shape"),
        ([1.0, 2.0, 3.0, 4.0], "owners has dtype float64"),
        (["a", "b", "c", "d"], "owners has dtype"),
    ],
)
def test_owners(owners, message) -> None:
    with (
        dpattn.Builder(make_params(owner_rows=2)) as builder,
        pytest.raises(dpattn.InvalidArgumentError, match=message),
    ):
        builder.add(K, V, owners=owners)


BUDGETS = [
    *[({"epsilon": value}, "epsilon is") for value in (0, -1, NAN, INF, None, "1")],
    *[({"delta": value}, "delta is") for value in (0, 1, -1e-6, 1.5, NAN, None)],
]


@pytest.mark.parametrize(("changes", "message"), BUDGETS)
def test_budget(changes, message) -> None:
    budget = {"epsilon": 1.0, "delta": 1e-6, **changes}
    with dpattn.Builder(make_params()) as builder:
        with pytest.raises(dpattn.InvalidArgumentError, match=message):
            builder.release(**budget)
        assert builder.diagnostics().rows == 0
    with pytest.raises(dpattn.InvalidArgumentError, match=message):
        dpattn.plan(make_params(), n=10, **budget)


def test_epsilon_below_the_grid() -> None:
    with dpattn.Builder(make_params()) as builder:
        with pytest.raises(dpattn.LimitError, match="epsilon"):
            builder.release(epsilon=1e-12, delta=1e-300)
        assert builder.diagnostics().rows == 0


@pytest.mark.parametrize(
    ("Q", "message"),
    [
        (np.zeros(4), r"Q has shape \(4,\); it must be \(5,\), \(m, 5\) or \(1, m, 5\)"),
        (np.zeros((2, 6)), r"Q has shape \(2, 6\)"),
        (np.zeros((2, 3, 5)), r"Q has shape \(2, 3, 5\)"),
        (np.zeros(()), "Q has 0 axes"),
        (np.zeros((1, 1, 1, 5)), "Q has 4 axes"),
        (np.zeros(5, complex), "Q has dtype complex128"),
        (None, "Q has dtype object"),
    ],
)
def test_queries(release, Q, message) -> None:
    out = np.full(3, 7.0)
    with pytest.raises(dpattn.InvalidArgumentError, match=message):
        release.attend(Q, out)
    assert (out == 7).all()


def test_queries_of_several_heads_name_their_head() -> None:
    with pytest.raises(dpattn.InvalidArgumentError, match=r"Q has shape \(2, 5\); it must be \(2, m, 5\)"):
        make_release(make_params(heads=2)).attend(np.zeros((2, 5)))


def read_only() -> np.ndarray:
    out = np.zeros((2, 3))
    out.flags.writeable = False
    return out


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (np.zeros((3, 2)), r"out has shape \(3, 2\); it must be \(2, 3\)"),
        (np.zeros((2, 3), int), "out has dtype int64"),
        (np.zeros((2, 3), ">f8"), "out has dtype >f8"),
        (read_only(), "out is read-only"),
        ([[0, 0, 0], [0, 0, 0]], "out is a list"),
        (np.broadcast_to(np.zeros(3), (2, 3)), "out is read-only"),
        (np.lib.stride_tricks.as_strided(np.zeros(3), (2, 3), (0, 8)), "out"),
    ],
)
def test_out(release, out, message) -> None:
    with pytest.raises(dpattn.InvalidArgumentError, match=message):
        release.attend(np.zeros((2, 5)), out)


OUT, LSE = np.zeros((4, 3)), np.zeros(4)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (OUT, (OUT, LSE), "a is ndarray; it must be a tuple"),
        ((OUT, LSE), (OUT,), "b is tuple"),
        ((OUT, LSE), (OUT[:3], LSE[:3]), "a and b have outs of shapes"),
        ((OUT, LSE), (OUT, LSE[:3]), r"b\[1\] \(lse\) has shape \(3,\); it must be \(4,\)"),
        ((OUT, LSE[:, None]), (OUT, LSE), r"a\[1\] \(lse\) has shape \(4, 1\)"),
        ((OUT.astype(complex), LSE), (OUT, LSE), r"a\[0\] \(out\) has dtype complex128"),
    ],
)
def test_merge(a, b, message) -> None:
    with pytest.raises(dpattn.InvalidArgumentError, match=message):
        dpattn.merge(a, b)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n is 0"),
        ({"n": 1.5}, "n is 1.5"),
        ({"target_error": -1}, "target_error is -1"),
        ({"target_error": NAN}, "target_error is nan"),
    ],
)
def test_plan(arguments, message) -> None:
    with pytest.raises(dpattn.InvalidArgumentError, match=message):
        dpattn.plan(make_params(), **{"n": 10, "epsilon": 1, "delta": 1e-6, **arguments})


@pytest.mark.parametrize("call", [dpattn.Builder, lambda x: dpattn.plan(x, n=1, epsilon=1, delta=1e-6)])
def test_params_of_another_type(call) -> None:
    with pytest.raises(dpattn.InvalidArgumentError, match="params is a dict"):
        call({"key_dim": 5})
