"""The games of the audit: the D and D' of each, how often to release, what is kept of releases.

Everything goes through the public library: builder, release, state. The canary's contribution, and
with it the score and its threshold, follow from public parameters and from D and D', which the
auditor knows; all of them are fixed before the first release.
"""

from __future__ import annotations

import dataclasses
import math
import os
import struct
from fractions import Fraction
from typing import Any, Dict, List, Optional, Tuple

import bounds
import distribution
import numpy as np

import dpattn

Array = np.ndarray[Any, np.dtype[Any]]

DELTA = 1e-5
BATCH = 1 << 17  # numbers
# The curve's epsilon at DELTA of mu = 4, and a budget whose noise is as small as the integers.
AT_MU_4 = bounds.epsilon_of(4.0, DELTA)
TINY_NOISE = 1e13


@dataclasses.dataclass(frozen=True)
class Rows:
    """Rows for one builder: keys (heads, n, key_dim), values (heads, n, value_dim), owners (n,)."""

    keys: Array
    values: Array
    owners: Optional[Array] = None

    def plus(self, other: Rows) -> Rows:
        owners = None if self.owners is None else np.concatenate([self.owners, other.owners])
        return Rows(
            *(np.concatenate(pair, axis=1) for pair in ((self.keys, other.keys), (self.values, other.values))), owners
        )


@dataclasses.dataclass(frozen=True)
class Game:
    """One pair of neighbours.

    Attributes
    ----------
    rows : tuple of Rows
        D and D'.
    side : tuple of int
        Releases of each: at full size, at small size.
    guess : bool
        Whether D and D' are told apart; else only the noise is looked at, on D.
    anew : bool
        Whether every release has a builder of its own from the rows, rather than from the exported
        partial of one.
    """

    name: str
    what: str
    params: Dict[str, Any]
    rows: Tuple[Rows, Rows]
    epsilon: float
    side: Tuple[int, int]
    guess: bool = True
    anew: bool = False

    @property
    def mu(self) -> float:
        """The claim."""
        return bounds.mu_of(self.epsilon, DELTA)


def public(**changes: Any) -> Dict[str, Any]:
    """Parameters with a state of 64 coordinates: C(1+3, 3) features times 16 columns."""
    values: Dict[str, Any] = {
        "key_dim": 1,
        "value_dim": 15,
        "degree": 3,
        "scale": 1.0,
        "key_bound": 1.0,
        "query_bound": 1.0,
    }
    return {**values, "value_bound": 1.0, "adjacency": "add_remove", **changes}


def codebook(**changes: Any) -> Dict[str, Any]:
    """Parameters of the codebook mechanism, with 64 coordinates: 4 cells times 16 columns.

    Keys in -1..-0.5, -0.5..0, 0..0.5 and 0.5..1 are in cells 0 to 3, a boundary in the lower cell.
    """
    values: Dict[str, Any] = {"mechanism": "codebook", "key_dim": 1, "value_dim": 15, "scale": 1.0}
    centroids = np.array([[-0.75], [-0.25], [0.25], [0.75]])
    return {**values, "codebook": centroids, "key_bound": 1.0, "value_bound": 1.0, "adjacency": "add_remove", **changes}


def value(dim: int, sign: float = 1.0) -> Array:
    """A value at the bound whose integers come as near to their bound as they can.

    Entries are a little above half-integers of the grid of 1022 steps, so that rounding makes each
    of them larger; as many are one step longer as fit the bound.
    """
    short = np.floor(1022 / np.sqrt(dim)) - 0.5
    longer = min(dim, int((1022**2 - dim * short**2) / (2 * short + 1)))
    steps = np.where(np.arange(dim) < longer, short + 1, short) + 1e-6
    return sign * steps / 1022


def rows(params: Dict[str, Any], *given: Tuple[float, Array], owner: Optional[int] = None) -> Rows:
    """Rows (entry of every key, value), the same in every head."""
    heads = params.get("heads", 1)
    keys = np.array([np.full(params["key_dim"], key) for key, _ in given]).reshape(1, len(given), params["key_dim"])
    values = np.array([v for _, v in given], np.float64).reshape(1, len(given), params["value_dim"])
    owners = None if owner is None else np.full(len(given), owner, np.uint64)
    return Rows(keys.repeat(heads, axis=0), values.repeat(heads, axis=0), owners)


