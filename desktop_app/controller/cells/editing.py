"""Cells typed and changed by hand: what a click does, what is selected, and how it is kept and undone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from desktop_app.canvas.drawing.click_modes import CanvasClicks
from desktop_app.canvas.outline_layer import MARK_COLOUR, NEAR_PX
from desktop_app.canvas.slide_layers import world_to_l0
from desktop_app.project.cells.proposed_types import can_be_typed, labels_of, missing_words
from desktop_app.project.cells.type_map import table_counts
from desktop_app.project.cells.visible_cells import REACH_UM
from desktop_app.widgets.cells.cell_bar import MOST_KEYS
from desktop_app.widgets.cells.type_palette import SUGGESTED, bar_types, offered_types, typed_counts
from sae_backend.cells.edits import CellEdit, no_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from desktop_app.controller.cells.cells import CellActions
    from desktop_app.controller.context import Context
    from desktop_app.controller.project.projects import ProjectActions
    from desktop_app.controller.undo import UndoActions
    from desktop_app.store import CellEditRecord
    from desktop_app.widgets.cells.cell_bar import CellBar
    from desktop_app.widgets.regions.regions import RegionsPanel
    from desktop_app.widgets.shell.key_guard import KeyGuard

_HINTS: Final = {
    "type": "Click on nuclei to label them.",
    "edit": "A click selects (Shift: more) or adds a cell.",
}


class CellEditingActions:
    """Two modes, "type" and "edit"; each change is in the project before the next click."""

    def __init__(
        self,
        context: Context,
        bar: CellBar,
        key_guard: KeyGuard,
        regions_panel: RegionsPanel,
        projects: ProjectActions,
        cells: CellActions,
        undo: UndoActions,
    ) -> None:
        self._context, self._projects, self._cells, self._undo = context, projects, cells, undo
        self._key_guard, self._regions_panel = key_guard, regions_panel
        self.mode = ""
        self.selected: frozenset[int] = frozenset()
        """Numbers of the cells that are selected."""
        self.types: tuple[str, ...] = ()
        """Types that can be given, by their own names."""
        self.active = 0
        self._added: list[str] = []
        self._edits: list[CellEditRecord] = []
        self._labels: dict[int, str] = {}
        menus, canvas = context.menus, context.canvas
        self.clicks = CanvasClicks(canvas.viewer, canvas.turned)
        self.clicks.clicked.connect(self.click)
        self.bar = bar
        self.bar.type_chosen.connect(self.choose_type)
        self.bar.new_type_requested.connect(self.ask_type)
        self.bar.delete_requested.connect(self.delete_selected)
        self.bar.train_requested.connect(menus.requested("train_types"))
        self.bar.ended.connect(self.stop)
        menus.requested("cell_mode").connect(self.start)
        menus.requested("delete_cells").connect(self.delete_selected)
        context.session.slide_changed.connect(lambda _slide: self.stop())
        cells.redrawn.connect(self._refresh)

    @property
    def labels(self) -> dict[int, str]:
        """Types that people gave to cells of the current import, by number."""
        return dict(self._labels)

    def start(self, mode: str) -> None:
        """Begin a mode, where there are cells to work on; empty ends the one that is on."""
        menus, canvas = self._context.menus, self._context.canvas
        if mode == "edit" and self._cells.shown is None:
            self._begin_by_hand()
        if not mode or self._cells.shown is None:
            self.stop()
            if mode:
                menus.show_cell_mode("")
                self._context.say(
                    "There are no cells yet: Cells > Detect nuclei finds some, Cells > Import cells reads them."
                )
            return
        self._regions_panel.tool_requested.emit("")
        menus.action("cells").setChecked(True)
        self.mode, self.selected = mode, frozenset()
        # The strip takes its room: what was said before is over.
        self._context.say("")
        self.clicks.start()
        self._lend_keys()
        menus.show_cell_mode(mode)
        self.bar.show_mode(mode)
        self._refresh()
        if canvas.um_per_px > self._near_um_per_px():
            self._context.say("Zoom in until single nuclei are visible, then click on them.")
        canvas.viewer.window._qt_viewer.canvas.native.setFocus()

    def _begin_by_hand(self) -> None:
        """Make an import without cells, so that some can be added to a slide that has none."""
        if self._context.session.slide is None or not self._projects.ensure_project():
            return
        store, record = self._context.session.store, self._context.session.slide_record
        if store is None or record is None:
            return
        if self._context.attempt(lambda: store.cells.add(record.id, no_cells())) is not None:
            self._cells.tell_changed(record.id)

    def stop(self) -> None:
        """Leave the mode; nothing is lost by it."""
        if not self.mode:
            return
        self.mode, self.selected = "", frozenset()
        self.clicks.stop()
        self._key_guard.lend({})
        self._context.menus.show_cell_mode("")
        self.bar.show_mode("")
        self._mark()

    def click(self, y_um: float, x_um: float, adds: bool = False) -> None:
        """Do what a click on the slide means in the mode that is on."""
        shown, slide = self._cells.shown, self._context.session.slide
        if shown is None or slide is None or not self.mode:
            return
        if self._context.canvas.um_per_px > self._near_um_per_px():
            self._context.say("Zoom in until single nuclei are visible, then click on them.")
            return
        y_l0, x_l0 = world_to_l0((y_um, x_um), slide.info)
        place = shown.at(y_l0, x_l0)
        if place >= 0 and shown.type_of(place) in self._context.menus.cell_types.hidden:
            # What is not seen must not be changed.
            return
        number = int(shown.numbers[place]) if place >= 0 else -1
        if self.mode == "type":
            if number >= 0:
                self._give_type(number)
        elif number >= 0:
            self.select(self.selected ^ {number} if adds else {number})
        elif self.selected:
            self.select(())
        elif 0 <= y_l0 < slide.info.height_px and 0 <= x_l0 < slide.info.width_px:
            self._add_cell(y_l0, x_l0)

    def select(self, numbers: Iterable[int]) -> None:
        """Select cells by their numbers."""
        self.selected = frozenset(numbers)
        self._refresh()

    def choose_type(self, index: int) -> None:
        """Make a type the active one; in the mode "edit" the selected cells get it too."""
        if not 0 <= index < len(self.types):
            return
        self.active = index
        if self.mode == "edit" and self.selected:
            kind = self.types[index]
            edits = [CellEdit("retype", number, type_after=kind) for number in sorted(self.selected)]
            self._keep(edits, f"{kind} for {_several(len(edits))}")
        self._refresh()

    def ask_type(self) -> None:
        """Ask for another type and make it the active one."""
        known = [name for name in SUGGESTED if name not in self.types]
        name = self._context.dialogs.choose_or_type("New type", "Name of the cell type", known)
        if name is None or not name.strip():
            return
        name = name.strip()
        if name not in self.types:
            self._added.append(name)
            self._refresh()
        self.choose_type(self.types.index(name))

    def delete_selected(self) -> None:
        """Delete the selected cells; undo and the history bring them back."""
        if not self.selected:
            self._context.say("Select cells first: Cells > Edit cells, then click on one.")
            return
        edits = [CellEdit("delete", number) for number in sorted(self.selected)]
        self.selected = frozenset()
        self._keep(edits, f"{_several(len(edits))} deleted")

    def _give_type(self, number: int) -> None:
        if not self.types:
            self.ask_type()
        if not self.types:
            return
        kind = self.types[self.active]
        self.selected = frozenset((number,))
        if self._labels.get(number) == kind:
            self._refresh()
            return
        self._keep([CellEdit("retype", number, type_after=kind)], f"{kind} for a cell")

    def _add_cell(self, y_l0: float, x_l0: float) -> None:
        if not self.types:
            self.ask_type()
        if not self.types:
            return
        kind = self.types[self.active]
        added = self._keep([CellEdit("add", None, y_l0, x_l0, type_after=kind)], f"{kind} added")
        if added:
            self.select({added[0].cell})

    def _keep(self, edits: list[CellEdit], words: str) -> list[CellEditRecord]:
        """Store changes at once and note the step for undo."""
        store, record = self._context.session.store, self._cells.record
        if store is None or record is None:
            return []
        kept = self._context.attempt(lambda: store.cell_edits.add(record.id, edits))
        if not kept:
            return []
        ids = [edit.id for edit in kept]
        self._undo.add(
            words,
            self._step(partial(store.cell_edits.withdraw, ids), record.slide_id),
            self._step(partial(store.cell_edits.withdraw, ids, withdrawn=False), record.slide_id),
        )
        self._changed()
        return kept

    def _step(self, act: Callable[[], object], slide_id: int) -> Callable[[], bool]:
        def take() -> bool:
            done = self._context.succeeds(act)
            shown = self._context.session.slide_record
            if done and (shown is None or shown.id != slide_id):
                # A change that cannot be seen would be taken for none.
                self._projects.open_record(slide_id)
            self._context.menus.action("cells").setChecked(True)
            self._changed()
            return done

        return take

    def _changed(self) -> None:
        self._cells.show_edited()
        self._context.session.saved_changed.emit(True)

    def _refresh(self) -> None:
        """Show the mode as the project has it now."""
        store, record, shown = self._context.session.store, self._cells.record, self._cells.shown
        if not self.mode:
            return
        if store is None or record is None or shown is None:
            self.stop()
            return
        self.selected = frozenset(number for number in self.selected if shown.place_of(number) >= 0)
        self._edits = store.cell_edits.all(record.id)
        self._labels = labels_of(self._edits, record.n_cells)
        self.types = offered_types(record, self._edits, self._added, self.mode)
        self.active = min(self.active, max(0, len(self.types) - 1))
        counts = typed_counts(self._labels) if self.mode == "type" else table_counts(shown.table)
        kinds = bar_types(self.types, counts, shown.table.type_names, store.class_map.get())
        self.bar.show_types(kinds, self.active)
        typed = can_be_typed(record.tool, record.measure_names)
        missing = missing_words(self._labels) if typed else "Only detected nuclei can be used for training."
        self.bar.allow(
            delete=bool(self.selected),
            train=not missing,
            train_words=missing
            or "Train a classifier on the labelled nuclei and propose a type for all others",
        )
        hint = _HINTS[self.mode]
        if self.mode == "edit" and len(self.selected) > 1:
            hint = f"{len(self.selected):,} cells selected. {hint}"
        self.bar.say(f"{missing} {hint}" if self.mode == "type" and missing else hint)
        self._mark()

    def _mark(self) -> None:
        marks: dict[int, str] = {}
        shown, store = self._cells.shown, self._context.session.store
        if self.mode == "type" and shown is not None and store is not None:
            kinds = bar_types(self.types, {}, shown.table.type_names, store.class_map.get())
            colours = {kind.name: kind.colour for kind in kinds}
            marks = {number: colours[name] for number, name in self._labels.items() if name in colours}
        marks |= dict.fromkeys(self.selected, MARK_COLOUR)
        self._cells.outlines.mark(marks)
        self._cells.follow()

    def _near_um_per_px(self) -> float:
        shown = self._cells.shown
        width = REACH_UM if shown is None else max(shown.width_um, REACH_UM)
        return width * 2 / NEAR_PX

    def _lend_keys(self) -> None:
        keys: dict[str, Callable[[], None]] = {
            str(n + 1): partial(self.choose_type, n) for n in range(MOST_KEYS)
        }
        keys |= {"Del": self.delete_selected, "Backspace": self.delete_selected, "Esc": self._escape}
        self._key_guard.lend(keys)

    def _escape(self) -> None:
        if self.selected:
            self.select(())
        else:
            self.stop()


def _several(n: int) -> str:
    return "a cell" if n == 1 else f"{n:,} cells"
