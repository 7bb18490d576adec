"""The paper's smaller structures: noisy range sums and distances. PUBLIC once they are made."""

from __future__ import annotations

import ctypes
import dataclasses
import json
import math
from typing import Any, Callable, ClassVar, Dict, Optional, Tuple, Type, TypeVar

import numpy as np

from . import _files
from ._builder import Diagnostics, diagnostics_of
from ._c import abi, jobs, tensor
from ._c.buffers import address_and_size, read_bytes
from ._c.handle import Handle
from ._c.library import call, free
from ._check import budget, choice, flag, integer, real
from ._errors import CorruptError, InvalidArgumentError
from ._release import Release, promise

Array = np.ndarray[Any, np.dtype[np.float64]]

# A file begins with 16 bytes of magic and a u32 version; a structure's goes on with the u32 kind of
# the structure.
_MAGIC = b"DPATTN dptree\0\0\0"
_KIND = slice(20, 24)

_Self = TypeVar("_Self", bound="_Structure")


@dataclasses.dataclass(frozen=True)
class StructureInfo:
    """What a `DPTree` or `DPTreeDistance` is and what it guarantees; all public.

    Attributes
    ----------
    adjacency, owner_rows, leaves, dim, squared, range, weight : object
        As they were asked for; a tree has dim 1 and range 1.
    epsilon, delta : float
        The guarantee.
    epsilon0, delta0 : float
        Of one of the mechanisms that it is made of.
    mechanisms : int
        How many those are.
    state_bytes, save_bytes : int
        Sizes of the noisy integers and of the saved file.
    """

    adjacency: str
    owner_rows: int
    leaves: int
    dim: int
    squared: bool
    range: float
    weight: float
    epsilon: float
    delta: float
    epsilon0: float
    delta0: float
    mechanisms: int
    state_bytes: int
    save_bytes: int

    @property
    def guarantee(self) -> str:
        """What is promised, in words."""
        return promise(self)


class _Structure(Handle):
    """What both structures share."""

    _number: ClassVar[int]  # of the structure in files
    info: StructureInfo

    @classmethod
    def _adopt(cls: Type[_Self], handle: int) -> _Self:
        self = cls.__new__(cls)
        self._take(handle)
        return self

    def _take(self, handle: int) -> None:
        self._own(handle)
        raw = abi.StructureInfo(struct_size=ctypes.sizeof(abi.StructureInfo))
        call(f"dpattn_{self._kind}_info", handle, ctypes.byref(raw))
        values = {field.name: getattr(raw, field.name) for field in dataclasses.fields(StructureInfo)}
        words = {number: word for word, number in abi.ADJACENCY.items()}
        values.update(adjacency=words[raw.adjacency], squared=bool(raw.squared))
        self.info = StructureInfo(**values)

    @classmethod
    def from_bytes(cls: Type[_Self], data: Any) -> _Self:
        """Load from the bytes of a file.

        Raises
        ------
        CorruptError
            If `data` was cut, altered, or is something else.
        """
        address, size, _owner = address_and_size(data, "data")
        handle = ctypes.c_uint64()
        call(f"dpattn_{cls._kind}_load", address, size, ctypes.byref(handle))
        return cls._adopt(handle.value)

    def to_bytes(self) -> bytes:
        """The bytes of the file: the same on every machine."""
        return read_bytes(f"dpattn_{self._kind}_save", self._open())

    def save(self, path: _files.PathLike) -> None:
        """Write the file at `path` atomically; it may replace a file, but no ledger."""
        _files.write(path, self.to_bytes())

    def certificate(self) -> Dict[str, Any]:
        """Everything needed to recompute the guarantee: composition, and every term's noise."""
        text = read_bytes(f"dpattn_{self._kind}_certificate", self._open())
        certificate: Dict[str, Any] = json.loads(text.rstrip(b"\0"))
        return certificate

    def __repr__(self) -> str:
        i = self.info
        unit = "row" if i.owner_rows == 0 else f"owner of up to {i.owner_rows} rows"
        state = "" if self._handle else "; closed"
        return (
            f"<dpattn.{type(self).__name__} ({i.epsilon:g}, {i.delta:g})-DP, {i.adjacency}, unit: {unit}; "
            f"leaves={i.leaves} {self._shown()}weight={i.weight:g}; {i.save_bytes:,} bytes{state}>"
        )

    def _shown(self) -> str:
        return ""

    def __reduce__(self) -> Tuple[Callable[[Any], Any], Tuple[bytes]]:
        return (type(self).from_bytes, (self.to_bytes(),))


