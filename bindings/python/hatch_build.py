"""Puts the C library into the wheel and its sources into the source distribution.

Only ctypes touches the library, so the wheel's tag is py3-none-<platform>. The library is
DPATTN_LIBRARY, or what `make build` makes of the sources: those of the checkout, or those that a
source distribution has in its folder native/.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAMES = {"darwin": "libdpattn.dylib", "win32": "dpattn.dll"}

# What `make build` reads.
FILES = ("LICENSE", "Makefile", "go.mod", "go.sum", "include/dpattn.h")
FOLDERS = ("capi", "core", "mk", "simd")
SUFFIXES = {".c", ".go", ".h", ".map", ".md", ".mk", ".s"}


class LibraryHook(BuildHookInterface):
    def initialize(self, version, build_data):
        included = build_data["force_include"]
        if self.target_name == "sdist":
            for path in sources(self.native()):
                included[str(path)] = f"native/{path.relative_to(self.native()).as_posix()}"
        elif version != "editable":  # a checkout finds its own build folder
            library = self.library()
            included[str(self.native() / "LICENSE")] = "dpattn/LICENSE"
            included[str(library.resolve())] = f"dpattn/{NAMES.get(sys.platform, 'libdpattn.so')}"
            build_data["pure_python"] = False
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"py3-none-{platform}"

    def native(self):
        """The folder of the C library's sources."""
        unpacked = Path(self.root, "native")
        return unpacked if unpacked.is_dir() else Path(self.root).resolve().parents[1]

    def library(self):
        override = os.environ.get("DPATTN_LIBRARY")
        if override:
            if not Path(override).is_file():
                raise FileNotFoundError(f"DPATTN_LIBRARY is {override}; there is no such file")
            return Path(override)
        missing = [tool for tool in ("make", "go") if shutil.which(tool) is None]
        if missing:
            raise RuntimeError(
                f"building the C library takes Go 1.26, a C compiler and make; there is no {' and no '.join(missing)}. "
                "DPATTN_LIBRARY may name a library that is built already"
            )
        subprocess.run(["make", "build"], cwd=self.native(), check=True)
        return self.native() / "build" / NAMES.get(sys.platform, "libdpattn.so")


def sources(root):
    """The files that the C library is built from, without their tests and generators."""
    yield from (root / name for name in FILES)
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            left_out = path.name.endswith("_test.go") or "_asm" in path.parts
            if path.suffix in SUFFIXES and not left_out:
                yield path
