"""What bench.json says: a table for the terminal, tables and a plot for docs/performance.md.

python report.py build/bench.json docs/performance.md replaces what lies between the marks
<!-- bench:NAME --> and <!-- /bench --> there, and draws the plot beside it.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence

from document import fill

Result = Dict[str, Any]
Row = Dict[str, Any]

WITHOUT = "-"


def features(d: int, s: int) -> int:
    """r, the features of degree 0..s of a key of length d."""
    return math.comb(d + s, s)


def macs(d: int, dv: int, s: int) -> int:
    """E, the multiply-adds of a row or a query."""
    return features(d, s) * (dv + 1)


# ---- Figures in words ----------------------------------------------------------------------------


def number(value: Optional[float], digits: int = 3) -> str:
    """Three digits, without exponents."""
    if value is None:
        return WITHOUT
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{round(value, digits - 1 - math.floor(math.log10(abs(value)))):,.{places}f}"


def percent(value: Optional[float]) -> str:
    """A share."""
    return WITHOUT if value is None else f"{100 * value:.0f} %"


def times(value: Optional[float]) -> str:
    """A ratio."""
    return WITHOUT if value is None else f"{number(value)} x"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A table in Markdown that is one in a terminal, too; the first `left` columns are words."""
    lines = [list(head), *[list(row) for row in rows]]
    width = [max(len(line[i]) for line in lines) for i in range(len(head))]
    out = []
    for n, line in enumerate(lines):
        cells = [cell.ljust(w) if i < left else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, width))]
        out.append("| " + " | ".join(cells) + " |")
        if n == 0:
            out.append("|" + "|".join("-" * (w + 1) + ("-" if i < left else ":") for i, w in enumerate(width)) + "|")
    return "\n".join(out)


def find(rows: List[Row], **want: Any) -> Row:
    """The first row with these values; an empty one if there is none."""
    return next((row for row in rows if all(row.get(k) == v for k, v in want.items())), {})


def shape(row: Row) -> str:
    """d and s of a row."""
    return f"{row['d']}, {row['s']}"


# ---- Tables --------------------------------------------------------------------------------------


def machine(result: Result) -> str:
    """Where and how the figures were measured."""
    m = result["machine"]
    quick = " A quick run: few, short samples." if m["quick"] else ""
    return (
        f"Measured on {m['date']}: {m['cpu']}, {m['threads']} threads, kernels {m['simd']}; {m['go']}, "
        f"Python {m['python']}, numpy {m['numpy']} with {m['blas']}, onnxruntime {m['onnxruntime']}. "
        f"Load before the run {m['load_before']}, after it {m['load_after']}.{quick}"
    )


def peak(result: Result) -> str:
    """The limits of the processor."""
    p = result["peak"]
    together = p.get("all_threads", {})
    names = {
        "vpdpwssd_gmac_s": "VPDPWSSD, 512 bit (int16)",
        "vpmaddwd_zmm_gmac_s": "VPMADDWD + VPADDD, 512 bit (int16)",
        "vpmaddwd_ymm_gmac_s": "VPMADDWD + VPADDD, 256 bit (int16)",
        "fma_f32_gmac_s": "VFMADD231PS, the widest (f32)",
    }
    rows = [(text, number(p[name]), number(together.get(name)), "GMAC/s") for name, text in names.items()]
    for level, gb_s in p["read_gb_s"].items():
        rows.append((f"reading {level}", number(gb_s), number(together.get("read_gb_s", {}).get(level)), "GB/s"))
    return table(("limit", "one thread", "all threads", "unit"), rows)


def build(result: Result) -> str:
    """Summing rows."""
    kernels = {
        "GMAC/s": ("gmac_s", number),
        "of limit": ("of_peak", percent),
        "x f32 FMA": ("vs_fma", number),
        "x sgemm": ("vs_sgemm", number),
        "x 1 thread": ("vs_one_thread", number),
    }
    whole = {
        "add: rows/s": ("add_rows_s", number),
        "add: GMAC/s": ("add_gmac_s", number),
        "add: of limit": ("add_of_peak", percent),
        "add: x 1 thread": ("add_vs_one_thread", number),
    }
    columns = {**kernels, **whole}
    rows = [
        (shape(b), b["simd"], str(b["threads"]), *(words(b[key]) for key, words in columns.values()))
        for b in result["build"]
    ]
    return table(("d, s", "kernels", "threads", *columns), rows, left=2)


