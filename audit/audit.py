"""A black-box audit of what the library promises of noise and privacy, and an audit of the audit.

    audit.py --library build/libdpattn.so --mutants build/audit/mutants --out build/audit
             [--small] [--only codebook]

plays every game of games.py with the library, then the mutants of mutants.py, which have to be
caught. It writes audit.json, report.md and plots, and exits with 1 if a promise is broken, the
certified epsilon is too far below the claim, or a mutant gets away.

False alarms: the claim of the first game has half of FALSE_ALARM, every other test EACH. All of
them together raise a false alarm in at most one run of a million, however they depend on each
other.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import multiprocessing
import os
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

import bounds
import distribution
import games
import mutants
import report

FALSE_ALARM = 1e-6
MOST_TESTS = 200
EACH = FALSE_ALARM / 2 / MOST_TESTS
# The share of the claim that the certified epsilon of the first game has to reach at full size. It
# is expected at 0.974 with a standard deviation of 0.005; half-way, at a million releases a side,
# at 0.964 and 0.007.
NEAR = 0.95
TASK = 10_000


class Auditor:
    """Plays games with one library, in processes of its own."""

    def __init__(self, library: Path) -> None:
        os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a process a core
        self.pool = ProcessPoolExecutor(
            max_workers=os.cpu_count(),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=games.choose_library,
            initargs=(str(library.resolve()),),
        )

    def __enter__(self) -> Auditor:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def play(self, game: games.Game, side: int, first: bool = False) -> Dict[str, Any]:
        """Play so many releases of each side; the outcome of every test, and what was certified."""
        began = time.monotonic()
        alpha = FALSE_ALARM / 2 if first else EACH
        point = bounds.point_threshold(game.mu, side, games.DELTA, EACH) if game.guess else 0.0
        result: Dict[str, Any] = {"name": game.name, "what": game.what, "side": side}
        result.update(self.pool.submit(games.facts, game.name).result())
        parts = self._parts(game, side, point)
        said, counts = next(parts)
        curve = [(said.releases[0], certified(said, alpha))]
        for more, noise in parts:
            said += more
            counts.merge(noise)
            curve.append((said.releases[0], certified(said, alpha)))
        outcomes = counts.outcomes()
        if game.guess:
            result.update(claim(game, said, alpha), curve=thinned(curve))
            outcomes = [*claim_outcomes(game, said), *outcomes]
        result["noise"] = counts.facts()
        result["tests"] = [{**dataclasses.asdict(o), "least": alpha if o.name == CLAIM else EACH} for o in outcomes]
        result["failed"] = [test["name"] for test in result["tests"] if not test["p"] >= test["least"]]
        result["seconds"] = round(time.monotonic() - began, 1)
        return result

    def _parts(self, game: games.Game, side: int, point: float) -> Iterator[Tuple[games.Guesses, distribution.Counts]]:
        """As many releases of D as of D' (or of D alone) in every part."""
        sides = (0, 1) if game.guess else (0,)
        size = min(TASK, -(-side // (os.cpu_count() or 1)))
        tasks = [
            [self.pool.submit(games.play, game.name, s, min(size, side - start), point) for s in sides]
            for start in range(0, side, size)
        ]
        for task in tasks:
            said, counts = task[0].result()
            for future in task[1:]:
                more, noise = future.result()
                said += more
                counts.merge(noise)
            task.clear()
            yield said, counts


# ---- The claim -----------------------------------------------------------------------------------

CLAIM = "the claimed curve, by right guesses"


def certified(said: games.Guesses, alpha: float) -> float:
    return bounds.epsilon_of(bounds.certified_mu(said.right, said.total, alpha), games.DELTA)


def claim(game: games.Game, said: games.Guesses, alpha: float) -> Dict[str, Any]:
    """What the guesses certify."""
    epsilon = certified(said, alpha)
    return {
        "epsilon": game.epsilon,
        "delta": games.DELTA,
        "mu": game.mu,
        "right": said.right,
        "guesses": said.total,
        "certified_mu": bounds.certified_mu(said.right, said.total, alpha),
        "certified_epsilon": epsilon,
        "share": epsilon / game.epsilon,
        "point_epsilon": bounds.point_bound(*said.point, said.releases[0], games.DELTA, EACH),
    }


def claim_outcomes(game: games.Game, said: games.Guesses) -> List[distribution.Outcome]:
    """The tests of the claim."""
    p = bounds.claim_p(said.right, said.total, game.mu)
    q = bounds.point_p(*said.point, said.releases[0], game.epsilon, games.DELTA)
    rates = f"D' said {said.point[0]:,} times on D, {said.point[1]:,} times on D'"
    return [
        distribution.Outcome(CLAIM, p, f"{said.right:,} of {said.total:,} right"),
        distribution.Outcome("the claimed point, by both rates", q, rates),
    ]


def thinned(curve: List[Tuple[int, float]]) -> List[Tuple[int, float]]:
    """About ten points a decade, and the last."""
    kept, least = [], 0.0
    for n, epsilon in curve:
        if n >= least or n == curve[-1][0] or n == report.MILLION:
            kept.append((int(n), epsilon))
            least = n * 1.25
    return kept


# ---- The run -------------------------------------------------------------------------------------


def catch(mutant: mutants.Mutant, folder: Path) -> Dict[str, Any]:
    """Play the mutant's games with its library."""
    with Auditor(folder / mutant.name / "libdpattn.so") as auditor:
        results = [auditor.play(find(name), side) for name, side in mutant.games]
    failed = [(game["name"], test) for game in results for test in game["tests"] if test["name"] in game["failed"]]
    by = min(failed, key=lambda entry: entry[1]["p"], default=None)
    return {
        "name": mutant.name,
        "what": mutant.what,
        "releases": sum(side * (2 if find(name).guess else 1) for name, side in mutant.games),
        "caught": by is not None,
        "game": by[0] if by else None,
        "by": by[1] if by else None,
        "failed": [f"{game}: {test['name']}" for game, test in failed],
        "seconds": round(sum(game["seconds"] for game in results), 1),
    }


def find(name: str) -> games.Game:
    return next(game for game in games.games() if game.name == name)


def problems(result: Dict[str, Any]) -> List[str]:
    """Everything that is wrong, in words."""
    found = []
    for game in result["games"]:
        found += [
            f"{game['name']}: {test['name']}: p = {test['p']:.2g}, {test['detail']}"
            for test in game["tests"]
            if test["name"] in game["failed"]
        ]
    first = result["games"][0]
    if result["size"] == "full" and not result["only"] and first["share"] < NEAR:
        found.append(
            f"{first['name']}: certified epsilon {first['certified_epsilon']:.3f} is below {NEAR} of the claim"
        )
    found += [
        f"mutant {mutant['name']} ({mutant['what']}) was not caught"
        for mutant in result["mutants"]
        if not mutant["caught"]
    ]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True, help="the library")
    parser.add_argument(
        "--mutants", type=Path, required=True, help="the folder with a folder for each mutant's library"
    )
    parser.add_argument("--out", type=Path, required=True, help="where to write the report")
    parser.add_argument("--small", action="store_true", help="the size of make test: fewer releases, the cheap mutants")
    parser.add_argument("--only", default="", help="play the games and mutants whose names begin with this")
    options = parser.parse_args()
    result: Dict[str, Any] = {
        "only": options.only,
        "size": "small" if options.small else "full",
        "date": datetime.date.today().isoformat(),
        "cpu": processor(),
        "threads": os.cpu_count(),
        "false_alarm": FALSE_ALARM,
        "each": EACH,
    }
    began = time.monotonic()
    result["games"] = []
    with Auditor(options.library) as auditor:
        for game in (game for game in games.games() if game.name.startswith(options.only)):
            first = not options.only and not result["games"]
            result["games"].append(auditor.play(game, game.side[options.small], first))
            print(report.line(result["games"][-1]), flush=True)
    assert sum(len(game["tests"]) for game in result["games"]) <= MOST_TESTS
    result["mutants"] = []
    for mutant in mutants.MUTANTS:
        if (mutant.small or not options.small) and mutant.name.startswith(options.only):
            result["mutants"].append(catch(mutant, options.mutants))
            print(report.mutant_line(result["mutants"][-1]), flush=True)
    result["seconds"] = round(time.monotonic() - began)
    result["cpu_seconds"] = round(sum(os.times()[:4]))
    result["problems"] = problems(result)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "audit.json").write_text(json.dumps(result, indent=1))
    report.write(result, options.out)
    for problem in result["problems"]:
        print(f"audit: {problem}")
    outcome = "failed" if result["problems"] else "passed"
    print(f"audit, {result['size']} size: {outcome} after {result['seconds']} s; see {options.out / 'report.md'}")
    return int(bool(result["problems"]))


def processor() -> str:
    """The processor's name, where it is to be had."""
    info: Optional[str] = None
    if Path("/proc/cpuinfo").is_file():
        names = [
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ]
        info = names[0] if names else None
    return info or platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
