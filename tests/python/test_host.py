"""The host stays well: processes, threads and signals of a Python program that uses the package."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dpattn
from conftest import PACKAGE, make_params, make_release

# A worker answers from a release file, which every process loads for itself; the parent has used
# the library before.
POOL = """
import multiprocessing, sys
import numpy as np
import dpattn

def answer(path):
    try:
        return dpattn.load(path).attend(np.ones(5, np.float32)).tolist()
    except dpattn.ForkedError:
        return "forked"

def use(release):
    try:
        return release.attend(np.ones(5, np.float32)).tolist()
    except dpattn.ForkedError:
        return "forked"

def build(seed):
    rng = np.random.default_rng(seed)
    params = dpattn.Params(key_dim=5, value_dim=3, key_bound=1, value_bound=1, query_bound=1, adjacency="replace")
    builder = dpattn.Builder(params)
    builder.add(rng.normal(size=(50, 5)), rng.normal(size=(50, 3)))
    return builder.release(epsilon=1, delta=1e-6).to_bytes()

if __name__ == "__main__":
    method, path = sys.argv[1:]
    mine = answer(path)
    assert mine != "forked"
    with multiprocessing.get_context(method).Pool(2) as pool:
        print(sum(a == mine for a in pool.map(answer, [path] * 6)))
        print(sum(a == "forked" for a in pool.map(answer, [path] * 6)))
        if method != "fork":
            print(len(set(pool.map(build, [1] * 4))))
    assert answer(path) == mine
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method: str, run_python, tmp_path) -> None:
    """A forked worker is told so at once; a spawned one works, and its noise is fresh."""
    script, path = tmp_path / "pool.py", tmp_path / "c.dpa"
    script.write_text(POOL)
    make_release().save(path)
    done = run_python("-W", "ignore::DeprecationWarning", str(script), method, str(path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == (["0", "6"] if method == "fork" else ["6", "0", "4"])


def test_fork_before_first_use_is_fine(run_python) -> None:
    """`import dpattn` loads nothing: a child that is first to use it has its own library."""
    done = run_python(
        "-W",
        "ignore::DeprecationWarning",
        "-c",
        """
import os, dpattn
child = os.fork()
if child == 0:
    os._exit(0 if dpattn.build_info()["version"] == dpattn.__version__ else 1)
assert os.waitpid(child, 0)[1] == 0
dpattn.build_info()
""",
    )
    assert done.returncode == 0, done.stderr


def test_short_lived_threads() -> None:
    release, query = make_release(), np.ones(5, np.float32)
    want = release.attend(query)
    wrong: list[np.ndarray] = []

    def body() -> None:
        out = release.attend(query)
        if not np.array_equal(out, want):
            wrong.append(out)

    for _ in range(10):
        threads = [threading.Thread(target=body) for _ in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_builders_in_many_threads() -> None:
    """Each thread has a builder of its own; the sums are those of one thread after the other."""
    K, V = np.random.default_rng(1).normal(size=(2, 400, 5)) / 5

    def sums(seed: int) -> bytes:
        order = np.random.default_rng(seed).permutation(len(K))
        with dpattn.Builder(make_params(value_dim=5)) as builder:
            for rows in np.array_split(order, 1 + seed % 7):
                builder.add(K[rows], V[rows])
            return builder.release(epsilon=1e6, delta=1e-6).attend(np.eye(5)).round(2).tobytes()

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(sums, range(64)))) == 1


def test_signals_between_and_during_calls() -> None:
    """A timer fires thousands of times a second during work: handlers run, answers stay right."""
    release, Q = make_release(), np.full((2000, 5), 0.3)
    want = release.attend(Q)
    fired = 0

    def handler(*_: object) -> None:
        nonlocal fired
        fired += 1

    previous = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-4, 3e-4)
        until = time.monotonic() + 1
        while time.monotonic() < until or fired < 100:
            assert np.array_equal(release.attend(Q), want)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert fired >= 100


def test_default_signals_still_end_the_process(tmp_path) -> None:
    """The library takes no signal away: SIGTERM ends the process, SIGINT interrupts Python."""
    program = "import dpattn, time; dpattn.build_info(); print('ready', flush=True); time.sleep(60)"
    for number, code in ((signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, -signal.SIGINT)):
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == code
        assert ("KeyboardInterrupt" in errors) == (number == signal.SIGINT)
