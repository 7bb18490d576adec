"""A private key-value cache in torch: scaled_dot_product_attention with a float mask.

The cache is that of private_cache.py: keys, values, and a bias a key, which is the mask. Private
and public keys together are one call, too, with a bias of 0 for public ones; it gives what merging
two answers by their denominators gives.

    python private_cache.py FOLDER && python cache_in_torch.py FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn.functional import normalize, scaled_dot_product_attention

import dpattn
import dpattn.torch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder

    cache = load_file(folder / "digits.safetensors")  # keys and values [heads, cells, d], bias [heads, cells]
    keys, values, mask, scale = cache["keys"], cache["values"], cache["bias"][:, None], cache["scale"].item()
    query = torch.tensor(np.load(folder / "queries.npy"))[None]  # [heads, m, d]
    answer = scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=scale)

    release = dpattn.load(folder / "digits.dpa")
    print(release)
    compare("private keys alone", answer, release.attend(query))

    # Public context: 30 made-up pictures with made-up weights.
    random = torch.Generator().manual_seed(0)
    public_keys = normalize(torch.randn(1, 30, 64, generator=random), dim=-1)
    public_values = torch.rand(1, 30, 10, generator=random)
    both = scaled_dot_product_attention(
        query,
        torch.cat([public_keys, keys], 1),
        torch.cat([public_values, values], 1),
        attn_mask=torch.cat([torch.zeros(1, 1, 30), mask], 2),
        scale=scale,
    )
    public = dpattn.torch.exact_attention(query, public_keys, public_values, scale=scale)
    merged, _ = dpattn.merge(public, release.attend(query, return_lse=True))
    compare("public and private keys", both, merged)
    context = dpattn.torch.PrivateContext(release)
    compare("the same by PrivateContext", both, context(query, public_keys, public_values, scale=scale))


def compare(name: str, answer: torch.Tensor, wanted: torch.Tensor) -> None:
    print(f"{name}: largest difference {(answer - wanted).abs().max():.1e}")


if __name__ == "__main__":
    main()
