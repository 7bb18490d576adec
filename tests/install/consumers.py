"""Programs that use an installed dpattn: built outside the checkout, against a tree that was staged
and then moved.

Usage: consumers.py, from the top of the checkout. Without cmake or pkg-config what needs it is
skipped, and says so.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path.cwd()
SOURCES = Path(__file__).resolve().parent
PROGRAMS = ["consumer.c", "consumer.cpp", "CMakeLists.txt", "version/CMakeLists.txt"]
HOST = ROOT / "bindings" / "plugin" / "host.c"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]

results: list[bool] = []


def check(holds: bool, what: str) -> bool:
    results.append(holds)
    print(f"  {'ok' if holds else 'FAILED'}: {what}")
    return holds


def run(*command: str | Path, **environment: str) -> tuple[bool, str]:
    """Whether the command succeeds, and what it says; nothing leads it to another dpattn."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DPATTN", "LD_", "MAKE", "PKG_", "CMAKE"))
    }
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env={**clean, **environment})
    if done.returncode != 0:
        print(done.stdout, done.stderr, sep="", end="")
    return done.returncode == 0, done.stdout.strip()


def install(work: Path, *settings: str) -> Path:
    """A tree installed for one place, staged in another, used in a third whose name has a space."""
    stage, tree = work / "stage", work / f"moved here {len(list(work.iterdir()))}"
    good, _ = run("make", "--no-print-directory", "install", "PREFIX=/opt/dpattn", f"DESTDIR={stage}", *settings)
    if not check(good, f"make install PREFIX=/opt/dpattn DESTDIR=... {' '.join(settings)}"):
        sys.exit(1)
    (stage / "opt" / "dpattn").rename(tree)
    return tree


def check_tree(tree: Path, version: str) -> None:
    """What lies where, and that none of it names the checkout or the place it was installed for."""
    major = version.split(".", maxsplit=1)[0]
    names = [f"libdpattn.so.{version}", f"libdpattn.so.{major}", "libdpattn.so"]
    headers = sorted(file.name for file in (tree / "include").iterdir())
    check(headers == ["dpattn-ggml.h", "dpattn.h", "dpattn.hpp"], f"include: {', '.join(headers)}")
    links = [os.readlink(tree / "lib" / name) for name in names[1:]]
    check(links == names[:2], f"lib/{names[2]} -> {names[1]} -> {names[0]}")
    files = [file for file in tree.rglob("*") if file.is_file() and not file.is_symlink()]
    traces = [
        file for file in files if any(place in file.read_bytes() for place in (os.fsencode(ROOT), b"/opt/dpattn"))
    ]
    check(
        not traces,
        f"no path of the checkout or the prefix in any of {len(files)} files {[str(file) for file in traces] or ''}",
    )


def check_program(program: Path, says: str, *arguments: str | Path, **environment: str) -> None:
    good, said = run(program, *arguments, **environment)
    check(good and re.search(says, said) is not None, f"{program.name}: {said}")


def check_cmake(work: Path, sources: Path, tree: Path, version: str) -> None:
    build = work / "cmake"
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    good, _ = run("cmake", *generator, "-S", sources, "-B", build, f"-DCMAKE_PREFIX_PATH={tree}")
    if not check(good and run("cmake", "--build", build)[0], "cmake: find_package(dpattn), four programs"):
        return
    check_program(build / "c99", f"^dpattn {version}: ")
    check_program(build / "cpp17", f"^dpattn {version}, C.. 201703: ")
    check_program(build / "cpp20", f"^dpattn {version}, C.. 202002: ")
    check_program(build / "host", "east .0.[5-9].* north -0.[5-9]", tree / "lib" / "libdpattn.so")
    _, needs = run("objdump", "-p", build / "host")
    check("NEEDED" in needs and "libdpattn" not in needs, "host: not linked with the library")


def check_versions(work: Path, sources: Path, package: Path, version: str) -> None:
    """find_package takes the versions that it should."""
    major, minor, patch = (int(part) for part in version.split("."))
    takes = ["", f"{major}.{minor}", version, f"{version};EXACT"]
    refuses = [
        f"{major}.{minor}.{patch + 1}",
        f"{major}.{minor + 1}",
        f"{major + 1}",
        f"{major}.{minor}.{patch + 1};EXACT",
    ]
    for want in takes + refuses:
        command = [
            "cmake",
            "-S",
            sources / "version",
            "-B",
            work / "version",
            f"-Ddpattn_DIR={package}",
            f"-DWANT={want}",
        ]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        taken = done.returncode == 0
        check(
            taken == (want in takes),
            f"find_package(dpattn {want}) {'takes' if taken else 'refuses'} {version}",
        )


def check_pkg_config(
    work: Path, sources: Path, tree: Path, libdir: str, version: str, programs: list[tuple[str, ...]]
) -> None:
    where = {"PKG_CONFIG_PATH": str(tree / libdir / "pkgconfig")}
    check(
        run("pkg-config", "--modversion", "dpattn", **where) == (True, version), f"pkg-config --modversion is {version}"
    )
    good, flags = run("pkg-config", "--cflags", "--libs", "dpattn", **where)
    check(good, f"pkg-config: {flags.replace(str(work), '...')}")
    for compiler, standard, source in programs:
        program = work / f"{source}.{standard}"
        command = [compiler, f"-std={standard}", *WARNINGS, sources / source, *shlex.split(flags), "-lm", "-o", program]
        if check(run(*command)[0], f"{compiler} -std={standard} {source} $(pkg-config --cflags --libs dpattn)"):
            check_program(program, f"^dpattn {version}", LD_LIBRARY_PATH=str(tree / libdir))


def main() -> int:
    header = (ROOT / "include" / "dpattn.h").read_text(encoding="utf-8")
    version = ".".join(re.findall(r"#define DPATTN_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header))
    with tempfile.TemporaryDirectory(prefix="dpattn-install-") as folder:
        work = Path(folder)
        sources = work / "sources"
        for name in PROGRAMS:
            (sources / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(SOURCES / name, sources / name)
        shutil.copy(HOST, sources)

        tree = install(work)
        check_tree(tree, version)
        deep = "lib/of/another/depth"
        deep_tree = install(work, f"LIBDIR={deep}")
        if shutil.which("cmake"):
            check_cmake(work, sources, tree, version)
            check_versions(work, sources, deep_tree / deep / "cmake" / "dpattn", version)
        else:
            print("install: skipped find_package, since there is no cmake here")
        if shutil.which("pkg-config"):
            c99 = ("cc", "c99", "consumer.c")
            check_pkg_config(
                work,
                sources,
                tree,
                "lib",
                version,
                [c99, ("c++", "c++17", "consumer.cpp"), ("c++", "c++20", "consumer.cpp")],
            )
            check_pkg_config(work, sources, deep_tree, deep, version, [c99])
        else:
            print("install: skipped pkg-config, since it is not here")
    print(f"install: {sum(results)} passed, {len(results) - sum(results)} failed")
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(main())
