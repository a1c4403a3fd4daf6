"""The sparse autoencoder: its formula, its folder, and what it refuses."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from sae_backend.compute.sae.autoencoder import SparseAutoencoder
from sae_backend.compute.sae.metrics import dead_shares, measure
from sae_backend.compute.sae.relu import ReluAutoencoder
from sae_backend.errors import (
    CacheError,
    MismatchError,
    StoreError,
    UserInputError,
    WeightsError,
)
from sae_backend.models.cards import EncoderCard, SaeCard

D_IN, N_FEATURES = 12, 40


def encoder_card(width: int = D_IN, weights_digest: str = "w", layer: int = 3) -> EncoderCard:
    third = (0.5, 0.5, 0.5)
    return EncoderCard(
        "timm:a", "A", "a", 224, third, third, width, 4, 16, layer, "cls", "", weights_digest, False, ""
    )


def sae_card() -> SaeCard:
    encoder = encoder_card()
    normalisation = {"kind": "mean_norm", "mean_norm": 3.5, "scale": 1.0, "folded": True}
    return SaeCard(
        "", D_IN, N_FEATURES, "standard", encoder.id, encoder.digest, 3, "cls", 0.5, 224,
        normalisation, {"seed": 0}, {"l0": 4.0},
    )  # fmt: skip


@pytest.fixture
def sae() -> SparseAutoencoder:
    generator = torch.Generator().manual_seed(0)
    w_dec = torch.randn(N_FEATURES, D_IN, generator=generator)
    w_dec /= w_dec.norm(dim=1, keepdim=True)
    b_enc = torch.randn(N_FEATURES, generator=generator) - 1.0
    b_dec = 5.0 + torch.randn(D_IN, generator=generator)
    return ReluAutoencoder(
        {"W_enc": w_dec.T.contiguous(), "b_enc": b_enc, "W_dec": w_dec, "b_dec": b_dec}, sae_card()
    )


@pytest.fixture
def x() -> NDArray[np.float32]:
    return (5.0 + np.random.default_rng(0).standard_normal((5000, D_IN))).astype(np.float32)


def brute_force(
    x: NDArray[np.float32], tensors: dict[str, torch.Tensor]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Activations and reconstructions by the formula of SAELens, in float64."""
    w_enc, b_enc, w_dec, b_dec = (
        tensors[name].double().numpy() for name in ("W_enc", "b_enc", "W_dec", "b_dec")
    )
    f = np.maximum((x.astype(np.float64) - b_dec) @ w_enc + b_enc, 0.0)
    return f, f @ w_dec + b_dec


def test_saved_folder_gives_the_same_activations(
    sae: SparseAutoencoder, x: NDArray[np.float32], tmp_path: Path
) -> None:
    card = sae.save(tmp_path / "deep" / "sae")
    again = SparseAutoencoder.load(tmp_path / "deep" / "sae")
    f, f_again = sae.encode(x), again.encode(x)
    np.testing.assert_allclose(f_again.toarray(), f.toarray(), atol=1e-5)
    tensors = load_file(tmp_path / "deep" / "sae" / "sae_weights.safetensors")
    expected, x_hat = brute_force(x, tensors)
    np.testing.assert_allclose(f.toarray(), expected, atol=1e-4)
    dense = torch.from_numpy(f.toarray())
    np.testing.assert_allclose(again.decode(dense).numpy(), x_hat, atol=1e-4)
    assert again.card == card == sae.card
    assert card.digest and f.dtype == np.float32 and f.shape == (5000, N_FEATURES)
    assert (f.data > 0).all() and f.has_sorted_indices


