"""Cells on the slide: drawn, counted in the legend, hidden by type, outlined from near."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from psygnal import Signal

from desktop_app.canvas.outline_layer import OutlineLayer
from desktop_app.canvas.slide_layers import CELL_COLOURS, CELLS
from desktop_app.project.cells.text import is_proposed
from desktop_app.project.cells.type_map import table_counts
from desktop_app.project.cells.visible_cells import VisibleCells
from desktop_app.store import Store
from desktop_app.tasks import Debouncer, LatestTask

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.store import CellImportRecord
    from desktop_app.widgets.slide.legend import Legend
    from sae_backend.cells.table import CellTable

_REST_MS: Final = 40


class CellActions:
    """Draws the cells of the open slide as they are wanted.

    `changed` carries the slide whose cells are others now: imported, chosen, changed by hand, or seen through
    another class map. `redrawn` follows whenever `shown` is another.
    """

    changed = Signal(int)
    redrawn = Signal()

    def __init__(self, context: Context, legend: Legend) -> None:
        self._context, self._legend = context, legend
        self.shown: VisibleCells | None = None
        """The cells of the open slide; None where it has none."""
        self.record: CellImportRecord | None = None
        """The import that they come from."""
        self._drawn = 0
        self._has_stale_points = False
        self._details: tuple[int, CellTable] | None = None
        layers, menus, canvas = context.layers, context.menus, context.canvas
        self.outlines = OutlineLayer(canvas.viewer)
        self._read, self._rest = LatestTask(), Debouncer(_REST_MS)
        self._read.answered.connect(self._keep_details)
        self._read.failed.connect(context.show_error)
        self._rest.over.connect(self.follow)
        canvas.field_changed.connect(lambda *_: self._rest.restart())
        menus.requested("cells").connect(lambda on: layers.set_visible(CELLS, on))
        menus.requested("cells").connect(self._toggled)
        menus.cell_types.hidden_changed.connect(self._hide)
        context.session.slide_changed.connect(lambda _slide: self.show())
        legend.set_shown(cells=menus.action("cells").isChecked())

    def close(self) -> None:
        """End the read that may be under way."""
        self._rest.stop()
        self._read.close()

    def tell_changed(self, slide_id: int) -> None:
        """Say that the cells of a slide are others now, and draw them where it is open."""
        record = self._context.session.slide_record
        if record is not None and record.id == slide_id:
            self.show()
        self.changed.emit(slide_id)

    def tell_all_changed(self) -> None:
        """Say so of all slides of the project that have cells."""
        store = self._context.session.store
        self.show()
        for slide in store.slides.all() if store is not None else ():
            assert store is not None
            if store.cells.current(slide.id) is not None:
                self.changed.emit(slide.id)

    def show(self) -> None:
        """Draw the cells of the open slide, if the project has any."""
        layers, menus = self._context.layers, self._context.menus
        self._load()
        if self.shown is None:
            layers.remove_cells()
            menus.cell_types.show_types(())
        else:
            layers.hide_cell_types(menus.cell_types.hidden)
            self._draw_points()
            menus.cell_types.show_types(self._kinds(self.shown.table))
        self._after_load()

    def show_edited(self) -> None:
        """Draw the cells after a change by hand; points wait until they are seen."""
        old = self.shown
        self._load()
        shown = self.shown
        if shown is None:
            self.show()
            return
        if old is None or shown.table.type_names != old.table.type_names:
            self._context.menus.cell_types.show_types(self._kinds(shown.table))
        if self._context.layers.is_outlined:
            self._has_stale_points = True
        else:
            self._draw_points()
        self._after_load()
        if self._context.session.slide_record is not None:
            self.changed.emit(self._context.session.slide_record.id)

    def follow(self) -> None:
        """Draw outlines or points for what is in view now."""
        layers, canvas = self._context.layers, self._context.canvas
        outlined = self.outlines.follow_field(canvas.field_um(), canvas.um_per_px)
        if not outlined and self._has_stale_points:
            self._draw_points()
        layers.set_outlined(outlined)

    def _load(self) -> None:
        session = self._context.session
        store, slide = session.store, session.slide_record
        self.shown = self.record = None
        if store is None or slide is None:
            return
        self.record = store.cells.current(slide.id)
        found = store.cells.numbered(slide.id, details=False)
        if self.record is None or found is None:
            self.record = None
            return
        mpp = session.slide.info.mpp if session.slide is not None else None
        known = self._details
        details = known[1] if known is not None and known[0] == self.record.id else None
        self.shown = VisibleCells(
            self.record.id, self.record.n_cells, found.table, found.numbers, mpp or 1.0, details
        )

    def _after_load(self) -> None:
        self.outlines.show_cells(self.shown)
        self._read_details()
        self._say()
        # First whoever marks cells, so that they are painted once.
        self.redrawn.emit()
        self.follow()

    def _draw_points(self) -> None:
        assert self.shown is not None
        self._drawn = self._context.layers.show_cells(self.shown.table)
        self._has_stale_points = False
        self._context.layers.set_visible(CELLS, self._context.menus.action("cells").isChecked())

    def _read_details(self) -> None:
        """Read outlines and measures beside the window, once they may be seen."""
        store, record, shown = self._context.session.store, self.record, self.shown
        if store is None or record is None or shown is None or shown.details is not None:
            return
        if not self._context.menus.action("cells").isChecked():
            return
        if record.n_outline_points is not None or record.measure_names:
            self._read.ask(partial(_details_of, store.folder, record.id))

    def _keep_details(self, found: tuple[int, CellTable]) -> None:
        self._details = found
        if self.shown is not None and self.shown.import_id == found[0]:
            self.shown = replace(self.shown, details=found[1])
            self.outlines.show_cells(self.shown)
            self.redrawn.emit()
            self.follow()

    def _toggled(self, on: bool) -> None:
        self._legend.set_shown(cells=on)
        self.outlines.set_wanted(on)
        if on:
            self._read_details()
        self.follow()
        if on and self.shown is None and self._context.session.slide is not None:
            self._context.say(
                "This slide has no cells yet: Cells > Import cells reads the files of QuPath, CellViT, HoVer-Net and "
                "others, and tables; Cells > Detect nuclei finds them here."
            )

    def _hide(self, names: frozenset[str]) -> None:
        self._context.layers.hide_cell_types(names)
        self.outlines.hide_types(names)
        self._say()
        self.follow()

    def _say(self) -> None:
        shown, legend = self.shown, self._legend
        if shown is None:
            legend.show_cells([])
            return
        hidden = self._context.menus.cell_types.hidden
        kinds = [kind for kind in self._kinds(shown.table) if kind[0] not in hidden]
        n_hidden = len(shown.table.type_names) - len(kinds)
        notes = []
        if self.record is not None and is_proposed(self.record.assumed):
            notes.append("The types are model predictions.")
        if n_hidden:
            notes.append(f"{n_hidden} type{'s' if n_hidden > 1 else ''} hidden.")
        if self._drawn < shown.table.n_cells:
            notes.append(f"Zoomed out, {self._drawn:,} of them are drawn.")
        legend.show_cells(kinds, " ".join(notes))

    @staticmethod
    def _kinds(table: CellTable) -> list[tuple[str, str, int]]:
        counts = table_counts(table)
        return [
            (name, CELL_COLOURS[i % len(CELL_COLOURS)], counts[name])
            for i, name in enumerate(table.type_names)
        ]


def _details_of(folder: Path, import_id: int) -> tuple[int, CellTable]:
    """Imported cells with measures and outlines, by a connection of its own, so that a thread may do it."""
    with Store(folder) as store:
        return import_id, store.cells.imported(import_id)
