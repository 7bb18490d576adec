"""Makes the torch of PyPI load without CUDA's libraries.

On Linux it links 1.8 GB of them, from packages of their own, and calls none on a machine without a
GPU. Installed without those packages (pip install --no-deps) it does not load, for want of
libraries and symbols. This finds what its libraries ask for and compiles libraries that hold just
those names; each function reports that there is no device. Everything that runs on the CPU is
torch's own. For tests only.
"""

import collections
import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path

VENDOR = r"(?:cu|nv|nccl)"
# cudaErrorNoDevice; whoever then asks for words gets some.
NO_DEVICE, WORDS = "int {}(void) {{ return 100; }}\n", 'const char *{}(void) {{ return "no CUDA here"; }}\n'


def readelf(what: str, library: Path) -> list[str]:
    """The lines that binutils' readelf has about a library."""
    done = subprocess.run(["readelf", "--wide", what, library], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def missing(folder: Path) -> tuple[dict[str, list[str]], dict[str, set[str]]]:
    """The vendor's missing libraries: their functions, and the versions of their symbols."""
    libraries = sorted(folder.glob("*.so*"))
    there = {library.name for library in libraries}
    versions: dict[str, set[str]] = {}
    defined: set[str] = set()
    wanted: dict[str, str] = {}
    for library in libraries:
        for line in readelf("-d", library):
            found = re.search(rf"\(NEEDED\).*\[(lib{VENDOR}[^\]]*)\]", line)
            if found and found[1] not in there:
                versions.setdefault(found[1], set())
        file, file_of = "", {}
        for line in readelf("-V", library):
            if found := re.search(r"\bFile: (\S+)", line):
                file = found[1]
            elif (found := re.search(r"\bName: (\S+)", line)) and file in versions:
                versions[file].add(found[1])
                file_of[found[1]] = file
        for line in readelf("--dyn-syms", library):
            fields = line.split()
            if len(fields) < 8 or not fields[0].rstrip(":").isdigit():
                continue
            name, _, version = fields[7].partition("@")
            if fields[6] != "UND":
                defined.add(name)
            elif re.match(rf"_*{VENDOR}", name):
                wanted.setdefault(name, file_of.get(version, ""))
    # A symbol without a version is found in whichever library has it.
    anywhere = min(versions, default="")
    functions = collections.defaultdict(list)
    for name, file in wanted.items():
        if name not in defined:
            functions[file or anywhere].append(name)
    return {library: functions[library] for library in versions}, versions


def compile_library(library: Path, names: list[str], versions: set[str]) -> None:
    """A library of these functions, none of which takes or does anything."""
    with tempfile.TemporaryDirectory() as scratch:
        source, script = Path(scratch, "stub.c"), Path(scratch, "stub.map")
        source.write_text(
            "".join((WORDS if re.search("String|ErrorName", name) else NO_DEVICE).format(name) for name in names)
        )
        command = ["cc", "-shared", "-fPIC", "-w", "-fno-builtin", f"-Wl,-soname,{library.name}", source, "-o", library]
        if versions:
            first, *rest = sorted(versions)
            script.write_text(f"{first} {{ global: *; }};\n" + "".join(f"{version} {{ }};\n" for version in rest))
            command.append(f"-Wl,--version-script,{script}")
        subprocess.run(command, check=True)


def main() -> int:
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        print("torch is not installed")
        return 1
    folder = Path(spec.origin).parent / "lib"
    functions, versions = missing(folder)
    for library, names in functions.items():
        compile_library(folder / library, names, versions[library])
    done = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.__version__, torch.ones(2).sum().item())"], check=False
    )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
