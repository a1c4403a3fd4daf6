"""The cells of the open slide as they are seen: where, of what type, with outline and measures by their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from desktop_app.project.cells.spatial_index import CellIndex
from sae_backend.cells.table import CellTable, Outlines

REACH_UM: Final = 6.0
"""A point belongs to a cell without an outline when it is not further than this (um) from its centre."""

_SAMPLE: Final = 500
_WIDEST_UM: Final = 60.0

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class VisibleCells:
    """Cells after changes by hand and class map.

    Attributes
    ----------
    import_id
        Import that they come from.
    n_imported
        Cells of the import; numbers from there on are of cells that were added by hand.
    table
        Places and types of the M cells.
    numbers
        int64 (M,), rising: the number by which a change names each.
    mpp
        Um per level-0 px; 1 where it is not known.
    details
        The imported cells with measures and outlines; None while they are not read, or where there are none.
    """

    import_id: int
    n_imported: int
    table: CellTable
    numbers: Numbers
    mpp: float
    details: CellTable | None = None

    @cached_property
    def places(self) -> CellIndex:
        """The cells by place, in level-0 px."""
        return CellIndex(self.table.y_l0, self.table.x_l0)

    @property
    def outlines(self) -> Outlines | None:
        """Outlines of the imported cells, by their numbers."""
        return None if self.details is None else self.details.outlines

    @cached_property
    def width_um(self) -> float:
        """Width of a typical cell by its outline, 0 where there are none."""
        outlines = self.outlines
        if outlines is None:
            return 0.0
        some = np.flatnonzero(np.diff(outlines.starts) > 2)
        if not some.size:
            return 0.0
        some = some[:: max(1, some.size // _SAMPLE)]
        return (
            float(np.median([np.ptp(outlines.ring(cell), axis=0).mean() for cell in some.tolist()]))
            * self.mpp
        )

    def place_of(self, number: int) -> int:
        """Place of a cell in the table by its number, -1 where it is not there any more."""
        place = int(np.searchsorted(self.numbers, number))
        return place if place < self.numbers.size and self.numbers[place] == number else -1

    def ring(self, place: int) -> npt.NDArray[np.float32]:
        """Outline (n, 2) of a cell in level-0 px, of no points where it has none."""
        number = int(self.numbers[place])
        if self.outlines is None or number >= self.n_imported:
            return np.empty((0, 2), np.float32)
        return self.outlines.ring(number)

    def type_of(self, place: int) -> str:
        """Type of a cell."""
        return self.table.type_names[self.table.type_index[place]]

    def measures_of(self, place: int) -> dict[str, float]:
        """What is known of a cell by name."""
        number = int(self.numbers[place])
        if self.details is None or number >= self.n_imported:
            return {}
        found = {name: float(values[number]) for name, values in self.details.measures.items()}
        return {name: value for name, value in found.items() if np.isfinite(value)}

    def at(self, y_l0: float, x_l0: float) -> int:
        """Place of the cell at a point in level-0 px, -1 for none: the one whose outline holds it, or the nearest."""
        widest = max(self.width_um, REACH_UM) * 2
        near = self.places.near(y_l0, x_l0, min(widest, _WIDEST_UM) / self.mpp)
        bare = -1
        for place in near.tolist():
            ring = self.ring(place)
            if len(ring) > 2:
                if _holds(ring, y_l0, x_l0):
                    return int(place)
            elif bare < 0:
                away = np.hypot(self.table.y_l0[place] - y_l0, self.table.x_l0[place] - x_l0)
                bare = int(place) if away * self.mpp <= REACH_UM else -1
        return bare

    def hidden_mask(self, hidden: frozenset[str]) -> npt.NDArray[np.bool_]:
        """Which types are seen, (n_types,)."""
        return np.array([name not in hidden for name in self.table.type_names], np.bool_)


def _holds(ring: npt.NDArray[np.float32], y: float, x: float) -> bool:
    """Whether a point lies in a ring, by the even-odd rule."""
    ys, xs = ring[:, 0].astype(np.float64), ring[:, 1].astype(np.float64)
    yn, xn = np.roll(ys, -1), np.roll(xs, -1)
    crosses = (ys > y) != (yn > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = xs + (y - ys) / (yn - ys) * (xn - xs)
    return bool((crosses & (x < at)).sum() % 2)
