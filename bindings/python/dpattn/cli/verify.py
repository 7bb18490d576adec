"""`dpattn verify`."""

from __future__ import annotations

import argparse

from .._errors import InvalidArgumentError
from .._files import is_ledger
from .arguments import Commands
from .output import show

OK, FAILED = 0, 1


def add(commands: Commands) -> None:
    """Add it to the parser."""
    sub = commands.add("verify", _verify, "recompute the guarantee independently of the code that gave it")
    sub.add_argument("context", metavar="CONTEXT.dpa", help="a release, or a ledger")
    sub.add_argument("--certificate", metavar="CERT.json", help="also check that this certificate says the same")


def _verify(options: argparse.Namespace) -> int:
    from .. import verify

    if is_ledger(options.context):
        if options.certificate:
            raise InvalidArgumentError("--certificate is for a release; a ledger has none")
        report = verify.verify_ledger(options.context)
    else:
        with open(options.context, "rb") as file:
            data = file.read()
        certificate = None
        if options.certificate:
            with open(options.certificate, "rb") as file:
                certificate = file.read()
        report = verify.verify(data, certificate)
    show(options, report.as_dict(), str(report))
    return OK if report.ok else FAILED
