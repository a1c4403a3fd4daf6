"""What a feature has to beat: raw dimensions, principal components and an untrained autoencoder.

All give columns of the same tiles, so that each is judged as the features are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from sae_backend.statistics.slide_parts import AssembledTiles

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
        return _gathered(tiles, lambda vectors: vectors[:, chosen])


class PcaColumns:
    """Principal components, from the tiles that choose."""

    def __init__(self, choosing: AssembledTiles) -> None:
        vectors = _sample(choosing)
        self._mean = vectors.mean(axis=0)
        centred = vectors - self._mean
        values, axes = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
        keep = values[::-1] > max(1e-9 * values[-1], 1e-300)
        self._axes = np.ascontiguousarray(axes[:, ::-1][:, keep], np.float32)
        self.width = int(self._axes.shape[1])

    def columns(self, tiles: AssembledTiles, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.floating]:
        """Scores (N, k)."""
        axes = self._axes[:, chosen]
        offset = self._mean @ axes
        return _gathered(tiles, lambda vectors: vectors @ axes - offset)


class RandomSaeColumns:
    """Random directions with thresholds, so that each fires as often as a feature of the SAE on average.

    Mean and spread of the dimensions, and the thresholds, are those of the tiles that choose.
    """

    def __init__(
        self,
        choosing: AssembledTiles,
        n_features: int,
        rate: float,
        seed: int,
        check_cancelled: Callable[[], None] = lambda: None,
    ) -> None:
        vectors = _sample(choosing)
        mean, spread = vectors.mean(axis=0), vectors.std(axis=0)
        rng = np.random.default_rng([seed, 0x5AE])
        drawn = rng.standard_normal((vectors.shape[1], n_features)).astype(np.float32)
        drawn /= np.linalg.norm(drawn, axis=0)
        # Dimensions are standardised by the directions, so that no copy of the vectors is.
        self._directions = drawn / np.where(spread > 0, spread, 1).astype(np.float32)[:, None]
        self._mean = mean
        self.width = n_features
        share = float(np.clip(1 - rate, 0.0, 1 - 1 / max(len(vectors), 2)))
        centred = vectors - mean
        found = []
        for a in range(0, n_features, 256):
            check_cancelled()
            found.append(np.quantile(centred @ self._directions[:, a : a + 256], share, axis=0))
        self._thresholds = np.concatenate([np.empty(0), *found]).astype(np.float32)

    def columns(self, tiles: AssembledTiles, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.floating]:
        """Activations (N, k)."""
        directions = self._directions[:, chosen]
        offset = self._mean @ directions + self._thresholds[chosen]
        return np.maximum(_gathered(tiles, lambda vectors: vectors @ directions - offset), 0)


def representations(
    choosing: AssembledTiles,
    seed: int,
    reporting: AssembledTiles | None = None,
    check_cancelled: Callable[[], None] = lambda: None,
) -> dict[str, Representation]:
    """All of them by name; only the features where tiles of a half have no finite vectors.

    Nothing is taken from the tiles that report. `alive` is called now and then, and may raise to end it.
    """
    found: dict[str, Representation] = {SAE: SaeColumns(choosing)}
    halves = (choosing,) if reporting is None else (choosing, reporting)
    if not choosing.n_rows or not all(map(have_vectors, halves)):
        return found
    n_features = choosing.columns.n_features
    n_active, _ = choosing.columns.activity()
    rate = float(n_active.mean() / choosing.n_rows) if n_features else 0.0
    check_cancelled()
    found[RAW] = RawColumns(choosing)
    found[PCA] = PcaColumns(choosing)
    check_cancelled()
    found[RANDOM] = RandomSaeColumns(choosing, n_features, rate, seed, check_cancelled)
    return found


def have_vectors(tiles: AssembledTiles) -> bool:
    """Whether all tiles that are used have vectors, and these are finite."""
    return all(
        keep.size == 0 or (part.vectors is not None and _is_finite(part.vectors, keep))
        for part, keep in zip(tiles.parts, tiles.kept, strict=True)
    )


def _is_finite(vectors: npt.NDArray[np.floating], keep: npt.NDArray[np.int64]) -> bool:
    return all(
        bool(np.isfinite(np.asarray(vectors[keep[a : a + _SAMPLE]])).all())
        for a in range(0, keep.size, _SAMPLE)
    )


def _vectors_of(tiles: AssembledTiles) -> Sequence[npt.NDArray[np.floating]]:
    """Vectors of all parts; of a part without, which then has no used tile, as many zeros."""
    widths = [part.vectors.shape[1] for part in tiles.parts if part.vectors is not None]
    return [
        np.zeros((part.n_tiles, widths[0]), np.float32) if part.vectors is None else part.vectors
        for part in tiles.parts
    ]


def _gathered(tiles: AssembledTiles, transform: Callable[[Columns], Columns]) -> Columns:
    """What a transform makes of the vectors of the used tiles (N, k), in the order of the rows."""
    made = [
        transform(np.asarray(v[keep], np.float32))
        for v, keep in zip(_vectors_of(tiles), tiles.kept, strict=True)
    ]
    return np.concatenate(made)[tiles.clusters.order]


def _sample(tiles: AssembledTiles) -> Columns:
    """An even sample of the vectors (n, D), float32."""
    step = max(1, tiles.n_rows // _SAMPLE)
    kept = [
        np.asarray(v[keep[::step]], np.float32)
        for v, keep in zip(_vectors_of(tiles), tiles.kept, strict=True)
    ]
    return np.concatenate(kept)
