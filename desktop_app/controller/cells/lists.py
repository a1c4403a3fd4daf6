"""Lists about cells: imports to choose from, the history of changes, names of types, cells of a region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import shapely

from desktop_app.project.cells.text import class_map_text, counts_text, is_proposed
from desktop_app.project.cells.type_map import project_counts
from desktop_app.widgets.controls.record_list import ListRow, RecordList
from desktop_app.widgets.controls.time_format import when
from sae_backend.slides.regions import shape_of

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from desktop_app.controller.cells.cells import CellActions
    from desktop_app.controller.cells.editing import CellEditingActions
    from desktop_app.controller.context import Context
    from desktop_app.controller.regions.regions import RegionActions
    from desktop_app.store import CellEditRecord, CellImportRecord
    from sae_backend.cells.class_map import ClassMap

_IMPORTS: Final = ("Imported", "By", "From", "Program", "Cells", "Types")
_HISTORY: Final = ("When", "Who", "What", "Cell")
_NEAR_UM_PER_PX: Final = 0.25


class CellListActions:
    """Shows the lists beside the window, and does what is chosen in them."""

    def __init__(
        self,
        context: Context,
        parent: QWidget,
        cells: CellActions,
        regions: RegionActions,
        editing: CellEditingActions,
    ) -> None:
        self._context, self._cells, self._regions, self._editing = context, cells, regions, editing
        self._parent = parent
        menus = context.menus
        menus.requested("imports").connect(self.show_imports)
        menus.requested("cell_history").connect(self.show_history)
        menus.requested("type_names").connect(self.ask_names)
        menus.requested("select_in_region").connect(self.select_in_region)
        self.imports: RecordList | None = None
        self.history: RecordList | None = None
        cells.redrawn.connect(self._refresh)
        context.session.slide_changed.connect(lambda _slide: self._refresh())

    def close(self) -> None:
        """Close the lists."""
        for shown in (self.imports, self.history):
            if shown is not None:
                shown.close()

    def show_imports(self) -> None:
        """List the imports of cells of the open slide."""
        if self.imports is None:
            empty = "This slide has no cells yet: Cells > Import cells, or Cells > Detect nuclei."
            self.imports = RecordList("Imports of cells", _IMPORTS, empty, self._parent)
            self.imports.acted.connect(self.choose_import)
        self.imports.show()
        self.imports.raise_()
        self._refresh()

    def choose_import(self, import_id: int) -> None:
        """Take the slide's cells from another import."""
        store, slide = self._context.session.store, self._context.session.slide_record
        if store is None or slide is None:
            return
        if self._context.succeeds(lambda: store.cells.choose(import_id)):
            self._context.menus.action("cells").setChecked(True)
            self._cells.tell_changed(slide.id)

    def show_history(self) -> None:
        """List the changes by hand of the cells that are shown."""
        if self.history is None:
            empty = "No cell was edited by hand yet: Cells > Edit cells, or Cells > Label nuclei."
            self.history = RecordList("History of cells", _HISTORY, empty, self._parent)
            self.history.acted.connect(self.turn_back)
            self.history.opened.connect(self.go_to)
        self.history.show()
        self.history.raise_()
        self._refresh()

    def turn_back(self, edit_id: int) -> None:
        """Take a change back, or make it again where it was taken back."""
        store, known = self._context.session.store, self._edit(edit_id)
        if store is None or known is None:
            return
        withdrawn = not known.edit.withdrawn
        if self._context.succeeds(lambda: store.cell_edits.withdraw([edit_id], withdrawn=withdrawn)):
            self._cells.show_edited()
            self._context.session.saved_changed.emit(True)

    def go_to(self, edit_id: int) -> None:
        """Move the view to the cell of a change."""
        known, shown = self._edit(edit_id), self._cells.shown
        if known is None or shown is None:
            return
        place = shown.place_of(known.cell)
        if place < 0:
            self._context.say("That cell was deleted; undo the change to see it.")
            return
        mpp, canvas = shown.mpp, self._context.canvas
        canvas.look_at((shown.table.y_l0[place] - 0.5) * mpp, (shown.table.x_l0[place] - 0.5) * mpp)
        canvas.zoom_to(min(canvas.um_per_px, _NEAR_UM_PER_PX))

    def ask_names(self) -> None:
        """Ask what the project's types of cell count as."""
        store = self._context.session.store
        counts = self._context.attempt(lambda: project_counts(store)) if store is not None else None
        if store is None or not counts:
            self._context.say("There are no cells yet, so there are no types to name.")
            return
        known = self._context.attempt(store.class_map.get)
        if known is None:
            return
        wanted = self._context.dialogs.type_names(counts, known)
        if wanted is not None and wanted != known:
            self._use_names(wanted)

    def _use_names(self, class_map: ClassMap) -> None:
        store = self._context.session.store
        if store is not None and self._context.succeeds(lambda: store.class_map.set(class_map)):
            self._cells.tell_all_changed()
            said = class_map_text(class_map)
            self._context.say(f"Types of cell: {said}." if said else "All types have their own names.")

    def select_in_region(self) -> None:
        """Select the cells whose centres lie in the chosen region."""
        region, shown = self._regions.chosen(), self._cells.shown
        if shown is None or region is None:
            self._context.show_panel("Regions")
            self._context.say(
                "Draw a region around the cells (P, R, W) and select it in the list; then select the cells."
            )
            return
        shape = shape_of(region.polygons_l0)
        x0, y0, x1, y1 = shape.bounds
        near = shown.places.within(y0, x0, y1, x1)
        inside = shapely.contains_xy(shape, shown.table.x_l0[near], shown.table.y_l0[near])
        chosen = near[np.asarray(inside, np.bool_)]
        if self._editing.mode != "edit":
            self._editing.start("edit")
        self._editing.select(shown.numbers[chosen].tolist())
        self._context.say(f"{len(chosen):,} cells selected: 1 to 9 change their type, Del deletes them.")

    def _edit(self, edit_id: int) -> CellEditRecord | None:
        store, record = self._context.session.store, self._cells.record
        if store is None or record is None:
            return None
        found = self._context.attempt(lambda: store.cell_edits.all(record.id)) or []
        return next((edit for edit in found if edit.id == edit_id), None)

    def _refresh(self) -> None:
        store, slide, record = (
            self._context.session.store,
            self._context.session.slide_record,
            self._cells.record,
        )
        if self.imports is not None and self.imports.isVisible():
            found = store.cells.imports(slide.id) if store is not None and slide is not None else []
            self.imports.show_rows([_import_row(entry) for entry in reversed(found)])
        if self.history is not None and self.history.isVisible():
            edits = store.cell_edits.all(record.id) if store is not None and record is not None else []
            self.history.show_rows([_history_row(edit) for edit in reversed(edits)])


def _import_row(record: CellImportRecord) -> ListRow:
    proposed = "proposed: " if is_proposed(record.assumed) else ""
    texts = (
        when(record.imported_at),
        record.author,
        record.source_name,
        record.tool,
        f"{record.n_cells:,}",
        f"{proposed}{counts_text(record.type_counts)}",
    )
    notes = " ".join(record.notes)
    state = "These cells are in use. " if record.current else ""
    digest = f" File: sha256 {record.source_sha256[:12]}…"
    action = "" if record.current else "Use these cells"
    return ListRow(record.id, texts, action, f"{state}{notes}{digest}", is_current=record.current)


def _history_row(record: CellEditRecord) -> ListRow:
    edit = record.edit
    before = edit.type_before or "unknown"
    what = {
        "add": f"added as {edit.type_after}",
        "delete": f"deleted ({before})",
        "retype": f"{before} → {edit.type_after}",
    }[edit.kind]
    return ListRow(
        record.id,
        (when(record.at), record.author, what, f"{record.cell:,}"),
        "Redo" if edit.withdrawn else "Undo",
        "This change was undone." if edit.withdrawn else "A double click shows the cell.",
        is_past=edit.withdrawn,
    )
