"""Attention over private keys and values under (epsilon, delta)-differential privacy.

Rows go into a `Builder` (SECRET) once, `Builder.release` spends the budget once, and the `Release`
(PUBLIC) answers any number of queries, however they depend on earlier answers:

    import dpattn

    params = dpattn.Params(
        key_dim=64, value_dim=64, key_bound=1.0, query_bound=2.0, value_bound=1.0,
        adjacency="add_remove", scale=1.0,
    )
    builder = dpattn.Builder(params)
    builder.add(K, V)
    release = builder.release(epsilon=1.0, delta=1e-6)
    out = release.attend(Q)

`plan` says beforehand what a release costs and how accurate it is. `scaled_dot_product_attention`
is the call that torch users know, on [batch, heads, m, d]; `dpattn.torch.PrivateContext` is an
nn.Module that merges private context with public keys and values, as `merge` does for two answers.
`Release.bind` is for loops over one buffer. `dpattn.verify` recomputes what a file guarantees.

With public rows of the same kind as the private keys there is sharper attention:
`dpattn.codebook.fit` makes a codebook of them for ``Params(mechanism="codebook", codebook=M)``, and
`Release.kv` gives that release as keys, values and biases, which any attention kernel reads.

The guarantee is about rows (k_j, v_j) as given, or about owners of up to `owner_rows` rows. Choose
all bounds without looking at the private data. The C library is loaded on first use, not on import.
"""

from types import ModuleType as _ModuleType

from ._attention import scaled_dot_product_attention
from ._builder import Builder, Diagnostics
from ._c.abi import __version__
from ._c.library import build_info, set_threads
from ._errors import (
    BufferTooSmallError,
    BusyError,
    CancelledError,
    ConsumedError,
    CorruptError,
    DpattnError,
    EntropyError,
    FileError,
    ForkedError,
    InternalError,
    InvalidArgumentError,
    InvalidHandleError,
    LibraryError,
    LimitError,
    MismatchError,
    OutOfMemoryError,
    OverspentError,
    UnsupportedError,
)
from ._ledger import Ledger
from ._merge import merge
from ._params import Params
from ._plan import Plan, plan
from ._release import Info, Release
from ._structures import DPTree, DPTreeDistance, StructureInfo, load

__all__ = [
    "BufferTooSmallError",
    "Builder",
    "BusyError",
    "CancelledError",
    "ConsumedError",
    "CorruptError",
    "DPTree",
    "DPTreeDistance",
    "Diagnostics",
    "DpattnError",
    "EntropyError",
    "FileError",
    "ForkedError",
    "Info",
    "InternalError",
    "InvalidArgumentError",
    "InvalidHandleError",
    "Ledger",
    "LibraryError",
    "LimitError",
    "MismatchError",
    "OutOfMemoryError",
    "OverspentError",
    "Params",
    "Plan",
    "Release",
    "StructureInfo",
    "UnsupportedError",
    "__version__",
    "build_info",
    "load",
    "merge",
    "plan",
    "scaled_dot_product_attention",
    "set_threads",
]


_MODULES = ("codebook", "torch", "verify")


def __getattr__(name: str) -> _ModuleType:
    """`dpattn.codebook`, `torch` and `verify` without an import of their own; it is done then."""
    if name in _MODULES:
        from importlib import import_module

        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> "list[str]":
    """The public names."""
    return sorted([*__all__, *_MODULES])
