"""What a release would cost and how accurate it would be, before there are any data."""

from __future__ import annotations

import ctypes
import dataclasses

from . import _html
from ._c import abi
from ._c.library import call
from ._check import budget, integer, real
from ._errors import InvalidArgumentError
from ._params import Params


@dataclasses.dataclass(frozen=True)
class Plan:
    """The answer of `plan`.

    Attributes
    ----------
    degree : int
        The degree of the parameters, or, if they leave it open, the one of 1..4 with the least
        total error. A builder does not plan: give it this degree, it takes 2 otherwise. 0 with
        mechanism "codebook".
    features : int
        Polynomial features a head, C(key_dim + degree, degree); with "codebook" cells.
    state_bytes, release_bytes : int
        Memory of a builder's state, and size of the saved release.
    logit_bound : float
        b = scale * query_bound * key_bound; 0 with "codebook", which has no bound.
    polynomial_error : float
        max |p(x)/e^x - 1| on [-b, b]; 0 with "codebook".
    mu : float
        Gaussian DP parameter of the budget.
    sigma_over_sensitivity : float
        1 / mu (with several heads: of the head with the most noise).
    noise_stddev : float
        Predicted standard deviation of one output coordinate near 0, in units of a value, for |q| =
        query_bound and mean attention weight 1; with "codebook" for a query that attends to one
        cell of n/cells rows.
    noise_stddev_worst : float
        The same with every weight at its least, e^-b; with "codebook" the same again.
    rows_for_error : int
        Least number of rows with noise_stddev <= target_error; 0 if no target was given.
    """

    degree: int
    features: int
    state_bytes: int
    release_bytes: int
    logit_bound: float
    polynomial_error: float
    mu: float
    sigma_over_sensitivity: float
    noise_stddev: float
    noise_stddev_worst: float
    rows_for_error: int

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        kind = {"codebook": f"{self.features:,} cells a head"}
        if self.degree:
            kind = {
                "degree": f"{self.degree} ({self.features:,} features a head)",
                "polynomial": f"{self.polynomial_error:.2%} off exp at most, logits up to {self.logit_bound:g}",
            }
        rows = {
            **kind,
            "noise of one output coordinate": f"{self.noise_stddev:.4g} (at worst {self.noise_stddev_worst:.4g})",
            "mu of the budget": f"{self.mu:.6g}",
            "memory of a builder": f"{self.state_bytes:,} bytes",
            "release": f"{self.release_bytes:,} bytes",
        }
        if self.rows_for_error:
            rows["rows for the wanted noise"] = f"{self.rows_for_error:,}"
        return _html.table("dpattn.Plan", rows)


def plan(params: Params, *, n: int, epsilon: float, delta: float, target_error: float = 0.0) -> Plan:
    """Predict cost and accuracy of a release. Needs no data and spends nothing.

    Parameters
    ----------
    params : Params
        With ``degree=None`` the plan chooses the degree, 1..4.
    n : int
        Expected number of rows, >= 1: a public guess.
    epsilon, delta : float
        The budget: epsilon > 0, 0 < delta < 1.
    target_error : float
        Wanted `noise_stddev`, in units of a value; 0: none wanted.

    Returns
    -------
    Plan

    Raises
    ------
    InvalidArgumentError
        If an argument is out of range.
    LimitError
        If epsilon is too small for the integer grid.

    Examples
    --------
    >>> params = Params(
    ...     key_dim=64, value_dim=64, key_bound=1, query_bound=1, value_bound=1, adjacency="replace"
    ... )
    >>> plan(params, n=100_000, epsilon=1.0, delta=1e-6).features  # doctest: +SKIP
    47905
    """
    if not isinstance(params, Params):
        raise InvalidArgumentError(f"params is a {type(params).__name__}; it must be a dpattn.Params")
    rows = integer("n", n, 1, 2**63 - 1)
    epsilon, delta = budget(epsilon, delta)
    target = 0.0 if target_error == 0 else real("target_error", target_error, 0.0, float("inf"))
    wanted = abi.Budget(struct_size=ctypes.sizeof(abi.Budget), epsilon=epsilon, delta=delta)
    result = abi.PlanResult(struct_size=ctypes.sizeof(abi.PlanResult))
    call("dpattn_plan", ctypes.byref(params._to_c()), rows, ctypes.byref(wanted), target, ctypes.byref(result))
    return Plan(**{field.name: getattr(result, field.name) for field in dataclasses.fields(Plan)})
