"""Puts what `dpattn plan` prints into docs/choosing.md and draws its plot, or checks the document.

Usage: choosing.py write|check DOCUMENT [PLOT], with the package installed and the library built.
Every fenced block of kind `console` that starts with `$ dpattn` holds a command and its output.
They run in one folder, where PUBLIC.npy has made-up public rows.
"""

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import dpattn
from dpattn.cli import main as dpattn_command

# The command, which may go on after a backslash at the end of a line, and the output below it.
RUN = re.compile(r"(?<=```console\n)\$ (dpattn (?:[^\n]*\\\n)*[^\n]*\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)
EPSILONS = {0.5: "#3366aa", 1.0: "#cc6633", 4.0: "#338855"}
ROWS = [round(10 ** (exponent / 8)) for exponent in range(16, 49)]


def answer(command: str) -> str:
    """What a dpattn command prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = dpattn_command(shlex.split(command.replace("\\\n", " "))[1:])
    if code != 0:
        raise SystemExit(f"{command}: exit code {code}")
    return said.getvalue()


def filled(text: str) -> str:
    """The document with the output of every command below it."""
    back = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            np.save("PUBLIC.npy", np.random.default_rng(0).normal(size=(2000, 64)) / 8)
            return RUN.sub(lambda match: f"$ {match[1]}{answer(match[1])}", text)
        finally:
            os.chdir(back)


def noise(epsilon: float, rows: int) -> float:
    """The noise that the document's plot shows."""
    params = dpattn.Params(
        key_dim=64, value_dim=8, key_bound=1, query_bound=1, value_bound=1, adjacency="add_remove", scale=2, degree=3
    )
    return dpattn.plan(params, n=rows, epsilon=epsilon, delta=1e-6).noise_stddev


def draw(path: Path) -> None:
    """Noise against rows, one line a budget."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure: Any
    figure, axes = plt.subplots(figsize=(7, 4.2), dpi=110, layout="constrained")
    for epsilon, colour in EPSILONS.items():
        values = [noise(epsilon, rows) for rows in ROWS]
        axes.loglog(ROWS, values, color=colour, linewidth=2)
        axes.annotate(
            f"ε = {epsilon:g}", (ROWS[-1], values[-1]), color=colour, xytext=(4, -3), textcoords="offset points"
        )
    axes.axhline(0.01, color="#888888", linewidth=1, linestyle=":")
    axes.annotate("1 % of value_bound", (1e5, 0.01), color="#666666", xytext=(0, 3), textcoords="offset points")
    axes.set_xlabel("private rows")
    axes.set_ylabel("noise of one number of an answer / value_bound")
    axes.set_title("b = 2, key_dim 64, value_dim 8, degree 3, δ = 1e-6, add_remove")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(ROWS[0], ROWS[-1] * 2.2)
    # No version and date inside: the same numbers give the same file.
    figure.savefig(path, metadata={"Software": None})


def main() -> int:
    what, document = sys.argv[1], Path(sys.argv[2])
    text = document.read_text(encoding="utf-8")
    new = filled(text)
    if what == "check":
        commands = len(RUN.findall(text))
        current = new == text and commands > 0
        print(f"{document}: {'current' if current else 'stale, run make docs'}, {commands} commands run")
        return int(not current)
    document.write_text(new, encoding="utf-8")
    draw(Path(sys.argv[3]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
