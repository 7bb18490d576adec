"""Arguments that several commands take."""

from __future__ import annotations

import argparse
from typing import Any, List

from .._c import abi
from .._errors import InvalidArgumentError
from .._params import REQUIRED, Params
from .files import read

EXIT_CODES = """\
exit codes:
  0    done; for verify: the guarantee holds
  1    verify: something is wrong with the file or the certificate
  2    wrong usage or wrong input (arguments, files)
  3    the work could not be done (library not found, no memory, no randomness, a bug)
  130  interrupted; no output file was left half-written
"""


class Commands:
    """The commands of a parser; each has --json, --quiet, --threads, and a list of exit codes."""

    def __init__(self, parser: argparse.ArgumentParser, dest: str = "command") -> None:
        self._parsers = parser.add_subparsers(title="commands", dest=dest, required=True, metavar="COMMAND")

    def add(self, name: str, run: Any, text: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        """Add a command that is done by `run(options)`, which returns an exit code or None."""
        parser = self._parsers.add_parser(
            name,
            help=text,
            description=_sentence(text),
            parents=[_common(), *parents],
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.set_defaults(run=run)
        return parser

    def group(self, name: str, text: str) -> Commands:
        """Add a command that has commands."""
        return Commands(self._parsers.add_parser(name, help=text, description=_sentence(text)), f"{name}_command")


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _common() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress bars and no summary")
    parser.add_argument("--threads", type=int, metavar="N", help="threads for long work; 0 (default): all")
    return parser


def writes() -> argparse.ArgumentParser:
    """Arguments of commands that write files."""
    parser = argparse.ArgumentParser(add_help=False)
    text = "replace output files that exist, but never an input or a ledger"
    parser.add_argument("--force", action="store_true", help=text)
    return parser


def private() -> argparse.ArgumentParser:
    """Arguments of commands that make a release, or plan one."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("guarantee (required; choose all of it without looking at the private data)")
    group.add_argument("--epsilon", type=float, required=True, help="privacy loss, > 0")
    group.add_argument("--delta", type=float, required=True, help="in (0, 1), well below 1 / number of units")
    group.add_argument("--key-bound", type=float, metavar="B", help="norm bound of a (centred) key")
    group.add_argument("--value-bound", type=float, metavar="B", help="norm bound of a value")
    group.add_argument("--query-bound", type=float, metavar="B", help="norm bound of a query")
    group.add_argument(
        "--adjacency",
        choices=list(abi.ADJACENCY),
        required=True,
        help="add_remove hides whether a unit is there; replace hides what it is: the number of rows is public then, "
        "but with owners as units it is not published",
    )
    group = parser.add_argument_group("approximation")
    group.add_argument("--degree", type=int, help="of the polynomial for exp, 1..8; default 2, plan chooses")
    group.add_argument("--polynomial", choices=list(abi.POLYNOMIAL), default="minimax", help="default minimax")
    group.add_argument("--scale", type=float, help="logit = scale * <q, k>; default 1 / sqrt(key_dim)")
    group.add_argument("--lambda", dest="lambda_", type=float, metavar="L", help="weight of the denominator column")
    group.add_argument("--no-rotate", action="store_true", help="do not rotate keys and queries")
    group.add_argument("--owner-rows", type=int, default=0, metavar="M", help="the unit is an owner with up to M rows")
    group.add_argument(
        "--owner-bound",
        type=float,
        metavar="C",
        help="rows' worth of norm that an owner's rows may add together; default M",
    )
    group.add_argument("--center", metavar="C.npy", help="public vector to subtract from every key")
    group.add_argument("--head-weights", type=_numbers, metavar="W,W,...", help="shares of the heads in the budget")
    group = parser.add_argument_group("mechanism")
    group.add_argument(
        "--mechanism",
        choices=list(abi.MECHANISM),
        default="gaussian",
        help="default gaussian; codebook takes --codebook and no --query-bound; dptree takes --range and --value-range "
        "and none of the three bounds",
    )
    group.add_argument(
        "--codebook", metavar="M.npy", help="codebook: centroids of PUBLIC rows, as dpattn codebook makes them"
    )
    group.add_argument("--range", type=float, metavar="R", help="dptree: entries of keys and queries are in [0, R]")
    group.add_argument("--value-range", type=float, metavar="W", help="dptree: entries of values are in [-W, W]")
    group.add_argument(
        "--public-rows", type=int, metavar="N", help="dptree: a declared number of rows: leaves' default"
    )
    group.add_argument("--leaves", type=int, metavar="N", help="dptree: points of the fixed grid under the trees")
    group.add_argument(
        "--copies", type=int, metavar="L", help="dptree: copies whose median answers; default the paper's"
    )
    group.add_argument("--copy-factor", type=float, metavar="C", help="dptree: c in that default; default 1")
    group.add_argument("--relative-error", type=float, metavar="E", help="dptree: eps_s; default 0.1")
    group.add_argument("--failure-probability", type=float, metavar="P", help="dptree: p_f; default 0.01")
    group.add_argument("--no-trees", action="store_true", help="dptree: linear sums instead of trees")
    return parser


def check_bounds(options: argparse.Namespace) -> None:
    """Every mechanism needs its bounds: argparse cannot say so."""
    names = REQUIRED.get(options.mechanism, ())
    missing = [f"--{name.replace('_', '-')}" for name in names if getattr(options, name) is None]
    if missing:
        raise InvalidArgumentError(f"the following arguments are required: {', '.join(missing)}")


def params_of(options: argparse.Namespace, heads: int, key_dim: int, value_dim: int) -> Params:
    """The parameters that the arguments of `private` give."""
    return Params(
        heads=heads,
        key_dim=key_dim,
        value_dim=value_dim,
        key_bound=options.key_bound,
        value_bound=options.value_bound,
        query_bound=options.query_bound,
        adjacency=options.adjacency,
        degree=options.degree,
        polynomial=options.polynomial,
        owner_rows=options.owner_rows,
        owner_bound=options.owner_bound,
        rotate=not options.no_rotate,
        scale=options.scale,
        lambda_=options.lambda_,
        center=None if options.center is None else read(options.center, "center"),
        head_weights=options.head_weights,
        mechanism=options.mechanism,
        codebook=None if options.codebook is None else read(options.codebook, "codebook"),
        range=options.range,
        value_range=options.value_range,
        rows=options.public_rows,
        leaves=options.leaves,
        copies=options.copies,
        copy_factor=options.copy_factor,
        relative_error=options.relative_error,
        failure_probability=options.failure_probability,
        trees=False if options.no_trees else None,
    )


def _numbers(text: str) -> List[float]:
    return [float(part) for part in text.split(",")]
