"""The public parameters."""

from __future__ import annotations

import ctypes
import dataclasses
import math
from typing import Any, Optional, Tuple

import numpy as np

from ._c import abi
from ._check import choice, flag, integer, real
from ._errors import InvalidArgumentError

# What each mechanism cannot do without; the library refuses what is missing of others.
REQUIRED = {
    "gaussian": ("key_bound", "value_bound", "query_bound"),
    "dptree": ("range", "value_range"),
    "codebook": ("key_bound", "value_bound", "codebook"),
}


# What each mechanism reads beside shapes, adjacency and owner_rows. What others are given the
# library reads or refuses.
READS = {
    "gaussian": (
        *REQUIRED["gaussian"],
        *("degree", "polynomial", "rotate", "scale", "lambda_", "owner_bound", "center", "head_weights"),
    ),
    "dptree": (
        *REQUIRED["dptree"],
        *("degree", "rows", "leaves", "copies", "copy_factor", "relative_error", "failure_probability", "trees"),
    ),
    "codebook": (*REQUIRED["codebook"], "scale", "lambda_", "owner_bound", "head_weights"),
}
_UNREAD = {"key_bound": 0.0, "value_bound": 0.0, "query_bound": 0.0, "polynomial": "minimax", "rotate": True}
_OPTIONAL = sorted({name for names in READS.values() for name in names})


