"""Small charts of the feature page: a histogram, and bars with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from sae_backend.statistics.number_text import number_text

if TYPE_CHECKING:
    from sae_backend.activations.histogram import ActivationHistogram

BAR: Final = QColor("#3d8bd4")
_QUANTILE_INK: Final = QColor("#e08a00")
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 8, 34
_HIGH, _LOW = Qt.AlignmentFlag.AlignRight, Qt.AlignmentFlag.AlignLeft
_MIDDLE: Final = Qt.AlignmentFlag.AlignVCenter


class HistogramChart(QWidget):
    """Counts of a feature's firing values on a logarithmic scale, with its quartiles."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.histogram: ActivationHistogram | None = None
        self.setMinimumHeight(150)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)

    def sizeHint(self) -> QSize:
        """Return a size at which the axes can be read."""
        return QSize(300, 160)

    def show_histogram(self, histogram: ActivationHistogram | None) -> None:
        """Show counts, None for none."""
        self.histogram = histogram
        if histogram is not None and histogram.n_firing:
            self.setAccessibleName(
                f"Histogram of {histogram.n_firing} firing values up to {number_text(float(histogram.edges[-1]))}"
            )
        self.update()

    def _area(self) -> QRectF:
        return QRectF(_LEFT, _TOP, self.width() - _LEFT - _RIGHT, self.height() - _TOP - _BOTTOM)

    def bar_rect(self, index: int) -> QRectF:
        """Return where bar `index` is drawn, in px of the widget; of no height where nothing was counted."""
        found = self.histogram
        assert found is not None
        area, count = self._area(), int(found.counts[index])
        width = area.width() / len(found.counts)
        # One tile has to be seen too: log(count) + a unit, as a share of the tallest bar.
        top = np.log10(float(found.counts.max())) + _ONE_TILE
        height = 0.0 if count == 0 else area.height() * (np.log10(count) + _ONE_TILE) / top
        return QRectF(area.left() + index * width, area.bottom() - height, max(width - 1, 1.0), height)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Say what the bar under the pointer counts."""
        found, area = self.histogram, self._area()
        if found is None or not found.n_firing or not area.contains(event.position()):
            return
        index = min(
            int((event.position().x() - area.left()) / area.width() * len(found.counts)),
            len(found.counts) - 1,
        )
        low, high = found.edges[index : index + 2]
        QToolTip.showText(
            event.globalPosition().toPoint(),
            f"{int(found.counts[index]):,} tiles from {number_text(float(low))} to {number_text(float(high))}",
            self,
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint axes, bars and quartiles."""
        del event
        painter = QPainter(self)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        painter.setPen(ink)
        found, area = self.histogram, self._area()
        if found is None or not found.n_firing:
            painter.drawText(
                self.rect(), Qt.AlignmentFlag.AlignCenter, "It is active in no tile of this slide"
            )
            painter.end()
            return
        for index in range(len(found.counts)):
            painter.fillRect(self.bar_rect(index), BAR)
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        top = float(found.counts.max())
        for count in (10.0**power for power in range(int(np.log10(top)) + 1)):
            y = area.bottom() - area.height() * (np.log10(count) + _ONE_TILE) / (np.log10(top) + _ONE_TILE)
            painter.drawLine(int(area.left()) - 3, int(y), int(area.left()), int(y))
            painter.drawText(QRectF(0, y - 9, _LEFT - 6, 18), _HIGH | _MIDDLE, f"{count:,.0f}")
        low, high = float(found.edges[0]), float(found.edges[-1])
        below = QRectF(area.left(), area.bottom() + 1, area.width(), 16)
        painter.drawText(below, _LOW, number_text(low))
        painter.drawText(below, _HIGH, number_text(high))
        painter.drawText(
            below.translated(0, 15), Qt.AlignmentFlag.AlignHCenter, "activation; tiles on a log scale"
        )
        painter.setPen(QPen(_QUANTILE_INK, 1.5, Qt.PenStyle.DashLine))
        for share, value in found.quantiles:
            if share in (0.25, 0.5, 0.75):
                x = int(area.left() + area.width() * (value - low) / (high - low or 1.0))
                painter.drawLine(x, int(area.top()), x, int(area.bottom()))
        painter.end()


_UNDER_PX: Final = 10
_ONE_TILE: Final = 0.3


