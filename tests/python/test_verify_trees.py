"""The independent verifier on files of the DPTree family."""

from __future__ import annotations

import copy
import struct
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from test_dptree import rows, tree, tree_params

import dpattn
from conftest import resealed
from dpattn import verify
from dpattn.verify import trees


def made(name: str, **budget: float) -> Any:
    """One of each kind of file."""
    chosen: dict[str, Any] = {"epsilon": 1.0, "delta": 1e-6, **budget}
    if name == "tree":
        return tree(rows(1, 37), leaves=37, **chosen)
    if name == "distance":
        return dpattn.DPTreeDistance(
            rows(1, 9, 2), adjacency="add_remove", range=1.0, weight=2.0, leaves=5, squared=True, **chosen
        )
    changes: dict[str, dict[str, Any]] = {
        "trees": {},
        "no trees": {"trees": False, "leaves": None},
        "heads and copies": {"heads": 2, "copies": 3, "leaves": 7},
        "owners": {"owner_rows": 4, "leaves": 6},
    }
    params = tree_params(**{"leaves": 16, "degree": 2, **changes[name]})
    builder = dpattn.Builder(params)
    K, V = rows(1, params.heads, 20, 3), rows(2, params.heads, 20, 2)
    builder.add(K, V, owners=np.arange(20) // 4 if params.owner_rows else None)
    return builder.release(**chosen)


KINDS = ["tree", "distance", "trees", "no trees", "heads and copies", "owners"]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("epsilon", [0.05, 1.0, 1e4])
def test_agrees_with_the_library(name: str, epsilon: float) -> None:
    thing = made(name, epsilon=epsilon)
    report = verify.verify(thing.to_bytes(), thing.certificate())
    assert report.ok, report
    # Hardly any of the budget is left over: the noise is as small as the claim allows.
    assert float(report.facts["spent_epsilon"]) > 0.999 * epsilon
    assert str(report).startswith("OK: ")
    report.as_dict()


@pytest.mark.parametrize(("num", "den", "support", "shift"), [(3, 2, 5, 1), (3, 2, 5, 5), (40, 1, 9, 4), (1, 3, 2, 2)])
def test_delta_is_that_of_enumeration(num: int, den: int, support: int, shift: int) -> None:
    """sup over events of P(X in E) - e^epsilon P(X + shift in E), summed number by number."""
    with mpmath.workdps(60):
        rate = mpmath.mpf(den) / num
        mass = {x: mpmath.exp(-rate * abs(x)) for x in range(-support, support + 1)}
        total = sum(mass.values())
        grow = mpmath.exp(rate * shift)
        # Two noises with the same quotient differ by rounding only: what is below 10^-50 is none.
        excess = [mass[x] - grow * mass.get(x - shift, mpmath.mpf(0)) for x in mass]
        slow = sum(e for e in excess if e > mpmath.mpf(10) ** -50) / total
        fast = trees.laplace_delta(mpmath, num, den, support, shift)
        assert abs(fast / slow - 1) < mpmath.mpf(10) ** -40


def test_composition_is_that_of_the_theorems() -> None:
    with mpmath.workdps(50):
        epsilon, delta = trees.compose(mpmath, "basic", 7, 0.25, 1e-9, 0.0)
        assert (epsilon, delta) == (mpmath.mpf("1.75"), 7 * mpmath.mpf(1e-9))
        epsilon, delta = trees.compose(mpmath, "advanced", 100, 0.125, 2.0**-40, 2.0**-20)
        root = mpmath.sqrt(200 * 20 * mpmath.log(2)) / 8
        assert abs(epsilon - root - 100 * (mpmath.exp(mpmath.mpf(1) / 8) - 1) / 8) < 1e-40
        assert (
            delta
            == mpmath.mpf(Fraction(100, 2**40).numerator) / Fraction(100, 2**40).denominator + mpmath.mpf(2) ** -20
        )


def guarantee_at(thing: Any, data: bytes) -> int:
    """Where the composition begins: epsilon and delta stand 12 bytes later."""
    info = thing.info
    return data.rindex(struct.pack("<2d", info.epsilon, info.delta)) - 12


@pytest.mark.parametrize("name", KINDS)
def test_smaller_noise_is_found(name: str) -> None:
    thing = made(name)
    data = thing.to_bytes()
    scales = guarantee_at(thing, data) + 4 + 8 + 5 * 8
    for at, change, word in (
        (scales, -1 << 20, "noise of"),  # a smaller lambda
        (scales + 16, -2, "noise of"),  # a smaller support
        (scales - 5 * 8 - 8, 1, "composition"),  # another number of mechanisms
    ):
        bad = bytearray(data)
        (value,) = struct.unpack_from("<Q", bad, at)
        struct.pack_into("<Q", bad, at, value + change if value + change > 0 else value - value // 2)
        report = verify.verify(resealed(bytes(bad)))
        assert not report.ok
        assert any(word in problem for problem in report.problems), report
    for at in (scales - 5 * 8, scales - 4 * 8):  # a smaller epsilon or delta, in the release's head too
        bad = bytearray(data)
        (value,) = struct.unpack_from("<d", bad, at)
        smaller = struct.pack("<d", value * 0.999)
        report = verify.verify(resealed(bytes(bad).replace(struct.pack("<d", value), smaller)))
        assert not report.ok


def test_damage_is_found() -> None:
    data = made("trees").to_bytes()
    for i in range(0, len(data), 61):
        bad = bytearray(data)
        bad[i] ^= 16
        assert not verify.verify(bytes(bad)).ok
        assert not verify.verify(data[:i]).ok
        verify.verify(resealed(bytes(bad)))  # whatever it says, it says it without an exception


def test_certificates_are_compared() -> None:
    thing = made("heads and copies")
    good = thing.certificate()
    for change in (
        lambda c: c.update(epsilon=0.5),
        lambda c: c.update(heads=1),
        lambda c: c["structure"].update(k=1),
        lambda c: c["structure"].update(spent=[0.1, 1e-9]),
        lambda c: c["structure"]["terms"][2].update(support=1),
        lambda c: c["structure"]["terms"][4].update(delta=1e-30),
        lambda c: c["structure"]["terms"][1].update(unit=0.1),
        lambda c: c["structure"].update(heads=3),
        lambda c: c["structure"]["terms"].append(c["structure"]["terms"][0]),
        lambda c: c["structure"]["terms"].__setitem__(0, 7),
        lambda c: c["bounds"].update(logit_bound=0.5),
        lambda c: c["unit"].update(owner_bound=0.5),
        lambda c: c.update(guarantee="pure"),
        lambda c: c.update(structure="?"),
        lambda c: c["structure"].pop("terms"),
        lambda c: c.pop("structure"),
    ):
        bad = copy.deepcopy(good)
        change(bad)
        report = verify.verify(thing.to_bytes(), bad)
        assert not report.ok
        assert all(problem.startswith("certificate") for problem in report.problems)
