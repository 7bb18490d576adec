"""The codebook release: sums over the cells of public centroids with rounded Gaussian noise."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from operator import mul
from typing import Any, Collection, Dict

from . import gaussian
from .gaussian import ADJACENCY, KEY_SCALE, MAX_DIM, MAX_OWNER_ROWS, VALUE2, VALUE_SCALE
from .reader import Reader, in_range
from .report import Report

_MAX_CELLS, _CENTROID2 = 1 << 16, 1 << 30


class File(gaussian.File):
    """A release file, read as docs/formats.md says; `verify_claim` checks what it claims."""

    key_dim: int
    value_dim: int
    cells: int
    lambda_: int

    def __init__(self, reader: Reader) -> None:
        take, skip = reader.take, reader.skip
        (self.heads, self.key_dim, self.value_dim, degree, mechanism) = take("5I")
        (adjacency, self.owner_rows, self.cells, has_weights) = take("4I")
        for name, value, low, high in (
            ("heads", self.heads, 1, MAX_DIM),
            ("key_dim", self.key_dim, 1, MAX_DIM),
            ("value_dim", self.value_dim, 1, MAX_DIM),
            ("degree", degree, 0, 0),
            ("mechanism", mechanism, 3, 3),
            ("adjacency", adjacency, 1, 2),
            ("owner_rows", self.owner_rows, 0, MAX_OWNER_ROWS),
            ("cells", self.cells, 1, _MAX_CELLS),
            ("has head weights", has_weights, 0, 1),
        ):
            in_range(name, value, low, high)
        self.adjacency = ADJACENCY[adjacency]
        (self.key_bound, self.value_bound, self.scale, self.lambda_asked, self.owner_bound) = take("5d")
        self.check_owner_bound()
        self.weights = take(f"{self.heads * has_weights}d")
        (self.lambda_,) = take("h")
        centroids = skip(2 * self.heads * self.cells * self.key_dim)
        self.sha256 = hashlib.sha256(centroids).hexdigest()
        lengths = (sum(map(mul, x, x)) for x in Reader.rows(centroids, f"{self.key_dim}h"))
        self.longest_centroid = max(lengths)
        self.take_noise(reader, self.cells * (self.value_dim + 1))


# ---- The guarantee -----------------------------------------------------------------------------


def verify_claim(file: File, report: Report) -> None:
    """Check everything that the file promises, and fill in the report's facts."""
    ranges = report.check(
        gaussian.in_bounds(file, file.key_bound, file.scale),
        "parameters: bounds, scale, lambda and head weights are in range",
        "parameters: a bound, the scale, lambda or a head weight is out of range",
    )
    report.check(
        file.longest_centroid < _CENTROID2,
        f"centroids: all {file.heads * file.cells} are of the lengths at which scores are exact",
        "centroids: one is too long for exact scores",
    )
    report.check(
        ranges and file.lambda_ == round(file.lambda_asked / file.value_bound * VALUE_SCALE),
        "lambda: the integer is the weight that was asked for, rounded",
        "lambda: the integer is not the weight that was asked for, rounded",
    )
    if gaussian.verify_noise(file, report):
        gaussian.verify_guarantee(file, sensitivity_squared(file), report)


def sensitivity_squared(file: File) -> int:
    """Squared L2 sensitivity of one head's integer state to one unit (core/codebook/PROOF.md)."""
    row = VALUE2 + file.lambda_ * file.lambda_
    if file.owner_bound:  # the sum of an owner's rows is clipped to this; two such sums are at most twice as far apart
        clip = file.clip_squared(row)
        return clip if file.adjacency == "add_remove" else 4 * clip
    # A replacement moves a row to another cell, or its value to the opposite one.
    one = row if file.adjacency == "add_remove" else max(2 * row, 4 * VALUE2)
    rows = max(file.owner_rows, 1)
    return rows * rows * one


# ---- The certificate ---------------------------------------------------------------------------

_COMPUTED = (*gaussian.COMPUTED, "bounds.lambda", "grid.key_step", "grid.value_step")


def computed(_file: File) -> Collection[str]:
    """Certificate fields that `verify_numbers` checks, and what is no claim about the release."""
    return _COMPUTED


def expected(file: File) -> Dict[str, Any]:
    """Certificate fields that follow from the file exactly."""
    return {
        **gaussian.expected(file, "codebook"),
        "sensitivity.lambda": file.lambda_,
        "shape.heads": file.heads,
        "shape.key_dim": file.key_dim,
        "shape.value_dim": file.value_dim,
        "shape.cells": file.cells,
        "bounds.key_bound": file.key_bound,
        "bounds.value_bound": file.value_bound,
        "bounds.scale": file.scale,
        "codebook.sha256": file.sha256,
        "codebook.floor_mass": "sigma/lambda",
    }


def verify_numbers(file: File, claims: Any, report: Report) -> None:
    """Check what the certificate computes."""
    products = {
        "bounds.lambda": Fraction(file.lambda_) * Fraction(file.value_bound) / VALUE_SCALE,
        "grid.key_step": Fraction(file.key_bound) / KEY_SCALE,
        "grid.value_step": Fraction(file.value_bound) / VALUE_SCALE,
    }
    gaussian.verify_numbers(file, products, claims, report)
