"""The line above a view that says what it shows."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget


class ViewHeader(QWidget):
    """One line of text, cut where the view is narrow; with a cross that emits `close_requested`."""

    close_requested = Signal()

    def __init__(self, parent: QWidget | None = None, *, closable: bool = False) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setStyleSheet("ViewHeader { background: #2b3440; }")
        self._text = ""
        self.label = QLabel()
        # Long names must not keep a view from becoming narrow.
        self.label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.label.setStyleSheet("color: #f2f2f2; background: transparent; font-weight: bold;")
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 2, 4, 2)
        row.addWidget(self.label, 1)
        self.cross: QToolButton | None = None
        if closable:
            self.cross = QToolButton()
            self.cross.setText("×")
            self.cross.setToolTip("Close the second view (D)")
            self.cross.setAccessibleName("Close the second view")
            self.cross.setStyleSheet(
                "color: #f2f2f2; background: transparent; border: none; font-weight: bold;"
            )
            self.cross.clicked.connect(self.close_requested)
            row.addWidget(self.cross)

    @property
    def text(self) -> str:
        """What the view is said to show."""
        return self._text

    def say(self, text: str) -> None:
        """Say what the view shows."""
        self._text = text
        self.label.setText(text)
        self.label.setToolTip(text)
        self.setAccessibleName(text)
