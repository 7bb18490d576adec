"""Write what mirrors include/dpattn.h.

These are capi/generated.h, capi/generated.go and, for Python, dpattn/_c/abi.py.

Usage: generate.py ROOT, the tree that has the header and gets the files.

A C preprocessor (CC, else cc) and pycparser read the header. It keeps to a regular style:
enumerators have numbers, limits are numeric macros, a struct is a typedef, and every function but
dpattn_plugin_init has a slot in dpattn_plugin_v1. Whatever has no counterpart here ends in an error
that names it.
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

from pycparser import c_ast, c_generator, c_parser

PREFIX = "dpattn_"

# Where Go has the counterparts of an enum, and the names there that are not the C name in Go's
# spelling. Those of enum dpattn_mechanism are the Number of a package in core, whose name is the C
# name unless it is here.
GO_PACKAGES = {"status": "fault", "dtype": "tensor", "polynomial": "moment", "rotation": "moment", "trees": "trees"}
GO_NAMES = {
    "DPATTN_GAUSSIAN": "moment.Number",
    "DPATTN_DPTREE": "trees.Number",
    "DPATTN_TREES_KEPT": "trees.KeepTrees",
    "DPATTN_TREES_NONE": "trees.NoTrees",
    "DPATTN_ROTATION_NONE": "moment.NoRotation",
    "DPATTN_MAX_NDIM": "tensor.MaxDim",
    "DPATTN_ALL_HEADS": "core.AllHeads",
    "DPATTN_MAX_DIM": "mechanism.MaxDim",
    "DPATTN_MAX_DEGREE": "poly.MaxDegree",
    "DPATTN_MAX_OWNER_ROWS": "mechanism.MaxOwnerRows",
    "DPATTN_MAX_ROWS": "mechanism.MaxRows",
    "DPATTN_MAX_LOGIT_BOUND": "moment.MaxLogitBound",
    "DPATTN_MIN_OWNER_BOUND": "mechanism.MinOwnerBound",
    "DPATTN_MAX_LEAVES": "dptree.MaxLeaves",
    "DPATTN_MAX_TREE_LEAVES": "dptree.MaxTreeLeaves",
    "DPATTN_MAX_COPIES": "dptree.MaxCopies",
    "DPATTN_MAX_CELLS": "codebook.MaxCells",
    "DPATTN_MAX_THREADS": "core.MaxThreads",
}
# capi has a variable of the name of this package.
GO_ALIASES = {"trees": "treemech"}

# Numbers of the library itself.
C_ONLY = re.compile(r"DPATTN_(VERSION_\w+|PLUGIN_ABI)")

# ctypes of C scalars, and the letters of Python's struct module.
CTYPES = {
    "int32_t": "c_int32",
    "uint32_t": "c_uint32",
    "int64_t": "c_int64",
    "uint64_t": "c_uint64",
    "uint8_t": "c_uint8",
    "size_t": "c_size_t",
    "double": "c_double",
    "char": "c_char",
}
LETTERS = {"int32_t": "i", "int64_t": "q"}

# The preprocessor's own headers are full of compilers' extensions; these are all the types that
# ours needs.
PRELUDE = "".join(f"typedef int {name};\n" for name in CTYPES if name.endswith("_t"))


@dataclasses.dataclass
class Header:
    """What the header declares, in its order."""

    enums: Dict[str, Dict[str, int]]
    numbers: Dict[str, float]
    structs: Dict[str, List[c_ast.Decl]]
    handles: List[str]
    functions: Dict[str, c_ast.FuncDecl]

    @property
    def entries(self) -> List[str]:
        """The functions that go on to Go: those that say how it went in their last argument."""
        return [name for name in self.slots if base(self.functions[name].args.params[-1]) == "dpattn_error"]

    @property
    def slots(self) -> List[str]:
        """The functions of the plugin's table, in its order."""
        pointers = (field for field in self.structs["dpattn_plugin_v1"] if is_pointer(field))
        return [PREFIX + field.name for field in pointers]