@dataclass(frozen=True)
class Bar:
    """One line of a chart: a value with its interval (None: not defined), and what the pointer is told."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    words: str = ""
    tip: str = ""


class BarsChart(QWidget):
    """Horizontal bars from zero, each with its interval and its number."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bars: tuple[Bar, ...] = ()
        self._span = (0.0, 1.0)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_bars(self, bars: Sequence[Bar], span: tuple[float, float] | None = None) -> None:
        """Show bars in the order given, on an axis `span` or one that holds them all."""
        self.bars = tuple(bars)
        ends = [end for bar in bars for end in (bar.value, bar.low, bar.high) if end is not None]
        self._span = span or (min([0.0, *ends]), max([0.0, *ends]) or 1.0)
        self.setAccessibleName("; ".join(f"{bar.label} {bar.words}" for bar in bars))
        self.setFixedHeight(self._row_px() * len(bars) + 6)
        self.update()

    def _row_px(self) -> int:
        return self.fontMetrics().height() + 8 + (_UNDER_PX if self._stacked else 0)

    @property
    def _stacked(self) -> bool:
        """Whether bars stand under their words, which leave no room beside them."""
        return self._widest_words() > int(0.52 * self.width())

    def _widest_words(self) -> int:
        return max((self.fontMetrics().horizontalAdvance(bar.words) for bar in self.bars), default=0) + 8

    def _label_px(self) -> int:
        if self._stacked:
            return max(self.width() - self._words_px(), 0)
        widest = max((self.fontMetrics().horizontalAdvance(bar.label) for bar in self.bars), default=0)
        return min(widest + 8, int(0.3 * self.width()))

    def _words_px(self) -> int:
        return min(self._widest_words(), self.width())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Be as high as the rows at this width need."""
        super().resizeEvent(event)
        self.setFixedHeight(self._row_px() * len(self.bars) + 6)

    def x_of(self, value: float) -> float:
        """Return where a value lies, in px of the widget."""
        left, right = float(self._label_px()), float(self.width() - self._words_px())
        if self._stacked:
            left, right = 4.0, float(self.width() - 4)
        low, high = self._span
        return left + (right - left) * (value - low) / (high - low or 1.0)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Say more of the bar under the pointer."""
        row = int(event.position().y() - 3) // self._row_px()
        if 0 <= row < len(self.bars) and self.bars[row].tip:
            QToolTip.showText(event.globalPosition().toPoint(), self.bars[row].tip, self)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint labels, bars, intervals and numbers."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink, height, zero = (
            self.palette().color(QPalette.ColorRole.WindowText),
            self._row_px(),
            self.x_of(0.0),
        )
        line = self.fontMetrics().height() + 4 if self._stacked else height
        for row, bar in enumerate(self.bars):
            y = 3 + row * height
            painter.setPen(ink)
            label = self.fontMetrics().elidedText(
                bar.label, Qt.TextElideMode.ElideRight, self._label_px() - 6
            )
            painter.drawText(QRectF(0, y, self._label_px(), line), _LOW | _MIDDLE, label)
            room = self._words_px()
            words = self.fontMetrics().elidedText(bar.words, Qt.TextElideMode.ElideRight, room - 4)
            painter.drawText(QRectF(self.width() - room, y, room, line), _HIGH | _MIDDLE, words)
            if bar.value is None:
                continue
            x = self.x_of(bar.value)
            top, thick = (y + line, _UNDER_PX - 2) if self._stacked else (y + 4, height - 8)
            painter.fillRect(QRectF(min(zero, x), top, max(abs(x - zero), 1.0), thick), BAR)
            if bar.low is not None and bar.high is not None:
                painter.setPen(QPen(_QUANTILE_INK, 2))
                middle = top + thick / 2
                painter.drawLine(int(self.x_of(bar.low)), int(middle), int(self.x_of(bar.high)), int(middle))
                for end in (bar.low, bar.high):
                    at = int(self.x_of(end))
                    painter.drawLine(at, int(middle) - 4, at, int(middle) + 4)
        painter.setPen(QPen(ink, 1))
        if self._stacked:
            # Not through the words.
            for row in range(len(self.bars)):
                top = 3 + row * height + line
                painter.drawLine(int(zero), top - 1, int(zero), top + _UNDER_PX - 2)
        else:
            painter.drawLine(int(zero), 0, int(zero), self.height())
        painter.end()