def attend(result: Result) -> str:
    """Queries."""
    return table(
        ("d, s", "batch", "threads", "us a query", "least by limits", "of limit", "of f32 FMA", "state", "in"),
        [
            (
                *(shape(a), str(a["batch"]), str(a["threads"]), number(a["us_per_query"]), number(a["limit_us"])),
                *(percent(a["of_limit"]), percent(a["of_fma"]), f"{number(a['state_bytes'] / 1e6)} MB", a["level"]),
            )
            for a in result["attend"]
        ],
    )


def fastest(result: Result, key: str = "us_per_query", **want: Any) -> Row:
    """The fastest exact peer."""
    rows = [e for e in result["exact"] if all(e[k] == v for k, v in want.items())]
    return min(rows, key=lambda e: float(e[key])) if rows else {}


def exact(result: Result) -> str:
    """Exact attention."""
    peers = list(dict.fromkeys(e["peer"] for e in result["exact"]))
    rows = []
    for key in dict.fromkeys((e["batch"], e["threads"], e["n"]) for e in result["exact"]):
        want = dict(zip(("batch", "threads", "n"), key))
        best = fastest(result, **want)
        rows.append(
            (
                *(str(want["batch"]), str(want["threads"]), f"{want['n']:,}"),
                *(number(best["ours_us"]), number(best["ours_s3_us"])),
                *(number(find(result["exact"], peer=p, **want)["us_per_query"]) for p in peers),
                *(times(best["ratio"]), times(best["ratio_s3"])),
            )
        )
    rows.sort(key=lambda row: (int(row[0]), int(row[1])))
    ours = ("ours, s = 2", "ours, s = 3")
    return table(("batch", "threads", "n", *ours, *peers, "s = 2 wins by", "s = 3 wins by"), rows, left=0)


def codebook(result: Result) -> str:
    """Codebook releases, with the machine, since figures of several stand side by side."""
    c = result["codebook"]
    m = c["machine"]
    build = [
        (
            *(shape_of_codebook(b), str(b["threads"]), number(b["add_rows_s"]), number(b["add_gmac_s"])),
            *(percent(b["add_of_peak"]), number(b["add_vs_one_thread"])),
        )
        for b in c["build"]
    ]
    names = [key for key in c["attend"][0] if key.endswith("_us") and key != "ours_us"]
    attend = [
        (
            *(shape_of_codebook(a), str(a["batch"]), str(a["threads"]), number(a["ours_us"])),
            *(*(number(a[name]) for name in names), times(a["of_fastest"])),
        )
        for a in c["attend"]
    ]
    head = ("C, d, d_v", "batch", "threads", "ours", *(name[: -len("_us")] for name in names), "ours by the fastest")
    return "\n\n".join(
        (
            f"{m['cpu']}, {m['threads']} threads, kernels {m['simd']}; load before {m['load_before']}, "
            f"after {m['load_after']}.",
            table(("C, d, d_v", "threads", "add: rows/s", "GMAC/s", "of limit", "x 1 thread"), build),
            table(head, attend),
        )
    )


def shape_of_codebook(row: Row) -> str:
    """Cells and dimensions of a row."""
    return f"{row['cells']:,}, {row['d']}, {row['dv']}"


def rest(result: Result) -> str:
    """Noise, calls, memory."""
    noise, abi = result["noise"], result["abi"]
    rows = [
        ("exact noise, one thread", f"{number(noise['samples_per_s'] / 1e6)} M samples/s"),
        ("exact noise, all threads", f"{number(noise['samples_per_s_all_threads'] / 1e6)} M samples/s"),
        ("call from C, attend without queries", f"{number(abi['c_call_ns'])} ns"),
        ("call from C, dpattn_release_info", f"{number(abi['c_info_ns'])} ns"),
        ("call from C, one tiny query", f"{number(abi['c_attend_ns'])} ns"),
        ("call from Python, one tiny query", f"{number(abi['python_attend_ns'])} ns"),
        ("call from Python, one tiny query into a given output", f"{number(abi['python_out_ns'])} ns"),
        ("call from Python, the same bound (`Release.bind`)", f"{number(abi['python_bound_ns'])} ns"),
        ("call from Python, what it adds to that from C", f"{number(abi['python_call_ns'])} ns"),
        ("call from Python, attend without queries", f"{number(abi['python_no_queries_ns'])} ns"),
    ]
    for m in result["memory"]:
        rows.append(
            (
                f"memory of a build, d = {m['d']}, s = {m['s']}, n = {m['n']:,}",
                f"{number(m['peak_mb'])} MB, {number(m['before_mb'])} MB of them before; "
                f"int64 state {number(m['state_mb'])} MB",
            )
        )
    return table(("figure", "measured"), rows, left=2)


