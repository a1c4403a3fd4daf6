"""How often the comparison of encoders claims a difference where there is none, and where there is one.

Run as ``python -m tests.benchmarks.studies.bench_study_encoders [WORLDS] [WORKERS]``.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np

from sae_backend.studies.framework.inputs import FeatureSet
from sae_backend.studies.framework.run import run_study
from tests.worlds.depth import encoded
from tests.worlds.encoder import CROSS, first_set, other_set, rotated_set, world_of
from tests.worlds.study import study_input

SPEC = {"n_bootstrap": 19, "n_permutations": 99}
KINDS = {
    "one encoder twice, rotated, noise of its own": (0.08, 0.0),
    "the same, and the directions of each SAE off by 0.1": (0.08, 0.1),
    "the second with noise of 0.6 for 0.08": (0.6, 0.0),
}


def main() -> None:
    """Measure and print."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    n_workers = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    print(f"{n} worlds of 24 slides of 24 patients, 3 types; claims of a difference")
    with ProcessPoolExecutor(n_workers) as pool:
        for kind in KINDS:
            rows = list(pool.map(compared, [(seed, kind) for seed in range(n)]))
            print(kind)
            for name in rows[0]:
                found = [row[name] for row in rows]
                print(f"  {name:<48}{sum(found):>5} ({np.mean(found):.1%})")


def compared(world: tuple[int, str]) -> dict[str, bool]:
    """What is claimed of two encoders."""
    seed, kind = world
    noise, off = KINDS[kind]
    made = world_of(3000 + seed)
    second = rotated_set(made, 0, "second") if noise == 0.08 else other_set(made, 0, "second", noise=noise)
    sets = [first_set(made), second]
    if off:
        sets = [turned(some, off, [seed, k]) for k, some in enumerate(sets)]
    found = run_study("encoders", study_input(made, sets), SPEC, quiet).arrays
    low, high = found["difference/family_low"][0], found["difference/family_high"][0]
    single = (found["difference/low"][0] > 0) | (found["difference/high"][0] < 0)
    moved = (low > 0) | (high < 0)
    chance = found["set0/alike/chance"]
    return {
        "mean r": bool(moved[0]),
        "any type": bool(moved[1:].any()),
        "anything at all": bool(moved.any()),
        "(uncorrected intervals would claim something)": bool(single.any()),
        "(the cross-class feature is alike without labels)": bool(
            found["set0/alike/score"][CROSS] > np.nanquantile(chance, 0.95)
        ),
    }


def turned(some: FeatureSet, off: float, seed: list[int]) -> FeatureSet:
    """The same vectors through directions that are each off by a random one of this length."""
    rng = np.random.default_rng(seed)
    assert some.decoder is not None
    directions = some.decoder + off * rng.standard_normal(some.decoder.shape) / np.sqrt(some.decoder.shape[1])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    slides = [_Vectors(np.asarray(vectors)) for vectors in some.vectors]
    again = encoded(slides, directions, some.title)  # type: ignore[arg-type]
    return replace(some, features=again.features, decoder=again.decoder)


class _Vectors:
    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors, self.n_tiles = vectors, len(vectors)


def quiet(_stage: str, _done: int, _total: int) -> None:
    """Say nothing."""


if __name__ == "__main__":
    main()
