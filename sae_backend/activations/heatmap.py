"""One feature laid on its grid, in um, ready to draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.slides.pyramid import area_weights
from sae_backend.slides.tiles import TileGrid


@dataclass(frozen=True)
class Heatmap:
    """Values float32 (rows, cols), NaN where no tile was read.

    A cell is a square of `cell_um`; the centre of cell (0, 0) lies at `translate_um` = (y, x) in
    napari's world, where the centre of level-0 pixel (0, 0) is the origin.
    """

    values: npt.NDArray[np.float32]
    cell_um: float
    translate_um: tuple[float, float]
    feature: int
    sae_digest: str


def heatmap(features: FeatureMatrix, feature: int) -> Heatmap:
    """Lay one feature on the stride grid; where tiles overlap, a cell is the area-weighted mean.

    Raises
    ------
    UserInputError
        When there is no such feature.
    """
    tiles, activations = features.column(feature)
    values = np.zeros(features.n_tiles, np.float32)
    values[tiles] = activations
    grid = features.grid
    return Heatmap(
        values=lay_on_grid(grid, values, features.valid),
        cell_um=grid.stride_l0 * grid.mpp,
        translate_um=cell_origin_um(grid),
        feature=feature,
        sae_digest=features.sae_digest,
    )


def cell_origin_um(grid: TileGrid) -> tuple[float, float]:
    """Centre (y, x) of the grid's first cell in um, pixel centres being whole numbers of px."""
    y, x = ((origin + (grid.stride_l0 - 1) / 2) * grid.mpp for origin in grid.origin_l0)
    return y, x


def lay_on_grid(
    grid: TileGrid, values: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """Values (N,) of tiles as an image float32 (rows, cols) of cells one stride wide.

    Tiles without overlap fill exactly one cell each. With overlap the image grows by the cells
    that the last tiles reach into, and a cell is the mean of its tiles by covered area.
    """
    rows, cols = grid.rows[valid], grid.cols[valid]
    if grid.spec.stride == grid.spec.tile_px:
        image = np.full(grid.shape, np.nan, np.float32)
        image[rows, cols] = values[valid]
        return image
    reach = grid.tile_l0 / grid.stride_l0
    n_cells = int(np.ceil(reach - 1e-9))
    # Covered length of each of the cells that a tile spans, along one axis.
    cover = area_weights(0.0, reach, 1, n_cells)[0].astype(np.float64)
    shape = (grid.shape[0] + n_cells - 1, grid.shape[1] + n_cells - 1)
    total, weight = np.zeros(shape), np.zeros(shape)
    for dy in range(n_cells):
        for dx in range(n_cells):
            share = cover[dy] * cover[dx]
            np.add.at(total, (rows + dy, cols + dx), share * values[valid])
            np.add.at(weight, (rows + dy, cols + dx), share)
    image = np.full(shape, np.nan, np.float32)
    np.divide(total, weight, out=image, where=weight > 0, casting="unsafe")
    return image
