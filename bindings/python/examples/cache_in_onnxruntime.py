"""A private key-value cache in onnxruntime: the ONNX operator Attention with a float mask.

The cache is that of private_cache.py. It becomes constants of a graph, so that the model file is
all that a machine needs to answer: neither dpattn nor Python.

    python private_cache.py FOLDER && python cache_in_onnxruntime.py FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file

import dpattn

OPSET = 23  # the first with Attention


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder

    onnx.save(graph(load_file(folder / "digits.safetensors")), folder / "digits.onnx")
    session = onnxruntime.InferenceSession(folder / "digits.onnx", providers=["CPUExecutionProvider"])
    query = np.load(folder / "queries.npy")
    (answer,) = session.run(None, {"query": query[None, None]})  # [batch, heads, m, d]

    release = dpattn.load(folder / "digits.dpa")
    print(release)
    print(f"onnxruntime: largest difference {np.abs(answer[0, 0] - release.attend(query)).max():.1e}")


def graph(cache: dict[str, np.ndarray]) -> onnx.ModelProto:
    """A model from queries [1, heads, m, d] to answers."""
    heads, _, key_dim = cache["keys"].shape
    value_dim = cache["values"].shape[-1]
    constants = {
        "keys": cache["keys"][None],
        "values": cache["values"][None],
        "bias": cache["bias"][None, :, None],  # [1, heads, 1, cells]: the same for all queries ...
        "ones": np.ones(2, np.int64),
        "one": np.ones(1, np.int64),
    }
    make = onnx.helper.make_node
    nodes = [  # ... of which onnxruntime wants one each
        make("Shape", ["query"], ["m"], start=2, end=3),
        make("Concat", ["ones", "m", "one"], ["shape"], axis=0),
        make("Expand", ["bias", "shape"], ["mask"]),
        make("Attention", ["query", "keys", "values", "mask"], ["answer"], scale=float(cache["scale"])),
    ]
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, heads, "m", dim])
        for name, dim in (("query", key_dim), ("answer", value_dim))
    ]
    initializers = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    body = onnx.helper.make_graph(nodes, "private cache", ends[:1], ends[1:], initializers)
    opset = onnx.helper.make_opsetid("", OPSET)
    return onnx.helper.make_model(body, opset_imports=[opset], ir_version=11)


if __name__ == "__main__":
    main()
