"""The audit's own arithmetic: its curve against golden values, p values against known chances.

And docs/privacy.md: the tests that it names are there.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import bounds
import distribution
import mutants
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
VECTORS = ROOT / "tests" / "vectors" / "accounting.json"


def test_the_curve_is_golden() -> None:
    for row in json.loads(VECTORS.read_text())["gaussian_delta"]:
        epsilon, mu, delta = float(row["epsilon"]), 1 / float(row["sigma_over_sensitivity"]), float(row["delta"])
        if delta > 1e-12:  # floating point does for an audit, but not beyond
            assert bounds.delta_of(epsilon, mu) == pytest.approx(delta, rel=1e-4)
            assert bounds.mu_of(epsilon, delta) == pytest.approx(mu, rel=1e-6)
            assert bounds.epsilon_of(mu, delta) == pytest.approx(epsilon, rel=1e-5, abs=1e-9)


def test_bounds_hold_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    side, runs, mu, epsilon, delta = 4000, 800, 0.5, 2.0, 1e-3
    chance = 0.5 * (1 + math.erf(mu / 2 / math.sqrt(2)))
    right = rng.binomial(side, chance, runs) + rng.binomial(side, chance, runs)
    for alpha in (0.5, 0.05):
        slack = alpha + 4 * math.sqrt(alpha / runs)
        assert np.mean([bounds.certified_mu(k, 2 * side, alpha) > mu for k in right]) <= slack
        assert np.mean([bounds.claim_p(k, 2 * side, mu) <= alpha for k in right]) <= slack
        on_d, on_other = rng.binomial(side, 0.02, runs), rng.binomial(side, math.exp(epsilon) * 0.02 + delta, runs)
        over = [bounds.point_bound(a, b, side, delta, alpha) > epsilon for a, b in zip(on_d, on_other)]
        assert np.mean(over) <= slack
    # and they are not far off: half of the bounds at 0.5 are above what is true
    assert np.mean([bounds.certified_mu(k, 2 * side, 0.5) > mu for k in right]) > 0.45


def test_point_p_is_where_the_bound_crosses() -> None:
    p = bounds.point_p(60, 800, 4000, 2.0, 1e-3)
    assert bounds.point_bound(60, 800, 4000, 1e-3, p * 1.01) > 2.0 > bounds.point_bound(60, 800, 4000, 1e-3, p * 0.99)


@pytest.mark.parametrize("sigmas", [(44_000_000,), (3,), (44_000_000, 20_000_000)])
def test_true_noise_passes(sigmas: tuple[int, ...]) -> None:
    rng = np.random.default_rng(2)
    spread = np.repeat(np.array(sigmas, np.float64), 64 // len(sigmas))
    p: dict[str, list[float]] = {}
    for _ in range(40):
        counts, more = distribution.Counts(sigmas, 64), distribution.Counts(sigmas, 64)
        for part in (counts, more):
            part.add(np.round(rng.normal(size=(200, 64)) * spread).astype(np.int64))
        counts.merge(more)
        assert counts.releases == 400
        for outcome in counts.outcomes():
            p.setdefault(outcome.name, []).append(outcome.p)
    for name, values in p.items():
        assert min(values) > 1e-5, name
        assert np.mean(np.array(values) < 0.05) < 0.25, name
    assert np.mean([value < 0.05 for values in p.values() for value in values]) < 0.08


def test_the_document_names_tests_that_are_there() -> None:
    document = (ROOT / "docs" / "privacy.md").read_text()
    sources = [path for part in ("core", "simd") for path in (ROOT / part).rglob("*_test.go")]
    sources += [path for part in ("tests", "audit") for path in (ROOT / part).rglob("*.py")]
    code = "\n".join(path.read_text() for path in sources)
    names = set(re.findall(r"`((?:Test|Fuzz)\w+|test_\w+)\*?`", document))
    assert len(names) > 50
    assert [name for name in sorted(names) if not re.search(rf"(?:func|def) {name}", code)] == []
    paths = set(re.findall(r"`((?:audit|bench|tests)/[\w./]*)`", document))
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_every_mutant_finds_its_place(tmp_path: Path) -> None:
    for mutant in mutants.MUTANTS:
        mutants.write(mutant, tmp_path / mutant.name)  # exits where the sources have changed
