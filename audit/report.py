"""What audit.json says: lines for the terminal, report.md with plots, tables for docs/privacy.md.

report.py build/audit/audit.json docs/privacy.md replaces what lies between the marks
<!-- audit:NAME --> and <!-- /audit --> there.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Sequence

sys.path.append(str(Path(__file__).resolve().parent.parent / "bench"))

from document import fill, wrapped

Result = Dict[str, Any]

MILLION = 1_000_000
# The game whose bins are single integers.
TINY = "tiny noise"
# How the names of the codebook's games and mutants begin.
CODEBOOK = "codebook"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def power(p: float) -> str:
    """A p value in few characters."""
    if p >= 0.001:
        return f"{p:.2g}"
    return "< 1e-300" if p < 1e-300 else scientific(p)


def scientific(number: float) -> str:
    """One digit and a power of ten."""
    digit, exponent = f"{number:.0e}".split("e")
    return f"{digit}e{int(exponent)}"


def line(game: Result) -> str:
    """A game in one line."""
    worst = min(game["tests"], key=lambda test: test["p"])
    least = f"least p of {len(game['tests'])} tests {power(worst['p'])} ({worst['name']})"
    words = f"{game['name']}: {game['side']:,} releases a side, {least}"
    if "epsilon" in game:
        words += f"; certified epsilon {game['certified_epsilon']:.3f} of {game['epsilon']:.3f}"
    return words + (f"; FAILED: {', '.join(game['failed'])}" if game["failed"] else "") + f" [{game['seconds']:.0f} s]"


def mutant_line(mutant: Result) -> str:
    """A mutant in one line."""
    how = f"caught by {mutant['by']['name']}, p = {power(mutant['by']['p'])}" if mutant["caught"] else "NOT CAUGHT"
    return f"mutant {mutant['name']}: {how} [{mutant['seconds']:.0f} s]"


# ---- Tables --------------------------------------------------------------------------------------


def run(result: Result) -> str:
    """Where and when."""
    spent = f"{result['seconds']:,} s, {result['cpu_seconds']:,} s of processor time"
    alarm = f"All tests together raise a false alarm with a chance of at most {scientific(result['false_alarm'])}"
    return f"{measured(result)}, {spent}. {alarm}."


def measured(result: Result) -> str:
    """Where, when and how much."""
    tests = sum(len(game["tests"]) for game in result["games"])
    draws = sum(game["noise"]["draws"] for game in result["games"])
    where = f"Measured on {result['date']}: {result['cpu']}, {result['threads']} threads, {result['size']} size"
    return f"{where}; {tests} tests of {draws:,} numbers"


def codebook(result: Result) -> str:
    """The codebook's games and mutants."""
    some = part(result, True)
    worst = min(
        ((test["p"], game["name"]) for game in some["games"] for test in game["tests"]), key=lambda entry: entry[0]
    )
    words = f"{measured(some)}, of which the least p value is {power(worst[0])} ({worst[1]})."
    return "\n\n".join([words, claims(some), mutants(some)])


def part(result: Result, inside: bool) -> Result:
    """The games and mutants of the codebook, or the others."""
    kept = {
        name: [entry for entry in result[name] if entry["name"].startswith(CODEBOOK) == inside]
        for name in ("games", "mutants")
    }
    return {**result, **kept}


def claims(result: Result) -> str:
    """The claim and what was certified."""
    rows = []
    for game in result["games"]:
        if "epsilon" not in game:
            continue
        numbers = (
            f"{game['epsilon']:.4g}",
            f"{game['mu']:.4f}",
            f"{game['canary_mu']:.4f}",
            f"{game['certified_mu']:.4f}",
        )
        certified = (f"**{game['certified_epsilon']:.3f}** ({game['share']:.3f})", f"{game['point_epsilon']:.3f}")
        rows.append((game["what"], f"{game['side']:,}", *numbers, *certified, power(game["tests"][0]["p"])))
    head = (
        "neighbours",
        "releases a side",
        "epsilon",
        "mu",
        "mu of the canary",
        "certified mu",
        "certified epsilon (share)",
        "by one point",
        "p of the claim",
    )
    first = result["games"][0]
    half = dict(map(tuple, first["curve"])).get(MILLION)
    words = f"\n\nAfter {MILLION:,} releases a side of the first line: {half:.3f}." if half else ""
    return table(head, rows) + words


def noise(result: Result, every: bool = True) -> str:
    """The tests of the noise: of every game, or of the first and the tiny noise."""
    rows, others = [], []
    for game in result["games"]:
        for test in game["tests"]:
            if test["name"].startswith("the claimed"):
                continue
            if every or game is result["games"][0] or game["name"] == TINY:
                rows.append(
                    (game["name"], f"{game['noise']['draws']:,}", test["name"], test["detail"], power(test["p"]))
                )
            else:
                others.append(test["p"])
    words = f"\n\nThe other games: {len(others)} tests, least p value {power(min(others))}." if others else ""
    return table(("game", "numbers", "test", "measured", "p"), rows) + words


def some_noise(result: Result) -> str:
    """What the document says of the noise."""
    return noise(result, every=False)


def mutants(result: Result) -> str:
    """The mutants."""
    rows = []
    for m in result["mutants"]:
        how = (m["by"]["name"], m["by"]["detail"], power(m["by"]["p"])) if m["caught"] else ("**not caught**", "", "")
        rows.append((m["what"], f"{m['releases']:,}", *how))
    return table(("mistake", "releases", "caught by", "measured", "p"), rows)


def of_others(section: Callable[[Result], str]) -> Callable[[Result], str]:
    """The section without the codebook's games and mutants."""
    return lambda result: section(part(result, False))


