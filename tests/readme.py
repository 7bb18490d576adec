"""The programs in README.md and docs work when pasted, and every page's links lead somewhere.

Usage: readme.py FOLDER PAGE..., from the top of the checkout, with the library built and the
package installed.
"""

import re
import subprocess
import sys
from pathlib import Path

# A fenced program, and the indented command below it if the language has one.
PROGRAM = re.compile(r"^```(python|c|cpp)\n(.*?)^```\n(?:\n    (c[^\n]*people[^\n]*)\n)?", re.DOTALL | re.MULTILINE)
SUFFIX = {"python": ".py", "c": ".c", "cpp": ".cpp"}
SAYS = re.compile(r"east \+?0\.\d.*north -0\.\d|five: (9|10)\d{3} visits")

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def astray() -> list:
    """The links of tracked pages that lead to no file."""
    listed = subprocess.run(["git", "ls-files", "*.md"], check=False, capture_output=True, text=True).stdout
    return [
        f"{page}: {target}"
        for page in map(Path, listed.split())
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not target.startswith("http") and not (page.parent / target).exists()
    ]


def works(folder: Path, page: Path, language: str, program: str, command: str) -> bool:
    """Whether the program builds, runs, and says who votes what, or how many visited."""
    source = folder / f"people{SUFFIX[language]}"
    source.write_text(program, encoding="utf-8")
    run = [sys.executable, source.resolve()]
    if language != "python":
        binary = folder / f"people_{language}"
        build = [{source.name: str(source), "people": str(binary)}.get(word, word) for word in command.split()]
        if subprocess.run(build, check=False).returncode != 0:
            return False
        run = [binary.resolve()]
    # The rpath in the command is relative to the checkout; the Python program leaves a file where
    # it runs.
    where = folder if language == "python" else Path.cwd()
    result = subprocess.run(run, check=False, capture_output=True, text=True, cwd=where)
    print(f"{page}, {language}: {result.stdout.strip()}{result.stderr.strip()}")
    return result.returncode == 0 and SAYS.search(result.stdout) is not None


def main() -> int:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    passed = failed = 0
    for page in map(Path, sys.argv[2:]):
        found = PROGRAM.findall(page.read_text(encoding="utf-8"))
        # C without a command to build it is an extract of a program.
        programs = [(language, text, command) for language, text, command in found if language == "python" or command]
        worked = sum(works(folder, page, *program) for program in programs)
        passed += worked
        failed += len(programs) - worked
        if not programs:
            print(f"{page}: no program")
            failed += 1
    for link in astray():
        print(f"no such file: {link}")
        failed += 1
    print(f"readme: {passed} passed, {failed} failed")
    return int(failed != 0)


if __name__ == "__main__":
    sys.exit(main())
