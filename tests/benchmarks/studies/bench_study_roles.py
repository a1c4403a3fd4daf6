"""How often the study of scanner and stain finds what is planted: who is read, and which feature is of which kind.

Run as ``python -m tests.benchmarks.studies.bench_study_roles [--worlds 100] [--seed 0] [--patients 24]``.
Each world has two scanners, 30 features that are known, three of which are of one scanner, one that is of the scanner and of
a cell type, some that drive cell types and some that do nothing. The whole study is done in each, and each is done again without the four
features of the scanner, where nothing may be found.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import replace

import numpy as np
from scipy import sparse, stats

from sae_backend.studies.framework.inputs import FeatureSet, StudyInput
from sae_backend.studies.framework.registry import study
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.framework.run import run_study
from sae_backend.studies.robustness.array_names import SCORES
from tests.worlds.study import PROGRESS, study_input, true_set
from tests.worlds.vectors.slides import (
    FeatureSpec,
    NuisanceSpec,
    SlideSpec,
    VectorWorld,
    VectorWorldSpec,
    make_world,
)

TECHNICAL, ENTANGLED = (21, 22, 29), 5
SPEC = {"n_shuffles": 39, "n_permutations": 199, "n_bootstrap": 200, "stress_tiles": 0, "most_tiles": 600}
SAID = {
    "biology": "biological",
    "technical": "technical",
    "entangled": "entangled",
    "other": "unexplained",
}


def world_of(seed: int, n_patients: int) -> VectorWorld:
    """Patients with a slide each, from two scanners."""
    return make_world(
        VectorWorldSpec(
            seed=seed,
            width=40,
            features=FeatureSpec(
                n_features=30, rate_high=0.4, rate_low=0.08, scanner_features=(*TECHNICAL, ENTANGLED)
            ),
            slides=SlideSpec(n_slides=n_patients, tiles=(50, 60), n_sites=1, n_scanners=2),
            nuisance=NuisanceSpec(scanner_weight=0.3),
        )
    )


def given_of(world: VectorWorld, features: list[int]) -> StudyInput:
    """The slides with these features, halves with both scanners in each."""
    truth = true_set(world.slides, world.dictionary)
    vectors = truth.vectors if len(features) == truth.n_features else [None] * len(world.slides)
    some = FeatureSet(
        "planted", [sparse.csc_array(x[:, features]) for x in truth.features], truth.valid, vectors
    )
    inputs = study_input(world, [some])
    assert inputs.halves is not None
    seen: Counter[int] = Counter()
    sides = {}
    for slide in world.slides:
        sides[f"P{slide.patient:03d}"] = ("choose", "report")[seen[slide.scanner] % 2]
        seen[slide.scanner] += 1
    return replace(inputs, halves=replace(inputs.halves, assignments=sides))  # type: ignore[arg-type]


def score(result: StudyResult) -> dict[str, float]:
    """How the scanner is read from all features."""
    sources = result.meta["read"]["scanner"]["sources"]
    row = result.arrays["read/scanner/scores"][sources.index("features")]
    return dict(zip(SCORES, row.tolist(), strict=True))


def roles_of(result: StudyResult) -> dict[int, str]:
    """Kind of each feature, as the study tells it."""
    shown = study("robustness").report(result)
    table = next(table for table in shown.tables if table.key == "features")
    return dict(zip(table.columns["feature"], table.columns["role"], strict=True))


def rate(k: int, n: int) -> str:
    """Share with its exact 95 % interval."""
    low, high = stats.binomtest(k, n).proportion_ci(method="exact")
    return f"{k}/{n} = {k / n:.1%} ({low:.1%} to {high:.1%})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--patients", type=int, default=24)
    args = parser.parse_args()
    start = time.perf_counter()
    read, clean_read, clean_feature = 0, 0, 0
    confusion: Counter[tuple[str, str]] = Counter()
    clean = [f for f in range(30) if f not in (*TECHNICAL, ENTANGLED)]
    aurocs = []
    for seed in range(args.seed, args.seed + args.worlds):
        world = world_of(seed, args.patients)
        spec = {**SPEC, "seed": seed}
        found = run_study("robustness", given_of(world, list(range(30))), spec, PROGRESS)
        one = score(found)
        aurocs.append(one["slide_auroc"])
        read += one["p"] <= 0.05
        for feature, said in roles_of(found).items():
            confusion[SAID[world.roles[feature]], said] += 1
        without = run_study("robustness", given_of(world, clean), spec, PROGRESS)
        clean_read += score(without)["p"] <= 0.05
        clean_feature += bool((without.arrays["effect/scanner/p_family"] <= 0.05).any())
    n = args.worlds
    print(
        f"{n} worlds of {args.patients} patients, half of them reporting; {time.perf_counter() - start:.0f} s"
    )
    print(f"scanner read (p <= 0.05): {rate(read, n)}; AUROC over slides {np.mean(aurocs):.3f} on average")
    for kind in SAID.values():
        total = sum(count for (planted, _), count in confusion.items() if planted == kind)
        said = sum(count for (_, told), count in confusion.items() if told == kind)
        right = confusion[kind, kind]
        print(
            f"  {kind:<12} planted {total:5d}: found {rate(right, total)}; told {said}, right {rate(right, said)}"
        )
    print(
        f"without the scanner's features: read {rate(clean_read, n)}, a feature found {rate(clean_feature, n)}"
    )


if __name__ == "__main__":
    main()
