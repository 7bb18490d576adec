"""`dpattn plan`."""

from __future__ import annotations

import argparse
import dataclasses

from .._plan import plan
from .arguments import Commands, check_bounds, params_of, private
from .output import show, table


def add(commands: Commands) -> None:
    """Add it to the parser."""
    sub = commands.add("plan", _plan, "predict cost and accuracy of a release; needs no data", private())
    sub.add_argument("--key-dim", type=int, required=True)
    sub.add_argument("--value-dim", type=int, required=True)
    sub.add_argument("--heads", type=int, default=1)
    sub.add_argument("--rows", type=int, required=True, metavar="N", help="expected number of rows: a public guess")
    sub.add_argument("--target-error", type=float, default=0.0, help="wanted standard deviation, in units of a value")


def _plan(options: argparse.Namespace) -> None:
    check_bounds(options)
    params = params_of(options, options.heads, options.key_dim, options.value_dim)
    result = dataclasses.asdict(
        plan(params, n=options.rows, epsilon=options.epsilon, delta=options.delta, target_error=options.target_error)
    )
    hidden = [] if options.target_error else ["rows_for_error"]
    if not result["degree"]:
        hidden += ["degree", "logit_bound", "polynomial_error"]
    text = table({name: value for name, value in result.items() if name not in hidden})
    if options.degree is None and options.mechanism == "gaussian":
        text += f"\nrelease with: --degree {result['degree']}"
    show(options, result, text)
