"""Code generated from include/dpattn.h by capi/_gen/generate.py. DO NOT EDIT.

The C ABI as ctypes sees it: numbers, structs and prototypes, and nothing that calls them. Arrays,
text that is written, and tensors are c_void_p, which takes an address, a bytes object or None.
"""

from __future__ import annotations

import ctypes
import struct
from ctypes import POINTER, c_char, c_char_p, c_double, c_int32, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from typing import Any, Dict, List, Tuple

__version__ = "0.1.0"

STATUS: Dict[str, int] = {
    "OK": 0,
    "INVALID_ARGUMENT": 1,
    "INVALID_HANDLE": 2,
    "CONSUMED": 3,
    "BUFFER_TOO_SMALL": 4,
    "OUT_OF_MEMORY": 5,
    "CANCELLED": 6,
    "FORKED": 7,
    "CORRUPT": 8,
    "UNSUPPORTED": 9,
    "MISMATCH": 10,
    "ENTROPY": 11,
    "LIMIT": 12,
    "INTERNAL": 13,
    "OVERSPENT": 14,
    "BUSY": 15,
    "IO": 16,
}
DTYPE: Dict[str, int] = {"F32": 1, "F64": 2, "F16": 3, "BF16": 4}
ADJACENCY: Dict[str, int] = {"add_remove": 1, "replace": 2}
MECHANISM: Dict[str, int] = {"gaussian": 1, "dptree": 2, "codebook": 3}
POLYNOMIAL: Dict[str, int] = {"minimax": 1, "taylor": 2}
ROTATION: Dict[str, int] = {"hadamard": 1, "none": 2}
TREES: Dict[str, int] = {"kept": 1, "none": 2}

MAX_NDIM = 3
MAX_DIM = 65536
MAX_DEGREE = 8
MAX_OWNER_ROWS = 1048576
MIN_OWNER_BOUND = 0.0009765625
MAX_LOGIT_BOUND = 64.0
MAX_ROWS = 1073741824
MAX_LEAVES = 1048576
MAX_TREE_LEAVES = 268435456
MAX_COPIES = 16777216
MAX_CELLS = 65536
MAX_THREADS = 4096
ALL_HEADS = -1

# dpattn_tensor. Tensors only go in, so a packed bytes object serves as the struct: it is several
# times cheaper to make than a ctypes.Structure, and immutable.
TENSOR = struct.Struct("@Pii3q3q")


class Error(ctypes.Structure):
    """dpattn_error."""

    _fields_ = [
        ("size", c_uint32),
        ("code", c_int32),
        ("message", c_char * 504),
    ]


class Params(ctypes.Structure):
    """dpattn_params."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("heads", c_uint32),
        ("key_dim", c_uint32),
        ("value_dim", c_uint32),
        ("degree", c_uint32),
        ("mechanism", c_int32),
        ("polynomial", c_int32),
        ("adjacency", c_int32),
        ("owner_rows", c_uint32),
        ("rotation", c_int32),
        ("key_bound", c_double),
        ("value_bound", c_double),
        ("query_bound", c_double),
        ("scale", c_double),
        ("lambda", c_double),
        ("center", c_void_p),
        ("head_weights", c_void_p),
        ("owner_bound", c_double),
        ("range", c_double),
        ("value_range", c_double),
        ("relative_error", c_double),
        ("failure_probability", c_double),
        ("copy_factor", c_double),
        ("rows", c_uint64),
        ("leaves", c_uint32),
        ("copies", c_uint32),
        ("trees", c_int32),
        ("reserved", c_int32),
        ("codebook", c_void_p),
        ("cells", c_uint32),
        ("reserved_2", c_uint32),
    ]


class Budget(ctypes.Structure):
    """dpattn_budget."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("epsilon", c_double),
        ("delta", c_double),
    ]


PROGRESS_CALLBACK = ctypes.CFUNCTYPE(c_int32, c_void_p, c_uint64, c_uint64)


class Progress(ctypes.Structure):
    """dpattn_progress."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("callback", PROGRESS_CALLBACK),
        ("user", c_void_p),
        ("cancel", c_void_p),
    ]


class Allowance(ctypes.Structure):
    """dpattn_allowance."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("epsilon", c_double),
        ("delta", c_double),
        ("mu", c_double),
        ("other_epsilon", c_double),
        ("other_delta", c_double),
    ]


