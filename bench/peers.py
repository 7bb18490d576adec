"""The benchmark's peers: exact attention by numpy, onnxruntime and flash.c, and OpenBLAS's sgemm.

Each peer answers queries Q [batch, d] over keys K [n, d] and values V [n, dv], all float32, with
softmax(scale * Q K^T) V. `sample` returns microseconds a query, measured over at least `seconds`.
"""

from __future__ import annotations

import ctypes
import functools
import statistics
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Protocol, Tuple

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime  # type: ignore[import-untyped]
import threadpoolctl  # type: ignore[import-untyped]

Matrix = npt.NDArray[np.float32]

PANEL = 16  # keys that lie side by side in flash.c
OPSET = 23  # the first with Attention

# The least time that is measured at once, in seconds.
PIECE = 1e-4

# Their idle threads spin for a while, which would disturb whoever comes next.
CALM = 0.1


def timed(call: Callable[[], object], seconds: float) -> float:
    """Seconds of a call: the median of short pieces, as in samples/, without the first."""
    pieces: List[float] = []
    start = time.perf_counter()
    while len(pieces) < 2 or time.perf_counter() - start < seconds:
        count, took, began = 0, 0.0, time.perf_counter()
        while took < PIECE:
            call()
            count += 1
            took = time.perf_counter() - began
        pieces.append(took / count)
    return statistics.median(pieces[1:])


class Context:
    """Keys, values and queries, and the true answer."""

    def __init__(self, n: int, d: int, dv: int, batch: int) -> None:
        rng = np.random.default_rng(n)
        self.K = rng.standard_normal((n, d), np.float32)
        self.V = rng.standard_normal((n, dv), np.float32)
        self.Q = rng.standard_normal((batch, d), np.float32)
        self.scale = 1 / np.sqrt(np.float32(d))
        self.truth = np.concatenate([numpy_attention(q[None], self.K, self.V, self.scale) for q in self.Q[:2]])

    def check(self, peer: str, answer: Matrix) -> None:
        """Refuse a peer that is fast and wrong."""
        some = min(len(answer), len(self.truth))
        if not np.allclose(answer[:some], self.truth[:some], rtol=1e-3, atol=1e-4):
            raise AssertionError(f"{peer} is wrong for n = {len(self.K)}")


def numpy_attention(Q: Matrix, K: Matrix, V: Matrix, scale: np.float32) -> Matrix:
    """Attention as one writes it."""
    weights = (Q * scale) @ K.T
    weights -= weights.max(axis=1, keepdims=True)
    np.exp(weights, out=weights)
    total = weights.sum(axis=1, keepdims=True)
    answer: Matrix = (weights @ V) / total
    return answer


class Peer(Protocol):
    """Whoever answers exactly."""

    name: str

    def sample(self, batch: int, threads: int, seconds: float) -> float:
        """Microseconds a query."""


class Numpy:
    """Exact attention by numpy, whose products are OpenBLAS's."""

    name = "numpy"

    def __init__(self, context: Context) -> None:
        self.context = context

    def sample(self, batch: int, threads: int, seconds: float) -> float:
        """Microseconds a query."""
        c = self.context
        Q = c.Q[:batch]
        with threadpoolctl.threadpool_limits(threads):
            took = timed(lambda: numpy_attention(Q, c.K, c.V, c.scale), seconds)
        time.sleep(CALM if threads > 1 else 0)
        return took / batch * 1e6


class Flash:
    """Exact attention by flash.c."""

    name = "flash"

    def __init__(self, library: Path, context: Context) -> None:
        c = self.context = context
        pad = ((0, -len(c.K) % PANEL), (0, 0))
        self.K = np.ascontiguousarray(np.pad(c.K, pad).reshape(-1, PANEL, c.K.shape[1]).transpose(0, 2, 1))
        self.V = np.pad(c.V, pad)
        self.run = ctypes.CDLL(str(library)).flash
        self.run.restype = ctypes.c_double
        number, pointer = ctypes.c_int, ctypes.c_void_p
        self.run.argtypes = [pointer] * 4 + [ctypes.c_long, number, number, ctypes.c_float, number, ctypes.c_double]
        if c.V.shape[1] != 64:
            raise ValueError("flash.c is for value_dim = 64")

    def sample(self, batch: int, threads: int, seconds: float) -> float:
        """Microseconds a query."""
        c = self.context
        out = np.empty((batch, c.V.shape[1]), np.float32)
        data = (a.ctypes.data for a in (c.Q, self.K, self.V, out))
        took: float = self.run(*data, len(c.K), batch, c.K.shape[1], c.scale, threads, seconds)
        if took < 0:
            raise MemoryError("flash.c")
        c.check(self.name, out)
        return took / batch * 1e6


