"""How often the study of scanner and stain claims something where nothing is planted, and how well it finds what is.

Run as ``python -m tests.benchmarks.studies.bench_study_robustness [--worlds 200] [--seed 0]``.
Worlds have slides that differ, patchy features and effects of patients; labels are drawn for patients (or, paired, for the
slides of each patient) and have nothing to do with them. The aim: claims in at most 5 % of them, within the noise of the
number of worlds. Planted worlds have four features that are stronger under one scanner; the interval should hold the mean AUROC
of such worlds in 95 % of them. At the end: how often it does, before it is widened, where some patients have labels that
nobody shares.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
from scipy import sparse, stats

from sae_backend.studies.methods.labels.confounding import SlideFacts, confounding, is_suspect
from sae_backend.studies.methods.labels.effect_sizes import effect_sizes, slide_means
from sae_backend.studies.methods.labels.folds import Units, draw_folds, form_units
from sae_backend.studies.methods.labels.predictability import Predictability, PredictSpec, predict_slide_label
from sae_backend.studies.methods.labels.scores import slide_pairs
from sae_backend.studies.robustness.roles import LEVEL, TECHNICAL, Axes, find_roles
from tests.worlds.vectors.slides import (
    FeatureSpec,
    NuisanceSpec,
    SlideSpec,
    VectorWorld,
    VectorWorldSpec,
    make_world,
)

N_TILES = 25
PLANTED = (3, 6, 9, 12)


@dataclass(frozen=True)
class Design:
    """How many patients, slides of each, labels, and whether the slides of a patient have different ones."""

    name: str
    n_patients: int
    per_patient: int
    n_labels: int
    is_paired: bool = False


DESIGNS = (
    Design("24 patients, 2 slides each, 2 scanners", 24, 2, 2),
    Design("10 patients, 1 slide each, 2 scanners", 10, 1, 2),
    Design("30 patients, 1 slide each, 3 scanners", 30, 1, 3),
    Design("12 patients, 2 slides each, paired", 12, 2, 2, True),
)


def world_of(design: Design, seed: int) -> VectorWorld:
    """Slides that differ, with features that are on in some slides only."""
    return make_world(
        VectorWorldSpec(
            seed=seed,
            width=24,
            features=FeatureSpec(n_features=40, rate_high=0.4, rate_low=0.03, patchy_share=0.5),
            slides=SlideSpec(
                n_slides=design.n_patients * design.per_patient,
                tiles=(N_TILES - 5, N_TILES + 5),
                slides_per_patient=design.per_patient,
                smoothness_tiles=1.0,
            ),
            nuisance=NuisanceSpec(slide_weight=0.5),
        )
    )


def labels_of(design: Design, rng: np.random.Generator) -> list[str]:
    """A label for each slide, drawn by patient."""
    if design.is_paired:
        return [f"s{i}" for _ in range(design.n_patients) for i in rng.permutation(design.per_patient)]
    drawn = rng.permutation(np.arange(design.n_patients) % design.n_labels)
    return [f"s{i}" for i in np.repeat(drawn, design.per_patient)]


@dataclass(frozen=True)
class Case:
    """One world with its labels."""

    features: list[sparse.csr_array]
    units: Units
    tiles: Units
    facts: SlideFacts


def case_of(design: Design, seed: int, effect: float = 0.0) -> Case:
    """Draw a world; with an effect, the features PLANTED are larger by so much of themselves under scanner 0."""
    rng = np.random.default_rng([seed, 77])
    world, labels = world_of(design, seed), labels_of(design, rng)
    patients = [f"P{slide.patient:03d}" for slide in world.slides]
    names = [f"{k:04d}" for k in range(len(labels))]
    # A patient has an effect of its own on every feature, shared by its slides.
    own = np.exp(rng.normal(0, 0.3, (design.n_patients, 40)))
    features = []
    for slide, label in zip(world.slides, labels, strict=True):
        factor = own[slide.patient].copy()
        factor[list(PLANTED)] *= 1 + effect * (label == "s0")
        features.append(sparse.csr_array((slide.activations * factor).astype(np.float32)))
    sizes = [x.shape[0] for x in features]
    organs = rng.integers(0, 3, design.n_patients)
    sexes = rng.integers(0, 2, design.n_patients)
    shares = np.array([slide.cells.counts.sum(axis=0) for slide in world.slides], np.float64)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1)
    facts = SlideFacts(
        labels,
        patients,
        {
            "organ": [f"o{organs[s.patient]}" for s in world.slides],
            "sex": [f"x{sexes[s.patient]}" for s in world.slides],
        },
        shares,
    )
    tiles = form_units(*(np.repeat(each, sizes) for each in (labels, patients, names)))
    return Case(features, form_units(labels, patients, names), tiles, facts)


def read(case: Case, seed: int) -> Predictability:
    """Predictability of the label from all features."""
    rows = sparse.csr_array(sparse.vstack(case.features))
    spec = PredictSpec(seed=seed, n_shuffles=39, n_bootstrap=300)
    return predict_slide_label(rows, case.tiles, spec, lambda *_: None)


def effects_of(case: Case, seed: int):
    """Effects of all features."""
    valid = [np.ones(x.shape[0], bool) for x in case.features]
    means = slide_means([sparse.csc_array(x) for x in case.features], valid)
    return effect_sizes(means, case.units, 999, seed, lambda *_: None)


def rate(claims: list[bool]) -> str:
    """Share of the claims with its exact 95 % interval."""
    n, k = len(claims), sum(claims)
    low, high = stats.binomtest(k, n).proportion_ci(method="exact")
    return f"{k / n:5.1%} ({low:.1%} to {high:.1%})"


def null_rates(design: Design, worlds: range) -> None:
    """Print how often each part claims something."""
    claims: dict[str, list[bool]] = {}
    values = []
    n_columns = n_warned = 0
    for seed in worlds:
        case = case_of(design, seed)
        found = read(case, seed)
        values.append(found.auroc)
        effects = effects_of(case, seed)
        nothing = np.full(40, np.nan)
        roles = find_roles(Axes(nothing, nothing, effects.omega2, effects.p_family), 0.2, 0.3)
        looked_at = confounding(case.facts, 199, seed)
        warned = [one for one in looked_at if one.is_perfect or is_suspect(one.column, one.v, one.p)]
        n_columns += len(looked_at)
        n_warned += len(warned)
        for name, claim in (
            ("tiles: p <= 0.05", found.p <= LEVEL),
            ("tiles: interval without 0.5", not found.ci_low <= 0.5 <= found.ci_high),
            ("slides: p <= 0.05", found.slide_p <= LEVEL),
            ("slides: interval without 0.5", not found.slide_ci_low <= 0.5 <= found.slide_ci_high),
            ("a feature with family-wise p <= 0.05", bool((effects.p_family <= LEVEL).any())),
            ("a feature with q <= 0.05", bool((effects.q <= LEVEL).any())),
            ("a technical feature", bool((roles == TECHNICAL).any())),
            ("a warning of confounding", bool(warned)),
        ):
            claims.setdefault(name, []).append(bool(claim))
    print(
        f"\n{design.name}: {len(worlds)} null worlds; AUROC {np.mean(values):.3f} on average, SD {np.std(values):.3f}"
    )
    for name, each in claims.items():
        print(f"  {name:<40}{rate(each)}")
    print(f"  columns that warn of confounding: {n_warned} of {n_columns}")


def power(design: Design, worlds: range, effect: float) -> None:
    """Print how often planted features are found, and how often the interval holds the mean of all worlds."""
    found, hits = [], []
    for seed in worlds:
        case = case_of(design, seed, effect)
        found.append(read(case, seed))
        effects = effects_of(case, seed)
        hits.append(bool((effects.p_family[list(PLANTED)] <= LEVEL).any()))
    values = np.array([one.auroc for one in found])
    holds = [one.ci_low <= values.mean() <= one.ci_high for one in found]
    print(
        f"  effect x{1 + effect:g}: AUROC {values.mean():.3f}, SD {values.std():.3f}; read (p <= 0.05) "
        f"{rate([one.p <= LEVEL for one in found])}; a planted feature found {rate(hits)}; interval holds the mean {rate(holds)}"
    )


def lone_labels(worlds: range, effect: float) -> None:
    """Print how often the interval holds the mean where 4 of 13 patients have a set of labels of their own."""
    sets = ("a", "a", "a", "b", "b", "c", "c", "d", "d", "ab", "abcd", "bcd", "acd")
    labels, patients = zip(
        *((label, f"P{k:02d}") for k, each in enumerate(sets) for label in each), strict=True
    )
    names = [f"{k:04d}" for k in range(len(labels))]
    units = form_units(*(np.repeat(each, 6) for each in (labels, patients, names)))
    folds = draw_folds(units, 2, 0)
    assert folds is not None
    values, ends = [], []
    for seed in worlds:
        rng = np.random.default_rng([seed, 78])
        means = rng.normal(size=(len(sets), 4))[units.group] + rng.normal(0, 0.4, (len(labels), 4))
        means += effect * (units.label[:, None] == np.arange(4))
        scores = means[units.slide] + rng.normal(size=(units.slide.size, 4))
        pairs = slide_pairs(scores, units, folds)
        values.append(pairs.auroc)
        ends.append(pairs.interval(units, 300, seed, 0.95))
    mean = np.mean(values)
    print(
        f"lone labels, effect {effect:g}: AUROC {mean:.3f}, SD {np.std(values):.3f}; interval holds the mean "
        f"{rate([low <= mean <= high for low, high in ends])}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    worlds = range(args.seed, args.seed + args.worlds)
    start = time.perf_counter()
    for design in DESIGNS:
        null_rates(design, worlds)
        power(design, worlds[: args.worlds // 2], 3.0)
        print(f"  ({time.perf_counter() - start:.0f} s)", flush=True)
    for effect in (0.0, 1.0):
        lone_labels(worlds, effect)


if __name__ == "__main__":
    main()