@dataclasses.dataclass(frozen=True, init=False, repr=False, eq=False)
class Params:
    """Everything that is public: shapes, bounds, adjacency. Choose it without looking at the data.

    The attention that is approximated is ``out(q) = sum_j w_j v_j / sum_j w_j`` with
    ``w_j = exp(scale * <q, k_j>)``. All arguments are keyword-only, and the object is immutable.

    Parameters
    ----------
    key_dim, value_dim : int
        Length of a key (and query) and of a value, 1..65536.
    key_bound, value_bound, query_bound : float
        Bounds on the Euclidean norm of a (centred) key, a value and a query, > 0. Longer ones are
        scaled to the bound.
    adjacency : {"add_remove", "replace"}
        What the guarantee hides: that one unit is present (the number of rows is private then), or
        what one unit is (the number of rows is public then; with owner_rows it is not published).
        There is no default.
    heads : int
        1..65536. Row j is one unit across all heads: one budget covers them all.
    degree : int, optional
        Degree of the polynomial that stands for exp, 1..8; None: 2, except that `plan` chooses.
    mechanism : {"gaussian", "dptree", "codebook"}
        "gaussian": the Gaussian moment release, for logits up to about 4. "codebook": sums over the
        cells of public centroids, for attention as sharp as wanted; it needs public rows of the
        same kind as the private keys, and reads key_bound, value_bound, codebook, scale, lambda_,
        owner_bound and head_weights, but neither query_bound, degree, polynomial, rotate nor
        center. "dptree": DPTreeCrossAttention of arXiv 2407.14717, a reference whose error is
        larger by orders of magnitude (docs/paper.md); it reads range, value_range and what is said
        to be its own below instead of the three bounds, and its logit is <q, k> / key_dim. All read
        shapes, adjacency and owner_rows; what a mechanism does not read is refused.
    polynomial : {"minimax", "taylor"}
        "minimax" has the smallest relative error; "taylor" often serves better when only the
        arg-max matters.
    owner_rows : int
        0: the unit is one row. m in 1..1048576: the unit is one owner (a document, a person), of
        whom at most m rows a head are kept, and `Builder.add` requires `owners`.
    owner_bound : float, optional
        How many rows' worth of norm the kept rows of one owner may add to a head together, where a
        row at its bounds is 1; a longer sum is scaled to it. The noise is that of one row times
        `owner_bound`, however many rows are kept. None: `owner_rows`, so that no sum is longer;
        else 1/1024..owner_rows.
    rotate : bool
        Rotate keys and queries by a fixed public Hadamard rotation, which spreads outlier
        coordinates.
    scale : float, optional
        A logit is scale * <q, k>; > 0; None: 1 / sqrt(key_dim). With "gaussian" scale * query_bound
        * key_bound must be <= 64; "codebook" has no limit.
    lambda_ : float, optional
        Weight of the denominator column in units of a value, value_bound/64 .. value_bound*16;
        None: value_bound * value_dim**(-1/4). `lam` is the same under a shorter name.
    center : array_like, optional
        A public vector subtracted from every key: (key_dim,), or (heads, key_dim).
    head_weights : array_like, optional
        (heads,) positive numbers: head h gets the share w_h / sum(w) of the squared privacy loss;
        None: equal shares.
    range, value_range : float
        "dptree" only, required there: entries of keys and queries are in [0, range], range**2 <=
        64; entries of values in [-value_range, value_range]. Others are clipped.
    rows : int, optional
        "dptree": a public number of rows, the default of `leaves`; never one counted in private
        data.
    leaves : int, optional
        "dptree": points of the fixed grid under the trees, 1..2**20.
    copies : int, optional
        "dptree": independent copies whose median answers; None: the paper's
        ceil(copy_factor * r * ln(key_dim * range / (relative_error * failure_probability))).
    copy_factor, relative_error, failure_probability : float, optional
        "dptree": c, eps_s and p_f of that formula; None: 1, 0.1, 0.01. eps_s chooses the degree
        where that is None, and p_f bounds accuracy only: neither enters the guarantee.
    codebook : array_like
        "codebook" only, required there: (cells, key_dim), the same for all heads, or (heads, cells,
        key_dim), 1..65536 cells: centroids of PUBLIC rows of the same kind as the private keys, as
        `dpattn.codebook.fit` makes them. Never of the private rows: the guarantee would be void.
        Centroids longer than key_bound are scaled to it. Queries may have any length.
    trees : bool
        "dptree": False releases the linear sums that the trees' distances come down to.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of range; the message names it.
    """

    key_dim: int
    value_dim: int
    key_bound: float
    value_bound: float
    query_bound: float
    adjacency: str
    heads: int
    degree: Optional[int]
    mechanism: str
    polynomial: str
    owner_rows: int
    owner_bound: Optional[float]
    rotate: bool
    scale: Optional[float]
    lambda_: Optional[float]
    center: Optional[np.ndarray[Any, np.dtype[np.float64]]]
    head_weights: Optional[np.ndarray[Any, np.dtype[np.float64]]]
    range: Optional[float]
    value_range: Optional[float]
    rows: Optional[int]
    leaves: Optional[int]
    copies: Optional[int]
    copy_factor: Optional[float]
    relative_error: Optional[float]
    failure_probability: Optional[float]
    trees: Optional[bool]
    codebook: Optional[np.ndarray[Any, np.dtype[np.float64]]]

    def __init__(
        self,
        *,
        key_dim: int,
        value_dim: int,
        adjacency: str,
        key_bound: Optional[float] = None,
        value_bound: Optional[float] = None,
        query_bound: Optional[float] = None,
        heads: int = 1,
        degree: Optional[int] = None,
        mechanism: str = "gaussian",
        polynomial: str = "minimax",
        owner_rows: int = 0,
        owner_bound: Optional[float] = None,
        rotate: bool = True,
        scale: Optional[float] = None,
        lambda_: Optional[float] = None,
        lam: Optional[float] = None,
        center: Any = None,
        head_weights: Any = None,
        range: Optional[float] = None,  # noqa: A002 (the name in the paper and in C)
        value_range: Optional[float] = None,
        rows: Optional[int] = None,
        leaves: Optional[int] = None,
        copies: Optional[int] = None,
        copy_factor: Optional[float] = None,
        relative_error: Optional[float] = None,
        failure_probability: Optional[float] = None,
        trees: Optional[bool] = None,
        codebook: Any = None,
    ) -> None:
        if lam is not None:
            if lambda_ is not None:
                raise InvalidArgumentError("lam and lambda_ are both given; they are two names of one argument")
            lambda_ = lam

        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        put("heads", integer("heads", heads, 1, abi.MAX_DIM))
        put("key_dim", integer("key_dim", key_dim, 1, abi.MAX_DIM))
        put("value_dim", integer("value_dim", value_dim, 1, abi.MAX_DIM))
        put("degree", None if degree is None else integer("degree", degree, 1, abi.MAX_DEGREE))
        put("owner_rows", integer("owner_rows", owner_rows, 0, abi.MAX_OWNER_ROWS))
        put("owner_bound", None if owner_bound is None else real("owner_bound", owner_bound, 0.0, math.inf))
        put("adjacency", choice("adjacency", adjacency, abi.ADJACENCY))
        put("mechanism", choice("mechanism", mechanism, abi.MECHANISM))
        put("polynomial", choice("polynomial", polynomial, abi.POLYNOMIAL))
        put("rotate", flag("rotate", rotate))
        required = REQUIRED.get(self.mechanism, ())
        for name, value in (("key_bound", key_bound), ("value_bound", value_bound), ("query_bound", query_bound)):
            put(name, real(name, value, 0.0, math.inf) if value or name in required else 0.0)
        for name, wide in (("range", range), ("value_range", value_range)):
            if name in required and wide is None:
                raise InvalidArgumentError(f"{name} is None; mechanism {self.mechanism!r} requires it")
            put(name, None if wide is None else real(name, wide, 0.0, math.inf))
        put("rows", None if rows is None else integer("rows", rows, 1, abi.MAX_ROWS))
        put("leaves", None if leaves is None else integer("leaves", leaves, 1, abi.MAX_LEAVES))
        put("copies", None if copies is None else integer("copies", copies, 1, abi.MAX_COPIES))
        put("copy_factor", None if copy_factor is None else real("copy_factor", copy_factor, 0.0, math.inf))
        put("relative_error", None if relative_error is None else real("relative_error", relative_error, 0.0, 1.0))
        share = failure_probability
        put("failure_probability", None if share is None else real("failure_probability", share, 0.0, 1.0))
        put("trees", None if trees is None else flag("trees", trees))
        put("scale", None if scale is None else real("scale", scale, 0.0, math.inf))
        put("lambda_", None if lambda_ is None else real("lambda_", lambda_, 0.0, math.inf))
        put("center", None if center is None else _center(center, self.heads, self.key_dim))
        book = None
        if "codebook" in required and codebook is None:
            raise InvalidArgumentError(f"codebook is None; mechanism {self.mechanism!r} requires it")
        if codebook is not None:
            book = _codebook(codebook, self.heads, self.key_dim)
        put("codebook", book)
        put("head_weights", None if head_weights is None else _head_weights(head_weights, self.heads))
        reads = READS.get(self.mechanism, _OPTIONAL)
        for name in _OPTIONAL:
            value = getattr(self, name)
            if name in reads or value is None:
                continue
            if isinstance(value, np.ndarray) or value != _UNREAD.get(name):
                shown = f"has shape {value.shape}" if isinstance(value, np.ndarray) else f"is {value!r}"
                raise InvalidArgumentError(
                    f"{name} {shown}; mechanism {self.mechanism!r} does not read it: leave it out"
                )
        if self.mechanism == "gaussian" and self.logit_bound > abi.MAX_LOGIT_BOUND:
            raise InvalidArgumentError(
                f"scale * query_bound * key_bound is {self.logit_bound:g}; it must be at most {abi.MAX_LOGIT_BOUND:g}"
            )
        if self.owner_bound is not None and not abi.MIN_OWNER_BOUND <= self.owner_bound <= self.owner_rows:
            raise InvalidArgumentError(
                f"owner_bound is {self.owner_bound:g}; it must be in 1/{1 / abi.MIN_OWNER_BOUND:g}..owner_rows, and "
                f"owner_rows is {self.owner_rows}"
            )
        if self.lambda_ is not None and not self.value_bound / 64 <= self.lambda_ <= self.value_bound * 16:
            raise InvalidArgumentError(
                f"lambda_ is {self.lambda_:g}; it must be in value_bound/64 .. value_bound*16, here "
                f"{self.value_bound / 64:g} .. {self.value_bound * 16:g}"
            )

    @property
    def logit_bound(self) -> float:
        """The bound b on a logit: scale * query_bound * key_bound; with "dptree" range**2.

        0 with "codebook", which has none.
        """
        if self.range is not None:
            return self.range**2
        scale = self.scale if self.scale is not None else 1.0 / math.sqrt(self.key_dim)
        return scale * self.query_bound * self.key_bound

    def __repr__(self) -> str:
        shown = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                shown.append(f"{field.name}=<array {value.shape}>")
            elif value is not None:
                shown.append(f"{field.name}={value!r}")
        return f"Params({', '.join(shown)})"

    def _key(self) -> Tuple[Any, ...]:
        values = (getattr(self, field.name) for field in dataclasses.fields(self))
        return tuple(value.tobytes() if isinstance(value, np.ndarray) else value for value in values)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Params) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def _to_c(self) -> abi.Params:
        """The C struct; it points into this object's arrays, which must outlive the call."""
        moments = "polynomial" in READS.get(self.mechanism, ())  # others do not read these two
        return abi.Params(
            struct_size=ctypes.sizeof(abi.Params),
            heads=self.heads,
            key_dim=self.key_dim,
            value_dim=self.value_dim,
            degree=self.degree or 0,
            mechanism=abi.MECHANISM[self.mechanism],
            polynomial=0 if not moments and self.polynomial == "minimax" else abi.POLYNOMIAL[self.polynomial],
            adjacency=abi.ADJACENCY[self.adjacency],
            owner_rows=self.owner_rows,
            owner_bound=self.owner_bound or 0.0,
            rotation=0 if not moments and self.rotate else abi.ROTATION["hadamard" if self.rotate else "none"],
            key_bound=self.key_bound,
            value_bound=self.value_bound,
            query_bound=self.query_bound,
            scale=self.scale or 0.0,
            center=None if self.center is None else self.center.ctypes.data,
            head_weights=None if self.head_weights is None else self.head_weights.ctypes.data,
            cells=0 if self.codebook is None else self.codebook.shape[1],
            codebook=None if self.codebook is None else self.codebook.ctypes.data,
            range=self.range or 0.0,
            value_range=self.value_range or 0.0,
            relative_error=self.relative_error or 0.0,
            failure_probability=self.failure_probability or 0.0,
            copy_factor=self.copy_factor or 0.0,
            rows=self.rows or 0,
            leaves=self.leaves or 0,
            copies=self.copies or 0,
            trees=0 if self.trees is None else abi.TREES["kept" if self.trees else "none"],
            **{"lambda": self.lambda_ or 0.0},
        )


