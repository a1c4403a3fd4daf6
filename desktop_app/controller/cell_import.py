"""Import of cells: asked for, read beside the window, kept in the project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from desktop_app import jobs
from desktop_app.tasks import LatestRead
from sae_backend.cells import CellImport
from sae_backend.errors import SparsescopeError

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.controller.features import FeatureActions
    from desktop_app.controller.projects import ProjectActions
    from desktop_app.store import SlideRecord, Store


class CellImportActions:
    """Imports the cells of a slide.

    `reading` carries the slide whose cell file is being read, `read_ended` the error or None.
    """

    reading = Signal(int)
    read_ended = Signal(object)

    def __init__(self, context: Context, projects: ProjectActions, features: FeatureActions) -> None:
        self._context, self._projects, self._features = context, projects, features
        context.window.menus.import_cells_requested.connect(self.ask_cells)
        # A large cell file takes a minute to read, so it is read beside the window.
        self._reading: tuple[Store, SlideRecord]
        self._read = LatestRead()
        self._read.answered.connect(self._keep_cells)
        self._read.failed.connect(self._refused)

    def close(self) -> None:
        """End the read that may be under way."""
        self._read.close()

    def ask_cells(self) -> None:
        """Ask for a cell file of the open slide and import it."""
        context = self._context
        if context.session.slide is None:
            context.window.say("Open the slide that the cells belong to first.")
            return
        if not self._projects.ensure_project():
            return
        path = context.dialogs.open_file(
            "Import cells", "Cells (*.geojson *.json *.csv *.tsv *.parquet);;All files (*)"
        )
        if path is not None:
            self.import_cells(path)

    def import_cells(self, path: Path, slide: SlideRecord | None = None) -> bool:
        """Read a cell file beside the window, for a slide of the project or the open one; False without one."""
        context = self._context
        store, record = context.session.store, slide or context.session.slide_record
        if store is None or record is None:
            return False
        context.window.say(f"Reading the cells of {path.name} …")
        self._reading = (store, record)
        self._read.ask(lambda: jobs.read_cell_file(record, path))
        self.reading.emit(record.id)
        return True

    def _refused(self, error: SparsescopeError) -> None:
        self._context.show_error(error)
        self.read_ended.emit(error)

    def _keep_cells(self, found: object) -> None:
        assert isinstance(found, CellImport)
        context = self._context
        store, record = self._reading
        if store is not context.session.store:
            context.window.say("The project was closed while cells were read; import them again there.")
            self.read_ended.emit(None)
            return
        try:
            done = store.add_cells(record.id, found)
        except SparsescopeError as error:
            self._refused(error)
            return
        context.window.menus.cells.setChecked(True)
        self._features.cells.show()
        kinds = ", ".join(f"{count:,} {name}" for name, count in done.type_counts.items())
        context.window.say(" ".join([f"{done.n_cells:,} cells imported: {kinds}.", *done.notes]))
        self.read_ended.emit(None)
