"""What compare.json says: tables for the terminal and a plot, and both in docs/paper.md.

compare.py build/compare/compare.json   prints the tables and draws a plot beside the JSON
compare.py build/compare/compare.json docs/paper.md docs/trees.md   puts them into the documents
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench"))

from document import fill
from report import WITHOUT, Result, number, table

PAPER, MOST, ONE, LINEAR, MOMENT = (
    "DPTree, the paper's l copies",
    "DPTree, most copies that fit",
    "DPTree, one copy",
    "DPTree, one copy, no trees",
    "moment release",
)
LOOKS = {
    PAPER: ("#7b3f61", "*"),
    MOST: ("#b07aa1", "^"),
    ONE: ("#4e79a7", "D"),
    LINEAR: ("#e8871e", "s"),
    MOMENT: ("#d1495b", "o"),
}

# The paper's exponents.
COST_CLAIMS = {
    ("n", "bytes"): "1",
    ("n", "init_seconds"): "1",
    ("n", "query_reads"): "0, log n",
    ("n", "query_us"): "0, log n",
    ("n", "query_again_us"): "0, log n",
    ("d", "bytes"): "1",
    ("d", "init_seconds"): "1",
    ("d", "query_reads"): "1",
    ("d", "query_us"): "1",
    ("d", "query_again_us"): "1",
    ("r", "bytes"): "2",
    ("r", "init_seconds"): "2",
    ("r", "query_reads"): "2",
    ("r", "query_us"): "2",
    ("r", "query_again_us"): "2",
    ("log n", "query_reads"): "1",
    ("log n", "query_again_us"): "1",
}
ERROR_CLAIMS = {"n": "-1", "epsilon": "-1", "R": "2s = 4", "r, one copy": WITHOUT, "r, r copies": "2"}
FIGURES = {
    "bytes": "space",
    "init_seconds": "time to make",
    "query_reads": "numbers read a query",
    "query_us": "time of a query",
    "query_again_us": "time of the same query again",
}


def machine(result: Result) -> str:
    """Where and how the figures were measured."""
    m, s = result["machine"], result["setting"]
    quick = " A quick run: few and small samples." if m["quick"] else ""
    return (
        f"Measured on {m['date']}: {m['cpu']}, {m['go']}, one thread; times are processor time. Keys and queries are "
        f"uniform in [0, {s['range']:g}]^{s['key_dim']}, values in [-{s['value_range']:g}, {s['value_range']:g}]"
        f"^{s['value_dim']}; ({s['epsilon']:g}, {s['delta']:g})-DP, {s['adjacency']}, degree s = {s['degree']}; errors "
        f"are over {s['queries']} queries of one release.{quick}"
    )


def size(count: float) -> str:
    """Bytes in words."""
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= step:
            return f"{number(count / step)} {unit}"
    return f"{count:g} B"


def releases(result: Result) -> str:
    """Error and cost of every kind at every n."""
    rows = []
    for r in result["releases"]:
        cells = [f"{r['n']:,}", r["kind"], f"{r['copies']:,}" if "copies" in r else WITHOUT]
        if "refused" in r:
            estimated = (size(r["estimated_bytes"]), number(r["estimated_seconds"]))
            cells += ["refused", "", "", *(f"({value})" for value in estimated), ""]
        else:
            cells += [number(r[key]) for key in ("error_max", "error_mean", "stddev")]
            cells += [size(r["bytes"]), number(r["init_seconds"]), number(r["query_us"])]
        rows.append(cells)
    head = ("n", "release", "copies", "error: max", "mean", "predicted std", "bytes", "init s", "us a query")
    return table(head, rows, left=2)


def refusals(result: Result) -> str:
    """What was not made, in the words of who refused it."""
    lines = [f"* n = {r['n']:,}: {r['refused']}" for r in result["releases"] if "refused" in r]
    return "\n".join(lines) or "Nothing was refused."


def verdict(result: Result) -> str:
    """How much noisier and larger the others are than the moment release."""
    lines = []
    for n in sorted({r["n"] for r in result["releases"]}):
        made = {r["kind"]: r for r in result["releases"] if r["n"] == n and "refused" not in r}
        cells = [f"{n:,}"]
        for kind in LOOKS:
            if kind == MOMENT:
                continue
            if kind not in made:
                cells += ["refused", ""]
                continue
            noise, space = (made[kind][key] / made[MOMENT][key] for key in ("stddev", "bytes"))
            cells += [f"{number(noise)} x", f"{number(space)} x"]
        lines.append(cells)
    names = [name for kind in LOOKS if kind != MOMENT for name in (f"{kind}: noise", "bytes")]
    return table(("n", *names), lines)


def slopes(result: Result) -> str:
    """Log-log slopes of space and time."""
    rows = []
    for line in result["scaling"]:
        for figure, words in FIGURES.items():
            claim = COST_CLAIMS.get((line["name"], figure))
            if claim is not None:
                fit = line["fits"][figure]
                rows.append((words, line["axis"], line["fixed"], claim, f"{fit['slope']:.2f}", f"{fit['r2']:.3f}"))
    return table(("figure", "against", "with", "paper", "measured slope", "R^2"), rows, left=3)


def errors(result: Result) -> str:
    """Log-log slopes of the additive error."""
    rows = []
    for line in result["error"]:
        first, last = line["points"][0], line["points"][-1]
        m, p = line["fits"]["measured"], line["fits"]["predicted"]
        cells = [line["axis"], line["fixed"], f"{first['x']:g} .. {last['x']:g}"]
        cells += [f"{number(first['values']['measured'])} .. {number(last['values']['measured'])}"]
        cells += [ERROR_CLAIMS[line["name"]], f"{p['slope']:.2f}", f"{m['slope']:.2f}", f"{m['r2']:.3f}"]
        rows.append(cells)
    head = ("against", "with", "from .. to", "error", "paper", "our calibration", "measured slope", "R^2")
    return table(head, rows, left=3)


def short(result: Result) -> str:
    """The longest context in one sentence, for docs/trees.md."""
    most = max(r["n"] for r in result["releases"])
    made = {r["kind"]: r for r in result["releases"] if r["n"] == most and "refused" not in r}
    s, ours = result["setting"], made[MOMENT]

    def words(kind: str) -> str:
        r = made[kind]
        return f"{number(r['stddev'] / ours['stddev'], 2)} times the noise with {size(r['bytes'])}"

    least = min((r for r in result["releases"] if r["kind"] == PAPER), key=lambda r: r["n"])
    copies = f"the paper's {least['copies']} copies need {size(least['estimated_bytes'])} at n = {least['n']:,}"
    return (
        f"At epsilon {s['epsilon']:g}, delta {s['delta']:g}, d = {s['key_dim']}, s = {s['degree']}, n = {most:,}, "
        f"against the moment release's noise of {number(ours['stddev'])} with {size(ours['bytes'])}: one copy of the "
        f"paper's trees has {words(ONE)}; the same sums without trees {words(LINEAR)}; {copies}."
    )


SECTIONS: Dict[str, Callable[[Result], str]] = {
    "machine": machine,
    "releases": releases,
    "verdict": verdict,
    "refusals": refusals,
    "slopes": slopes,
    "errors": errors,
}


def plot(result: Result, path: Path) -> None:
    """Noise, space and time a query against n, for every kind."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(13, 4.2))
    made: List[Dict[str, Any]] = [r for r in result["releases"] if "refused" not in r]
    titles = {"stddev": "predicted noise of an output", "bytes": "bytes", "query_us": "microseconds a query"}
    for axes, (key, title) in zip(panels, titles.items()):
        for kind, (colour, marker) in LOOKS.items():
            points = [(r["n"], r[key]) for r in made if r["kind"] == kind]
            axes.plot(*zip(*points), color=colour, marker=marker, ms=6, lw=1.4, label=kind)
        if key == "stddev":
            means = [(r["n"], r["error_mean"]) for r in made]
            axes.plot(*zip(*means), "x", color="#888888", ms=5, label="mean error, measured")
            axes.axhline(result["setting"]["value_range"], color="#888888", lw=0.8, ls=":")
        axes.set(xscale="log", yscale="log", xlabel="n, rows of private context")
        axes.set_title(title, fontsize=10)
        axes.grid(True, which="major", lw=0.4, alpha=0.5)
        axes.spines[["top", "right"]].set_visible(False)
    s = result["setting"]
    what = f"({s['epsilon']:g}, {s['delta']:g})-DP attention, d = {s['key_dim']}, s = {s['degree']}, R = R_w = 1"
    figure.suptitle(what, fontsize=11)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False, fontsize=8)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.savefig(path, dpi=100, metadata={"Software": None})


def main() -> None:
    """Print the tables and draw the plot, or put both into a document."""
    source = Path(sys.argv[1])
    result = json.loads(source.read_text())
    if len(sys.argv) == 2:
        print("\n\n".join(f"## {name}\n\n{section(result)}" for name, section in SECTIONS.items()))
        plot(result, source.with_suffix(".png"))
        return
    for document in map(Path, sys.argv[2:]):
        if document.name == "trees.md":
            fill(document, "compare", {"short": short}, result)
        else:
            fill(document, "compare", SECTIONS, result)
            plot(result, document.with_suffix(".png"))
        print(f"{document}: the figures are those of {source}")


if __name__ == "__main__":
    main()
