"""Centre and scale of the vectors that a training starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sae_backend.compute.sae.split import TileSet
from sae_backend.errors import UserInputError

_SAMPLE_ROWS = 8192
_NOISE_SHARE = 0.01


def geometric_median(x: NDArray[np.float64], n_iterations: int = 100) -> NDArray[np.float64]:
    """Geometric median (d,) of rows (n, d), by Weiszfeld's iteration from the mean."""
    median: NDArray[np.float64] = x.mean(axis=0)
    for _ in range(n_iterations):
        distance = np.maximum(np.linalg.norm(x - median, axis=1), 1e-12)
        weight = 1.0 / distance
        moved: NDArray[np.float64] = (weight @ x) / weight.sum()
        if np.linalg.norm(moved - median) <= 1e-9 * (1.0 + np.linalg.norm(median)):
            return moved
        median = moved
    return median


@dataclass(frozen=True)
class Whitening:
    """A linear map that gives all directions of the vectors about the same spread, and its inverse.

    `mix` and `unmix` are float64 (d, d), applied from the right to centred vectors; `mean_norm` is the mean
    length of what `mix` gives.
    """

    mix: NDArray[np.float64]
    unmix: NDArray[np.float64]
    mean_norm: float


def whitening_of(tiles: TileSet, seed: int, median: NDArray[np.float64]) -> Whitening:
    """Whitening of the training vectors about their geometric median, from a sample of at most 8,192.

    Directions with far less spread than the mean are raised by at most a factor of ten against it: what is
    below a hundredth of the mean variance is taken for noise.
    """
    centred = _sample(tiles, seed) - median
    values, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    spread = np.sqrt(np.maximum(values, 0) + _NOISE_SHARE * values.mean())
    mix = (axes / spread) @ axes.T
    return Whitening(mix, (axes * spread) @ axes.T, float(np.linalg.norm(centred @ mix, axis=1).mean()))


def _sample(tiles: TileSet, seed: int) -> NDArray[np.float64]:
    generator = np.random.Generator(np.random.Philox([seed, 2]))
    n_rows = min(_SAMPLE_ROWS, len(tiles))
    chosen = np.sort(generator.choice(len(tiles), n_rows, replace=False))
    return tiles.gather(chosen).astype(np.float64)


def centre_of(tiles: TileSet, seed: int) -> tuple[NDArray[np.float64], float]:
    """Geometric median (d,) of a sample of the tiles, and the mean distance from it.

    Parameters
    ----------
    tiles
        The training tiles.
    seed
        Of the sample of at most 8,192 tiles.

    Raises
    ------
    UserInputError
        When all vectors are the same.
    """
    sample = _sample(tiles, seed)
    median = geometric_median(sample)
    mean_norm = float(np.linalg.norm(sample - median, axis=1).mean())
    # Rounding alone leaves about 1e-7 of the norm in float32 vectors that are all alike.
    if mean_norm <= 1e-6 * (1e-30 + float(np.linalg.norm(median))):
        raise UserInputError(
            "All tiles have the same vector, so there is nothing to learn.",
            "Check that the slide holds tissue and the encoder its weights.",
        )
    return median, mean_norm
