"""Tabs without the pale line that the style draws beside them."""

from __future__ import annotations

from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QTabWidget, QWidget


class PlainTabs(QTabWidget):
    """Draws the tabs and what is in them, nothing between."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDocumentMode(True)
        self.tabBar().setDrawBase(False)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Leave out the line, which the dark theme turns white."""
        del event
