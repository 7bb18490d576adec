"""Private attention on real data: 1,497 handwritten digits are private, 300 others ask.

A key is the picture of a digit, its value says which digit it is. Attention with a picture as query
then answers with a mixture of ten labels, and the largest entry is the guess. Each release below is
made once under (epsilon, delta)-differential privacy for every single private digit and answers all
queries.

Run it by `make demo`, or, with dpattn, scikit-learn and matplotlib installed:

    python digits.py --out build/demo

It prints three tables and writes digits.png, results.json, digits.dpa (a release) and
digits.certificate.json.
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
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

import dpattn

EPSILONS = (0.5, 1.0, 2.0, 4.0, 8.0)
DELTA = 1e-5
DEGREE = 3
PRIVATE_ROWS = 1497
QUERIES = 300
CHUNK = 250  # rows a call of add
SHARP, SMOOTH = 4.0, 2.0  # bounds b on a logit: sharp attention for guessing, smooth attention for values
GUESS_LAMBDA = 0.15  # weight of the denominator column for guessing: see make_params
# The mean accuracy at epsilon 1 must reach this. It is 0.869, and one release scatters by 0.020: by
# chance the mean of 20 would miss it in one run of sixty, the mean of 100 in one of a million. So
# that line has 5 times as many releases.
WANTED_ACCURACY = 0.86
MORE_AT_ONE = 5

Array = np.ndarray[Any, np.dtype[Any]]


class Digits(NamedTuple):
    K: Array  # (1497, 64) private keys, norm 1
    V: Array  # (1497, 10) private values, one-hot labels
    Q: Array  # (300, 64) public queries, norm 1
    labels: Array  # (300,) what the queries are
    pictures: Array  # (300, 8, 8) how they look


def load_digits() -> Digits:
    from sklearn.datasets import load_digits as bundled

    data = bundled()
    order = np.random.default_rng(0).permutation(len(data.target))
    # The public choices: 5 is subtracted from every pixel (0..16), and pictures are scaled to norm
    # 1.
    X = data.data[order] - 5.0
    X = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)
    labels = data.target[order]
    n, m = PRIVATE_ROWS, PRIVATE_ROWS + QUERIES
    V = np.eye(10, dtype=np.float32)[labels[:n]]
    return Digits(X[:n], V, X[n:m], labels[n:m], data.images[order][n:m])


# ---- What the releases are compared with, computed from the private data in double precision ---


def exact_attention(d: Digits, b: float) -> Array:
    weights = np.exp(b * (d.Q.astype(float) @ d.K.astype(float).T))
    return np.asarray(weights @ d.V / weights.sum(axis=1, keepdims=True))


def polynomial_attention(d: Digits, b: float, coefficients: Array) -> Array:
    """Attention with p(x) = sum_t c_t x^t in the place of e^x."""
    weights = np.polynomial.polynomial.polyval(b * (d.Q.astype(float) @ d.K.astype(float).T), coefficients)
    return np.asarray(weights @ d.V / weights.sum(axis=1, keepdims=True))


def taylor(degree: int) -> Array:
    return np.array([1 / math.factorial(t) for t in range(degree + 1)])


def minimax(b: float, degree: int) -> Tuple[Array, float]:
    """The polynomial with the least max |p(x)/e^x - 1| on [-b, b], and that error.

    Remez' exchange on a fine grid.
    """
    x = np.linspace(-b, b, 100_001)
    nodes = b * np.cos(np.pi * np.arange(degree + 2)[::-1] / (degree + 1))
    signs = (-1.0) ** np.arange(degree + 2)
    for _ in range(20):  # p(x_i) e^-x_i - 1 = +-E at the nodes, then nodes at the extrema between sign changes
        system = np.column_stack([np.vander(nodes, degree + 1, increasing=True) * np.exp(-nodes)[:, None], signs])
        coefficients = np.linalg.solve(system, np.ones(degree + 2))[:-1]
        error = np.polynomial.polynomial.polyval(x, coefficients) * np.exp(-x) - 1
        pieces = np.split(np.arange(len(x)), np.flatnonzero(np.diff(np.sign(error))) + 1)
        nodes = np.array([x[piece[np.abs(error[piece]).argmax()]] for piece in pieces])
    return coefficients, float(np.abs(error).max())


def accuracy(answers: Array, d: Digits) -> float:
    return float((answers.argmax(axis=1) == d.labels).mean())


# ---- The private side --------------------------------------------------------------------------


def make_params(b: float, polynomial: str, lambda_: Optional[float] = None) -> dpattn.Params:
    """All of it public: keys, queries and one-hot values have norm 1, so that `scale` is b.

    `lambda_` says how much of the budget goes to the denominator: the noise on the ten numerators
    is proportional to sqrt(1 + lambda^2), that on the denominator to sqrt(1 + lambda^2) / lambda.
    The default, 10^(-1/4) = 0.56, balances the two. All ten labels share one denominator, which
    cannot change which of them is largest: guessing does with less.
    """
    return dpattn.Params(
        key_dim=64,
        value_dim=10,
        key_bound=1.0,
        query_bound=1.0,
        value_bound=1.0,
        scale=b,
        degree=DEGREE,
        polynomial=polynomial,
        lambda_=lambda_,
        adjacency="add_remove",
    )


def build(d: Digits, params: dpattn.Params, show: Progress) -> Tuple[dpattn.Builder, float]:
    """A builder with the exact sums over all private rows (SECRET), and the seconds it took."""
    start = time.perf_counter()
    builder = dpattn.Builder(params)
    for first in range(0, PRIVATE_ROWS, CHUNK):
        rows = slice(first, min(first + CHUNK, PRIVATE_ROWS))
        builder.add(d.K[rows], d.V[rows])
        show(rows.stop, PRIVATE_ROWS)
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


def guess(d: Digits, secret: bytes, count: int) -> Iterator[Dict[str, Any]]:
    """A line for each epsilon: how often the answer's largest entry is the right digit."""
    for epsilon in EPSILONS:
        show = Progress(f"epsilon {epsilon:g}")
        total = count * (MORE_AT_ONE if epsilon == 1 else 1)
        found: List[float] = []
        for release in releases(secret, epsilon, total):
            found.append(accuracy(release.attend(d.Q), d))
            show(len(found), total)
        show.clear()
        mean, sd = statistics.fmean(found), statistics.stdev(found)
        yield {"epsilon": epsilon, "releases": total, "mean": mean, "sd": sd, "min": min(found), "max": max(found)}


