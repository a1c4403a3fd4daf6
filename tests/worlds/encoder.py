"""The tiles of a generated world through several encoders, as feature sets that need no training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.stats import ortho_group

from sae_backend.studies.framework.inputs import FeatureSet
from tests.worlds.depth import encoded
from tests.worlds.vectors.slides import (
    CellType,
    FeatureSpec,
    NuisanceSpec,
    SlideSpec,
    VectorWorld,
    VectorWorldSpec,
    make_world,
)
from tests.worlds.vectors.views import SecondEncoderSpec, second_encoder

N_FEATURES = 24
CROSS = 11
"""The feature that two types follow alike."""

TYPES = (
    CellType("cancer", ((2, 2.0), (CROSS, 1.5))),
    CellType("lymphocyte", ((5, 2.0), (CROSS, 1.5))),
    CellType("plasma", ((8, 2.0),)),
)


def world_of(seed: int, n_slides: int = 24, n_tiles: int = 60) -> VectorWorld:
    """Slides of as many patients."""
    return make_world(
        VectorWorldSpec(
            seed=seed,
            width=24,
            features=FeatureSpec(n_features=N_FEATURES, rate_low=0.03),
            slides=SlideSpec(n_slides=n_slides, tiles=(n_tiles, n_tiles)),
            nuisance=NuisanceSpec(slide_weight=0.2, noise_sigma=0.08),
            cell_types=TYPES,
        )
    )


def first_set(world: VectorWorld, title: str = "pathology") -> FeatureSet:
    """The encoder that the world comes with."""
    return encoded(world.slides, world.dictionary, title, encoder=title, encoder_digest=title)


def other_set(
    world: VectorWorld, number: int, title: str, n_shared: int = N_FEATURES, noise: float = 0.08, **model
) -> FeatureSet:
    """Another encoder: directions and noise of its own, and as many of the world's features as are shared."""
    spec = SecondEncoderSpec(
        width=24,
        n_shared=n_shared,
        private=FeatureSpec(n_features=N_FEATURES - n_shared or 1, rate_high=0.03, rate_low=0.03),
        nuisance=NuisanceSpec(slide_weight=0.2, noise_sigma=noise),
        number=number,
    )
    view = second_encoder(world, spec)
    return encoded(view.slides, view.dictionary, title, encoder=title, encoder_digest=title, **model)


def rotated_set(world: VectorWorld, number: int, title: str) -> FeatureSet:
    """The encoder that the world comes with, seen through a random rotation, with noise of its own.

    Angles between features stay, so that it is as good as the first one in every respect.
    """
    rng = np.random.default_rng([world.spec.seed, number])
    rotation = ortho_group.rvs(world.spec.width, random_state=rng)
    slides = []
    for slide in world.slides:
        noise = rng.standard_normal(slide.noise.shape) * world.spec.nuisance.noise_sigma
        vectors = (slide.vectors - slide.noise) @ rotation + noise
        slides.append(replace(slide, vectors=vectors.astype(np.float32)))
    return encoded(slides, world.dictionary @ rotation, title, encoder=title, encoder_digest=title)
