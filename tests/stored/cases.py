"""Cases of the stored files, and the numbers that their rows and queries are made of."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

import numpy as np

import dpattn

Case = Dict[str, Any]
Array = np.ndarray[Any, np.dtype[np.float64]]

# Parameters by their names in the C header; what is not named has its default.
_GAUSSIAN = {"mechanism": "gaussian", "key_bound": 1.0, "value_bound": 1.0, "query_bound": 1.0}
_DPTREE = {"mechanism": "dptree", "range": 1.0, "value_range": 1.0}


def _case(name: str, base: Dict[str, Any], owners: int = 0, **params: Any) -> Case:
    return {
        "name": name,
        "params": {**base, **params},
        "budget": {"epsilon": 1.0, "delta": 1e-6},
        "rows": 24,
        "owners": owners,  # how many distinct ones there may be; 0: rows are units
        "queries": 6,
    }


def cases() -> List[Case]:
    """Every mechanism, unit and neighbour, and every parameter away from its default somewhere."""
    return [
        _case("gaussian-rows", _GAUSSIAN, adjacency="add_remove", key_dim=3, value_dim=2),
        _case("gaussian-wide", _GAUSSIAN, adjacency="add_remove", key_dim=17, value_dim=5, query_bound=2.5),
        _case(
            "gaussian-heads",
            _GAUSSIAN,
            **{"lambda": 0.375},
            adjacency="replace",
            heads=3,
            key_dim=2,
            value_dim=3,
            degree=3,
            polynomial="taylor",
            rotation="none",
            scale=0.7,
            center=[0.25, -0.125, 0.0, 1e-7, -0.5, 0.0625],
            head_weights=[1.0, 2.5, 0.3],
        ),
        _case("gaussian-high", _GAUSSIAN, adjacency="replace", key_dim=2, value_dim=1, degree=8, key_bound=1.5),
        _case(
            "gaussian-owners",
            _GAUSSIAN,
            7,
            adjacency="add_remove",
            heads=2,
            key_dim=4,
            value_dim=1,
            degree=1,
            owner_rows=3,
        ),
        _case(
            "gaussian-bounded",
            _GAUSSIAN,
            5,
            adjacency="replace",
            key_dim=2,
            value_dim=2,
            degree=4,
            owner_rows=4,
            owner_bound=1.5,
        ),
        _case("dptree-rows", _DPTREE, adjacency="add_remove", key_dim=2, value_dim=1, degree=2, leaves=8, copies=3),
        _case(
            "dptree-heads",
            _DPTREE,
            adjacency="replace",
            heads=2,
            key_dim=1,
            value_dim=2,
            rows=16,
            range=1.25,
            value_range=3.0,
            relative_error=0.2,
            failure_probability=0.05,
            copy_factor=0.5,
        ),
        _case(
            "dptree-owners",
            _DPTREE,
            7,
            adjacency="add_remove",
            key_dim=2,
            value_dim=1,
            degree=3,
            leaves=5,
            copies=1,
            owner_rows=2,
            trees="none",
        ),
        _case(
            "dptree-replaced",
            _DPTREE,
            7,
            adjacency="replace",
            key_dim=1,
            value_dim=1,
            degree=1,
            leaves=6,
            copies=2,
            owner_rows=3,
        ),
    ]


def params_of(case: Case) -> dpattn.Params:
    """The case's parameters as Python's."""
    values = dict(case["params"])
    if "lambda" in values:
        values["lambda_"] = values.pop("lambda")
    if "rotation" in values:
        values["rotate"] = values.pop("rotation") != "none"
    if "trees" in values:
        values["trees"] = values["trees"] != "none"
    if "center" in values:
        values["center"] = np.reshape(values["center"], (-1, values["key_dim"]))
    return dpattn.Params(**values)


def numbers(seed: int, *shape: int) -> Array:
    """Integers over 2^13, from -2 to below 2: Knuth's MMIX generator, exact on every machine."""
    out = np.empty(int(np.prod(shape)))
    state = seed
    for i in range(out.size):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out[i] = ((state if state < 2**63 else state - 2**64) >> 49) / 2**13
    return out.reshape(shape)


