"""Encoders: what they give, how they refuse, and that the control is what it says."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from huggingface_hub import constants
from numpy.typing import NDArray
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer

from sae_backend.compute.encoders.device import pick_device
from sae_backend.compute.encoders.load import CONTROL_ID, available_encoders, load_encoder
from sae_backend.errors import MismatchError, UserInputError, WeightsError
from sae_backend.models.cards import EncoderCard

ARCHITECTURE = "test_vit"
ENCODER_ID = f"timm:{ARCHITECTURE}"


def tiles(n: int, side: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model() -> VisionTransformer:
    torch.manual_seed(1)
    made = timm.create_model(ARCHITECTURE, pretrained=False).eval()
    assert isinstance(made, VisionTransformer)
    return made


@pytest.fixture(scope="module")
def weights(model: VisionTransformer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "vit.safetensors"
    save_file(model.state_dict(), path)  # with its head, which a feature extractor must ignore
    return path


def preprocessed(batch: NDArray[np.uint8], card: EncoderCard) -> torch.Tensor:
    mean, std = np.array(card.mean, np.float32), np.array(card.std, np.float32)
    scaled = (batch.astype(np.float32) / np.float32(255) - mean) / std
    return torch.from_numpy(scaled).permute(0, 3, 1, 2).contiguous()


def test_last_layer_is_what_timm_calls_features(model: VisionTransformer, weights: Path) -> None:
    cls, mean, patch = (load_encoder(ENCODER_ID, weights, None, p) for p in ("cls", "mean", "patch"))
    batch = tiles(2, cls.card.input_px)
    with torch.inference_mode():
        features = model.forward_features(preprocessed(batch, cls.card)).numpy()
    np.testing.assert_allclose(cls.encode(batch), features[:, 0], atol=1e-5)
    np.testing.assert_allclose(patch.encode(batch), features[:, 1:], atol=1e-5)
    np.testing.assert_allclose(mean.encode(batch), features[:, 1:].mean(axis=1), atol=1e-5)
    assert cls.card.layer == cls.card.n_blocks == len(model.blocks)
    assert cls.encode(batch).dtype == np.float32


def test_every_block_equals_a_forward_hook(model: VisionTransformer, weights: Path) -> None:
    seen: list[torch.Tensor] = []
    handles = [
        block.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
        for block in model.blocks
    ]
    card = load_encoder(ENCODER_ID, weights).card
    batch = tiles(2, card.input_px)
    with torch.inference_mode():
        model.forward_features(preprocessed(batch, card))
    for handle in handles:
        handle.remove()
    for layer in range(1, card.n_blocks):
        got = load_encoder(ENCODER_ID, weights, layer).encode(batch)
        np.testing.assert_allclose(got, seen[layer - 1][:, 0].numpy(), atol=1e-5)


def test_tiles_of_another_size_are_resized(weights: Path) -> None:
    encoder = load_encoder(ENCODER_ID, weights)
    flat = np.full((1, 77, 77, 3), 120, np.uint8)
    side = encoder.card.input_px
    same = np.full((1, side, side, 3), 120, np.uint8)
    np.testing.assert_allclose(encoder.encode(flat), encoder.encode(same), atol=1e-5)


def test_card_follows_weights_layer_and_pooling_but_not_words(weights: Path) -> None:
    card = load_encoder(ENCODER_ID, weights).card
    assert EncoderCard.from_json(card.to_json()) == card
    assert replace(card, note="other words").digest == card.digest
    others = [
        replace(card, layer=1),
        replace(card, pooling="mean"),
        replace(card, weights_digest=""),
    ]
    assert len({card.digest, *(other.digest for other in others)}) == 4
    with pytest.raises(UserInputError, match="lacks width"):
        EncoderCard.from_json({k: v for k, v in card.to_json().items() if k != "width"})


def test_weights_from_the_hugging_face_cache(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError) as caught:
        load_encoder(ENCODER_ID)
    assert "--weights" in caught.value.hint
    config = timm.get_pretrained_cfg(ARCHITECTURE)
    assert config is not None and config.hf_hub_id
    folder = tmp_path / ("models--" + config.hf_hub_id.replace("/", "--"))
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("a" * 40)
    (folder / "snapshots" / ("a" * 40)).mkdir(parents=True)
    (folder / "snapshots" / ("a" * 40) / "model.safetensors").write_bytes(weights.read_bytes())
    found = load_encoder(ENCODER_ID).card
    assert found.digest == load_encoder(ENCODER_ID, weights).card.digest
    assert found.licence == config.license


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_a_pickle_is_refused_by_content(
    model: VisionTransformer, tmp_path: Path, name: str, form: str
) -> None:
    path = tmp_path / name
    if form == "pickle":
        path.write_bytes(pickle.dumps({"weights": 1}))
    else:
        torch.save(model.state_dict(), path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(WeightsError, match="pickle"):
        load_encoder(ENCODER_ID, path)


@pytest.mark.parametrize("content", [b"", b"plain text, long enough", b"\xff" * 64])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError):
        load_encoder(ENCODER_ID, path)
    with pytest.raises(WeightsError, match="cannot be read"):
        load_encoder(ENCODER_ID, tmp_path / "absent.safetensors")


def test_weights_that_do_not_fit_are_named(model: VisionTransformer, tmp_path: Path) -> None:
    state = dict(model.state_dict())
    del state["norm.weight"]
    state["blocks.99.strange"] = torch.zeros(1)
    state["norm.bias"] = torch.zeros(3)
    path = tmp_path / "model.safetensors"
    save_file(state, path)
    with pytest.raises(WeightsError, match=r"norm\.weight.*blocks\.99\.strange.*norm\.bias"):
        load_encoder(ENCODER_ID, path)


@pytest.mark.parametrize(
    ("encoder_id", "layer", "pooling"),
    [
        ("vit", None, "cls"),
        ("timm:vit_smal_patch16_224", None, "cls"),
        (CONTROL_ID, 0, "cls"),
        (CONTROL_ID, 5, "cls"),
        (CONTROL_ID, None, "max"),
    ],
)
def test_wrong_wishes_get_a_hint(encoder_id: str, layer: int | None, pooling: str) -> None:
    with pytest.raises(UserInputError) as caught:
        load_encoder(encoder_id, None, layer, pooling)
    assert caught.value.hint


def test_convolutional_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(UserInputError, match="not a plain vision transformer"):
        load_encoder("timm:resnet10t", path)


def test_control_is_random_seeded_and_says_so(weights: Path) -> None:
    first, second = load_encoder(CONTROL_ID), load_encoder(CONTROL_ID)
    batch = tiles(4, 224)
    vectors = first.encode(batch)
    np.testing.assert_array_equal(vectors, second.encode(batch))
    assert first.card == second.card
    assert first.card.is_control and "control" in first.card.note
    assert vectors.shape == (4, 192) and np.isfinite(vectors).all()
    assert load_encoder(CONTROL_ID, None, 2, "patch").encode(batch).shape == (4, 196, 192)
    with pytest.raises(UserInputError, match="takes no weights"):
        load_encoder(CONTROL_ID, weights)


def test_control_sees_the_image() -> None:
    """Vectors of tiles of different colour lie further apart than those of like tiles."""
    base = np.full((1, 224, 224, 3), (180, 90, 160), np.uint8)
    like = base + np.random.default_rng(0).integers(0, 4, base.shape, dtype=np.uint8)
    other = np.full((1, 224, 224, 3), (240, 240, 240), np.uint8)
    a, b, c = load_encoder(CONTROL_ID).encode(np.concatenate([base, like, other]))
    assert np.linalg.norm(a - c) > 5 * np.linalg.norm(a - b)


def test_batches_are_checked_and_may_be_read_only() -> None:
    encoder = load_encoder(CONTROL_ID)
    frozen = tiles(1, 224)
    frozen.flags.writeable = False
    assert encoder.encode(frozen).shape == (1, 192)
    with pytest.raises(MismatchError):
        encoder.encode(tiles(1, 224).astype(np.float32))


def test_available_encoders_begin_with_the_control() -> None:
    names = available_encoders()
    assert names[0] == CONTROL_ID and "timm:vit_small_patch16_224" in names


def test_devices() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type in {"cuda", "mps", "cpu"}
    with pytest.raises(UserInputError, match="tpu"):
        pick_device("tpu")
    for name, there in (
        ("cuda", torch.cuda.is_available()),
        ("mps", torch.backends.mps.is_available()),
    ):
        if there:
            assert pick_device(name).type == name
        else:
            with pytest.raises(UserInputError) as caught:
                pick_device(name)
            assert "--device" in caught.value.hint
