"""Import of cells: asked for, read beside the window, looked at, kept in the project."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from psygnal import Signal

from desktop_app.controller.cells.file_reading import CellFileReading, SeenCells, keep_cells
from desktop_app.project.cells.text import counts_text
from desktop_app.store import CellImportRecord
from desktop_app.tasks import LatestTask
from sae_backend.cells.import_options import ReadOptions

if TYPE_CHECKING:
    from desktop_app.controller.cells.cells import CellActions
    from desktop_app.controller.context import Context
    from desktop_app.controller.project.projects import ProjectActions
    from desktop_app.store import SlideRecord, Store
    from desktop_app.widgets.cells.cell_import import CellImportDialog
    from sae_backend.cells.class_map import ClassMap
    from sae_backend.errors import SparsescopeError

_KINDS: Final = "Cells (*.geojson *.json *.csv *.tsv *.txt *.parquet *.geoparquet *.db *.npz *.gz *.zip *.snappy);;All files (*)"


class CellImportActions:
    """Imports the cells of a slide.

    `reading` carries the slide whose cell file is being read, `read_ended` the error, or None when the cells are in the
    project or nobody wanted them.
    """

    reading = Signal(int)
    read_ended = Signal(object)

    def __init__(self, context: Context, projects: ProjectActions, cells: CellActions) -> None:
        self._context, self._projects, self._cells = context, projects, cells
        context.menus.requested("import_cells").connect(self.ask_cells)
        self._store: Store | None = None
        self._record: SlideRecord | None = None
        self._path = Path()
        self.dialog: CellImportDialog | None = None
        """The import that is being looked at."""
        self._read, self._keep = CellFileReading(), LatestTask()
        self._read.read.connect(self._look)
        self._read.failed.connect(self._refused)
        self._keep.answered.connect(self._kept)
        self._keep.failed.connect(self._not_kept)

    def close(self) -> None:
        """End what may be under way."""
        self._read.close()
        self._keep.close()
        self._close_dialog()

    def ask_cells(self) -> None:
        """Ask for a cell file of the open slide and import it."""
        context = self._context
        if context.session.slide is None:
            context.say("Open the slide that the cells belong to first.")
            return
        if not self._projects.ensure_project():
            return
        path = context.dialogs.open_file("Import cells", _KINDS)
        if path is not None:
            self.import_cells(path)

    def import_cells(self, path: Path, slide: SlideRecord | None = None) -> bool:
        """Read a cell file beside the window, for a slide of the project or the open one; False without one."""
        context = self._context
        store, record = context.session.store, slide or context.session.slide_record
        if store is None or record is None:
            return False
        if self.dialog is not None:
            self.dialog.reject()
        context.say(f"Reading the cells of {path.name} …")
        self._store, self._record, self._path = store, record, path
        dialog = self.dialog = context.dialogs.cell_import()
        dialog.read_requested.connect(self._read_again)
        dialog.import_requested.connect(self._import)
        dialog.cancelled.connect(self._cancelled)
        self._read.progressed.connect(dialog.show_progress)
        dialog.begin(path.name, record.name)
        dialog.show()
        self._read.begin(record, path, ReadOptions())
        self.reading.emit(record.id)
        return True

    def _read_again(self, options: ReadOptions) -> None:
        if self.dialog is not None and self._record is not None:
            self.dialog.begin(self._path.name, self._record.name)
            self._read.begin(self._record, self._path, options)

    def _look(self, seen: SeenCells) -> None:
        if self.dialog is None or self._store is not self._context.session.store:
            self._lost_project()
            return
        store = self._store
        assert store is not None
        known = self._context.attempt(store.class_map.get)
        if known is None:
            self.dialog.reject()
            return
        self._context.say("")
        self.dialog.show_slide(seen.size_px, seen.thumbnail)
        self.dialog.show_preview(seen.preview, seen.options, known)

    def _refused(self, error: SparsescopeError) -> None:
        dialog = self.dialog
        if dialog is not None and dialog.preview is not None:
            dialog.show_refusal(error)
            return
        self._close_dialog()
        self._context.show_error(error)
        self.read_ended.emit(error)

    def _cancelled(self) -> None:
        self._read.stop()
        self._forget_dialog()
        self._context.say(f"{self._path.name} was not imported.")
        self.read_ended.emit(None)

    def _import(self, class_map: ClassMap) -> None:
        dialog, store, record = self.dialog, self._store, self._record
        self._forget_dialog()
        if store is not self._context.session.store or store is None or record is None:
            self._lost_project()
            return
        assert dialog is not None and dialog.preview is not None and dialog.preview.cells is not None
        self._context.say(f"Saving the cells of {self._path.name} …")
        cells = dialog.preview.cells
        self._keep.ask(partial(keep_cells, store.folder, store.author, record.id, cells, class_map))

    def _kept(self, done: CellImportRecord) -> None:
        context = self._context
        if self._store is not context.session.store:
            self._lost_project()
            return
        context.menus.action("cells").setChecked(True)
        # Types of other slides may have other names now too.
        self._cells.tell_all_changed()
        counts = counts_text(done.type_counts)
        context.say(" ".join([f"{done.n_cells:,} cells imported: {counts}.", *done.notes]))
        self.read_ended.emit(None)

    def _not_kept(self, error: SparsescopeError) -> None:
        self._context.show_error(error)
        self.read_ended.emit(error)

    def _lost_project(self) -> None:
        self._close_dialog()
        self._context.say(
            "The project was closed while the cells were being read; open it and import them again."
        )
        self.read_ended.emit(None)

    def _close_dialog(self) -> None:
        dialog = self.dialog
        self._forget_dialog()
        if dialog is not None:
            dialog.close_quietly()

    def _forget_dialog(self) -> None:
        dialog, self.dialog = self.dialog, None
        if dialog is not None:
            self._read.progressed.disconnect(dialog.show_progress)
            dialog.deleteLater()
