"""Entries of the Cells menu that say which types of cell are seen."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QColor, QIcon, QPixmap
from PySide6.QtWidgets import QMenu

_SWATCH_PX = 12


class CellEntries(QObject):
    """A submenu with a check box for each type; `hidden_changed` carries the names of the types not seen.

    A type that was hidden stays so on the next slide that has it.
    """

    hidden_changed = Signal(frozenset)

    def __init__(self, menu: QMenu, before: QAction, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.hidden: frozenset[str] = frozenset()
        self.menu = QMenu("Types shown", menu)
        menu.insertMenu(before, self.menu)
        self.menu.setEnabled(False)
        self._types: list[QAction] = []

    def show_types(self, types: Sequence[tuple[str, str, int]]) -> None:
        """Offer (type, colour, count) of a slide; none where it has no cells."""
        self.menu.clear()
        self._types = []
        self.menu.setEnabled(bool(types))
        every = self.menu.addAction("All types")
        every.triggered.connect(lambda _=False: self.hide(frozenset()))
        self.menu.addSeparator()
        for name, colour, count in types:
            swatch = QPixmap(_SWATCH_PX, _SWATCH_PX)
            swatch.fill(QColor(colour))
            # An ampersand would be taken for the sign of a key.
            action = self.menu.addAction(QIcon(swatch), f"{name} ({count:,})".replace("&", "&&"))
            action.setCheckable(True)
            action.setChecked(name not in self.hidden)
            action.setData(name)
            action.toggled.connect(lambda _on: self._toggled())
            self._types.append(action)

    def hide(self, names: frozenset[str]) -> None:
        """Hide the types of these names and show all others."""
        for action in self._types:
            action.blockSignals(True)
            action.setChecked(action.data() not in names)
            action.blockSignals(False)
        self._set(names)

    def _toggled(self) -> None:
        offered = {str(action.data()) for action in self._types}
        hidden = {str(action.data()) for action in self._types if not action.isChecked()}
        self._set(frozenset((self.hidden - offered) | hidden))

    def _set(self, names: frozenset[str]) -> None:
        if names != self.hidden:
            self.hidden = names
            self.hidden_changed.emit(names)
