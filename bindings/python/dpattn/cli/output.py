"""What the commands print."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from typing import Any, Dict

from .._progress import Bar

# What says nothing about a release of a mechanism.
_TREES = ("range", "value_range", "leaves", "copies", "trees")
_OTHERS = {
    "gaussian": (*_TREES, "cells"),
    "dptree": ("cells",),
    "codebook": (*_TREES, "degree", "polynomial", "polynomial_error", "query_bound", "logit_bound", "rotate"),
}


def progress_bar(label: str, options: argparse.Namespace) -> Bar:
    """A bar on stderr, where somebody sees it."""
    return Bar(label, enabled=sys.stderr.isatty() and not options.quiet)


def to_json(value: Any) -> bytes:
    """A JSON text, one fact a line."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def show(options: argparse.Namespace, facts: Dict[str, Any], text: str) -> None:
    """Print the facts as JSON, or the text, or nothing."""
    if options.json:
        sys.stdout.write(to_json(facts).decode())
    elif not options.quiet:
        print(text)


def facts_of(release: Any) -> Dict[str, Any]:
    """What a release, tree or distance says of itself."""
    return dataclasses.asdict(release.info)


def table(facts: Dict[str, Any]) -> str:
    """Names and numbers, one a line."""
    width = max(map(len, facts))
    return "\n".join(f"{name:<{width}}  {_number(value)}" for name, value in facts.items())


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)


def summary(release: Any) -> str:
    """The guarantee and the facts."""
    facts = facts_of(release)
    for name in _OTHERS.get(facts.get("mechanism", ""), ()):
        del facts[name]
    return f"{release.info.guarantee}\n\n{table(facts)}"
