"""`make bench`: measures, prints a table and writes bench.json (docs/performance.md explains it).

Every figure is the median of several samples, taken in turns with those of whatever it is compared
with: ours, the processor's limit, the peer, ours, the limit, the peer ... So a disturbance hits all
of them, and ratios are medians of ratios within a turn.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import peers
import report

HERE = Path(__file__).resolve().parent

# (key_dim, value_dim, degree)
SHAPES = ((64, 64, 2), (64, 64, 3), (128, 128, 2))
# Rows of one Builder.add: a tenth of a second or so.
ROWS = {(64, 64, 2): 1 << 16, (64, 64, 3): 1 << 12, (128, 128, 2): 1 << 14}
# Which probe bounds which kernels.
LIMITS = {"avx512vnni": "vpdpwssd", "avx512bw": "vpmaddwd_zmm", "avx2": "vpmaddwd_ymm"}
PATHS = ("avx512vnni", "avx512bw", "avx2", "neon", "generic")
# Context lengths; 1,634 and 36,491 are 1.5 n* for degree 2 and 3.
LENGTHS = (1024, 1634, 4096, 16384, 36491, 65536, 262144, 1_000_000)
LENGTHS_QUICK = (1024, 1634, 36491, 1_000_000)
BATCHES = (1, 64)
# (cells, key_dim, value_dim) of codebooks, and the rows of one Builder.add: a millisecond or less.
CODEBOOKS = {(256, 64, 64): 1 << 11, (1024, 384, 64): 1 << 9}
SECTIONS = ("build", "attend", "exact", "codebook", "noise", "abi", "memory")

Sampler = Callable[[], Optional[float]]
Samples = Dict[str, List[float]]


class Worker:
    """A process of the Go program, which gives samples."""

    def __init__(self, program: Path, simd: Optional[str] = None) -> None:
        environment = dict(os.environ)
        environment.pop("DPATTN_SIMD", None)
        if simd is not None:
            environment["DPATTN_SIMD"] = simd
        self.process = subprocess.Popen(
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, op: str, **request: Any) -> Dict[str, Any]:
        """One sample."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"op": op, **request}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the Go program ended (exit code {self.process.wait()}) on {op} {request}")
        answer: Dict[str, Any] = json.loads(line)
        return answer

    def sampler(self, op: str, key: str, **request: Any) -> Sampler:
        """Ask for one figure."""
        return lambda: self.ask(op, **request)[key]

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def interleave(rounds: int, samplers: Dict[str, Sampler]) -> Samples:
    """Sample each in turn, `rounds` times, after one turn to warm up; leave out what gives None."""
    taken: Samples = {}
    for turn in range(rounds + 1):
        for name, sampler in samplers.items():
            value = sampler()
            if value is not None and turn > 0:
                taken.setdefault(name, []).append(value)
    return taken


def median(samples: Samples, name: str, digits: int = 4) -> Optional[float]:
    """The median of what was measured under that name."""
    return rounded(statistics.median(samples[name]), digits) if name in samples else None


def ratio(samples: Samples, over: str, under: str, factor: float = 1.0) -> Optional[float]:
    """The median of the turns' ratios."""
    if over not in samples or under not in samples:
        return None
    return rounded(statistics.median(factor * a / b for a, b in zip(samples[over], samples[under])))


def rounded(value: float, digits: int = 4) -> float:
    """So many significant digits."""
    return float(f"{value:.{digits}g}")


