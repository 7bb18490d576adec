"""Write stored files with the library at hand, and what they say and answer: make.py FOLDER.

Run it for a version whose files are new in some way. Files that are stored already are for ever.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import numpy as np
from cases import LEDGERS, Case, cases, numbers, params_of, queries_of, rows_of, structures

import dpattn

try:
    from dpattn._c.buffers import read_bytes
except ImportError:  # as it was called in 0.1.0
    from dpattn._buffers import read_bytes


def bits(array: Any) -> str:
    """Little-endian float64, in hex."""
    return np.ascontiguousarray(array, "<f8").tobytes().hex()


def diagnostics(builder: dpattn.Builder) -> Dict[str, int]:
    """Counts by name."""
    return dataclasses.asdict(builder.diagnostics())


def filled(case: Case, shift: slice) -> dpattn.Builder:
    """A builder with some rows of the case."""
    keys, values, owners = rows_of(case)
    builder = dpattn.Builder(params_of(case))
    builder.add(keys[:, shift], values[:, shift], owners=None if owners is None else owners[shift])
    return builder


def keep_case(case: Case, folder: Path) -> Case:
    """A release, its certificate, and the partials on the way to it."""
    name, half = case["name"], case["rows"] // 2
    counts = {}
    with dpattn.Builder(params_of(case)) as empty:
        (folder / f"{name}.empty.partial").write_bytes(empty.export_secret())
    with filled(case, slice(0, half)) as first, filled(case, slice(half, None)) as second:
        for part, builder in (("first", first), ("second", second)):
            (folder / f"{name}.{part}.partial").write_bytes(builder.export_secret())
            counts[part] = diagnostics(builder)
        first.merge(second)
        (folder / f"{name}.both.partial").write_bytes(first.export_secret())
        counts["both"] = diagnostics(first)
        release = first.release(**case["budget"])
    release.save(folder / f"{name}.dpa")
    certificate = read_bytes("dpattn_release_certificate", release._open()).rstrip(b"\0")
    (folder / f"{name}.certificate.json").write_bytes(certificate)
    state = hashlib.sha256(release.state().astype("<i8").tobytes()).hexdigest()
    return {**case, "diagnostics": counts, "state_sha256": state, "info": dataclasses.asdict(release.info)}


def keep_structure(case: Case, folder: Path) -> Case:
    """A tree or a distance structure, and its certificate."""
    name, p, n = case["name"], dict(case["params"]), case["rows"]
    owners = np.arange(n, dtype=np.uint64) ** 2 % case["owners"] if case["owners"] else None
    dim = p.pop("dim", 0)
    if case["kind"] == "tree":
        made: Any = dpattn.DPTree(numbers(4, n), owners=owners, **case["budget"], **p)
    else:
        made = dpattn.DPTreeDistance(
            numbers(5, n, dim) / 2 + 0.5, numbers(6, n) / 2, owners=owners, **case["budget"], **p
        )
    made.save(folder / f"{name}.dpa")
    certificate = read_bytes(f"dpattn_{case['kind']}_certificate", made._open()).rstrip(b"\0")
    (folder / f"{name}.certificate.json").write_bytes(certificate)
    return {**case, "info": dataclasses.asdict(made.info)}


def keep_ledger(name: str, allowance: Dict[str, float], wanted: Any, folder: Path, by_name: Dict[str, Case]) -> Case:
    """A ledger with some releases, and its statement."""
    path = folder / f"{name}.ledger"
    ledger = dpattn.Ledger(path, **allowance)
    for label, case in wanted:
        builder = filled(by_name[case], slice(0, None))
        builder.release(**by_name[case]["budget"], ledger=ledger, label=label or None)
    statement = read_bytes("dpattn_ledger_show", ledger._open()).rstrip(b"\0")
    (folder / f"{name}.statement.json").write_bytes(statement)
    entries = json.loads(statement)["releases"]
    releases = [
        {
            "label": entry["label"],
            "case": case,
            "release_sha256": entry["release_sha256"],
            "request_sha256": entry["request_sha256"],
        }
        for entry, (_, case) in zip(entries, wanted)
    ]
    return {"name": name, "allowance": allowance, "releases": releases}


def answer(folder: Path) -> Dict[str, Any]:
    """The answers of all stored releases and structures by the kernels of this process."""
    answers = {}
    for case in cases():
        release = dpattn.load(folder / f"{case['name']}.dpa")
        out, lse, std, clipped = release.attend(queries_of(case), return_lse=True, return_std=True, return_clipped=True)
        answers[case["name"]] = {"out": bits(out), "lse": bits(lse), "stddev": bits(std), "clipped": clipped}
    for case in structures():
        made = dpattn.load(folder / f"{case['name']}.dpa")
        if case["kind"] == "tree":
            first, last = np.triu_indices(case["params"]["leaves"] + 1)
            sums, std = made.sum(first, last, return_std=True)
            answers[case["name"]] = {"sum": bits(sums), "stddev": bits(std)}
        else:
            queries = numbers(7, 9, case["params"]["dim"]) / 2 + 0.5
            answers[case["name"]] = {"l1": bits(made.l1(queries))}
            if case["params"]["squared"]:
                answers[case["name"]]["l2"] = bits(made.l2(queries))
    return answers


def main() -> None:
    """Make the files, then ask them with every set of kernels."""
    folder = Path(sys.argv[-1])
    if sys.argv[1] == "--answer":
        json.dump([dpattn.build_info()["simd"], answer(folder)], sys.stdout)
        return
    folder.mkdir()
    releases = [keep_case(case, folder) for case in cases()]
    by_name = {case["name"]: case for case in releases}
    manifest: Dict[str, Any] = {
        "version": dpattn.build_info()["version"],
        "releases": releases,
        "structures": [keep_structure(case, folder) for case in structures()],
        "ledgers": [keep_ledger(*ledger, folder, by_name) for ledger in LEDGERS],
        "answers": [],
    }
    for kernels in dpattn.build_info()["kernels"]:
        command = [sys.executable, __file__, "--answer", str(folder)]
        name, answers = json.loads(subprocess.check_output(command, env={**os.environ, "DPATTN_SIMD": kernels}))
        assert name == kernels
        same = [given for given in manifest["answers"] if given["of"] == answers]
        if same:
            same[0]["kernels"].append(name)
        else:
            manifest["answers"].append({"kernels": [name], "of": answers})
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
