"""The console script `dpattn`."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from .. import _bolt, _files
from .._builder import Builder
from .._c import abi
from .._c.abi import __version__
from .._c.library import build_info, set_threads
from .._check import budget
from .._errors import (
    BusyError,
    CancelledError,
    CorruptError,
    DpattnError,
    FileError,
    InvalidArgumentError,
    InvalidHandleError,
    LimitError,
    MismatchError,
    OverspentError,
    UnsupportedError,
)
from .._ledger import Ledger
from .._params import Params
from .._plan import plan
from .._progress import Bar
from .._release import Release
from .._structures import load

OK, FAILED, USAGE, TROUBLE, INTERRUPTED = 0, 1, 2, 3, 130

_EXIT_CODES = """\
exit codes:
  0    done; for verify: the guarantee holds
  1    verify: something is wrong with the file or the certificate
  2    wrong usage or wrong input (arguments, files)
  3    the work could not be done (library not found, no memory, no randomness, a bug)
  130  interrupted; no output file was left half-written
"""

# What the user can mend by other arguments or other files.
_INPUT_ERRORS = (
    InvalidArgumentError,
    InvalidHandleError,
    CorruptError,
    MismatchError,
    LimitError,
    OverspentError,
    BusyError,
    FileError,
    UnsupportedError,
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)

# Rows read at a time: enough to keep C busy, few enough to keep memory flat.
_CHUNK_BYTES = 64 << 20


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the console script; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.threads is not None:
            set_threads(options.threads)
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except (KeyboardInterrupt, CancelledError):
        return _complain("interrupted", INTERRUPTED)
    except _INPUT_ERRORS as error:
        return _complain(str(error), USAGE)
    except BrokenPipeError:
        # The reader of our stdout has gone (`dpattn inspect ... | head`); keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return TROUBLE
    except (DpattnError, OSError, MemoryError) as error:
        return _complain(str(error) or type(error).__name__, TROUBLE)


def _complain(message: str, code: int) -> int:
    print(f"dpattn: error: {message}", file=sys.stderr)
    return code


# ---- Commands ----------------------------------------------------------------------------------------------------


def _release(options: argparse.Namespace) -> int:
    outputs = (options.output, options.certificate)
    inputs = (options.keys, options.values, options.owners, options.center, options.ledger)
    _check_outputs(options, outputs, inputs)
    _check_bounds(options)
    keys, values = _read(options.keys, "K"), _read(options.values, "V")
    if keys.ndim not in (2, 3) or values.ndim != keys.ndim:
        raise InvalidArgumentError(
            f"K has shape {keys.shape} and V has shape {values.shape}; they must be (n, d) and (n, d_v), or "
            "(heads, n, d) and (heads, n, d_v)"
        )
    owners = None if options.owners is None else _read(options.owners, "owners")
    params = _params(options, keys.shape[0] if keys.ndim == 3 else 1, keys.shape[-1], values.shape[-1])
    if keys.shape[:-1] != values.shape[:-1]:
        raise InvalidArgumentError(f"K has shape {keys.shape} and V has shape {values.shape}; they must agree")
    if owners is not None and owners.shape != (keys.shape[-2],):
        raise InvalidArgumentError(f"owners has shape {owners.shape}; it must be ({keys.shape[-2]},)")
    budget(options.epsilon, options.delta)
    if options.label is not None and options.ledger is None:
        raise InvalidArgumentError("--label names a release in a ledger; give --ledger, too")
    ledger = None if options.ledger is None else Ledger(options.ledger)
    known = False
    if ledger is not None and options.label is not None:
        known = any(entry["label"] == options.label for entry in ledger.show()["releases"])
    with Builder(params) as builder:
        with _bar("adding rows", options) as bar:
            rows = keys.shape[-2]
            for start, stop in _chunks(rows, keys, values):
                part = np.s_[..., start:stop, :]

                def report(done: int, total: int, start: int = start, stop: int = stop) -> None:
                    bar(start + (stop - start) * done // max(total, 1), rows)

                builder.add(keys[part], values[part], None if owners is None else owners[start:stop], progress=report)
                bar(stop, rows)
        if options.diagnostics:
            print(f"SECRET diagnostics, do not publish: {builder.diagnostics()}", file=sys.stderr)
        with _bar("adding noise", options) as bar:
            release = builder.release(
                epsilon=options.epsilon, delta=options.delta, ledger=ledger, label=options.label, progress=bar
            )
    _check_outputs(options, outputs, inputs)
    if options.certificate:
        _files.write(options.certificate, _json(release.certificate()))
    release.save(options.output)
    facts = {"output": options.output, "certificate": options.certificate, "from_ledger": known, **_info(release)}
    text = f"{options.label} was already in the ledger; nothing was spent\n\n" if known else ""
    _print(options, facts, text + _summary(release))
    return OK


def _attend(options: argparse.Namespace) -> int:
    _check_outputs(options, (options.output, options.lse, options.std), (options.context, options.queries))
    release = _load(options.context)
    if not isinstance(release, Release):
        raise InvalidArgumentError(
            f"{options.context} is a {type(release).__name__}; it must be a release of attention"
        )
    queries = _read(options.queries, "Q")
    if not 1 <= queries.ndim <= 3:
        raise InvalidArgumentError(f"Q has shape {queries.shape}; it must have 1 to 3 axes")
    if queries.dtype not in (np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)):
        queries = queries.astype(np.float64)
    row = queries if queries.ndim > 1 else queries[None]
    lead, count = queries.shape[:-1], row.shape[-2]
    answer = (*row.shape[:-1], release.info.value_dim)
    out = np.empty(answer, queries.dtype)
    lse = np.empty(row.shape[:-1], np.float64)
    std = np.empty(answer, queries.dtype)
    clipped = 0
    with _bar("answering", options) as bar:
        step = max(1, min(4096, count))
        for start in range(0, max(count, 1), step):
            part = np.s_[..., start : start + step, :]
            _, part_lse, part_std, part_clipped = release.attend(
                row[part], out=out[part], return_lse=True, return_std=True, return_clipped=True
            )
            lse[..., start : start + step] = part_lse
            std[part] = part_std
            clipped += part_clipped
            bar(min(start + step, count), count)
    for path, array in ((options.output, out), (options.lse, lse), (options.std, std)):
        if path:
            shape = lead if array is lse else (*lead, release.info.value_dim)
            with _files.atomic(path) as file:
                np.save(file, array.reshape(shape))
    facts = {
        "output": options.output,
        "lse": options.lse,
        "std": options.std,
        "queries": int(np.prod(lead, dtype=int)),
        "clipped": clipped,
    }
    text = f"{facts['queries']} queries answered"
    if clipped:
        text += f"; {clipped} longer than query_bound = {release.info.query_bound:g} (scaled to it) or not finite"
    _print(options, facts, text)
    return OK


def _inspect(options: argparse.Namespace) -> int:
    _check_outputs(options, (options.certificate,), (options.context,))
    release = _load(options.context)
    certificate = release.certificate()
    if options.certificate:
        _files.write(options.certificate, _json(certificate))
    _print(options, {"info": _info(release), "certificate": certificate}, _summary(release))
    return OK


def _plan(options: argparse.Namespace) -> int:
    _check_bounds(options)
    params = _params(options, options.heads, options.key_dim, options.value_dim)
    result = dataclasses.asdict(
        plan(params, n=options.rows, epsilon=options.epsilon, delta=options.delta, target_error=options.target_error)
    )
    text = _table({name: value for name, value in result.items() if options.target_error or name != "rows_for_error"})
    if options.degree is None and options.mechanism == "gaussian":
        text += f"\nrelease with: --degree {result['degree']}"
    _print(options, result, text)
    return OK


def _ledger_create(options: argparse.Namespace) -> int:
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
    return OK


def _ledger_show(options: argparse.Namespace) -> int:
    with Ledger(options.ledger) as ledger:
        _print_statement(options, ledger)
    return OK


def _ledger_export(options: argparse.Namespace) -> int:
    _check_outputs(options, (options.output,), (options.ledger,))
    with Ledger(options.ledger) as ledger:
        release = ledger.load(options.label)
    release.save(options.output)
    _print(options, {"output": options.output, **_info(release)}, _summary(release))
    return OK


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
    _print(options, statement, "\n".join(lines))


def _facts(numbers: Dict[str, Optional[float]]) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in numbers.items() if value)


def _verify(options: argparse.Namespace) -> int:
    from .. import verify

    with open(options.context, "rb") as file:
        data = file.read()
    if _bolt.is_store(memoryview(data)):
        from .. import verify_ledger

        if options.certificate:
            raise InvalidArgumentError("--certificate is for a release; a ledger has none")
        report = verify_ledger.verify_ledger(data)
        _print(options, report.as_dict(), str(report))
        return OK if report.ok else FAILED
    certificate = None
    if options.certificate:
        with open(options.certificate, "rb") as file:
            certificate = file.read()
    report = verify.verify(data, certificate)
    _print(options, report.as_dict(), str(report))
    return OK if report.ok else FAILED


# ---- Files -------------------------------------------------------------------------------------------------------


def _load(path: str) -> Any:
    """A release, a tree or a distance."""
    if _files.is_ledger(path):
        raise InvalidArgumentError(f"{path} is a ledger, not a release; use dpattn ledger show or export")
    try:
        return load(path)
    except (CorruptError, UnsupportedError) as error:
        raise type(error)(f"{path}: {error}") from None


def _read(path: str, name: str) -> np.ndarray[Any, Any]:
    """A .npy file, memory-mapped."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InvalidArgumentError(f"{name}: {path} is not a readable .npy file of numbers: {error}") from None
    if not isinstance(array, np.ndarray):
        raise InvalidArgumentError(f"{name}: {path} is an archive; it must be one array, a .npy file")
    return array


