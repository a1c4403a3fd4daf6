"""A strip of the heat map's colours with its limits below."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QRect
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

HEIGHT_PX: Final = 18


class ColourBar(QWidget):
    """Paints colours (n, 3) uint8 from left to right; what the threshold hides is hatched out."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rgb: npt.NDArray[np.uint8] = np.zeros((1, 3), np.uint8)
        self._hidden_share = 0.0
        self.setFixedHeight(HEIGHT_PX)
        self.setMinimumWidth(120)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_colours(self, rgb: npt.NDArray[np.uint8]) -> None:
        """Show these colours, low to high."""
        self._rgb = np.ascontiguousarray(rgb, np.uint8)
        self.update()

    def set_hidden_share(self, share: float) -> None:
        """Mark the lower share (0 to 1) as not shown on the slide."""
        self._hidden_share = min(max(share, 0.0), 1.0)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the strip."""
        del event
        count = len(self._rgb)
        image = QImage(self._rgb.tobytes(), count, 1, 3 * count, QImage.Format.Format_RGB888)
        painter = QPainter(self)
        painter.drawImage(self.rect(), image)
        hidden = QRect(0, 0, round(self.width() * self._hidden_share), self.height())
        painter.fillRect(hidden, QColor(60, 60, 60))
        painter.end()
