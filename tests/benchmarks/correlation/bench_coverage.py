"""How often 95 % intervals hold the truth, and how often null worlds give a claim, over many vector worlds.

Run as ``python -m tests.benchmarks.correlation.bench_coverage [--worlds 300] [--slides 24]``. Each world is correlated as a
project is: halves by patient, features chosen on one and reported on the other. The truth of a pair is its r over
a very large world of the same kind.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
from scipy import stats

from sae_backend.correlation.engine import CorrelationSpec, correlate
from sae_backend.statistics.split import CHOOSE, REPORT, draw_halves, half_of
from tests.worlds.vectors.slides import CellType, FeatureSpec, SlideSpec, VectorWorldSpec, make_world

N_FEATURES = 60
DRIVERS = (2, 5, 8, 11, 14)
TYPES = tuple(
    CellType(name, ((feature, 2.0),), dispersion=0.2, slide_cv=0.4)
    for name, feature in zip(
        ("cancer", "lymphocyte", "plasma cell", "fibroblast", "macrophage"), DRIVERS, strict=True
    )
)


def spec_of(seed: int, n_slides: int, *, null: bool = False, patients: int = 1) -> VectorWorldSpec:
    """A world whose slides differ: stain, scanner, number of tiles and cells."""
    return VectorWorldSpec(
        seed=seed,
        width=16,
        features=FeatureSpec(n_features=N_FEATURES),
        slides=SlideSpec(
            n_slides=n_slides, tiles=(60, 140), slides_per_patient=patients, smoothness_tiles=1.0
        ),
        cell_types=TYPES,
        null=null,
    )


def parts_of(spec: VectorWorldSpec) -> list:
    """Parts with their patients."""
    return [replace(slide.part(), patient=f"patient {slide.patient}") for slide in make_world(spec).slides]


def truth(n_slides: int) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's and Spearman's r of the driving pairs (5,) over a large world of the same kind."""
    found = correlate(
        parts_of(spec_of(987, n_slides)), [t.name for t in TYPES],
        CorrelationSpec(n_bootstrap=1, n_permutations=1), values_only=True,
    )  # fmt: skip
    own = (list(DRIVERS), list(range(5)))
    return found.pearson.value[own], found.spearman.value[own]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=300)
    parser.add_argument("--slides", type=int, nargs="+", default=[24, 48, 96])
    args = parser.parse_args()
    names = [t.name for t in TYPES]
    own = (list(DRIVERS), list(range(5)))
    expected = dict(zip(("pearson", "spearman"), truth(3000), strict=True))
    print("truth", {k: np.round(v, 3).tolist() for k, v in expected.items()}, flush=True)
    for n_slides in args.slides:
        held = {(s, k): [] for s in expected for k in ("studentised", "bca", "percentile")}
        found_right = 0
        for seed in range(args.worlds):
            parts = parts_of(spec_of(seed, n_slides))
            halves = draw_halves(parts, seed)
            reporting, choosing = half_of(parts, halves, REPORT), half_of(parts, halves, CHOOSE)
            spec = CorrelationSpec(n_bootstrap=1000, n_permutations=1, seed=seed)
            chosen = correlate(choosing, names, spec, values_only=True).pearson.value
            found_right += int((np.nanargmax(np.abs(chosen), axis=0) == np.array(DRIVERS)).sum())
            result = correlate(reporting, names, spec)
            for name, pairs in result.statistics.items():
                for kind, low, high in (
                    ("studentised", pairs.ci_low, pairs.ci_high),
                    ("bca", pairs.bca_low, pairs.bca_high),
                    ("percentile", pairs.percentile_low, pairs.percentile_high),
                ):
                    defined = np.isfinite(low[own])
                    inside = (low[own] <= expected[name]) & (expected[name] <= high[own])
                    held[name, kind] += inside[defined].tolist()
        n = args.worlds * 5
        print(
            f"{n_slides} slides, {n_slides // 2} report: driving feature chosen for {found_right / n:.1%} of types"
        )
        for key, inside in held.items():
            k, n = int(np.sum(inside)), len(inside)
            ends = stats.binomtest(k, n).proportion_ci(method="wilson")
            print(
                f"  {key[0]:<9} {key[1]:<10} holds the truth in {k / n:.1%} ({ends.low:.1%} to {ends.high:.1%})",
                flush=True,
            )
    for patients in (1, 2):
        hits = {"pearson": 0, "spearman": 0, "within": 0, "log_pearson": 0}
        false_q = 0
        for seed in range(args.worlds):
            parts = parts_of(spec_of(seed, 24, null=True, patients=patients))
            spec = CorrelationSpec(n_bootstrap=1, n_permutations=199, seed=seed, statistics=tuple(hits))
            result = correlate(parts, names, spec)
            for name, pairs in result.statistics.items():
                hits[name] += bool((pairs.p_fwer <= 0.05).any())
            false_q += bool((result.pearson.q_bh <= 0.05).any())
        print(f"null worlds, 24 slides of {24 // patients} patients: worlds with a claim at 5 % family-wise")
        for name, k in hits.items():
            ends = stats.binomtest(k, args.worlds).proportion_ci(method="wilson")
            print(f"  {name:<12} {k / args.worlds:.1%} ({ends.low:.1%} to {ends.high:.1%})", flush=True)
        print(f"  any q <= 0.05 (Pearson) {false_q / args.worlds:.1%}", flush=True)


if __name__ == "__main__":
    main()
