"""The features that fire in the tile that was clicked, strongest first."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from desktop_app.widgets.empty_state import EmptyState
from desktop_app.widgets.texts import number


class FiresHerePanel(QWidget):
    """Lists features of one tile and asks for the one that is clicked."""

    feature_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel("")
        self.title.setWordWrap(True)
        self.list = QListWidget()
        self.list.itemClicked.connect(self._clicked)
        self.list.itemActivated.connect(self._clicked)
        self.pages = EmptyState(self.list, "Click on the slide to list the features that fire in that tile.")
        column = QVBoxLayout(self)
        column.addWidget(self.title)
        column.addWidget(self.pages)

    def show_tile(self, title: str, rows: Sequence[tuple[int, str, float]]) -> None:
        """Show features as (number, name, value), in the order given."""
        self.title.setText(title)
        self.list.clear()
        for feature, name, value in rows:
            item = QListWidgetItem(f"{number(value)}   {feature}" + (f"   {name}" if name else ""))
            item.setData(Qt.ItemDataRole.UserRole, feature)
            self.list.addItem(item)
        if rows:
            self.pages.show_content()
        else:
            self.pages.say("No feature fires in this tile.")

    def say(self, sentence: str) -> None:
        """Show a sentence in place of the list."""
        self.title.setText("")
        self.list.clear()
        self.pages.say(sentence)

    def _clicked(self, item: QListWidgetItem) -> None:
        self.feature_requested.emit(int(item.data(Qt.ItemDataRole.UserRole)))
