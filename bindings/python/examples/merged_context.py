"""Private and public context in one answer: digits 0 to 7 are people's, 8 and 9 are public.

`dpattn.torch.PrivateContext` answers as attention over both sets of keys would: from the private
ones through a release, from the public ones exactly, merged by their denominators. It is an
nn.Module, and its release travels in state_dict.

    python merged_context.py [--epsilon 2]
"""

from __future__ import annotations

import argparse
import io

import numpy as np
import torch
from sklearn.datasets import load_digits

import dpattn
import dpattn.torch

SHARPNESS = 3.0
DELTA = 1e-5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epsilon", type=float, default=2.0)
    epsilon = parser.parse_args().epsilon

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    X = torch.tensor(data.data[order] - 5.0, dtype=torch.float32)  # 5: a public centre
    X = torch.nn.functional.normalize(X, dim=1)  # norm 1: the bound of every key is known
    labels = torch.tensor(data.target[order])
    values = torch.nn.functional.one_hot(labels, 10).float()
    rows, ask = torch.arange(len(X)) < 1497, torch.arange(len(X)) >= 1497
    private, public = rows & (labels < 8), rows & (labels >= 8)

    params = dpattn.Params(
        key_dim=64, value_dim=10, key_bound=1.0, query_bound=1.0, value_bound=1.0,
        scale=SHARPNESS, degree=3, adjacency="add_remove",
    )  # fmt: skip
    # The default polynomial, minimax, is near exp on the whole interval: so both parts weigh alike
    # when they are merged.
    builder = dpattn.Builder(params)
    builder.add(X[private], values[private])  # tensors are read in place
    context = dpattn.torch.PrivateContext(builder.release(epsilon=epsilon, delta=DELTA))

    file = io.BytesIO()  # as a model is saved and loaded
    torch.save(context.state_dict(), file)
    file.seek(0)
    context = dpattn.torch.PrivateContext()
    context.load_state_dict(torch.load(file, weights_only=True))
    print(context)

    query, key, value = (x[None] for x in (X[ask], X[public], values[public]))  # [heads, m, d], one head
    alone, _ = dpattn.torch.exact_attention(query, key, value, scale=SHARPNESS)
    exact, _ = dpattn.torch.exact_attention(query, X[None, rows], values[None, rows], scale=SHARPNESS)
    for name, answer in (
        ("private context alone", context(query, scale=SHARPNESS)),
        ("public context alone", alone),
        ("both, merged", context(query, key, value, scale=SHARPNESS)),
        ("both, without privacy", exact),
    ):
        right = answer[0].argmax(dim=1) == labels[ask]
        seen = labels[ask] < 8
        print(f"{name:<22} accuracy {right.float().mean():.3f}: 0 to 7 {right[seen].float().mean():.3f}, "
              f"8 and 9 {right[~seen].float().mean():.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
