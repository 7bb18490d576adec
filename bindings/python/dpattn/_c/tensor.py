"""Arrays as dpattn_tensor, without a copy where CPU memory holds f32, f64, f16 or bf16.

numpy arrays of any strides go in as they are; so does anything else with DLPack (torch, jax, ...),
bfloat16 included. Other numbers (integers, bool, foreign byte order, long double) are converted:
exactly to float32 if they have at most 16 bits, else to float64.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any, Callable, Dict, Optional, Sequence, Tuple

import numpy as np

from .._errors import InvalidArgumentError
from .abi import DTYPE, TENSOR

F32, F64, F16, BF16 = (DTYPE[name] for name in ("F32", "F64", "F16", "BF16"))

_pack = TENSOR.pack
_addressof = ctypes.addressof
from_buffer: Callable[[Any], ctypes.c_char] = ctypes.c_char.from_buffer

# bfloat16 is no numpy type of its own; code_of adds ml_dtypes' when it meets it.
CODES: Dict[Any, int] = {np.dtype(np.float32): F32, np.dtype(np.float64): F64, np.dtype(np.float16): F16}

_SIZES: Dict[int, int] = {F32: 4, F64: 8, F16: 2, BF16: 2}


class View:
    """A borrowed strided array: address of element 0, element type, shape, strides in bytes.

    `dtype` is the numpy type that answers to it should have (float32 for bfloat16 that came through
    DLPack), and `owner` keeps the memory alive.
    """

    __slots__ = ("address", "code", "dtype", "owner", "shape", "strides")

    def __init__(
        self, address: int, code: int, shape: Tuple[int, ...], strides: Tuple[int, ...], dtype: Any, owner: Any
    ) -> None:
        self.address = address
        self.code = code
        self.shape = shape
        self.strides = strides
        self.dtype = dtype
        self.owner = owner

    def pack(self) -> bytes:
        """The view as a dpattn_tensor."""
        return pack(self.address, self.code, self.shape, self.strides)

    def may_meet(self, other: View) -> bool:
        """Whether the two might share memory: their ranges of addresses do."""
        a, b = self._range(), other._range()
        return a[0] < b[1] and b[0] < a[1]

    def _range(self) -> Tuple[int, int]:
        if 0 in self.shape:
            return 0, 0
        steps = [(length - 1) * step for length, step in zip(self.shape, self.strides)]
        low = self.address + sum(step for step in steps if step < 0)
        return low, self.address + sum(step for step in steps if step > 0) + _SIZES[self.code]

    def rows(self, start: int, stop: int) -> View:
        """Rows start..stop of a 2-D array, or of every head of a 3-D one."""
        shape = (*self.shape[:-2], stop - start, self.shape[-1])
        address = self.address + start * self.strides[-2]
        return View(address, self.code, shape, self.strides, self.dtype, self.owner)

    def column(self) -> View:
        """The same numbers with a last axis of length 1: [.., m] as [.., m, 1]."""
        return View(self.address, self.code, (*self.shape, 1), (*self.strides, 8), self.dtype, self.owner)


def pack(address: int, code: int, shape: Tuple[int, ...], strides: Tuple[int, ...]) -> bytes:
    """A dpattn_tensor; a 1-D array is one row."""
    if 0 in shape:  # numpy gives empty arrays strides of 0, which an output must not have
        strides = dense(shape, 8)
    n = len(shape)
    if n == 2:
        return _pack(address, code, 2, shape[0], shape[1], 0, strides[0], strides[1], 0)
    if n == 3:
        return _pack(address, code, 3, *shape, *strides)
    return _pack(address, code, 2, 1, shape[0], 0, 0, strides[0], 0)


def view(x: Any, name: str, least: int = 1) -> View:
    """View an array of `least` to 3 axes; `name` is the argument's name in errors."""
    code: Optional[int]
    if type(x) is np.ndarray:
        code = CODES.get(x.dtype)
    elif isinstance(x, np.ndarray):
        code = None  # subclasses mean more than their numbers (masks): look closer below
    else:
        borrowed = _from_dlpack(x, name, least)
        if borrowed is not None:
            return borrowed
        x = _as_array(x, name)
        code = None
    if code is None:
        x, code = _converted(x, name)
    if not least <= x.ndim <= 3:
        raise InvalidArgumentError(f"{name} has {x.ndim} axes, shape {x.shape}; it must have {least} to 3")
    return View(address(x), code, x.shape, x.strides, x.dtype, x)