def _chunks(rows: int, *arrays: np.ndarray[Any, Any]) -> Iterator[Tuple[int, int]]:
    """Row ranges of about _CHUNK_BYTES as float64."""
    per_row = sum(8 * array.size // max(rows, 1) for array in arrays)
    step = max(1, _CHUNK_BYTES // max(per_row, 1))
    for start in range(0, rows, step):
        yield start, min(rows, start + step)


def _check_outputs(
    options: argparse.Namespace, outputs: Sequence[Optional[str]], inputs: Sequence[Optional[str]]
) -> None:
    """Every output can be written, and --force replaces neither an input nor a ledger."""
    paths = [path for path in outputs if path]
    for path in paths:
        folder = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"output {path}: no such folder")
        if os.path.isdir(path):
            raise IsADirectoryError(f"output {path} is a folder")
        for other in filter(None, inputs):
            if _files.same(path, other):
                raise InvalidArgumentError(f"output {path} is the same file as {other}, which this command reads")
        _files.refuse_ledger(path)
        if os.path.lexists(path) and not options.force:
            raise FileExistsError(f"output {path} exists; give --force to replace it")
    if any(_files.same(one, other) for one, other in itertools.combinations(paths, 2)):
        raise InvalidArgumentError("two outputs have the same name")


# ---- Printing ----------------------------------------------------------------------------------------------------


def _bar(label: str, options: argparse.Namespace) -> Bar:
    return Bar(label, enabled=sys.stderr.isatty() and not options.quiet)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _print(options: argparse.Namespace, facts: Dict[str, Any], text: str) -> None:
    if options.json:
        sys.stdout.write(_json(facts).decode())
    elif not options.quiet:
        print(text)


def _info(release: Any) -> Dict[str, Any]:
    return dataclasses.asdict(release.info)


def _table(facts: Dict[str, Any]) -> str:
    width = max(map(len, facts))
    return "\n".join(f"{name:<{width}}  {_number(value)}" for name, value in facts.items())


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)


