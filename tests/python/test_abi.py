"""The ctypes mirror agrees with include/dpattn.h: sizes, offsets, numbers, prototypes, version."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess

import pytest

from conftest import ROOT
from dpattn import __version__, _abi

HEADER = ROOT / "include" / "dpattn.h"
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")

STRUCTS = {
    "dpattn_error": _abi.Error,
    "dpattn_params": _abi.Params,
    "dpattn_budget": _abi.Budget,
    "dpattn_progress": _abi.Progress,
    "dpattn_plan_result": _abi.PlanResult,
    "dpattn_diagnostics": _abi.Diagnostics,
    "dpattn_info": _abi.Info,
    "dpattn_structure_params": _abi.StructureParams,
    "dpattn_structure_info": _abi.StructureInfo,
}

NUMBERS = {
    **{f"DPATTN_{name}": value for name, value in _abi.STATUS.items()},
    "DPATTN_F32": _abi.F32,
    "DPATTN_F64": _abi.F64,
    "DPATTN_F16": _abi.F16,
    "DPATTN_BF16": _abi.BF16,
    "DPATTN_ADD_REMOVE": _abi.ADJACENCY["add_remove"],
    "DPATTN_REPLACE": _abi.ADJACENCY["replace"],
    "DPATTN_GAUSSIAN": _abi.MECHANISM["gaussian"],
    "DPATTN_DPTREE": _abi.MECHANISM["dptree"],
    "DPATTN_TREES_KEPT": _abi.TREES[True],
    "DPATTN_TREES_NONE": _abi.TREES[False],
    "DPATTN_MINIMAX": _abi.POLYNOMIAL["minimax"],
    "DPATTN_TAYLOR": _abi.POLYNOMIAL["taylor"],
    "DPATTN_ROTATION_HADAMARD": _abi.ROTATION[True],
    "DPATTN_ROTATION_NONE": _abi.ROTATION[False],
    "DPATTN_ALL_HEADS": _abi.ALL_HEADS,
}

TENSOR_FIELDS = ["data", "dtype", "ndim", "shape", "strides"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Sizes, offsets and numbers as the C compiler sees them."""
    if COMPILER is None:
        pytest.skip("no C compiler")
    prints = [f'P("{name}", sizeof({name}));' for name in [*STRUCTS, "dpattn_tensor"]]
    prints += [f'P("{name}", {name});' for name in NUMBERS]
    prints += [
        f'P("{name}.{field[0]}", offsetof({name}, {field[0]}));'
        for name, kind in STRUCTS.items()
        for field in kind._fields_
    ]
    prints += [f'P("dpattn_tensor.{field}", offsetof(dpattn_tensor, {field}));' for field in TENSOR_FIELDS]
    folder = tmp_path_factory.mktemp("abi")
    source = folder / "measure.c"
    source.write_text(
        '#include "dpattn.h"\n#include <stdio.h>\n#define P(n, v) printf("%s %lld\\n", n, (long long)(v))\n'
        "int main(void) {" + "\n".join(prints) + " return 0; }\n"
    )
    program = folder / "measure"
    subprocess.run([COMPILER, "-I", str(HEADER.parent), str(source), "-o", str(program)], check=True)
    out = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    return {name: int(value) for name, value in (line.split() for line in out.splitlines())}


def test_struct_layout(measured: dict[str, int]) -> None:
    for name, kind in STRUCTS.items():
        assert ctypes.sizeof(kind) == measured[name], name
        for field, *_ in kind._fields_:
            assert getattr(kind, field).offset == measured[f"{name}.{field}"], (name, field)


def test_tensor_layout(measured: dict[str, int]) -> None:
    assert _abi.TENSOR.size == measured["dpattn_tensor"]
    packed = _abi.TENSOR.pack(0x1122334455667788, 0x21, 0x22, 31, 32, 33, 41, 42, 43)
    for field, value in zip(TENSOR_FIELDS, (0x1122334455667788, 0x21, 0x22, 31, 41)):
        size = 4 if field in ("dtype", "ndim") else 8
        start = measured[f"dpattn_tensor.{field}"]
        assert int.from_bytes(packed[start : start + size], "little") == value, field


def test_numbers(measured: dict[str, int]) -> None:
    assert {name: measured[name] for name in NUMBERS} == NUMBERS


def test_every_status_is_known() -> None:
    names = re.search(r"enum dpattn_status \{(.*?)\n\};", HEADER.read_text(), re.S)
    assert names is not None
    assert set(re.findall(r"DPATTN_(\w+) = ", names[1])) == set(_abi.STATUS)


def test_prototypes() -> None:
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    declared = re.findall(r"DPATTN_API\s+([\w ]+?[ *]+)(dpattn_\w+)\(([^)]*)\)", text)
    declared = [entry for entry in declared if entry[1] != "dpattn_plugin_init"]  # for C hosts
    assert {name for _, name, _ in declared} == set(_abi.PROTOTYPES)
    scalars = {
        "int32_t": ctypes.c_int32,
        "uint32_t": ctypes.c_uint32,
        "uint64_t": ctypes.c_uint64,
        "size_t": ctypes.c_size_t,
        "double": ctypes.c_double,
        "dpattn_builder": ctypes.c_uint64,
        "dpattn_release": ctypes.c_uint64,
        "dpattn_tree": ctypes.c_uint64,
        "dpattn_distance": ctypes.c_uint64,
        "dpattn_ledger": ctypes.c_uint64,
    }
    for result, name, arguments in declared:
        kind, kinds = _abi.PROTOTYPES[name]
        wanted = arguments.split(",") if arguments.strip() != "void" else []
        assert len(kinds) == len(wanted), name
        assert kind is (ctypes.c_char_p if "*" in result else scalars[result.strip()]), name
        for have, want in zip(kinds, wanted):
            pointer = "*" in want
            if pointer:
                text = want.split("*")[-1] in ("path", "label")
                assert have is ctypes.c_char_p if text else have is ctypes.c_void_p or hasattr(have, "contents"), (
                    name,
                    want,
                )
            else:
                assert have is scalars[want.split()[0]], (name, want)


def test_version_is_the_headers() -> None:
    parts = re.findall(r"#define DPATTN_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", HEADER.read_text())
    assert ".".join(parts) == __version__
