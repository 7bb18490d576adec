"""Add up a ledger's account once more from its file's own bytes, independently of the C library.

The file (docs/formats.md, "Ledger") holds the allowance, one entry a release, and the releases
themselves. From each release follows what it spent, as `dpattn.verify` recomputes it; Gaussian ones
add up in mu^2, exact fractions, and all others in epsilon and delta. The account is right if

    sum mu_i^2 <= mu^2,  delta(epsilon - other_epsilon; mu) <= delta - other_delta   (Gaussian)
    sum epsilon_j <= other_epsilon,  sum delta_j <= other_delta                      (all others)

which together promise (epsilon, delta) for everything that the ledger released
(core/privacy/PROOF.md, section 9).

What no reader of a file can verify: that every release of the data set is in it, and that it is not
an older copy.
"""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from typing import Any, Dict, List, Union

from .. import _bolt
from .numbers import gaussian_delta, mpmath, real, workdps
from .release import verify
from .report import Report

_FORMAT = "dpattn-ledger/1"


def verify_ledger(data: Union[bytes, bytearray, memoryview]) -> Report:
    """Verify a ledger.

    Parameters
    ----------
    data : bytes-like
        The ledger's file, while nobody writes to it.

    Returns
    -------
    Report
        Never an exception for wrong input: ``problems`` says what is wrong. ``facts`` has the sum
        of mu^2, the mu that it gives, and what all releases together promise.
    """
    report = Report()
    try:
        pairs = _bolt.read(memoryview(data).cast("B"), b"dpattn")
        header = _header(pairs)
        entries = _entries(pairs, header)
    except (_bolt.BadStoreError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        report.problems.append(f"ledger: it was cut or altered, or is no ledger: {error}")
        return report
    report.checks.append(f"ledger: pages, checksums and the chain over {len(entries)} entries agree")
    try:
        _verify_account(header, entries, pairs, report)
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError, OverflowError) as error:
        report.problems.append(f"ledger: an entry or the allowance is not as it must be: {error!r}")
    return report


def _header(pairs: Dict[bytes, bytes]) -> Dict[str, Any]:
    sealed = pairs.get(b"h", b"")
    text, digest = sealed[:-32], sealed[-32:]
    if hashlib.sha256(text).digest() != digest:
        raise ValueError("the checksum of its header does not match")
    header: Dict[str, Any] = json.loads(text)
    if header["format"] != _FORMAT:
        raise ValueError(f"its format is {header['format']!r}; this verifier knows {_FORMAT!r}")
    return header


def _entries(pairs: Dict[bytes, bytes], header: Dict[str, Any]) -> List[Dict[str, Any]]:
    chain = hashlib.sha256(header["id"].encode()).digest()
    entries = []
    for number in range(1, header["releases"] + 1):
        text = pairs[b"e" + number.to_bytes(8, "big")]
        chain = hashlib.sha256(chain + text).digest()
        entries.append(json.loads(text))
    if chain.hex() != header["chain"] or len(pairs) != 1 + 2 * len(entries):
        raise ValueError("its entries are not those that its header counts")
    return entries


def _verify_account(
    header: Dict[str, Any], entries: List[Dict[str, Any]], pairs: Dict[bytes, bytes], report: Report
) -> None:
    squares, epsilons, deltas = Fraction(0), Fraction(0), Fraction(0)
    for number, entry in enumerate(entries, 1):
        file = pairs.get(b"r" + number.to_bytes(8, "big"), b"")
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
            same and (facts["adjacency"], unit) == (header["adjacency"], header["unit"]),
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
    allowance = {name: Fraction(value) for name, value in header["allowance"].items()}
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
    _state(header, squares, epsilons, deltas, report)


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


def _state(header: Dict[str, Any], squares: Fraction, epsilons: Fraction, deltas: Fraction, report: Report) -> None:
    mp = mpmath()
    allowance = header["allowance"]
    with workdps():
        mu = mp.sqrt(real(squares))
        promise = (
            f"({allowance['epsilon']:g}, {allowance['delta']:g})"
            if allowance["epsilon"]
            else f"mu = {allowance['mu']:g}"
        )
        facts = {
            "claim": f"{promise}-differential privacy for all {header['releases']} releases together",
            "id": header["id"],
            "adjacency": header["adjacency"] or "no releases yet",
            "unit": header["unit"] or "open",
            "releases": header["releases"],
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
