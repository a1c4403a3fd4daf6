"""The slides of the project, and how far the open one has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from desktop_app.widgets.controls.empty_state import EmptyState
from desktop_app.widgets.controls.two_part_rows import TwoPartRows
from desktop_app.widgets.controls.wrapped_label import WrappedLabel
from desktop_app.widgets.slide.checklist import Checklist

_LIST_PX: Final = 52
"""Room for two slides."""

if TYPE_CHECKING:
    from desktop_app.store import SlideRecord


class SlidesPanel(QWidget):
    """Lists slides, a click or Enter asks for one; below them the checklist of the open slide."""

    slide_requested = Signal(int)
    add_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._has_project = False
        self.summary = WrappedLabel()
        self.list = QListWidget()
        self.list.setAccessibleName("Slides of the project")
        self.list.setItemDelegate(TwoPartRows(self.list))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.itemActivated.connect(self._activate)
        self.list.itemClicked.connect(self._activate)
        self.pages = EmptyState(self.list, "No project is open.")
        # Of itself a list asks for more.
        self.list.setMinimumHeight(_LIST_PX)
        self.checklist = Checklist()
        self.checklist.add_requested.connect(self.add_requested)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 2, 8, 4)
        column.setSpacing(4)
        column.addWidget(self.summary)
        column.addWidget(self.pages, 1)
        column.addWidget(self.checklist)
        column.addStretch(0)

    @property
    def analyze_button(self) -> QPushButton:
        """The button of the checklist that has the slide analysed."""
        return self.checklist.lines["embeddings"].button

    def show_slides(self, slides: Sequence[SlideRecord], current: int | None, *, has_project: bool) -> None:
        """Show records, the current one marked."""
        self.list.clear()
        for record in slides:
            mpp = f"{record.mpp:.4g} µm/px" if record.mpp is not None else "pixel size unknown"
            item = QListWidgetItem(f"{record.name}\t{record.width_px:,} × {record.height_px:,} px, {mpp}")
            item.setData(Qt.ItemDataRole.UserRole, record.id)
            item.setToolTip(str(record.path))
            self.list.addItem(item)
            if record.id == current:
                self.list.setCurrentItem(item)
        if slides:
            self.pages.show_content()
        elif has_project:
            self.pages.say("No slides yet. Add one, or drop it here.")
        else:
            self.pages.say(
                "No project is open. File > New project keeps slides, names and results in a folder."
            )
        self._has_project = has_project
        self._arrange()

    def show_summary(self, text: str) -> None:
        """Say what is known of a slide that is in no project."""
        self.summary.setText(text)
        self._arrange()

    def _arrange(self) -> None:
        # In a project the list and the checklist say all of it.
        alone = not self._has_project and bool(self.summary.text())
        self.summary.setVisible(alone)
        self.pages.setHidden(alone)
        self._keep_room()

    def _keep_room(self) -> None:
        shown = self.pages.currentWidget()
        # A sentence over several lines would take its room from the checklist.
        needed = shown.heightForWidth(self.pages.width()) if shown is not self.list else 0
        self.pages.setMinimumHeight(max(_LIST_PX, needed))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep room for all lines of a sentence."""
        super().resizeEvent(event)
        self._keep_room()

    def _activate(self, item: QListWidgetItem) -> None:
        self.slide_requested.emit(int(item.data(Qt.ItemDataRole.UserRole)))
