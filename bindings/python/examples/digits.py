"""Private attention on real data: 1,198 handwritten digits are private, 300 others ask.

A key is the picture of a digit, its value says which digit it is. Attention with a picture as query
then answers with a mixture of ten labels, and the largest entry is the guess. Each release below is
made once under (epsilon, delta)-differential privacy for every single private digit and answers all
queries.

299 more pictures, without labels, are public: their 64 centres are the codebook of the mechanism
`codebook`, whose release is the noisy mean value and the noisy number of private rows
near each centre. The mechanism `gaussian` (the moment release) does without public rows.

Run it by `make demo`, or, with dpattn, scikit-learn and matplotlib installed:

    python digits.py --out build/demo

It prints three tables and writes digits.png, results.json, digits.dpa (a release), digits.kv.npz
(the same as keys, values and biases for any attention kernel) and digits.certificate.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

import dpattn

EPSILONS = (0.5, 1.0, 2.0, 4.0, 8.0)
DELTA = 1e-5
ROWS, PUBLIC_ROWS = 1497, 299  # of the pictures that do not ask, a fifth is public
QUERIES = 300
CHUNK = 250  # rows a call of add
CELLS, SCALE = 64, 20.0  # of the codebook release: a logit is SCALE * <q, k>
# Of the moment release: see moment_params.
DEGREE, SHARP, GUESS_LAMBDA = 3, 4.0, 0.15
MOMENT_RELEASES = 5  # a line; each has 750 times as many numbers as a codebook release
# The codebook release's mean accuracy at epsilon 1 must reach this.
# It is 0.912, and one release scatters by 0.015: the mean of 100 misses 0.9 by chance hardly ever.
WANTED_ACCURACY = 0.9
KV_TOLERANCE = 1e-4  # of answers from the f32 file against attend

Array = np.ndarray[Any, np.dtype[Any]]

# All that a reader of digits.kv.npz needs: the file, the queries and numpy.
READER = """
import sys, numpy as np
kv, queries = np.load(sys.argv[1]), np.load(sys.argv[2])
logits = kv["scale"] * queries @ kv["keys"][0].T + kv["bias"][0]
weights = np.exp(logits - logits.max(axis=1, keepdims=True))
np.save(sys.argv[3], weights @ kv["values"][0] / weights.sum(axis=1, keepdims=True))
"""


class Digits(NamedTuple):
    P: Array  # (public, 64) public keys, norm 1
    K: Array  # (private, 64) private keys, norm 1
    V: Array  # (private, 10) private values, one-hot labels
    Q: Array  # (300, 64) public queries, norm 1
    labels: Array  # (300,) what the queries are
    pictures: Array  # (300, 8, 8) how they look


def load_digits(public: int = PUBLIC_ROWS) -> Digits:
    from sklearn.datasets import load_digits as bundled

    data = bundled()
    order = np.random.default_rng(0).permutation(len(data.target))
    # The public choices: 5 is subtracted from every pixel (0..16), and pictures are scaled to norm
    # 1.
    X = data.data[order] - 5.0
    X = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)
    labels = data.target[order]
    private, asking = slice(public, ROWS), slice(ROWS, ROWS + QUERIES)
    V = np.eye(10, dtype=np.float32)[labels[private]]
    return Digits(X[:public], X[private], V, X[asking], labels[asking], data.images[order][asking])


# ---- What the releases are compared with, computed from the private data in double precision ---


def exact_attention(d: Digits, b: float) -> Array:
    weights = np.exp(b * (d.Q.astype(float) @ d.K.astype(float).T))
    return np.asarray(weights @ d.V / weights.sum(axis=1, keepdims=True))


def codebook_attention(d: Digits, codebook: Array, b: float) -> Array:
    """What the codebook release answers, but for the noise: every key is its nearest centre."""
    nearest = (2 * d.K @ codebook.T - (codebook**2).sum(axis=1)).argmax(axis=1)
    return exact_attention(d._replace(K=codebook[nearest]), b)


def accuracy(answers: Array, d: Digits) -> float:
    return float((answers.argmax(axis=1) == d.labels).mean())


# ---- The private side --------------------------------------------------------------------------


def codebook_params(codebook: Array) -> dpattn.Params:
    """All of it public, codebook included: keys, queries and one-hot values have norm 1."""
    return dpattn.Params(
        mechanism="codebook",
        codebook=codebook,
        key_dim=64,
        value_dim=10,
        key_bound=1.0,
        value_bound=1.0,
        scale=SCALE,
        adjacency="add_remove",
    )


def moment_params() -> dpattn.Params:
    """For guessing by the moment release, which serves logits up to 4.

    Only the largest entry counts, and the Taylor polynomial orders entries well even at b = 4.
    `lambda_` says how much of the budget goes to the denominator, which all ten labels share and
    which cannot change which of them is largest: guessing does with less than the default.
    """
    return dpattn.Params(
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
    )


def build(d: Digits, params: dpattn.Params, show: Progress) -> Tuple[dpattn.Builder, float]:
    """A builder with the exact sums over all private rows (SECRET), and the seconds it took."""
    start = time.perf_counter()
    builder = dpattn.Builder(params)
    for first in range(0, len(d.K), CHUNK):
        rows = slice(first, min(first + CHUNK, len(d.K)))
        builder.add(d.K[rows], d.V[rows])
        show(rows.stop, len(d.K))
    return builder, time.perf_counter() - start


def releases(secret: bytes, epsilon: float, count: int) -> Iterator[dpattn.Release]:
    """`count` independent releases of the same rows, to see how far they spread.

    Adding the rows anew for each would give the same bits, so the exact sums are exported once and
    imported for each release. This is a study, not a way to use the library: whoever publishes k
    releases of the same rows spends k budgets (together sqrt(k) times the mu of one), and `secret`
    must be guarded like the data themselves.
    """
    for _ in range(count):
        with dpattn.Builder.import_secret(secret) as builder:
            release = builder.release(epsilon=epsilon, delta=DELTA)
        with release:
            yield release


class Progress:
    """One line on stderr that is rewritten; silent when stderr is not a terminal."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.visible = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        if self.visible:
            bar = "#" * (30 * done // total)
            print(f"\r  {self.label} [{bar:<30}] {done}/{total} ", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self.visible:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


# ---- The three tables --------------------------------------------------------------------------


def guess(d: Digits, name: str, secret: bytes, count: int) -> Iterator[Dict[str, Any]]:
    """A line for each epsilon: how often the answer's largest entry is the right digit."""
    for epsilon in EPSILONS:
        show = Progress(f"{name}, epsilon {epsilon:g}")
        found: List[float] = []
        for release in releases(secret, epsilon, count):
            found.append(accuracy(release.attend(d.Q), d))
            show(len(found), count)
        show.clear()
        mean, sd = statistics.fmean(found), statistics.stdev(found)
        yield {"epsilon": epsilon, "releases": count, "mean": mean, "sd": sd, "min": min(found), "max": max(found)}


def measure(d: Digits, secret: bytes, count: int, noiseless: Array, exact: Array) -> Iterator[Dict[str, float]]:
    """A line for each epsilon: how far private answers are off, and whether error bars say so."""
    for epsilon in EPSILONS:
        show = Progress(f"epsilon {epsilon:g}")
        answers: List[Array] = []
        variance = 0.0
        for release in releases(secret, epsilon, count):
            answer, std = release.attend(d.Q.astype(float), return_std=True)
            answers.append(answer)
            variance += float((std**2).mean()) / count
            show(len(answers), count)
        show.clear()
        stack = np.array(answers)  # (releases, queries, labels)
        predicted = math.sqrt(variance)
        measured = math.sqrt(float(stack.var(axis=0, ddof=1).mean()))
        yield {
            "epsilon": epsilon,
            "error_to_noiseless": float(np.abs(stack - noiseless).mean()),
            "error_to_exact": float(np.abs(stack - exact).mean()),
            "predicted_sd": predicted,
            "measured_sd": measured,
            "ratio": measured / predicted,
        }


def median_us(call: Callable[[int], object], runs: int, queries: int = 1) -> float:
    """Median microseconds a query over `runs` runs, after one to warm up."""
    call(0)
    times = []
    for i in range(runs):
        start = time.perf_counter()
        call(i)
        times.append((time.perf_counter() - start) / queries * 1e6)
    return statistics.median(times)


def query_times(d: Digits, release: dpattn.Release) -> Dict[str, float]:
    def single(i: int) -> object:
        return release.attend(d.Q[i % QUERIES])

    def batch(_: int) -> object:
        return release.attend(d.Q)

    dpattn.set_threads(1)
    single_us, batch_us = median_us(single, 101), median_us(batch, 7, QUERIES)
    dpattn.set_threads(0)
    return {
        "single_us": single_us,
        "batch_us": batch_us,
        "batch_all_threads_us": median_us(batch, 7, QUERIES),
    }


def fingerprint(release: dpattn.Release) -> str:
    """SHA-256 of all answers' bytes, with their log denominators and error bars."""
    parts = release.attend(load_digits().Q, return_lse=True, return_std=True)
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


# ---- The picture -------------------------------------------------------------------------------


def draw(path: pathlib.Path, d: Digits, results: Dict[str, Any], answer: Array, std: Array, exact: Array) -> None:
    import matplotlib
    import matplotlib.ticker

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    ink, quiet, private, band, red = "#222222", "#6f6f6f", "#0b6e99", "#9fcde0", "#d1495b"
    orange, light = "#b5651d", "#ecd2b8"
    plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False, "text.color": ink})
    plt.rcParams.update({"axes.edgecolor": quiet, "xtick.color": quiet, "ytick.color": quiet, "axes.labelcolor": ink})
    figure = plt.figure(figsize=(13.5, 7.4), dpi=120, facecolor="white")
    figure.text(0.055, 0.935, f"Attention over {len(d.K):,} private digits", fontsize=20, fontweight="bold")
    promise = f"(epsilon, {DELTA:g})-differential privacy for each digit, added or removed"
    figure.text(0.055, 0.893, f"Released once, then asked any number of times. {promise}.", fontsize=12, color=quiet)

    # Left: accuracy against epsilon, in per cent.
    table = results["guess"]
    axes = figure.add_axes((0.055, 0.13, 0.5, 0.665))
    figure.text(0.055, 0.825, f"How often the guess is right, {QUERIES} queries", fontsize=13, fontweight="bold")
    x = np.array(EPSILONS)
    points: Dict[str, Any] = {"textcoords": "offset points"}
    for key, name, colour, shade in (
        ("codebook", f"codebook release, {CELLS} cells", private, band),
        ("moment", f"moment release, degree {DEGREE}", orange, light),
    ):
        mean, sd, low, high = (
            100 * np.array([line[part] for line in table[key]]) for part in ("mean", "sd", "min", "max")
        )
        axes.fill_between(x, low, high, color=shade, alpha=0.35, linewidth=0)
        axes.fill_between(x, mean - sd, mean + sd, color=shade, alpha=0.8, linewidth=0)
        axes.plot(x, mean, color=colour, linewidth=2.5, marker="o", markersize=7)
        for epsilon, value in zip(x, mean):
            axes.annotate(f"{value:.1f} %", (epsilon, value), (9, -16), color=colour, fontweight="bold", **points)
        axes.annotate(name, (x[-1], mean[-1]), (34, -40), color=colour, ha="right", fontsize=12, **points)
        lowest = float(low.min())
    for key, style, name in (
        ("exact", "-", "exact softmax attention, no privacy"),
        ("noiseless", "--", "the codebook without noise"),
    ):
        value = 100 * table[key]
        axes.axhline(value, color=ink, linewidth=1.2, linestyle=style)
        axes.annotate(f"{name}: {value:.1f} %", (0.48, value), (0, 5), **points)
    axes.annotate(
        "bands: one standard deviation, worst to best release",
        (0.98, 0.03),
        ha="right",
        color=quiet,
        xycoords="axes fraction",
    )
    axes.set_xscale("log", base=2)
    axes.set_xticks(x, [f"{epsilon:g}" for epsilon in x])
    axes.minorticks_off()
    axes.set_xlim(0.46, 11)
    axes.set_ylim(min(72.0, lowest - 1), 101)
    axes.yaxis.set_major_locator(matplotlib.ticker.MultipleLocator(5))
    axes.yaxis.set_major_formatter("{x:.0f} %")
    axes.set_xlabel("privacy budget epsilon (smaller is more private)", labelpad=8)

    # Right: some queries with their answers.
    figure.text(0.6, 0.825, "Four queries and their private answers, epsilon 1", fontsize=13, fontweight="bold")
    figure.text(0.6, 0.79, "Bars: private attention, \u00b1 2 predicted sd", color=private)
    figure.text(0.952, 0.79, "Lines: exact", color=red, ha="right")
    picked = list(chosen(d, exact))
    top = 1.1 * float(np.maximum(answer + 2 * std, exact)[picked].max())
    for row, query in enumerate(picked):
        bottom = 0.64 - 0.17 * row
        picture = figure.add_axes((0.6, bottom, 0.068, 0.124))
        picture.imshow(d.pictures[query], cmap="gray_r", interpolation="nearest")
        picture.set(xticks=[], yticks=[])
        picture.spines[:].set_visible(True)
        picture.spines[:].set_color("#cccccc")
        bars = figure.add_axes((0.685, bottom, 0.267, 0.124))
        best = int(answer[query].argmax())
        bars.bar(
            range(10), answer[query], color=[private if label == best else band for label in range(10)], width=0.74
        )
        bars.errorbar(range(10), answer[query], 2 * std[query], fmt="none", ecolor=ink, elinewidth=1, capsize=2.5)
        bars.hlines(exact[query], np.arange(10) - 0.37, np.arange(10) + 0.37, color=red, linewidth=2, zorder=3)
        bars.axhline(0.1, color="#bbbbbb", linewidth=0.8, zorder=0)
        bars.set_xticks(range(10), [str(label) for label in range(10)])
        bars.set_yticks([0.1], ["10 %"])
        bars.yaxis.tick_right()
        bars.tick_params(length=0)
        bars.set_ylim(0, top)
        bars.spines["left"].set_visible(False)
        bars.get_xticklabels()[d.labels[query]].set(color=ink, fontweight="bold")
    small: Dict[str, Any] = {"fontsize": 9, "color": quiet}
    note = f"Codebook: {len(d.P)} public pictures without labels. Logits up to {SCALE:g}; moment release: {SHARP:g}."
    figure.text(0.055, 0.03, note, **small)
    figure.text(
        0.6,
        0.055,
        "Bold: the true label. Error bars are predicted before projection.\n"
        "Last row: the query that exact attention finds hardest.",
        va="center",
        linespacing=1.5,
        **small,
    )
    figure.savefig(path)
    plt.close(figure)


