"""Wheel and source distribution work without a checkout: in a clean environment and folder.

Usage: wheel.py FOLDER, from the top of the checkout; FOLDER holds the wheel and the sdist of `make
wheel`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path.cwd()
CONSTRAINTS = ROOT / "bindings" / "python" / "requirements-dev.txt"
PIP = ["-m", "pip", "--quiet", "--disable-pip-version-check"]
# What the tests read besides themselves, and the tests that show that the package and its library
# are whole.
READ_BY_TESTS = ["include", "tests/python", "tests/vectors"]
TESTS = ["test_library.py", "test_abi.py", "test_attend.py", "test_release.py", "test_cli.py::test_the_whole_way"]

# Prints where package and library are, and a version of each.
WHERE = """
import ctypes, dpattn, dpattn._c.library as l
from pathlib import Path
assert l._library is None, "the import alone loaded the library"
print(Path(dpattn.__file__).parent, dpattn.__version__, dpattn.build_info()["version"], l.library()._name, sep="\\n")
"""

results: list[bool] = []


def check(holds: bool, what: str) -> bool:
    results.append(holds)
    print(f"  {'ok' if holds else 'FAILED'}: {what}")
    return holds


def run(where: Path, *command: str | Path) -> tuple[bool, str]:
    """Whether the command succeeds, and what it says; its environment knows no checkout."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("DPATTN", "LD_", "MAKE", "PYTHON"))
    }
    done = subprocess.run([str(word) for word in command], cwd=where, capture_output=True, text=True, env=clean)
    if done.returncode != 0:
        print(done.stdout, done.stderr, sep="", end="")
    return done.returncode == 0, done.stdout.strip()


def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def check_names(wheel: Path, sdist: Path, version: str) -> None:
    tag = "manylinux_2_[0-9]+_[a-z0-9_]+" if sys.platform == "linux" else "[a-z0-9_]+"
    check(re.fullmatch(rf"dpattn-{version}-py3-none-{tag}\.whl", wheel.name) is not None, wheel.name)
    check(sdist.name == f"dpattn-{version}.tar.gz", sdist.name)
    names = contents(wheel)
    library = {"darwin": "libdpattn.dylib", "win32": "dpattn.dll"}.get(sys.platform, "libdpattn.so")
    check(
        {f"dpattn/{library}", "dpattn/py.typed", "dpattn/LICENSE", "dpattn/_c/library.py"} <= names,
        f"it holds {library}",
    )


def check_installed(work: Path, python: Path, version: str) -> None:
    good, said = run(work, python, "-c", WHERE)
    package, *versions, library = said.splitlines() or ["nowhere", ""]
    inside = all(Path(path).is_relative_to(python.parents[1]) for path in (package, library))
    check(
        good and inside and versions == [version] * 2,
        f"package and library {' and '.join(versions)} are in the environment",
    )
    good, said = run(work, python.with_name("dpattn"), "--version")
    check(good and said.startswith(f"dpattn {version}"), f"dpattn --version: {said}")


def check_missing(work: Path, python: Path) -> None:
    """Without its library the package imports, and the first use says where it looked."""
    code = "import dpattn, sys\ntry: dpattn.build_info()\nexcept dpattn.LibraryError as e: sys.exit(print(e))"
    [library] = python.parents[1].rglob("*dpattn.so" if sys.platform == "linux" else "*dpattn.d*")
    library.rename(library.with_suffix(".away"))
    good, said = run(work, python, "-c", code)
    library.with_suffix(".away").rename(library)
    paths = [str(folder / library.name) for folder in (library.parent, python.parents[1] / "lib")]
    check(good and all(f"  {path}: no such file" in said for path in paths), f"without it: {' '.join(said.split())}")


def main() -> int:
    [wheel], [sdist] = (sorted(Path(sys.argv[1]).resolve().glob(pattern)) for pattern in ("*.whl", "*.tar.gz"))
    header = (ROOT / "include" / "dpattn.h").read_text(encoding="utf-8")
    version = ".".join(re.findall(r"#define DPATTN_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header))
    check_names(wheel, sdist, version)
    with tempfile.TemporaryDirectory(prefix="dpattn-wheel-") as folder:
        work = Path(folder).resolve()
        venv.create(work / "venv", with_pip=True)
        python = work / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        needed = ["pytest", "mpmath", "ml_dtypes"]
        if not check(
            run(work, python, *PIP, "install", "--no-compile", "-c", CONSTRAINTS, wheel, *needed)[0],
            f"pip install {wheel.name}",
        ):
            return 1
        check_installed(work, python, version)
        check_missing(work, python)
        for name in READ_BY_TESTS:
            shutil.copytree(ROOT / name, work / name, ignore=shutil.ignore_patterns("__pycache__"))
        good, said = run(work / "tests" / "python", python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS)
        check(good, f"tests on the installed wheel: {said.splitlines()[-1] if said else 'nothing ran'}")

        # In isolation: pip unpacks the sources, gets the build backend, and builds the library with
        # Go.
        if check(
            run(work, python, *PIP, "wheel", "--no-deps", "-w", work / "again", sdist)[0], f"pip wheel {sdist.name}"
        ):
            [again] = (work / "again").glob("*.whl")
            difference = sorted(contents(wheel) ^ contents(again))
            check(not difference, f"{again.name} holds the same files {difference or ''}")
            good, _ = run(work, python, *PIP, "install", "--no-compile", "--no-deps", "--force-reinstall", again)
            check(good, f"pip install {again.name}")
            check_installed(work, python, version)
    print(f"wheel: {sum(results)} passed, {len(results) - sum(results)} failed")
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(main())
