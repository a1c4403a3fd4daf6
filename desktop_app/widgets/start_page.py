"""What the window shows while nothing is open."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget


class StartPage(QWidget):
    """Four ways in: the demo, a slide, a project that exists, a new project."""

    demo_requested = Signal()
    open_slide_requested = Signal()
    open_project_requested = Signal()
    new_project_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        title = QLabel("Sparsescope")
        title.setStyleSheet("font-size: 26pt; font-weight: bold;")
        lead = QLabel(
            "See what a pathology foundation model has learned: the features of a sparse autoencoder, "
            "laid over whole slides."
        )
        lead.setWordWrap(True)
        lead.setAlignment(Qt.AlignmentFlag.AlignCenter)
        lead.setMinimumWidth(380)
        column = QVBoxLayout(self)
        column.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.setSpacing(12)
        column.addWidget(title, alignment=Qt.AlignmentFlag.AlignCenter)
        column.addWidget(lead)
        for text, hint, signal in (
            (
                "Open the demo",
                "A generated slide with known cells; no download, ready in half a minute",
                self.demo_requested,
            ),
            (
                "Open a slide…",
                "Look at any slide; nothing is saved until there is a project",
                self.open_slide_requested,
            ),
            ("Open a project…", "A folder made by Sparsescope", self.open_project_requested),
            ("New project…", "A folder that keeps slides, names and results", self.new_project_requested),
        ):
            button = QPushButton(text)
            button.setToolTip(hint)
            button.setMinimumSize(280, 36)
            button.clicked.connect(signal)
            column.addWidget(button, alignment=Qt.AlignmentFlag.AlignCenter)
        self.notice = QLabel("")
        self.notice.setWordWrap(True)
        self.notice.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addWidget(self.notice)

    def show_notice(self, text: str) -> None:
        """Say something below the buttons."""
        self.notice.setText(text)