def rows_of(case: Case) -> Tuple[Array, Array, Optional[np.ndarray[Any, np.dtype[np.uint64]]]]:
    """Keys, values and owners: some within the bounds, some outside, some of them not numbers."""
    p, n = case["params"], case["rows"]
    heads = p.get("heads", 1)
    keys, values = numbers(1, heads, n, p["key_dim"]), numbers(2, heads, n, p["value_dim"])
    keys[:, 0::4], values[:, 1::4] = keys[:, 0::4] / 8, values[:, 1::4] / 8
    keys[:, 3, 0], values[:, 3, -1] = 1e308, -1e308
    values[:, 5, 0] = np.nan
    keys[:, 7, -1] = np.inf
    owners = np.arange(n, dtype=np.uint64) ** 2 % case["owners"] if case["owners"] else None
    return keys, values, owners


def queries_of(case: Case) -> Array:
    """Queries within the bound, beyond it, and one that is no number."""
    p = case["params"]
    queries = numbers(3, p.get("heads", 1), case["queries"], p["key_dim"])
    queries[:, 0::2] /= 4
    queries[:, 5, 0] = np.nan
    return queries


def structures() -> List[Case]:
    """Trees and distances, by the names of the Python arguments."""
    budget = {"epsilon": 1.0, "delta": 1e-6}
    return [
        {
            "name": "tree-rows",
            "kind": "tree",
            "budget": budget,
            "owners": 0,
            "rows": 20,
            "params": {"adjacency": "add_remove", "leaves": 20, "weight": 1.5},
        },
        {
            "name": "tree-owners",
            "kind": "tree",
            "budget": budget,
            "owners": 6,
            "rows": 20,
            "params": {"adjacency": "replace", "leaves": 33, "weight": 1.0, "owner_rows": 2},
        },
        {
            "name": "distance-line",
            "kind": "distance",
            "budget": budget,
            "owners": 0,
            "rows": 20,
            "params": {"adjacency": "replace", "leaves": 16, "weight": 1.0, "range": 2.0, "dim": 1, "squared": False},
        },
        {
            "name": "distance-owners",
            "kind": "distance",
            "budget": budget,
            "owners": 6,
            "rows": 20,
            "params": {
                "adjacency": "add_remove",
                "leaves": 9,
                "weight": 0.75,
                "range": 1.0,
                "dim": 3,
                "squared": True,
                "owner_rows": 2,
            },
        },
    ]


# (file, allowance, [(label, case)]); "" is a release without a label, whose id is its label.
LEDGERS: List[Tuple[str, Dict[str, float], List[Tuple[str, str]]]] = [
    ("empty", {"mu": 0.5}, []),
    (
        "mixed",
        {"epsilon": 5.0, "delta": 1e-5, "other_epsilon": 2.0, "other_delta": 4e-6},
        [
            ("first", "gaussian-rows"),
            ("trees", "dptree-rows"),
            ("", "gaussian-wide"),
            ("f\u00fcnf \u2192 5", "gaussian-rows"),
        ],
    ),
    ("mu", {"mu": 1.5}, [("heads", "gaussian-heads"), ("high", "gaussian-high")]),
    (
        "owners",
        {"epsilon": 4.0, "delta": 4e-6, "other_epsilon": 1.0, "other_delta": 1e-6},
        [("owners", "gaussian-owners"), ("trees", "dptree-owners")],
    ),
    (
        "replaced",
        {"epsilon": 4.0, "delta": 4e-6, "other_epsilon": 1.0, "other_delta": 1e-6},
        [("bounded", "gaussian-bounded"), ("trees", "dptree-replaced")],
    ),
    (
        "replaced-rows",
        {"epsilon": 2.0, "delta": 4e-6, "other_epsilon": 1.0, "other_delta": 1e-6},
        [("trees", "dptree-heads")],
    ),
]
