"""Human-interpretable features (HIFs) of tiles: densities, shape of nuclei, tissue, spacing.

Each is a number a tile that a pathologist could measure by hand; the correlations treat it as they
treat a count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.cells.table import CellTable
from sae_backend.slides.tiles import TileGrid

Floats = npt.NDArray[np.float64]

SHAPES: Final = {
    "area_um2": "nuclear area (um2)",
    "eccentricity": "nuclear eccentricity",
    "solidity": "nuclear solidity",
    "mean_od": "nuclear haematoxylin density (OD)",
}
"""Measures of single cells that are averaged over a tile, and their names as HIFs."""

STAINS: Final = ("haematoxylin, mean of tile (OD)", "eosin, mean of tile (OD)")
"""Stain intensities, which need the slide's pixels; see :mod:`sae_backend.slides.stain_per_tile`."""

_MIN_FOR_SPREAD: Final = 3


def hif_names(tables: Sequence[CellTable | None]) -> tuple[str, ...]:
    """Names of the HIFs that at least one of the tables gives, in a fixed order; stains are apart."""
    types = sorted({name for table in tables if table is not None for name in table.type_names})
    measures = {name for table in tables if table is not None for name in table.measures}
    names = ["tissue share of tile"]
    if types:
        names += ["cell density (per mm2 tissue)", *(f"density of {name} (per mm2 tissue)" for name in types)]
        names.append("distance to nearest cell (um)")
    for key, title in SHAPES.items():
        if key in measures:
            names += [f"{title}, mean", f"{title}, spread"]
    return tuple(names)


def tile_hifs(table: CellTable | None, grid: TileGrid, names: Sequence[str]) -> Floats:
    """HIFs of all tiles of a slide.

    Parameters
    ----------
    table
        Its cells, None without.
    grid
        Its tiles.
    names
        The HIFs wanted, of :func:`hif_names`.

    Returns
    -------
    ndarray
        float64 (N, len(names)); NaN where a tile has too few cells for a number, or nothing is known.
    """
    found = np.full((grid.n_tiles, len(names)), np.nan)
    known = dict(_columns(table, grid))
    for column, name in enumerate(names):
        if name in known:
            found[:, column] = known[name]
        elif table is not None and name.startswith("density of "):
            found[:, column] = 0.0
    return found


def _columns(table: CellTable | None, grid: TileGrid) -> Iterator[tuple[str, Floats]]:
    share = grid.tissue_fraction.astype(np.float64)
    yield "tissue share of tile", share
    if table is None:
        return
    tile = grid.tiles_at(np.stack([table.y_l0, table.x_l0], axis=1)).astype(np.int64)
    inside = tile >= 0
    where = tile[inside]
    n = np.bincount(where, minlength=grid.n_tiles).astype(np.float64)
    tissue_mm2 = share * (grid.tile_l0 * grid.mpp / 1000) ** 2
    per_mm2 = np.where(tissue_mm2 > 0, 1 / np.where(tissue_mm2 > 0, tissue_mm2, 1), np.nan)
    yield "cell density (per mm2 tissue)", n * per_mm2
    for index, name in enumerate(table.type_names):
        of_type = where[table.type_index[inside] == index]
        counts = np.bincount(of_type, minlength=grid.n_tiles).astype(np.float64)
        yield f"density of {name} (per mm2 tissue)", counts * per_mm2
    yield "distance to nearest cell (um)", _mean(where, _nearest_um(table, grid)[inside], grid.n_tiles)
    for key, title in SHAPES.items():
        if key in table.measures:
            values = table.measures[key][inside].astype(np.float64)
            yield f"{title}, mean", _mean(where, values, grid.n_tiles)
            yield f"{title}, spread", _spread(where, values, grid.n_tiles)


def _nearest_um(table: CellTable, grid: TileGrid) -> Floats:
    if table.n_cells < 2:
        return np.full(table.n_cells, np.nan)
    from scipy.spatial import cKDTree

    places = np.stack([table.y_l0, table.x_l0], axis=1) * grid.mpp
    distance = np.asarray(cKDTree(places).query(places, k=2)[0], np.float64)
    return distance[:, 1]


def _mean(tile: npt.NDArray[np.int64], values: Floats, n_tiles: int) -> Floats:
    fine = np.isfinite(values)
    n = np.bincount(tile[fine], minlength=n_tiles)
    total = np.bincount(tile[fine], values[fine], minlength=n_tiles)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _spread(tile: npt.NDArray[np.int64], values: Floats, n_tiles: int) -> Floats:
    fine = np.isfinite(values)
    n = np.bincount(tile[fine], minlength=n_tiles)
    mean = _mean(tile, values, n_tiles)
    squares = np.bincount(tile[fine], (values[fine] - mean[tile[fine]]) ** 2, minlength=n_tiles)
    return np.where(n >= _MIN_FOR_SPREAD, np.sqrt(squares / np.maximum(n - 1, 1)), np.nan)