def _params(adjacency: str, owner_rows: int, leaves: int, most: int, weight: float, **more: Any) -> abi.StructureParams:
    return abi.StructureParams(
        struct_size=ctypes.sizeof(abi.StructureParams),
        adjacency=abi.ADJACENCY[choice("adjacency", adjacency, abi.ADJACENCY)],
        owner_rows=integer("owner_rows", owner_rows, 0, abi.MAX_OWNER_ROWS),
        leaves=integer("leaves", leaves, 1, most),
        weight=real("weight", weight, 0.0, math.inf),
        **more,
    )


def _make(
    name: str,
    rows: Tuple[Any, ...],
    params: abi.StructureParams,
    spend: Tuple[float, float],
    on_diagnostics: Optional[Callable[[Diagnostics], object]],
    progress: jobs.ProgressLike,
    label: str,
) -> int:
    """Call one of the two constructors."""
    epsilon, delta = spend
    cost = abi.Budget(struct_size=ctypes.sizeof(abi.Budget), epsilon=epsilon, delta=delta)
    counts = abi.Diagnostics(struct_size=ctypes.sizeof(abi.Diagnostics))
    handle = ctypes.c_uint64()

    def work(pointer: Any) -> None:
        reference = None if on_diagnostics is None else ctypes.byref(counts)
        call(
            f"dpattn_{name}_create",
            ctypes.byref(params),
            *rows,
            ctypes.byref(cost),
            pointer,
            reference,
            ctypes.byref(handle),
        )

    try:
        jobs.run(work, progress, label, jobs.LONG)
        if on_diagnostics is not None:
            on_diagnostics(diagnostics_of(counts))
    except BaseException:
        if handle.value:  # nobody has seen it, and nobody will
            free(f"dpattn_{name}_free", handle.value)
        raise
    return handle.value