def games() -> List[Game]:
    """All games; the first is the one whose certified epsilon has to come near the claim."""
    far = 1e200  # a key far beyond its bound, which has to be scaled to it
    plain, replaced, two = public(), public(adjacency="replace"), public(heads=2, value_dim=7, head_weights=[1.0, 3.0])
    owned, clipped = public(owner_rows=3), public(owner_rows=9, owner_bound=2.5)
    wide = public(key_dim=15, degree=1, value_dim=1023)
    others = ((0.3, 0.1 * value(15)), (-0.7, -0.2 * value(15)))
    owner = rows(owned, *others, owner=7)
    canary = rows(owned, *4 * [(far, value(15))], owner=9)
    mixed = rows(two, (0.3, 0.1 * value(7)))
    cells = codebook()
    # Above this lambda a row in another cell is the worst neighbour, below it an opposite value.
    elsewhere, opposite = (codebook(adjacency="replace", lambda_=weight) for weight in (2.0, 0.125))
    moved, held = codebook(adjacency="replace", lambda_=2.0, owner_rows=3), codebook(owner_rows=9, owner_bound=2.5)
    crowd = 8 * ((0.05, 0.1 * value(15)),)  # near a boundary
    here, there = (far, value(15)), (-far, value(15))
    return [
        Game(
            "row",
            "a row is added to two others, at (1, 1e-5)",
            plain,
            (rows(plain, *others), rows(plain, *others, (far, value(15)))),
            1.0,
            (2_000_000, 15_000),
        ),
        Game(
            "row, mu 4",
            "a row is added to none, at mu = 4; every builder from rows",
            plain,
            (rows(plain), rows(plain, (-far, 1e200 * value(15)))),
            AT_MU_4,
            (50_000, 1_000),
            anew=True,
        ),
        Game(
            "replaced row, mu 4",
            "a row is replaced by one with the opposite value, at mu = 4",
            replaced,
            (rows(replaced, (far, value(15))), rows(replaced, (far, value(15, -1.0)))),
            AT_MU_4,
            (50_000, 2_000),
        ),
        Game(
            "owner, mu 4",
            "an owner with four rows, of which three count, is added, at mu = 4",
            owned,
            (owner, owner.plus(canary)),
            AT_MU_4,
            (50_000, 2_000),
        ),
        Game(
            "clipped owner, mu 4",
            "an owner whose four rows are clipped to 2.5 is added, at mu = 4",
            clipped,
            (owner, owner.plus(canary)),
            AT_MU_4,
            (50_000, 2_000),
        ),
        Game(
            "two heads, mu 4",
            "a row of two heads with shares 1 and 3 is added, at mu = 4",
            two,
            (mixed, mixed.plus(rows(two, (far, value(7))))),
            AT_MU_4,
            (50_000, 2_000),
        ),
        Game(
            "codebook row, mu 4",
            "codebook: a row is added to eight others near a boundary, at mu = 4; every builder from rows",
            cells,
            (rows(cells, *crowd), rows(cells, *crowd, there)),
            AT_MU_4,
            (50_000, 1_000),
            anew=True,
        ),
        Game(
            "codebook, another cell, mu 4",
            "codebook: a row is replaced by one of another cell, at mu = 4",
            elsewhere,
            (rows(elsewhere, here), rows(elsewhere, there)),
            AT_MU_4,
            (50_000, 1_000),
        ),
        Game(
            "codebook, same cell, mu 4",
            "codebook: a row is replaced by one of the same cell with the opposite value, at mu = 4",
            opposite,
            (rows(opposite, here), rows(opposite, (far, value(15, -1.0)))),
            AT_MU_4,
            (50_000, 1_000),
        ),
        Game(
            "codebook, owner across cells, mu 4",
            "codebook: an owner's four rows, of which three count, are replaced by four of another cell, at mu = 4",
            moved,
            (rows(moved, *4 * [here], owner=9), rows(moved, *4 * [there], owner=9)),
            AT_MU_4,
            (50_000, 1_000),
        ),
        Game(
            "codebook, clipped owner, mu 4",
            "codebook: an owner with rows in two cells, together clipped to 2.5, is added, at mu = 4",
            held,
            (
                rows(held, *others, owner=7),
                rows(held, *others, owner=7).plus(rows(held, *3 * [here], *2 * [there], owner=9)),
            ),
            AT_MU_4,
            (50_000, 1_000),
        ),
        Game(
            "large state",
            "16,384 coordinates, drawn in several blocks",
            wide,
            (rows(wide), rows(wide)),
            1.0,
            (2_000, 50),
            guess=False,
        ),
        Game(
            "tiny noise",
            "a sigma so small that every integer has its own probability",
            plain,
            (rows(plain), rows(plain)),
            TINY_NOISE,
            (200_000, 4_000),
            guess=False,
        ),
    ]


# ---- The public library --------------------------------------------------------------------------


