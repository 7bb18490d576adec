"""Makes laplace.json: exact deltas of truncated Laplace laws and totals of compositions, with mpmath and none of the library's code."""

import json
from pathlib import Path

from mpmath import exp, log, mp, mpf, sqrt

mp.dps = 60


def digits(x: mpf) -> str:
    return mp.nstr(x, 40)


def strip(num: int, den: int, support: int, shift: int) -> mpf:
    """P(X > support - shift): summed term by term where there are few of them, by the geometric series elsewhere."""
    rho = exp(-mpf(den) / num)
    if support <= 20000:
        mass = mp.fsum(rho ** abs(x) for x in range(-support, support + 1))
        return mp.fsum(rho ** abs(x) for x in range(support - shift + 1, support + 1)) / mass
    return (rho ** (support - shift + 1) - rho ** (support + 1)) / (1 + rho - 2 * rho ** (support + 1))


def laws() -> list[dict[str, object]]:
    cases = [
        (5, 2, 9, 1), (5, 2, 9, 9), (1, 3, 4, 2), (1000, 7, 12, 5), (65536 * 20, 65536, 300, 1), (65536 * 1000 + 17, 65536, 17000, 1024),
        (3 << 40, 1, 60 << 40, 1 << 30), ((1 << 52) + 12345, 1, 1 << 56, 1 << 30), (1 << 61, 1, (1 << 61) + 99, 1 << 30), (7, 1, 3000, 7), (1, 1, 2, 1),
    ]  # fmt: skip
    return [{"num": n, "den": d, "support": a, "shift": s, "delta": digits(strip(n, d, a, s))} for n, d, a, s in cases]


def compositions() -> list[dict[str, object]]:
    out = []
    for k, e0, d0, prime in [(1, 1.0, 1e-6, 0.0), (17, 0.03125, 1e-9, 0.0), (100, 0.01, 1e-9, 1e-6), (12345, 2.0**-10, 1e-12, 5e-7), (10**8, 2.0**-16, 1e-16, 1e-7), (3, 2.5, 0.01, 0.3)]:
        basic = prime == 0
        e = mpf(k) * e0 if basic else sqrt(2 * k * log(1 / mpf(prime))) * e0 + k * mpf(e0) * (exp(mpf(e0)) - 1)
        out.append({"rule": "basic" if basic else "advanced", "k": k, "epsilon0": e0, "delta0": d0, "delta_prime": prime, "epsilon": digits(e), "delta": digits(k * mpf(d0) + mpf(prime))})
    return out


if __name__ == "__main__":
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps({"strips": laws(), "compositions": compositions()}, indent=1) + "\n")
