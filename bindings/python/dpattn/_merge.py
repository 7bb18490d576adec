"""Attention over disjoint key sets."""

from __future__ import annotations

from typing import Any, Tuple

import numpy as np

from ._c import tensor
from ._c.library import call
from ._c.tensor import View, view
from ._errors import InvalidArgumentError

Partial = Tuple[Any, Any]


def merge(a: Partial, b: Partial) -> Tuple[Any, Any]:
    """Merge two partial attention results over disjoint key sets, as flash attention does.

    ``out = (e^la out_a + e^lb out_b) / (e^la + e^lb)`` and ``lse = ln(e^la + e^lb)``, so that a
    private context (a release) and a public one (exact attention) combine.

    Parameters
    ----------
    a, b : tuple of array_like
        (out, lse): out is (d_v,), (m, d_v) or (heads, m, d_v), and lse has the same shape without
        the last axis: the natural log of the denominator. An lse of -inf means an empty set.

    Returns
    -------
    out : array
        Of the shape of both outs, and of the wider of their types; a torch tensor if a's is one,
        else numpy's.
    lse : array of float64

    Raises
    ------
    InvalidArgumentError
        If shapes do not agree.
    """
    views = []
    for name, partial in (("a", a), ("b", b)):
        if not isinstance(partial, (tuple, list)) or len(partial) != 2:
            raise InvalidArgumentError(f"{name} is {type(partial).__name__}; it must be a tuple (out, lse)")
        out = view(partial[0], f"{name}[0] (out)")
        lse = _lse(partial[1], f"{name}[1] (lse)", out.shape[:-1])
        views += [out, lse]
    out_a, _, out_b, _ = views
    if out_a.shape != out_b.shape:
        raise InvalidArgumentError(f"a and b have outs of shapes {out_a.shape} and {out_b.shape}; they must agree")
    like, shape = a[0], out_a.shape
    if out_a.code == out_b.code:
        dtype = None if tensor.torch_of(like) else out_a.dtype
    else:  # ml_dtypes' bfloat16 and float16 have no common type of their own
        dtype = np.result_type(np.float32, *_native(out_a, out_b))
    out, lse = tensor.empty(like, dtype, shape), tensor.empty(like, np.dtype(np.float64), shape[:-1])
    results = [view(out, "out"), _lse(lse, "lse", shape[:-1])]
    call("dpattn_merge", *(v.pack() for v in views + results))
    return out, lse if tensor.torch_of(like) else lse[()]


def _lse(x: Any, name: str, shape: Tuple[int, ...]) -> View:
    """[..] as [.., 1]; a scalar beside one row."""
    lse = view(x, name, 0)
    if lse.shape != shape:
        raise InvalidArgumentError(f"{name} has shape {lse.shape}; it must be {shape}, its out without the last axis")
    return lse.column()


def _native(*views: View) -> list[np.dtype[Any]]:
    return [np.dtype(np.float32) if v.dtype.kind == "V" else v.dtype for v in views]
