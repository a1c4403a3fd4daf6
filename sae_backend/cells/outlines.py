"""Sizes and forms of cells, computed from their outlines for all of them at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely

from sae_backend.cells.table import CellTable, Outlines

SHAPE_MEASURES: Final = ("area_um2", "perimeter_um", "major_um", "minor_um", "eccentricity", "solidity")
"""Names of the measures; the first four need the pixel size."""

_BLOCK_CELLS: Final = 20_000

_Floats = npt.NDArray[np.float64]


def measure_shapes(
    outlines: Outlines, mpp: float | None, check: Callable[[], None] | None = None
) -> dict[str, npt.NDArray[np.float32]]:
    """Measure outlines.

    Parameters
    ----------
    outlines
        Rings of M cells in level-0 px.
    mpp
        Pixel size in um per level-0 px; None where it is unknown, which leaves the sizes out.
    check
        Called before each block of cells; what it raises stops the measuring.

    Returns
    -------
    dict of float32 (M,)
        `area_um2`; `perimeter_um`; `major_um` and `minor_um`, the axes of the ellipse with the same second
        moments of area; its `eccentricity` (0 for a circle, towards 1 for a line); `solidity`, the share
        of the convex hull that the cell fills. NaN where a cell has no outline with an area.
    """
    found: dict[str, npt.NDArray[np.float32]] = {
        name: np.full(outlines.n_cells, np.nan, np.float32) for name in SHAPE_MEASURES
    }
    for first in range(0, outlines.n_cells, _BLOCK_CELLS):
        if check is not None:
            check()
        starts = outlines.starts[first : first + _BLOCK_CELLS + 1]
        sizes = np.diff(starts)
        cells = np.flatnonzero(sizes >= 3)
        if cells.size:
            points = outlines.yx_l0[starts[0] : starts[-1]][np.repeat(sizes >= 3, sizes)].astype(np.float64)
            for name, values in _measure(points, sizes[cells]).items():
                found[name][first + cells] = values
    for name, power in (("area_um2", 2), ("perimeter_um", 1), ("major_um", 1), ("minor_um", 1)):
        if mpp is None:
            del found[name]
        else:
            found[name] *= np.float32(mpp**power)
    return found


def with_shapes(table: CellTable, mpp: float | None, check: Callable[[], None] | None = None) -> CellTable:
    """Return the cells with the measures of their outlines; one that the file gave under such a name stays.

    Parameters are those of :func:`measure_shapes`.
    """
    if table.outlines is None:
        return table
    return replace(table, measures={**measure_shapes(table.outlines, mpp, check), **table.measures})


def _measure(yx: _Floats, sizes: npt.NDArray[np.int64]) -> dict[str, _Floats]:
    """Measure rings of at least three points, in px; NaN where a ring encloses nothing."""
    starts = np.cumsum(sizes) - sizes
    # Measured from its first vertex, a small polygon far from the origin loses no digits.
    local = yx - np.repeat(yx[starts], sizes, axis=0)
    ends = starts + sizes - 1
    following = np.roll(local, -1, axis=0)
    following[ends] = local[starts]
    (y, x), (y1, x1) = local.T, following.T
    cross = x * y1 - x1 * y
    area = np.add.reduceat(cross, starts) / 2
    extent = np.maximum.reduceat(np.abs(local).max(axis=1), starts)
    bad = np.abs(area) <= 1e-9 * extent**2
    safe = np.where(bad, 1.0, area)
    mean_x = np.add.reduceat((x + x1) * cross, starts) / (6 * safe)
    mean_y = np.add.reduceat((y + y1) * cross, starts) / (6 * safe)
    # Second moments of a polygon by Green's theorem, then about its centroid.
    xx = np.add.reduceat((x * x + x * x1 + x1 * x1) * cross, starts) / (12 * safe) - mean_x**2
    yy = np.add.reduceat((y * y + y * y1 + y1 * y1) * cross, starts) / (12 * safe) - mean_y**2
    xy = (
        np.add.reduceat((x * y1 + 2 * (x * y + x1 * y1) + x1 * y) * cross, starts) / (24 * safe)
        - mean_x * mean_y
    )
    half, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    large, small = half + spread, half - spread
    # A ring that crosses itself can have moments that no area has.
    bad |= (small < -1e-9 * np.abs(large)) | (large <= 0)
    large, small = np.where(bad, 1.0, large), np.where(bad, 0.0, np.maximum(small, 0.0))
    measured = {
        "area_um2": np.abs(area),
        "perimeter_um": np.add.reduceat(np.hypot(y1 - y, x1 - x), starts),
        "major_um": 4 * np.sqrt(large),
        "minor_um": 4 * np.sqrt(small),
        "eccentricity": np.sqrt(1 - np.minimum(small / large, 1.0)),
        "solidity": _solidity(local, sizes, np.abs(area)),
    }
    for values in measured.values():
        values[bad] = np.nan
    return measured


def _solidity(yx: _Floats, sizes: npt.NDArray[np.int64], area: _Floats) -> _Floats:
    rings = shapely.linearrings(yx, indices=np.repeat(np.arange(sizes.size), sizes))
    hull = shapely.area(shapely.convex_hull(rings))
    return np.asarray(np.minimum(area / np.where(hull > 0, hull, np.inf), 1.0), np.float64)
