"""How often unrelated dictionaries are said to share a feature, how many shared ones are found, and what it costs.

Run as ``python -m tests.benchmarks.studies.bench_study_universality [--worlds 120] [--large]``. Worlds have slides that differ,
maps that are smooth and features that are on in some slides only. A claim is a feature called matched. Beside it
stands what a family-wise test with shuffled tiles would have claimed.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import time
from dataclasses import replace

import numpy as np
from scipy import sparse, stats

from sae_backend.statistics.split import draw_halves
from sae_backend.studies.framework.inputs import FeatureSet, StudyInput
from sae_backend.studies.framework.run import run_study
from sae_backend.studies.methods.matching.chance_tiles import shuffled
from sae_backend.studies.methods.matching.cross_products import Columns, correlation_blocks
from sae_backend.studies.methods.matching.family_chance import family_chance
from sae_backend.studies.methods.matching.feature_matching import best_values
from sae_backend.studies.methods.matching.pair_states import AS_RANDOM, MATCHED, NOT_LIVE
from sae_backend.studies.methods.matching.random_dictionary import RandomDictionaries
from sae_backend.studies.methods.matching.shared_tiles import shared_halves
from tests.worlds.study import PROGRESS, study_slide, true_set
from tests.worlds.vectors.slides import FeatureSpec, SlideSpec, VectorWorldSpec, make_world
from tests.worlds.vectors.views import SecondEncoderSpec, second_encoder

N_FEATURES, WIDTH = 60, 64
RATES = FeatureSpec(n_features=N_FEATURES, rate_low=0.03, rate_high=0.25, patchy_share=0.3)
SETTINGS = {"n_boot": 2}


def world_of(seed: int, n_slides: int, tiles: tuple[int, int] = (60, 140), per_patient: int = 1):
    """A world of slides that differ, with smooth maps."""
    slides = SlideSpec(n_slides=n_slides, tiles=tiles, slides_per_patient=per_patient, smoothness_tiles=1.5)
    return make_world(VectorWorldSpec(seed=seed, width=WIDTH, features=RATES, slides=slides, cell_types=()))


def given_of(world, sets: list[FeatureSet]) -> StudyInput:
    """With halves by patient."""
    inputs = StudyInput([study_slide(slide) for slide in world.slides], sets, world.type_names)
    return replace(inputs, halves=draw_halves(inputs.parts(), 0))


def seen_badly(some: FeatureSet, seed: int, missing: float) -> FeatureSet:
    """Activations scaled at random, and some of them missing."""
    rng = np.random.default_rng(seed)
    features = []
    for matrix in some.features:
        bad = matrix.copy()
        keep = rng.random(bad.data.size) >= missing
        bad.data = (bad.data * rng.lognormal(0, 0.3, bad.data.size) * keep).astype(np.float32)
        bad.eliminate_zeros()
        features.append(bad)
    return replace(some, features=features)


def random_set(world, seed: int) -> FeatureSet:
    """A dictionary of random directions on the vectors of the world, firing as often as its features."""
    truth = true_set(world.slides, world.dictionary)
    n_active = np.bincount(
        np.concatenate([matrix.tocoo().col for matrix in truth.features]), minlength=N_FEATURES
    )
    vectors = np.concatenate([slide.vectors for slide in world.slides])
    drawn = RandomDictionaries(vectors, n_active).draw((seed, 99)).by_tile
    ends = np.cumsum([0, *(slide.n_tiles for slide in world.slides)])
    parts = [sparse.csc_array(drawn[a:b].astype(np.float32)) for a, b in itertools.pairwise(ends)]
    return replace(truth, title="random", features=parts)


def claims_of_shuffles(inputs: StudyInput) -> bool:
    """Whether shuffled tiles alone would claim a best partner family-wise at 5 %."""
    choose, _ = shared_halves(inputs, (0, 1))
    left, right = (Columns(choose.activations(k)) for k in (0, 1))
    left, right = (each.only(np.flatnonzero(each.n_active >= 20)) for each in (left, right))
    shape = left.n_features, right.n_features
    best = best_values(correlation_blocks(left, right), shape)[0]
    draws = [
        best_values(correlation_blocks(left, right, shuffled(left.n_rows, k)), shape)[0] for k in range(39)
    ]
    return bool((family_chance(best, np.array(draws)).p <= 0.05).any())


def rate(k: int, n: int) -> str:
    """Share with its 95 % Wilson interval."""
    ends = stats.binomtest(k, n).proportion_ci(method="wilson")
    return f"{k}/{n} = {k / n:.1%} ({ends.low:.1%} to {ends.high:.1%})"


def nulls(n_worlds: int) -> None:
    """Worlds in which nothing is shared."""
    kinds = {
        "unrelated, 24 patients": lambda s: (world_of(s, 24), None),
        "unrelated, 10 patients (5 choose)": lambda s: (world_of(s, 10, (120, 200)), None),
        "unrelated, 12 patients of 2 slides": lambda s: (world_of(s, 24, per_patient=2), None),
        "unrelated, 2 slides (maps shifted)": lambda s: (world_of(s, 2, (600, 600)), None),
        "random dictionary, 24 patients": lambda s: (world_of(s, 24), "random"),
    }
    for name, make in kinds.items():
        claimed = back = pair = lenient = 0
        for seed in range(n_worlds):
            world, kind = make(seed)
            truth = true_set(world.slides, world.dictionary)
            if kind is None:
                view = second_encoder(world, SecondEncoderSpec(width=WIDTH, n_shared=0, private=RATES))
                other = true_set(view.slides, view.dictionary, "other")
            else:
                other = random_set(world, seed)
            inputs = given_of(world, [truth, other])
            result = run_study("universality", inputs, {**SETTINGS, "seed": seed}, PROGRESS)
            state = result.arrays["1/state"]
            claimed += bool((state == MATCHED).any())
            back += bool(np.isin(state, (MATCHED, AS_RANDOM)).any())
            p = np.fmax(result.arrays["1/p_exchanged"], result.arrays["1/p_random"])
            pair += bool((p <= 0.05).any())
            lenient += claims_of_shuffles(inputs)
        print(f"null: {name}: worlds with a match {rate(claimed, n_worlds)}")
        print(f"    a feature that comes back, whatever random directions do {rate(back, n_worlds)}")
        print(f"    a pair above both nulls where it was chosen {rate(pair, n_worlds)}")
        print(f"    shuffled tiles alone would claim {rate(lenient, n_worlds)}", flush=True)


def shared(n_worlds: int) -> None:
    """Worlds in which half of the features are shared."""
    n_shared = N_FEATURES // 2
    for missing in (0.0, 0.2, 0.4):
        right = claimed = possible = 0
        for seed in range(n_worlds):
            world = world_of(1000 + seed, 24)
            private = replace(RATES, n_features=N_FEATURES - n_shared)
            view = second_encoder(world, SecondEncoderSpec(width=WIDTH, n_shared=n_shared, private=private))
            other = seen_badly(true_set(view.slides, view.dictionary, "other"), seed, missing)
            inputs = given_of(world, [true_set(world.slides, world.dictionary), other])
            arrays = run_study("universality", inputs, SETTINGS, PROGRESS).arrays
            matched = np.flatnonzero(arrays["1/state"] == MATCHED)
            at = np.searchsorted(view.shared, matched)
            fits = np.isin(matched, view.shared) & (arrays["1/partner"][matched] == at)
            live = (arrays["1/state"][view.shared] != NOT_LIVE) & (
                arrays["1/other_state"][:n_shared] != NOT_LIVE
            )
            right, claimed, possible = right + fits.sum(), claimed + matched.size, possible + live.sum()
        print(
            f"shared, {missing:.0%} of activations missing: precision {right / max(claimed, 1):.3f} ({claimed} claimed), "
            f"recall {right / possible:.3f} ({possible} shared and live in both, {n_worlds} worlds)",
            flush=True,
        )


def drawn_columns(n_tiles: int, n_features: int, per_tile: int, seed: int) -> sparse.csr_array:
    """Activations (N, F) with Zipf rates."""
    rng = np.random.default_rng(seed)
    weight = 1.0 / (np.arange(n_features) + 50.0)
    columns = rng.choice(n_features, n_tiles * per_tile, p=weight / weight.sum())
    rows = np.repeat(np.arange(n_tiles), per_tile)
    values = rng.gamma(4.0, 0.25, rows.size).astype(np.float32)
    return sparse.csr_array(sparse.coo_array((values, (rows, columns)), shape=(n_tiles, n_features)))


def costs(n_tiles: int, n_features: int, n_slides: int) -> None:
    """Time and memory of one comparison with the default numbers of draws; no vectors."""
    each = n_tiles // n_slides
    rows, cols = (part.astype(np.int32) for part in np.divmod(np.arange(each), 100))
    from sae_backend.studies.framework.inputs import StudySlide

    slides = [
        StudySlide(f"s{k}", f"P{k}", {}, rows, cols, 112.0, np.zeros((each, 0))) for k in range(n_slides)
    ]
    sets = [
        FeatureSet(
            f"set {n}",
            [drawn_columns(each, n_features, 32, 1000 * n + k).tocsc() for k in range(n_slides)],
            [np.ones(each, np.bool_)] * n_slides,
            [None] * n_slides,
        )
        for n in range(2)
    ]
    inputs = StudyInput(slides, sets, ())
    inputs = replace(inputs, halves=draw_halves(inputs.parts(), 0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    start = time.perf_counter()
    run_study("universality", inputs, {}, PROGRESS)
    took = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"cost: {n_tiles:,} tiles, {n_features:,} features, 99 exchanges: {took:.0f} s, peak {peak:.2f} GB "
        f"({before:.2f} GB before)",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=120)
    parser.add_argument("--large", action="store_true", help="12,288 features, too")
    args = parser.parse_args()
    costs(20_000, 1_280, 20)
    if args.large:
        costs(100_000, 12_288, 20)
        return
    shared(max(4, args.worlds // 6))
    nulls(args.worlds)


if __name__ == "__main__":
    main()