def chosen(d: Digits, exact: Array) -> Sequence[int]:
    """Three queries of different labels, and the one that exact attention finds hardest."""
    first: Dict[int, int] = {}
    for query, label in enumerate(d.labels):
        first.setdefault(int(label), query)
    ordered = np.sort(exact, axis=1)
    hardest = int((ordered[:, -1] - ordered[:, -2]).argmin())
    easy = [query for query in sorted(first.values()) if query != hardest]
    return [*easy[:3], hardest]


# ---- The whole ---------------------------------------------------------------------------------


def saved(out: pathlib.Path, d: Digits, release: dpattn.Release) -> Dict[str, Any]:
    """Saves a release in both forms, has fresh processes ask them, and says what they answered."""
    file, form, certificate = out / "digits.dpa", out / "digits.kv.npz", out / "digits.certificate.json"
    release.save(file)
    keys, values, bias = release.kv(np.float32)
    np.savez(form, keys=keys, values=values, bias=bias, scale=release.info.scale)
    certificate.write_text(json.dumps(release.certificate(), indent=2) + "\n", encoding="utf-8")

    check = [sys.executable, os.path.abspath(__file__), "--check", str(file)]
    there = subprocess.run(check, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        queries, answers = os.path.join(folder, "queries.npy"), os.path.join(folder, "answers.npy")
        np.save(queries, d.Q)
        subprocess.run([sys.executable, "-I", "-c", READER, str(form), queries, answers], check=True)
        read = np.load(answers)
    here = fingerprint(release)
    return {
        "answers_here": here,
        "answers_in_a_fresh_process": there,
        "identical": here == there,
        "kv_bytes": form.stat().st_size,
        "kv_accuracy": accuracy(read, d),
        "kv_largest_difference": float(np.abs(read - release.attend(d.Q)).max()),
    }


def demo(out: pathlib.Path, count: int) -> int:
    start = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    d = load_digits()
    codebook = dpattn.codebook.fit(d.P, CELLS, seed=0)
    engine = dpattn.build_info()
    print(f"dpattn {dpattn.__version__} ({engine['simd']}, {engine['threads']} threads)")
    print(
        f"{len(d.K):,} private digits, {len(d.P)} public ones without labels, {QUERIES} queries; "
        f"delta {DELTA:g}, one digit added or removed"
    )
    results: Dict[str, Any] = {
        "library": engine,
        "private_rows": len(d.K),
        "public_rows": len(d.P),
        "queries": QUERIES,
        "delta": DELTA,
        "adjacency": "add_remove",
        "cells": CELLS,
        "scale": SCALE,
        "degree": DEGREE,
    }

    # 1. Guessing: only the largest entry matters.
    builder, seconds = build(d, codebook_params(codebook), Progress("codebook, adding rows"))
    with builder:
        secret = builder.export_secret()
        noise_start = time.perf_counter()
        shipped = builder.release(epsilon=1.0, delta=DELTA)  # the one that is saved below
        noise_seconds = time.perf_counter() - noise_start
    show = Progress("moment release, adding rows")
    builder, _ = build(d, moment_params(), show)
    show.clear()
    with builder:
        moments = builder.export_secret()
    exact, noiseless = exact_attention(d, SCALE), codebook_attention(d, codebook, SCALE)
    table: Dict[str, Any] = {"exact": accuracy(exact, d), "noiseless": accuracy(noiseless, d)}
    results["guess"] = table
    table.update(codebook=[], moment=[])
    print(f"\nWhich digit is it?  codebook of {CELLS} cells, logits up to {SCALE:g}; {count} releases a line")
    print(f"  (the moment release: polynomial of degree {DEGREE}, logits up to {SHARP:g}; {MOMENT_RELEASES} releases)")
    print(
        "  epsilon   exact softmax   codebook, no noise   codebook: mean     sd     min .. max     moment release: mean"
    )
    lines = zip(guess(d, "codebook", secret, count), guess(d, "moment release", moments, MOMENT_RELEASES))
    for line, moment in lines:
        table["codebook"].append(line)
        table["moment"].append(moment)
        print(
            f"  {line['epsilon']:7g}   {table['exact']:13.3f}   {table['noiseless']:18.3f}   {line['mean']:14.3f}"
            f"  {line['sd']:5.3f}  {line['min']:5.3f} .. {line['max']:.3f}   {moment['mean']:20.3f}",
            flush=True,
        )

    # 2. Values: the whole answer.
    bias = float(np.abs(noiseless - exact).mean())
    print(f"\nHow far off is the codebook's answer?  Entries lie in 0 .. 1; without noise it is off by {bias:.4f}")
    print("  epsilon   mean error to no noise   to exact softmax   error bar: predicted   measured   ratio")
    results["values"] = {"bias": bias, "lines": []}
    for line in measure(d, secret, count, noiseless, exact):
        results["values"]["lines"].append(line)
        print(
            f"  {line['epsilon']:7g}   {line['error_to_noiseless']:22.4f}   {line['error_to_exact']:16.4f}"
            f"   {line['predicted_sd']:20.4f}   {line['measured_sd']:8.4f}   {line['ratio']:5.2f}",
            flush=True,
        )
    print(
        f"  A cell holds {len(d.K) / CELLS:.0f} rows. Error bars are predicted for quotients of noisy sums;\n"
        "  where noise makes a cell's value longer than value_bound, it is scaled back, and they are too long."
    )

    # 3. What it costs.
    info = shipped.info
    results["cost"] = {
        "numbers": info.features * (info.value_dim + 1),
        "build_seconds": seconds,
        "noise_seconds": noise_seconds,
        "release_bytes": info.save_bytes,
        **query_times(d, shipped),
    }
    cost = results["cost"]
    print(f"\nWhat it costs  ({CELLS} cells x {info.value_dim + 1} columns = {cost['numbers']:,} numbers)")
    print(
        f"  adding the rows {seconds * 1e3:.1f} ms, adding the noise {noise_seconds * 1e3:.1f} ms; "
        f"the release has {info.save_bytes:,} bytes"
    )
    print(
        f"  a query alone {cost['single_us']:,.1f} us; "
        f"in a batch of {QUERIES} {cost['batch_us']:,.1f} us (one thread), "
        f"{cost['batch_all_threads_us']:,.1f} us (all threads)"
    )

    # 4. The release goes out as a file, and somebody else asks it.
    asked = saved(out, d, shipped)
    results["saved"] = asked
    print("\nThe release of epsilon 1 was saved, and a fresh process loaded and asked it:")
    print(
        f"  answers here   sha256 {asked['answers_here']}\n"
        f"  answers there  sha256 {asked['answers_in_a_fresh_process']}"
    )
    print("  The answers are identical." if asked["identical"] else "  THE ANSWERS DIFFER.")
    print(
        f"As keys, values and biases it has {asked['kv_bytes']:,} bytes. A fresh process without dpattn answered by\n"
        f"numpy's softmax over them: accuracy {asked['kv_accuracy']:.3f}, "
        f"answers differ by {asked['kv_largest_difference']:.1e} at most."
    )

    answer, std = shipped.attend(d.Q.astype(float), return_std=True)
    draw(out / "digits.png", d, results, answer, std, exact)
    at_one = next(line["mean"] for line in table["codebook"] if line["epsilon"] == 1.0)
    passed = at_one >= WANTED_ACCURACY and asked["identical"] and asked["kv_largest_difference"] < KV_TOLERANCE
    results["accepted"] = passed
    results["seconds"] = time.perf_counter() - start
    (out / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    for name in ("digits.png", "results.json", "digits.dpa", "digits.kv.npz", "digits.certificate.json"):
        print(f"wrote {out / name}")
    verdict = "as it should be" if at_one >= WANTED_ACCURACY else "TOO LOW"
    print(
        f"\nAccuracy at epsilon 1: {at_one:.3f}, wanted at least {WANTED_ACCURACY}: {verdict}. "
        f"{results['seconds']:.0f} s in all."
    )
    return 0 if passed else 1


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description="Private attention on scikit-learn's handwritten digits.")
    parser.add_argument(
        "--out", type=pathlib.Path, default=pathlib.Path("build/demo"), help="folder for what is written"
    )
    parser.add_argument("--releases", type=int, default=100, help="codebook releases for each line")
    parser.add_argument(
        "--check", type=pathlib.Path, metavar="FILE", help="only load this release and print the SHA-256 of its answers"
    )
    options = parser.parse_args(arguments)
    if options.releases < 2:
        parser.error("--releases must be at least 2")
    if options.check is not None:
        with dpattn.load(options.check) as release:
            print(fingerprint(release))
        return 0
    return demo(options.out, options.releases)


if __name__ == "__main__":
    sys.exit(main())
