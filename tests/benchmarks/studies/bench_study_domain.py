"""How often the out-of-domain study is wrong: `python -m tests.benchmarks.studies.bench_study_domain [worlds]`.

Null: the cells of B know nothing of its tiles, so no pair may be found there. Same: B is of the same law as A, so no
pair may be called lost, weaker or reversed. Planted: one type stays and one goes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from sae_backend.studies.domain.pairs import FADED, KEPT, LOST, REVERSED, WEAKER
from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.run import run_study
from tests.backend.studies.test_domain import GOES, SPEC, STAYS, two_cohorts
from tests.worlds.study import PROGRESS


def verdicts(inputs: StudyInput, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (P, 2) and what is said of each (P,)."""
    arrays = run_study("domain", inputs, {**SPEC, "seed": seed}, PROGRESS).arrays
    return np.stack([arrays["pair/feature"], arrays["pair/type"]], axis=1), arrays["pair/verdict"]


def rate(worlds: int, make: Callable[[int], StudyInput], wrong: tuple[int, ...]) -> float:
    """Share of worlds in which any pair is said to be one of `wrong`."""
    return float(np.mean([np.isin(verdicts(make(seed), seed)[1], wrong).any() for seed in range(worlds)]))


def main() -> None:
    """Print a small table."""
    worlds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(f"{worlds} worlds each, 20 + 20 patients, 24 features, 2 cell types")
    null = rate(worlds, lambda seed: two_cohorts(1000 + seed, null=True), (KEPT, WEAKER, REVERSED))
    print(f"null: any pair found in B            {null:6.1%}")
    same = rate(worlds, lambda seed: two_cohorts(3000 + seed, goes=GOES), (LOST, FADED, WEAKER, REVERSED))
    print(f"same law: any lost, weaker, reversed {same:6.1%}")
    stays = goes = 0
    for seed in range(worlds):
        pairs, codes = verdicts(two_cohorts(5000 + seed), seed)
        known = {tuple(pair): code for pair, code in zip(pairs.tolist(), codes, strict=True)}
        stays += known.get((STAYS, 0)) in (KEPT, WEAKER)
        goes += known.get((GOES, 1)) == LOST
    print(f"planted: stays said to be there      {stays / worlds:6.1%}")
    print(f"planted: goes said to be lost        {goes / worlds:6.1%}")


if __name__ == "__main__":
    main()