class PlanResult(ctypes.Structure):
    """dpattn_plan_result."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("degree", c_uint32),
        ("features", c_uint64),
        ("state_bytes", c_uint64),
        ("release_bytes", c_uint64),
        ("logit_bound", c_double),
        ("polynomial_error", c_double),
        ("mu", c_double),
        ("sigma_over_sensitivity", c_double),
        ("noise_stddev", c_double),
        ("noise_stddev_worst", c_double),
        ("rows_for_error", c_uint64),
    ]


class Diagnostics(ctypes.Structure):
    """dpattn_diagnostics."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("rows", c_uint64),
        ("keys_clipped", c_uint64),
        ("values_clipped", c_uint64),
        ("rows_zeroed", c_uint64),
        ("rows_shrunk", c_uint64),
        ("rows_dropped", c_uint64),
        ("owners", c_uint64),
        ("owners_clipped", c_uint64),
    ]


class Info(ctypes.Structure):
    """dpattn_info."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("heads", c_uint32),
        ("key_dim", c_uint32),
        ("value_dim", c_uint32),
        ("degree", c_uint32),
        ("mechanism", c_int32),
        ("polynomial", c_int32),
        ("adjacency", c_int32),
        ("owner_rows", c_uint32),
        ("rotation", c_int32),
        ("key_bound", c_double),
        ("value_bound", c_double),
        ("query_bound", c_double),
        ("scale", c_double),
        ("lambda", c_double),
        ("logit_bound", c_double),
        ("polynomial_error", c_double),
        ("epsilon", c_double),
        ("delta", c_double),
        ("mu", c_double),
        ("features", c_uint64),
        ("state_bytes", c_uint64),
        ("save_bytes", c_uint64),
        ("id", c_uint8 * 16),
        ("owner_bound", c_double),
        ("range", c_double),
        ("value_range", c_double),
        ("leaves", c_uint32),
        ("copies", c_uint32),
        ("trees", c_int32),
        ("reserved", c_int32),
        ("cells", c_uint32),
        ("reserved_2", c_uint32),
    ]


class StructureParams(ctypes.Structure):
    """dpattn_structure_params."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("adjacency", c_int32),
        ("owner_rows", c_uint32),
        ("leaves", c_uint32),
        ("dim", c_uint32),
        ("squared", c_int32),
        ("range", c_double),
        ("weight", c_double),
    ]


