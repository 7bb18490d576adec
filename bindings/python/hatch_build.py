"""Puts the C library into the wheel and names the platform: py3-none-<platform>, since only ctypes touches it.

The library is DPATTN_LIBRARY, or that of a checkout's build folder. Without one the wheel is pure, and the library must
be found where the system keeps its own.
"""

import os
import sys
import sysconfig
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAMES = {"darwin": "libdpattn.dylib", "win32": "dpattn.dll"}


class LibraryHook(BuildHookInterface):
    def initialize(self, version, build_data):
        license_file = Path(self.root, "..", "..", "LICENSE")
        if license_file.is_file():
            build_data["force_include"][str(license_file.resolve())] = "dpattn/LICENSE"
        if version == "editable":  # a checkout finds its own build folder
            return
        name = NAMES.get(sys.platform, "libdpattn.so")
        override = os.environ.get("DPATTN_LIBRARY")
        library = Path(override) if override else Path(self.root, "..", "..", "build", name)
        if not library.is_file():
            if override:
                raise FileNotFoundError(f"DPATTN_LIBRARY is {override}; there is no such file")
            self.app.display_warning(f"{name} is not built: the wheel holds no C library")
            return
        build_data["force_include"][str(library.resolve())] = f"dpattn/{name}"
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"