def _summary(release: Any) -> str:
    facts = _info(release)
    if facts.get("mechanism") == "gaussian":
        for name in ("range", "value_range", "leaves", "copies", "trees"):
            del facts[name]
    return f"{release.info.guarantee}\n\n{_table(facts)}"


# ---- Arguments ---------------------------------------------------------------------------------------------------


def _check_bounds(options: argparse.Namespace) -> None:
    """Every mechanism needs its bounds: argparse cannot say so."""
    names = ("range", "value_range") if options.mechanism == "dptree" else ("key_bound", "value_bound", "query_bound")
    missing = [f"--{name.replace('_', '-')}" for name in names if getattr(options, name) is None]
    if missing:
        raise InvalidArgumentError(f"the following arguments are required: {', '.join(missing)}")


def _params(options: argparse.Namespace, heads: int, key_dim: int, value_dim: int) -> Params:
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
        center=None if options.center is None else _read(options.center, "center"),
        head_weights=options.head_weights,
        mechanism=options.mechanism,
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


if TYPE_CHECKING:
    _Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    common.add_argument("--quiet", action="store_true", help="no progress bars and no summary")
    common.add_argument("--threads", type=int, metavar="N", help="threads for long work; 0 (default): all")

    writes = argparse.ArgumentParser(add_help=False)
    text = "replace output files that exist, but never an input or a ledger"
    writes.add_argument("--force", action="store_true", help=text)

    private = argparse.ArgumentParser(add_help=False)
    group = private.add_argument_group("guarantee (required; choose all of it without looking at the private data)")
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
    group = private.add_argument_group("approximation")
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
    group = private.add_argument_group("mechanism")
    group.add_argument(
        "--mechanism",
        choices=list(abi.MECHANISM),
        default="gaussian",
        help="default gaussian; dptree takes --range and --value-range instead of the three bounds",
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

    parser = argparse.ArgumentParser(
        prog="dpattn",
        description="Attention over private keys and values under (epsilon, delta)-differential privacy.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print versions and exit")
    commands = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, run: Any, text: str, *parents: argparse.ArgumentParser, of: Optional[_Subparsers] = None
    ) -> argparse.ArgumentParser:
        sub = (of or commands).add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            parents=[common, *parents],
            epilog=_EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(run=run)
        return sub

    sub = command("release", _release, "turn private keys and values into a public release", private, writes)
    sub.add_argument("keys", metavar="K.npy", help="(n, d) or (heads, n, d)")
    sub.add_argument("values", metavar="V.npy", help="(n, d_v) or (heads, n, d_v)")
    sub.add_argument("--owners", metavar="OWNERS.npy", help="(n,) integers: the owner of each row; needs --owner-rows")
    sub.add_argument("-o", "--output", required=True, metavar="CONTEXT.dpa", help="the release file")
    sub.add_argument("--certificate", metavar="CERT.json", help="also write the certificate")
    sub.add_argument("--ledger", metavar="FILE", help="the account of this data set: refuse what it cannot afford")
    sub.add_argument("--label", help="name of the release in the ledger; the same name gives the same release again")
    sub.add_argument("--diagnostics", action="store_true", help="print SECRET counts of clipped rows on stderr")

    sub = command("attend", _attend, "answer queries from a release", writes)
    sub.add_argument("context", metavar="CONTEXT.dpa")
    sub.add_argument("queries", metavar="Q.npy", help="(d,), (m, d) or (heads, m, d)")
    sub.add_argument("-o", "--output", required=True, metavar="OUT.npy", help="the answers, in the type of the queries")
    sub.add_argument("--lse", metavar="LSE.npy", help="also write the natural log of the denominators")
    sub.add_argument("--std", metavar="STD.npy", help="also write the predicted standard deviation of the noise")

    sub = command("inspect", _inspect, "show what a release is and what it guarantees", writes)
    sub.add_argument("context", metavar="CONTEXT.dpa")
    sub.add_argument("--certificate", metavar="CERT.json", help="also write the certificate")

    sub = command("plan", _plan, "predict cost and accuracy of a release; needs no data", private)
    sub.add_argument("--key-dim", type=int, required=True)
    sub.add_argument("--value-dim", type=int, required=True)
    sub.add_argument("--heads", type=int, default=1)
    sub.add_argument("--rows", type=int, required=True, metavar="N", help="expected number of rows: a public guess")
    sub.add_argument("--target-error", type=float, default=0.0, help="wanted standard deviation, in units of a value")

    sub = command("verify", _verify, "recompute the guarantee independently, without the C library")
    sub.add_argument("context", metavar="CONTEXT.dpa", help="a release, or a ledger")
    sub.add_argument("--certificate", metavar="CERT.json", help="also check that this certificate says the same")

    text = "keep the privacy account of a data set"
    account = commands.add_parser("ledger", help=text, description=text[0].upper() + text[1:] + ".")
    ledgers = account.add_subparsers(title="commands", dest="ledger_command", required=True, metavar="COMMAND")
    sub = command("create", _ledger_create, "make a ledger", of=ledgers)
    sub.add_argument("ledger", metavar="FILE")
    sub.add_argument("--epsilon", type=float, help="what all releases may cost together")
    sub.add_argument("--delta", type=float)
    sub.add_argument("--mu", type=float, help="instead of epsilon and delta: releases by the Gaussian mechanism only")
    sub.add_argument("--other-epsilon", type=float, help="the part set aside for mechanisms that are not Gaussian")
    sub.add_argument("--other-delta", type=float)
    sub = command("show", _ledger_show, "show what was spent and what is left", of=ledgers)
    sub.add_argument("ledger", metavar="FILE")
    sub = command("export", _ledger_export, "write a release of a ledger to a file of its own", writes, of=ledgers)
    sub.add_argument("ledger", metavar="FILE")
    sub.add_argument("label")
    sub.add_argument("-o", "--output", required=True, metavar="CONTEXT.dpa", help="the release file")
    return parser


class _Version(argparse.Action):
    """Versions of the package and, if it can be loaded, of the library."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        try:
            info = build_info()
            print(f"dpattn {__version__} (library {info['version']}, {info.get('simd', '?')})")
        except DpattnError as error:
            print(f"dpattn {__version__} (library not loaded: {str(error).splitlines()[0]})")
        parser.exit()
