"""What a call from Python costs.

Prints JSON, in nanoseconds: Release.attend without queries (the arguments alone), with one tiny
query, the same into an output that is there already, and the same bound by Release.bind.
"""

import functools
import json
import statistics
import timeit

import numpy as np

import dpattn

params = dpattn.Params(
    key_dim=4, value_dim=4, key_bound=1.0, value_bound=1.0, query_bound=1.0, adjacency="add_remove", degree=2
)
builder = dpattn.Builder(params)
builder.add(np.full((8, 4), 0.1, np.float32), np.full((8, 4), 0.1, np.float32))
release = builder.release(epsilon=1.0, delta=1e-6)

PIECES, COUNT = 100, 100
nothing, one, out = np.empty((0, 4), np.float32), np.full((1, 4), 0.5, np.float32), np.empty((1, 4), np.float32)
result = {}
for name, call in {
    "nothing_ns": functools.partial(release.attend, nothing),
    "attend_ns": functools.partial(release.attend, one),
    "out_ns": functools.partial(release.attend, one, out),
    "bound_ns": release.bind(one, out),
}.items():
    timer = timeit.Timer(call)
    timer.timeit(COUNT)
    result[name] = statistics.median(timer.repeat(PIECES, COUNT)) / COUNT * 1e9
print(json.dumps(result))
