"""Tables for notebooks."""

from __future__ import annotations

import html
from typing import Any, Mapping


def table(title: str, rows: Mapping[str, Any]) -> str:
    """Two columns under a title; everything is escaped."""
    lines = (
        f'<tr><th style="text-align:left">{html.escape(name)}</th>'
        f'<td style="text-align:left">{html.escape(str(value))}</td></tr>'
        for name, value in rows.items()
    )
    return f"<table><caption>{html.escape(title)}</caption>{''.join(lines)}</table>"
