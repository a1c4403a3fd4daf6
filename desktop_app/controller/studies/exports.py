"""Files of a study: one figure, one table, everything, or the report of the project."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from desktop_app.export.study import write_figure, write_study, write_study_table
from desktop_app.export.study_comparison import write_comparison
from desktop_app.store import Store
from desktop_app.tasks import SerialTasks

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.project.studies.read import Beside, StudyView
    from desktop_app.widgets.studies.studies import StudiesPanel
    from sae_backend.errors import SparsescopeError
    from sae_backend.studies.framework.report import Figure, Table

_FIGURES: Final = "SVG (*.svg);;PNG (*.png);;PDF (*.pdf)"
_TABLES: Final = "CSV (*.csv);;TSV (*.tsv)"


class StudyExports:
    """Writes what the user names, beside the window and one after another; `view` gives the study that is shown, `beside` the run it is
    compared with.
    """

    def __init__(
        self,
        context: Context,
        panel: StudiesPanel,
        view: Callable[[], StudyView | None],
        beside: Callable[[], Beside | None] = lambda: None,
    ) -> None:
        self._context, self._view, self._beside = context, view, beside
        self._panel = panel
        self._writing = SerialTasks()
        self._writing.answered.connect(self._written)
        self._writing.failed.connect(self._failed)
        panel.export_requested.connect(self.export)
        panel.report_requested.connect(self.report)
        context.menus.requested("report").connect(self.report)

    def close(self) -> None:
        """Wait for the files that are being written."""
        self._writing.close()

    def export(self, what: str) -> None:
        """Ask where to, and write the figure, the table or all of the study that is shown."""
        view, store = self._view(), self._context.session.store
        result = self._panel.result
        if view is None or store is None:
            return
        figure, table = result.shown_figure, result.shown_table
        if what == "figure" and figure is not None:
            path = self._context.dialogs.save_file("Export the figure", _FIGURES, f"{figure.key}.svg")
            if path is not None:
                self._writing.ask(partial(_figure_written, figure, path))
        elif what == "table" and table is not None:
            path = self._context.dialogs.save_file("Export the table", _TABLES, f"{table.key}.csv")
            if path is not None:
                self._writing.ask(partial(_table_written, table, path))
        elif what == "all":
            folder = self._context.dialogs.folder("Export figures and tables into a folder")
            if folder is not None:
                self._write_all(store.folder, view, folder / f"{view.record.kind}-{view.record.id}")

    def _write_all(self, project: Path, view: StudyView, folder: Path) -> None:
        beside = self._beside()

        def write() -> str:
            with Store(project) as own:
                n_files = len(write_study(own, view.record, folder))
            if beside is not None:
                other = beside.view.record
                place = folder / f"difference-to-{other.id}"
                n_files += len(write_comparison(beside.comparison, view.record, other, place))
            return f"{n_files} files are in {folder}."

        self._writing.ask(write)

    def report(self) -> None:
        """Ask where to, and write the report of the project."""
        store = self._context.session.store
        if store is None:
            self._context.say("A report needs a project with an analysed slide.")
            return
        path = self._context.dialogs.save_file("Write the report", "Web page (*.html)", "report.html")
        if path is None:
            return
        folder = store.folder

        def write() -> str:
            from desktop_app.export.report import write_report

            with Store(folder) as own:
                write_report(own, path)
            return f"The report is in {path}."

        self._context.say("Writing the report …")
        self._writing.ask(write)

    def _written(self, words: object) -> None:
        self._context.say(str(words))

    def _failed(self, error: SparsescopeError) -> None:
        self._context.show_error(error)


def _figure_written(figure: Figure, path: Path) -> str:
    return f"The figure is in {write_figure(figure, path)}."


def _table_written(table: Table, path: Path) -> str:
    return f"{table.n_rows:,} rows are in {write_study_table(table, path)}."
