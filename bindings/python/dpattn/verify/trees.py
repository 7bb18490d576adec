"""What files of the DPTree family promise: releases, range-sum trees, distances.

A release is many mechanisms, each of which adds truncated Laplace noise to integers, of which one
unit moves a list by at most `sensitivity` in the l1 norm. Noise of scale lambda = num/den on
|x| <= support, where P(X = x) ~ exp(-|x|/lambda), makes one of them private with

    epsilon_t = sensitivity / lambda
    delta_t   = P(X > support - sensitivity)

and they add up by basic or by advanced composition:

    (k e0, k d0)
    (sqrt(2 k ln(1/d')) e0 + k e0 (exp(e0) - 1), k d0 + d')

Sensitivities and k follow from the file's shapes (core/dptree/PROOF.md): nothing is believed but
the shapes and the scales of the noise.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Dict, List, Tuple

from .._check import exact
from .numbers import mpmath, workdps
from .reader import RELEASE, BadFileError, Reader, in_range
from .report import Report

_NAMES = {
    1: "DPTree",
    2: "DPTreeDistance",
    3: "DPTreeHighDim",
    4: "DPTreeSoftmax",
    5: "DPTreeSoftmaxAdaptive",
    6: "DPTreeCrossAttention",
}
_TREE, _HIGH_DIM, _SOFTMAX, _ADAPTIVE, _ATTENTION = 1, 3, 4, 5, 6
_LEAST, _LARGEST = 1e-100, 1e100
_ADJACENCY = {1: "add_remove", 2: "replace"}
_RULES = {1: "basic", 2: "advanced"}

# The integer grids: a weight at its bound, a point at the end of its range, a value of a DPTree at
# its bound.
_WEIGHT, _POINT, _VALUE = 1 << 10, 1 << 20, 1 << 20
_MAX_SUPPORT, _MAX_ROWS = 1 << 56, 1 << 30


@dataclasses.dataclass
class Term:
    """One kind of noisy integers: their number, what a unit moves, and the noise's distribution."""

    name: str
    mechanisms: int
    numbers: int
    sensitivity: int
    num: int = 0
    den: int = 0
    support: int = 0


