"""What the study compares. Each method answers queries with a label, under (epsilon, delta)-DP.

Settings are chosen on the public part of a split alone. The codebook's are chosen without labels;
for the other private methods the labels of the public rows are used, in their favour.
"""

from __future__ import annotations

import math
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import numpy as np
from sets import Array, Split

import dpattn

DELTA = 1e-5
SCALES = (10.0, 15.0, 20.0, 30.0)
CELLS = (32, 48, 64, 96, 128, 256, 512, 1024)
PROTOTYPES = (1, 3, 10)  # a class
EXACT_SCALES = (10.0, 20.0, 40.0)
NEIGHBOURS = (1, 5, 15)
BLOCK = 500  # queries at a time


# ---- What all share ----------------------------------------------------------------------------


def accuracy(labels: Array, truth: Array) -> float:
    return float((labels == truth).mean())


def one_hot(labels: Array, classes: int) -> Array:
    return np.eye(classes, dtype=np.float32)[labels]


def blocks(queries: Array, answer: Callable[[Array], Array]) -> Array:
    return np.concatenate([answer(queries[first : first + BLOCK]) for first in range(0, len(queries), BLOCK)])


def softmax_labels(logits: Array, values: Array) -> Array:
    """The largest entry of each answer."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray((weights @ values).argmax(axis=1))


def held_out(rows: int, rng: np.random.Generator) -> Tuple[Array, Array]:
    """Three quarters of the public rows to rehearse with, and a quarter to ask with."""
    order = rng.permutation(rows)
    return order[rows // 4 :], order[: rows // 4]


# ---- Without privacy ---------------------------------------------------------------------------


def exact_attention(keys: Array, labels: Array, queries: Array, classes: int, scale: float) -> Array:
    values = one_hot(labels, classes)
    return blocks(queries, lambda q: softmax_labels(scale * (q @ keys.T), values))


def neighbours(keys: Array, labels: Array, queries: Array, classes: int, count: int) -> Array:
    """The label that most of the `count` nearest rows have; of equals, that of nearer rows."""

    def answer(q: Array) -> Array:
        similar = q @ keys.T
        near = np.argpartition(-similar, count, axis=1)[:, :count] if count < len(keys) else np.argsort(-similar)
        votes = np.zeros((len(q), classes))
        weights = 1 + 1e-3 * np.take_along_axis(similar, near, axis=1)
        np.add.at(votes, (np.arange(len(q))[:, None], labels[near]), weights)
        return np.asarray(votes.argmax(axis=1))

    return blocks(queries, answer)


def without_privacy(s: Split, rng: np.random.Generator) -> Dict[str, Any]:
    """Exact attention and exact neighbours, and neighbours among labelled public rows alone."""
    fit, ask = held_out(len(s.public), rng)
    result: Dict[str, Any] = {}
    for name, method, choices in (
        ("exact attention", exact_attention, EXACT_SCALES),
        ("exact neighbours", neighbours, NEIGHBOURS),
    ):

        def rehearse(choice: Any, method: Any = method) -> float:
            found = method(s.public[fit], s.public_labels[fit], s.public[ask], s.classes, choice)
            return accuracy(found, s.public_labels[ask])

        best = max(choices, key=rehearse)
        result[name] = {
            "setting": best,
            "accuracy": accuracy(method(s.keys, s.labels, s.queries, s.classes, best), s.answers),
        }
        if method is neighbours:
            found = method(s.public, s.public_labels, s.queries, s.classes, best)
            result["public rows, labelled"] = {"setting": best, "accuracy": accuracy(found, s.answers)}
    return result


# ---- Releases of this library ------------------------------------------------------------------


def releases(
    params: dpattn.Params, keys: Array, values: Array, epsilons: Sequence[float], counts: Dict[float, int]
) -> Iterator[Tuple[float, dpattn.Release]]:
    """`counts[epsilon]` releases for each epsilon.

    A study, not a way to use the library: whoever publishes several releases of the same rows
    spends several budgets.
    """
    with dpattn.Builder(params) as builder:
        for first in range(0, len(keys), 4096):
            builder.add(keys[first : first + 4096], values[first : first + 4096])
        secret = builder.export_secret()
    for epsilon in epsilons:
        for _ in range(counts[epsilon]):
            with dpattn.Builder.import_secret(secret) as builder, builder.release(epsilon=epsilon, delta=DELTA) as made:
                yield epsilon, made


def codebook_params(codebook: Array, classes: int) -> dpattn.Params:
    """The scale is left to those who ask: it plays no role in what is released."""
    return dpattn.Params(
        mechanism="codebook", codebook=codebook, key_dim=codebook.shape[1], value_dim=classes, key_bound=1.0,
        value_bound=1.0, scale=SCALES[0], adjacency="add_remove",
    )  # fmt: skip


def kv_labels(release: dpattn.Release, queries: Array, scale: float) -> Array:
    """Softmax attention over the key-value form, which is what attend answers at that scale."""
    keys, values, bias = release.kv()
    return blocks(queries, lambda q: softmax_labels(scale * (q.astype(float) @ keys[0].T) + bias[0], values[0]))


class Codebooks:
    """The codebook release: settings by rehearsal on unlabelled public rows."""

    def __init__(self, s: Split, seed: int) -> None:
        self.s, self.seed = s, seed
        few, many = len(s.public) // 20, len(s.public) // 3
        self.cells = [c for c in CELLS if max(few, 24) <= c <= many]
        self.fitted: Dict[int, Array] = {}

    def fit(self, cells: int) -> Array:
        if cells not in self.fitted:
            self.fitted[cells] = dpattn.codebook.fit(self.s.public, cells, seed=self.seed)
        return self.fitted[cells]

    def choose(self, epsilons: Sequence[float], rng: np.random.Generator) -> Dict[float, Tuple[int, float]]:
        """Cells and scale for each epsilon.

        Three labellings stand for the unknown one, with as many classes: that of the nearest of 1,
        3 and 10 prototypes a class, public rows drawn at random. The rehearsal's private rows are
        public ones, drawn again and again until they are as many as the private ones.
        """
        s, found = self.s, {}
        repeats, count = (40, 1) if len(s.public) < 1000 else (1, 2)
        for repeat in range(repeats):
            fit, ask = held_out(len(s.public), rng)
            labellings = []
            for prototypes in PROTOTYPES:
                own = s.public[rng.choice(len(s.public), prototypes * s.classes, replace=False)]
                labellings.append((s.public @ own.T).argmax(axis=1) % s.classes)
            drawn = rng.choice(fit, len(s.keys))
            for cells in self.cells:
                codebook = dpattn.codebook.fit(s.public[fit], cells, seed=self.seed + repeat)
                params = codebook_params(codebook, s.classes)
                for labels in labellings:
                    values = one_hot(labels[drawn], s.classes)
                    counts = dict.fromkeys(epsilons, count)
                    for epsilon, release in releases(params, s.public[drawn], values, epsilons, counts):
                        for scale in SCALES:
                            right = accuracy(kv_labels(release, s.public[ask], scale), labels[ask])
                            found.setdefault((epsilon, cells, scale), []).append(right)
        settings = [(cells, scale) for cells in self.cells for scale in SCALES]
        return {
            epsilon: max(settings, key=lambda setting: float(np.mean(found[(epsilon, *setting)])))
            for epsilon in epsilons
        }

    def measure(self, chosen: Dict[float, Tuple[int, float]], counts: Dict[float, int]) -> List[Dict[str, Any]]:
        s, lines = self.s, []
        values = one_hot(s.labels, s.classes)
        for cells in sorted({cells for cells, _ in chosen.values()}):
            epsilons = [epsilon for epsilon, (own, _) in chosen.items() if own == cells]
            params = codebook_params(self.fit(cells), s.classes)
            for epsilon, release in releases(params, s.keys, values, epsilons, counts):
                scale = chosen[epsilon][1]
                right = accuracy(kv_labels(release, s.queries, scale), s.answers)
                lines.append({"epsilon": epsilon, "setting": [cells, scale], "accuracy": right})
        return lines


# ---- The moment release ------------------------------------------------------------------------

MOST_WORK = 4e9  # rows * features * columns, for one core's patience
LAMBDA = 0.15  # as in the demo: guessing needs little of the denominator
MOMENT_SCALE = 4.0


def moment_candidates(s: Split) -> List[Tuple[int, int]]:
    """Dimensions of the keys (by principal components of public rows) and degree."""
    dims = s.keys.shape[1]
    candidates = [(dims, 1), (dims, 2), (dims, 3), (128, 2), (48, 3), (24, 3)]
    return [
        (d, degree)
        for d, degree in dict.fromkeys(candidates)
        if d <= dims and math.comb(d + degree, degree) * (s.classes + 1) * len(s.keys) <= MOST_WORK
    ]


def projected(s: Split, dims: int) -> Callable[[Array], Array]:
    """Keys' components along the public rows' main directions, scaled to norm 1."""
    if dims == s.keys.shape[1]:
        return lambda keys: keys
    directions = np.linalg.svd(s.public, full_matrices=False)[2][:dims]

    def project(keys: Array) -> Array:
        x = keys @ directions.T
        return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9))

    return project


def moment(s: Split, epsilons: Sequence[float], counts: Dict[float, int], rng: np.random.Generator) -> Any:
    fit, ask = held_out(len(s.public), rng)
    drawn = rng.choice(fit, len(s.keys))

    def run(
        setting: Tuple[int, int], keys: Array, labels: Array, queries: Array, answers: Array, at: Any
    ) -> List[Dict[str, Any]]:
        dims, degree = setting
        project = projected(s, dims)
        params = dpattn.Params(
            key_dim=dims, value_dim=s.classes, key_bound=1.0, query_bound=1.0, value_bound=1.0, scale=MOMENT_SCALE,
            degree=degree, polynomial="taylor", lambda_=LAMBDA, adjacency="add_remove",
        )  # fmt: skip
        made = releases(params, project(keys), one_hot(labels, s.classes), list(at), at)
        return [
            {
                "epsilon": e,
                "setting": list(setting),
                "accuracy": accuracy(r.attend(project(queries)).argmax(1), answers),
            }
            for e, r in made
        ]

    def rehearse(setting: Tuple[int, int]) -> float:
        lines = run(setting, s.public[drawn], s.public_labels[drawn], s.public[ask], s.public_labels[ask], {1.0: 1})
        return float(lines[0]["accuracy"])

    best = max(moment_candidates(s), key=rehearse)
    return run(best, s.keys, s.labels, s.queries, s.answers, {epsilon: counts[epsilon] for epsilon in epsilons})


# ---- What a user would pick instead ------------------------------------------------------------


def class_means(s: Split, epsilons: Sequence[float], counts: Dict[float, int], rng: np.random.Generator) -> Any:
    """Noisy class means by this library: labels are keys, and the codebook has a cell for each."""
    classes, dims = s.classes, s.keys.shape[1]
    params = dpattn.Params(
        mechanism="codebook", codebook=np.eye(classes), key_dim=classes, value_dim=dims, key_bound=1.0,
        value_bound=1.0, scale=1.0, adjacency="add_remove",
    )  # fmt: skip
    rules: Dict[str, Callable[[Array, Array], Array]] = {
        "nearest mean": lambda q, means: 2 * q @ means.T - (means**2).sum(axis=1),
        "largest cosine": lambda q, means: q @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T,
        "largest product": lambda q, means: q @ means.T,
    }

    def run(keys: Array, labels: Array, queries: Array, answers: Array, at: Dict[float, int]) -> List[Any]:
        found = []
        for epsilon, release in releases(params, one_hot(labels, classes), keys, list(at), at):
            means = release.kv()[1][0]
            right = {rule: accuracy(score(queries, means).argmax(axis=1), answers) for rule, score in rules.items()}
            found.append((epsilon, right))
        return found

    fit, ask = held_out(len(s.public), rng)
    drawn = rng.choice(fit, len(s.keys))
    rehearsal = run(
        s.public[drawn], s.public_labels[drawn], s.public[ask], s.public_labels[ask], dict.fromkeys(epsilons, 1)
    )
    best = {epsilon: max(right, key=lambda rule: right[rule]) for epsilon, right in rehearsal}
    real = run(s.keys, s.labels, s.queries, s.answers, {epsilon: counts[epsilon] for epsilon in epsilons})
    return [{"epsilon": e, "setting": best[e], "accuracy": right[best[e]]} for e, right in real]


STEPS = 30
RATES = (1.0, 4.0, 16.0, 64.0, 256.0)


def gradient_descent(
    keys: Array, labels: Array, classes: int, rows: int, rate: float, mu: float, rng: np.random.Generator
) -> Array:
    """Weights of multinomial logistic regression by noisy gradient descent on all rows.

    A row's gradient is clipped to norm 1; a step adds Gaussian noise of sqrt(STEPS)/mu to the sum,
    so that all steps together are mu-GDP: (epsilon, delta)-DP for a row added or removed. Floating
    point noise: a baseline for a study, not a release. `rows` scales the sum of fewer rows up.
    """
    targets, weights = one_hot(labels, classes), np.zeros((keys.shape[1], classes), np.float32)
    for _ in range(STEPS):
        scores = keys @ weights
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        residuals = scores / scores.sum(axis=1, keepdims=True) - targets
        residuals /= np.maximum(np.linalg.norm(residuals, axis=1, keepdims=True), 1.0)  # keys have norm 1
        noise = math.sqrt(STEPS) / mu * rng.standard_normal(weights.shape)
        weights -= (rate * (rows / len(keys) * (keys.T @ residuals) + noise) / rows).astype(np.float32)
    return weights


def mu_of(epsilon: float) -> float:
    """The mu for which a Gaussian mechanism is (epsilon, DELTA)-DP."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    def excess(mu: float) -> float:
        half = mu / 2
        return float(norm.cdf(half - epsilon / mu) - math.exp(epsilon) * norm.cdf(-half - epsilon / mu) - DELTA)

    return float(brentq(excess, 1e-3, 50.0))


def logistic(s: Split, epsilons: Sequence[float], counts: Dict[float, int], rng: np.random.Generator) -> Any:
    fit, ask = held_out(len(s.public), rng)
    lines = []
    for epsilon in epsilons:
        mu = mu_of(epsilon)

        def rehearse(rate: float, mu: float = mu) -> float:
            x = s.public[fit]
            weights = gradient_descent(x, s.public_labels[fit], s.classes, len(s.keys), rate, mu, rng)
            return accuracy((s.public[ask] @ weights).argmax(axis=1), s.public_labels[ask])

        rate = max(RATES, key=rehearse)
        for _ in range(counts[epsilon]):
            weights = gradient_descent(s.keys, s.labels, s.classes, len(s.keys), rate, mu, rng)
            right = accuracy((s.queries @ weights).argmax(axis=1), s.answers)
            lines.append({"epsilon": epsilon, "setting": rate, "accuracy": right})
    return lines
