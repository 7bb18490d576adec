"""The console script `dpattn`."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any, Optional, Sequence

from .._c.abi import __version__
from .._c.library import build_info, set_threads
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
from . import attend, codebook, ledger, plan, release, verify
from .arguments import EXIT_CODES, Commands

OK, USAGE, TROUBLE, INTERRUPTED = 0, 2, 3, 130

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


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the console script; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.threads is not None:
            set_threads(options.threads)
        code: int = options.run(options) or OK
        sys.stdout.flush()
        return code
    except (KeyboardInterrupt, CancelledError):
        return _complain("interrupted", INTERRUPTED)
    except _INPUT_ERRORS as error:
        return _complain(str(error), USAGE)
    except BrokenPipeError:
        # The reader of our stdout has gone (`dpattn inspect ... | head`); keep Python from
        # complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return TROUBLE
    except (DpattnError, OSError, MemoryError) as error:
        return _complain(str(error) or type(error).__name__, TROUBLE)


def _complain(message: str, code: int) -> int:
    print(f"dpattn: error: {message}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dpattn",
        description="Attention over private keys and values under (epsilon, delta)-differential privacy.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print versions and exit")
    commands = Commands(parser)
    for group in (codebook, release, attend, plan, verify, ledger):
        group.add(commands)
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
