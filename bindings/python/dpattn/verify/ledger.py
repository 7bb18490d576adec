"""Add up a ledger's account once more, independently of the code that keeps it.

The library exports a ledger's records (docs/formats.md, "Ledger"): the allowance, one entry a
release, and the releases themselves. From each release follows what it spent, as
`dpattn.verify.verify` recomputes it; Gaussian ones add up in mu^2, exact fractions, and all others
in epsilon and delta. The account is right if

    sum mu_i^2 <= mu^2  and  delta(epsilon - other_epsilon; mu) <= delta - other_delta  (Gaussian)
    sum epsilon_j <= other_epsilon  and  sum delta_j <= other_delta                     (others)

which together promise (epsilon, delta) for everything that the ledger released
(core/privacy/PROOF.md, section 9). The library checks that the file's pages,
checksums and chain are whole, whenever it opens one.

What no reader of a file can verify: that every release of the data set is in it, and that it is not
an older copy.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Any, Callable, Dict

from .._errors import CorruptError, UnsupportedError
from .._files import PathLike
from .numbers import gaussian_delta, mpmath, real, workdps
from .release import verify
from .report import Report

_FORMAT = "dpattn-ledger-statement/1"


def verify_ledger(path: PathLike) -> Report:
    """Verify a ledger.

    Parameters
    ----------
    path : str or path-like
        The ledger's file.

    Returns
    -------
    Report
        Never an exception for a wrong ledger: `Report.problems` says what is wrong. `Report.facts`
        has the sum of mu^2, the mu that it gives, and what all releases together promise.

    Raises
    ------
    FileError
        If the file cannot be read.
    BusyError
        If another process has been working on it for ten seconds.
    """
    from .._ledger import Ledger  # what verifies releases needs no library

    report = Report()
    try:
        with Ledger(path) as ledger:
            statement = ledger.show()
            report.checks.append("ledger: pages, checksums and the chain over its entries agree")
            verify_records(statement, lambda label: ledger.load(label).to_bytes(), report)
    except (CorruptError, UnsupportedError) as error:
        report.problems.append(str(error))
    return report


def verify_records(statement: Dict[str, Any], file_of: Callable[[str], bytes], report: Report) -> None:
    """Verify a statement, and the release files by their labels."""
    try:
        if statement["format"] != _FORMAT:
            raise ValueError(f"its format is {statement['format']!r}; this verifier knows {_FORMAT!r}")
        _verify_account(statement, file_of, report)
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError, OverflowError) as error:
        report.problems.append(f"ledger: an entry or the allowance is not as it must be: {error!r}")


def _verify_account(statement: Dict[str, Any], file_of: Callable[[str], bytes], report: Report) -> None:
    squares, epsilons, deltas = Fraction(0), Fraction(0), Fraction(0)
    entries = statement["releases"]
    for number, entry in enumerate(entries, 1):
        file = file_of(entry["label"])
        name = f"release {number} ({entry['label']!r})"
        report.check(
            hashlib.sha256(file).hexdigest() == entry["release_sha256"] and len(file) == entry["release_bytes"],
            f"{name}: its bytes are those of its entry",
            f"{name}: its bytes are not those of its entry",
        )
        part = verify(file)
        report.problems += [f"{name}: {problem}" for problem in part.problems]
        if not part.ok:
            continue
        facts = part.facts
        unit = facts["unit"].split()[0]
        same = (facts["id"], facts["epsilon"], facts["delta"]) == (entry["id"], entry["epsilon"], entry["delta"])
        report.check(
            same and (facts["adjacency"], unit) == (statement["adjacency"], statement["unit"]),
            f"{name}: ({entry['epsilon']:g}, {entry['delta']:g}), {facts['adjacency']}, unit: {unit}",
            f"{name}: its id, budget, adjacency or unit are not those of its entry and of the ledger",
        )
        if "mu_squared" in facts:
            spent = Fraction(facts["mu_squared"])
            said = entry["mu_squared"]
            report.check(
                Fraction(int(said["numerator"]), int(said["denominator"])) == spent,
                f"{name}: mu^2 is that of its noise",
                f"{name}: mu^2 in its entry is not that of its noise, {facts['mu_squared']}",
            )
            squares += spent
        else:
            report.check(
                entry["mu_squared"] is None,
                f"{name}: it spends epsilon and delta",
                f"{name}: it has no mu, but its entry does",
            )
            epsilons += Fraction(entry["epsilon"])
            deltas += Fraction(entry["delta"])
    labels = [entry["label"] for entry in entries]
    report.check(len(set(labels)) == len(labels), "labels: none is used twice", "labels: one is used twice")
    allowance = {name: Fraction(value) for name, value in statement["allowance"].items()}
    _verify_allowance(allowance, report)
    report.check(
        squares <= allowance["mu"] ** 2,
        "account: mu^2 of all Gaussian releases is within the allowance",
        "account: Gaussian releases have spent more than the allowance's mu",
    )
    report.check(
        epsilons <= allowance["other_epsilon"] and deltas <= allowance["other_delta"],
        "account: epsilon and delta of all other releases are within what is set aside",
        "account: releases that are not Gaussian have spent more than is set aside",
    )
    _state(statement, squares, epsilons, deltas, report)


def _verify_allowance(allowance: Dict[str, Fraction], report: Report) -> None:
    """Check that both pockets together promise no more than the allowance says."""
    if allowance["epsilon"] == 0:  # only mu was asked for
        report.check(
            allowance["mu"] > 0 and not any(allowance[name] for name in ("delta", "other_epsilon", "other_delta")),
            "allowance: mu alone",
            "allowance: it has neither an epsilon nor mu alone",
        )
        return
    epsilon = allowance["epsilon"] - allowance["other_epsilon"]
    delta = allowance["delta"] - allowance["other_delta"]
    with workdps():
        gaussian = gaussian_delta(real(allowance["mu"]), real(epsilon))
        holds = min(epsilon, delta, *allowance.values()) >= 0 and gaussian <= real(delta)
    report.check(
        holds,
        "allowance: mu and what is set aside promise epsilon and delta",
        "allowance: mu and what is set aside promise less than epsilon and delta",
    )


def _state(statement: Dict[str, Any], squares: Fraction, epsilons: Fraction, deltas: Fraction, report: Report) -> None:
    mp = mpmath()
    allowance = statement["allowance"]
    with workdps():
        mu = mp.sqrt(real(squares))
        promise = (
            f"({allowance['epsilon']:g}, {allowance['delta']:g})"
            if allowance["epsilon"]
            else f"mu = {allowance['mu']:g}"
        )
        facts = {
            "claim": f"{promise}-differential privacy for all {len(statement['releases'])} releases together",
            "id": statement["id"],
            "adjacency": statement["adjacency"] or "no releases yet",
            "unit": statement["unit"] or "open",
            "releases": len(statement["releases"]),
            "mu_squared": f"{squares.numerator}/{squares.denominator}",
            "mu": mp.nstr(mu, 30),
            "other_epsilon": float(epsilons),
            "other_delta": float(deltas),
        }
        if allowance["epsilon"]:
            rest = real(Fraction(allowance["epsilon"]) - epsilons)
            spent = gaussian_delta(mu, rest) + real(deltas)
            facts["delta_at_epsilon"] = mp.nstr(spent, 30)
    report.facts = facts