class Table:
    """A game with everything worked out that stays the same over its releases."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self.params = dpattn.Params(**game.params)
        with self._builder(0) as builder, builder.release(epsilon=game.epsilon, delta=DELTA) as release:
            certificate = release.certificate()
            self.shape = release.state().shape
        self.sigmas = tuple(term["sigma"] for term in certificate["noise"]["terms"] for _ in range(term["heads"]))
        grid = certificate["sensitivity"]
        features = grid.get("phi_squared", 1)  # of a codebook: a row is in one cell
        row = features * (grid["value_squared"] + grid["lambda"] ** 2)
        self.bound = math.floor(Fraction(self.params.owner_bound or 0.0) ** 2 * row)
        self.width = int(np.prod(self.shape))
        self.sums = [self._sums(side).ravel() for side in (0, 1)]
        self.partials = [self._builder(side).export_secret() for side in (0, 1)]
        spread = np.repeat(np.array(self.sigmas, np.float64), self.width // len(self.sigmas))
        shift = (self.sums[1] - self.sums[0]) / spread
        self.mu = float(np.sqrt(shift @ shift))  # of this pair of neighbours
        # The likelihood ratio's score: N(0, 1) on D, N(mu, 1) on D'.
        self.direction = shift / self.mu / spread if self.mu else np.zeros(self.width)

    def _builder(self, side: int) -> dpattn.Builder:
        given, builder = self.game.rows[side], dpattn.Builder(self.params)
        builder.add(given.keys, given.values, owners=given.owners)
        return builder

    def _sums(self, side: int) -> Array:
        """The exact sums (width,) by the definition of docs/formats.md."""
        given = self.game.rows[side]
        if given.owners is None:
            return self._sums_of_rows(given)
        total = np.zeros(self.width, np.int64)
        for owner in np.unique(given.owners):
            # Only the first owner_rows rows count; where there are more, here, all are equal.
            kept = np.flatnonzero(given.owners == owner)[: self.params.owner_rows]
            total += self._clipped(self._sums_of_rows(Rows(given.keys[:, kept], given.values[:, kept])))
        return total

    def _sums_of_rows(self, given: Rows) -> Array:
        """The sums at the end of the secret partial of these rows, each of them a unit."""
        with dpattn.Builder(dataclasses.replace(self.params, owner_rows=0, owner_bound=None)) as builder:
            builder.add(given.keys, given.values)
            partial = builder.export_secret()
        heads, per_head = self.shape[0], 8 * int(np.prod(self.shape[1:]))
        tail = partial[-32 - heads * (8 + per_head) : -32]
        blocks = [tail[h * (8 + per_head) :][: 8 + per_head] for h in range(heads)]
        assert all(struct.unpack_from("<Q", block) == (given.keys.shape[1],) for block in blocks)
        return np.concatenate([np.frombuffer(block, "<i8", offset=8) for block in blocks]).astype(np.int64)

    def _clipped(self, sums: Array) -> Array:
        """One owner's sums (of one head) within owner_bound, exactly (core/moment/PROOF.md)."""
        exact = [int(v) for v in sums]
        norm = sum(v * v for v in exact)
        if not self.params.owner_bound or norm <= self.bound:
            return sums
        factor = math.isqrt((self.bound << 124) // norm)
        return np.array([(abs(v) * factor >> 62) * (1 if v > 0 else -1) for v in exact], np.int64)

    def states(self, side: int, count: int) -> Array:
        """(count, width) states of as many releases."""
        out = np.empty((count, self.width), np.int64)
        for i in range(count):
            builder = self._builder(side) if self.game.anew else dpattn.Builder.import_secret(self.partials[side])
            with builder, builder.release(epsilon=self.game.epsilon, delta=DELTA) as release:
                out[i] = release.state().ravel()
        return out


@dataclasses.dataclass
class Guesses:
    """How often the auditor said D' by its two rules; arrays (2,): of releases of D, and of D'."""

    releases: Array
    middle: Array
    point: Array

    def __add__(self, other: Guesses) -> Guesses:
        return Guesses(self.releases + other.releases, self.middle + other.middle, self.point + other.point)

    @property
    def right(self) -> int:
        """Right guesses by the middle rule."""
        return int(self.releases[0] - self.middle[0] + self.middle[1])

    @property
    def total(self) -> int:
        return int(self.releases.sum())


_tables: Dict[Tuple[str, int], Table] = {}


def choose_library(path: str) -> None:
    """Make this process, which has not called the library yet, use the one at path."""
    os.environ["DPATTN_LIBRARY"] = path


def table(name: str) -> Table:
    """The game's table in this process; one core a process."""
    if name not in _tables:
        dpattn.set_threads(1)
        _tables[name] = Table(next(game for game in games() if game.name == name))
    return _tables[name]


def play(name: str, side: int, count: int, point: float) -> Tuple[Guesses, distribution.Counts]:
    """Ask the library for releases of one side and keep what the tests need."""
    t = table(name)
    counts, said = distribution.Counts(t.sigmas, t.width), np.zeros((3, 2), np.int64)
    size = max(1, BATCH // t.width)
    for start in range(0, count, size):
        states = t.states(side, min(size, count - start))
        scores = (states - t.sums[0]) @ t.direction
        said[:, side] += [len(states), np.count_nonzero(scores > t.mu / 2), np.count_nonzero(scores > point)]
        counts.add(states - t.sums[side])
    return Guesses(*said), counts


def facts(name: str) -> Dict[str, Any]:
    """What a report says of a table."""
    t = table(name)
    return {"sigma": list(t.sigmas), "coordinates": t.width, "canary_mu": t.mu}
