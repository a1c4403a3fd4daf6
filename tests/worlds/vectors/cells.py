"""Cell counts that follow chosen features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tests.worlds.vectors.streams import Purpose, Streams

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CellType:
    """A cell type and what its number in a tile depends on.

    Attributes
    ----------
    name
        Its name.
    drivers
        Pairs of feature and gain: cells more per unit of activation; negative for fewer.
    base
        Cells in a tile where no driver fires.
    dispersion
        0 for Poisson; else negative binomial with variance `mean + dispersion * mean ** 2`.
    slide_cv
        Coefficient of variation of a gamma factor of mean 1 that each slide puts on all its tiles.
    """

    name: str
    drivers: tuple[tuple[int, float], ...]
    base: float = 1.0
    dispersion: float = 0.0
    slide_cv: float = 0.0


@dataclass(frozen=True)
class Cellularity:
    """How many cells a tile has of all types: the confounder of every type.

    The expected counts of all types are multiplied by `1 + sum of gain * activation` over `drivers`,
    not below 0, and by a gamma factor of mean 1 and coefficient of variation `cv` for each tile.
    """

    drivers: tuple[tuple[int, float], ...] = ()
    cv: float = 0.0


@dataclass(frozen=True)
class DrawnCells:
    """Cells of one slide: `counts` int32 (N, C), drawn about `expected` float64 (N, C)."""

    counts: npt.NDArray[np.int32]
    expected: Floats


def gain_matrix(types: Sequence[CellType], n_features: int) -> Floats:
    """Cells more per unit of each activation, float64 (F, C), without the cellularity's."""
    gains = np.zeros((n_features, len(types)))
    for c, kind in enumerate(types):
        for feature, gain in kind.drivers:
            gains[feature, c] += gain
    return gains


def draw_cells(
    types: Sequence[CellType],
    cellularity: Cellularity | None,
    activations: sparse.csr_array,
    streams: Streams,
    slide: int,
) -> DrawnCells:
    """Draw the cells of slide number `slide`, each type from a stream of its own.

    Parameters
    ----------
    types, cellularity
        What counts depend on.
    activations
        Sparse (N, F), of the slide or of unrelated tissue.
    streams, slide
        Where the draws come from.
    """
    n, n_features = activations.shape
    gains = gain_matrix(types, n_features)
    expected = np.clip(np.array([kind.base for kind in types]) + activations @ gains, 0, None)
    if cellularity is not None:
        shared = np.zeros(n_features)
        for feature, gain in cellularity.drivers:
            shared[feature] += gain
        rng = streams.of(Purpose.COUNTS, slide)
        factor = np.clip(1 + activations @ shared, 0, None) * _gamma(rng, cellularity.cv, n)
        expected = expected * factor[:, None]
    counts = np.zeros(expected.shape, np.int32)
    for c, kind in enumerate(types):
        rng = streams.of(Purpose.COUNTS, slide, c)
        expected[:, c] *= _gamma(rng, kind.slide_cv, 1)
        blurred = expected[:, c] * _gamma(rng, np.sqrt(kind.dispersion), n)
        counts[:, c] = rng.poisson(blurred)
    return DrawnCells(counts, expected)


def _gamma(rng: np.random.Generator, cv: float, n: int) -> Floats:
    """Gamma factors of mean 1, (n,)."""
    return rng.gamma(1 / cv**2, cv**2, n) if cv > 0 else np.ones(n)
