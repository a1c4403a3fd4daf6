"""What can be done with cells, as entries of their menu: imports, detection, typing, changes by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMenu


class CellMenu(QObject):
    """Each entry is a signal; `mode_requested` carries "edit", "type", or nothing to end either."""

    imports_requested = Signal()
    names_requested = Signal()
    detect_requested = Signal()
    train_requested = Signal()
    delete_requested = Signal()
    select_in_region_requested = Signal()
    history_requested = Signal()
    mode_requested = Signal(str)

    def __init__(
        self, menu: QMenu, actions_by_text: dict[str, QAction], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._menu, self._actions = menu, actions_by_text
        self._add("Imports…", self.imports_requested)
        self._add("Names of types…", self.names_requested)
        menu.addSeparator()
        self._add("Detect nuclei…", self.detect_requested)
        self.type = self._mode("Type nuclei", "type")
        self._add("Train on the typed nuclei", self.train_requested)
        menu.addSeparator()
        self.edit = self._mode("Edit cells", "edit")
        self._add("Select the cells in the region", self.select_in_region_requested)
        self._add("Delete the selected cells", self.delete_requested)
        self._add("History of cells…", self.history_requested)

    def show_mode(self, mode: str) -> None:
        """Tick the mode that is on, without asking for it."""
        for action, name in ((self.type, "type"), (self.edit, "edit")):
            action.setChecked(mode == name)

    def _add(self, text: str, signal: object) -> None:
        action = self._menu.addAction(text)
        action.triggered.connect(lambda _=False: signal.emit())  # type: ignore[attr-defined]
        self._actions[text] = action

    def _mode(self, text: str, mode: str) -> QAction:
        action = self._menu.addAction(text)
        action.setCheckable(True)
        # `triggered` and not `toggled`: a tick that only shows the mode asks for nothing.
        action.triggered.connect(lambda on: self.mode_requested.emit(mode if on else ""))
        self._actions[text] = action
        return action