def test_folder_has_the_layout_of_saelens(sae: SparseAutoencoder, tmp_path: Path) -> None:
    sae.save(tmp_path / "sae")
    assert sorted(p.name for p in (tmp_path / "sae").iterdir()) == [
        "cfg.json",
        "sae_weights.safetensors",
    ]
    config = json.loads((tmp_path / "sae" / "cfg.json").read_text())
    assert (config["d_in"], config["d_sae"]) == (D_IN, N_FEATURES)
    assert config["architecture"] == "standard" and config["apply_b_dec_to_input"] is True
    assert config["normalize_activations"] == "none"
    pathology = config["metadata"]["pathology"]
    wanted = {"encoder_id", "encoder_digest", "layer", "pooling", "mpp", "tile_px", "normalisation"}
    assert wanted <= set(pathology)
    assert list(tmp_path.iterdir()) == [tmp_path / "sae"]


def test_digest_follows_both_files(sae: SparseAutoencoder, tmp_path: Path) -> None:
    folder = tmp_path / "sae"
    digest = sae.save(folder).digest
    config = json.loads((folder / "cfg.json").read_text())
    config["metadata"]["pathology"]["mpp"] = 0.25
    (folder / "cfg.json").write_text(json.dumps(config))
    changed = SparseAutoencoder.load(folder).card
    assert changed.digest != digest and changed.mpp == 0.25


def test_saving_never_replaces_something_else(sae: SparseAutoencoder, tmp_path: Path) -> None:
    folder = tmp_path / "sae"
    assert sae.save(folder) == sae.save(folder)
    (folder / "cfg.json").write_text("{}")
    with pytest.raises(UserInputError, match="already holds"):
        sae.save(folder)
    assert (folder / "cfg.json").read_text() == "{}"
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        sae.save(tmp_path / "file" / "sae")


def test_pickles_are_refused(sae: SparseAutoencoder, tmp_path: Path) -> None:
    sae.save(tmp_path / "sae")
    path = tmp_path / "sae" / "sae_weights.safetensors"
    torch.save(sae.state_dict(), path)
    with pytest.raises(WeightsError, match="pickle"):
        SparseAutoencoder.load(tmp_path / "sae")
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(WeightsError, match="pickle"):
        SparseAutoencoder.load(tmp_path / "sae")


def _drop(state: dict[str, torch.Tensor]) -> None:
    del state["b_enc"]


def _extra(state: dict[str, torch.Tensor]) -> None:
    state["threshold"] = torch.zeros(N_FEATURES)


def _transpose(state: dict[str, torch.Tensor]) -> None:
    state["W_enc"] = state["W_enc"].T.contiguous()


def _half(state: dict[str, torch.Tensor]) -> None:
    state["W_dec"] = state["W_dec"].half()


def _not_finite(state: dict[str, torch.Tensor]) -> None:
    state["b_dec"][0] = float("nan")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (_drop, "b_enc"),
        (_extra, "threshold"),
        (_transpose, "shape"),
        (_half, "float16"),
        (_not_finite, "not finite"),
    ],
)
def test_tensors_are_checked(
    sae: SparseAutoencoder,
    tmp_path: Path,
    change: Callable[[dict[str, torch.Tensor]], None],
    word: str,
) -> None:
    sae.save(tmp_path / "sae")
    path = tmp_path / "sae" / "sae_weights.safetensors"
    state = load_file(path)
    change(state)
    save_file(state, path)
    with pytest.raises(WeightsError, match=word):
        SparseAutoencoder.load(tmp_path / "sae")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("architecture", "topk"),
        ("apply_b_dec_to_input", False),
        ("normalize_activations", "layer_norm"),
        ("d_in", "12"),
        ("d_sae", True),
        ("metadata", {"pathology": {"normalisation": 3}}),
        ("metadata", {"pathology": {"pooling": "max"}}),
    ],
)
def test_configuration_is_checked(sae: SparseAutoencoder, tmp_path: Path, key: str, value: Any) -> None:
    sae.save(tmp_path / "sae")
    path = tmp_path / "sae" / "cfg.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(WeightsError):
        SparseAutoencoder.load(tmp_path / "sae")