# ---- Goals ---------------------------------------------------------------------------------------


def goals(result: Result) -> str:
    """The goals and what became of them."""
    builds, attends = result["build"], result["attend"]
    active, many = result["machine"]["simd"], result["machine"]["threads"]
    rows: List[Sequence[str]] = []

    def goal(what: str, aim: float, value: Optional[float], words: Callable[[float], str], most: bool = False) -> None:
        met = WITHOUT
        if value is not None:
            met = "met" if (value <= aim if most else value >= aim) else "**missed**"
        rows.append((what, f"{'<=' if most else '>='} {words(aim)}", WITHOUT if value is None else words(value), met))

    for s, aim in ((2, 0.85), (3, 0.80)):
        one = find(builds, d=64, s=s, threads=1, simd="avx512vnni")
        avx2 = find(builds, d=64, s=s, threads=1, simd="avx2")
        name = f"build, s = {s}: "
        goal(name + "kernels, of VPDPWSSD", aim, one.get("of_peak"), percent)
        goal(name + "the whole of Builder.add, of VPDPWSSD", aim, one.get("add_of_peak"), percent)
        goal(name + "kernels, against the f32 FMA limit", 1.6, one.get("vs_fma"), times)
        goal(name + "kernels, against sgemm given phi", 2, one.get("vs_sgemm"), times)
        goal(name + "AVX2 kernels, of VPMADDWD + VPADDD", 0.8, avx2.get("of_peak"), percent)
        if many > 1:
            several = find(builds, d=64, s=s, threads=many, simd=active)
            name += f"{many} threads against 1, "
            goal(name + "kernels", 0.95 * many, several.get("vs_one_thread"), times)
            goal(name + "Builder.add", 0.95 * many, several.get("add_vs_one_thread"), times)
    for s in (2, 3):
        batch, single = (find(attends, d=64, s=s, batch=n, threads=1) for n in (64, 1))
        goal(f"attend, s = {s}: batch of 64, of f32 FMA", 0.8, batch.get("of_fma"), percent)
        goal(f"attend, s = {s}: one query, of the bandwidth limit", 0.75, single.get("of_limit"), percent)
    lengths = {e["n"] for e in result["exact"]}
    against = "against the fastest exact peer "
    for s, key in ((2, "ratio"), (3, "ratio_s3")):
        enough = math.ceil(1.5 * features(64, s) * 65 / 128)
        for count in (1, 64):
            for threads in sorted({1, many}):
                wins = [fastest(result, n=n, batch=count, threads=threads)[key] for n in lengths if n >= enough]
                what = f"from n = 1.5 n* on, s = {s}, batch {count}, threads {threads}"
                goal(against + what, 1, min(wins, default=None), times)
    for threads in sorted({1, many}):
        most = fastest(result, batch=1, threads=threads, n=1_000_000)
        goal(f"{against}at n = 1,000,000, s = 2, one query, threads {threads}", 500, most.get("ratio"), times)
    c = result["codebook"]
    for b in c["build"]:
        what = f"codebook of {shape_of_codebook(b)}: Builder.add, threads {b['threads']}"
        if b["threads"] == 1:
            goal(f"{what}, of VPDPWSSD", 0.6, b["add_of_peak"], percent)
        else:
            goal(f"{what} against 1", 0.95 * b["threads"], b["add_vs_one_thread"], times)
    for a in c["attend"]:
        what = f"codebook of {shape_of_codebook(a)}: batch {a['batch']}, threads {a['threads']}, of the fastest exact"
        goal(what, 1.3, a["of_fastest"], times, most=True)
    goal("noise, one thread, M samples/s", 10, result["noise"]["samples_per_s"] / 1e6, number)
    for m in result["memory"]:
        over = (m["peak_mb"] - m["before_mb"]) / m["state_mb"]
        goal(f"memory of a build, s = {m['s']}, n = {m['n']:,}, of the int64 state", 3, over, times, most=True)
    abi = result["abi"]
    goal("call from C with nothing to do, ns", 150, abi["c_call_ns"], number, most=True)
    goal("call from C with one tiny query, ns", 1000, abi["c_attend_ns"], number, most=True)
    goal("call from Python with one tiny query into a given output, ns", 3000, abi["python_out_ns"], number, most=True)
    goal("call from Python, its arguments alone, ns", 1500, abi["python_no_queries_ns"], number, most=True)
    return table(("goal (d = value_dim = 64, one thread unless said)", "aim", "measured", ""), rows)