def _floats(name: str, value: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"{name} cannot be read as an array of floats: {error}") from None
    if not np.isfinite(array).all():
        raise InvalidArgumentError(f"{name} holds NaN or Inf; it must be finite")
    return array


def _center(value: Any, heads: int, key_dim: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    array = _floats("center", value)
    if array.shape not in ((key_dim,), (heads, key_dim)):
        raise InvalidArgumentError(f"center has shape {array.shape}; it must be ({key_dim},) or ({heads}, {key_dim})")
    array = np.ascontiguousarray(np.broadcast_to(array, (heads, key_dim)))
    array.flags.writeable = False
    return array


def _codebook(value: Any, heads: int, key_dim: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    array = _floats("codebook", value)
    if array.ndim == 2:
        array = np.broadcast_to(array, (heads, *array.shape))
    if array.ndim != 3 or array.shape[0] != heads or array.shape[2] != key_dim:
        raise InvalidArgumentError(
            f"codebook has shape {array.shape}; it must be (cells, {key_dim}) or ({heads}, cells, {key_dim})"
        )
    if not 1 <= array.shape[1] <= abi.MAX_CELLS:
        raise InvalidArgumentError(f"codebook has {array.shape[1]} cells; it must have 1..{abi.MAX_CELLS}")
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array


def _head_weights(value: Any, heads: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    array = _floats("head_weights", value)
    if array.shape != (heads,):
        raise InvalidArgumentError(f"head_weights has shape {array.shape}; it must be ({heads},)")
    if not (array > 0).all():
        raise InvalidArgumentError("head_weights holds a number that is not above 0; all must be positive")
    array.flags.writeable = False
    return array
