"""How much of the embeddings an autoencoder explains, summed slide by slide without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.inputs import FeatureSet

Floats = npt.NDArray[np.float64]

_TILES: Final = 4096


@dataclass(frozen=True)
class Explained:
    """Sums over the usable tiles of each slide (K,), from which the share follows for any slides together.

    Attributes
    ----------
    n
        Tiles.
    error
        Sum of |x - x_hat|^2.
    square
        Sum of |x|^2.
    total
        Sum of x (K, d).
    n_firing
        Sum of the number of features that fire.
    """

    n: Floats
    error: Floats
    square: Floats
    total: Floats
    n_firing: Floats

    def share(self, weights: Floats) -> Floats:
        """Explained variance (B,) for weights of the slides (B, K); NaN where nothing varies.

        1 - E|x - x_hat|^2 / (E|x|^2 - |E x|^2).
        """
        n = weights @ self.n
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = weights @ self.square / n - ((weights @ self.total / n[:, None]) ** 2).sum(axis=1)
            return np.asarray(np.where(spread > 0, 1 - weights @ self.error / n / spread, np.nan))

    def l0(self, weights: Floats) -> Floats:
        """Mean number of features that fire in a tile (B,)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(weights @ self.n_firing / (weights @ self.n))


def explained(some: FeatureSet, step: Callable[[int, int], None] = lambda *_: None) -> Explained | None:
    """Sum up all slides of a set; None where vectors or decoder are missing.

    `step` takes (slides done, slides) every few thousand tiles, and may raise to end it.
    """
    if some.decoder is None or some.offset is None:
        return None
    vectors = [each for each in some.vectors if each is not None]
    if len(vectors) != len(some.vectors):
        return None
    width, decoder = some.decoder.shape[1], some.decoder.astype(np.float64)
    n_slides = len(vectors)
    n, error, square, firing = np.zeros((4, n_slides))
    total = np.zeros((n_slides, width))
    for k, (features, valid, x) in enumerate(zip(some.features, some.valid, vectors, strict=True)):
        rows = features.tocsr()
        usable = np.flatnonzero(valid)
        for start in range(0, usable.size, _TILES):
            step(k, n_slides)
            tiles = usable[start : start + _TILES]
            true = np.asarray(x[tiles], np.float64)
            part = rows[tiles]
            made = part @ decoder + some.offset
            n[k] += tiles.size
            error[k] += float(((true - made) ** 2).sum())
            square[k] += float((true**2).sum())
            total[k] += true.sum(axis=0)
            firing[k] += float((part.data != 0).sum())
    return Explained(n, error, square, total, firing)
