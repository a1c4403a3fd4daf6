"""Numbers by place that the user brings (expression of genes, other scores): asked for, read, kept."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from desktop_app.project.analysis_jobs import open_slide
from desktop_app.tasks import LatestTask
from sae_backend.cells.point_value_table import read_tile_values
from sae_backend.cells.point_values import TileValues

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.controller.project.projects import ProjectActions
    from desktop_app.store import SlideRecord, Store

_KINDS: Final = "Tables (*.csv *.tsv *.txt *.parquet);;All files (*)"


class TileValueActions:
    """Brings a table of numbers by place into the project, for the open slide."""

    def __init__(self, context: Context, projects: ProjectActions) -> None:
        self._context, self._projects = context, projects
        self._for: tuple[Store, SlideRecord] | None = None
        self._read = LatestTask()
        self._read.answered.connect(self._keep)
        self._read.failed.connect(context.show_error)
        context.menus.requested("import_values").connect(self.ask)

    def close(self) -> None:
        """End the read that may be under way."""
        self._read.close()

    def ask(self) -> None:
        """Ask for a table of the open slide."""
        context = self._context
        if context.session.slide is None:
            context.say("Open the slide that the measurements belong to first.")
            return
        if not self._projects.ensure_project():
            return
        path = context.dialogs.open_file("Import point measurements", _KINDS)
        if path is not None:
            self.import_file(path)

    def import_file(self, path: Path) -> None:
        """Read a table beside the window; columns x, y (or x_um, y_um) say where each row lies."""
        session = self._context.session
        if session.store is None or session.slide_record is None:
            return
        self._for = session.store, session.slide_record
        self._context.say(f"Reading {path.name} …")
        self._read.ask(partial(_values, session.slide_record, path))

    def _keep(self, found: object) -> None:
        assert isinstance(found, TileValues)
        if self._for is None or self._for[0] is not self._context.session.store:
            return
        store, slide = self._for
        record = self._context.attempt(lambda: store.tile_values.add(slide.id, found))
        if record is not None:
            names = ", ".join(record.names[:6]) + (", …" if len(record.names) > 6 else "")
            words = (
                f"{record.n_rows:,} places of {slide.name} with {names}. Tick “Imported measurements” in the options of a "
                "correlation to use them."
            )
            self._context.say(" ".join([words, *record.notes]))


def _values(slide: SlideRecord, path: Path) -> TileValues:
    with open_slide(slide) as opened:
        return read_tile_values(path, opened.info)
