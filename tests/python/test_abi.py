"""The generated ctypes structs and numbers are what a C compiler makes of include/dpattn.h."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import pytest

from conftest import ROOT
from dpattn._c import abi

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")

STRUCTS = {
    kind.__doc__.rstrip("."): kind
    for kind in vars(abi).values()
    if isinstance(kind, type) and issubclass(kind, ctypes.Structure) and kind.__doc__
}
TENSOR_FIELDS = ["data", "dtype", "ndim", "shape", "strides"]
LIMITS = {name: value for name, value in vars(abi).items() if name.startswith(("MAX_", "MIN_"))}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Sizes, offsets and limits as the C compiler sees them."""
    if COMPILER is None:
        pytest.skip("no C compiler")
    prints = [f'P("{name}", sizeof({name}));' for name in [*STRUCTS, "dpattn_tensor"]]
    prints += [
        f'P("{name}.{field[0]}", offsetof({name}, {field[0]}));'
        for name, kind in STRUCTS.items()
        for field in kind._fields_
    ]
    prints += [f'P("dpattn_tensor.{field}", offsetof(dpattn_tensor, {field}));' for field in TENSOR_FIELDS]
    prints += [f'P("{name}", DPATTN_{name});' for name in LIMITS]
    folder = tmp_path_factory.mktemp("abi")
    source = folder / "measure.c"
    source.write_text(
        '#include "dpattn.h"\n#include <stdio.h>\n#define P(n, v) printf("%s %.17g\\n", n, (double)(v))\n'
        "int main(void) {" + "\n".join(prints) + " return 0; }\n"
    )
    program = folder / "measure"
    subprocess.run([COMPILER, "-I", str(ROOT / "include"), str(source), "-o", str(program)], check=True)
    out = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    return {name: float(value) for name, value in (line.split() for line in out.splitlines())}


def test_struct_layout(measured: dict[str, float]) -> None:
    assert len(STRUCTS) >= 10
    for name, kind in STRUCTS.items():
        assert ctypes.sizeof(kind) == measured[name], name
        for field, *_ in kind._fields_:
            assert getattr(kind, field).offset == measured[f"{name}.{field}"], (name, field)


def test_tensor_layout(measured: dict[str, float]) -> None:
    assert abi.TENSOR.size == measured["dpattn_tensor"]
    packed = abi.TENSOR.pack(0x1122334455667788, 0x21, 0x22, 31, 32, 33, 41, 42, 43)
    for field, value in zip(TENSOR_FIELDS, (0x1122334455667788, 0x21, 0x22, 31, 41)):
        size = 4 if field in ("dtype", "ndim") else 8
        start = int(measured[f"dpattn_tensor.{field}"])
        assert int.from_bytes(packed[start : start + size], "little") == value, field


def test_limits(measured: dict[str, float]) -> None:
    assert len(LIMITS) >= 10
    assert {name: measured[name] for name in LIMITS} == LIMITS