class DPTree(_Structure):
    """The paper's DPTree: noisy sums over ranges of an ordered, private list. PUBLIC, immutable.

    Its values are read once; every query after that is post-processing.

    Parameters
    ----------
    values : array_like
        (n,) private numbers; NaN and Inf contribute nothing.
    epsilon, delta : float
        The budget, spent once. A `Ledger` does not know of it: count it beside what the ledger
        allows.
    adjacency : {"add_remove", "replace"}
        Neighbours have one value more or less, or one value changed with its position; the others
        keep their places: give `positions` where values may be deleted from the middle, since
        without them all later ones move up.
    leaves : int
        Length of the list, 1..2**28: a public number, never one counted in private data.
    weight : float
        Values are in [-weight, weight]; others are clipped.
    positions : array_like of int, optional
        (n,): the place of each value, 0..leaves-1 (values elsewhere contribute nothing); None:
        value i has place i.
    owners : array_like of int, optional
        (n,): the owner of each value; required with `owner_rows`.
    owner_rows : int
        0: the unit is a value. m: the unit is an owner, of whom the first m values count.
    on_diagnostics : callable, optional
        Called with SECRET counts, a `Diagnostics`, before the tree is given out.
    progress : callable or bool, optional
        As in `Builder.add`.

    Examples
    --------
    >>> tree = DPTree(visits_per_minute, epsilon=1, delta=1e-6, adjacency="replace", leaves=1440,
    ...               weight=50)  # doctest: +SKIP
    >>> tree.sum(540, 600)  # doctest: +SKIP
    """

    _kind = "tree"
    _number = 1

    def __init__(
        self,
        values: Any,
        *,
        epsilon: float,
        delta: float,
        adjacency: str,
        leaves: int,
        weight: float,
        positions: Any = None,
        owners: Any = None,
        owner_rows: int = 0,
        on_diagnostics: Optional[Callable[[Diagnostics], object]] = None,
        progress: jobs.ProgressLike = None,
    ) -> None:
        params = _params(adjacency, owner_rows, leaves, abi.MAX_TREE_LEAVES, weight)
        numbers = _vector(values, "values", np.float64)
        places = None if positions is None else _vector(positions, "positions", np.int64)
        if places is not None and places.shape != numbers.shape:
            raise InvalidArgumentError(f"positions has shape {places.shape}; it must be {numbers.shape}, like values")
        ids = None if owners is None else tensor.owners(owners, len(numbers))
        rows = (
            numbers.ctypes.data,
            None if places is None else places.ctypes.data,
            None if ids is None else ids.ctypes.data,
            len(numbers),
        )
        spend = budget(epsilon, delta)
        self._take(_make("tree", rows, params, spend, on_diagnostics, progress, "making a tree"))

    def sum(self, first: Any, last: Any, return_std: bool = False) -> Any:
        """Noisy sums of the places first..last-1.

        Parameters
        ----------
        first, last : int or array_like of int
            0 <= first <= last <= leaves; arrays are broadcast against each other.
        return_std : bool
            Also return the standard deviation of the noise, a function of public numbers.

        Returns
        -------
        float or array
            Shaped as `first` and `last` together; a pair of them with `return_std`.
        """
        try:
            lo, hi = np.broadcast_arrays(np.asarray(first), np.asarray(last))
        except ValueError:
            raise InvalidArgumentError("first and last have shapes that cannot be broadcast together") from None
        lows, highs = (_vector(x.ravel(), name, np.int64) for x, name in ((lo, "first"), (hi, "last")))
        sums, std = np.empty(lo.shape), np.empty(lo.shape)
        call(
            "dpattn_tree_query",
            self._open(),
            lows.ctypes.data,
            highs.ctypes.data,
            lows.size,
            sums.ctypes.data,
            std.ctypes.data if return_std else None,
        )
        return (sums[()], std[()]) if return_std else sums[()]


