"""Libraries with one mistake each, which the audit has to catch.

The mistakes exist here only: go build -overlay puts a changed copy of one source file in the place
of the true one, so that the library has no hook for them.

    mutants.py NAME FOLDER   writes FOLDER/overlay.json and the changed file beside it
    mutants.py [--small]     lists the names of all, or of those that `make test` can afford
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Tuple

ROOT = Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One mistake: `old`, which must stand exactly once in `package`, becomes `new`.

    `games` are those in which it shows, with so many releases of each side that it is missed less
    than once in a million runs; `small` says whether `make test` can afford it.
    """

    name: str
    what: str
    package: str
    old: str
    new: str
    games: Tuple[Tuple[str, int], ...]
    small: bool = True


SQUARED = "out.Squared = square.Mul(square, m.Mul(m, m))"
DRAWN = "return s, nil\n}\n\nfunc (d *Design) newState("

ASSIGNED = "d.book(h).Assign("
MEAN = """func(x []int16, dim int) {
			for j := range dim {
				sum := 0.0
				for i := j; i < len(x); i += dim {
					sum += float64(x[i])
				}
				for i := j; i < len(x); i += dim {
					x[i] = int16((float64(x[i]) - sum/float64(len(x)/dim)) / 2)
				}
			}
		}(p.x[:rows*d.shared.KeyDim], d.shared.KeyDim)
		"""
OPENED = "return d.open(noisy), nil\n\t}\n\tall := "
BARE = """for c := d.cols - 1; c < len(noisy.Noisy); c += d.cols {
			noisy.Noisy[c] = s.exact.Exact[c]
		}
		"""

MUTANTS = (
    Mutant(
        "delta-halved",
        "half the sensitivity",
        "core/moment",
        SQUARED,
        SQUARED + "\n\tout.Squared.Rsh(out.Squared, 2)",
        (("replaced row, mu 4", 1_000),),
    ),
    Mutant(
        "delta-0.95",
        "0.95 of the sensitivity",
        "core/moment",
        SQUARED,
        SQUARED + "\n\tout.Squared.Quo(out.Squared.Mul(out.Squared, big.NewInt(361)), big.NewInt(400))",
        (("replaced row, mu 4", 50_000),),
        small=False,
    ),
    Mutant(
        "replace-as-add-remove",
        "REPLACE taken for ADD_REMOVE",
        "core/moment",
        "d.bounds().Sensitivity(replace, ",
        "d.bounds().Sensitivity(false, ",
        (("replaced row, mu 4", 3_000),),
    ),
    Mutant(
        "noise-in-two-releases",
        "the same noise in every release",
        "core/noise",
        "block, err := aes.NewCipher(",
        "clear(seed)\n\tblock, err := aes.NewCipher(",
        (("row", 300),),
    ),
    Mutant(
        "noise-in-two-coordinates",
        "the same noise in the last two coordinates",
        "core/gaussian",
        DRAWN,
        "s.Noisy[len(s.Noisy)-1] = s.Noisy[len(s.Noisy)-2]\n\t" + DRAWN,
        (("row", 300),),
    ),
    Mutant(
        "noise-in-two-blocks",
        "the same noise in every block of a large state",
        "core/noise",
        "s.open(src, uint64(b))",
        "s.open(src, 0)",
        (("large state", 10),),
        small=False,
    ),
    Mutant(
        "coordinate-bare",
        "one coordinate without noise",
        "core/gaussian",
        DRAWN,
        "s.Noisy[0] = 0\n\t" + DRAWN,
        (("row", 300),),
    ),
    Mutant(
        "sigma-low",
        "the noise 1 % below the sigma of the certificate",
        "core/gaussian",
        "noise.Gaussian(part, sigma, ",
        "noise.Gaussian(part, sigma*99/100, ",
        (("row", 6_000),),
    ),
    Mutant(
        "owner-rows-forgotten",
        "the sensitivity of an owner is that of one of his rows",
        "core/moment",
        SQUARED,
        "m.SetInt64(1)\n\t" + SQUARED,
        (("owner, mu 4", 1_000),),
        small=False,
    ),
    Mutant(
        "owner-unclipped",
        "the sum of an owner's rows is not clipped",
        "core/moment",
        "use(alone.Clip(o.d.clip))",
        "use(false)",
        (("clipped owner, mu 4", 3_000),),
        small=False,
    ),
    Mutant(
        "heads-uncomposed",
        "every head spends the whole budget",
        "core/gaussian",
        "t.Mul(t, sum).Quo(t, w)",
        "t.Mul(t, w).Quo(t, w)",
        (("two heads, mu 4", 3_000),),
        small=False,
    ),
    Mutant(
        "codebook-cells",
        "codebook: a row in another cell counts once in the sensitivity",
        "core/codebook",
        "max(2*row, 4*quant.ValueNorm2)",
        "max(row, 4*quant.ValueNorm2)",
        (("codebook, another cell, mu 4", 2_000),),
    ),
    Mutant(
        "codebook-opposite",
        "codebook: twice the squared value, not four times, in the sensitivity of the same cell",
        "core/codebook",
        "max(2*row, 4*quant.ValueNorm2)",
        "2*row",
        (("codebook, same cell, mu 4", 2_000),),
        small=False,
    ),
    Mutant(
        "codebook-mean",
        "codebook: keys are assigned to cells after the mean of their batch is taken off, in floating point",
        "core/codebook",
        ASSIGNED,
        MEAN + ASSIGNED,
        (("codebook row, mu 4", 1_000),),
    ),
    Mutant(
        "codebook-clip",
        "codebook: the sum of an owner's rows is clipped in its first cell alone",
        "core/codebook",
        "gaussian.Clip(o.data, bound)",
        "gaussian.Clip(o.data[:min(len(o.data), o.d.cols)], bound)",
        (("codebook, clipped owner, mu 4", 2_000),),
        small=False,
    ),
    Mutant(
        "codebook-masses",
        "codebook: the masses have no noise",
        "core/codebook",
        OPENED,
        BARE + OPENED,
        (("codebook row, mu 4", 300),),
    ),
)


def by_name(name: str) -> Mutant:
    return next(mutant for mutant in MUTANTS if mutant.name == name)


def write(mutant: Mutant, folder: Path) -> None:
    """Write the overlay and the changed file."""
    sources = [path for path in (ROOT / mutant.package).glob("*.go") if not path.name.endswith("_test.go")]
    found = {path: path.read_text().count(mutant.old) for path in sources}
    if sum(found.values()) != 1:
        sys.exit(
            f"mutant {mutant.name}: {mutant.package} has {sum(found.values())} places like {mutant.old!r}, not one"
        )
    source = max(sources, key=found.__getitem__)
    folder.mkdir(parents=True, exist_ok=True)
    changed = folder / f"{source.stem}.mutant"  # a name in .go would be a package of ./... in build
    changed.write_text(source.read_text().replace(mutant.old, mutant.new))
    overlay = {"Replace": {str(source): str(changed.resolve())}}
    (folder / "overlay.json").write_text(json.dumps(overlay, indent=2))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        write(by_name(sys.argv[1]), Path(sys.argv[2]))
    else:
        print(*(mutant.name for mutant in MUTANTS if mutant.small or "--small" not in sys.argv))
