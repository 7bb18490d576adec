"""`dpattn ledger create`, `show` and `export`."""

from __future__ import annotations

import argparse
import os
from typing import Dict, Optional

from .._errors import InvalidArgumentError
from .._ledger import Ledger
from .arguments import Commands, writes
from .files import check_outputs
from .output import facts_of, show, summary


def add(commands: Commands) -> None:
    """Add them to the parser."""
    ledgers = commands.group("ledger", "keep the privacy account of a data set")
    sub = ledgers.add("create", _create, "make a ledger")
    sub.add_argument("ledger", metavar="FILE")
    sub.add_argument("--epsilon", type=float, help="what all releases may cost together")
    sub.add_argument("--delta", type=float)
    sub.add_argument("--mu", type=float, help="instead of epsilon and delta: releases by the Gaussian mechanism only")
    sub.add_argument("--other-epsilon", type=float, help="the part set aside for mechanisms that are not Gaussian")
    sub.add_argument("--other-delta", type=float)
    sub = ledgers.add("show", _show, "show what was spent and what is left")
    sub.add_argument("ledger", metavar="FILE")
    sub = ledgers.add("export", _export, "write a release of a ledger to a file of its own", writes())
    sub.add_argument("ledger", metavar="FILE")
    sub.add_argument("label")
    sub.add_argument("-o", "--output", required=True, metavar="CONTEXT.dpa", help="the release file")


def _create(options: argparse.Namespace) -> None:
    if os.path.lexists(options.ledger):
        raise FileExistsError(f"ledger {options.ledger} exists; a ledger is never replaced")
    names = ("epsilon", "delta", "mu", "other_epsilon", "other_delta")
    allowance = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if not allowance:
        raise InvalidArgumentError("give --epsilon and --delta, or --mu")
    if options.mu is None:
        for name in ("epsilon", "delta"):
            if name not in allowance:
                raise InvalidArgumentError(f"--{name} is required (give --epsilon and --delta, or --mu)")
    with Ledger(options.ledger, **allowance) as ledger:
        _print_statement(options, ledger)


def _show(options: argparse.Namespace) -> None:
    with Ledger(options.ledger) as ledger:
        _print_statement(options, ledger)


def _export(options: argparse.Namespace) -> None:
    check_outputs(options, (options.output,), (options.ledger,))
    with Ledger(options.ledger) as ledger:
        release = ledger.load(options.label)
    release.save(options.output)
    show(options, {"output": options.output, **facts_of(release)}, summary(release))


def _print_statement(options: argparse.Namespace, ledger: Ledger) -> None:
    statement = ledger.show()
    lines = [f"{name:<10} {_facts(statement[name])}" for name in ("allowance", "spent", "left")]
    neighbours = (
        f"{statement['adjacency']}, {statement['unit']}s" if statement["unit"] else "those of the first release"
    )
    lines.append(f"{'neighbours':<10} {neighbours}")
    lines += [
        f"{'':<10} {share['releases']:>3} more of epsilon {share['epsilon']:.6g} each, at delta {share['delta']:g}"
        for share in statement["shares"]
    ]
    lines += [
        f"{entry['number']:>4}  {entry['time']}  ({entry['epsilon']:g}, {entry['delta']:g})  {entry['label']}"
        for entry in statement["releases"]
    ]
    show(options, statement, "\n".join(lines))


def _facts(numbers: Dict[str, Optional[float]]) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in numbers.items() if value)