def graphs(d: int, scale: float) -> Dict[str, onnx.ModelProto]:
    """Attention as ONNX knows it: the operator, onnxruntime's own operator, and in parts."""
    node = onnx.helper.make_node
    attention = node("Attention", ["Q", "K", "V"], ["Y"], q_num_heads=1, kv_num_heads=1, scale=scale)
    own = node("MultiHeadAttention", ["Q", "K", "V"], ["Y"], domain="com.microsoft", num_heads=1, scale=scale)
    factor = onnx.numpy_helper.from_array(np.array(scale, np.float32), "scale")
    parts = [
        node("Mul", ["Q", "scale"], ["scaled"]),
        node("Transpose", ["K"], ["KT"], perm=[0, 2, 1]),
        node("MatMul", ["scaled", "KT"], ["logits"]),
        node("Softmax", ["logits"], ["weights"], axis=-1),
        node("MatMul", ["weights", "V"], ["Y"]),
    ]
    ways = {"Attention": ([attention], []), "MultiHeadAttention": ([own], []), "parts": (parts, [factor])}
    models = {}
    for name, (nodes, constants) in ways.items():
        info = [
            onnx.helper.make_tensor_value_info(x, onnx.TensorProto.FLOAT, [1, rows, width])
            for x, rows, width in (("Q", "m", d), ("K", "n", d), ("V", "n", "dv"), ("Y", "m", "dv"))
        ]
        graph = onnx.helper.make_graph(nodes, name, info[:3], info[3:], constants)
        opsets = [onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid("com.microsoft", 1)]
        models[name] = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return models


class Onnx:
    """Exact attention by onnxruntime on the CPU: the fastest of several graphs, chosen by trial."""

    name = "onnxruntime"

    def __init__(self, context: Context) -> None:
        self.context = context
        self.chosen: Dict[Tuple[int, int], Any] = {}

    def _session(self, model: onnx.ModelProto, threads: int) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def sample(self, batch: int, threads: int, seconds: float) -> float:
        """Microseconds a query."""
        c = self.context
        feeds = {"Q": c.Q[None, :batch], "K": c.K[None], "V": c.V[None]}
        if (batch, threads) not in self.chosen:
            trials: List[Tuple[float, int, Any]] = []
            for number, model in enumerate(graphs(c.K.shape[1], float(c.scale)).values()):
                session = self._session(model, threads)
                c.check(self.name, session.run(["Y"], feeds)[0][0])
                trials.append((timed(functools.partial(session.run, ["Y"], feeds), seconds), number, session))
            self.chosen[batch, threads] = min(trials)[2]
        session = self.chosen[batch, threads]
        took = timed(functools.partial(session.run, ["Y"], feeds), seconds)
        time.sleep(CALM if threads > 1 else 0)
        return took / batch * 1e6


class Sgemm:
    """phi^T U by sgemm, phi [rows, r] given for free in whichever order is faster."""

    def __init__(self, features: int, columns: int) -> None:
        # About 16 million numbers of phi: more would not make sgemm faster.
        self.rows = max(256, (1 << 24) // features // 64 * 64)
        rng = np.random.default_rng(0)
        self.macs = self.rows * features * columns
        self.phi = rng.standard_normal((features, self.rows), np.float32)
        self.U = rng.standard_normal((self.rows, columns), np.float32)
        self.out = np.empty((features, columns), np.float32)
        self.turned = np.ascontiguousarray(self.phi.T)

    def sample(self, threads: int, seconds: float) -> float:
        """GMAC/s."""
        with threadpoolctl.threadpool_limits(threads):
            took = min(
                timed(lambda: np.matmul(self.phi, self.U, out=self.out), seconds / 2),
                timed(lambda: np.matmul(self.turned.T, self.U, out=self.out), seconds / 2),
            )
        time.sleep(CALM if threads > 1 else 0)
        return self.macs / took / 1e9


def versions() -> Dict[str, str]:
    """What the peers are."""
    blas = next((p for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"), None)
    name = (
        " ".join(str(blas[key]) for key in ("internal_api", "version", "architecture") if key in blas) if blas else ""
    )
    return {
        "numpy": np.__version__,
        "blas": name or "unknown",
        "onnxruntime": onnxruntime.__version__,
    }
