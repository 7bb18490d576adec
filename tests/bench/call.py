"""What a call from Python costs.

Prints JSON: nanoseconds of Release.attend without queries (the arguments alone), and of one tiny query.
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
result = {}
for name, rows in (("nothing_ns", 0), ("attend_ns", 1)):
    call = timeit.Timer(functools.partial(release.attend, np.full((rows, 4), 0.5, np.float32)))
    call.timeit(COUNT)
    result[name] = statistics.median(call.repeat(PIECES, COUNT)) / COUNT * 1e9
print(json.dumps(result))
