"""What is known of the slide; label and macro only when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from desktop_app.project.slides.slide_facts import SlideFact, facts_text
from desktop_app.widgets.controls.theme_colours import tones

SHOW_PICTURES: Final = "Show label and macro (they can identify a patient)"
_PICTURE_PX: Final = 210


class SlideInfoDialog(QDialog):
    """Shows facts; `pictures_requested` asks for the pictures that ride along in the file.

    The pictures are never copied with the text, and are gone when the dialog is closed.
    """

    pictures_requested = Signal()

    def __init__(
        self, facts: Sequence[SlideFact], parent: QWidget | None = None, *, has_pictures: bool
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Slide information")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._facts = tuple(facts)
        grid = QGridLayout()
        grid.setHorizontalSpacing(18)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        muted = tones().muted
        for row, fact in enumerate(facts):
            value = QLabel(fact.value)
            value.setWordWrap(True)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            value.setAccessibleName(fact.label)
            label = QLabel(fact.label)
            label.setStyleSheet(f"color: {muted};")
            grid.addWidget(label, row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(value, row, 1)
        self.pictures = QWidget()
        self._shelf = QHBoxLayout(self.pictures)
        self._shelf.setContentsMargins(0, 0, 0, 8)
        self.pictures.hide()
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.addWidget(self.pictures)
        column.addLayout(grid)
        column.addStretch(1)
        room = QScrollArea()
        room.setWidgetResizable(True)
        room.setFrameShape(QScrollArea.Shape.NoFrame)
        room.setWidget(inside)
        self.show_button = QPushButton(SHOW_PICTURES)
        self.show_button.setVisible(has_pictures)
        self.show_button.setAutoDefault(False)
        self.show_button.clicked.connect(self._ask)
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("Copy these lines as text, without pictures")
        self.copy_button.setAutoDefault(False)
        self.copy_button.clicked.connect(self._copy)
        close = QPushButton("Close")
        close.setDefault(True)
        close.clicked.connect(self.close)
        foot = QHBoxLayout()
        foot.addWidget(self.show_button)
        foot.addStretch(1)
        foot.addWidget(self.copy_button)
        foot.addWidget(close)
        whole = QVBoxLayout(self)
        whole.addWidget(room, 1)
        whole.addLayout(foot)
        self.resize(680, 470)

    def show_pictures(self, pictures: Sequence[tuple[str, npt.NDArray[np.uint8]]]) -> None:
        """Show pictures uint8 (h, w, 3) with their names."""
        for name, rgb in pictures:
            pixels = np.ascontiguousarray(rgb)
            height, width = pixels.shape[:2]
            image = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
            picture, words = QLabel(), QLabel(name)
            picture.setPixmap(
                QPixmap.fromImage(image).scaled(
                    _PICTURE_PX,
                    _PICTURE_PX,
                    Qt.AspectRatioMode.KeepAspectRatio,
                    Qt.TransformationMode.SmoothTransformation,
                )
            )
            picture.setAccessibleName(f"{name} of the slide")
            column = QVBoxLayout()
            column.addWidget(picture)
            column.addWidget(words)
            column.addStretch(1)
            self._shelf.addLayout(column)
        self._shelf.addStretch(1)
        self.pictures.setVisible(bool(pictures))
        self.show_button.hide()
        screen = self.screen().availableSize()
        self.resize(self.width(), min(self.height() + _PICTURE_PX + 40, screen.height() - 80))

    def show_failure(self, words: str) -> None:
        """Say why the pictures cannot be shown."""
        self.show_button.setText(words)

    def _ask(self) -> None:
        self.show_button.setEnabled(False)
        self.show_button.setText("Reading…")
        self.pictures_requested.emit()

    def _copy(self) -> None:
        QApplication.clipboard().setText(facts_text(self._facts))
        self.copy_button.setText("Copied")
