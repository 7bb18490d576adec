"""`dpattn codebook`."""

from __future__ import annotations

import argparse

import numpy as np

from .. import _files
from ..codebook import fit
from .arguments import Commands, writes
from .files import check_outputs, read
from .output import show


def add(commands: Commands) -> None:
    """Add it to the parser."""
    sub = commands.add("codebook", _codebook, "centroids of PUBLIC rows, for release --mechanism codebook", writes())
    sub.add_argument(
        "rows",
        metavar="PUBLIC.npy",
        help="(n, d) or (heads, n, d): public rows of the same kind as the private keys; none may be private",
    )
    sub.add_argument("--cells", type=int, required=True, metavar="C", help="centroids, a head")
    sub.add_argument("-o", "--output", required=True, metavar="M.npy", help="the codebook")
    sub.add_argument("--key-bound", type=float, metavar="B", help="as for release: longer rows are scaled to it first")
    sub.add_argument("--seed", type=int, help="the same rows and seed give the same codebook; default random")


def _codebook(options: argparse.Namespace) -> None:
    check_outputs(options, (options.output,), (options.rows,))
    rows = read(options.rows, "PUBLIC")
    codebook = fit(rows, options.cells, key_bound=options.key_bound, seed=options.seed)
    with _files.atomic(options.output) as file:
        np.save(file, codebook)
    facts = {"output": options.output, "shape": list(codebook.shape), "rows": rows.shape[-2]}
    text = f"{options.cells} cells{' a head' if rows.ndim == 3 else ''} from {rows.shape[-2]:,} public rows"
    show(options, facts, text)
