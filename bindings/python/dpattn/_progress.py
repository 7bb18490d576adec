"""A progress bar on stderr: tqdm's if it is installed, else a plain one."""

from __future__ import annotations

import sys
import time
from typing import Any, Optional


class Bar:
    """`bar(done, total)` moves it; leaving the context closes it. `enabled` False shows nothing."""

    def __init__(self, label: str, enabled: bool = True) -> None:
        self._label = label
        self._enabled = enabled
        self._bar: Any = None
        self._plain: Optional[_PlainBar] = None

    def __enter__(self) -> Bar:
        return self

    def __call__(self, done: int, total: int) -> None:
        if not self._enabled:
            return
        if self._bar is None and self._plain is None:
            try:
                from tqdm.auto import tqdm

                self._bar = tqdm(total=total, desc=self._label, unit_scale=True, file=sys.stderr)
            except ImportError:
                self._plain = _PlainBar(self._label)
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)
        elif self._plain is not None:
            self._plain.show(done, total)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._plain is not None:
            self._plain.close()


class _PlainBar:
    def __init__(self, label: str) -> None:
        self._label = label
        self._start = time.monotonic()
        self._last = 0.0

    def show(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done < total and now - self._last < 0.1:
            return
        self._last = now
        share = done / total if total else 1.0
        text = f"\r{self._label} [{'#' * int(30 * share):<30}] {share:4.0%} {now - self._start:.1f} s"
        print(text, end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        print(file=sys.stderr, flush=True)
