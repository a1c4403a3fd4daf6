"""What ships is what it says: the encoder's size, speed and card, the autoencoders, the control beside them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sae_backend.compute.dispatch import run
from sae_backend.compute.encoders.load import available_encoders, load_encoder
from sae_backend.compute.encoders.small_vit import N_BLOCKS, WIDTH
from sae_backend.compute.sae.autoencoder import SparseAutoencoder
from sae_backend.errors import UserInputError
from sae_backend.models.bundled_models import (
    SHIPPED_CONTROL,
    SHIPPED_ENCODER,
    default_pooling,
    encoder_folder,
    encoder_record,
    sae_folder,
    scoreboard_followers,
)
from sae_backend.slides.colour import COLOUR_STATISTICS, colour_statistics
from sae_backend.synthetic.specs import SlideSpec
from sae_backend.synthetic.world import CELL_TYPES
from sae_backend.worker.requests import DrawRequest
from tests.backend.in_process_worker import InProcessBackend


def tiles(n: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(60, 240, (n, 224, 224, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", [SHIPPED_ENCODER, SHIPPED_CONTROL])
def test_it_loads_offline_and_gives_vectors_at_every_depth(name: str) -> None:
    assert name in available_encoders() and default_pooling(name) == "mean"
    last = load_encoder(name, pooling="mean")
    assert (last.card.width, last.card.n_blocks, last.card.layer) == (WIDTH, N_BLOCKS, N_BLOCKS)
    assert last.card.licence == "BSD-3-Clause"
    assert last.card.is_control == (name == SHIPPED_CONTROL)
    vectors = last.encode(tiles())
    assert vectors.shape == (3, WIDTH) and np.isfinite(vectors).all()
    np.testing.assert_allclose(vectors, load_encoder(name, pooling="mean").encode(tiles()), rtol=0, atol=0)
    tokens = load_encoder(name, pooling="patch").encode(tiles())
    assert tokens.shape == (3, 64, WIDTH)
    np.testing.assert_allclose(tokens.mean(axis=1), vectors, atol=1e-5)
    early = load_encoder(name, layer=3, pooling="mean").encode(tiles())
    assert np.abs(early - vectors).max() > 0.1


def test_misuse_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="no CLS token"):
        load_encoder(SHIPPED_ENCODER, pooling="cls")
    with pytest.raises(UserInputError, match="takes no weights"):
        load_encoder(SHIPPED_ENCODER, weights=tmp_path / "x.safetensors", pooling="mean")
    assert default_pooling("timm:vit_small_patch16_224") == "cls"


def test_the_files_are_small_and_the_card_is_whole() -> None:
    assert (encoder_folder() / "model.safetensors").stat().st_size <= 12_000_000
    card = encoder_record()
    assert card["licence"] == "BSD-3-Clause" and "no labels" in card["data"]
    recipe = card["training"]["recipe"]
    assert card["training"]["steps"] == recipe["n_steps"] == card["log"][-1]["step"]
    assert recipe["cohort"]["n_slides"] >= 20
    assert card["log"][-1]["whole"] < card["log"][0]["whole"]


@pytest.mark.parametrize("name", [SHIPPED_ENCODER, SHIPPED_CONTROL])
def test_the_autoencoders_fit_their_encoders(name: str) -> None:
    folder = sae_folder(name)
    assert folder is not None
    sae = SparseAutoencoder.load(folder)
    sae.check_encoder(load_encoder(name, pooling="mean").card)
    assert sae.n_features == 8 * WIDTH and sae.card.architecture == "standard"
    metrics = sae.card.metrics
    assert metrics["n_train_tiles"] > 3000 and metrics["held_out_unit"] == "slides"
    assert metrics["explained_variance"] > 0.5
    assert sae_folder("control:random-vit") is None


def test_the_scoreboard_names_a_feature_for_every_cell_type() -> None:
    found = scoreboard_followers()
    assert set(found) == set(CELL_TYPES)
    for follower in found.values():
        assert 0 <= follower.feature < 8 * WIDTH and -1 <= follower.r <= 1
        assert follower.n_slides >= 5 and follower.n_tiles > 500
        assert f"{follower.r:.2f}".replace("-", "−") in follower.text


def test_a_slide_is_drawn_by_the_worker_and_can_be_cancelled(tmp_path: Path) -> None:
    spec = json.loads(json.dumps(SlideSpec("one", seed=1, size_px=(600, 700)).to_json()))
    backend = InProcessBackend()
    result = run(DrawRequest(str(tmp_path), spec))
    backend.close()
    assert Path(result["slide"]).exists() and Path(result["cells"]).exists()
    with pytest.raises(UserInputError, match="version"):
        SlideSpec.from_json({**spec, "world_version": 0})
    assert SlideSpec.from_json(spec) == SlideSpec("one", seed=1, size_px=(600, 700))


def test_colour_statistics_see_colour_and_contrast() -> None:
    white = np.full((64, 64, 3), 255, np.uint8)
    dark = np.full((64, 64, 3), 40, np.uint8)
    striped = white.copy()
    striped[:, ::2] = 40
    found = colour_statistics(np.stack([white, dark, striped]))
    at = {name: k for k, name in enumerate(COLOUR_STATISTICS)}
    assert found.shape == (3, len(COLOUR_STATISTICS)) and np.isfinite(found).all()
    assert found[0, at["share of white"]] == 1 and found[1, at["share of black"]] == 1
    assert (
        found[0, at["mean red"]] == 255
        and found[2, at["local contrast"]] > 100 > found[0, at["local contrast"]]
    )
    purple = np.broadcast_to(np.array([90, 50, 140], np.uint8), (64, 64, 3))
    pink = np.broadcast_to(np.array([235, 140, 200], np.uint8), (64, 64, 3))
    stains = colour_statistics(np.stack([purple, pink]))
    assert stains[0, at["mean haematoxylin"]] > 3 * stains[1, at["mean haematoxylin"]]
    assert stains[0, at["share of dark nuclei"]] == 1 and stains[1, at["share of dark nuclei"]] == 0