def read(path: Path) -> Header:
    """Parse the header."""
    text = path.read_text(encoding="utf-8")
    macros = re.findall(r"^#define (DPATTN_\w+) +\(?(-?\d[\d./ ]*?)\)? *(?:/\*.*)?$", text, re.MULTILINE)
    numbers = {name: number(value) for name, value in macros}
    command = [os.environ.get("CC", "cc"), "-E", "-P", "-D__attribute__(x)=", "-xc", "-"]
    source = PRELUDE + re.sub(r"^#include <.*>$", "", text, flags=re.MULTILINE)
    plain = subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout
    header = Header({}, numbers, {}, [], {})
    for node in c_parser.CParser().parse(plain).ext:
        kind = node.type
        if isinstance(kind, c_ast.Enum):
            header.enums[kind.name.removeprefix(PREFIX)] = {
                entry.name: int(entry.value.value) for entry in kind.values.enumerators
            }
        elif isinstance(kind, c_ast.FuncDecl):
            header.functions[node.name] = kind
        elif isinstance(node, c_ast.Typedef) and isinstance(kind.type, c_ast.Struct):
            header.structs[node.name] = kind.type.decls
        elif isinstance(node, c_ast.Typedef) and node.name.startswith(PREFIX) and base(node) == "uint64_t":
            header.handles.append(node.name)
    missing = set(header.functions) - {"dpattn_plugin_init"} ^ set(header.slots)
    if missing:
        raise SystemExit(f"only declared, or only in dpattn_plugin_v1: {', '.join(sorted(missing))}")
    return header


def number(text: str) -> float:
    """The value of a numeric macro: an integer, a decimal or a quotient."""
    top, slash, bottom = text.partition("/")
    if slash:
        return float(top) / float(bottom)
    return float(text) if "." in text else int(text)


def base(node: Any) -> str:
    """The name of the type that a declaration is of, points to, or has many of."""
    while not isinstance(node, c_ast.IdentifierType):
        node = node.type
    return " ".join(node.names)


def is_pointer(node: Any) -> bool:
    """Whether a declaration is of a pointer."""
    return isinstance(node.type, c_ast.PtrDecl)


def is_const(node: Any) -> bool:
    """Whether a declaration is of a pointer to const."""
    return is_pointer(node) and "const" in getattr(node.type.type, "quals", [])


def parameters(function: c_ast.FuncDecl) -> List[Any]:
    """The parameters of a function: none for (void)."""
    return [node for node in function.args.params if isinstance(node, c_ast.Decl)]


def wrapped(text: str, indent: str = "    ") -> str:
    """A long line, broken at spaces into lines of up to 100 characters, with the rest indented."""
    lines = textwrap.wrap(text, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines)


# ---- C -----------------------------------------------------------------------------------------


def c_file(header: Header) -> str:
    """capi/generated.h."""
    consts = [base(p) for function in header.functions.values() for p in parameters(function) if is_const(p)]
    names = {name: "const_" + name.removeprefix(PREFIX).removesuffix("_t") for name in dict.fromkeys(consts)}
    parts = [
        "/* Code generated from include/dpattn.h by capi/_gen/generate.py. DO NOT EDIT. */",
        "/* cgo has no const. A pointer to const goes through one of these, so that a Go export has exactly\n"
        " * the type of its prototype in dpattn.h. */\n"
        + "\n".join(f"typedef const {name} {const};" for name, const in names.items()),
        "/* X(name of a status). */\n"
        + macro("CAPI_STATUSES", [name.removeprefix("DPATTN_") for name in header.enums["status"]]),
        "/* X(name of a slot of dpattn_plugin_v1). */\n"
        + macro("CAPI_SLOTS", [name.removeprefix(PREFIX) for name in header.slots]),
        "/* X(function that goes on to Go, (parameters), (arguments)). */\n"
        + macro("CAPI_ENTRIES", [c_entry(name, header.functions[name]) for name in header.entries]),
    ]
    return "\n\n".join(parts) + "\n"


def c_entry(name: str, function: c_ast.FuncDecl) -> str:
    """A function with its parameters and its arguments, as the arguments of a macro."""
    declared = ", ".join(c_generator.CGenerator().visit(p) for p in parameters(function))
    return f"{name}, ({declared}), ({', '.join(p.name for p in parameters(function))})"


def macro(name: str, items: Sequence[str]) -> str:
    """A macro of X for each item."""
    lines = "\n".join(wrapped(f"    X({item})", "      ") for item in items)
    return f"#define {name}(X) \\\n" + lines.replace("\n", " \\\n")


