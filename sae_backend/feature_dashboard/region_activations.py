"""What fires in a region: features averaged over the tiles that lie in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.slides.regions import Polygons, shape_of
from sae_backend.slides.tiles import TileGrid


@dataclass(frozen=True)
class RegionFiring:
    """Features in a region, arrays (F,), over its `n_tiles` valid tiles; a silent tile counts as 0.

    `mean` and `slide_mean` (over all valid tiles of the slide) are in SAE units; `n_firing` is the number of
    tiles of the region in which the feature fires.
    """

    n_tiles: int
    mean: npt.NDArray[np.float64]
    n_firing: npt.NDArray[np.int64]
    slide_mean: npt.NDArray[np.float64]


def tiles_inside(grid: TileGrid, polygons_l0: Polygons) -> npt.NDArray[np.bool_]:
    """Return which tiles (N,) have their centre inside polygons of (y, x) level-0 px."""
    shape = shape_of(polygons_l0)
    shapely.prepare(shape)
    centres = grid.centres_l0()
    return np.asarray(shapely.contains_xy(shape, centres[:, 1], centres[:, 0]), bool)


def region_firing(features: FeatureMatrix, polygons_l0: Polygons) -> RegionFiring:
    """Average every feature over the valid tiles whose centre lies inside polygons of (y, x) level-0 px.

    Means are 0 where there is no such tile.
    """
    inside = tiles_inside(features.grid, polygons_l0) & features.valid
    n_tiles = int(inside.sum())
    values = features.csc()
    chosen = inside[values.indices]
    column = np.repeat(np.arange(features.n_features), np.diff(values.indptr))
    sums = np.bincount(column[chosen], values.data[chosen], features.n_features)
    n_firing = np.bincount(column[chosen & (values.data > 0)], minlength=features.n_features)
    stats = features.stats
    slide_mean = stats.mean_when_firing * stats.firing_rate
    return RegionFiring(n_tiles, sums / max(n_tiles, 1), n_firing, slide_mean)
