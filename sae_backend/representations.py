"""What a feature has to beat: raw dimensions, principal components and an untrained autoencoder.

All give columns of the same tiles, so that each is judged as the features are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from sae_backend.slide_parts import AssembledTiles

Columns = npt.NDArray[np.float32]

SAE, RAW, PCA, RANDOM = "sae", "raw", "pca", "random"
TITLES: Final = {
    SAE: "SAE features",
    RAW: "raw embedding dimensions",
    PCA: "principal components",
    RANDOM: "random SAE (untrained, same width and firing rate)",
}
_SAMPLE: Final = 20_000


class Representation(Protocol):
    """Columns that can be asked for on the tiles of either half."""

    @property
    def width(self) -> int:
        """Number of columns."""

    def columns(self, tiles: AssembledTiles, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.floating]:
        """Chosen columns (N, k) of assembled tiles."""


class SaeColumns:
    """The features themselves."""

    def __init__(self, tiles: AssembledTiles) -> None:
        self.width = tiles.columns.n_features

    def columns(self, tiles: AssembledTiles, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.floating]:
        """Activations (N, k)."""
        found = [tiles.columns.block(int(j), int(j) + 1).toarray() for j in chosen]
        return np.concatenate(found, axis=1) if found else np.zeros((tiles.n_rows, 0))


class RawColumns:
    """Dimensions of the embedding."""

    def __init__(self, tiles: AssembledTiles) -> None:
        self.width = int(_vectors_of(tiles)[0].shape[1])

    def columns(self, tiles: AssembledTiles, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.floating]:
        """Values (N, k)."""
        return tiles.gather([np.asarray(v[:, chosen], np.float32) for v in _vectors_of(tiles)])


class PcaColumns:
    """Principal components, from the tiles that choose."""

    def __init__(self, choosing: AssembledTiles) -> None:
        vectors = _sample(choosing)
        self._mean = vectors.mean(axis=0)
        centred = vectors - self._mean
        values, axes = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
        keep = values[::-1] > 1e-9 * max(values[-1], 1e-300)
        self._axes = np.ascontiguousarray(axes[:, ::-1][:, keep], np.float32)
        self.width = int(self._axes.shape[1])

    def columns(self, tiles: AssembledTiles, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.floating]:
        """Scores (N, k)."""
        axes = self._axes[:, chosen]
        return tiles.gather([(np.asarray(v, np.float32) - self._mean) @ axes for v in _vectors_of(tiles)])


class RandomSaeColumns:
    """Random directions with thresholds, so that each fires as often as a feature of the SAE on average.

    Mean and spread of the dimensions, and the thresholds, are those of the tiles that choose.
    """

    def __init__(self, choosing: AssembledTiles, n_features: int, rate: float, seed: int) -> None:
        vectors = _sample(choosing)
        self._mean, spread = vectors.mean(axis=0), vectors.std(axis=0)
        self._spread = np.where(spread > 0, spread, 1).astype(np.float32)
        rng = np.random.default_rng([seed, 0x5AE])
        drawn = rng.standard_normal((vectors.shape[1], n_features)).astype(np.float32)
        self._directions = drawn / np.linalg.norm(drawn, axis=0)
        self.width = n_features
        share = float(np.clip(1 - rate, 0.0, 1 - 1 / max(len(vectors), 2)))
        scaled = (vectors - self._mean) / self._spread
        self._thresholds = np.concatenate(
            [
                np.quantile(scaled @ self._directions[:, a : a + 256], share, axis=0)
                for a in range(0, n_features, 256)
            ]
        ).astype(np.float32)

    def columns(self, tiles: AssembledTiles, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.floating]:
        """Activations (N, k)."""
        directions, thresholds = self._directions[:, chosen], self._thresholds[chosen]
        parts = [(np.asarray(v, np.float32) - self._mean) / self._spread for v in _vectors_of(tiles)]
        return tiles.gather([np.maximum(part @ directions - thresholds, 0) for part in parts])


def representations(choosing: AssembledTiles, seed: int) -> dict[str, Representation]:
    """All of them by name; only the features where the tiles have no vectors."""
    found: dict[str, Representation] = {SAE: SaeColumns(choosing)}
    if all(part.vectors is not None for part in choosing.parts) and choosing.n_rows > 1:
        n_active, _ = choosing.columns.activity()
        rate = float(n_active.mean() / choosing.n_rows)
        found[RAW] = RawColumns(choosing)
        found[PCA] = PcaColumns(choosing)
        found[RANDOM] = RandomSaeColumns(choosing, choosing.columns.n_features, rate, seed)
    return found


def _vectors_of(tiles: AssembledTiles) -> Sequence[npt.NDArray[np.floating]]:
    return [part.vectors for part in tiles.parts if part.vectors is not None]


def _sample(tiles: AssembledTiles) -> Columns:
    """An even sample of the vectors (n, D), float32."""
    step = max(1, tiles.n_rows // _SAMPLE)
    kept = [
        np.asarray(v, np.float32)[keep[::step]]
        for v, keep in zip(_vectors_of(tiles), tiles.kept, strict=True)
    ]
    return np.concatenate(kept)