@pytest.mark.parametrize("content", ["", "[]", "[" * 100_000, "{"])
def test_broken_configuration(sae: SparseAutoencoder, tmp_path: Path, content: str) -> None:
    sae.save(tmp_path / "sae")
    (tmp_path / "sae" / "cfg.json").write_text(content)
    with pytest.raises(WeightsError):
        SparseAutoencoder.load(tmp_path / "sae")
    with pytest.raises(WeightsError, match="cfg.json"):
        SparseAutoencoder.load(tmp_path / "absent")


def test_folder_of_another_program_loads_without_a_pathology_record(
    sae: SparseAutoencoder, tmp_path: Path
) -> None:
    sae.save(tmp_path / "sae")
    path = tmp_path / "sae" / "cfg.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "metadata": {}}))
    card = SparseAutoencoder.load(tmp_path / "sae").card
    assert (card.d_in, card.n_features, card.encoder_id) == (D_IN, N_FEATURES, "")


def test_what_does_not_belong_together_is_refused(sae: SparseAutoencoder) -> None:
    sae.check_encoder(encoder_card())
    with pytest.raises(MismatchError, match="width 12"):
        sae.check_encoder(encoder_card(width=13))
    with pytest.raises(MismatchError, match="other weights"):
        sae.check_encoder(encoder_card(weights_digest="v"))
    with pytest.raises(MismatchError, match=r"layer 2, cls\.$"):
        sae.check_encoder(encoder_card(layer=2))
    with pytest.raises(MismatchError, match="width 12"):
        sae.encode(np.zeros((3, 13), np.float32))
    with pytest.raises(CacheError, match="not finite"):
        sae.encode(np.full((3, D_IN), np.nan, np.float32))
    assert sae.encode(np.zeros((0, D_IN), np.float32)).shape == (0, N_FEATURES)


def test_explained_variance_equals_brute_force(sae: SparseAutoencoder, x: NDArray[np.float32]) -> None:
    tensors = {name: getattr(sae, name) for name in ("W_enc", "b_enc", "W_dec", "b_dec")}
    f, x_hat = brute_force(x, tensors)
    exact = x.astype(np.float64)
    mean_squared = (exact**2).sum(axis=1).mean() - (exact.mean(axis=0) ** 2).sum()
    expected = 1 - ((exact - x_hat) ** 2).sum(axis=1).mean() / mean_squared
    quality = measure(sae, np.array_split(x, 7))
    assert quality.explained_variance == pytest.approx(expected, rel=1e-5)
    assert quality.l0 == pytest.approx((f > 0).sum(axis=1).mean(), rel=1e-3)
    assert quality.n_tiles == 5000


def test_explained_variance_survives_a_large_mean(sae: SparseAutoencoder) -> None:
    """With a mean 10,000 times the spread, naive sums would lose the variance."""
    far = (1e4 + np.random.default_rng(0).standard_normal((900, D_IN))).astype(np.float32)
    spread = far.astype(np.float64).var(axis=0).sum()
    quality = measure(sae, [far])
    with torch.inference_mode():
        guess = sae.decode(sae(torch.from_numpy(far))).numpy().astype(np.float64)
    expected = 1 - ((far - guess) ** 2).sum(axis=1).mean() / spread
    assert quality.explained_variance == pytest.approx(expected, rel=1e-6)


def test_measures_of_nothing_and_of_tiles_all_alike(sae: SparseAutoencoder) -> None:
    assert measure(sae, []).explained_variance is None
    assert measure(sae, [np.ones((5, D_IN), np.float32)]).explained_variance is None


def test_dead_shares_by_each_definition(sae: SparseAutoencoder) -> None:
    direction = sae.W_dec[7].numpy()
    batch = (sae.b_dec.numpy() + 9.0 * direction)[None].astype(np.float32)
    train, held = measure(sae, [batch]), measure(sae, [])
    fired = float((train.fired > 0).mean())
    shares = dead_shares(train, held)
    assert train.fired[7] == 1
    assert shares["dead_never_fired_on_train"] == pytest.approx(1 - fired)
    assert shares["dead_never_fired_on_held_out"] == 1.0
    assert shares["dead_rate_below_1e-4_on_all"] == pytest.approx(1 - fired)
