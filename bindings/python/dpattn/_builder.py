"""The SECRET side: exact sums over private rows, no noise yet."""

from __future__ import annotations

import ctypes
import dataclasses
from typing import Any, NoReturn, Optional, Tuple

from ._c import abi, jobs, tensor
from ._c.buffers import address_and_size, read_bytes
from ._c.handle import Handle
from ._c.library import call, free
from ._check import budget, integer
from ._errors import InvalidArgumentError
from ._ledger import Ledger, _label
from ._params import Params
from ._release import Release

# One exactly sampled number takes about as long as this many multiplications.
_NOISE_COST = 300


@dataclasses.dataclass(frozen=True)
class Diagnostics:
    """SECRET counts over all heads: exact functions of the private data. Do not publish them.

    Attributes
    ----------
    rows : int
        Rows given, over all heads.
    keys_clipped, values_clipped : int
        Keys (values) longer than their bound, scaled to it.
    rows_zeroed : int
        Rows with NaN or Inf: they contribute nothing.
    rows_shrunk : int
        Rows over the integer norm gate by rounding, made a little shorter.
    rows_dropped : int
        Rows beyond `owner_rows` of their owner.
    owners : int
        Distinct owners, over all heads (0 when the unit is a row).
    owners_clipped : int
        Of those, the ones whose rows add up to more than `owner_bound`: scaled to it.
    """

    rows: int
    keys_clipped: int
    values_clipped: int
    rows_zeroed: int
    rows_shrunk: int
    rows_dropped: int
    owners: int
    owners_clipped: int


def diagnostics_of(raw: abi.Diagnostics) -> Diagnostics:
    """The counts of a C struct."""
    return Diagnostics(**{field.name: getattr(raw, field.name) for field in dataclasses.fields(Diagnostics)})


