"""`dpattn attend`, `dpattn inspect` and `dpattn kv`."""

from __future__ import annotations

import argparse
import os

import numpy as np

from .. import _files
from .._errors import InvalidArgumentError
from .._release import Release
from .arguments import Commands, writes
from .files import check_outputs, load_file, read
from .output import facts_of, progress_bar, show, summary, to_json


def add(commands: Commands) -> None:
    """Add them to the parser."""
    sub = commands.add("attend", _attend, "answer queries from a release", writes())
    sub.add_argument("context", metavar="CONTEXT.dpa")
    sub.add_argument("queries", metavar="Q.npy", help="(d,), (m, d) or (heads, m, d)")
    sub.add_argument("-o", "--output", required=True, metavar="OUT.npy", help="the answers, in the type of the queries")
    sub.add_argument("--lse", metavar="LSE.npy", help="also write the natural log of the denominators")
    sub.add_argument("--std", metavar="STD.npy", help="also write the predicted standard deviation of the noise")

    sub = commands.add("inspect", _inspect, "show what a release is and what it guarantees", writes())
    sub.add_argument("context", metavar="CONTEXT.dpa")
    sub.add_argument("--certificate", metavar="CERT.json", help="also write the certificate")

    sub = commands.add("kv", _kv, "write a codebook release as keys, values and biases", writes())
    sub.add_argument("context", metavar="CONTEXT.dpa")
    sub.add_argument(
        "-o", "--output", required=True, metavar="KV", help="a .npz file, or a .safetensors file with the certificate"
    )
    sub.add_argument("--dtype", choices=("float32", "float64", "float16"), default="float32", help="default float32")


def _release(path: str) -> Release:
    release = load_file(path)
    if not isinstance(release, Release):
        raise InvalidArgumentError(f"{path} is a {type(release).__name__}; it must be a release of attention")
    return release


def _attend(options: argparse.Namespace) -> None:
    check_outputs(options, (options.output, options.lse, options.std), (options.context, options.queries))
    release = _release(options.context)
    queries = read(options.queries, "Q")
    if not 1 <= queries.ndim <= 3:
        raise InvalidArgumentError(f"Q has shape {queries.shape}; it must have 1 to 3 axes")
    if queries.dtype not in (np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)):
        queries = queries.astype(np.float64)
    row = queries if queries.ndim > 1 else queries[None]
    lead, count = queries.shape[:-1], row.shape[-2]
    answer = (*row.shape[:-1], release.info.value_dim)
    out = np.empty(answer, queries.dtype)
    lse = np.empty(row.shape[:-1], np.float64)
    std = np.empty(answer, queries.dtype)
    clipped = 0
    with progress_bar("answering", options) as bar:
        step = max(1, min(4096, count))
        for start in range(0, max(count, 1), step):
            part = np.s_[..., start : start + step, :]
            _, part_lse, part_std, part_clipped = release.attend(
                row[part], out=out[part], return_lse=True, return_std=True, return_clipped=True
            )
            lse[..., start : start + step] = part_lse
            std[part] = part_std
            clipped += part_clipped
            bar(min(start + step, count), count)
    for path, array in ((options.output, out), (options.lse, lse), (options.std, std)):
        if path:
            shape = lead if array is lse else (*lead, release.info.value_dim)
            with _files.atomic(path) as file:
                np.save(file, array.reshape(shape))
    facts = {
        "output": options.output,
        "lse": options.lse,
        "std": options.std,
        "queries": int(np.prod(lead, dtype=int)),
        "clipped": clipped,
    }
    text = f"{facts['queries']} queries answered"
    if clipped:
        bound = release.info.query_bound
        longer = f"query_bound = {bound:g}" if bound else "logits are told apart"
        text += f"; {clipped} longer than {longer} (scaled to it) or not finite"
    show(options, facts, text)


def _inspect(options: argparse.Namespace) -> None:
    check_outputs(options, (options.certificate,), (options.context,))
    release = load_file(options.context)
    certificate = release.certificate()
    if options.certificate:
        _files.write(options.certificate, to_json(certificate))
    show(options, {"info": facts_of(release), "certificate": certificate}, summary(release))


def _kv(options: argparse.Namespace) -> None:
    check_outputs(options, (options.output,), (options.context,))
    kind = os.path.splitext(options.output)[1]
    if kind not in (".npz", ".safetensors"):
        raise InvalidArgumentError(f"output is {options.output}; its name must end with .npz or .safetensors")
    release = _release(options.context)
    if kind == ".npz":
        keys, values, bias = release.kv(options.dtype)
        with _files.atomic(options.output) as file:
            np.savez(file, keys=keys, values=values, bias=bias, scale=release.info.scale)
    else:
        release.to_safetensors(options.output, options.dtype)
    info = release.info
    facts = {name: getattr(info, name) for name in ("heads", "cells", "key_dim", "value_dim", "scale", "id")}
    text = f"{info.heads} x {info.cells} keys, values and biases: softmax(scale * q @ keys.T + bias) @ values"
    show(options, {"output": options.output, "dtype": options.dtype, **facts}, f"{text}\nscale = {info.scale!r}")
