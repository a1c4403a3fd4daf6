"""Training finds the planted directions because they are sparse, and in spite of technical effects."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from sae_backend.compute.sae.split import TrainPart
from sae_backend.compute.sae.train import TrainSource, TrainSpec, train_sae
from sae_backend.models.cards import EncoderCard
from tests.worlds.vectors.slides import FeatureSpec, NuisanceSpec, SlideSpec, VectorWorldSpec, make_world

WIDTH = 32
THIRD = (0.5, 0.5, 0.5)
SOURCE = TrainSource(
    EncoderCard("timm:a", "", "a", 224, THIRD, THIRD, WIDTH, 4, 16, 4, "cls", "", "w", False, ""),
    mpp=0.5,
    tile_px=224,
)
SPEC = TrainSpec(expansion=2, epochs=60, batch_size=256, learning_rate=3e-3)
CLEAN = VectorWorldSpec(
    width=WIDTH,
    features=FeatureSpec(n_features=40, rate_high=0.25, rate_low=0.03),
    slides=SlideSpec(n_slides=10, tiles=(400, 400)),
    nuisance=NuisanceSpec(noise_sigma=0.02),
    cell_types=(),
)
TECHNICAL = replace(CLEAN, nuisance=NuisanceSpec(scanner_weight=1.0, slide_weight=0.5, noise_sigma=0.05))


def mean_max_cosine(planted, found):
    """MCC: mean |cosine| of each planted direction (F, d) with its own one of (L, d), Hungarian."""
    found = found / np.linalg.norm(found, axis=1, keepdims=True)
    cosine = np.abs(planted @ found.T)
    return cosine[linear_sum_assignment(-cosine)].mean()


def trained(world, vectors=None):
    parts = [
        TrainPart(slide.vectors if vectors is None else vectors[k], None, slide.rows, slide.cols, slide.name)
        for k, slide in enumerate(world.slides)
    ]
    return train_sae(parts, SPEC, SOURCE)[0]


@pytest.mark.parametrize(("spec", "least"), [(CLEAN, 0.93), (TECHNICAL, 0.8)], ids=["clean", "technical"])
def test_planted_directions_are_found_far_better_than_by_chance(spec, least):
    world = make_world(spec)
    found = mean_max_cosine(world.dictionary, trained(world).W_dec.numpy())
    random = np.random.default_rng(0).standard_normal((2 * WIDTH, WIDTH))
    assert mean_max_cosine(world.dictionary, random) < 0.5
    assert found > least


def test_found_features_fire_where_the_planted_ones_do():
    world = make_world(CLEAN)
    sae = trained(world)
    slide = world.slides[0]
    cosine = world.dictionary @ sae.W_dec.numpy().T
    planted, found = linear_sum_assignment(-cosine)
    truth, encoded = slide.activations.toarray(), sae.encode(slide.vectors).toarray()
    r = [
        np.corrcoef(truth[:, a], encoded[:, b])[0, 1]
        for a, b in zip(planted, found, strict=True)
        if truth[:, a].any() and encoded[:, b].any()
    ]
    assert len(r) > 35 and np.median(r) > 0.9


def test_dense_vectors_of_the_same_covariance_give_the_directions_away_to_nobody():
    world = make_world(CLEAN)
    together = np.concatenate([slide.vectors for slide in world.slides]).astype(np.float64)
    root = np.linalg.cholesky(np.cov(together.T))
    rng = np.random.default_rng(0)
    dense = [
        (together.mean(axis=0) + rng.standard_normal(slide.vectors.shape) @ root.T).astype(np.float32)
        for slide in world.slides
    ]
    assert mean_max_cosine(world.dictionary, trained(world, dense).W_dec.numpy()) < 0.7