class DPTreeDistance(_Structure):
    """The paper's DPTreeDistance, and DPTreeHighDim: noisy sums of distances to private points.

    PUBLIC, immutable: the points are read once, and every query after that is post-processing.

    Parameters
    ----------
    points : array_like
        (n,) or (n, dim) private points; a row with NaN or Inf contributes nothing.
    weights : array_like, optional
        (n,) private weights; None: every weight is `weight`.
    epsilon, delta : float
        The budget, spent once.
    adjacency : {"add_remove", "replace"}
        Neighbours have one point more or less, or one point and its weight changed.
    range : float
        Entries of points are in [0, range]; others are clipped.
    weight : float
        Weights are in [-weight, weight]; others are clipped.
    leaves : int
        Points of the fixed grid that every coordinate is rounded to, 1..2**20: a public number.
        Rounding moves a coordinate by at most range / (2 * leaves).
    squared : bool
        Keep what `l2` needs, which costs budget.
    owners, owner_rows, on_diagnostics, progress : object
        As in `DPTree`.
    """

    _kind = "distance"
    _number = 3

    def __init__(
        self,
        points: Any,
        weights: Any = None,
        *,
        epsilon: float,
        delta: float,
        adjacency: str,
        range: float,  # noqa: A002 (as in Params)
        weight: float,
        leaves: int,
        squared: bool = False,
        owners: Any = None,
        owner_rows: int = 0,
        on_diagnostics: Optional[Callable[[Diagnostics], object]] = None,
        progress: jobs.ProgressLike = None,
    ) -> None:
        array = _points(points, "points")
        dim = array.shape[1]
        params = _params(
            adjacency,
            owner_rows,
            leaves,
            abi.MAX_LEAVES,
            weight,
            dim=integer("the last axis of points", dim, 1, abi.MAX_DIM),
            range=real("range", range, 0.0, math.inf),
            squared=int(flag("squared", squared)),
        )
        heavy = None if weights is None else _vector(weights, "weights", np.float64)
        if heavy is not None and len(heavy) != len(array):
            raise InvalidArgumentError(f"weights has {len(heavy)} numbers; it must have one for each point")
        ids = None if owners is None else tensor.owners(owners, len(array))
        rows = (
            tensor.view(array, "points").pack(),
            None if heavy is None else tensor.view(heavy[:, None], "weights").pack(),
            None if ids is None else ids.ctypes.data,
        )
        spend = budget(epsilon, delta)
        self._take(_make("distance", rows, params, spend, on_diagnostics, progress, "making a distance structure"))

    def l1(self, Y: Any) -> Any:
        """Noisy sums of weight * |point - y|_1.

        Parameters
        ----------
        Y : array_like
            (m, dim) queries, or (dim,) for one; with dim 1 also a number or (m,) numbers. Entries
            outside [0, range] are clipped, and NaN gives NaN.

        Returns
        -------
        float or array
            float64, one number for each query.
        """
        return self._query(Y, 0)

    def l2(self, Y: Any) -> Any:
        """Noisy sums of weight * |point - y|^2, for a structure with ``squared=True``; as `l1`."""
        return self._query(Y, 1)

    def _query(self, Y: Any, which: int) -> Any:
        dim = self.info.dim
        queries = np.asarray(Y)
        if dim == 1 and queries.ndim < 2:
            rows, shape = queries.reshape(-1, 1), queries.shape
        else:
            if queries.ndim not in (1, 2) or queries.shape[-1] != dim:
                raise InvalidArgumentError(f"Y has shape {queries.shape}; it must be ({dim},) or (m, {dim})")
            rows, shape = queries.reshape(-1, dim), queries.shape[:-1]
        rows = _points(rows, "Y")
        out = np.empty((len(rows), 1))
        wanted = [None, None]
        wanted[which] = tensor.view(out, "out").pack()  # type: ignore[call-overload]
        call("dpattn_distance_query", self._open(), tensor.view(rows, "Y").pack(), *wanted)
        return out.reshape(shape)[()]

    def _shown(self) -> str:
        i = self.info
        return f"dim={i.dim} range={i.range:g} {'l1 and l2' if i.squared else 'l1'} "


def _vector(value: Any, name: str, dtype: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """A contiguous array of one axis."""
    array = np.asarray(value)
    if array.ndim != 1:
        raise InvalidArgumentError(f"{name} has shape {array.shape}; it must have one axis")
    if dtype is np.int64 and array.size and not np.can_cast(array.dtype, np.int64):
        raise InvalidArgumentError(f"{name} has dtype {array.dtype}; it must be an integer type within int64")
    try:
        return np.ascontiguousarray(array, dtype)
    except (TypeError, ValueError):
        raise InvalidArgumentError(f"{name} has dtype {array.dtype}; it must be numbers") from None


def _points(value: Any, name: str) -> Array:
    """(n, dim) or (n,) numbers as a float64 matrix."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise InvalidArgumentError(f"{name} cannot be read as an array of numbers") from None
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise InvalidArgumentError(f"{name} has shape {array.shape}; it must be (n,) or (n, dim)")
    return np.ascontiguousarray(array)


def load(path: _files.PathLike) -> Any:
    """Load a file of this library.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Release, DPTree or DPTreeDistance
        As the file says.

    Raises
    ------
    OSError
        If the file cannot be read.
    CorruptError
        If it was cut, altered, or is none of these.
    """
    with open(path, "rb") as file:
        data = file.read()
    if not data.startswith(_MAGIC):
        return Release.from_bytes(data)
    number = int.from_bytes(data[_KIND], "little")
    for kind in (DPTree, DPTreeDistance):
        if kind._number == number:
            return kind.from_bytes(data)
    raise CorruptError(f"data: it is structure number {number} of the DPTree family; Python loads 1 and 3")
