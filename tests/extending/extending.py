"""Proof of docs/extending.md: a copy of the tree gets a mechanism, and C and Python use it.

    extending.py FOLDER   makes the copy there

What the copy gets is all that a mechanism needs: one folder, its line in core's registry and its
line in the header. The mechanism is the simplest private release that can be, testdata/sums.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCE = HERE / "testdata" / "sums" / "sums.go"
MOST_LINES = 200

REGISTRY = "core/registry.go"
HEADER = "include/dpattn.h"


def run(*command: str, cwd: Path, **environment: str) -> None:
    print("+", *command, flush=True)
    subprocess.run(command, cwd=cwd, check=True, env={**os.environ, **environment})


def insert(path: Path, after: str, line: str) -> None:
    """Put `line` behind the one line that has `after`."""
    lines = path.read_text().splitlines(keepends=True)
    (at,) = [i for i, text in enumerate(lines) if after in text]
    lines.insert(at + 1, line)
    path.write_text("".join(lines))


def main() -> None:
    copy = Path(sys.argv[1]).resolve()
    lines = len(SOURCE.read_text().splitlines())
    assert lines < MOST_LINES, f"the mechanism has {lines} lines; it must have fewer than {MOST_LINES}"
    shutil.rmtree(copy, ignore_errors=True)
    for part in ("core", "simd", "capi", "include", "bindings/python/dpattn"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("*_test.go", "__pycache__"))
    for part in ("go.mod", "go.sum", "bindings/python/pyproject.toml"):
        shutil.copy(ROOT / part, copy / part)
    shutil.copy(ROOT / "core" / "layout_test.go", copy / "core")

    (copy / "core" / "sums").mkdir()
    shutil.copy(SOURCE, copy / "core" / "sums")
    insert(copy / REGISTRY, "&trees.Kind,", "\t&sums.Kind,\n")
    insert(copy / REGISTRY, '"dpattn/core/moment"', '\t"dpattn/core/sums"\n')
    insert(copy / HEADER, "DPATTN_GAUSSIAN = 1", "    DPATTN_SUMS = 9,\n")

    go = os.environ.get("GO", "go")
    run(sys.executable, "capi/_gen/generate.py", ".", cwd=copy)
    run(go, "vet", "./core/...", "./capi", cwd=copy)
    run(go, "test", "-run", "TestImportsPointOneWay", "./core", cwd=copy)
    library = copy / "libdpattn.so"
    run(go, "build", "-trimpath", "-buildmode=c-shared", "-o", str(library), "./capi", cwd=copy)
    compiler = os.environ.get("CC", "cc")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Iinclude"]
    link = ["-L.", "-ldpattn", "-lm", f"-Wl,-rpath,{copy}"]
    run(compiler, *flags, str(HERE / "release.c"), "-o", "release", *link, cwd=copy)
    run("./release", cwd=copy)
    python = {"PYTHONPATH": str(copy / "bindings" / "python"), "DPATTN_LIBRARY": str(library)}
    run(sys.executable, str(HERE / "release.py"), cwd=copy, **python)
    print(f"a mechanism of {lines} lines in one folder: Go, C and Python use it")


if __name__ == "__main__":
    main()