def in_place(x: Any, name: str) -> View:
    """View an array that must not be copied."""
    if isinstance(x, np.ndarray):
        if code_of(x.dtype) is None:
            raise InvalidArgumentError(f"{name} has dtype {x.dtype}; it must be float32, float64, float16 or bfloat16")
        return view(x, name)
    borrowed = _from_dlpack(x, name, 1)
    if borrowed is None:
        raise InvalidArgumentError(
            f"{name} is a {type(x).__name__}; it must be a numpy array, or a CPU array with __dlpack__, of "
            "float32, float64, float16 or bfloat16"
        )
    return borrowed


def writable(x: Any, name: str) -> View:
    """View an array that will be written: never a copy."""
    if isinstance(x, np.ndarray) and not x.flags.writeable:
        raise InvalidArgumentError(f"{name} is read-only; it must be writable")
    return in_place(x, name)


def torch_of(x: Any) -> Any:
    """The module torch if `x` is one of its tensors, else None; never imports it."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(x, getattr(torch, "Tensor", ())) else None


def empty(like: Any, dtype: Any, shape: Tuple[int, ...]) -> Any:
    """A new array of the kind of `like`: a torch tensor for a torch tensor, else numpy's.

    `dtype` is numpy's or torch's, or, for a tensor, None: its own, and float64 for one of integers.
    """
    torch = torch_of(like)
    if torch is None:
        return np.empty(shape, dtype)
    if dtype is None:
        dtype = like.dtype if like.dtype.is_floating_point else torch.float64
    return torch.empty(shape, dtype=getattr(torch, dtype.name) if isinstance(dtype, np.dtype) else dtype)


def copied(x: Any) -> Any:
    """A copy of an array that `in_place` takes."""
    if torch_of(x) is not None:
        return x.clone()
    return np.array(x if isinstance(x, np.ndarray) else np.from_dlpack(x))


def address(x: np.ndarray[Any, Any]) -> int:
    """Address of element 0. The first way is four times faster, but needs writable dense memory."""
    try:
        return _addressof(from_buffer(x))
    except (TypeError, ValueError, BufferError):
        return int(x.__array_interface__["data"][0])


def owners(x: Any, rows: int) -> np.ndarray[Any, Any]:
    """Owner ids as dense uint64; negative ones keep their bits, so that ids stay different."""
    try:
        ids = np.asarray(x)
    except Exception as error:
        raise InvalidArgumentError(f"owners cannot be read as an array: {error}") from None
    if ids.dtype.kind not in "iu" and ids.size:
        raise InvalidArgumentError(f"owners has dtype {ids.dtype}; it must be integers, one id a row")
    if ids.shape != (rows,):
        raise InvalidArgumentError(f"owners has shape {ids.shape}; it must be ({rows},), one id a row of K")
    if ids.dtype.kind == "i":
        ids = np.ascontiguousarray(ids, dtype=np.int64).view(np.uint64)
    return np.ascontiguousarray(ids, dtype=np.uint64)


def code_of(dtype: Any) -> Optional[int]:
    """What the C library calls a numpy type; None: it has none."""
    code = CODES.get(dtype)
    if code is None and dtype.name == "bfloat16" and dtype.itemsize == 2 and dtype.isnative:
        code = CODES[dtype] = BF16
    return code


def _as_array(x: Any, name: str) -> np.ndarray[Any, Any]:
    try:
        return np.asarray(x)
    except Exception as error:
        raise InvalidArgumentError(f"{name} is a {type(x).__name__} and cannot be read as an array: {error}") from None


def _converted(x: np.ndarray[Any, Any], name: str) -> Tuple[np.ndarray[Any, Any], int]:
    """An array of a type that C does not read, as one that it does."""
    if isinstance(x, np.ma.MaskedArray):
        raise InvalidArgumentError(f"{name} is a masked array; fill or drop the masked entries first")
    code = code_of(x.dtype)
    if code is not None:
        return x, code
    kind, size = x.dtype.kind, x.dtype.itemsize
    if kind in "biu":
        x = x.astype(np.float32 if size <= 2 else np.float64)
    elif kind == "f":
        x = x.astype(x.dtype.newbyteorder("=") if size in (2, 4, 8) else np.float64)
    elif kind == "V" and x.dtype.type.__module__ == "ml_dtypes":
        x = x.astype(np.float32)
    else:
        raise InvalidArgumentError(f"{name} has dtype {x.dtype}; it must be real numbers")
    return x, CODES[x.dtype]


# ---- DLPack ------------------------------------------------------------------------------------


class _DLTensor(ctypes.Structure):
    """DLTensor of dlpack.h, the first field of what a capsule named "dltensor" points to."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


