"""Lines above the slide: the notice of a control, and what just happened or went wrong."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QWidget

CONTROL_TEXT = (
    "CONTROL: these features come from an encoder with random weights, not from a trained model. "
    "Whatever they correlate with, untrained features correlate with too."
)


class Banner(QWidget):
    """A coloured line of text that can be closed."""

    def __init__(
        self, background: str, ink: str, parent: QWidget | None = None, *, closable: bool = True
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.label = QLabel("")
        self.label.setWordWrap(True)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 5, 6, 5)
        row.addWidget(self.label, 1)
        self.paint(background, ink)
        if closable:
            close = QToolButton()
            close.setText("×")
            close.setToolTip("Close this message")
            close.setStyleSheet(f"color: {ink}; background: transparent; border: none; font-weight: bold;")
            close.clicked.connect(self.hide)
            row.addWidget(close)
        self.hide()

    def paint(self, background: str, ink: str) -> None:
        """Change the colours."""
        self.setStyleSheet(f"Banner {{ background: {background}; }}")
        self.label.setStyleSheet(f"color: {ink}; background: transparent;")

    @property
    def text(self) -> str:
        """What it says, empty while it is hidden."""
        return "" if self.isHidden() else self.label.text()

    def say(self, text: str) -> None:
        """Show a text, or hide for an empty one."""
        self.label.setText(text)
        self.setVisible(bool(text))