class StructureInfo(ctypes.Structure):
    """dpattn_structure_info."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("adjacency", c_int32),
        ("owner_rows", c_uint32),
        ("leaves", c_uint32),
        ("dim", c_uint32),
        ("squared", c_int32),
        ("range", c_double),
        ("weight", c_double),
        ("epsilon", c_double),
        ("delta", c_double),
        ("epsilon0", c_double),
        ("delta0", c_double),
        ("mechanisms", c_uint64),
        ("state_bytes", c_uint64),
        ("save_bytes", c_uint64),
    ]


PROTOTYPES: Dict[str, Tuple[Any, List[Any]]] = {
    "dpattn_plan": (c_int32, [POINTER(Params), c_uint64, POINTER(Budget), c_double, POINTER(PlanResult), c_void_p]),
    "dpattn_version": (c_uint32, []),
    "dpattn_version_string": (c_char_p, []),
    "dpattn_build_info": (c_char_p, []),
    "dpattn_status_string": (c_char_p, [c_int32]),
    "dpattn_set_threads": (c_int32, [c_int32, c_void_p]),
    "dpattn_params_init": (c_int32, [POINTER(Params), c_uint32, c_void_p]),
    "dpattn_builder_create": (c_int32, [POINTER(Params), POINTER(c_uint64), c_void_p]),
    "dpattn_builder_add": (c_int32, [c_uint64, c_int32, c_void_p, c_void_p, c_void_p, POINTER(Progress), c_void_p]),
    "dpattn_builder_merge": (c_int32, [c_uint64, c_uint64, c_void_p]),
    "dpattn_builder_export_secret": (c_int32, [c_uint64, c_void_p, c_size_t, POINTER(c_size_t), c_void_p]),
    "dpattn_builder_import_secret": (c_int32, [c_void_p, c_size_t, POINTER(c_uint64), c_void_p]),
    "dpattn_builder_info": (c_int32, [c_uint64, POINTER(Info), c_void_p]),
    "dpattn_builder_diagnostics": (c_int32, [c_uint64, POINTER(Diagnostics), c_void_p]),
    "dpattn_builder_release": (c_int32, [c_uint64, POINTER(Budget), POINTER(Progress), POINTER(c_uint64), c_void_p]),
    "dpattn_builder_free": (c_int32, [c_uint64, c_void_p]),
    "dpattn_release_attend": (c_int32, [c_uint64, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p]),
    "dpattn_release_attend_head": (
        c_int32,
        [c_uint64, c_int32, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p],
    ),
    "dpattn_release_info": (c_int32, [c_uint64, POINTER(Info), c_void_p]),
    "dpattn_release_certificate": (c_int32, [c_uint64, c_void_p, c_size_t, POINTER(c_size_t), c_void_p]),
    "dpattn_release_state": (c_int32, [c_uint64, c_void_p, c_size_t, POINTER(c_size_t), c_void_p]),
    "dpattn_release_kv": (c_int32, [c_uint64, c_void_p, c_void_p, c_void_p, c_void_p]),
    "dpattn_release_save": (c_int32, [c_uint64, c_void_p, c_size_t, POINTER(c_size_t), c_void_p]),
    "dpattn_release_load": (c_int32, [c_void_p, c_size_t, POINTER(c_uint64), c_void_p]),
    "dpattn_release_retain": (c_int32, [c_uint64, POINTER(c_uint64), c_void_p]),
    "dpattn_release_free": (c_int32, [c_uint64, c_void_p]),
    "dpattn_ledger_create": (c_int32, [c_char_p, POINTER(Allowance), POINTER(c_uint64), c_void_p]),
    "dpattn_ledger_open": (c_int32, [c_char_p, POINTER(c_uint64), c_void_p]),
    "dpattn_ledger_release": (
        c_int32,
        [c_uint64, c_char_p, c_uint64, POINTER(Budget), POINTER(Progress), POINTER(c_uint64), c_void_p],
    ),
    "dpattn_ledger_load": (c_int32, [c_uint64, c_char_p, POINTER(c_uint64), c_void_p]),
    "dpattn_ledger_show": (c_int32, [c_uint64, c_void_p, c_size_t, POINTER(c_size_t), c_void_p]),
    "dpattn_ledger_close": (c_int32, [c_uint64, c_void_p]),
    "dpattn_merge": (c_int32, [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p]),
    "dpattn_tree_create": (
        c_int32,
        [
            POINTER(StructureParams),
            c_void_p,
            c_void_p,
            c_void_p,
            c_uint64,
            POINTER(Budget),
            POINTER(Progress),
            POINTER(Diagnostics),
            POINTER(c_uint64),
            c_void_p,
        ],
    ),
    "dpattn_tree_query": (c_int32, [c_uint64, c_void_p, c_void_p, c_uint64, c_void_p, c_void_p, c_void_p]),
    "dpattn_tree_info": (c_int32, [c_uint64, POINTER(StructureInfo), c_void_p]),
    "dpattn_tree_certificate": (c_int32, [c_uint64, c_void_p, c_size_t, POINTER(c_size_t), c_void_p]),
    "dpattn_tree_save": (c_int32, [c_uint64, c_void_p, c_size_t, POINTER(c_size_t), c_void_p]),
    "dpattn_tree_load": (c_int32, [c_void_p, c_size_t, POINTER(c_uint64), c_void_p]),
    "dpattn_tree_free": (c_int32, [c_uint64, c_void_p]),
    "dpattn_distance_create": (
        c_int32,
        [
            POINTER(StructureParams),
            c_void_p,
            c_void_p,
            c_void_p,
            POINTER(Budget),
            POINTER(Progress),
            POINTER(Diagnostics),
            POINTER(c_uint64),
            c_void_p,
        ],
    ),
    "dpattn_distance_query": (c_int32, [c_uint64, c_void_p, c_void_p, c_void_p, c_void_p]),
    "dpattn_distance_info": (c_int32, [c_uint64, POINTER(StructureInfo), c_void_p]),
    "dpattn_distance_certificate": (c_int32, [c_uint64, c_void_p, c_size_t, POINTER(c_size_t), c_void_p]),
    "dpattn_distance_save": (c_int32, [c_uint64, c_void_p, c_size_t, POINTER(c_size_t), c_void_p]),
    "dpattn_distance_load": (c_int32, [c_void_p, c_size_t, POINTER(c_uint64), c_void_p]),
    "dpattn_distance_free": (c_int32, [c_uint64, c_void_p]),
}


def declare(library: ctypes.CDLL) -> None:
    """Give every function of `library` its prototype; AttributeError names one that it lacks."""
    for name, (result, arguments) in PROTOTYPES.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
