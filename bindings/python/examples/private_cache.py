"""A private key-value cache: users' digits, in a file that numpy alone can attend to.

scikit-learn's digits, 8 by 8 pixels. A fifth of them are public and without labels: the codebook is
made of those. Of the rest 300 are queries, and the others are private. The release goes into a
safetensors file with its certificate, and attention over that file is six lines of numpy.

    python private_cache.py FOLDER [--epsilon 1]

cache_in_torch.py and cache_in_onnxruntime.py read the same folder.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from safetensors import safe_open
from sklearn.datasets import load_digits

import dpattn

CELLS, SHARPNESS = 32, 20.0
DELTA = 1e-5  # well below 1 / private rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epsilon", type=float, default=1.0)
    options = parser.parse_args()

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    X = data.data[order] - 5.0  # a public centre: about the mean of any picture of a digit
    X = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)  # norm 1: the bound of every key is known
    labels = data.target[order]
    public, private, ask = X[:359], slice(359, 1497), slice(1497, None)

    params = dpattn.Params(
        mechanism="codebook", codebook=dpattn.codebook.fit(public, CELLS, seed=0),
        key_dim=64, value_dim=10, key_bound=1.0, value_bound=1.0, scale=SHARPNESS, adjacency="add_remove",
    )  # fmt: skip
    with dpattn.Builder(params) as builder:
        builder.add(X[private], np.eye(10, dtype=np.float32)[labels[private]])
        release = builder.release(epsilon=options.epsilon, delta=DELTA)
    print(release)
    release.save(options.folder / "digits.dpa")
    release.to_safetensors(options.folder / "digits.safetensors")
    np.save(options.folder / "queries.npy", X[ask])

    weights, noise = release.attend(X[ask], return_std=True)
    exact = np.exp(SHARPNESS * X[ask] @ X[private].T) @ np.eye(10)[labels[private]]
    print(f"accuracy {right(weights, labels[ask]):.3f} private, {right(exact, labels[ask]):.3f} by exact attention")
    print(f"standard deviation of the noise in a weight: {np.median(noise):.3f}")

    alone, certificate = attend(options.folder / "digits.safetensors", X[ask])
    print(f"numpy with the file alone: largest difference {np.abs(alone - weights).max():.1e}")
    print(f"its certificate says epsilon = {certificate['epsilon']} for unit {certificate['unit']['kind']}")


def attend(path: Path, queries: np.ndarray) -> tuple[np.ndarray, dict]:
    """Attention over one head of a cache, without dpattn."""
    with safe_open(path, framework="np") as file:
        keys, values, bias, scale = (file.get_tensor(name) for name in ("keys", "values", "bias", "scale"))
        certificate = json.loads(file.metadata()["certificate"])
    logits = scale * queries @ keys[0].T + bias[0]
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights @ values[0] / weights.sum(axis=1, keepdims=True), certificate


def right(weights: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(weights.argmax(axis=1) == labels))


if __name__ == "__main__":
    main()
