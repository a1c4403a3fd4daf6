"""Cell files of a project's slides: previewed and read without the database, so that a thread may do it."""

from __future__ import annotations

from pathlib import Path

from desktop_app.project.analysis_jobs import open_slide
from desktop_app.store import SlideRecord
from sae_backend.cells.counts import Progress
from sae_backend.cells.formats.delimited_table import FORMAT, table_head
from sae_backend.cells.import_options import ColumnMap, ReadOptions
from sae_backend.cells.importing import open_cells
from sae_backend.cells.parsing.table_columns import find_columns
from sae_backend.cells.preview import CellPreview, preview_cells
from sae_backend.errors import UserInputError
from sae_backend.slides.slide import SlideInfo


def preview_file(
    record: SlideRecord, path: Path, options: ReadOptions, progress: Progress | None = None
) -> CellPreview:
    """Read a cell file for a slide of a project.

    Raises
    ------
    CellsError, PixelSizeError, SlideError, UserInputError
        As :func:`sae_backend.cells.preview.preview_cells`, and where the slide cannot be opened.
    """
    with open_slide(record) as slide:
        return preview_cells(path, slide.info, options, progress)


def stated_columns(path: Path, info: SlideInfo, given: ColumnMap) -> ColumnMap | None:
    """Columns of a table where only some are stated: the others are those that their names tell.

    Parameters
    ----------
    path, info
        The file and its slide.
    given
        What is stated; empty texts are not.

    Returns
    -------
    ColumnMap or None
        None where nothing is stated.

    Raises
    ------
    UserInputError
        When the file is no table, or only one of x and y is stated.
    CellsError
        When the names of the others do not tell them.
    """
    if not (given.x or given.y or given.type or given.unit):
        return None
    if bool(given.x) != bool(given.y):
        raise UserInputError(
            "Only one of the columns for x and y was stated.", "State both: --x COL --y COL."
        )
    opened = open_cells(path, info, ReadOptions())
    if opened.format.key != FORMAT:
        raise UserInputError(
            f"{path.name} is no table ({opened.format.words}), so it has no columns to state.",
            "Leave --x, --y, --type and --unit out.",
        )
    if given.x:
        return given
    found = find_columns(table_head(opened.reading).names, path.name).as_map()
    # The unit that a header says is kept where none is stated.
    return ColumnMap(found.x, found.y, given.type or found.type, given.unit or found.unit)