SECTIONS: Dict[str, Callable[[Result], str]] = {
    "run": run,
    "claims": of_others(claims),
    "noise": of_others(some_noise),
    "mutants": of_others(mutants),
    "codebook": codebook,
}


# ---- Plots ---------------------------------------------------------------------------------------


def plot_noise(result: Result, path: Path) -> None:
    """Counts of the first game's bins against the exact distribution, and of tiny noise."""
    figure, panels = axes(2, (11, 4.2))
    first = result["games"][0]["noise"]
    expected = [mass * sum(first["bins"][0]) for mass in first["masses"][0]]
    off = [(seen - want) / want**0.5 for seen, want in zip(first["bins"][0], expected)]
    panels[0].bar(range(len(off)), off, color="#4e79a7", width=0.9)
    panels[0].axhline(0, color="black", lw=0.8)
    for edge in (-2, 2):
        panels[0].axhline(edge, color="#8c8c8c", lw=0.8, ls=":")
    panels[0].set(
        xlabel="bin, from the lowest numbers to the highest", ylabel="(count - expected) / sqrt(expected)", ylim=(-5, 5)
    )
    panels[0].set_title(f"{first['draws']:,} numbers in 64 bins of equal mass", fontsize=10)
    tiny = next(game for game in result["games"] if game["name"] == TINY)["noise"]
    total, cuts = sum(tiny["bins"][0]), tiny["cuts"][0]
    inner = [(cut, seen, mass) for cut, seen, mass in zip(cuts[1:], tiny["bins"][0][1:-1], tiny["masses"][0][1:-1])]
    panels[1].bar(
        [c for c, *_ in inner], [seen / total for _, seen, _ in inner], color="#4e79a7", width=0.9, label="measured"
    )
    panels[1].plot(
        [c for c, *_ in inner], [mass for *_, mass in inner], "o", color="#d1495b", ms=4, label="round(N(0, sigma^2))"
    )
    panels[1].set(xlabel="integer", ylabel="probability")
    panels[1].set_title(f"{tiny['draws']:,} numbers with sigma = {tiny['sigma'][0]}", fontsize=10)
    panels[1].legend(frameon=False, fontsize=9)
    save(figure, path)


def plot_claims(result: Result, path: Path) -> None:
    """The certified epsilon against the number of releases, and of every game."""
    figure, panels = axes(2, (11, 4.2))
    first = result["games"][0]
    curve = [(n, epsilon) for n, epsilon in first["curve"] if epsilon > 0]
    panels[0].plot(*zip(*curve), color="#4e79a7", marker="o", ms=4, label="certified: no smaller epsilon is true")
    panels[0].axhline(first["epsilon"], color="#d1495b", lw=1.2, label="claimed")
    panels[0].axhline(0.95 * first["epsilon"], color="#8c8c8c", lw=0.8, ls=":", label="0.95 of the claim")
    panels[0].set(
        xscale="log",
        xlabel="releases a side",
        ylabel=f"epsilon at delta = {scientific(first['delta'])}",
        ylim=(0, 1.1 * first["epsilon"]),
    )
    panels[0].set_title(first["what"], fontsize=10)
    panels[0].legend(frameon=False, fontsize=9, loc="lower right")
    guessed = [game for game in result["games"] if "epsilon" in game]
    panels[1].barh([game["name"] for game in guessed], [game["share"] for game in guessed], color="#4e79a7")
    panels[1].axvline(1, color="#d1495b", lw=1.2)
    panels[1].set(xlabel="certified epsilon / claimed epsilon", xlim=(0, 1.1))
    panels[1].invert_yaxis()
    save(figure, path)


def plot_mutants(result: Result, path: Path) -> None:
    """How clearly each mutant is caught."""
    figure, panels = axes(1, (9, 3.6))
    names = [m["what"] for m in result["mutants"]]
    clear = [min(300.0, -math.log10(max(m["by"]["p"], 1e-300))) if m["caught"] else 0.0 for m in result["mutants"]]
    panels[0].barh(names, clear, color="#4e79a7")
    panels[0].axvline(-math.log10(result["each"]), color="#d1495b", lw=1.2, label="needed")
    panels[0].set(xlabel="-log10 of the p value of the test that caught it (300: below 1e-300)")
    panels[0].invert_yaxis()
    panels[0].legend(frameon=False, fontsize=9)
    save(figure, path)


def axes(count: int, size: Sequence[float]) -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, count, figsize=size, squeeze=False)
    for panel in panels[0]:
        panel.spines[["top", "right"]].set_visible(False)
    return figure, panels[0]


def save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=100, metadata={"Software": None})


PLOTS: Dict[str, Callable[[Result, Path], None]] = {
    "noise.png": plot_noise,
    "claims.png": plot_claims,
    "mutants.png": plot_mutants,
}


def write(result: Result, folder: Path) -> None:
    """The report and its plots."""
    if result["only"]:
        (folder / "report.md").write_text(wrapped("\n\n".join(["# Audit", claims(result), mutants(result)])) + "\n")
        return
    for name, plot in PLOTS.items():
        plot(result, folder / name)
    parts = [
        "# Audit",
        run(result),
        *(f"- **{problem}**" for problem in result["problems"]),
        "![](claims.png)",
        claims(result),
        "![](mutants.png)",
    ]
    parts += [mutants(result), "![](noise.png)", noise(result)]
    (folder / "report.md").write_text(wrapped("\n\n".join(parts)) + "\n")


def main() -> None:
    """Put the figures into the document."""
    source, document = (Path(argument) for argument in sys.argv[1:])
    result = json.loads(source.read_text())
    only = {name: section for name, section in SECTIONS.items() if result.get("only", "") in ("", name)}
    fill(document, "audit", only, result)


if __name__ == "__main__":
    main()
