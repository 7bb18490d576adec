"""The PUBLIC side: the noisy state. All that is done with it costs no further privacy."""

from __future__ import annotations

import ctypes
import dataclasses
import json
from typing import Any, Callable, Dict, Optional, Tuple, overload

import numpy as np

from . import _files, _html
from ._c import abi, tensor
from ._c.buffers import address_and_size, read_bytes
from ._c.handle import Handle
from ._c.library import call, library
from ._c.tensor import View, view, writable
from ._check import exact
from ._errors import InvalidArgumentError, LibraryError

Array = np.ndarray[Any, np.dtype[Any]]

# For the short way through `attend`, where each name is looked up once.
_ndarray, _new = np.ndarray, np.empty
_CODES, _addressof, _from_buffer, _pack = tensor.CODES, ctypes.addressof, tensor.from_buffer, abi.TENSOR.pack

# One C call cannot be interrupted; more work than some tenths of a second is cut into several.
_CHUNK_COST = 1_000_000_000

# What the key-value form is for, as its files say it.
_ATTENTION = "softmax(scale * queries @ keys.T + bias) @ values, for each head"


@dataclasses.dataclass(frozen=True)
class Info:
    """What a release is and what it guarantees; all public.

    Attributes
    ----------
    heads, key_dim, value_dim, degree, mechanism, polynomial : object
        As in `Params`; degree and polynomial are 0 and "0" where the mechanism has none.
    adjacency, owner_rows, owner_bound, rotate : object
        As in `Params`.
    key_bound, value_bound, query_bound, scale, lambda_ : float
        As in `Params`, defaults filled in; 0 where the mechanism has none.
    logit_bound : float
        b = scale * query_bound * key_bound.
    polynomial_error : float
        max |p(x)/e^x - 1| on [-b, b].
    epsilon, delta : float
        The guarantee.
    mu : float
        Gaussian DP parameter actually spent.
    features : int
        Polynomial features a head; with "codebook" cells.
    state_bytes, save_bytes : int
        Sizes of `Release.state` and of the saved file.
    id : str
        32 hexadecimal digits, random and public: the release's name.
    cells : int
        With mechanism "codebook": of a head. Then there is no polynomial, no rotation, and no bound
        on a query or a logit: those are 0, "0" and False. Else 0.
    range, value_range, leaves, copies, trees : object
        With mechanism "dptree", as in `Params` with defaults filled in (the norm bounds are 0 then,
        and so is mu); else 0 and False.
    """

    heads: int
    key_dim: int
    value_dim: int
    degree: int
    mechanism: str
    polynomial: str
    adjacency: str
    owner_rows: int
    owner_bound: Optional[float]
    rotate: bool
    key_bound: float
    value_bound: float
    query_bound: float
    scale: float
    lambda_: float
    logit_bound: float
    polynomial_error: float
    epsilon: float
    delta: float
    mu: float
    features: int
    state_bytes: int
    save_bytes: int
    id: str
    range: float
    value_range: float
    leaves: int
    copies: int
    trees: bool
    cells: int

    @property
    def guarantee(self) -> str:
        """What is promised, in words."""
        within = "" if self.owner_bound is None else f" within the norm of {self.owner_bound:g}"
        return promise(self) + within

    @property
    def bounds(self) -> str:
        """What keys, values and queries are scaled down or clipped to, in words."""
        if self.range:
            r, w = self.range, self.value_range
            return f"entries of k and q in [0, {r:g}], of v in [{-w:g}, {w:g}]"
        longest = f", |q| <= {self.query_bound:g}" if self.query_bound else ""
        return f"|k| <= {self.key_bound:g}, |v| <= {self.value_bound:g}{longest}"


def promise(info: Any) -> str:
    """The guarantee of anything with epsilon, delta, adjacency and owner_rows."""
    unit = "one row" if info.owner_rows == 0 else f"one owner with up to {info.owner_rows:,} rows"
    hidden = {"add_remove": "the presence of", "replace": "the content of"}.get(info.adjacency, info.adjacency)
    return f"({exact(info.epsilon)}, {exact(info.delta)})-differential privacy for {hidden} {unit}"


