"""How often the depth study claims a change where there is none, and how well it finds a planted crossing.

Run as ``python -m tests.benchmarks.studies.bench_study_depth [WORLDS] [WORKERS]``.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from sae_backend.studies.framework.run import run_study
from tests.worlds.depth import blocks, world_of
from tests.worlds.vectors.views import DepthSchedule

FLAT = DepthSchedule(n_layers=4, biology=(0.8, 0.8), scanner=(0.6, 0.6))
RISING = DepthSchedule(n_layers=6)
SPEC = {"n_bootstrap": 19, "n_permutations": 19, "n_shuffles": 9, "most_tiles": 100}


def main() -> None:
    """Measure and print."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    n_workers = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with ProcessPoolExecutor(n_workers) as pool:
        for null in (False, True):
            kind = "cells independent of the vectors" if null else "cells that follow features"
            rows = list(pool.map(flat, [(seed, null) for seed in range(n)]))
            print(
                f"flat encoder, {kind}: {n} worlds of 24 slides of 24 patients, 4 blocks; claims of a change"
            )
            for name in rows[0]:
                print(
                    f"  {name:<40}{sum(row[name] for row in rows):>5} ({np.mean([row[name] for row in rows]):.1%})"
                )
        found = list(pool.map(rising, range(n)))
    off = np.array([row["place"] for row in found]) - (RISING.crossing or 0)
    print(f"rising encoder, crossing at block {RISING.crossing}: {n} worlds, 6 blocks")
    print(f"  found at the block {np.mean(off == 0):.0%}, within one {np.mean(abs(off) <= 1):.0%}")
    print(f"  interval holds it {np.mean([row['holds'] for row in found]):.0%}")
    for name in ("mean r rises", "scanner's share falls", "features' share rises"):
        print(f"  {name:<40}{np.mean([row[name] for row in found]):.0%}")


def flat(world: tuple[int, bool]) -> dict[str, bool]:
    """What is claimed of a flat encoder."""
    seed, null = world
    arrays = run_study("depth", blocks(world_of(1000 + seed, null=null), FLAT), SPEC, quiet).arrays
    r = _moved(arrays["slope/family_low"], arrays["slope/family_high"])
    shares = _moved(arrays["variance/slope_low"], arrays["variance/slope_high"])
    return {
        "mean r": bool(r[0]),
        "r of any type": bool(r[1:].any()),
        "share of scanner": bool(shares[0]),
        "share of features": bool(shares[1]),
        "share of cells": bool(shares[2]),
        "anything at all": bool(r.any() or shares.any()),
    }


def rising(seed: int) -> dict[str, Any]:
    """What is found where biology rises and the scanner fades."""
    arrays = run_study("depth", blocks(world_of(2000 + seed), RISING), SPEC, quiet).arrays
    place, first, last = (int(k) + 1 for k in arrays["variance/crossing"])
    crossing = RISING.crossing or 0
    return {
        "place": place,
        "holds": first <= crossing and (last >= crossing or last == 0),
        "mean r rises": bool(arrays["slope/family_low"][0] > 0),
        "scanner's share falls": bool(arrays["variance/slope_high"][0] < 0),
        "features' share rises": bool(arrays["variance/slope_low"][1] > 0),
    }


def _moved(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return (low > 0) | (high < 0)


def quiet(_stage: str, _done: int, _total: int) -> None:
    """Say nothing."""


if __name__ == "__main__":
    main()
