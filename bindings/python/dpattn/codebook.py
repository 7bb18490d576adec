"""Codebooks: centroids of public rows, for releases of mechanism "codebook"."""

from __future__ import annotations

import math
import warnings
from typing import Any, Optional, Tuple

import numpy as np

from ._c import abi
from ._check import integer, real
from ._errors import InvalidArgumentError, LibraryError

__all__ = ["fit"]

Array = np.ndarray[Any, np.dtype[np.float64]]

# Above so many rows k-means looks at some of them at a time.
MANY_ROWS = 100_000
# Lengths that differ by less, relatively, are one length.
ONE_LENGTH = 1e-3
_BATCH = 8192
# Passes over the rows, at most: later ones change the distance to centroids by less than 1 %.
_PASSES, _MANY_PASSES = 50, 20


def fit(
    public_keys: Any,
    cells: int,
    *,
    key_bound: Optional[float] = None,
    seed: Optional[int] = None,
) -> Array:
    """Centroids of public rows by k-means, for ``Params(mechanism="codebook", codebook=...)``.

    Parameters
    ----------
    public_keys : array_like
        (n, key_dim), or (heads, n, key_dim) for a codebook of each head: PUBLIC rows of the same
        kind as the private keys; see Notes. At least `cells` rows, all finite.
    cells : int
        Centroids, 1..65536 (a head). More are sharper, and each has a smaller share of the private
        rows against the same noise: 64 to 1,024 served best on thousands to tens of thousands of
        private rows.
    key_bound : float, optional
        As in `Params`, > 0: longer rows are scaled to it first, as private keys will be. None: rows
        are taken as they are.
    seed : int, optional
        0..2**32-1: the same rows and seed give the same codebook. None: random. It needs no
        secrecy, since nothing here is private.

    Returns
    -------
    ndarray
        float64 (cells, key_dim), or (heads, cells, key_dim).

    Raises
    ------
    InvalidArgumentError
        If there are fewer (different) rows than cells, or an argument is wrong otherwise.
    LibraryError
        If scikit-learn is not installed.

    Notes
    -----
    **Public** means that the guarantee does not cover these rows: nobody's privacy may rest on
    them, and none of them may be taken from the private data, however few. Rows of people who
    agreed, of a published data set, or written for the purpose are public; a sample of the private
    rows is not, and a codebook fitted to it voids the guarantee. The library cannot tell.

    **Of the same kind** means made as the private keys are: by the same model, layer and head, with
    the same centring and scaling, from texts or pictures of the same sort. Labels or values are not
    needed. A codebook of another kind is as private and much less accurate, since all private keys
    then fall into the few cells that happen to be near. On requests to an assistant (CLINC, ten
    domains, MiniLM embeddings, epsilon = 1) a codebook of other requests answers 95 % rightly, one
    of news texts 64 % (docs/utility.md).

    k-means is scikit-learn's; above 100,000 rows its mini-batch form. Where all rows have one
    length (to one in a thousand: normalised embeddings), centroids are scaled to it. A mean is
    shorter than its rows, the more the wider its cell, which would keep queries away from wide
    cells.
    """
    try:
        import sklearn.cluster
        import sklearn.exceptions
    except ImportError:
        raise LibraryError(
            "dpattn.codebook.fit needs scikit-learn; install it with: pip install scikit-learn"
        ) from None
    cells = integer("cells", cells, 1, abi.MAX_CELLS)
    bound = None if key_bound is None else real("key_bound", key_bound, 0.0, math.inf)
    seed = None if seed is None else integer("seed", seed, 0, 2**32 - 1)
    rows = _rows(public_keys)
    if rows.shape[-2] < cells:
        raise InvalidArgumentError(
            f"public_keys has {rows.shape[-2]} rows{' a head' if rows.ndim == 3 else ''}; it must have at least "
            f"cells = {cells}"
        )
    heads = rows if rows.ndim == 3 else rows[None]
    codebook = np.empty((len(heads), cells, rows.shape[-1]))
    for h, keys in enumerate(heads):
        x, size = _scaled(keys, bound)
        many = len(x) > MANY_ROWS
        if many:
            means = sklearn.cluster.MiniBatchKMeans(
                cells, batch_size=max(_BATCH, 4 * cells), max_iter=_MANY_PASSES, random_state=seed
            )
        else:
            means = sklearn.cluster.KMeans(cells, max_iter=_PASSES, random_state=seed)
        with warnings.catch_warnings():
            # Fewer different rows than cells: what follows says so.
            warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
            centroids = means.fit(x).cluster_centers_
        if not many and len(np.unique(means.labels_)) < cells:
            where = f" in head {h}" if rows.ndim == 3 else ""
            raise InvalidArgumentError(
                f"public_keys has fewer different rows than cells = {cells}{where}; give more, or choose fewer cells"
            )
        codebook[h] = _lengthened(centroids.astype(np.float64), x) * size
    return codebook if rows.ndim == 3 else codebook[0]


def _rows(public_keys: Any) -> np.ndarray[Any, Any]:
    """Rows (n, d) or (heads, n, d) of finite numbers, memory-mapped ones still so."""
    try:
        rows: np.ndarray[Any, Any] = np.asanyarray(public_keys)
        if rows.dtype.kind == "c":
            raise TypeError("its numbers are complex")
        if rows.dtype.kind not in "fiu":
            rows = rows.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"public_keys cannot be read as an array of floats: {error}") from None
    if rows.ndim not in (2, 3) or 0 in rows.shape:
        raise InvalidArgumentError(
            f"public_keys has shape {rows.shape}; it must be (n, key_dim) or (heads, n, key_dim), and not empty"
        )
    for head in rows if rows.ndim == 3 else rows[None]:
        if not np.isfinite(head).all():
            raise InvalidArgumentError("public_keys holds NaN or Inf; it must be finite")
    return rows


def _scaled(keys: np.ndarray[Any, Any], bound: Optional[float]) -> Tuple[np.ndarray[Any, np.dtype[np.float32]], float]:
    """Rows in units of the largest entry, for which f32 has room, and that unit."""
    size = max(float(keys.max()), -float(keys.min())) or 1.0
    x = np.empty(keys.shape, np.float32)
    np.true_divide(keys, size, out=x, dtype=np.float64, casting="unsafe")
    if bound is not None:
        lengths = np.linalg.norm(x, axis=1, keepdims=True)
        x *= np.minimum(1.0, bound / size / np.maximum(lengths, np.finfo(np.float32).tiny))
    return x, size


def _lengthened(centroids: Array, rows: np.ndarray[Any, np.dtype[np.float32]]) -> Array:
    """The centroids, scaled to the length that all rows have, if they have one."""
    lengths = np.linalg.norm(rows, axis=1)
    low, high = float(lengths.min()), float(lengths.max())
    if high - low > ONE_LENGTH * high:
        return centroids
    own = np.linalg.norm(centroids, axis=1, keepdims=True)
    # A centroid at 0 has no direction: it stays.
    scaled: Array = centroids * np.divide(high, own, out=np.ones_like(own), where=own > 1e-6 * high)
    return scaled
