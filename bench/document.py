"""Sections of documents that a program writes, between <!-- KIND:NAME --> and <!-- /KIND -->."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import Any, Callable, Dict

COLUMNS = 100


def fill(document: Path, kind: str, sections: Dict[str, Callable[[Any], str]], result: Any) -> None:
    """Put each section between its marks in the document; all of them must be there, once."""
    body = document.read_text()
    for name, section in sections.items():
        mark = re.compile(rf"(<!-- {kind}:{name} -->\n).*?(<!-- /{kind} -->)", re.DOTALL)
        text = wrapped(section(result))
        body, found = mark.subn(lambda m, text=text: f"{m[1]}\n{text}\n\n{m[2]}", body)  # type: ignore[misc]
        if found != 1:
            sys.exit(f"{document} has {found} sections {kind}:{name}; it must have one")
    document.write_text(body)


def wrapped(text: str) -> str:
    """Markdown with its lines wrapped; tables stay."""
    return "\n".join(line if line.startswith("|") else wrapped_line(line) for line in text.split("\n"))


def wrapped_line(line: str) -> str:
    indent = " " * len(re.match(r"(?:[*-] )?", line)[0])  # type: ignore[index]
    return textwrap.fill(line, COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
