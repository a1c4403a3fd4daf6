"""Tiles of several slides as points of one feature against one type, and what each slide says by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.activations.feature_matrix import FeatureMatrix

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_Z: Final = 1.959963984540054
_LEAST_TILES: Final = 4


@dataclass(frozen=True)
class SlideTargets:
    """A slide of a run: its activations, and the targets (N, C) of its tiles, NaN where there are none.

    `used` (N,) are the tiles that take part; `reports` (N,) those that the run's values are of, where
    features were chosen on others.
    """

    slide_id: int
    name: str
    features: FeatureMatrix
    targets: Floats
    reports: npt.NDArray[np.bool_]

    @property
    def used(self) -> npt.NDArray[np.bool_]:
        """Tiles (N,) that could be read."""
        return self.features.valid

    @property
    def only_chose(self) -> bool:
        """Whether the slide was only used to choose features."""
        return not bool((self.reports & self.used).any())


@dataclass(frozen=True)
class PairPoints:
    """Points (n,): target `x`, activation `y`, number of the tile, and the place of its slide in `slides`."""

    x: Floats
    y: Floats
    tile: Ints
    slide: Ints
    slides: tuple[tuple[int, str], ...]

    @classmethod
    def none(cls) -> PairPoints:
        """No points."""
        nothing = np.zeros(0, np.int64)
        return cls(np.zeros(0), np.zeros(0), nothing, nothing, ())

    def of(self, place: int) -> PairPoints:
        """Only the points of one slide."""
        mine = self.slide == place
        return PairPoints(self.x[mine], self.y[mine], self.tile[mine], self.slide[mine], self.slides)


@dataclass(frozen=True)
class SlideR:
    """r of one slide by itself with its Fisher-z interval, as if tiles were independent; NaN where not defined."""

    slide_id: int
    name: str
    n: int
    r: float
    low: float
    high: float
    only_chose: bool = False


def pair_points(slides: Sequence[SlideTargets], feature: int, column: int) -> PairPoints:
    """Points of the tiles that the run's values are of."""
    xs, ys, tiles, places = [], [], [], []
    for place, slide in enumerate(slides):
        x, y, kept = _of_slide(slide, feature, column, slide.reports)
        xs.append(x)
        ys.append(y)
        tiles.append(kept)
        places.append(np.full(kept.size, place, np.int64))
    if not xs:
        return PairPoints.none()
    names = tuple((slide.slide_id, slide.name) for slide in slides)
    return PairPoints(
        np.concatenate(xs), np.concatenate(ys), np.concatenate(tiles), np.concatenate(places), names
    )


def slide_correlations(slides: Sequence[SlideTargets], feature: int, column: int) -> list[SlideR]:
    """Pearson's r of every slide by itself, over the tiles that report, or all of a slide that only chose."""
    found = []
    for slide in slides:
        wanted = slide.used if slide.only_chose else slide.reports
        x, y, _ = _of_slide(slide, feature, column, wanted)
        r = _pearson(x, y)
        low, high = fisher_interval(r, x.size)
        found.append(SlideR(slide.slide_id, slide.name, int(x.size), r, low, high, slide.only_chose))
    return found


def pooled_within(points: PairPoints) -> float:
    """Pearson's r of deviations from the slides' own means; NaN where nothing varies."""
    if not points.x.size:
        return float("nan")
    n = np.maximum(np.bincount(points.slide), 1)
    x = points.x - (np.bincount(points.slide, points.x) / n)[points.slide]
    y = points.y - (np.bincount(points.slide, points.y) / n)[points.slide]
    return _pearson(x, y)


def fisher_interval(r: float, n: int) -> tuple[float, float]:
    """95 % interval of a correlation of n independent pairs by Fisher's z (1921); NaN with fewer than 4."""
    if n < _LEAST_TILES or not np.isfinite(r) or abs(r) >= 1:
        return float("nan"), float("nan")
    z, spread = np.arctanh(r), _Z / np.sqrt(max(n - 3, 1))
    return float(np.tanh(z - spread)), float(np.tanh(z + spread))


def _of_slide(
    slide: SlideTargets, feature: int, column: int, wanted: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats, Ints]:
    y = np.zeros(slide.features.n_tiles)
    tiles, values = slide.features.column(feature)
    y[tiles] = values
    x = slide.targets[:, column]
    kept = np.flatnonzero(wanted & slide.used & np.isfinite(x))
    return x[kept], y[kept], kept.astype(np.int64)


def _pearson(x: Floats, y: Floats) -> float:
    if x.size < _LEAST_TILES:
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    spread = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum() / spread) if spread > 1e-12 else float("nan")
