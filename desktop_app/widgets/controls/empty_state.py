"""A panel's content, or a sentence that says why there is none and what to do."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QStackedWidget, QWidget


class EmptyState(QStackedWidget):
    """Shows `content` or a sentence in its place."""

    def __init__(self, content: QWidget, sentence: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._label = QLabel(sentence)
        self._label.setWordWrap(True)
        self._label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._label.setMargin(16)
        self.addWidget(self._label)
        self.addWidget(content)

    @property
    def sentence(self) -> str:
        """The sentence, empty while the content is shown."""
        return self._label.text() if self.currentIndex() == 0 else ""

    def say(self, sentence: str) -> None:
        """Show a sentence in place of the content."""
        self._label.setText(sentence)
        self.setCurrentIndex(0)

    def show_sentence(self) -> None:
        """Show the sentence that is known in place of the content."""
        self.setCurrentIndex(0)

    def show_content(self) -> None:
        """Show the content."""
        self.setCurrentIndex(1)