class Bound:
    """What `Release.bind` gives: a call without arguments that reads Q and writes out."""

    __slots__ = ("_arguments", "_attend", "_owners", "_release", "out")

    def __init__(self, release: Release, q: View, o: View, out: Any) -> None:
        self._release = release
        self._attend = release._attend
        self._arguments = (release._c_handle, q.pack(), o.pack(), None, None, None, None)
        self._owners = (q, o)  # they keep the memory alive
        self.out = out

    def __call__(self) -> Any:
        """Answer what Q holds now; returns out."""
        if self._attend(*self._arguments):
            call("dpattn_release_attend", self._release._open(), *self._arguments[1:-1])  # again, for the message
        return self.out

    def __repr__(self) -> str:
        q, o = self._owners
        return f"<dpattn.Bound Q {q.shape} -> out {o.shape} of {self._release!r}>"


class Release(Handle):
    """A noisy, public state that answers any number of queries, from any number of threads.

    Made by `Builder.release`, `load` or `Release.from_bytes`; immutable.
    """

    _kind = "release"

    info: Info
    _attend: Callable[..., int]
    _c_handle: ctypes.c_uint64
    _heads: int
    _key_dim: int
    _value_dim: int
    _chunk: int

    def __init__(self) -> None:
        raise TypeError("a dpattn.Release is made by Builder.release(), dpattn.load() or Release.from_bytes()")

    @classmethod
    def _adopt(cls, handle: int) -> Release:
        """Own a C handle."""
        self = cls.__new__(cls)
        self._own(handle)
        # Without a prototype, arguments that are ready for C (bytes, None, c_uint64) pass faster.
        self._attend = library()["dpattn_release_attend"]
        self._c_handle = ctypes.c_uint64(handle)
        self.info = _info(handle)
        self._heads, self._key_dim, self._value_dim = self.info.heads, self.info.key_dim, self.info.value_dim
        per_query = self._heads * self.info.features * (self._value_dim + 1)
        if self.info.copies:  # three trees a copy, up to a node a level
            per_query *= self.info.copies * (3 * self.info.leaves.bit_length() if self.info.trees else 1)
        per_query += self._heads * self.info.cells * self._key_dim
        self._chunk = max(64, _CHUNK_COST // per_query)
        return self

    @classmethod
    def from_bytes(cls, data: Any) -> Release:
        """Load a release from the bytes of its file.

        Parameters
        ----------
        data : bytes-like

        Raises
        ------
        CorruptError
            If `data` was cut, altered, or is no release.
        UnsupportedError
            If it was written by a later version.
        """
        address, size, _owner = address_and_size(data, "data")
        handle = ctypes.c_uint64()
        call("dpattn_release_load", address, size, ctypes.byref(handle))
        return cls._adopt(handle.value)

    def to_bytes(self) -> bytes:
        """The bytes of the release file: the same on every machine."""
        return read_bytes("dpattn_release_save", self._open())

    def save(self, path: _files.PathLike) -> None:
        """Write the release file at `path` atomically; it may replace a file, but no ledger."""
        _files.write(path, self.to_bytes())

    @overload
    def attend(self, Q: Any, out: Any = None) -> Array: ...

    @overload
    def attend(
        self,
        Q: Any,
        out: Any = None,
        return_lse: bool = False,
        return_std: bool = False,
        return_clipped: bool = False,
    ) -> Any: ...

    def attend(
        self,
        Q: Any,
        out: Any = None,
        return_lse: bool = False,
        return_std: bool = False,
        return_clipped: bool = False,
    ) -> Any:
        """Answer queries: approximately ``sum_j w_j v_j / sum_j w_j``.

        There ``w_j = exp(scale * <q, k_j>)``.

        Parameters
        ----------
        Q : array_like
            (key_dim,) or (m, key_dim) for one head, (heads, m, key_dim) for one or several. Queries
            longer than `query_bound` are scaled to it; with "codebook" those whose logits could
            pass 2**16. A query with NaN or Inf gets NaN.
        out : array, optional
            Written and returned: shaped as Q with value_dim as last axis; a numpy array, or a CPU
            array with DLPack, of float32, float64, float16 or bfloat16, of any strides.
        return_lse : bool
            Also return the natural log of the denominator, float64, shaped as Q without its last
            axis; for `merge`.
        return_std : bool
            Also return the predicted standard deviation of the noise in the answer, shaped as the
            answer. With "codebook" it is right where the cells that a query attends to have some
            five times as many rows as the noise on their number; elsewhere it is a guess, and the
            answer is kept within value_bound.
        return_clipped : bool
            Also return how many queries were scaled or not finite.

        Returns
        -------
        ndarray or tuple
            The answer, in the query's own float type (float32 for bfloat16 through DLPack, float64
            for integers and lists); or a tuple of it and whatever was asked for, in the order lse,
            std, clipped.

        Raises
        ------
        InvalidArgumentError
            If shapes or types are wrong; `out` is untouched then.
        """
        if not (return_lse or return_std or return_clipped) and type(Q) is _ndarray and self._heads == 1:
            answered = self._attend_plain(Q, out)
            if answered is not None:
                return answered
        q = view(Q, "Q")
        answer = self._answer_shape(q.shape)
        if out is None:
            out = tensor.empty(Q, None if tensor.torch_of(Q) else q.dtype, answer)
        o = self._check_out(out, answer)
        if o.may_meet(q):  # C must not write over queries that it has yet to read
            q = view(tensor.copied(Q), "Q")
        lead = answer[:-1]
        lse = tensor.empty(Q, np.dtype(np.float64), lead) if return_lse else None
        std = tensor.empty(Q, None if tensor.torch_of(Q) else o.dtype, answer) if return_std else None
        clipped = self._attend_chunks(
            q, o, None if lse is None else view(lse, "lse", 0).column(), None if std is None else view(std, "std")
        )
        extras: Tuple[Any, ...] = ()
        if lse is not None:
            extras += (lse[()] if isinstance(lse, np.ndarray) else lse,)
        if std is not None:
            extras += (std,)
        if return_clipped:
            extras += (clipped,)
        return (out, *extras) if extras else out

    def bind(self, Q: Any, out: Any) -> Bound:
        """Check once, call often: a callable that answers what Q then holds, into `out`.

        Each call costs the C call and nothing else; it goes to C as one piece, which Ctrl-C does
        not interrupt.

        Parameters
        ----------
        Q : array
            As in `attend`, but read in place at every call: a numpy array, or a CPU array with
            DLPack, of float32, float64, float16 or bfloat16. Its memory must stay where it is: no
            resizing while it is bound.
        out : array
            As in `attend`; it must not overlap Q.

        Returns
        -------
        callable
            Without arguments; it returns `out`. It may be called from any thread, by one at a time.

        Raises
        ------
        InvalidArgumentError
            If shapes or types are wrong, or the two overlap.

        Examples
        --------
        >>> step = release.bind(Q, out)  # doctest: +SKIP
        >>> Q[:] = next_queries; step()  # doctest: +SKIP
        """
        q = tensor.in_place(Q, "Q")
        o = self._check_out(out, self._answer_shape(q.shape))
        if o.may_meet(q):
            raise InvalidArgumentError("out overlaps Q; it must have memory of its own")
        return Bound(self, q, o, out)

    def certificate(self) -> Dict[str, Any]:
        """Everything needed to recompute the guarantee, as `dpattn verify` does.

        Mechanism, adjacency, unit, bounds, integer sensitivity, sigma, mu^2 as an exact
        rational, tables of epsilon(delta).
        """
        text = read_bytes("dpattn_release_certificate", self._open())
        certificate: Dict[str, Any] = json.loads(text.rstrip(b"\0"))
        return certificate

    def state(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The noisy integers, int64 (heads, features, value_dim + 1).

        Sigma and grid step are in the certificate. With mechanism "dptree" one axis: head after
        head the numbers of each term of the certificate.
        """
        shape = (self._heads, self.info.features, self._value_dim + 1)
        state = np.empty((self.info.state_bytes // 8,) if self.info.copies else shape, np.int64)
        needed = ctypes.c_size_t()
        call("dpattn_release_state", self._open(), state.ctypes.data, state.size, ctypes.byref(needed))
        return state

    def kv(self, dtype: Any = np.float64) -> Tuple[Array, Array, Array]:
        """The release of mechanism "codebook" as a key-value cache.

        Any attention kernel reads it: ``softmax(scale * Q @ keys.T + bias) @ values`` is what
        `attend` answers, but for its rounding to f32, with scale = ``release.info.scale``. In one
        call over [public keys ; these keys] the bias of public keys is 0.

        Parameters
        ----------
        dtype : dtype
            float64, float32, float16 or ml_dtypes' bfloat16, of all three.

        Returns
        -------
        keys : ndarray (heads, cells, key_dim)
            The public centroids.
        values : ndarray (heads, cells, value_dim)
            Noisy means of the cells' values, scaled to value_bound where noise made them longer.
        bias : ndarray (heads, cells)
            Natural logarithm of the cells' noisy numbers of rows, which count as one standard
            deviation of their noise where they are less.

        Raises
        ------
        UnsupportedError
            If the release is of another mechanism.
        """
        try:
            wanted: Optional[np.dtype[Any]] = np.dtype(dtype)
        except TypeError:
            wanted = None
        if wanted is None or tensor.code_of(wanted) is None:
            raise InvalidArgumentError(f"dtype is {dtype!r}; it must be float32, float64, float16 or bfloat16")
        shape = (self._heads, self.info.cells)
        arrays = (
            np.empty((*shape, self._key_dim), wanted),
            np.empty((*shape, self._value_dim), wanted),
            np.empty(shape, wanted),
        )
        views = [tensor.writable(array, name) for array, name in zip(arrays, ("keys", "values", "bias"))]
        call("dpattn_release_kv", self._open(), *(view.pack() for view in views))
        return arrays

    def to_safetensors(self, path: _files.PathLike, dtype: Any = np.float32) -> None:
        """Write the key-value form (`kv`) as a safetensors file, which needs no dpattn to be read.

        It holds the tensors keys (heads, cells, key_dim), values (heads, cells, value_dim), bias
        (heads, cells) and scale (a number, float64): attention is ``softmax(scale * Q @ keys.T +
        bias) @ values``. Its metadata are the certificate (``certificate``, JSON) and that formula
        (``attention``). It is PUBLIC as the release is; `dpattn verify` needs the release itself.

        Parameters
        ----------
        path : path-like
            Written atomically; it may replace a file, but no ledger.
        dtype : dtype
            Of keys, values and bias, as in `kv`.

        Raises
        ------
        UnsupportedError
            If the release is of another mechanism.
        LibraryError
            If the package safetensors is not installed.
        """
        try:
            from safetensors.numpy import save
        except ImportError:
            raise LibraryError("to_safetensors needs safetensors; install it with: pip install safetensors") from None
        keys, values, bias = self.kv(dtype)
        tensors = {"keys": keys, "values": values, "bias": bias, "scale": np.array(self.info.scale)}
        metadata = {"attention": _ATTENTION, "certificate": json.dumps(self.certificate())}
        _files.write(path, save(tensors, metadata))

    def __repr__(self) -> str:
        i = self.info
        state = "" if self._handle else "; closed"
        size = f"cells={i.cells}" if i.cells else f"degree={i.degree}"
        return (
            f"<dpattn.Release {i.guarantee}; heads={i.heads} key_dim={i.key_dim} value_dim={i.value_dim} "
            f"{size}; {i.bounds}; {i.save_bytes:,} bytes{state}>"
        )

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        i = self.info
        shape = f"{i.heads} head{'s' if i.heads > 1 else ''}, keys of {i.key_dim}, values of {i.value_dim} numbers"
        kind = {"codebook": f"{i.cells:,} cells, logits scale * <q, k> with scale {i.scale:g}"}
        if not i.cells:
            fit = f"{i.polynomial_error:.2%} off exp at most, logits up to {i.logit_bound:g}"
            kind = {"polynomial": f"{i.polynomial}, degree {i.degree}: {fit}"}
        return _html.table(
            "dpattn.Release (public)" if self._handle else "dpattn.Release (closed)",
            {
                "guarantee": i.guarantee,
                "bounds": i.bounds,
                "shape": shape,
                **kind,
                "size": f"{i.save_bytes:,} bytes",
                "id": i.id,
            },
        )

    def __copy__(self) -> Release:
        """A second handle to the same immutable state."""
        copy = ctypes.c_uint64()
        call("dpattn_release_retain", self._open(), ctypes.byref(copy))
        return Release._adopt(copy.value)

    def __deepcopy__(self, _memo: object) -> Release:
        return self.__copy__()

    def __reduce__(self) -> Tuple[Callable[[Any], Release], Tuple[bytes]]:
        return (Release.from_bytes, (self.to_bytes(),))

    def _attend_plain(self, Q: Array, out: Any) -> Optional[Array]:
        """The usual call, kept short: one head, dense numpy arrays; None: it is not one.

        Nothing is kept for the next call: the two packed tensors are immutable and made anew, so
        that neither threads nor signal handlers can meet in them.
        """
        shape, key_dim, value_dim = Q.shape, self._key_dim, self._value_dim
        if len(shape) != 2 or shape[1] != key_dim or (rows := shape[0]) > self._chunk:
            return None
        if out is None:
            out = _new((rows, value_dim), Q.dtype)
        elif type(out) is not _ndarray or out.shape != (rows, value_dim):
            return None
        answer: Array = out
        q_code, o_code = _CODES.get(Q.dtype), _CODES.get(out.dtype)
        if q_code is None or o_code is None:
            return None
        q, o = 0, 0
        if rows:
            try:  # refuses what is read-only or not dense
                q, o = _addressof(_from_buffer(Q)), _addressof(_from_buffer(out))
            except (TypeError, ValueError, BufferError):
                return None
            if q < o + out.nbytes and o < q + Q.nbytes:
                return None
        q_size, o_size = Q.itemsize, out.itemsize
        if self._attend(
            self._c_handle,
            _pack(q, q_code, 2, rows, key_dim, 0, key_dim * q_size, q_size, 0),
            _pack(o, o_code, 2, rows, value_dim, 0, value_dim * o_size, o_size, 0),
            None,
            None,
            None,
            None,
        ):
            return None  # the long way repeats a call that failed, for the message
        return answer

    def _answer_shape(self, shape: Tuple[int, ...]) -> Tuple[int, ...]:
        if shape[-1] == self._key_dim and (shape[0] if len(shape) == 3 else 1) == self._heads:
            return (*shape[:-1], self._value_dim)
        wanted = f"({self._heads}, m, {self._key_dim})"
        if self._heads == 1:  # with several heads a 3-D array is needed, so that no head is guessed
            wanted = f"({self._key_dim},), (m, {self._key_dim}) or {wanted}"
        raise InvalidArgumentError(f"Q has shape {shape}; it must be {wanted}")

    def _check_out(self, out: Any, answer: Tuple[int, ...]) -> View:
        o = writable(out, "out")
        if o.shape != answer:
            raise InvalidArgumentError(f"out has shape {o.shape}; it must be {answer}")
        return o

    def _attend_chunks(self, q: View, out: View, lse: Optional[View], std: Optional[View]) -> int:
        """Several calls, between which Ctrl-C is heard; returns the number of clipped queries."""
        count = ctypes.c_uint64()
        rows = 1 if len(q.shape) == 1 else q.shape[-2]
        clipped = 0
        for start in range(0, max(rows, 1), self._chunk):
            stop = min(rows, start + self._chunk)
            parts = [q, out, lse, std]
            if stop - start < rows:
                parts = [None if part is None else part.rows(start, stop) for part in parts]
            packed = [None if part is None else part.pack() for part in parts]
            call("dpattn_release_attend", self._open(), *packed, ctypes.addressof(count))
            clipped += count.value
        return clipped


def _info(handle: int) -> Info:
    raw = abi.Info(struct_size=ctypes.sizeof(abi.Info))
    call("dpattn_release_info", handle, ctypes.byref(raw))
    values = {name: getattr(raw, name) for name, *_ in abi.Info._fields_}
    for name in ("struct_size", "rotation", "lambda", "reserved", "reserved_2"):
        del values[name]
    values.update(
        mechanism=_word(abi.MECHANISM, raw.mechanism),
        polynomial=_word(abi.POLYNOMIAL, raw.polynomial),
        adjacency=_word(abi.ADJACENCY, raw.adjacency),
        owner_bound=raw.owner_bound or None,
        rotate=raw.rotation == abi.ROTATION["hadamard"],
        trees=raw.trees == abi.TREES["kept"],
        lambda_=getattr(raw, "lambda"),
        id=bytes(raw.id).hex(),
    )
    return Info(**values)


def _word(words: Dict[str, int], number: int) -> str:
    return next((word for word, value in words.items() if value == number), str(number))
