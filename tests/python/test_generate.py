"""The generator of mirrors takes what dpattn.h gains, and refuses what has no counterpart."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any, Callable

import pytest

from conftest import ROOT

pytest.importorskip("pycparser", reason="the generator parses the header with pycparser")

GENERATOR = ROOT / "capi" / "_gen" / "generate.py"
HEADER = ROOT / "include" / "dpattn.h"

Generate = Callable[..., dict[str, str]]


@pytest.fixture
def generate(tmp_path: Path) -> Generate:
    """What the generator writes for the header with some text replaced."""
    module: dict[str, Any] = runpy.run_path(str(GENERATOR))

    def run(*changes: tuple[str, str]) -> dict[str, str]:
        text = HEADER.read_text()
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = tmp_path / "dpattn.h"
        path.write_text(text)
        header = module["read"](path)
        return {kind: module[f"{kind}_file"](header) for kind in ("c", "go", "python")}

    return run


def test_a_new_function_is_everywhere(generate: Generate) -> None:
    prototype = "DPATTN_API int32_t dpattn_ledger_close(dpattn_ledger ledger, dpattn_error *err);"
    more = "DPATTN_API int32_t dpattn_ledger_audit(dpattn_ledger ledger, const char *text, dpattn_error *err);"
    slot = "    int32_t (*ledger_close)(dpattn_ledger, dpattn_error *);\n"
    files = generate(
        (prototype, f"{prototype}\n{more}"),
        (slot, slot + "    int32_t (*ledger_audit)(dpattn_ledger, const char *, dpattn_error *);\n"),
    )
    assert "X(ledger_audit)" in files["c"]
    assert "X(dpattn_ledger_audit, (dpattn_ledger ledger, const char *text, dpattn_error *err)," in files["c"]
    assert '"dpattn_ledger_audit": (c_int32, [c_uint64, c_char_p, c_void_p])' in files["python"]


def test_a_function_without_a_slot_is_refused(generate: Generate) -> None:
    slot = "    int32_t (*ledger_close)(dpattn_ledger, dpattn_error *);\n"
    with pytest.raises(SystemExit, match="dpattn_ledger_close"):
        generate((slot, ""))


def test_a_new_enumerator_needs_its_name_in_go(generate: Generate) -> None:
    files = generate(("    DPATTN_TAYLOR = 2 ", "    DPATTN_LEAST_SQUARES = 3, DPATTN_TAYLOR = 2 "))
    assert "LeastSquares-C.DPATTN_LEAST_SQUARES]" in files["go"]
    assert "'least_squares': 3" in files["python"]


def test_a_limit_without_its_counterpart_is_refused(generate: Generate) -> None:
    limit = "#define DPATTN_MAX_THREADS 4096\n"
    with pytest.raises(SystemExit, match="DPATTN_MAX_PATIENCE"):
        generate((limit, limit + "#define DPATTN_MAX_PATIENCE 7\n"))
