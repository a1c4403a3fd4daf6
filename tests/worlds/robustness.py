"""A world with planted scanner features, and the study of scanner and stain done on it once."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from scipy import sparse

from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.framework.run import run_study
from sae_backend.studies.robustness.array_names import SCORES
from tests.worlds.study import PROGRESS, study_input, true_set
from tests.worlds.vectors.slides import FeatureSpec, NuisanceSpec, SlideSpec, VectorWorldSpec, make_world

FAST = {"n_shuffles": 19, "n_permutations": 99, "n_bootstrap": 50, "stress_tiles": 0, "most_tiles": 600}
TECHNICAL, ENTANGLED = (21, 22, 29), 5
"""Planted: features of one scanner, and one of those that also drives lymphocytes."""


@cache
def scanner_world(null: bool = False):
    """Twenty-four patients, two scanners; everything but the planted features is alike under both."""
    return make_world(
        VectorWorldSpec(
            seed=3,
            width=40,
            features=FeatureSpec(
                n_features=30, rate_high=0.4, rate_low=0.08, scanner_features=(*TECHNICAL, ENTANGLED)
            ),
            slides=SlideSpec(n_slides=24, tiles=(50, 60), n_sites=1, n_scanners=2),
            nuisance=NuisanceSpec(scanner_weight=0.3),
            null=null,
        )
    )


def planted_input() -> StudyInput:
    """The world beside a control whose tiles are shuffled, with halves in which each scanner has several patients."""
    world = scanner_world()
    control = true_set(world.slides, world.dictionary, "control", is_control=True)
    rng = np.random.default_rng(0)
    control = replace(
        control, features=[sparse.csc_array(x[rng.permutation(x.shape[0])]) for x in control.features]
    )
    inputs = study_input(world, [true_set(world.slides, world.dictionary), control])
    assert inputs.halves is not None
    sides = {f"P{s.patient:03d}": ("choose", "report") for s in world.slides}
    by_scanner: dict[int, int] = {0: 0, 1: 0}
    for slide in world.slides:
        name = f"P{slide.patient:03d}"
        sides[name] = ("choose", "report")[by_scanner[slide.scanner] % 2]  # type: ignore[assignment]
        by_scanner[slide.scanner] += 1
    return replace(inputs, halves=replace(inputs.halves, assignments=sides))


@cache
def planted_result() -> StudyResult:
    """The study of :func:`planted_input`; nobody is to change it."""
    return run_study("robustness", planted_input(), FAST, PROGRESS)


def scores(result: StudyResult, source: str, fact: str = "scanner") -> dict[str, float]:
    """Numbers of one source by their names."""
    row = result.arrays[f"read/{fact}/scores"][result.meta["read"][fact]["sources"].index(source)]
    return dict(zip(SCORES, row.tolist(), strict=True))
