"""Examples of one feature at several levels: not only where it fires most, but all that it stands for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.errors import UserInputError
from sae_backend.feature_dashboard.hard_negatives import (
    BY_FEATURES,
    BY_VECTORS,
    CentredVectors,
    rank_look_alikes,
)
from sae_backend.slides.tiles import TileGrid

Level = Literal["top", "upper", "middle", "lower", "random", "look-alikes"]
LEVELS: Final[tuple[Level, ...]] = ("top", "upper", "middle", "lower", "random", "look-alikes")
BANDS: Final[dict[Level, tuple[float, float]]] = {
    "upper": (0.75, 0.95),
    "middle": (0.40, 0.60),
    "lower": (0.05, 0.25),
}
"""Which part of the firing tiles, ranked from weakest to strongest, a level is drawn from."""

_TOP_SHARE: Final = 0.25

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Example:
    """A tile, the feature's value there, and for look-alikes how much it resembles the strongest tiles (-1 to 1)."""

    tile: int
    value: float
    similarity: float | None = None


@dataclass(frozen=True)
class FeatureExamples:
    """Examples of one feature on one slide.

    Attributes
    ----------
    feature, sae_digest
        The feature.
    n_tiles, n_firing
        Valid tiles of the slide, and how many of them it fires in.
    levels
        For each of :data:`LEVELS` its examples, strongest (look-alikes: most alike) first.
    look_alike_method
        How resemblance was measured, in words.
    """

    feature: int
    sae_digest: str
    n_tiles: int
    n_firing: int
    levels: dict[Level, tuple[Example, ...]]
    look_alike_method: str


def find_examples(
    features: FeatureMatrix,
    feature: int,
    n: int = 12,
    vectors: CentredVectors | None = None,
    seed: int = 0,
) -> FeatureExamples:
    """Choose up to `n` examples a level; the same call gives the same tiles.

    `top` are the strongest tiles; `upper`, `middle` and `lower` are drawn by chance from their
    bands of the firing tiles (:data:`BANDS`); no tile stands in two of these four, and where a
    feature fires in few tiles the stronger level has them. In these levels and in the look-alikes,
    tiles that touch one another are avoided as long as the band (for `top`: the strongest quarter) has others.
    `random` is a plain uniform draw of the firing tiles, touching or not, so that shares counted in
    it are unbiased. `look-alikes` are silent tiles.

    Parameters
    ----------
    features
        Activations of the slide.
    feature
        Its number.
    n
        Examples wanted in each level.
    vectors
        The vectors of the same analysis; without them resemblance is that of the other features.
    seed
        Of the draws, together with the feature's number.

    Raises
    ------
    UserInputError
        When there is no such feature, or `n` is below 1.
    MismatchError
        When the vectors belong to another analysis.
    """
    if n < 1:
        raise UserInputError(f"{n} examples cannot be shown.", "Ask for at least 1.")
    levels = find_levels(features, feature, n, seed)
    top = np.array([example.tile for example in levels["top"]], np.int64)
    spread = _Spread(features.grid)
    ranked, alike = rank_look_alikes(features, feature, top, vectors, n * spread.cells)
    similarity = dict(zip(ranked.tolist(), alike.tolist(), strict=True))
    chosen = sorted(spread.choose(ranked, n), key=lambda tile: -similarity[tile])
    levels["look-alikes"] = tuple(Example(tile, 0.0, similarity[tile]) for tile in chosen)
    return FeatureExamples(
        feature=feature,
        sae_digest=features.sae_digest,
        n_tiles=int(features.valid.sum()),
        n_firing=int(features.column(feature)[0].size),
        levels=levels,
        look_alike_method=BY_FEATURES if vectors is None else BY_VECTORS,
    )


def find_levels(
    features: FeatureMatrix, feature: int, n: int = 12, seed: int = 0
) -> dict[Level, tuple[Example, ...]]:
    """The levels of :func:`find_examples` but for the look-alikes, which take longer.

    Raises
    ------
    UserInputError
        When there is no such feature.
    """
    tiles, values = features.column(feature)
    rng = np.random.default_rng([seed, feature])
    # Equal values are ranked by chance, because tiles of one value in the order of the grid lie together.
    order = rng.permutation(tiles.size)
    order = order[np.argsort(values[order], kind="stable")]
    spread = _Spread(features.grid)
    strongest = order[::-1][: max(n, int(np.ceil(_TOP_SHARE * order.size)))]
    chosen: dict[Level, list[int]] = {"top": spread.choose_places(tiles, strongest, n)}
    used = set(chosen["top"])
    for level, (low, high) in BANDS.items():
        band = order[int(np.floor(low * order.size)) : int(np.ceil(high * order.size))]
        free = (place for place in rng.permutation(band).tolist() if place not in used)
        chosen[level] = spread.choose_places(tiles, free, n)
        used |= set(chosen[level])
    chosen["random"] = rng.permutation(order)[:n].tolist()
    return {
        level: tuple(
            Example(int(tiles[place]), float(values[place]))
            for place in sorted(places, key=lambda place: (-values[place], tiles[place]))
        )
        for level, places in chosen.items()
    }


class _Spread:
    """Chooses tiles that do not touch one another."""

    def __init__(self, grid: TileGrid) -> None:
        self._rows, self._cols = grid.rows, grid.cols
        # Tiles that overlap touch over more than one step of the grid.
        self._reach = int(np.ceil(grid.tile_l0 / grid.stride_l0 - 1e-9))

    @property
    def cells(self) -> int:
        """Cells that one chosen tile bars, itself included."""
        return (2 * self._reach + 1) ** 2

    def choose(self, tiles: Ints, n: int) -> list[int]:
        """The first `n` of `tiles` that do not touch, then, where these are fewer, the first of the rest."""
        return [int(tiles[place]) for place in self.choose_places(tiles, range(tiles.size), n)]

    def choose_places(self, tiles: npt.NDArray[np.integer], places: Iterable[int], n: int) -> list[int]:
        """As :meth:`choose`, among the tiles at some places of an array, in their order."""
        barred: set[tuple[int, int]] = set()
        chosen: list[int] = []
        passed: list[int] = []
        steps = range(-self._reach, self._reach + 1)
        for place in places:
            if len(chosen) == n:
                break
            row, col = int(self._rows[tiles[place]]), int(self._cols[tiles[place]])
            if (row, col) in barred:
                passed.append(int(place))
                continue
            chosen.append(int(place))
            barred.update((row + dy, col + dx) for dy in steps for dx in steps)
        return chosen + passed[: n - len(chosen)]
