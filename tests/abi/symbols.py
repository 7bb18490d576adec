"""The library exports exactly the functions that the header declares.

Usage: symbols.py HEADER LIBRARY
"""

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


def main() -> int:
    want, got = declared(sys.argv[1]), exported(sys.argv[2])
    for name in sorted(want - got):
        print(f"declared, not exported: {name}")
    for name in sorted(got - want):
        print(f"exported, not declared: {name}")
    same = want == got and len(want) > 0
    print(f"symbols: {int(same)} passed, {int(not same)} failed")
    return int(not same)


if __name__ == "__main__":
    sys.exit(main())
