"""Whitened training: faint directions are found, and the saved autoencoder takes vectors as they are."""

from __future__ import annotations

import numpy as np
import torch

from sae_backend.compute.sae.normalisation import geometric_median, whitening_of
from sae_backend.compute.sae.split import TrainPart, split_tiles
from sae_backend.compute.sae.train import TrainSource, TrainSpec, train_sae
from sae_backend.models.cards import EncoderCard

WIDTH = 24
THIRD = (0.5, 0.5, 0.5)
CARD = EncoderCard("timm:a", "", "a", 224, THIRD, THIRD, WIDTH, 4, 16, 4, "cls", "", "w", False, "")


def vectors(n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Two loud directions that are always on, and eight faint ones that are seldom on."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((WIDTH, WIDTH)))[0]
    loud = rng.standard_normal((n, 2)) * 20
    faint = (rng.random((n, 8)) < 0.05) * rng.gamma(4.0, 0.25, (n, 8))
    noise = 0.02 * rng.standard_normal((n, WIDTH))
    return (3 + loud @ basis[:2] + faint @ basis[2:10] + noise).astype(np.float32), faint


def best_r(features: np.ndarray, faint: np.ndarray) -> np.ndarray:
    joint = np.corrcoef(np.column_stack([features + 0.0, faint]).T)
    return np.nan_to_num(joint[: features.shape[1], features.shape[1] :]).max(axis=0)


def train(whiten: bool) -> tuple[np.ndarray, float, torch.Tensor, str]:
    x, _ = vectors()
    place = np.arange(len(x), dtype=np.int32)
    spec = TrainSpec(expansion=4, epochs=60, batch_size=256, learning_rate=3e-3, whiten=whiten)
    sae, card = train_sae([TrainPart(x, None, place // 64, place % 64)], spec, TrainSource(CARD))
    found = np.asarray(sae.encode(x).todense())
    return found, card.metrics["explained_variance"], sae.W_dec.norm(dim=1), card.normalisation["kind"]


def test_faint_directions_are_found_and_the_vectors_still_explained() -> None:
    _, faint = vectors()
    with np.errstate(invalid="ignore"):
        white, plain = train(True), train(False)
        found, lost = best_r(white[0], faint), best_r(plain[0], faint)
    assert np.median(found) > 0.85
    assert np.median(found) > np.median(lost) + 0.15
    assert white[1] > 0.8
    torch.testing.assert_close(white[2], torch.ones_like(white[2]), rtol=0, atol=1e-4)
    assert (white[3], plain[3]) == ("whitened", "mean_norm")


def test_whitening_evens_the_spread_and_undoes_itself() -> None:
    x, _ = vectors()
    tiles = split_tiles([TrainPart(x)], 0.1, 0).train
    median = geometric_median(x.astype(np.float64))
    found = whitening_of(tiles, 0, median)
    np.testing.assert_allclose(found.mix @ found.unmix, np.eye(WIDTH), atol=1e-8)
    spread = np.linalg.eigvalsh(np.cov((x - median).T))
    evened = np.linalg.eigvalsh(np.cov(((x - median) @ found.mix).T))
    assert spread[-1] > 1000 * np.median(spread)
    assert evened.max() < 1.2