def measure(d: Digits, secret: bytes, count: int, polynomial: Array, exact: Array) -> Iterator[Dict[str, float]]:
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
            "error_to_polynomial": float(np.abs(stack - polynomial).mean()),
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
    plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False, "text.color": ink})
    plt.rcParams.update({"axes.edgecolor": quiet, "xtick.color": quiet, "ytick.color": quiet, "axes.labelcolor": ink})
    figure = plt.figure(figsize=(13.5, 7.4), dpi=120, facecolor="white")
    figure.text(0.055, 0.935, f"Attention over {PRIVATE_ROWS:,} private digits", fontsize=20, fontweight="bold")
    promise = f"(epsilon, {DELTA:g})-differential privacy for each digit, added or removed"
    figure.text(0.055, 0.893, f"Released once, then asked any number of times. {promise}.", fontsize=12, color=quiet)

    # Left: accuracy against epsilon, in per cent.
    table = results["guess"]
    axes = figure.add_axes((0.055, 0.13, 0.5, 0.665))
    figure.text(0.055, 0.825, f"How often the guess is right, {QUERIES} queries", fontsize=13, fontweight="bold")
    x = np.array([line["epsilon"] for line in table["lines"]])
    mean, sd, low, high = (
        100 * np.array([line[key] for line in table["lines"]]) for key in ("mean", "sd", "min", "max")
    )
    axes.fill_between(x, low, high, color=band, alpha=0.4, linewidth=0)
    axes.fill_between(x, mean - sd, mean + sd, color=band, alpha=0.8, linewidth=0)
    axes.plot(x, mean, color=private, linewidth=2.5, marker="o", markersize=7)
    points: Dict[str, Any] = {"textcoords": "offset points"}
    for epsilon, value in zip(x, mean):
        axes.annotate(f"{value:.1f} %", (epsilon, value), (9, -16), color=private, fontweight="bold", **points)
    for key, style, name in (
        ("exact", "-", "exact softmax attention, no privacy"),
        ("polynomial", "--", "its cubic polynomial, no noise"),
    ):
        value = 100 * table[key]
        axes.axhline(value, color=ink, linewidth=1.2, linestyle=style)
        axes.annotate(f"{name}: {value:.1f} %", (0.48, value), (0, 5), **points)
    axes.annotate(
        "private releases: mean,\none standard deviation, worst to best",
        (1.12, float(np.interp(np.log(1.12), np.log(x), low)) + 0.3),
        (70, -80),
        color=private,
        linespacing=1.4,
        arrowprops={"arrowstyle": "-", "color": private},
        **points,
    )
    axes.set_xscale("log", base=2)
    axes.set_xticks(x, [f"{epsilon:g}" for epsilon in x])
    axes.minorticks_off()
    axes.set_xlim(0.46, 11)
    axes.set_ylim(min(72.0, low.min() - 1), 93.0)
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
    figure.text(0.055, 0.03, f"Taylor polynomial of degree {DEGREE}, logits up to {SHARP:g}.", **small)
    note = f"Minimax polynomial of degree {DEGREE}, logits up to {SMOOTH:g}. Bold: the true label."
    figure.text(
        0.6,
        0.055,
        f"{note}\nLast row: the query that exact attention finds hardest.",
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


def demo(out: pathlib.Path, count: int) -> int:
    start = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    d = load_digits()
    engine = dpattn.build_info()
    print(f"dpattn {dpattn.__version__} ({engine['simd']}, {engine['threads']} threads)")
    print(
        f"{PRIVATE_ROWS:,} private digits, {QUERIES} queries; delta {DELTA:g}, one digit added or removed; "
        f"{count} releases a line"
    )
    results: Dict[str, Any] = {
        "library": engine,
        "private_rows": PRIVATE_ROWS,
        "queries": QUERIES,
        "delta": DELTA,
        "adjacency": "add_remove",
        "degree": DEGREE,
        "releases": count,
    }

    # 1. Guessing: only the largest entry matters, and the Taylor polynomial serves that well even
    # at b = 4.
    show = Progress("adding rows")
    builder, seconds = build(d, make_params(SHARP, "taylor", GUESS_LAMBDA), show)
    show.clear()
    with builder:
        secret = builder.export_secret()
        noise_start = time.perf_counter()
        shipped = builder.release(epsilon=1.0, delta=DELTA)  # the one that is saved below
        noise_seconds = time.perf_counter() - noise_start
    exact_accuracy = accuracy(exact_attention(d, SHARP), d)
    polynomial_accuracy = accuracy(polynomial_attention(d, SHARP, taylor(DEGREE)), d)
    print(f"\nWhich digit is it?  Taylor polynomial of degree {DEGREE}, logits up to b = {SHARP:g}")
    print("  epsilon   exact softmax   polynomial   private: mean     sd     min .. max     releases")
    results["guess"] = {
        "b": SHARP,
        "polynomial_kind": "taylor",
        "lambda": GUESS_LAMBDA,
        "exact": exact_accuracy,
        "polynomial": polynomial_accuracy,
    }
    results["guess"]["lines"] = []
    for line in guess(d, secret, count):
        results["guess"]["lines"].append(line)
        print(
            f"  {line['epsilon']:7g}   {exact_accuracy:13.3f}   {polynomial_accuracy:10.3f}   {line['mean']:13.3f}"
            f"  {line['sd']:5.3f}  {line['min']:5.3f} .. {line['max']:.3f}   {line['releases']:8d}",
            flush=True,
        )

    # 2. Values: the default polynomial, whose relative error is bounded, at b = 2.
    coefficients, polynomial_error = minimax(SMOOTH, DEGREE)
    exact, polynomial = exact_attention(d, SMOOTH), polynomial_attention(d, SMOOTH, coefficients)
    builder, _ = build(d, make_params(SMOOTH, "minimax"), Progress(""))
    with builder:
        secret = builder.export_secret()
    bias = float(np.abs(polynomial - exact).mean())
    print(
        f"\nHow far off is the answer?  minimax polynomial of degree {DEGREE}, logits up to b = {SMOOTH:g}; "
        "entries lie in 0 .. 1"
    )
    print(f"  the polynomial alone is off by {bias:.4f} from exact softmax attention on average")
    print("  epsilon   mean error to polynomial   to exact softmax   error bar: predicted   measured   ratio")
    results["values"] = {
        "b": SMOOTH,
        "polynomial_kind": "minimax",
        "polynomial_error": polynomial_error,
        "bias": bias,
        "lines": [],
    }
    for line in measure(d, secret, count, polynomial, exact):
        results["values"]["lines"].append(line)
        print(
            f"  {line['epsilon']:7g}   {line['error_to_polynomial']:24.4f}   {line['error_to_exact']:16.4f}"
            f"   {line['predicted_sd']:20.4f}   {line['measured_sd']:8.4f}   {line['ratio']:5.2f}",
            flush=True,
        )
    for release in releases(secret, 1.0, 1):  # for the picture
        answer, std = release.attend(d.Q.astype(float), return_std=True)

    # 3. What it costs.
    info = shipped.info
    results["cost"] = {
        "features": info.features,
        "numbers": info.features * (info.value_dim + 1),
        "build_seconds": seconds,
        "noise_seconds": noise_seconds,
        "release_bytes": info.save_bytes,
        **query_times(d, shipped),
    }
    cost = results["cost"]
    print(
        f"\nWhat it costs  ({cost['features']:,} features x {info.value_dim + 1} columns = {cost['numbers']:,} numbers)"
    )
    print(
        f"  adding the rows {seconds:.2f} s, adding the noise {noise_seconds:.2f} s; "
        f"the release has {info.save_bytes:,} bytes"
    )
    print(
        f"  a query alone {cost['single_us']:,.0f} us; "
        f"in a batch of {QUERIES} {cost['batch_us']:,.0f} us (one thread), "
        f"{cost['batch_all_threads_us']:,.0f} us (all threads)"
    )

    # 4. The release goes out as a file, and somebody else asks it.
    file, certificate = out / "digits.dpa", out / "digits.certificate.json"
    shipped.save(file)
    certificate.write_text(json.dumps(shipped.certificate(), indent=2) + "\n", encoding="utf-8")
    here = fingerprint(shipped)
    there = subprocess.run(
        [sys.executable, os.path.abspath(__file__), "--check", str(file)], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    results["sha256"] = {"answers_here": here, "answers_in_a_fresh_process": there, "identical": here == there}
    print("\nThe release of epsilon 1 was saved, and a fresh process loaded and asked it:")
    print(f"  answers here   sha256 {here}\n  answers there  sha256 {there}")
    print("  The answers are identical." if here == there else "  THE ANSWERS DIFFER.")

    draw(out / "digits.png", d, results, answer, std, exact)
    at_one = next(line["mean"] for line in results["guess"]["lines"] if line["epsilon"] == 1.0)
    passed = at_one >= WANTED_ACCURACY and here == there
    results["accepted"] = passed
    results["seconds"] = time.perf_counter() - start
    (out / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    for name in ("digits.png", "results.json", "digits.dpa", "digits.certificate.json"):
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
    parser.add_argument("--releases", type=int, default=20, help="releases for each line of the tables")
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
