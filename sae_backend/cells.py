"""Cells of a slide: their centres and types, and how many of each type lie in each tile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sae_backend.tiles import TileGrid

UNCLASSIFIED: Final = "Unclassified"


@dataclass(frozen=True)
class CellTable:
    """Cell centres in level-0 px and their types.

    `y_l0`, `x_l0` are float64 (M,), `type_index` uint16 (M,) into `type_names`.
    """

    y_l0: npt.NDArray[np.float64]
    x_l0: npt.NDArray[np.float64]
    type_index: npt.NDArray[np.uint16]
    type_names: tuple[str, ...]

    @property
    def n_cells(self) -> int:
        """Number of cells, M."""
        return int(self.y_l0.size)


@dataclass(frozen=True)
class CellImport:
    """Cells read from a file: where they came from and what was assumed, in words."""

    table: CellTable
    source_name: str
    source_sha256: str
    tool: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class CellCounts:
    """Cells per tile and type.

    `counts` is int32 (N, C) in the order of the grid's tiles and of `type_names`; every cell is
    counted at most once, also where tiles overlap.
    """

    counts: npt.NDArray[np.int32]
    type_names: tuple[str, ...]
    n_in_tiles: int
    n_outside_tiles: int


def count_cells(table: CellTable, grid: TileGrid) -> CellCounts:
    """Count the cells of each type whose centre lies in each kept tile.

    Parameters
    ----------
    table
        Cells in level-0 px of the grid's slide.
    grid
        The tiles. A cell in several overlapping tiles goes to the nearest centre.
    """
    n_types = len(table.type_names)
    tile = grid.tiles_at(np.stack([table.y_l0, table.x_l0], axis=1)).astype(np.int64)
    inside = tile >= 0
    flat = tile[inside] * n_types + table.type_index[inside]
    counts = np.bincount(flat, minlength=grid.n_tiles * n_types).reshape(grid.n_tiles, n_types)
    n_in = int(inside.sum())
    return CellCounts(counts.astype(np.int32), table.type_names, n_in, table.n_cells - n_in)
