"""A mark on the canvas that the view is turned; a click turns it upright."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton, QWidget


class TurnMark(QPushButton):
    """Seen only while the view is turned, so that nobody takes the picture for the slide as it lies."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setToolTip("The view is rotated; click to reset")
        self.setStyleSheet(
            "TurnMark { color: #f2f2f2; background: rgba(18, 20, 24, 225); border: none; border-radius: 5px;"
            " padding: 4px 8px; }"
        )
        self.hide()

    def show_turn(self, words: str) -> None:
        """Show the angle in words; "" hides the mark."""
        self.setText(f"↻ Rotated {words}")
        self.setAccessibleName(f"Rotated {words}; click to reset")
        self.resize(self.sizeHint())
        self.setVisible(bool(words))