class Builder(Handle):
    """Collects private rows in one trusted process. SECRET until `release` has spent the budget.

    The sum does not depend on the order, chunks or threads in which rows come. Memory does not grow
    with their number (with owners it grows with the number of rows that are kept).

    Parameters
    ----------
    params : Params
        The public parameters.

    Raises
    ------
    OutOfMemoryError
        If the state would not fit; the message says how many bytes it would need.
    LibraryError
        If the C library cannot be loaded.

    Examples
    --------
    >>> with Builder(params) as builder:  # doctest: +SKIP
    ...     builder.add(K, V)
    ...     release = builder.release(epsilon=1.0, delta=1e-6)
    """

    _kind = "builder"

    def __init__(self, params: Params) -> None:
        if not isinstance(params, Params):
            raise InvalidArgumentError(f"params is a {type(params).__name__}; it must be a dpattn.Params")
        handle = ctypes.c_uint64()
        call("dpattn_builder_create", ctypes.byref(params._to_c()), ctypes.byref(handle))
        self._adopt(handle.value)

    def _adopt(self, handle: int) -> None:
        self._own(handle)
        self._facts = abi.Info(struct_size=ctypes.sizeof(abi.Info))
        call("dpattn_builder_info", handle, ctypes.byref(self._facts))

    @classmethod
    def import_secret(cls, data: Any) -> Builder:
        """Make a builder from an exported SECRET partial, to be merged once, or continued.

        Parameters
        ----------
        data : bytes-like
            What `export_secret` gave.

        Raises
        ------
        CorruptError
            If `data` was cut, altered, or is no partial.
        UnsupportedError
            If it was written by a later version.
        LimitError
            If it has rows of more than 2**20 partials.
        """
        address, size, _owner = address_and_size(data, "data")
        handle = ctypes.c_uint64()
        call("dpattn_builder_import_secret", address, size, ctypes.byref(handle))
        builder = cls.__new__(cls)
        builder._adopt(handle.value)
        return builder

    def add(
        self,
        K: Any,
        V: Any,
        owners: Any = None,
        head: Optional[int] = None,
        progress: jobs.ProgressLike = None,
    ) -> None:
        """Add private rows.

        Data never cause an error: longer rows are scaled to the bounds, and rows with NaN or Inf
        count as zero; see `diagnostics`.

        Parameters
        ----------
        K : array_like
            Keys, (n, key_dim), or (heads, n, key_dim) for all heads at once; row j is the same unit
            in every head.
        V : array_like
            Values, (n, value_dim) or (heads, n, value_dim).
        owners : array_like of int, optional
            (n,): the owner of each row. Required if `owner_rows` of the parameters is set, refused
            otherwise.
        head : int, optional
            The head that (n, d) rows belong to; needed only if there are several.
        progress : callable or bool, optional
            Called as progress(done, total) in this thread; or True for a progress bar. If it
            raises, the work is cancelled, no row of this call stays added, and the exception goes
            on. So does Ctrl-C.

        Raises
        ------
        InvalidArgumentError
            If shapes or types are wrong.
        ConsumedError
            If the builder was released or merged into another one.
        LimitError
            If a head would get more than 2**30 rows.

        Notes
        -----
        float32, float64, float16 and bfloat16 in CPU memory are read in place, whatever their
        strides.
        """
        keys = tensor.view(K, "K", 2)
        values = tensor.view(V, "V", 2)
        which = self._check_shapes(keys.shape, values.shape, head)
        rows = keys.shape[-2]
        ids = None if owners is None else tensor.owners(owners, rows)
        k, v, o = keys.pack(), values.pack(), None if ids is None else ids.ctypes.data
        handle = self._open()

        def work(pointer: Any) -> None:
            call("dpattn_builder_add", handle, which, k, v, o, pointer)

        jobs.run(work, progress, "adding rows", rows * self._row_cost())

    def merge(self, other: Builder) -> None:
        """Add everything in `other`, which is consumed and wiped.

        The sums are those of one builder that was given all rows.

        Raises
        ------
        MismatchError
            If the two have different parameters.
        InvalidArgumentError
            If `other` is this builder itself, or holds rows of a partial that this one has already
            (a shard that was sent twice, a builder and its own export): they would count twice.
            Neither is changed.
        LimitError
            If a head would get more than 2**30 rows, or the whole rows of more than 2**20 partials.
        """
        if not isinstance(other, Builder):
            raise InvalidArgumentError(f"other is a {type(other).__name__}; it must be a dpattn.Builder")
        call("dpattn_builder_merge", self._open(), other._open())

    def export_secret(self) -> bytes:
        """Give the SECRET partial sums, un-noised, for another trusted process.

        Protect them like the data.

        The first export of a builder with rows names them by a random origin, by which `merge`
        refuses to count them twice. So another builder of the same rows gives other bytes, and its
        rows are other rows: a worker that runs twice over the same input and exports twice is not
        noticed. A builder without rows gives a template for many.

        Raises
        ------
        EntropyError
            If the kernel gave no randomness.
        """
        return read_bytes("dpattn_builder_export_secret", self._open())

    def diagnostics(self) -> Diagnostics:
        """Give SECRET counts of rows seen, clipped, zeroed and dropped.

        With `owner_bound` it sums the owners' rows, which takes as long as at `release`.
        """
        result = abi.Diagnostics(struct_size=ctypes.sizeof(abi.Diagnostics))
        call("dpattn_builder_diagnostics", self._open(), ctypes.byref(result))
        return diagnostics_of(result)

    def release(
        self,
        *,
        epsilon: float,
        delta: float,
        ledger: Optional[Ledger] = None,
        label: Optional[str] = None,
        progress: jobs.ProgressLike = None,
    ) -> Release:
        """Spend the budget once: add noise, make a public release, and wipe this builder.

        Parameters
        ----------
        epsilon : float
            > 0.
        delta : float
            In (0, 1); choose it well below 1 / number of units.
        ledger : Ledger, optional
            The account of the data set. The release is made only if the ledger can afford it, and
            is on disk there before it is returned.
        label : str, optional
            Names the release in the ledger, in up to 255 bytes. A label that the ledger has gives
            its release once more, the same bytes, at no further cost; data that have changed need a
            new label. Without one the release's id is its label.
        progress : callable or bool, optional
            As in `add`. If it raises, the builder stays as it was.

        Returns
        -------
        Release

        Raises
        ------
        InvalidArgumentError
            If the budget is out of range; the builder stays as it was.
        ConsumedError
            If the builder was released already.
        EntropyError
            If the kernel gave no randomness; nothing was spent.
        LimitError
            If epsilon is too small for the integer grid.
        OverspentError
            If the ledger cannot afford it; no noise was drawn.
        MismatchError
            If the ledger has this label with other parameters or another budget, or is for other
            neighbours.
        FileError, BusyError, CorruptError
            If there is trouble with the ledger's file; the builder stays as it was.
        """
        epsilon, delta = budget(epsilon, delta)
        if ledger is not None and not isinstance(ledger, Ledger):
            raise InvalidArgumentError(f"ledger is a {type(ledger).__name__}; it must be a dpattn.Ledger")
        if ledger is None and label is not None:
            raise InvalidArgumentError(f"label is {label!r}; it names a release in a ledger, and there is none")
        account = None if ledger is None else (ledger._open(), _label(label))
        spend = abi.Budget(struct_size=ctypes.sizeof(abi.Budget), epsilon=epsilon, delta=delta)
        result = ctypes.c_uint64()
        handle = self._open()

        def work(pointer: Any) -> None:
            spent = (handle, ctypes.byref(spend), pointer, ctypes.byref(result))
            if account is None:
                call("dpattn_builder_release", *spent)
            else:
                call("dpattn_ledger_release", *account, *spent)

        try:
            jobs.run(work, progress, "adding noise", _NOISE_COST * self._state_size())
        except BaseException:
            if result.value:  # interrupted in the last moment: nobody has seen this release, and nobody will
                free("dpattn_release_free", result.value)
            raise
        return Release._adopt(result.value)

    def __repr__(self) -> str:
        state = "open" if self._handle else "closed"
        names = ("heads", "key_dim", "value_dim", "cells" if self._facts.cells else "degree")
        shape = " ".join(f"{name}={getattr(self._facts, name)}" for name in names)
        return f"<dpattn.Builder SECRET: un-noised sums of private rows; {shape}; {state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a dpattn.Builder holds un-noised private sums and is not pickled or copied; use export_secret() and "
            "Builder.import_secret() between trusted processes"
        )

    def _check_shapes(self, keys: Tuple[int, ...], values: Tuple[int, ...], head: Optional[int]) -> int:
        """The C head number, after naming K, V or head as what is wrong."""
        heads, key_dim, value_dim = self._facts.heads, self._facts.key_dim, self._facts.value_dim
        if len(keys) != len(values) or keys[:-1] != values[:-1]:
            raise InvalidArgumentError(
                f"K has shape {keys} and V has shape {values}; they must agree in all but the last axis"
            )
        if keys[-1] != key_dim:
            raise InvalidArgumentError(f"K has shape {keys}; its last axis must be key_dim = {key_dim}")
        if values[-1] != value_dim:
            raise InvalidArgumentError(f"V has shape {values}; its last axis must be value_dim = {value_dim}")
        if len(keys) == 3:
            if head is not None:
                raise InvalidArgumentError(f"head is {head!r}; it must be None when K is (heads, n, key_dim)")
            if keys[0] != heads:
                raise InvalidArgumentError(f"K has shape {keys}; its first axis must be heads = {heads}")
            return abi.ALL_HEADS
        if head is None:
            if heads != 1:
                raise InvalidArgumentError(f"head is missing; with {heads} heads, (n, key_dim) rows need one")
            return 0
        return integer("head", head, 0, heads - 1)

    def _row_cost(self) -> int:
        """Multiplications that a row of all heads takes."""
        facts = self._facts
        return max(self._state_size(), int(facts.heads) * int(facts.cells) * int(facts.key_dim))

    def _state_size(self) -> int:
        """Numbers in the state."""
        return int(self._facts.state_bytes) // 8
