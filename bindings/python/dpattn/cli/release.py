"""`dpattn release`."""

from __future__ import annotations

import argparse
import sys

import numpy as np

from .. import _files
from .._builder import Builder
from .._check import budget
from .._errors import InvalidArgumentError
from .._ledger import Ledger
from .arguments import Commands, check_bounds, params_of, private, writes
from .files import check_outputs, chunks, read
from .output import facts_of, progress_bar, show, summary, to_json


def add(commands: Commands) -> None:
    """Add it to the parser."""
    sub = commands.add("release", _release, "turn private keys and values into a public release", private(), writes())
    sub.add_argument("keys", metavar="K.npy", help="(n, d) or (heads, n, d)")
    sub.add_argument("values", metavar="V.npy", help="(n, d_v) or (heads, n, d_v)")
    sub.add_argument("--owners", metavar="OWNERS.npy", help="(n,) integers: the owner of each row; needs --owner-rows")
    sub.add_argument("-o", "--output", required=True, metavar="CONTEXT.dpa", help="the release file")
    sub.add_argument("--certificate", metavar="CERT.json", help="also write the certificate")
    sub.add_argument("--ledger", metavar="FILE", help="the account of this data set: refuse what it cannot afford")
    sub.add_argument("--label", help="name of the release in the ledger; the same name gives the same release again")
    sub.add_argument("--diagnostics", action="store_true", help="print SECRET counts of clipped rows on stderr")


def _release(options: argparse.Namespace) -> None:
    outputs = (options.output, options.certificate)
    inputs = (options.keys, options.values, options.owners, options.center, options.codebook, options.ledger)
    check_outputs(options, outputs, inputs)
    check_bounds(options)
    keys, values = read(options.keys, "K"), read(options.values, "V")
    if keys.ndim not in (2, 3) or values.ndim != keys.ndim:
        raise InvalidArgumentError(
            f"K has shape {keys.shape} and V has shape {values.shape}; they must be (n, d) and (n, d_v), or "
            "(heads, n, d) and (heads, n, d_v)"
        )
    owners = None if options.owners is None else read(options.owners, "owners")
    params = params_of(options, keys.shape[0] if keys.ndim == 3 else 1, keys.shape[-1], values.shape[-1])
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
        with progress_bar("adding rows", options) as bar:
            rows = keys.shape[-2]
            for start, stop in chunks(rows, keys, values):
                part = np.s_[..., start:stop, :]

                def report(done: int, total: int, start: int = start, stop: int = stop) -> None:
                    bar(start + (stop - start) * done // max(total, 1), rows)

                builder.add(keys[part], values[part], None if owners is None else owners[start:stop], progress=report)
                bar(stop, rows)
        if options.diagnostics:
            print(f"SECRET diagnostics, do not publish: {builder.diagnostics()}", file=sys.stderr)
        with progress_bar("adding noise", options) as bar:
            release = builder.release(
                epsilon=options.epsilon, delta=options.delta, ledger=ledger, label=options.label, progress=bar
            )
    check_outputs(options, outputs, inputs)
    if options.certificate:
        _files.write(options.certificate, to_json(release.certificate()))
    release.save(options.output)
    facts = {"output": options.output, "certificate": options.certificate, "from_ledger": known, **facts_of(release)}
    text = f"{options.label} was already in the ledger; nothing was spent\n\n" if known else ""
    show(options, facts, text + summary(release))
