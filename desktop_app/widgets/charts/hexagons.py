"""Points counted in hexagons: many at once, without a bias of direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF
from PySide6.QtGui import QPolygonF

Floats = npt.NDArray[np.float64]
_STRIDE: Final = 1 << 20
"""More halves than a screen has px."""


@dataclass(frozen=True)
class Hexagons:
    """Middles (m,) of the hexagons with points, the number of points in each, and the outline about (0, 0)."""

    x: Floats
    y: Floats
    counts: npt.NDArray[np.int64]
    outline: QPolygonF


def hexagons(x: Floats, y: Floats, radius: float) -> Hexagons:
    """Count points (n,) in hexagons whose corners lie `radius` from their middle, one corner up.

    A point belongs to the nearer of the two lattices of rectangles whose middles are those of the
    hexagons (Carr et al. 1987).
    """
    width, step = np.sqrt(3.0) * radius, 3.0 * radius
    first = np.rint(x / width), np.rint(y / step)
    second = np.floor(x / width) + 0.5, np.floor(y / step) + 0.5

    def distance(lattice: tuple[Floats, Floats]) -> Floats:
        return np.asarray((x - lattice[0] * width) ** 2 + (y - lattice[1] * step) ** 2, np.float64)

    nearer = distance(first) <= distance(second)
    # Halves, so that both lattices are whole numbers; one number for both, which sorts much faster than two.
    col, row = (np.where(nearer, a, b) * 2 for a, b in zip(first, second, strict=True))
    keys, counts = np.unique(row.astype(np.int64) * _STRIDE + col.astype(np.int64), return_counts=True)
    rows = np.floor_divide(keys + _STRIDE // 2, _STRIDE)
    cols = keys - rows * _STRIDE
    corners = [QPointF(width / 2 * dx, radius * dy) for dx, dy in
               ((0, -1), (1, -0.5), (1, 0.5), (0, 1), (-1, 0.5), (-1, -0.5))]  # fmt: skip
    return Hexagons(cols * width / 2, rows * step / 2, counts, QPolygonF(corners))
