"""Our accounting against Google's dp_accounting: two libraries, two methods, the same numbers.

Theirs are closed formulas in float64 for one Gaussian, and discretised privacy loss distributions
for several, which err on the safe side by at most the interval for each event. Ours are exact,
rounded up.
"""

from __future__ import annotations

import json

import dp_accounting
import numpy as np
import pytest
from dp_accounting import pld
from dp_accounting.pld.privacy_loss_mechanism import GaussianPrivacyLoss
from test_ledger import make_builder

import dpattn
from conftest import ROOT, make_params, make_release

ACCOUNTING = json.loads((ROOT / "tests" / "vectors" / "accounting.json").read_text())
INTERVAL = 1e-4


def accountant(*sigmas: float) -> pld.PLDAccountant:
    """Releases of that sigma over sensitivity, one after the other."""
    result = pld.PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE, INTERVAL)
    result.compose(dp_accounting.ComposedDpEvent([dp_accounting.GaussianDpEvent(sigma) for sigma in sigmas]))
    return result


@pytest.mark.parametrize("line", ACCOUNTING["gaussian_delta"], ids=str)
def test_they_agree_with_the_golden_deltas(line) -> None:
    delta = GaussianPrivacyLoss(float(line["sigma_over_sensitivity"])).get_delta_for_epsilon(float(line["epsilon"]))
    assert delta == pytest.approx(float(line["delta"]), rel=1e-6, abs=1e-17)


@pytest.mark.parametrize(("epsilon", "delta"), [(0.1, 1e-6), (1, 1e-5), (1, 1e-9), (4, 1e-6), (20, 1e-8)])
def test_one_release(epsilon, delta) -> None:
    certificate = make_builder().release(epsilon=epsilon, delta=delta).certificate()
    sigma = 1 / certificate["mu"]
    assert sigma == pytest.approx(dp_accounting.get_sigma_gaussian(epsilon, delta), rel=1e-6)
    assert GaussianPrivacyLoss(sigma).get_delta_for_epsilon(epsilon) == pytest.approx(delta, rel=1e-4)
    for line in certificate["curve"]:
        theirs = dp_accounting.get_epsilon_gaussian(sigma, line["delta"])
        assert line["epsilon"] == pytest.approx(theirs, rel=1e-6, abs=1e-9)
    for line in certificate["groups"]:  # k units are k times the sensitivity
        if line["units"] <= 10:
            theirs = dp_accounting.get_epsilon_gaussian(sigma / line["units"], line["delta"])
            assert line["epsilon"] == pytest.approx(theirs, rel=1e-6)


def test_heads_are_composed() -> None:
    certificate = make_release(make_params(heads=3, head_weights=[1, 2, 4]), epsilon=1.0).certificate()
    sensitivity = float(certificate["sensitivity"]["squared"]) ** 0.5
    sigmas = [term["sigma"] / sensitivity for term in certificate["noise"]["terms"] for _ in range(term["heads"])]
    assert len(sigmas) == 3
    theirs = accountant(*sigmas).get_epsilon(certificate["delta"])
    assert certificate["epsilon"] - 1e-4 <= theirs <= certificate["epsilon"] + 3 * INTERVAL


def test_a_ledger_composes(tmp_path) -> None:
    ledger = dpattn.Ledger(tmp_path / "a.ledger", epsilon=3, delta=1e-5)
    sigmas = []
    for i, epsilon in enumerate((1.0, 0.3, 0.7, 0.3, 0.5)):
        release = make_builder().release(epsilon=epsilon, delta=1e-7, ledger=ledger, label=str(i))
        sigmas.append(1 / release.info.mu)
        spent = ledger.show()["spent"]["epsilon"]
        theirs = accountant(*sigmas).get_epsilon(1e-5)
        assert spent - 1e-6 <= theirs <= spent + len(sigmas) * INTERVAL
    # The budget as a whole: the largest mu that they let through at (3, 1e-5).
    allowed = ledger.show()["allowance"]["mu"]
    assert allowed == pytest.approx(1 / dp_accounting.get_sigma_gaussian(3, 1e-5), rel=1e-6)
    # Equal shares: so many more releases, by their count too, end at the allowance.
    share = ledger.show()["shares"][2]
    sigma = dp_accounting.get_sigma_gaussian(share["epsilon"], share["delta"])
    everything = accountant(*sigmas, *[sigma] * share["releases"])
    assert everything.get_epsilon(1e-5) == pytest.approx(3, abs=(len(sigmas) + share["releases"]) * INTERVAL)


def test_other_mechanisms_add_plainly() -> None:
    """What is set aside for mechanisms without a mu is added: never less than their composition."""
    theirs = pld.PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE, INTERVAL)
    theirs.compose(dp_accounting.LaplaceDpEvent(1 / 0.5))  # 0.5-DP
    sigma = dp_accounting.get_sigma_gaussian(1.5, 1e-6)
    theirs.compose(dp_accounting.GaussianDpEvent(sigma))
    assert theirs.get_epsilon(1e-6) <= 2.0
    assert np.isfinite(theirs.get_epsilon(1e-6))