# ---- Go ----------------------------------------------------------------------------------------


def go_file(header: Header) -> str:
    """capi/generated.go."""
    pairs: List[Tuple[str, str]] = []
    for enum, values in header.enums.items():
        for name, value in values.items():
            if name.endswith("_DEFAULT"):
                if value != 0:
                    raise SystemExit(f"{name} is {value}; a default is 0")
                continue
            pairs.append((go_name(enum, name), f"C.{name}"))
    for name, value in header.numbers.items():
        if not C_ONLY.fullmatch(name):
            if name not in GO_NAMES:
                raise SystemExit(f"{name} has no counterpart in Go: capi/_gen/generate.py must name it in GO_NAMES")
            # cgo keeps six digits of a fraction.
            pairs.append((GO_NAMES[name], f"C.{name}" if isinstance(value, int) else repr(value)))
    used = {go.split(".")[0] for go, _ in pairs}
    imports = "\n".join(f"\t{go_import(package)}" for package in sorted(used, key=go_path))
    checks = "\n".join(f"\tsame[{aliased(go)}-{number}]," for go, number in pairs)
    return f"""\
// Code generated from include/dpattn.h by capi/_gen/generate.py. DO NOT EDIT.

package main

// #include "internal.h"
import "C"

import (
{imports}
)

var same [1]struct{{}}

// The numbers of dpattn.h and those of core are the same: where a pair differs, its index below is
// not 0 and does not compile.
var _ = [...]struct{{}}{{
{checks}
}}
"""


def go_import(package: str) -> str:
    """The import of a package below core, under the name that capi has for it."""
    alias = f"{GO_ALIASES[package]} " if package in GO_ALIASES else ""
    return f'{alias}"{go_path(package)}"'


def go_path(package: str) -> str:
    """The path of a package below core."""
    return "dpattn/core" if package == "core" else f"dpattn/core/{package}"


def aliased(go: str) -> str:
    """A constant by the name that capi has for its package."""
    package, name = go.split(".")
    return f"{GO_ALIASES.get(package, package)}.{name}"


def go_name(enum: str, name: str) -> str:
    """The Go constant of an enumerator."""
    if name in GO_NAMES:
        return GO_NAMES[name]
    if enum == "mechanism":
        return f"{short(enum, name).lower()}.Number"
    package = GO_PACKAGES.get(enum, "core")
    words = short(enum, name)
    if package == "tensor" or len(words) == 2:  # types of elements; OK and IO
        return f"{package}.{words}"
    return f"{package}.{''.join(word.capitalize() for word in words.split('_'))}"


def short(enum: str, name: str) -> str:
    """An enumerator without the prefixes: DPATTN_ROTATION_NONE is NONE of the rotations."""
    return name.removeprefix("DPATTN_").removeprefix(enum.upper() + "_")


# ---- Python ------------------------------------------------------------------------------------


def python_file(header: Header) -> str:
    """dpattn/_c/abi.py, before it is formatted."""
    code = python_code(header)
    used = sorted(set(re.findall(r"\bc_\w+", code)), key=lambda name: (name.rstrip("0123456789"), len(name), name))
    return f'''\
"""Code generated from include/dpattn.h by capi/_gen/generate.py. DO NOT EDIT.

The C ABI as ctypes sees it: numbers, structs and prototypes, and nothing that calls them. Arrays,
text that is written, and tensors are c_void_p, which takes an address, a bytes object or None.
"""

from __future__ import annotations

import ctypes
import struct
from ctypes import POINTER, {", ".join(used)}
from typing import Any, Dict, List, Tuple

{code}

def declare(library: ctypes.CDLL) -> None:
    """Give every function of `library` its prototype; AttributeError names one that it lacks."""
    for name, (result, arguments) in PROTOTYPES.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
'''


