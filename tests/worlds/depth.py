"""Blocks of a generated encoder as feature sets that need no training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from sae_backend.studies.framework.inputs import FeatureSet, StudyInput
from tests.worlds.study import study_input
from tests.worlds.vectors.slides import (
    CellType,
    FeatureSpec,
    NuisanceSpec,
    SlideSpec,
    SlideVectors,
    VectorWorld,
    VectorWorldSpec,
    make_world,
)
from tests.worlds.vectors.views import DepthSchedule, layer_view

QUICK = {"n_bootstrap": 120, "n_permutations": 99, "n_shuffles": 19, "n_random": 19, "most_tiles": 160}
LITTLE = {"n_bootstrap": 40, "n_permutations": 19, "n_shuffles": 9, "n_random": 0, "most_tiles": 100}
"""Where no number is looked at, only what is said."""
THRESHOLD = 0.15
TYPES = tuple(
    CellType(name, ((feature, 2.0),)) for name, feature in (("cancer", 2), ("lymphocyte", 5), ("plasma", 8))
)


def world_of(seed: int, n_slides: int = 24, n_tiles: int = 60, **more) -> VectorWorld:
    """Slides of as many patients under two scanners."""
    return make_world(
        VectorWorldSpec(
            seed=seed,
            width=24,
            features=FeatureSpec(n_features=24, rate_low=0.03),
            slides=SlideSpec(n_slides=n_slides, tiles=(n_tiles, n_tiles), n_scanners=2, n_sites=2),
            nuisance=NuisanceSpec(slide_weight=0.1, noise_sigma=0.05),
            cell_types=TYPES,
            **more,
        )
    )


def encoded(slides: Sequence[SlideVectors], dictionary, title: str, **model) -> FeatureSet:
    """What a linear encoder with the true directions and one threshold sees: scanners leak into it."""
    directions = np.asarray(dictionary, np.float32)
    return FeatureSet(
        title=title,
        features=[
            sparse.csc_array(np.maximum(slide.vectors @ directions.T - THRESHOLD, 0).astype(np.float32))
            for slide in slides
        ],
        valid=[np.ones(slide.n_tiles, np.bool_) for slide in slides],
        vectors=[slide.vectors for slide in slides],
        decoder=directions,
        offset=np.zeros(directions.shape[1], np.float32),
        model={"sae_digest": title, "sae_dir": "", **model},
    )


def blocks(world: VectorWorld, schedule: DepthSchedule, layers: Sequence[int] | None = None) -> StudyInput:
    """The world through blocks of an encoder, one set each."""
    chosen = range(1, schedule.n_layers + 1) if layers is None else layers
    sets = []
    for layer in chosen:
        view = layer_view(world, schedule, layer)
        sets.append(encoded(view.slides, view.dictionary, f"block {layer}", layer=layer))
    return study_input(world, sets)
