"""Cells of a slide: their centres and types, and how many of each type lie in each tile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sae_backend.cells.formats.registry import CELL_FORMATS
from sae_backend.cells.import_options import ColumnMap, ReadOptions
from sae_backend.cells.importing import fit_of, lay_on_slide, open_cells, places_l0
from sae_backend.cells.parsing.byte_source import Progress
from sae_backend.cells.parsing.raw_cells import UNCLASSIFIED
from sae_backend.cells.table import CellImport, CellTable

if TYPE_CHECKING:
    from pathlib import Path

    from sae_backend.slides.slide import SlideInfo
    from sae_backend.slides.tiles import TileGrid

__all__ = [
    "CELL_FORMATS",
    "UNCLASSIFIED",
    "CellCounts",
    "CellImport",
    "CellTable",
    "ColumnMap",
    "Progress",
    "ReadOptions",
    "count_cells",
    "read_cells",
]


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


def read_cells(
    path: Path,
    slide_info: SlideInfo,
    options: ReadOptions | None = None,
    progress: Progress | None = None,
) -> CellImport:
    """Read the cells of a slide from a file; its content tells which of `CELL_FORMATS` it has.

    Cells outside the slide are left out and counted in the notes. Nothing of their place is guessed:
    what would fit better is only said.

    Parameters
    ----------
    path
        The file, plain or packed with gzip, ZIP or Snappy.
    slide_info
        The slide that the cells lie on.
    options
        What is stated of the file; all that is not is taken from it.
    progress
        Called with what is done and what there is to do; what it raises, such as `CancelledError`, stops
        the reading at once.

    Raises
    ------
    CellsError
        If the file cannot be used, its scale has to be stated, or all of its cells lie outside the slide.
    PixelSizeError
        If the file is in um and the slide's pixel size is unknown.
    UserInputError
        If what is stated makes no sense.
    """
    opened = open_cells(path, slide_info, options or ReadOptions(), progress)
    raw = opened.format.read(opened.reading)
    yx_l0 = places_l0(raw, raw.placement.require_scale(path.name))
    return lay_on_slide(raw, opened, yx_l0, fit_of(raw, opened, yx_l0))


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
