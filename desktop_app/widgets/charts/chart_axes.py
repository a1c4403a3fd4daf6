"""What the charts of the correlations have in common: axes with ticks and units, colours, a picture kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import QWidget

from sae_backend.statistics.number_text import number_text

SERIES: Final = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#d55e00", "#0072b2", "#b8a800", "#8c8c8c")
"""Colours of slides and of series in turn (after Okabe and Ito, seen on dark and on light)."""

PICKED: Final = QColor("#ff00c8")
POINT: Final = QColor(40, 140, 210, 150)
BAND: Final = QColor(128, 128, 128, 70)
"""What chance alone reaches."""

LEFT, RIGHT, MIDDLE = (
    Qt.AlignmentFlag.AlignLeft,
    Qt.AlignmentFlag.AlignRight,
    Qt.AlignmentFlag.AlignHCenter,
)
CENTRE: Final = Qt.AlignmentFlag.AlignVCenter
_LEAST_PX: Final = 60


@dataclass(frozen=True)
class Axis:
    """One axis: the values at its ends, and what it is of."""

    low: float
    high: float
    label: str

    @property
    def span(self) -> float:
        """Length in values, never 0."""
        return (self.high - self.low) or 1.0

    def ticks(self, most: int) -> list[float]:
        """Round values between the ends, at most so many."""
        return ticks(self.low, self.high, most)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round values from `low` to `high`, at most `most` of them, never fewer than none."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low or most < 1:
        return []
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * unit for unit in (1, 2, 2.5, 5, 10, 20) if power * unit >= raw)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


class Chart(QWidget):
    """A picture with axes that is drawn once for each size; subclasses draw into `area`.

    A sentence stands in its place while there is nothing to draw.
    """

    def __init__(self, sentence: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sentence = sentence
        self._kept: QPixmap | None = None
        self.x_axis: Axis | None = None
        self.y_axis: Axis | None = None
        self.setMinimumSize(220, 90)
        self.setMouseTracking(True)

    def sizeHint(self) -> QSize:
        """Return a size at which the axes can be read."""
        return QSize(360, 240)

    def say(self, sentence: str) -> None:
        """Show a sentence in place of the chart."""
        self._sentence = sentence
        self.x_axis = self.y_axis = None
        self.setAccessibleName(sentence)
        self.redraw()

    @property
    def sentence(self) -> str:
        """The sentence that stands in place of the chart, empty while there is one."""
        return self._sentence if self.x_axis is None else ""

    def redraw(self) -> None:
        """Draw anew when it is seen next."""
        self._kept = None
        self.update()

    def area(self) -> QRectF:
        """Where the values lie, in px of the widget."""
        line = self.fontMetrics().height()
        left = self._left_px()
        bottom = 2 * line + 8
        return QRectF(
            left,
            self._top_px(),
            max(_LEAST_PX, self.width() - left - 14),
            max(_LEAST_PX / 2, self.height() - self._top_px() - bottom),
        )

    def _top_px(self) -> float:
        return 8.0

    def _left_px(self) -> float:
        """Room for the numbers of the upright axis and for its label, written from below."""
        metrics = self.fontMetrics()
        shown = [] if self.y_axis is None else self.y_axis.ticks(4)
        widest = max((metrics.horizontalAdvance(number_text(value)) for value in shown), default=0)
        return float(widest + metrics.height() + 14)

    def x_of(self, value: float) -> float:
        """Place of a value on the level axis, px."""
        axis, area = self.x_axis, self.area()
        assert axis is not None
        return area.left() + area.width() * (value - axis.low) / axis.span

    def y_of(self, value: float) -> float:
        """Place of a value on the upright axis, px."""
        axis, area = self.y_axis, self.area()
        assert axis is not None
        return area.bottom() - area.height() * (value - axis.low) / axis.span

    def places(
        self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Places (n,) of many values, px."""
        assert self.x_axis is not None and self.y_axis is not None
        area = self.area()
        return (
            area.left() + area.width() * (x - self.x_axis.low) / self.x_axis.span,
            area.bottom() - area.height() * (y - self.y_axis.low) / self.y_axis.span,
        )

    @property
    def ink(self) -> QColor:
        """Colour of words and axes."""
        return self.palette().color(QPalette.ColorRole.WindowText)

    @property
    def faint(self) -> QColor:
        """Colour of lines that only help."""
        ink = QColor(self.ink)
        ink.setAlpha(60)
        return ink

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw anew at the new size."""
        self._kept = None
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Draw anew in other colours or another size of text."""
        super().changeEvent(event)
        if event.type() in (
            QEvent.Type.PaletteChange, QEvent.Type.FontChange, QEvent.Type.StyleChange
        ):  # fmt: skip
            self.redraw()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the kept picture and what lies over it."""
        del event
        if self._kept is None:
            self._kept = self._draw()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._kept)
        if self.x_axis is not None:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self.paint_over(painter)
        painter.end()

    def paint_over(self, painter: QPainter) -> None:
        """Paint what changes more often than the chart."""

    def paint_values(self, painter: QPainter) -> None:
        """Paint the values inside the axes."""
        raise NotImplementedError

    def _draw(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        picture = QPixmap(self.size() * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setFont(self.font())
        painter.setPen(self.ink)
        if self.x_axis is None:
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(12, 4, -12, -4), flags, self._sentence)
        else:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self.paint_values(painter)
            self.paint_axes(painter)
        painter.end()
        return picture

    def paint_axes(self, painter: QPainter) -> None:
        """Paint both axes, as far as there are any, with ticks and labels."""
        area, line = self.area(), self.fontMetrics().height()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(self.ink, 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        if self.x_axis is not None:
            n = max(2, int(area.width() / 70))
            for value in self.x_axis.ticks(n):
                x = self.x_of(value)
                painter.drawLine(int(x), int(area.bottom()), int(x), int(area.bottom()) + 3)
                left = min(max(x - 40, 0), self.width() - 80)
                painter.drawText(QRectF(left, area.bottom() + 3, 80, line), MIDDLE, number_text(value))
            below = QRectF(0, area.bottom() + line + 4, self.width() - 4, line + 2)
            painter.drawText(below, MIDDLE, self.elided(self.x_axis.label, below.width()))
        if self.y_axis is not None and self.y_axis.label:
            painter.drawLine(area.bottomLeft(), area.topLeft())
            for value in self.y_axis.ticks(max(2, int(area.height() / 36))):
                y = self.y_of(value)
                painter.drawLine(int(area.left()) - 3, int(y), int(area.left()), int(y))
                painter.drawText(
                    QRectF(line, y - line / 2, area.left() - line - 6, line),
                    RIGHT | CENTRE,
                    number_text(value),
                )
            painter.save()
            painter.translate(1, area.center().y())
            painter.rotate(-90)
            room = self.height() - 8.0
            words = self.elided(self.y_axis.label, room)
            painter.drawText(QRectF(-room / 2, 0, room, line), MIDDLE, words)
            painter.restore()

    def elided(self, text: str, room: float) -> str:
        """A text cut to a width in px."""
        return self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(room))