def python_code(header: Header) -> str:
    """Numbers, structs and prototypes."""
    version = ".".join(str(header.numbers[f"DPATTN_VERSION_{part}"]) for part in ("MAJOR", "MINOR", "PATCH"))
    lines = [f'__version__ = "{version}"', ""]
    for enum, values in header.enums.items():
        cased = {short(enum, name): value for name, value in values.items() if not name.endswith("_DEFAULT")}
        if enum not in ("status", "dtype"):
            cased = {name.lower(): value for name, value in cased.items()}
        lines.append(f"{enum.upper()}: Dict[str, int] = {cased!r}")
    lines.append("")
    lines += [
        f"{name.removeprefix('DPATTN_')} = {value!r}"
        for name, value in header.numbers.items()
        if not C_ONLY.fullmatch(name)
    ]
    lines += ["", "# dpattn_tensor. Tensors only go in, so a packed bytes object serves as the struct: it is several"]
    lines += ["# times cheaper to make than a ctypes.Structure, and immutable."]
    lines.append(f'TENSOR = struct.Struct("@{packed(header)}")')
    for name, fields in header.structs.items():
        if name not in ("dpattn_tensor", "dpattn_plugin_v1"):
            lines += python_struct(name, fields)
    lines += ["", "PROTOTYPES: Dict[str, Tuple[Any, List[Any]]] = {"]
    for name, function in header.functions.items():
        if name != "dpattn_plugin_init":  # for hosts in C
            result = "c_char_p" if is_pointer(function) else scalar(base(function), header)
            arguments = ", ".join(argument(p, header) for p in parameters(function))
            lines.append(f'    "{name}": ({result}, [{arguments}]),')
    lines.append("}")
    return "\n".join(lines)


def python_struct(name: str, fields: List[c_ast.Decl]) -> List[str]:
    """The class of a struct, after the types of its functions."""
    lines = [""]
    entries = []
    for field in fields:
        kind = "c_void_p" if is_pointer(field) else ""
        if kind and isinstance(field.type.type, c_ast.FuncDecl):
            function = field.type.type
            types = [base(function), *("*" if is_pointer(p) else base(p) for p in parameters(function))]
            kind = f"{name.removeprefix(PREFIX)}_{field.name}".upper()
            lines.append(f"{kind} = ctypes.CFUNCTYPE({', '.join(CTYPES.get(t, 'c_void_p') for t in types)})")
        elif not kind:
            kind = CTYPES[base(field)]
            if isinstance(field.type, c_ast.ArrayDecl):
                kind += f" * {field.type.dim.value}"
        entries.append(f'("{field.name}", {kind})')
    lines += ["", f"class {python_name(name)}(ctypes.Structure):", f'    """{name}."""', ""]
    return [*lines, f"    _fields_ = [{', '.join(entries)},]", ""]


def python_name(name: str) -> str:
    """The class of a struct: PlanResult for dpattn_plan_result."""
    return "".join(word.capitalize() for word in name.removeprefix(PREFIX).split("_"))


def scalar(name: str, header: Header) -> str:
    """The ctype of a number or handle."""
    return "c_uint64" if name in header.handles else CTYPES[name]


def argument(node: c_ast.Decl, header: Header) -> str:
    """The ctype of a parameter."""
    name = base(node)
    if not is_pointer(node):
        return scalar(name, header)
    if name in ("dpattn_tensor", "dpattn_error"):
        return "c_void_p"
    if name in header.structs:
        return f"POINTER({python_name(name)})"
    if name in header.handles or name == "size_t":
        return f"POINTER({scalar(name, header)})"
    return "c_char_p" if name == "char" and is_const(node) else "c_void_p"


def packed(header: Header) -> str:
    """dpattn_tensor in the letters of Python's struct module."""
    letters = []
    for field in header.structs["dpattn_tensor"]:
        count = field.type.dim.value if isinstance(field.type, c_ast.ArrayDecl) else ""
        letters.append("P" if is_pointer(field) else count + LETTERS[base(field)])
    return "".join(letters)


def formatted(code: str, root: Path) -> str:
    """Python code as `make check` wants it."""
    command = [sys.executable, "-m", "ruff", "format", "--config", str(root / "bindings/python/pyproject.toml"), "-"]
    return subprocess.run(command, input=code, capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Write the three files."""
    root, out = Path(__file__).resolve().parents[2], Path(sys.argv[1])
    header = read(out / "include" / "dpattn.h")
    for path, text in (
        ("capi/generated.h", c_file(header)),
        ("capi/generated.go", go_file(header)),
        ("bindings/python/dpattn/_c/abi.py", formatted(python_file(header), root)),
    ):
        (out / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
