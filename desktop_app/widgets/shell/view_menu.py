"""Entries of the View menu for a second view, for turning, and for the tile grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QKeySequence

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMenu


class ViewEntries(QObject):
    """Each entry is a signal; `turn_requested` carries degrees clockwise.

    The entries are noted in `actions` by their text, as those of the other menus are.
    """

    second_toggled = Signal(bool)
    second_slide_requested = Signal()
    second_feature_requested = Signal()
    second_close_requested = Signal()
    turn_requested = Signal(float)
    angle_requested = Signal()
    upright_requested = Signal()
    tile_grid_toggled = Signal(bool)

    def __init__(self, view: QMenu, actions: dict[str, QAction], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._actions = actions
        self.tile_grid = self._check(view, "Tile grid", "Shift+G", self.tile_grid_toggled.emit)
        view.addSeparator()
        second = view.addMenu("Second view")
        self.second = self._check(second, "Second view", "D", self.second_toggled.emit)
        self._add(second, "Second view: slide only", self.second_slide_requested.emit)
        self._add(second, "Second view: this feature", self.second_feature_requested.emit)
        self._add(second, "Close the second view", self.second_close_requested.emit)
        turn = view.addMenu("Rotate")
        self._add(turn, "Rotate left by 90°", lambda: self.turn_requested.emit(-90.0))
        self._add(turn, "Rotate right by 90°", lambda: self.turn_requested.emit(90.0))
        self._add(turn, "Rotate…", self.angle_requested.emit)
        self._add(turn, "Upright", self.upright_requested.emit)

    def _add(self, menu: QMenu, text: str, ask: Callable[[], None]) -> None:
        action = menu.addAction(text)
        action.triggered.connect(lambda _=False: ask())
        self._actions[text] = action

    def _check(self, menu: QMenu, text: str, key: str, switch: Callable[[bool], None]) -> QAction:
        action = menu.addAction(text)
        action.setCheckable(True)
        # The key is shown here and acts through the window's key guard.
        action.setShortcut(QKeySequence(key))
        action.toggled.connect(switch)
        self._actions[text] = action
        return action