# (code, bits) of dlpack.h to (our dtype, dtype of answers); code 2 is kDLFloat, 4 is kDLBfloat.
_DL_TYPES: Dict[Tuple[int, int], Tuple[int, Any]] = {
    (2, 16): (F16, np.dtype(np.float16)),
    (2, 32): (F32, np.dtype(np.float32)),
    (2, 64): (F64, np.dtype(np.float64)),
    (4, 16): (BF16, np.dtype(np.float32)),
}
_DL_CPU = (1, 3)  # kDLCPU, kDLCUDAHost (pinned memory)

_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
_capsule_pointer.restype = ctypes.c_void_p


def _from_dlpack(x: Any, name: str, least: int) -> Optional[View]:
    """Borrow from a DLPack producer, or None when it has no float type that C reads.

    The capsule is never renamed to "used_dltensor", so its own destructor gives the memory back
    when the view dies.
    """
    if not hasattr(x, "__dlpack__"):
        return None
    if getattr(x, "requires_grad", False):
        raise InvalidArgumentError(
            f"{name} requires a gradient, and none flows through the library; pass {name}.detach()"
        )
    try:
        device = int(getattr(x, "__dlpack_device__", lambda: _DL_CPU)()[0])
        capsule = x.__dlpack__() if device in _DL_CPU else None
    except Exception as error:
        raise InvalidArgumentError(f"{name} is a {type(x).__name__} that gives no DLPack view: {error}") from None
    if capsule is None:
        where = f"device type {device}" if torch_of(x) is None else x.device
        raise InvalidArgumentError(f"{name} is on {where}; it must be in CPU memory")
    tensor = _DLTensor.from_address(_capsule_pointer(capsule, b"dltensor"))
    known = _DL_TYPES.get((tensor.code, tensor.bits))
    if known is None or tensor.lanes != 1:
        return None
    ndim = tensor.ndim
    if not least <= ndim <= 3:
        raise InvalidArgumentError(f"{name} has {ndim} axes; it must have {least} to 3")
    code, dtype = known
    shape = tuple(tensor.shape[:ndim])
    size = tensor.bits // 8
    if tensor.strides:
        strides = tuple(size * step for step in tensor.strides[:ndim])
    else:
        strides = dense(shape, size)
    return View((tensor.data or 0) + tensor.byte_offset, code, shape, strides, dtype, capsule)


def dense(shape: Sequence[int], size: int) -> Tuple[int, ...]:
    """Row-major strides in bytes."""
    strides = []
    for length in reversed(shape):
        strides.append(size)
        size *= length
    return tuple(reversed(strides))
