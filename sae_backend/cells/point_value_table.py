"""Numbers by place from a table: expression of genes, scores of other programs, one row a place."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from sae_backend.cells.formats import delimited_table as cell_table
from sae_backend.cells.import_options import ReadOptions
from sae_backend.cells.importing import fit_of, open_cells, places_l0
from sae_backend.cells.parsing.byte_source import Progress
from sae_backend.cells.parsing.raw_cells import RawCells
from sae_backend.cells.point_values import TileValues
from sae_backend.errors import CellsError, UserInputError
from sae_backend.slides.slide import SlideInfo

MOST_COLUMNS: Final = 5000
"""Columns beyond are left out, with a note."""


def read_tile_values(
    path: Path,
    slide_info: SlideInfo,
    options: ReadOptions | None = None,
    source_name: str = "",
    progress: Progress | None = None,
) -> TileValues:
    """Read the columns of numbers of a CSV, TSV or Parquet table with columns for x and y.

    Parameters
    ----------
    path, slide_info, options, progress
        As for :func:`sae_backend.cells.counts.read_cells`; places outside the slide are left out and counted.
    source_name
        What the source is called; empty for the file's name.

    Raises
    ------
    CellsError
        If it is no table, has no column of numbers, or all of its places lie outside the slide.
    PixelSizeError
        If the table is in um and the slide's pixel size is unknown.
    UserInputError
        If what is stated makes no sense.
    """
    given = options or ReadOptions()
    opened = open_cells(path, slide_info, given, progress)
    if opened.format.key != cell_table.FORMAT:
        raise UserInputError(
            f"{path.name} is no table of numbers ({opened.format.words}).",
            "Values are read from CSV, TSV or Parquet with columns x, y and numbers.",
        )
    raw = cell_table.read_cell_table(opened.reading, MOST_COLUMNS)
    if not raw.measures:
        others = [name for name in cell_table.table_head(opened.reading).names if name not in _places(raw)]
        texts = f"; {', '.join(others[:5])} hold something else" if others else ""
        raise CellsError(
            f"{path.name} has no column of numbers beside x and y{texts}.",
            "Every row of a column to keep needs a number, or nothing.",
        )
    yx_l0 = places_l0(raw, raw.placement.require_scale(path.name))
    fit = fit_of(raw, opened, yx_l0)
    size = np.array([slide_info.height_px, slide_info.width_px], np.float64)
    inside = np.asarray(((yx_l0 >= 0) & (yx_l0 < size)).all(axis=1), np.bool_)
    hints = [suggestion.words for suggestion in fit.suggestions]
    if not inside.any():
        raise CellsError(
            f"All {len(inside):,} places of {path.name} lie outside the slide.",
            " ".join(["The file may be in another pixel size, or belong to another slide.", *hints]),
        )
    notes = [*(note for note in raw.notes if note != cell_table.NO_TYPE), *raw.placement.notes]
    if not inside.all():
        notes.append(
            f"{int((~inside).sum()):,} of {len(inside):,} places lie outside the slide and were left out."
        )
    return TileValues(
        np.ascontiguousarray(yx_l0[inside, 0]),
        np.ascontiguousarray(yx_l0[inside, 1]),
        tuple(raw.measures),
        np.stack([values[inside] for values in raw.measures.values()], axis=1),
        source_name or path.name,
        opened.reading.source.sha256(),
        (*notes, *hints),
    )


def _places(raw: RawCells) -> tuple[str, str]:
    """Names of the columns that hold x and y."""
    columns = raw.assumed["columns"]
    return str(columns["x"]), str(columns["y"])