def say(text: str) -> None:
    """Progress, which is not part of the table."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Bench:
    """All measurements of one run."""

    def __init__(self, build: Path, quick: bool) -> None:
        self.build, self.quick = build, quick
        self.rounds, self.ms = (3, 15) if quick else (9, 30)
        self.seconds = self.ms / 1000
        self.worker = Worker(build / "samples")
        self.machine = self.worker.ask("machine")
        self.all = int(self.machine["threads"])
        self.threads = sorted({1, self.all})
        self.workers = {str(self.machine["simd"]): self.worker}
        for path in PATHS:
            if path not in self.workers:
                worker = Worker(build / "samples", path)
                if worker.ask("machine")["simd"] == path:
                    self.workers[path] = worker
                else:
                    worker.close()
        self.active = str(self.machine["simd"])
        self.probed: Dict[Tuple[str, int], List[float]] = {}
        # What a thread's piece of memory must measure to lie in a level.
        l1, l2, l3 = (int(self.machine[level]) for level in ("l1", "l2", "l3"))
        l1, l2, l3 = (size if size > 0 else usual for size, usual in ((l1, 32 << 10), (l2, 1 << 20), (l3, 16 << 20)))
        self.capacity = {"L1": l1, "L2": l2, "L3": l3}
        self.pieces = {"L1": l1 // 2, "L2": l2 // 2, "L3": max(2 * l2, l3 // 4), "DRAM": max(4 * l3, 1 << 28)}

    # ---- Samplers ----

    def limit(self, name: str, threads: int) -> Sampler:
        """A loop of multiply-adds, in GMAC/s."""
        ask = self.worker.sampler("probe", "gmac_s", name=name, threads=threads, ms=self.ms)
        return self._probe(name, threads, ask)

    def read(self, level: str, threads: int) -> Sampler:
        """Reading from a level, in GB/s of all threads together."""
        size = self.pieces[level] if level in {"L1", "L2"} else self.pieces[level] // threads
        ask = self.worker.sampler("read", "gb_s", bytes=size, threads=threads, ms=self.ms)
        return self._probe(level, threads, ask)

    def _probe(self, name: str, threads: int, ask: Sampler) -> Sampler:
        def sample() -> Optional[float]:
            value = ask()
            if value is not None:
                self.probed.setdefault((name, threads), []).append(value)
            return value

        return sample

    def level(self, size: float, threads: int) -> str:
        """Where `size` bytes lie that `threads` threads share."""
        if size / threads <= self.capacity["L1"]:
            return "L1"
        if size / threads <= self.capacity["L2"]:
            return "L2"
        return "L3" if size <= self.capacity["L3"] else "DRAM"

    # ---- Sections of bench.json ----

    def measure(self, sections: Sequence[str]) -> Dict[str, Any]:
        """The sections named; the machine and its limits in any case."""
        started = time.time()
        load = os.getloadavg()[0]
        measured = {}
        for name in sections:
            say(f"{name} ...")
            measured[name] = getattr(self, f"measure_{name}")()
        peak = self.measure_peak()
        machine = {
            **{key: self.machine[key] for key in ("cpu", "simd", "threads", "os", "arch", "go")},
            "python": platform.python_version(),
            **peers.versions(),
            "cache_bytes": self.capacity,
            "load_before": rounded(load, 2),
            "load_after": rounded(os.getloadavg()[0], 2),
            "date": time.strftime("%Y-%m-%d", time.gmtime(started)),
            "seconds": round(time.time() - started),
            "quick": self.quick,
        }
        for worker in self.workers.values():
            worker.close()
        return {"machine": machine, "peak": peak, **measured}

    def measure_peak(self) -> Dict[str, Any]:
        """The limits, from all samples of the run."""
        names = ("vpdpwssd", "vpmaddwd_zmm", "vpmaddwd_ymm", "fma_f32")
        for threads in self.threads:
            interleave(
                self.rounds,
                {
                    **{name: self.limit(name, threads) for name in names},
                    **{level: self.read(level, threads) for level in self.pieces},
                },
            )
        peak: Dict[str, Any] = {f"{name}_gmac_s": median(self._probed(1), name) for name in names}
        peak["read_gb_s"] = {level: median(self._probed(1), level) for level in self.pieces}
        if self.all > 1:
            together = self._probed(self.all)
            peak["all_threads"] = {f"{name}_gmac_s": median(together, name) for name in names}
            peak["all_threads"]["read_gb_s"] = {level: median(together, level) for level in self.pieces}
        return peak

    def _probed(self, threads: int) -> Samples:
        return {name: values for (name, n), values in self.probed.items() if n == threads}

    def measure_build(self) -> List[Dict[str, Any]]:
        """Summing rows: by the kernels alone, and by Builder.add from float32 rows."""
        result = []
        for shape in SHAPES:
            d, dv, s = shape
            sgemm = peers.Sgemm(report.features(d, s), dv + 1)
            # All thread counts in one turn, so that two threads are compared with one.
            samplers: Dict[str, Sampler] = {}
            cases: List[Tuple[str, int, int]] = []
            for path, worker in self.workers.items():
                for threads in self.threads:
                    slow = path == "generic"
                    if (slow and (shape != SHAPES[0] or threads > 1)) or (
                        self.quick and path != self.active and shape != SHAPES[0]
                    ):
                        continue
                    case = {"d": d, "dv": dv, "s": s, "threads": threads, "ms": self.ms}
                    n = 512 if slow else ROWS[shape]
                    cases.append((path, threads, n))
                    samplers[f"sums {path} {threads}"] = worker.sampler("sums", "gmac_s", **case, n=min(n, 4096))
                    samplers[f"add {path} {threads}"] = worker.sampler("add", "gmac_s", **case, n=n)
                    if path in LIMITS:
                        samplers[f"{LIMITS[path]} {threads}"] = self.limit(LIMITS[path], threads)
            for threads in self.threads:
                samplers[f"fma_f32 {threads}"] = self.limit("fma_f32", threads)
                samplers[f"sgemm {threads}"] = functools.partial(sgemm.sample, threads, self.seconds)
            taken = interleave(self.rounds, samplers)
            for path, threads, n in cases:
                ours, whole = f"sums {path} {threads}", f"add {path} {threads}"
                bound = f"{LIMITS.get(path)} {threads}"
                gmac_s = median(taken, whole)
                assert gmac_s is not None
                result.append(
                    {
                        **{"d": d, "dv": dv, "s": s, "n": n, "threads": threads, "simd": path},
                        "gmac_s": median(taken, ours),
                        "of_peak": ratio(taken, ours, bound),
                        "vs_sgemm": ratio(taken, ours, f"sgemm {threads}"),
                        "vs_fma": ratio(taken, ours, f"fma_f32 {threads}"),
                        "vs_one_thread": ratio(taken, ours, f"sums {path} 1"),
                        "add_rows_s": rounded(gmac_s * 1e9 / report.macs(d, dv, s)),
                        "add_gmac_s": gmac_s,
                        "add_of_peak": ratio(taken, whole, bound),
                        "add_vs_one_thread": ratio(taken, whole, f"add {path} 1"),
                        "sgemm_gmac_s": median(taken, f"sgemm {threads}"),
                    }
                )
        return result

    def measure_attend(self) -> List[Dict[str, Any]]:
        """Queries, beside the time that reading the state and the multiply-adds take at least."""
        result = []
        for d, dv, s in SHAPES:
            for batch in BATCHES:
                for threads in self.threads:
                    size = {"d": d, "dv": dv, "s": s, "n": 1 << 16}
                    case = {**size, "batch": batch, "threads": threads, "ms": self.ms}
                    about = self.worker.ask("attend", **case)
                    state, macs = float(about["bytes"]), float(about["macs"])
                    level = self.level(state, threads)
                    samplers = {
                        "us": self.worker.sampler("attend", "us", **case),
                        "fma_f32": self.limit("fma_f32", threads),
                        "read": self.read(level, threads),
                    }
                    taken = interleave(self.rounds, samplers)
                    least = [
                        max(state / gb_s, batch * macs / gmac_s) / batch / 1e3
                        for gb_s, gmac_s in zip(taken.get("read", []), taken.get("fma_f32", []))
                    ]
                    if least:
                        taken["least"] = least
                    taken["gmac_s"] = [macs / us / 1e3 for us in taken["us"]]
                    result.append(
                        {
                            **{"d": d, "dv": dv, "s": s, "batch": batch, "threads": threads},
                            "us_per_query": median(taken, "us"),
                            "of_limit": ratio(taken, "least", "us"),
                            "limit_us": median(taken, "least"),
                            "simd": self.active,
                            "gmac_s": median(taken, "gmac_s"),
                            "of_fma": ratio(taken, "gmac_s", "fma_f32"),
                            "state_bytes": int(state),
                            "level": level,
                        }
                    )
        return result

    def measure_exact(self) -> List[Dict[str, Any]]:
        """Exact attention over n rows, beside our releases of n rows of degree 2 and 3."""
        result: List[Dict[str, Any]] = []
        d = dv = 64
        for n in LENGTHS_QUICK if self.quick else LENGTHS:
            context = peers.Context(n, d, dv, max(BATCHES))
            exact: List[peers.Peer] = [
                peers.Numpy(context),
                peers.Onnx(context),
                peers.Flash(self.build / "flash.so", context),
            ]
            for batch in BATCHES:
                for threads in self.threads:
                    case = {"d": d, "dv": dv, "n": n, "batch": batch, "threads": threads, "ms": self.ms}
                    samplers: Dict[str, Sampler] = {}
                    for degree in (2, 3):
                        samplers[f"ours {degree}"] = self.worker.sampler("attend", "us", s=degree, **case)
                    for peer in exact:
                        samplers[peer.name] = functools.partial(peer.sample, batch, threads, self.seconds)
                    heavy = n * batch > 1 << 24
                    taken = interleave(3 if heavy else self.rounds, samplers)
                    result.extend(
                        {
                            **{"peer": peer.name, "d": d, "n": n, "batch": batch, "threads": threads},
                            "us_per_query": median(taken, peer.name),
                            "ratio": ratio(taken, peer.name, "ours 2"),
                            "ratio_s3": ratio(taken, peer.name, "ours 3"),
                            "ours_us": median(taken, "ours 2"),
                            "ours_s3_us": median(taken, "ours 3"),
                        }
                        for peer in exact
                    )
            say(f"exact: n = {n:,} done")
        return result

    def measure_codebook(self) -> Dict[str, Any]:
        """Codebook releases: rows beside the limit, queries beside exact attention over C keys."""
        build: List[Dict[str, Any]] = []
        attend: List[Dict[str, Any]] = []
        load = os.getloadavg()[0]
        for (cells, d, dv), n in CODEBOOKS.items():
            size = {"cells": cells, "d": d, "dv": dv}
            samplers: Dict[str, Sampler] = {}
            for threads in self.threads:
                case = {**size, "n": n, "threads": threads, "ms": self.ms}
                samplers[f"add {threads}"] = self.worker.sampler("codebook_add", "gmac_s", **case)
                if self.active in LIMITS:
                    samplers[f"limit {threads}"] = self.limit(LIMITS[self.active], threads)
            taken = interleave(self.rounds, samplers)
            for threads in self.threads:
                gmac_s = median(taken, f"add {threads}")
                assert gmac_s is not None
                build.append(
                    {
                        **{**size, "threads": threads, "simd": self.active},
                        "add_rows_s": rounded(gmac_s * 1e9 / (cells * d)),
                        "add_gmac_s": gmac_s,
                        "add_of_peak": ratio(taken, f"add {threads}", f"limit {threads}"),
                        "add_vs_one_thread": ratio(taken, f"add {threads}", "add 1"),
                    }
                )
            context = peers.Context(cells, d, dv, max(BATCHES))
            exact: List[peers.Peer] = [
                peers.Numpy(context),
                peers.Onnx(context),
                peers.Flash(self.build / "flash.so", context),
            ]
            for batch in BATCHES:
                for threads in self.threads:
                    case = {**size, "batch": batch, "threads": threads, "ms": self.ms}
                    samplers = {"ours": self.worker.sampler("codebook_attend", "us", **case)}
                    for peer in exact:
                        samplers[peer.name] = functools.partial(peer.sample, batch, threads, self.seconds)
                    taken = interleave(self.rounds, samplers)
                    taken["best"] = [min(turn) for turn in zip(*(taken[peer.name] for peer in exact))]
                    attend.append(
                        {
                            **{**size, "batch": batch, "threads": threads},
                            "ours_us": median(taken, "ours"),
                            **{f"{peer.name}_us": median(taken, peer.name) for peer in exact},
                            "of_fastest": ratio(taken, "ours", "best"),
                        }
                    )
        where = {key: self.machine[key] for key in ("cpu", "simd", "threads")}
        return {
            "machine": {**where, "load_before": rounded(load, 2), "load_after": rounded(os.getloadavg()[0], 2)},
            "build": build,
            "attend": attend,
        }

    def measure_noise(self) -> Dict[str, Any]:
        """Exact samples a second, by one thread and by all."""
        taken = interleave(
            self.rounds,
            {
                str(threads): self.worker.sampler("noise", "samples_s", threads=threads, ms=self.ms)
                for threads in self.threads
            },
        )
        return {"samples_per_s": median(taken, "1"), "samples_per_s_all_threads": median(taken, str(self.all))}

    def measure_abi(self) -> Dict[str, Any]:
        """Calls from C and from Python, nothing to do and one tiny query."""
        library = {**os.environ, "DPATTN_LIBRARY": str(self.build.parent / "libdpattn.so")}
        taken: Samples = {}
        commands = {"c": [str(self.build / "call")], "python": [sys.executable, str(HERE / "call.py")]}
        for _ in range(self.rounds):
            for name, command in commands.items():
                done = subprocess.run(command, env=library, check=True, capture_output=True, text=True)
                for key, value in json.loads(done.stdout).items():
                    taken.setdefault(f"{name} {key}", []).append(float(value))
        # What Python adds: a tiny query from Python, less the same from C.
        taken["added"] = [a - b for a, b in zip(taken["python attend_ns"], taken["c attend_ns"])]
        return {
            "c_call_ns": median(taken, "c nothing_ns", 3),
            "python_call_ns": median(taken, "added", 3),
            "c_info_ns": median(taken, "c info_ns", 3),
            "c_attend_ns": median(taken, "c attend_ns", 3),
            "python_attend_ns": median(taken, "python attend_ns", 3),
            "python_out_ns": median(taken, "python out_ns", 3),
            "python_bound_ns": median(taken, "python bound_ns", 3),
            "python_no_queries_ns": median(taken, "python nothing_ns", 3),
        }

    def measure_memory(self) -> List[Dict[str, Any]]:
        """The peak of a process that builds the sums of n rows."""
        result = []
        for d, dv, s in SHAPES[:1] if self.quick else SHAPES[:2]:
            for n in (100_000, 1_000_000):
                worker = Worker(self.build / "samples")
                answer = worker.ask("memory", d=d, dv=dv, s=s, n=n)
                worker.close()
                if answer["peak"] is None:
                    continue
                result.append(
                    {
                        **{"n": n, "peak_mb": rounded(answer["peak"] / 1e6), "d": d, "s": s},
                        "before_mb": rounded(answer["before"] / 1e6),
                        "state_mb": rounded(answer["state"] / 1e6),
                    }
                )
        return result


def give_blas_its_kernels() -> None:
    """Start again with OpenBLAS's AVX-512 kernels where it would take others."""
    info = Path("/proc/cpuinfo")
    has = info.is_file() and " avx512bw " in info.read_text()
    if (
        has
        and peers.versions()["blas"].endswith(("Haswell", "Zen"))
        and os.environ.get("OPENBLAS_CORETYPE") != "SkylakeX"
    ):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "OPENBLAS_CORETYPE": "SkylakeX"})


def main() -> None:
    """Measure, write, print."""
    give_blas_its_kernels()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=Path("build/bench"), help="where the programs are")
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter samples")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="measure these again and keep the rest of --out")
    options = parser.parse_args()
    result = json.loads(options.out.read_text()) if options.only else {}
    result.update(Bench(options.build.resolve(), options.quick).measure(options.only or SECTIONS))
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(report.text(result))
    print(f"\n{options.out}: written")


if __name__ == "__main__":
    main()
