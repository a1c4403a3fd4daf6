"""How well a sparse autoencoder does, streamed so that no set of tiles is too large."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sae_backend.compute.sae.autoencoder import SparseAutoencoder

RARE_RATE = 1e-4


@dataclass(frozen=True)
class Quality:
    """Measures of one autoencoder on one set of tiles.

    Attributes
    ----------
    n_tiles
        Number of tiles measured.
    explained_variance
        `1 - E|x - x_hat|^2 / (E|x|^2 - |E x|^2)`; None when the tiles do not vary.
    l0
        Mean number of features that fire in a tile.
    l1
        Mean sum of activations in a tile, in the units of the embedding.
    fired
        (F,) int64, in how many tiles each feature fired.
    """

    n_tiles: int
    explained_variance: float | None
    l0: float
    l1: float
    fired: NDArray[np.int64]


def measure(sae: SparseAutoencoder, batches: Iterable[NDArray[np.float32]]) -> Quality:
    """Measure an autoencoder over batches of vectors.

    Sums are kept in float64, and taken about the first batch's mean, because the mean of an
    embedding is often far larger than its spread and `E|x|^2 - |E x|^2` would cancel.

    Parameters
    ----------
    sae
        The autoencoder; it is run on its own device.
    batches
        (n, d) float32 arrays.

    Returns
    -------
    Quality
        With `n_tiles` 0 and no variance when there are no vectors.
    """
    n = 0
    error = squared = l1 = 0.0
    total = np.zeros(sae.d_in)
    shift: NDArray[np.float64] | None = None
    fired = np.zeros(sae.n_features, np.int64)
    for batch in batches:
        if batch.shape[0] == 0:
            continue
        exact = batch.astype(np.float64)
        if shift is None:
            shift = exact.mean(axis=0)
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(batch, np.float32)).to(sae.W_dec.device)
            f = sae(x)
            guess = sae.decode(f).cpu().numpy().astype(np.float64)
            fired += (f > 0).sum(dim=0).cpu().numpy()
            l1 += float(f.sum(dim=1).cpu().numpy().astype(np.float64).sum())
        centred = exact - shift
        n += batch.shape[0]
        error += float(((exact - guess) ** 2).sum())
        squared += float((centred**2).sum())
        total += centred.sum(axis=0)
    if n == 0:
        return Quality(0, None, 0.0, 0.0, fired)
    variance = squared / n - float(((total / n) ** 2).sum())
    explained = 1.0 - (error / n) / variance if variance > 0.0 else None
    return Quality(n, explained, float(fired.sum()) / n, l1 / n, fired)


def dead_shares(train: Quality, held_out: Quality) -> dict[str, float]:
    """Share of dead features under three definitions, each under its own name.

    Returns
    -------
    dict
        `dead_never_fired_on_train`, `dead_never_fired_on_held_out`, and
        `dead_rate_below_1e-4_on_all`: firing in less than one tile in 10,000 of all tiles, train
        and held-out together.
    """
    all_rates = (train.fired + held_out.fired) / max(1, train.n_tiles + held_out.n_tiles)
    return {
        "dead_never_fired_on_train": float((train.fired == 0).mean()),
        "dead_never_fired_on_held_out": float((held_out.fired == 0).mean()),
        "dead_rate_below_1e-4_on_all": float((all_rates < RARE_RATE).mean()),
    }
