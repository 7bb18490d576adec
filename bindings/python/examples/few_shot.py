"""A private few-shot classifier: its memory is users' digits, and hides whether yours are there.

scikit-learn's digits, 8 by 8 pixels. 479 people gave three each (made up: the data set does not say
whose they are), and the guarantee is for a person with all their digits. The classifier is one
release: a query is the picture of a digit, the answer ten weights, and each comes with its own
error bar.

    python few_shot.py [--epsilon 4]
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.datasets import load_digits

import dpattn

PEOPLE, EACH = 479, 3
DELTA = 1e-5  # well below 1 / people


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epsilon", type=float, default=4.0)
    epsilon = parser.parse_args().epsilon

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    X = data.data[order] - 5.0  # a public centre: about the mean of any picture of a digit
    X = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)  # norm 1: the bound of every key is known
    labels = data.target[order]
    n = PEOPLE * EACH
    K, V, owners = X[:n], np.eye(10, dtype=np.float32)[labels[:n]], np.arange(n) % PEOPLE  # private
    Q, truth = X[n:], labels[n:]

    params = dpattn.Params(
        key_dim=64, value_dim=10, key_bound=1.0, query_bound=1.0, value_bound=1.0,
        scale=4.0,  # sharpness b: the nearest count up to e^8 times as much as those who look the other way
        degree=3, polynomial="taylor",  # the arg-max is what counts
        lambda_=0.15,  # ... and all ten labels share the denominator, so that it may be noisier
        adjacency="add_remove", owner_rows=EACH,
    )  # fmt: skip
    builder = dpattn.Builder(params)
    builder.add(K, V, owners=owners)
    release = builder.release(epsilon=epsilon, delta=DELTA)
    print(release)

    weights, noise = release.attend(Q, return_std=True)
    guess = weights.argmax(axis=1)
    first, second = np.sort(weights, axis=1)[:, :-3:-1].T
    sure = first - second > 2 * noise.max(axis=1)
    exact = np.exp(4.0 * Q @ K.T) @ V
    print(
        f"accuracy  {np.mean(guess == truth):.3f} private, {np.mean(exact.argmax(axis=1) == truth):.3f} without privacy"
    )
    print(f"          {np.mean((guess == truth)[sure]):.3f} on the {sure.mean():.0%} whose lead is twice the noise")


if __name__ == "__main__":
    main()
