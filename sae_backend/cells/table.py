"""The cells of a slide: where they are, what they are, their outlines and whatever was measured of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sae_backend.errors import MismatchError


@dataclass(frozen=True)
class Outlines:
    """Outer rings of M cells, not closed: cell i has the points `starts[i]` to `starts[i + 1]`.

    `starts` is int64 (M + 1,), `yx_l0` float32 (P, 2) of (y, x) in level-0 px; a cell without an
    outline has no points.
    """

    starts: npt.NDArray[np.int64]
    yx_l0: npt.NDArray[np.float32]

    @property
    def n_cells(self) -> int:
        """Number of cells, M."""
        return int(self.starts.size) - 1

    def ring(self, cell: int) -> npt.NDArray[np.float32]:
        """Points (n, 2) of one cell."""
        return self.yx_l0[self.starts[cell] : self.starts[cell + 1]]

    def take(self, cells: npt.NDArray[np.int64]) -> Outlines:
        """Outlines of the cells with these numbers (m,), in that order."""
        sizes = np.diff(self.starts)[cells]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        source = np.repeat(self.starts[cells] - starts[:-1], sizes) + np.arange(starts[-1])
        return Outlines(starts, self.yx_l0[source])


@dataclass(frozen=True)
class CellTable:
    """Cells of a slide, M of them.

    Attributes
    ----------
    y_l0, x_l0
        Centres in level-0 px, float64 (M,).
    type_index, type_names
        Type of each cell, uint16 (M,), into the names.
    measures
        What was measured of each cell by name and unit (`area_um2`, `eccentricity`, `mean_od`, or
        whatever a file calls it), float32 (M,) each, NaN where it is not known.
    outlines
        Outer rings, None where the source gives none.
    """

    y_l0: npt.NDArray[np.float64]
    x_l0: npt.NDArray[np.float64]
    type_index: npt.NDArray[np.uint16]
    type_names: tuple[str, ...]
    measures: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    outlines: Outlines | None = None

    def __post_init__(self) -> None:
        sizes = {self.y_l0.size, self.x_l0.size, self.type_index.size}
        sizes |= {values.size for values in self.measures.values()}
        if self.outlines is not None:
            sizes.add(self.outlines.n_cells)
        if len(sizes) != 1:
            raise MismatchError(
                "The cells have unequal numbers of places, types, measures or outlines.",
                "Import them again.",
            )

    @property
    def n_cells(self) -> int:
        """Number of cells, M."""
        return int(self.y_l0.size)

    def take(self, cells: npt.NDArray[Any]) -> CellTable:
        """Only the cells of a mask, bool (M,), or of these numbers (m,), in that order."""
        numbers = np.flatnonzero(cells) if cells.dtype == np.bool_ else cells.astype(np.int64)
        return replace(
            self,
            y_l0=self.y_l0[numbers],
            x_l0=self.x_l0[numbers],
            type_index=self.type_index[numbers],
            measures={name: values[numbers] for name, values in self.measures.items()},
            outlines=None if self.outlines is None else self.outlines.take(numbers),
        )


@dataclass(frozen=True)
class CellImport:
    """Cells read from a file or found by a detector.

    `assumed` says, in plain JSON values, what has to be known to repeat it: `format`, `scale`,
    `offset_l0` as [y, x], columns, parameters of a detector; `notes` say it in words.
    """

    table: CellTable
    source_name: str
    source_sha256: str
    tool: str
    notes: tuple[str, ...]
    assumed: Mapping[str, Any] = field(default_factory=dict)
