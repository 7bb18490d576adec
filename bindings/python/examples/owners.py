"""Two rules for owners of many rows, compared on scikit-learn's digits at equal epsilon.

The unit that is protected is not a picture but the block of ten pictures that it came in, which
stands for its writer. Both rules hide an owner's presence among the others at the same (epsilon,
delta):

* `owner_rows` = m: of an owner's rows m are kept, and the noise is m times that of one row.
* `owner_bound` = C: all rows are kept, their sum is scaled to the norm of C aligned rows, and the
  noise is C times that of one row. Rows that are not aligned (other pictures, other labels) add up
  to less than their number: ten of them to the norm of about three.

m and C are public choices like every bound, so each is tried at several values, and the tables show
all of them.

    python owners.py --out build/owners
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import statistics
import sys
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from digits import DEGREE, GUESS_LAMBDA, SHARP, Array, Digits, accuracy, load_digits, releases

import dpattn

EPSILONS = (1.0, 2.0, 4.0, 8.0)
PRIVATE_ROWS = 1497
BLOCK = 10
MOST = 1000  # rows kept of an owner when their sum is bounded: all of them here
ROWS = (1, 2, 3, 4, 6, 10)
BOUNDS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
SIZES = (1, 1, 1, 1, 2, 2, 4, 8, 16, 64)  # of unequal owners, over and over


def blocks() -> Array:
    """The owner of each private row: which ten of the data set it stands among."""
    order = np.random.default_rng(0).permutation(1797)  # as in load_digits
    return np.asarray(order[:PRIVATE_ROWS] // BLOCK)


def unequal() -> Array:
    """The owner of each private row: runs of 1 to 64 rows, so that few own most of them."""
    ends = np.cumsum(np.tile(SIZES, 1 + 1797 // sum(SIZES)))
    order = np.random.default_rng(0).permutation(1797)
    return np.searchsorted(ends, order[:PRIVATE_ROWS], side="right")


def partial(d: Digits, owners: Array, rows: int, bound: Optional[float]) -> Tuple[bytes, dpattn.Diagnostics]:
    """SECRET: what a builder holds under one rule, as digits.py's moment release for guessing."""
    params = dpattn.Params(
        key_dim=64,
        value_dim=10,
        key_bound=1.0,
        query_bound=1.0,
        value_bound=1.0,
        scale=SHARP,
        degree=DEGREE,
        polynomial="taylor",
        lambda_=GUESS_LAMBDA,
        adjacency="add_remove",
        owner_rows=rows,
        owner_bound=bound,
    )
    with dpattn.Builder(params) as builder:
        builder.add(d.K, d.V, owners=owners)
        return builder.export_secret(), builder.diagnostics()


def compare(d: Digits, owners: Array, epsilons: Sequence[float], count: int) -> Iterator[Dict[str, Any]]:
    """A line for each rule and epsilon: mean accuracy of `count` releases, and its error."""
    rules: List[Tuple[str, float, int, Optional[float]]] = [("owner_rows", m, m, None) for m in ROWS]
    rules += [("owner_bound", bound, MOST, bound) for bound in BOUNDS]
    for name, value, rows, bound in rules:
        secret, seen = partial(d, owners, rows, bound)
        for epsilon in epsilons:
            found = [accuracy(release.attend(d.Q), d) for release in releases(secret, epsilon, count)]
            yield {
                "rule": name,
                "value": value,
                "epsilon": epsilon,
                "rows_kept": seen.rows - seen.rows_dropped,
                "owners": seen.owners,
                "owners_clipped": seen.owners_clipped,
                "releases": count,
                "mean": statistics.fmean(found),
                "standard_error": statistics.stdev(found) / math.sqrt(count),
            }


def table(title: str, lines: Sequence[Dict[str, Any]], epsilons: Sequence[float]) -> str:
    """Markdown: rules down, epsilons across, the best of each rule in bold."""
    best = {
        (rule, epsilon): max(
            (line for line in lines if (line["rule"], line["epsilon"]) == (rule, epsilon)),
            key=lambda line: line["mean"],
        )
        for rule in ("owner_rows", "owner_bound")
        for epsilon in epsilons
    }
    out = [title, "", "| rule | rows kept | owners scaled | " + " | ".join(f"epsilon {e:g}" for e in epsilons) + " |"]
    out.append("|---|---|---|" + "---|" * len(epsilons))
    for rule, value in dict.fromkeys((line["rule"], line["value"]) for line in lines):
        row = [line for line in lines if (line["rule"], line["value"]) == (rule, value)]
        cells = []
        for line in row:
            cell = f"{line['mean']:.3f} ± {line['standard_error']:.3f}"
            cells.append(f"**{cell}**" if line is best[rule, line["epsilon"]] else cell)
        scaled = f"{row[0]['owners_clipped']} of {row[0]['owners']}" if rule == "owner_bound" else "-"
        out.append(f"| {rule} {value:g} | {row[0]['rows_kept']:,} | {scaled} | " + " | ".join(cells) + " |")
    gains = []
    for epsilon in epsilons:
        a, b = best["owner_bound", epsilon], best["owner_rows", epsilon]
        error = math.hypot(a["standard_error"], b["standard_error"])
        gains.append(f"{a['mean'] - b['mean']:+.3f} ± {error:.3f}")
    out.append("| best minus best | | | " + " | ".join(gains) + " |")
    return "\n".join(out)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description="Two rules for owners of many rows, on scikit-learn's digits.")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/owners"), help="folder for the results")
    parser.add_argument("--releases", type=int, default=20, help="releases for each cell of the tables")
    options = parser.parse_args(arguments)
    if options.releases < 2:
        parser.error("--releases must be at least 2")
    d = load_digits(public=0)
    results: Dict[str, Any] = {}
    for name, title, owners in (
        ("blocks", f"Owners are blocks of {BLOCK} consecutive pictures", blocks()),
        ("unequal", f"Owners are runs of 1 to {max(SIZES)} consecutive pictures", unequal()),
    ):
        lines = list(compare(d, owners, EPSILONS, options.releases))
        results[name] = lines
        print(table(f"{title}: {lines[0]['owners']} owners of {PRIVATE_ROWS:,} rows", lines, EPSILONS), flush=True)
        print()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "owners.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"wrote {options.out / 'owners.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
