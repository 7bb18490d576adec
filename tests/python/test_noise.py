"""The predicted error bar is the measured one."""

from __future__ import annotations

import numpy as np
import pytest

import dpattn
from conftest import make_params

RELEASES, DIM, VALUES = 400, 4, 24


@pytest.mark.parametrize("adjacency", ["add_remove", "replace"])
def test_predicted_stddev_is_measured(adjacency: str) -> None:
    """400 releases, 24 coordinates, three query norms: prediction and measurement within 5 %.

    The 24 coordinates of a query have noise that is independent but for the denominator's share,
    which is small beside it here (outputs near 0). So a measured standard deviation has a relative
    error of about 1/sqrt(2*400*24) = 0.72 %; 5 % is 6.9 of those: false alarm below 1e-11 a
    comparison, 6 comparisons.
    """
    rng = np.random.default_rng(11)
    n = 4000
    K = rng.normal(size=(n, DIM))
    K /= np.linalg.norm(K, axis=1, keepdims=True)
    V = rng.uniform(-0.15, 0.15, size=(n, VALUES))
    direction = np.array([0.5, -0.5, 0.5, 0.5])
    Q = direction * np.array([[0.2], [1.0], [2.0]])
    params = make_params(key_dim=DIM, value_dim=VALUES, query_bound=2.0, adjacency=adjacency, degree=3)
    with dpattn.Builder(params) as builder:
        builder.add(K, V)
        partial = builder.export_secret()
    outs, stds = [], []
    for _ in range(RELEASES):
        with dpattn.Builder.import_secret(partial) as builder:
            out, std = builder.release(epsilon=1.0, delta=1e-6).attend(Q, return_std=True)
        outs.append(out)
        stds.append(std)
    measured = np.sqrt(np.var(outs, axis=0, ddof=1).mean(axis=1))
    predicted = np.sqrt(np.square(stds).mean(axis=(0, 2)))
    np.testing.assert_allclose(measured, predicted, rtol=0.05)
    # A reading aid in case of failure: noise must be visible, but small beside the denominator.
    assert (predicted < 0.3).all()
