"""Tests run the checkout's package with the library of its build folder, or DPATTN_LIBRARY."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "bindings" / "python"
sys.path.insert(0, str(PACKAGE))

import dpattn  # noqa: E402

# Whether tests run at their full sizes.
FULL = os.environ.get("DPATTN_AUDIT") == "1"

# A shell starts what it runs in the background with SIGINT ignored; the tests of Ctrl-C are about
# what is usual.
signal.signal(signal.SIGINT, signal.default_int_handler)


def make_params(**changes: Any) -> dpattn.Params:
    """Small parameters, b = 1."""
    values: dict[str, Any] = {
        "key_dim": 5,
        "value_dim": 3,
        "key_bound": 1.0,
        "value_bound": 1.0,
        "query_bound": 1.0,
        "adjacency": "add_remove",
        "scale": 1.0,
    }
    values.update(changes)
    return dpattn.Params(**values)


def make_codebook_params(cells: int = 4, **changes: Any) -> dpattn.Params:
    """Small parameters of a codebook release, whose centroids have length 1."""
    heads, key_dim = changes.get("heads", 1), changes.get("key_dim", 5)
    codebook = np.random.default_rng(3).normal(size=(heads, cells, key_dim))
    codebook /= np.linalg.norm(codebook, axis=-1, keepdims=True)
    return make_params(**{"mechanism": "codebook", "codebook": codebook, "query_bound": None, **changes})


def make_release(
    params: dpattn.Params | None = None, rows: int = 60, epsilon: float = 1.0, **to: Any
) -> dpattn.Release:
    """A release of random rows."""
    params = params or make_params()
    rng = np.random.default_rng(7)
    K = rng.normal(size=(params.heads, rows, params.key_dim)) / params.key_dim
    V = rng.normal(size=(params.heads, rows, params.value_dim)) / params.value_dim
    owners = np.arange(rows) // 4 if params.owner_rows else None
    with dpattn.Builder(params) as builder:
        builder.add(K, V, owners=owners)
        return builder.release(epsilon=epsilon, delta=1e-6, **to)


def exact(K: Any, V: Any, Q: Any, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Attention with logits scale * <q, k>, and its lse."""
    weights = np.exp(scale * np.asarray(Q, float) @ np.swapaxes(np.asarray(K, float), -1, -2))
    total = weights.sum(-1, keepdims=True)
    return weights @ np.asarray(V, float) / total, np.log(total[..., 0])


def resealed(data: bytes | bytearray) -> bytes:
    """The file with a right checksum."""
    return bytes(data[:-32]) + hashlib.sha256(data[:-32]).digest()


def held(builder: dpattn.Builder) -> bytes:
    """Everything in a builder's partial but the random origins of its rows, and the checksum.

    The same bytes for the same rows, whichever builders they are in.
    """
    partial = builder.export_secret()
    origins = int.from_bytes(partial[20:28], "little")
    return partial[:20] + partial[28 + 16 * origins : -32]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240718)


@pytest.fixture(scope="session")
def release() -> dpattn.Release:
    return make_release()


@pytest.fixture
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python in a fresh process that finds the package."""

    def run(*arguments: str, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": str(PACKAGE), **environment}
        return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=env, timeout=timeout)

    return run
