"""A release behind the call that attention has in torch."""

from __future__ import annotations

import math
from typing import Any, Optional, Tuple

import numpy as np

from ._c import tensor
from ._check import flag, real
from ._errors import InvalidArgumentError
from ._release import Release


def scaled_dot_product_attention(
    query: Any,
    release: Release,
    *,
    scale: Optional[float] = None,
    enable_gqa: bool = False,
    out_dtype: Any = None,
    return_lse: bool = False,
) -> Any:
    """Attend to a private context as torch's function of this name does to keys and values.

    Parameters
    ----------
    query : array
        (..., query_heads, m, key_dim), as torch has it, or (m, key_dim) for one head. A numpy array
        or a CPU array with DLPack; a torch tensor must not require a gradient, since none flows
        through a release.
    release : Release
        In the place of key and value.
    scale : float, optional
        As in torch: None means 1 / sqrt(key_dim). It must be the scale that the release was made
        with.
    enable_gqa : bool
        As in torch: query_heads may be a multiple of the release's heads, and each of these serves
        query_heads / heads query heads that follow each other. A release of one head then serves
        all.
    out_dtype : dtype, optional
        Of the answer, numpy's or torch's as the query; None: that of the query.
    return_lse : bool
        Also return the natural log of the denominator, float64, (..., query_heads, m): for `merge`.

    Returns
    -------
    array or tuple
        (..., query_heads, m, value_dim): a torch tensor for a torch tensor, else numpy's; or a
        tuple of it and the lse.

    Raises
    ------
    InvalidArgumentError
        If shapes or scales do not agree.

    Notes
    -----
    One pass over the release serves the whole batch. Queries of a batch of one, or of one head, are
    read in place where their strides allow it; otherwise they are laid side by side first. The
    release itself is never copied.
    """
    if not isinstance(release, Release):
        raise InvalidArgumentError(f"release is a {type(release).__name__}; it must be a dpattn.Release")
    if tensor.torch_of(query) is None and not isinstance(query, np.ndarray):
        query = np.from_dlpack(query) if hasattr(query, "__dlpack__") else np.asarray(query)
    info = release.info
    _check_scale(scale, info.key_dim, info.scale)
    shape = tuple(query.shape)
    if len(shape) < 2 or shape[-1] != info.key_dim:
        raise InvalidArgumentError(f"query has shape {shape}; it must be (..., query_heads, m, {info.key_dim})")
    heads = shape[-3] if len(shape) > 2 else 1
    groups = _groups(heads, info.heads, flag("enable_gqa", enable_gqa))
    batch, m = math.prod(shape[:-3]), shape[-2]

    # [batch, heads, groups, m, d] <-> [heads, batch * groups * m, d], which is what one call takes.
    def gather(x: Any) -> Any:
        parts = x.reshape((batch, info.heads, groups, m, info.key_dim))
        return _swap(parts).reshape((info.heads, batch * groups * m, info.key_dim))

    def scatter(x: Any, last: Tuple[int, ...]) -> Any:
        parts = x.reshape((info.heads, batch, groups, m, *last))
        return _swap(parts).reshape((*shape[:-1], *last))

    queries = gather(query)
    out = None
    if out_dtype is not None:
        out = tensor.empty(queries, out_dtype, (*queries.shape[:-1], info.value_dim))
    if not return_lse:
        return scatter(release.attend(queries, out), (info.value_dim,))
    answers, lse = release.attend(queries, out, return_lse=True)
    return scatter(answers, (info.value_dim,)), scatter(lse, ())


def _swap(x: Any) -> Any:
    """Axes 0 and 1 exchanged, as a view."""
    return x.swapaxes(0, 1)


def _groups(heads: int, held: int, grouped: bool) -> int:
    if heads == held:
        return 1
    if not grouped:
        raise InvalidArgumentError(
            f"query has {heads} heads and the release {held}; they must agree, or be a multiple with enable_gqa=True"
        )
    if heads % held:
        raise InvalidArgumentError(f"query has {heads} heads; it must be a multiple of the release's {held}")
    return heads // held


def _check_scale(scale: Optional[float], key_dim: int, held: float) -> None:
    wanted = 1.0 / math.sqrt(key_dim) if scale is None else real("scale", scale, 0.0, math.inf)
    if not math.isclose(wanted, held, rel_tol=1e-6):
        default = ", which is 1 / sqrt(key_dim)" if scale is None else ""
        raise InvalidArgumentError(f"scale is {scale}{default}; it must be {held:.9g}, that of the release")