SECTIONS: Dict[str, Callable[[Result], str]] = {
    "machine": machine,
    "goals": goals,
    "peak": peak,
    "build": build,
    "attend": attend,
    "exact": exact,
    "codebook": codebook,
    "rest": rest,
}


def text(result: Result) -> str:
    """Everything, for a terminal."""
    return "\n\n".join(f"## {name}\n\n{section(result)}" for name, section in SECTIONS.items())


# ---- The document --------------------------------------------------------------------------------


def plot(result: Result, path: Path) -> None:
    """Time a query against n, for one query and for a batch, one thread."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    exact = {
        "numpy": ("numpy", "#8c8c8c", "s"),
        "onnxruntime": ("onnxruntime", "#b07aa1", "^"),
        "flash": ("flash-decoding in C", "#4e79a7", "D"),
    }
    ours = {"ours_us": (2, "#d1495b"), "ours_s3_us": (3, "#e8871e")}
    figure, panels = plt.subplots(1, 2, figsize=(10, 4.4), sharey=True)
    every = [e[key] for key in ("us_per_query", *ours) for e in result["exact"] if e["threads"] == 1]
    bottom, top = min(every) / 4, max(every) * 2
    for axes, batch in zip(panels, (1, 64)):
        rows = sorted((e for e in result["exact"] if e["batch"] == batch and e["threads"] == 1), key=lambda e: e["n"])
        for peer, (name, colour, marker) in exact.items():
            points = [(e["n"], e["us_per_query"]) for e in rows if e["peer"] == peer]
            axes.plot(*zip(*points), color=colour, marker=marker, ms=4, lw=1.2, label=name)
        ns = sorted({e["n"] for e in rows})
        best = [fastest(result, n=n, batch=batch, threads=1) for n in ns]
        for key, (s, colour) in ours.items():
            us = [e[key] for e in best]
            axes.plot(ns, us, color=colour, marker="o", ms=4, lw=2.2, label=f"dpattn, degree {s}")
            cross = crossing(ns, us, [e["us_per_query"] for e in best])
            if cross is not None:
                axes.vlines(cross[0], bottom, cross[1], color=colour, lw=0.9, ls=":", zorder=0)
                words = f"even at\nn = {number(cross[0], 2)}"
                style = {"xytext": (5, -26), "textcoords": "offset points", "fontsize": 8, "color": colour}
                axes.annotate(words, cross, **style)
        axes.set(xscale="log", yscale="log", xlabel="n, rows of private context", ylim=(bottom, top))
        axes.set_title("one query" if batch == 1 else f"{batch} queries a call", fontsize=10)
        axes.grid(True, which="major", lw=0.4, alpha=0.5)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("microseconds a query")
    panels[0].legend(frameon=False, fontsize=9, loc="upper left")
    m = result["machine"]
    kind = f"one thread ({m['cpu']}, {m['simd']})"
    figure.suptitle(f"Attention with key_dim = value_dim = 64, float32, {kind}", fontsize=11)
    figure.tight_layout()
    figure.savefig(path, dpi=100, metadata={"Software": None})


def crossing(ns: Sequence[float], ours: Sequence[float], theirs: Sequence[float]) -> Any:
    """Where ours begins to win, between two points on straight lines of the logarithms."""
    for i in range(1, len(ns)):
        a, b = (math.log(theirs[j] / ours[j]) for j in (i - 1, i))
        if a < 0 <= b:
            share = -a / (b - a)
            return tuple(math.exp(math.log(v[i - 1]) * (1 - share) + math.log(v[i]) * share) for v in (ns, ours))
    return None


def main() -> None:
    """Put the figures into the document."""
    source, document = (Path(argument) for argument in sys.argv[1:])
    result = json.loads(source.read_text())
    fill(document, "bench", SECTIONS, result)
    plot(result, document.with_suffix(".png"))
    print(f"{document}: the figures are those of {source}")


if __name__ == "__main__":
    main()
