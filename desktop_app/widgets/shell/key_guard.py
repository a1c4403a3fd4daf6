"""Keys of the window: ours act, and those of napari that could harm data do nothing.

Bindings of napari's viewer and layers are reached through the main window and the canvas, so
keys are taken there, whichever widget they came from; a text field keeps its own keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final

from napari.utils.shortcuts import default_shortcuts
from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)

_PORTABLE: Final = QKeySequence.SequenceFormat.PortableText
LEFT_TO_NAPARI: Final = "Space"
"""Held, it moves the slide while a tool is in use."""

BLOCKED: Final = frozenset(
    QKeySequence(str(key)).toString(_PORTABLE) for keys in default_shortcuts.values() for key in keys
).union(["Return"]) - {LEFT_TO_NAPARI}
"""Bindings of the napari in use: they delete, edit, transform, hide layers, roll axes, go to 3-D, change the theme."""

OWN_KEYS: Final = "own_keys"
"""Property of a list: the keys that it keeps for itself, as a list of portable texts."""

PEEK_SECONDS: Final = 0.3
"""A key of `peeks` that is held longer acts again when it is let go."""

_FIELDS: Final = (QLineEdit, QPlainTextEdit, QTextEdit, QAbstractSpinBox)


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
    peeks
        Those of them that switch something, and switch it back when they were held.
    """

    def __init__(
        self,
        window: QWidget,
        canvas: QWidget,
        keys: Mapping[str, Callable[[], None]],
        peeks: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(window)
        self._window, self._keys, self._peeks = window, keys, peeks
        self._canvases = [canvas]
        self._lent: Mapping[str, Callable[[], None]] = {}
        self._held: dict[str, float] = {}
        self._typing = False
        application = QApplication.instance()
        assert application is not None
        application.installEventFilter(self)

    def protect(self, canvas: QWidget) -> None:
        """Guard another canvas too, until it is destroyed."""
        self._canvases.append(canvas)
        canvas.destroyed.connect(lambda: self._canvases.remove(canvas))

    def lend(self, keys: Mapping[str, Callable[[], None]]) -> None:
        """Let keys do something else until others, or none, are lent; a list does not keep those for itself."""
        self._lent = dict(keys)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take a key on its way to napari; everything else passes."""
        if not isinstance(event, QKeyEvent):
            return False
        text = _portable(event)
        if event.type() == QEvent.Type.KeyRelease:
            self._typing = False
            self._let_go(text, event)
            return False
        if event.type() == QEvent.Type.KeyPress and isinstance(watched, _FIELDS):
            self._typing = True
            return False
        if event.type() not in (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride):
            return False
        if not self._is_ours(watched):
            return False
        if self._typing and event.type() == QEvent.Type.KeyPress:
            # What a field leaves over, Return above all, comes by its parents; only commands are not text.
            event.accept()
            if _is_command(event) and text in self._keys:
                self._keys[text]()
            return True
        lent = self._lent.get(text)
        action = lent or self._keys.get(text)
        in_list = isinstance(watched, QAbstractItemView)
        if lent is None and in_list and text in (watched.property(OWN_KEYS) or ()):
            return False
        if action is None and (in_list or text not in BLOCKED):
            return False
        event.accept()
        if action is not None and event.type() == QEvent.Type.KeyPress:
            if lent is None and text in self._peeks:
                if event.isAutoRepeat() or text in self._held:
                    return True
                self._held[text] = monotonic()
            action()
        return True

    def _let_go(self, text: str, event: QKeyEvent) -> None:
        # Let go anywhere: the key may come up in another window than it went down in.
        if event.isAutoRepeat() or text not in self._held:
            return
        if monotonic() - self._held.pop(text) > PEEK_SECONDS:
            self._keys[text]()

    def _is_ours(self, watched: QObject) -> bool:
        if not isinstance(watched, QWidget):
            return False
        if watched is self._window:
            return True
        if any(watched is canvas or canvas.isAncestorOf(watched) for canvas in self._canvases):
            return True
        return isinstance(watched, QAbstractItemView) and watched.window() is self._window


def _is_command(event: QKeyEvent) -> bool:
    held = event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
    return bool(held) or Qt.Key.Key_F1 <= event.key() <= Qt.Key.Key_F35


def _portable(event: QKeyEvent) -> str:
    text = QKeySequence(event.keyCombination()).toString(_PORTABLE)
    sign = text.removeprefix("Shift+")
    # Which signs need Shift depends on the keyboard: "?" nearly always, "/" on many.
    return sign if len(sign) == 1 and not sign.isalnum() else text
