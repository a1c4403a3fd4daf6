"""Keys of the window: ours act, and those of napari that could harm data do nothing.

Bindings of napari's viewer and layers are reached through the main window and the canvas, so
keys are taken there, whichever widget they came from; a text field keeps its own keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QApplication, QWidget

BLOCKED: Final = frozenset(
    [
        *"1234567",
        *("A", "B", "C", "D", "E", "F", "I", "L", "M", "O", "P", "R", "S", "T", "V", "X", "Y", "Z"),
        *("Shift+A", "Shift+L", "Shift+P", "Shift+V", "Ctrl+A", "Ctrl+C", "Ctrl+V"),
        *("Del", "Backspace", "Ctrl+Del", "Ctrl+Backspace", "Return", "Enter"),
        *("Ctrl+E", "Ctrl+T", "Ctrl+Y", "Ctrl+G", "Ctrl+Shift+C", "Left", "Right", "[", "]"),
    ]
)
"""Bindings of napari 0.9 that edit, delete, transform, roll axes or go to 3-D."""


class KeyGuard(QObject):
    """An application-wide event filter for one window.

    Parameters
    ----------
    window
        The main window; other windows and dialogs are left alone.
    canvas
        The widget that shows the slide.
    keys
        What our keys do, by their portable text such as `Ctrl+0`.
    """

    def __init__(self, window: QWidget, canvas: QWidget, keys: Mapping[str, Callable[[], None]]) -> None:
        super().__init__(window)
        self._window, self._canvas, self._keys = window, canvas, keys
        application = QApplication.instance()
        assert application is not None
        application.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take a key on its way to napari; everything else passes."""
        if event.type() not in (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride):
            return False
        if not isinstance(event, QKeyEvent) or not self._is_ours(watched):
            return False
        text = _portable(event)
        action = self._keys.get(text)
        in_list = isinstance(watched, QAbstractItemView)
        if action is None and (in_list or text not in BLOCKED):
            return False
        event.accept()
        if action is not None and event.type() == QEvent.Type.KeyPress:
            action()
        return True

    def _is_ours(self, watched: QObject) -> bool:
        if not isinstance(watched, QWidget):
            return False
        if watched is self._window or watched is self._canvas or self._canvas.isAncestorOf(watched):
            return True
        return isinstance(watched, QAbstractItemView) and watched.window() is self._window


def _portable(event: QKeyEvent) -> str:
    text = QKeySequence(event.keyCombination()).toString(QKeySequence.SequenceFormat.PortableText)
    sign = text.removeprefix("Shift+")
    # Which signs need Shift depends on the keyboard: "?" nearly always, "/" on many.
    return sign if len(sign) == 1 and not sign.isalnum() else text
