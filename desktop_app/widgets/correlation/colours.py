"""Colours of correlations: blue below zero, orange above, and a bar that says so."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QImage, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QWidget

from sae_backend.statistics.number_text import r_text

_STEPS: Final = 101
_BELOW, _ABOVE = (42, 110, 187), (224, 130, 20)
_MIDDLE: Final = {True: (44, 47, 56), False: (247, 246, 245)}
_STRONG: Final = {True: 0.92, False: 1.0}


def colours(*, dark: bool) -> tuple[list[QBrush], list[QColor]]:
    """Brushes from -1 to 1, and the colour of words on each; blue and orange, also for colour-blind eyes."""
    middle = np.array(_MIDDLE[dark], float)
    brushes, inks = [], []
    for share in np.linspace(-1, 1, _STEPS):
        end = np.array(_ABOVE if share > 0 else _BELOW, float)
        rgb = middle + (end - middle) * abs(share) ** 0.85 * _STRONG[dark]
        brushes.append(QBrush(QColor(*rgb.astype(int).tolist())))
        light = float(rgb @ (0.299, 0.587, 0.114)) > 125
        inks.append(QColor("#141414") if light else QColor("#f4f4f4"))
    return brushes, inks


def shade_of(value: float, limit: float) -> int:
    """Place of a value among the brushes; -1 where there is no value."""
    if not math.isfinite(value):
        return -1
    return round((min(max(value / limit, -1.0), 1.0) + 1) / 2 * (_STEPS - 1))


def round_limit(largest: float) -> float:
    """Value at the ends of the colours: the largest |r|, rounded up to a tenth."""
    return max(0.2, math.ceil(largest * 10 - 1e-9) / 10) if math.isfinite(largest) else 1.0


class ColourBar(QWidget):
    """The colours with the values at their ends."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._limit = 1.0
        self.setAccessibleName("Colours of r: blue below zero, orange above")

    def show_limit(self, limit: float) -> None:
        """Say which value the ends stand for."""
        self._limit = limit
        self.update()

    def sizeHint(self) -> QSize:
        """Return the room for bar and words."""
        return QSize(190, self.fontMetrics().height() + 4)

    def minimumSizeHint(self) -> QSize:
        """As much as is wanted."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the bar between its ends."""
        del event
        painter = QPainter(self)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        brushes, _ = colours(dark=ink.lightness() > 128)
        tints = [brush.color() for brush in brushes]
        pixels = np.array([(one.red(), one.green(), one.blue()) for one in tints], np.uint8)
        image = QImage(pixels.tobytes(), _STEPS, 1, 3 * _STEPS, QImage.Format.Format_RGB888)
        painter.setPen(ink)
        height = self.height()
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(
            QRectF(0, 0, 42, height), Qt.AlignmentFlag.AlignRight | middle, r_text(-self._limit, 1)
        )
        painter.drawImage(QRectF(46, height / 2 - 5, 90, 10), image)
        painter.drawText(
            QRectF(140, 0, 50, height), Qt.AlignmentFlag.AlignLeft | middle, f"+{self._limit:.1f} r"
        )
        painter.end()
