"""What a cell file holds and how it would lie on a slide, shown before anything is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from sae_backend.cells.extent_check import Box, ExtentFit
from sae_backend.cells.formats import delimited_table as cell_table
from sae_backend.cells.import_options import ColumnMap, ReadOptions
from sae_backend.cells.importing import fit_of, lay_on_slide, open_cells, places_l0
from sae_backend.cells.parsing.byte_source import Progress
from sae_backend.cells.parsing.raw_cells import RawCells
from sae_backend.cells.parsing.table_columns import find_columns
from sae_backend.cells.table import CellImport
from sae_backend.errors import CellsError
from sae_backend.slides.slide import SlideInfo

_SAMPLE_ROWS: Final = 8


@dataclass(frozen=True)
class CellPreview:
    """What is in a cell file.

    Attributes
    ----------
    source_name
        Name of the file.
    format, format_words
        Key of its format and what that is called.
    tool
        Program that wrote it, as far as that is known; empty where it was not read.
    n_cells
        Number of cells in the file, also of those outside the slide; None where it was not read.
    type_counts
        Number of cells by type.
    columns, sample, column_map
        Of a table: all its columns, its first rows as texts, and which columns were used, None where
        those for x and y have to be chosen.
    has_outlines, measures
        Whether cells have outlines, and the names of what was measured.
    extent
        What the cells span in the file's own coordinates.
    fit
        How they lie on the slide; None where the scale is open.
    notes
        What was assumed, in words.
    question
        What has to be stated before the cells can be imported; empty where nothing has.
    cells
        The cells, read and laid on the slide; None where something has to be stated first.
    """

    source_name: str
    format: str
    format_words: str
    tool: str = ""
    n_cells: int | None = None
    type_counts: Mapping[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    sample: tuple[tuple[str, ...], ...] = ()
    column_map: ColumnMap | None = None
    has_outlines: bool = False
    measures: tuple[str, ...] = ()
    extent: Box | None = None
    fit: ExtentFit | None = None
    notes: tuple[str, ...] = ()
    question: str = ""
    cells: CellImport | None = None


def preview_cells(
    path: Path,
    slide_info: SlideInfo,
    options: ReadOptions | None = None,
    progress: Progress | None = None,
) -> CellPreview:
    """Read a cell file and say what is in it; `cells` of the answer is what `read_cells` would return.

    Parameters
    ----------
    path, slide_info, options, progress
        As for :func:`sae_backend.cells.counts.read_cells`.

    Raises
    ------
    CellsError, PixelSizeError, UserInputError
        If the file cannot be used whatever is stated of its columns and scale.
    """
    opened = open_cells(path, slide_info, options or ReadOptions(), progress)
    reading = opened.reading
    columns: tuple[str, ...] = ()
    sample: tuple[tuple[str, ...], ...] = ()
    column_map = None
    if opened.format.key == cell_table.FORMAT:
        head = cell_table.table_head(reading, _SAMPLE_ROWS)
        columns, sample = head.names, head.rows
        try:
            column_map = find_columns(columns, reading.name, reading.options.columns).as_map()
        except CellsError as error:
            if len(columns) < 2:
                raise
            return CellPreview(
                reading.name, opened.format.key, opened.format.words, columns=columns, sample=sample,
                question=error.sentence,
            )  # fmt: skip
    raw = opened.format.read(reading)
    scale = raw.placement.scale
    yx_l0 = places_l0(raw, 1.0 if scale is None else scale)
    fit = None if scale is None else fit_of(raw, opened, yx_l0)
    cells, question = None, ""
    if fit is None:
        question = f"{reading.name} does not say {raw.placement.question}."
    else:
        try:
            cells = lay_on_slide(raw, opened, yx_l0, fit)
        except CellsError as error:
            question = f"{error.sentence} {error.hint}"
    counts = np.bincount(raw.type_index, minlength=len(raw.type_names)).tolist()
    return CellPreview(
        source_name=reading.name,
        format=raw.format,
        format_words=opened.format.words,
        tool=raw.tool,
        n_cells=len(raw.yx),
        type_counts=dict(zip(raw.type_names, counts, strict=True)),
        columns=columns,
        sample=sample,
        column_map=column_map,
        has_outlines=raw.outlines is not None,
        measures=tuple(raw.measures if cells is None else cells.table.measures),
        extent=_extent(raw),
        fit=fit,
        notes=(*raw.notes, *raw.placement.notes) if cells is None else cells.notes,
        question=question,
        cells=cells,
    )


def _extent(raw: RawCells) -> Box:
    low, high = raw.yx.min(axis=0), raw.yx.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
