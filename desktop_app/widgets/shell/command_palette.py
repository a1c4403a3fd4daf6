"""The command palette: every entry of the menus, found by typing a part of its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QDialog, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

_ROLE: Final = Qt.ItemDataRole.UserRole
_MOVES: Final = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)


def matches(words: str, text: str) -> bool:
    """Whether every typed word is a part of a command's name, in any order and case."""
    name = text.casefold()
    return all(word in name for word in words.casefold().split())


class Palette(QDialog):
    """Lists the commands that can be given now; `chosen` carries the name of one."""

    chosen = Signal(str)

    def __init__(self, actions: Mapping[str, QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Commands")
        self._actions = {text: action for text, action in actions.items() if action.isEnabled()}
        self.words = QLineEdit()
        self.words.setPlaceholderText("Type a part of a command")
        self.words.setAccessibleName("Command")
        self.words.textChanged.connect(self._fill)
        self.words.returnPressed.connect(self._choose)
        self.words.installEventFilter(self)
        self.list = QListWidget()
        self.list.setAccessibleName("Commands")
        self.list.itemClicked.connect(self._choose)
        column = QVBoxLayout(self)
        column.addWidget(self.words)
        column.addWidget(self.list)
        self.resize(460, 420)
        self._fill()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Move in the list while the cursor stays in the field."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and event.key() in _MOVES:
            step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1, Qt.Key.Key_PageUp: -10}.get(
                Qt.Key(event.key()), 10
            )
            last = self.list.count() - 1
            self.list.setCurrentRow(min(max(self.list.currentRow() + step, 0), last))
            return True
        return super().eventFilter(watched, event)

    def _fill(self) -> None:
        self.list.clear()
        for text, action in self._actions.items():
            if not matches(self.words.text(), text):
                continue
            key = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
            item = QListWidgetItem(text.removesuffix("…") + (f"   {key}" if key else ""))
            item.setData(_ROLE, text)
            self.list.addItem(item)
        if self.list.count() == 0:
            nothing = QListWidgetItem("No command has these words in its name")
            nothing.setFlags(Qt.ItemFlag.NoItemFlags)
            self.list.addItem(nothing)
        self.list.setCurrentRow(0)

    def _choose(self, *_: object) -> None:
        item = self.list.currentItem()
        text = None if item is None else item.data(_ROLE)
        if isinstance(text, str):
            # Closed first: the command may open a dialog of its own.
            self.accept()
            self.chosen.emit(text)
