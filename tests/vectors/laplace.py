"""Makes laplace.json, by mpmath alone: deltas of truncated Laplace noise, and compositions."""

import json
from pathlib import Path

from mpmath import exp, log, mp, mpf, sqrt

mp.dps = 60


def digits(x: mpf) -> str:
    return mp.nstr(x, 40)


def strip(num: int, den: int, support: int, shift: int) -> mpf:
    """P(X > support - shift): summed term by term if few, else by the geometric series."""
    rho = exp(-mpf(den) / num)
    if support <= 20000:
        mass = mp.fsum(rho ** abs(x) for x in range(-support, support + 1))
        return mp.fsum(rho ** abs(x) for x in range(support - shift + 1, support + 1)) / mass
    return (rho ** (support - shift + 1) - rho ** (support + 1)) / (1 + rho - 2 * rho ** (support + 1))


LAWS = [  # num, den, support, shift
    (5, 2, 9, 1),
    (5, 2, 9, 9),
    (1, 3, 4, 2),
    (1000, 7, 12, 5),
    (65536 * 20, 65536, 300, 1),
    (65536 * 1000 + 17, 65536, 17000, 1024),
    (3 << 40, 1, 60 << 40, 1 << 30),
    ((1 << 52) + 12345, 1, 1 << 56, 1 << 30),
    (1 << 61, 1, (1 << 61) + 99, 1 << 30),
    (7, 1, 3000, 7),
    (1, 1, 2, 1),
]

COMPOSITIONS = [  # k, epsilon0, delta0, delta'; 0 for the basic rule
    (1, 1.0, 1e-6, 0.0),
    (17, 0.03125, 1e-9, 0.0),
    (100, 0.01, 1e-9, 1e-6),
    (12345, 2.0**-10, 1e-12, 5e-7),
    (10**8, 2.0**-16, 1e-16, 1e-7),
    (3, 2.5, 0.01, 0.3),
]


def composition(k: int, e0: float, d0: float, prime: float) -> dict[str, object]:
    epsilon = k * mpf(e0)
    if prime:
        epsilon = sqrt(2 * k * log(1 / mpf(prime))) * e0 + k * mpf(e0) * (exp(mpf(e0)) - 1)
    return {
        "rule": "advanced" if prime else "basic",
        "k": k,
        "epsilon0": e0,
        "delta0": d0,
        "delta_prime": prime,
        "epsilon": digits(epsilon),
        "delta": digits(k * mpf(d0) + mpf(prime)),
    }


if __name__ == "__main__":
    strips = [{"num": n, "den": d, "support": a, "shift": s, "delta": digits(strip(n, d, a, s))} for n, d, a, s in LAWS]
    vectors = {"strips": strips, "compositions": [composition(*c) for c in COMPOSITIONS]}
    Path(__file__).with_suffix(".json").write_text(json.dumps(vectors, indent=1) + "\n")