class File:
    """A file of the family, read as docs/formats.md says."""

    def __init__(self, reader: Reader) -> None:
        take, skip = reader.take, reader.skip
        self.is_release = reader.magic == RELEASE
        self.heads, self.id = 1, ""
        head: Tuple[int, ...] = ()
        if self.is_release:
            head = take("5I")
            self.heads = head[0]
        (self.kind, adjacency, self.owner_rows, self.declared, self.leaves, self.dim, self.value_dim) = take("7I")
        (self.degree, self.copies, squared, no_trees) = take("4I")
        (self.range, self.weight, relative_error, copy_factor, failure_probability) = take("5d")
        softmax = self.kind >= _SOFTMAX
        for name, value, low, high in (
            ("heads", self.heads, 1, 1 << 16),
            ("structure", self.kind, 6 if self.is_release else 1, 6),
            ("adjacency", adjacency, 1, 2),
            ("owner_rows", self.owner_rows, 0, 1 << 20),
            ("rows", self.declared, 0, _MAX_ROWS),
            ("leaves", self.leaves, 1, 1 if no_trees else 1 << 28 if self.kind == _TREE else 1 << 20),
            ("dim", self.dim, 1, 1 << 16 if self.kind >= _HIGH_DIM else 1),
            ("value_dim", self.value_dim, 1, 1 << 16 if self.kind == _ATTENTION else 1),
            ("degree", self.degree, int(softmax), 8 * softmax),
            ("copies", self.copies, 1, 1 << 24 if self.kind >= _ADAPTIVE else 1),
            ("squared", squared, 0, int(1 < self.kind < _SOFTMAX)),
            ("no trees", no_trees, 0, int(softmax)),
        ):
            in_range(name, value, low, high)
        if not (_LEAST <= self.range <= _LARGEST and _LEAST <= self.weight <= _LARGEST):
            raise BadFileError("range or weight is out of range")
        if (self.kind == _TREE and self.range != 1) or (softmax and not 1e-6 <= self.range * self.range <= 64):
            raise BadFileError("range is not one that the structure has")
        # What the structure does not read is 0; what it reads did choose sizes that the file names.
        unread = (relative_error,) * (not softmax) + (copy_factor, failure_probability) * (self.kind < _ADAPTIVE)
        if any(unread) or any(map(math.isnan, (relative_error, copy_factor, failure_probability))):
            raise BadFileError("a parameter is missing or out of place")
        if self.is_release and head[1:4] != (self.dim, self.value_dim, self.degree):
            raise BadFileError("it names two shapes")
        self.adjacency = _ADJACENCY[adjacency]
        self.squared, self.trees = bool(squared), not no_trees
        self.columns = self.value_dim + 1 if self.kind == _ATTENTION else 1
        self.coordinates = self.dim
        if softmax:
            self.coordinates = math.comb(self.dim + self.degree, self.degree)
            (self.error, *self.coefficients) = take(f"{self.degree + 2}d")
            if not all(0 <= c <= _LARGEST for c in (self.error, *self.coefficients)):
                raise BadFileError("a coefficient of the polynomial or its error is out of range")
            top = 0.0  # p(R^2), the largest weight
            for c in reversed(self.coefficients):
                top = top * self.range * self.range + c
            if not 0 < top <= _LARGEST:
                raise BadFileError("the polynomial's coefficients are out of range")
        if self.is_release:
            head_budget = take("2d")
            self.id = bytes(skip(16)).hex()
        (rule, self.count) = take("IQ")
        (self.epsilon, self.delta, self.epsilon0, self.delta0, self.delta_prime) = take("5d")
        if rule not in _RULES:
            raise BadFileError(f"composition is number {rule}; it must be 1 (basic) or 2 (advanced)")
        self.rule = _RULES[rule]
        if self.is_release and head_budget != (self.epsilon, self.delta):
            raise BadFileError("it names two budgets")
        self.terms = self._terms()
        for term in self.terms:
            (term.num, term.den, term.support) = take("3Q")
        self.rows: List[int] = []
        each = sum(term.numbers for term in self.terms) * 8
        if reader.left != self.heads * (8 + each):
            raise BadFileError(f"the state has {reader.left} bytes; its shape needs {self.heads * (8 + each)}")
        for _ in range(self.heads):
            self.rows += take("Q")
            skip(each)

    def widths(self) -> List[int]:
        """Nodes of a tree, level by level: the leaves first, the root last."""
        widths = [self.leaves]
        while widths[-1] > 1:
            widths.append((widths[-1] + 1) // 2)
        return widths

    def _terms(self) -> List[Term]:
        unit = max(self.owner_rows, 1) * (2 if self.adjacency == "replace" else 1)
        lists = self.columns * self.copies
        trees, widths = lists * self.coordinates, self.widths()

        def tree(name: str, row: int) -> Term:
            # One unit moves the nodes of one level by `row` together, on every level of every tree.
            return Term(name, self.heads * trees * len(widths), trees * sum(widths), max(row, 1) * unit)

        def scalar(name: str, row: int) -> Term:
            return Term(name, self.heads * lists, lists, row * unit)

        if self.kind == _TREE:
            return [tree("sum", _VALUE)]
        if not self.trees:
            return [tree("linear", _WEIGHT * _POINT)]
        n = self.leaves
        last = 2 * n - 1  # the last point of the grid is last/(2n)
        terms = [tree("w", _WEIGHT), tree("wx", _WEIGHT * ((last * _POINT + n) // (2 * n)))]
        if self.squared or self.kind >= _SOFTMAX:
            terms.append(tree("wxx", _WEIGHT * ((last * last * _POINT + 2 * n * n) // (4 * n * n))))
        if self.kind >= _SOFTMAX:
            terms += [scalar("P_wx", _WEIGHT * _POINT), scalar("s_w", _WEIGHT)]
        return terms

    @property
    def name(self) -> str:
        """The structure's name in the paper."""
        return _NAMES[self.kind]

    @property
    def unit(self) -> str:
        """The unit of the guarantee in words."""
        return f"owner with up to {self.owner_rows} rows" if self.owner_rows else "row"


def laplace_delta(mp: Any, num: int, den: int, support: int, shift: int) -> Any:
    """The exact delta of the noise for a shift: P(X > support - shift), in the current precision.

    With r = exp(-den/num) the mass of y..support is r^y (1 - r^(support-y+1)) / (Z (1 - r)), and
    Z (1 - r) = 1 + r - 2 r^(support+1).
    """
    if shift > support:
        return mp.mpf(1)
    if shift == 0:
        return mp.mpf(0)
    rate = mp.mpf(den) / num
    r, far = mp.exp(-rate), mp.exp(-rate * (support + 1))
    return mp.exp(-rate * (support - shift + 1)) * -mp.expm1(-rate * shift) / (1 + r - 2 * far)


def compose(mp: Any, rule: str, k: int, epsilon0: float, delta0: float, delta_prime: float) -> Tuple[Any, Any]:
    """What k mechanisms of (epsilon0, delta0) spend together."""
    e, d = mp.mpf(epsilon0), mp.mpf(delta0)
    if rule == "basic":
        return k * e, k * d
    root = mp.sqrt(2 * k * mp.log(1 / mp.mpf(delta_prime)))
    return root * e + k * e * mp.expm1(e), k * d + mp.mpf(delta_prime)


def verify_claim(file: File, report: Report) -> None:
    """Check everything that the file promises, and fill in the report's facts."""
    budget = file.epsilon > 0 and math.isfinite(file.epsilon) and 0 < file.delta < 1
    share = 0 < file.epsilon0 < math.inf and 0 < file.delta0 < 1
    prime = 0 < file.delta_prime < 1 if file.rule == "advanced" else file.delta_prime == 0
    report.check(
        budget and share and prime,
        "parameters: the budget and its shares are in range",
        "parameters: the budget, a share of it or delta_prime is out of range",
    )
    public_rows = file.adjacency == "replace" and file.owner_rows == 0
    report.check(
        all(rows <= _MAX_ROWS if public_rows else rows == 0 for rows in file.rows),
        "rows: the number of rows is given only where it is public",
        "rows: the file gives a number of rows, which is private here (or is out of range)",
    )
    k = sum(term.mechanisms for term in file.terms)
    report.check(
        file.count == k,
        f"composition: {k} mechanisms: every head, column, copy, coordinate, tree and level, and the scalars",
        f"composition: the file counts {file.count} mechanisms; by its shapes there are {k}",
    )
    if not report.ok:
        return
    shown: List[Dict[str, Any]] = []
    mp = mpmath()
    with workdps():
        for term in file.terms:
            possible = 1 <= term.num <= 1 << 62 and term.den >= 1 and term.support <= _MAX_SUPPORT
            possible = possible and term.den * (term.support + 1) <= 1 << 62
            spent = delta = mp.mpf("inf")
            if possible:
                spent = mp.mpf(term.sensitivity) * term.den / term.num
                delta = laplace_delta(mp, term.num, term.den, term.support, term.sensitivity)
            report.check(
                bool(spent <= mp.mpf(file.epsilon0) and delta <= mp.mpf(file.delta0)),
                f"noise of {term.name}: sensitivity {term.sensitivity}, epsilon {mp.nstr(spent, 8)}, exact delta "
                f"{mp.nstr(delta, 8)}, within the share of one mechanism",
                f"noise of {term.name}: sensitivity {term.sensitivity} gives epsilon {mp.nstr(spent, 8)} and delta "
                f"{mp.nstr(delta, 8)}; one mechanism may spend {exact(file.epsilon0)} and {exact(file.delta0)}",
            )
            shown.append({"name": term.name, "epsilon": mp.nstr(spent, 30), "delta": mp.nstr(delta, 30)})
        total = compose(mp, file.rule, k, file.epsilon0, file.delta0, file.delta_prime)
        report.check(
            bool(total[0] <= mp.mpf(file.epsilon) and total[1] <= mp.mpf(file.delta)),
            f"guarantee: {file.rule} composition gives ({mp.nstr(total[0], 12)}, {mp.nstr(total[1], 12)}), within "
            f"({exact(file.epsilon)}, {exact(file.delta)})",
            f"guarantee: {file.rule} composition gives ({mp.nstr(total[0], 12)}, {mp.nstr(total[1], 12)}); the file "
            f"claims ({exact(file.epsilon)}, {exact(file.delta)})",
        )
        report.facts = {
            "id": file.id,
            "structure": file.name,
            "epsilon": file.epsilon,
            "delta": file.delta,
            "adjacency": file.adjacency,
            "unit": file.unit,
            "mechanisms": k,
            "composition": file.rule,
            "spent_epsilon": mp.nstr(total[0], 30),
            "spent_delta": mp.nstr(total[1], 30),
            "terms": shown,
        }


def expected(file: File) -> Dict[str, Any]:
    """Certificate fields that follow from the file exactly."""
    inner = {
        "mechanism": file.name,
        "adjacency": file.adjacency,
        "unit_rows": max(file.owner_rows, 1),
        "owners": file.owner_rows > 0,
        "epsilon": file.epsilon,
        "delta": file.delta,
        "composition": file.rule,
        "k": file.count,
        "epsilon0": file.epsilon0,
        "delta0": file.delta0,
        "delta_prime": file.delta_prime,
        "heads": file.heads,
        "columns": file.columns,
        "copies": file.copies,
        "coordinates": file.coordinates,
        "leaves": file.leaves,
        "levels": len(file.widths()),
        "trees": file.trees,
        "rows": file.rows[0],
    }
    for i, term in enumerate(file.terms):
        inner[f"terms.{i}.name"] = term.name
        inner[f"terms.{i}.mechanisms"] = term.mechanisms
        inner[f"terms.{i}.numbers"] = term.numbers
        inner[f"terms.{i}.sensitivity"] = term.sensitivity
        inner[f"terms.{i}.scale_num"] = term.num
        inner[f"terms.{i}.scale_den"] = term.den
        inner[f"terms.{i}.support"] = term.support
    if not file.is_release:
        return inner
    public_rows = file.adjacency == "replace" and file.owner_rows == 0
    return {
        "format": "dpattn-certificate/1",
        "id": file.id,
        "mechanism": "dptree",
        "adjacency": file.adjacency,
        "unit": {
            "kind": "owner" if file.owner_rows else "row",
            "max_rows": max(file.owner_rows, 1),
            "owner_bound": None,
        },
        "epsilon": file.epsilon,
        "delta": file.delta,
        "heads": file.heads,
        "shape": {
            "key_dim": file.dim,
            "value_dim": file.value_dim,
            "degree": file.degree,
            "features": file.coordinates,
            "leaves": file.leaves,
            "copies": file.copies,
        },
        "bounds.range": file.range,
        "bounds.value_range": file.weight,
        "bounds.logit_bound": file.range * file.range,
        "feature_map.coefficients": list(file.coefficients),
        "feature_map.relative_error": file.error,
        "rows": file.rows if public_rows else None,
        **{f"structure.{name}": value for name, value in inner.items()},
    }


def computed(file: File) -> List[str]:
    """Certificate fields that `verify_numbers` checks, and what is no claim about the release."""
    at = "structure." if file.is_release else ""
    terms = [f"{at}terms.{i}.{name}" for i in range(len(file.terms)) for name in ("unit", "epsilon", "delta")]
    return [*(["library"] if file.is_release else []), f"{at}spent", *terms]


def _unit(file: File, term: Term) -> float:
    """What one integer of a term stands for."""
    weight, range_ = float(file.weight), float(file.range)
    if term.name == "sum":
        return weight / _VALUE
    if term.name in ("w", "s_w"):
        return weight / _WEIGHT
    one = weight / (_WEIGHT * _POINT)
    if term.name == "P_wx":
        return one * sum(float(c) * math.pow(range_, 2 * t) for t, c in enumerate(file.coefficients))
    return one if file.kind >= _SOFTMAX else one * math.pow(range_, len(term.name) - 1)  # wx, wxx


def verify_numbers(file: File, claims: Any, report: Report) -> None:
    """Check the certificate's rounded numbers: at least the exact ones, at most a little more."""

    def fields(value: Any) -> Dict[str, Any]:
        return value if isinstance(value, dict) else {}

    inner = fields(fields(claims).get("structure") if file.is_release else claims)
    terms = inner.get("terms")
    given_terms = [fields(term) for term in terms] if isinstance(terms, list) else []
    rounded: List[Tuple[str, List[Any], Any]] = [
        ("spent", [report.facts["spent_epsilon"], report.facts["spent_delta"]], inner.get("spent"))
    ]
    for term, shown, given in zip(file.terms, report.facts["terms"], given_terms):
        rounded.append((shown["name"], [shown["epsilon"], shown["delta"]], [given.get("epsilon"), given.get("delta")]))
        unit, said = _unit(file, term), given.get("unit")
        if not isinstance(said, (int, float)) or not unit * (1 - 1e-12) <= said <= unit * (1 + 1e-12):
            report.problems.append(f"certificate: the unit of {term.name} is {said!r}; it must be {unit!r}")
    mp = mpmath()
    with workdps():
        for name, wanted, found in rounded:
            holds = isinstance(found, list) and len(found) == 2 and all(isinstance(v, (int, float)) for v in found)
            if holds:
                pairs = [(mp.mpf(w), mp.mpf(v)) for w, v in zip(wanted, found)]
                holds = all(w * (1 - mp.mpf(10) ** -25) <= v <= w * (1 + mp.mpf(10) ** -9) for w, v in pairs)
            if not holds:
                report.problems.append(f"certificate: {name} says {found}; exactly it is {wanted}, or a little more")
