"""Inside a tile: tokens that add up to the tile's vector, squares that matter, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from sae_backend.activations.embeddings import Embeddings
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.compute.dispatch import run
from sae_backend.compute.encoders.load import CONTROL_ID, load_encoder
from sae_backend.compute.encoders.tile_encoder import TileEncoder
from sae_backend.compute.jobs import live_model
from sae_backend.compute.jobs.embed import JobContext
from sae_backend.compute.sae.autoencoder import SparseAutoencoder
from sae_backend.compute.sae.relu import ReluAutoencoder
from sae_backend.errors import CancelledError, MismatchError, SparsescopeError, UserInputError
from sae_backend.models.bundled_models import SHIPPED_ENCODER
from sae_backend.models.cards import EncoderCard, SaeCard
from sae_backend.worker.requests import (
    MAX_INSIDE_TILES,
    AnalyzeRequest,
    EncodeRequest,
    OcclusionRequest,
    Submit,
    TokenMapRequest,
    from_line,
    to_line,
)
from tests.slides import stained_field, write_tiff

SIDE, MPP = 224, 0.5
PLAIN = np.array([225, 190, 210], np.uint8)


def drawn_slide(path: Path) -> Path:
    """Six tiles: the first holds dark squares in its lower right quarter alone, the second nothing, then noise."""
    field = stained_field(2 * SIDE, 3 * SIDE)
    field[:SIDE, : 2 * SIDE] = PLAIN
    for y in range(120, 216, 16):
        for x in range(120, 216, 16):
            field[y : y + 9, x : x + 9] = (70, 40, 130)
    return write_tiff(path, [field], MPP)


def sae_of(card: EncoderCard, thing: np.ndarray, plain: np.ndarray) -> SparseAutoencoder:
    """Feature 0 is what the thing adds to the plain tile, 1 its opposite, 2 and 3 are random."""
    towards = (thing - plain) / np.linalg.norm(thing - plain)
    random = np.random.default_rng(3).standard_normal((2, card.width))
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    w_dec = torch.from_numpy(np.stack([towards, -towards, *random]).astype(np.float32))
    about = SaeCard(
        "", card.width, 4, "standard", card.id, card.digest, card.layer, card.pooling, MPP, SIDE,
        {"kind": "none"}, {}, {},
    )  # fmt: skip
    bias = torch.from_numpy(plain.astype(np.float32))
    return ReluAutoencoder(
        {"W_enc": w_dec.T.contiguous(), "b_enc": torch.zeros(4), "W_dec": w_dec, "b_dec": bias}, about
    )


class World:
    """A drawn slide, analysed with one encoder and an SAE made for it."""

    def __init__(self, folder: Path, encoder: str, pooling: str) -> None:
        self.folder = folder
        slide = drawn_slide(folder / "drawn.tiff")
        spec = {"tile_px": SIDE, "tile_mpp": MPP, "min_tissue": 0.0}
        request = AnalyzeRequest(
            str(slide), str(folder / "cache"), encoder, tile_spec=spec, pooling=pooling, device="cpu"
        )
        made = run(request)
        self.embeddings = Embeddings.open(Path(made["embedding_dir"]))
        card, vectors = self.embeddings.card, self.embeddings.vectors
        index = self.embeddings.grid.index_map()
        self.thing, self.plain = int(index[0, 0]), int(index[0, 1])
        self.sae = sae_of(card, vectors[self.thing], vectors[self.plain])
        self.sae.save(folder / "sae")
        encoded = run(EncodeRequest(made["embedding_dir"], str(folder / "sae"), str(folder / "cache"), "cpu"))
        self.features = FeatureMatrix.open(Path(encoded["feature_dir"]))
        self.common: dict[str, Any] = {
            "slide": str(slide),
            "feature_dir": encoded["feature_dir"],
            "encoder": card.id,
            "encoder_digest": card.digest,
            "layer": card.layer,
            "pooling": pooling,
            "sae_dir": str(folder / "sae"),
            "out_file": str(folder / "out.npy"),
            "device": "cpu",
        }

    def tokens(self, feature: int, tiles: tuple[int, ...], **other: Any) -> TokenMapRequest:
        return TokenMapRequest(**{**self.common, "feature": feature, "tiles": tiles, **other})

    def occlusion(self, feature: int, tile: int, **other: Any) -> OcclusionRequest:
        return OcclusionRequest(**{**self.common, "feature": feature, "tile": tile, **other})


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("shipped"), SHIPPED_ENCODER, "mean")


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("control"), CONTROL_ID, "cls")


@pytest.fixture(scope="module", autouse=True)
def _nothing_kept() -> Iterator[None]:
    live_model.forget()
    yield
    live_model.forget()


def test_tokens_add_up_to_the_vector_of_the_analysis(shipped: World) -> None:
    tiles = tuple(range(shipped.features.n_tiles))
    made = run(shipped.tokens(2, tiles))
    model = next(iter(live_model._MODEL.values()))
    digest = shipped.features.grid.digest
    kept = np.stack([model.kept_tokens((digest, tile)) for tile in tiles])
    np.testing.assert_allclose(kept.mean(axis=1), shipped.embeddings.vectors, atol=1e-3)
    assert made["drift"] < 1e-3
    maps = np.load(made["out_file"])
    assert maps.shape == (len(tiles), 8, 8) and maps.dtype == np.float32
    dense = shipped.sae.encode(kept.reshape(-1, kept.shape[2])).toarray()
    np.testing.assert_allclose(maps.ravel(), dense[:, 2], atol=1e-4)
    assert "learned from whole tiles and is applied to single tokens" in made["note"]


def test_tokens_show_where_the_thing_lies(shipped: World) -> None:
    run(shipped.tokens(0, (shipped.plain, shipped.thing)))
    plain, thing = np.load(shipped.common["out_file"])
    corner = thing[4:, 4:].mean()
    # Attention carries some of it to the other tokens: they are not silent.
    assert corner > 1.4 * max(thing[:4, :4].mean(), thing[:4, 4:].mean(), thing[4:, :4].mean())
    assert corner > 100 * plain.mean()


@pytest.mark.parametrize("world", ["shipped", "control"])
def test_covering_the_thing_takes_the_feature_away(world: str, request: pytest.FixtureRequest) -> None:
    own: World = request.getfixturevalue(world)
    made = run(own.occlusion(0, own.thing, squares=4))
    fall = np.load(made["out_file"])
    assert fall.shape == (4, 4)
    assert fall[2:, 2:].mean() > 4 * np.abs([fall[:2, :2], fall[:2, 2:], fall[2:, :2]]).mean()
    assert np.unravel_index(fall.argmax(), fall.shape) >= (2, 2)
    tiles, values = own.features.column(0)
    stored = float(values[list(tiles).index(own.thing)])
    assert made["stored"] == stored > 0
    assert made["unoccluded"] == pytest.approx(stored, abs=1e-3)
    assert made["drift"] == pytest.approx(abs(made["unoccluded"] - stored))


def test_squares_are_no_finer_than_tokens(shipped: World) -> None:
    run(shipped.occlusion(2, 3, squares=50))
    assert np.load(shipped.common["out_file"]).shape == (8, 8)


def test_a_norm_after_averaging_keeps_the_mean() -> None:
    torch.manual_seed(0)
    model = VisionTransformer(img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=2, num_classes=0,
                              global_pool="avg")  # fmt: skip
    assert isinstance(model.fc_norm, nn.LayerNorm)
    nn.init.normal_(model.fc_norm.weight)
    nn.init.normal_(model.fc_norm.bias)
    card = replace(
        load_encoder(CONTROL_ID).card, input_px=32, patch_px=8, width=24, n_blocks=2, layer=2, pooling="mean"
    )
    batch = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    for layer in (1, 2):
        encoder = TileEncoder(model, replace(card, layer=layer))
        tokens = encoder.tokens(batch)
        assert tokens.shape == (3, 16, 24)
        np.testing.assert_allclose(tokens.mean(axis=1), encoder.encode(batch), atol=1e-5)


def test_what_was_loaded_is_used_again(shipped: World, monkeypatch: pytest.MonkeyPatch) -> None:
    live_model.forget()
    run(shipped.tokens(2, (0, 1)))
    first = np.load(shipped.common["out_file"])

    def loaded_again(*_: object) -> None:
        raise AssertionError("the encoder was loaded again")

    monkeypatch.setattr(live_model, "load_encoder", loaded_again)
    monkeypatch.setattr(live_model, "Slide", None)
    seen: list[tuple[int, int]] = []
    run(
        shipped.tokens(2, (1, 2)),
        JobContext(lambda stage, done, total: seen.append((done, total)) if "inside" in stage else None),
    )
    np.testing.assert_allclose(np.load(shipped.common["out_file"])[0], first[1], atol=1e-6)
    assert seen[0] == (1, 2), "the tile that was looked at before is read again"


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"encoder_digest": "0" * 64}, MismatchError, "not the one of the analysis"),
        ({"sae_dir": "other"}, MismatchError, "not the one of the analysis"),
        ({"slide": "other.tiff"}, MismatchError, "not the slide that was analysed"),
        ({"feature": 4}, UserInputError, "no feature 4"),
        ({"tiles": (0, 6)}, UserInputError, "no vector"),
        ({"tiles": ()}, UserInputError, "0 tiles"),
        ({"tiles": (0,) * (MAX_INSIDE_TILES + 1)}, UserInputError, "65 tiles"),
    ],
)
def test_what_does_not_belong_is_refused(
    shipped: World, change: dict[str, Any], error: type[SparsescopeError], words: str
) -> None:
    folder = shipped.folder
    if "sae_dir" in change:
        vectors = shipped.embeddings.vectors
        sae_of(shipped.embeddings.card, vectors[3], vectors[4]).save(folder / "other")
        change = {"sae_dir": str(folder / "other")}
    if "slide" in change:
        change = {"slide": str(write_tiff(folder / "other.tiff", [stained_field(448, 672, 9)], MPP))}
    with pytest.raises(error, match=words) as caught:
        run(shipped.tokens(**{"feature": 2, "tiles": (0,), **change}))
    assert caught.value.hint


def test_a_cls_token_has_no_token_map(control: World) -> None:
    with pytest.raises(UserInputError, match="CLS"):
        run(control.tokens(0, (0,)))


def test_a_question_can_be_cancelled_between_batches(shipped: World) -> None:
    batches: list[int] = []

    def note(stage: str, done: int, total: int) -> None:
        if "inside" in stage:
            batches.append(done)

    with pytest.raises(CancelledError):
        run(shipped.occlusion(0, shipped.thing), JobContext(note, lambda: len(batches) >= 2))
    assert len(batches) == 2 and batches[-1] < 50


def test_requests_cross_as_lines(shipped: World) -> None:
    for request in (shipped.tokens(2, (0, 3)), shipped.occlusion(2, 3)):
        assert from_line(to_line(Submit(7, request))) == Submit(7, request)
