"""Params as a value, and plan."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

import dpattn
from conftest import make_params


def test_params_are_values() -> None:
    params = make_params(center=[1, 2, 3, 4, 5], lam=0.5)
    assert params == make_params(center=np.arange(1.0, 6), lambda_=0.5)
    assert hash(params) == hash(make_params(center=np.arange(1.0, 6), lambda_=0.5))
    assert params != make_params(center=[1, 2, 3, 4, 6], lam=0.5)
    assert params != "params"
    assert pickle.loads(pickle.dumps(params)) == params
    assert dataclasses.replace(params, degree=3).degree == 3
    assert "adjacency='add_remove'" in repr(params)
    with pytest.raises(dataclasses.FrozenInstanceError):
        params.key_dim = 7
    with pytest.raises(ValueError, match="read-only"):
        params.center[0] = 1
    with pytest.raises(TypeError):
        dpattn.Params(5, 3)


def test_one_center_for_all_heads() -> None:
    one = make_params(heads=3, center=[1, 2, 3, 4, 5])
    assert one == make_params(heads=3, center=[[1, 2, 3, 4, 5]] * 3)
    assert one.center.shape == (3, 5)


def test_numpy_numbers_are_numbers() -> None:
    assert make_params(key_dim=np.int64(5), key_bound=np.float32(1), rotate=np.True_) == make_params()


def test_defaults_reach_the_library() -> None:
    with dpattn.Builder(make_params(scale=None)) as builder:
        info = builder.release(epsilon=1, delta=1e-6).info
    assert (info.scale, info.degree, info.polynomial, info.rotate) == (5**-0.5, 2, "minimax", True)


def test_plan_and_release_agree() -> None:
    params = make_params(key_dim=16, value_dim=8, degree=3)
    plan = dpattn.plan(params, n=1000, epsilon=1.0, delta=1e-6)
    with dpattn.Builder(params) as builder:
        info = builder.release(epsilon=1.0, delta=1e-6).info
    assert (plan.degree, plan.features, plan.state_bytes) == (3, info.features, info.state_bytes)
    assert plan.release_bytes == info.save_bytes
    assert (plan.logit_bound, plan.polynomial_error) == (info.logit_bound, info.polynomial_error)
    assert info.mu == pytest.approx(plan.mu, rel=1e-6)
    # tests/vectors/accounting.json; the rest is sigma rounded up to an integer
    assert plan.sigma_over_sensitivity == pytest.approx(4.2246788893268352830, rel=1e-6)
    assert plan.sigma_over_sensitivity >= 4.2246788893268352830
    assert plan.noise_stddev_worst > plan.noise_stddev > 0


def test_plan_chooses_a_degree_and_counts_rows() -> None:
    few = dpattn.plan(make_params(degree=None), n=100, epsilon=1.0, delta=1e-6, target_error=0.01)
    many = dpattn.plan(make_params(degree=None), n=10**9, epsilon=1.0, delta=1e-6, target_error=0.01)
    assert 1 <= few.degree < many.degree <= 4
    enough = dpattn.plan(make_params(degree=few.degree), n=few.rows_for_error, epsilon=1.0, delta=1e-6)
    assert enough.noise_stddev <= 0.01
    assert dpattn.plan(make_params(), n=100, epsilon=1.0, delta=1e-6).rows_for_error == 0


def test_plan_in_a_notebook() -> None:
    page = dpattn.plan(make_params(), n=1000, epsilon=1.0, delta=1e-6, target_error=0.01)._repr_html_()
    assert page.startswith("<table>")
    assert "rows for the wanted noise" in page
