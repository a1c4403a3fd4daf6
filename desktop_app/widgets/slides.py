"""The slides of the project."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app.widgets.empty_state import EmptyState

if TYPE_CHECKING:
    from desktop_app.store import SlideRecord


class SlidesPanel(QWidget):
    """Lists slides; a double click or Enter asks for one."""

    slide_requested = Signal(int)
    add_requested = Signal()
    analyze_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.summary = QLabel("")
        self.summary.setWordWrap(True)
        self.list = QListWidget()
        self.list.itemActivated.connect(self._activate)
        self.list.itemClicked.connect(self._activate)
        self.pages = EmptyState(self.list, "No project is open.")
        add = QPushButton("Add slide…")
        add.clicked.connect(self.add_requested)
        self.analyze_button = QPushButton("Analyse…")
        self.analyze_button.setEnabled(False)
        self.analyze_button.clicked.connect(self.analyze_requested)
        buttons = QHBoxLayout()
        buttons.addWidget(add)
        buttons.addWidget(self.analyze_button)
        column = QVBoxLayout(self)
        column.addWidget(self.summary)
        column.addWidget(self.pages)
        column.addLayout(buttons)

    def show_slides(self, slides: Sequence[SlideRecord], current: int | None, *, has_project: bool) -> None:
        """Show records, the current one marked."""
        self.list.clear()
        for record in slides:
            size = f"{record.width_px:,} × {record.height_px:,} px"
            mpp = f"{record.mpp:.4g} µm/px" if record.mpp is not None else "pixel size unknown"
            item = QListWidgetItem(f"{record.name}\n{size}, {mpp}")
            item.setData(Qt.ItemDataRole.UserRole, record.id)
            item.setToolTip(str(record.path))
            self.list.addItem(item)
            if record.id == current:
                self.list.setCurrentItem(item)
        if slides:
            self.pages.show_content()
        elif has_project:
            self.pages.say("This project has no slides yet. Add one with the button below.")
        else:
            self.pages.say(
                "No project is open. File > New project keeps slides, names and results in a folder."
            )

    def show_summary(self, text: str) -> None:
        """Say what is known of the open slide and its analysis."""
        self.summary.setText(text)

    def _activate(self, item: QListWidgetItem) -> None:
        self.slide_requested.emit(int(item.data(Qt.ItemDataRole.UserRole)))
