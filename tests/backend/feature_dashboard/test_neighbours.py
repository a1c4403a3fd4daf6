"""Nearest features: exact against dense arithmetic, twins first; the decoder is read without torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sae_backend.compute.sae.autoencoder import SparseAutoencoder
from sae_backend.errors import UserInputError, WeightsError
from sae_backend.feature_dashboard.neighbours import CoActivation, DecoderDirections
from sae_backend.models.sae_weights import SaeArrays
from tests.backend.fixtures.activations import laid
from tests.backend.fixtures.runs import N_FEATURES, control_card, small_sae

N_FEAT = 60


def dense_and_valid() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    dense = rng.gamma(2.0, 1.0, (900, N_FEAT)) * (rng.random((900, N_FEAT)) < 0.1)
    dense[:, 7] = 1.5 * dense[:, 4] + 0.05 * dense[:, 9]  # the twin of 4
    dense[:, 10] = 0  # dead
    dense[:, 11] = 2  # fires everywhere alike
    dense[:, 12] = np.where(dense[:, 4] > 0, 0, dense[:, 12])  # never together with 4
    valid = rng.random(900) < 0.9
    dense[~valid] = 0
    return dense.astype(np.float32), valid


def test_co_activation_equals_dense_correlation(tmp_path: Path) -> None:
    dense, valid = dense_and_valid()
    co = CoActivation.of(laid(tmp_path / "f", dense, valid))
    kept = dense[valid].astype(np.float64)
    fires = kept > 0
    for feature in (4, 9, 33):
        found = co.nearest(feature, N_FEAT)
        r = {other: np.corrcoef(kept[:, feature], kept[:, other])[0, 1] for other in range(N_FEAT)
             if other not in (10, 11)}  # fmt: skip
        together = {o for o in r if o != feature and (fires[:, feature] & fires[:, o]).any()}
        assert {near.feature for near in found} == together
        assert [near.r for near in found] == sorted((near.r for near in found), reverse=True)
        for near in found:
            both = fires[:, feature] & fires[:, near.feature]
            either = fires[:, feature] | fires[:, near.feature]
            assert near.r == pytest.approx(r[near.feature], abs=1e-10)
            assert near.n_both == both.sum()
            assert near.jaccard == pytest.approx(both.sum() / either.sum())
    assert co.nearest(4, 3)[0].feature == 7 and co.nearest(7, 3)[0].feature == 4
    assert 12 not in {near.feature for near in co.nearest(4, N_FEAT)}
    assert len(co.nearest(4, 3)) == 3
    assert co.nearest(10) == co.nearest(11) == ()
    with pytest.raises(UserInputError):
        co.nearest(N_FEAT)


def test_decoder_neighbours_are_those_of_the_cosine(tmp_path: Path) -> None:
    sae = small_sae(control_card())
    with torch.no_grad():
        sae.W_dec[5] = 0.99 * sae.W_dec[3] + 0.14 * sae.W_dec[8]
        sae.W_dec[6] *= 3
    sae.save(tmp_path / "sae")
    near = DecoderDirections.open(tmp_path / "sae")
    w = sae.W_dec.numpy().astype(float)
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    cosine = w @ w[3]
    order = [int(f) for f in np.argsort(-cosine) if f != 3][:8]
    found = near.nearest(3, 8)
    assert [f.feature for f in found] == order and found[0].feature == 5
    assert [f.cosine for f in found] == pytest.approx(cosine[order], abs=1e-6)
    assert near.n_features == N_FEATURES == len(near.nearest(0, 10**6)) + 1
    with pytest.raises(UserInputError):
        near.nearest(-1)


def test_the_arrays_are_those_of_the_folder(tmp_path: Path) -> None:
    sae = small_sae(control_card())
    sae.save(tmp_path / "sae")
    arrays = SaeArrays.open(tmp_path / "sae")
    assert arrays.digest == SparseAutoencoder.load(tmp_path / "sae").card.digest
    np.testing.assert_array_equal(arrays.w_dec, sae.W_dec.numpy())
    np.testing.assert_array_equal(arrays.b_dec, sae.b_dec.numpy())
    code = "import sys, sae_backend.feature_dashboard.neighbours, sae_backend.feature_dashboard.attribution; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_a_folder_that_is_no_sae_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="readable"):
        SaeArrays.open(tmp_path / "absent")
    folder = tmp_path / "sae"
    small_sae(control_card()).save(folder)
    weights = folder / "sae_weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="safetensors"):
        SaeArrays.open(folder)
    torch.save({"W_dec": torch.ones(2, 2)}, weights)
    with pytest.raises(WeightsError, match="safetensors"):
        SaeArrays.open(folder)
    weights.write_bytes(whole)
    config = folder / "cfg.json"
    text = config.read_text()
    config.write_text(
        text.replace('"normalize_activations": "none"', '"normalize_activations": "layer_norm"')
    )
    with pytest.raises(WeightsError, match="layer_norm"):
        SaeArrays.open(folder)


def test_a_feature_without_direction_is_near_nothing() -> None:
    sae = SaeArrays("x", np.array([[1, 0], [0, 0], [3, 4]], np.float32), np.zeros(2, np.float32))
    near = DecoderDirections.of(sae)
    assert [(f.feature, f.cosine) for f in near.nearest(0)] == [(2, pytest.approx(0.6)), (1, 0.0)]
    assert replace(near, directions=near.directions[:1]).nearest(0) == ()
