"""The library exports exactly the functions that the header declares, and its plugin table has each in its place.

Usage: symbols.py HEADER LIBRARY
"""

import ctypes
import re
import subprocess
import sys


def declared(header: str) -> set[str]:
    """The functions that the header declares, by their marker."""
    with open(header, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.DOTALL)
    return set(re.findall(r"^DPATTN_API\b[^;]*?\b(\w+)\s*\(", text, flags=re.MULTILINE))


def exported(library: str) -> set[str]:
    """Every symbol that the library defines for others, of whatever kind."""
    command = ["nm", "-D", "--defined-only", library]
    if sys.platform == "darwin":
        command = ["nm", "-gU", library]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    names = {line.split()[-1] for line in lines}
    return {name.removeprefix("_") for name in names} if sys.platform == "darwin" else names


def slots(header: str) -> list[str]:
    """The functions of dpattn_plugin_v1 in their order, by the names that they are exported under."""
    with open(header, encoding="utf-8") as file:
        table = re.search(r"typedef struct dpattn_plugin_v1 \{(.*?)\} dpattn_plugin_v1;", file.read(), flags=re.DOTALL)
    return [f"dpattn_{name}" for name in re.findall(r"\(\*(\w+)\)\(", table[1])] if table else []


def misplaced(library: str, names: list[str]) -> list[str]:
    """The functions that are not where the table of this library should have them."""
    loaded = ctypes.CDLL(library)
    numbers = ctypes.sizeof(ctypes.c_uint32 * 2)
    table = (ctypes.c_void_p * (len(names) + 1))()
    status = loaded.dpattn_plugin_init(1, table, ctypes.c_size_t(ctypes.sizeof(table)), None)
    filled = ctypes.cast(table, ctypes.POINTER(ctypes.c_uint32))[0]
    if status != 0 or filled != ctypes.sizeof(table) or numbers != ctypes.sizeof(ctypes.c_void_p):
        return names
    addresses = [ctypes.cast(getattr(loaded, name), ctypes.c_void_p).value for name in names]
    return [name for name, slot, address in zip(names, table[1:], addresses, strict=True) if slot != address]


def main() -> int:
    want, got = declared(sys.argv[1]), exported(sys.argv[2])
    for name in sorted(want - got):
        print(f"declared, not exported: {name}")
    for name in sorted(got - want):
        print(f"exported, not declared: {name}")
    functions = want - {"dpattn_plugin_init"}
    table = slots(sys.argv[1])
    for name in sorted(functions - set(table)):
        print(f"declared, not in dpattn_plugin_v1: {name}")
    for name in sorted(set(table) - functions):
        print(f"in dpattn_plugin_v1, not declared: {name}")
    wrong = misplaced(sys.argv[2], [name for name in table if name in got])
    for name in wrong:
        print(f"not in its place in the table that dpattn_plugin_init fills (capi/plugin.c): {name}")
    results = [want == got and len(want) > 0, sorted(table) == sorted(functions), not wrong]
    print(f"symbols: {sum(results)} passed, {len(results) - sum(results)} failed")
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(main())
