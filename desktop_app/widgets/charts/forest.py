"""r of every slide by itself above the run's value: does a correlation hold on each, or is one slide behind it?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QToolTip, QWidget

from desktop_app.project.correlation.pair import SlideR
from desktop_app.widgets.charts.chart_axes import BAND, CENTRE, LEFT, MIDDLE, RIGHT, Axis, Chart
from sae_backend.statistics.number_text import interval_text, number_text, r_text

_SUMMARY: Final = QColor("#e08a00")
_SLIDE: Final = QColor("#3d8bd4")
_NOTE: Final = (
    "Slides: Fisher's z with tiles as if independent, to describe; the run's interval is of its units."
)


@dataclass(frozen=True)
class ForestRow:
    """A line of the chart; `slide` is the slide that it leads to, None for a summary. Hollow: it only chose."""

    label: str
    n: int
    r: float
    low: float = float("nan")
    high: float = float("nan")
    slide: int | None = None
    hollow: bool = False

    @property
    def words(self) -> str:
        """The numbers of the line."""
        interval = f" ({interval_text(self.low, self.high)})" if math.isfinite(self.low) else ""
        return f"{r_text(self.r)}{interval}"


class Forest(Chart):
    """A line a slide: r with its interval; above them the run's value and the one within slides."""

    slide_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Choose a pair to see it slide by slide.", parent)
        self.rows: tuple[ForestRow, ...] = ()
        self._band = float("nan")

    def show_rows(self, summary: Sequence[ForestRow], slides: Sequence[SlideR], band: float) -> None:
        """Show the summary lines and one a slide, strongest first; `band` is what chance alone reaches."""
        ordered = sorted(slides, key=lambda one: -one.r if math.isfinite(one.r) else math.inf)
        self.rows = (
            *summary,
            *(
                ForestRow(one.name, one.n, one.r, one.low, one.high, one.slide_id, one.only_chose)
                for one in ordered
            ),
        )
        self._band = band
        known = [v for row in self.rows for v in (row.r, row.low, row.high) if math.isfinite(v)]
        if not known:
            self.say("No slide has enough data for its own correlation.")
            return
        ends = [*known, 0.0, *([band, -band] if math.isfinite(band) else [])]
        self.x_axis = Axis(max(-1.0, min(ends) - 0.05), min(1.0, max(ends) + 0.05), "r")
        self.setAccessibleName("; ".join(f"{row.label} {row.words}" for row in self.rows))
        self.setMinimumHeight(self.sizeHint().height())
        self.updateGeometry()
        self.redraw()

    def say(self, sentence: str) -> None:
        """Show a sentence in place of the chart."""
        self.rows = ()
        self.setMinimumHeight(90)
        super().say(sentence)

    def sizeHint(self) -> QSize:
        """Return the height that the lines need."""
        line = self.fontMetrics().height()
        return QSize(360, int(len(self.rows) * self._row_px() + 4 * line + 24))

    def _row_px(self) -> int:
        return self.fontMetrics().height() + 3

    def _label_px(self) -> float:
        return min(self._widest(row.label for row in self.rows), 0.32 * self.width())

    def _words_px(self) -> float:
        return min(self._widest(row.words for row in self.rows), 0.45 * self.width())

    def _widest(self, words: Iterable[str]) -> float:
        """Room for the longest of some words, which may be bold, px."""
        bold = QFont(self.font())
        bold.setBold(True)
        metrics = QFontMetrics(bold)
        return float(max((metrics.horizontalAdvance(text) for text in words), default=0) + 14)

    def area(self) -> QRectF:
        """Where the values lie: between labels and numbers."""
        left, right = self._label_px(), self._words_px()
        top = float(2 * self.fontMetrics().height() + 6)
        return QRectF(
            left, top, max(40.0, self.width() - left - right), len(self.rows) * self._row_px() + 2.0
        )

    def row_at(self, y: float) -> int:
        """Number of the line at a height in px, -1 for none."""
        row = int((y - self.area().top()) // self._row_px())
        return row if 0 <= row < len(self.rows) else -1

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Ask for the slide of a line."""
        row = self.row_at(event.position().y())
        slide = None if row < 0 else self.rows[row].slide
        if slide is not None:
            self.slide_requested.emit(slide)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Say all of the line under the pointer."""
        row = self.row_at(event.position().y())
        if row < 0 or self.x_axis is None:
            QToolTip.hideText()
            return
        one = self.rows[row]
        words = f"{one.label}: r {one.words}, {one.n:,} tiles"
        if one.hollow:
            words += "; this slide belongs to the discovery half"
        if one.slide is not None:
            words += "; click to open it"
        QToolTip.showText(event.globalPosition().toPoint(), words, self)

    def paint_values(self, painter: QPainter) -> None:
        """Paint the lines, zero, and what chance alone reaches."""
        area, height = self.area(), self._row_px()
        if math.isfinite(self._band):
            left, right = self.x_of(max(-self._band, -1.0)), self.x_of(min(self._band, 1.0))
            painter.fillRect(QRectF(left, area.top(), right - left, area.height()), BAND)
        painter.setPen(QPen(self.faint, 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(self.x_of(0), area.top()), QPointF(self.x_of(0), area.bottom()))
        bold = QFont(self.font())
        bold.setBold(True)
        for place, row in enumerate(self.rows):
            y = area.top() + place * height
            summary = row.slide is None
            painter.setFont(bold if summary else self.font())
            painter.setPen(self.ink)
            label = self.elided(row.label, area.left() - 8)
            painter.drawText(QRectF(2, y, area.left() - 4, height), LEFT | CENTRE, label)
            beside = QRectF(area.right() + 4, y, self.width() - area.right() - 8, height)
            painter.drawText(beside, RIGHT | CENTRE, self.elided(row.words, beside.width()))
            if math.isfinite(row.r):
                self._paint_mark(painter, row, y + height / 2, _SUMMARY if summary else _SLIDE)
        painter.setFont(self.font())
        painter.setPen(self.ink)
        line = self.fontMetrics().height()
        note = QRectF(4, area.bottom() + 4, self.width() - 8, 2 * line + 2)
        painter.drawText(note, Qt.TextFlag.TextWordWrap, _NOTE)

    def paint_axes(self, painter: QPainter) -> None:
        """Paint the axis above the lines, where it is seen however many they are."""
        area, line = self.area(), self.fontMetrics().height()
        assert self.x_axis is not None
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(self.ink, 1))
        painter.drawLine(area.topLeft(), area.topRight())
        for value in self.x_axis.ticks(max(2, int(area.width() / 60))):
            x = self.x_of(value)
            painter.drawLine(int(x), int(area.top()) - 3, int(x), int(area.top()))
            painter.drawText(QRectF(x - 30, area.top() - line - 4, 60, line), MIDDLE, number_text(value))
        above = QRectF(0, 0, self.width(), line)
        words = "r of the run; slide by slide Pearson's, hollow: the slide only chose"
        painter.drawText(above, MIDDLE, self.elided(words, above.width()))

    def _paint_mark(self, painter: QPainter, row: ForestRow, y: float, colour: QColor) -> None:
        painter.setPen(QPen(colour, 2))
        if math.isfinite(row.low) and math.isfinite(row.high):
            painter.drawLine(QPointF(self.x_of(row.low), y), QPointF(self.x_of(row.high), y))
        painter.setBrush(Qt.BrushStyle.NoBrush if row.hollow else colour)
        size = 4.5 if row.slide is None else float(np.clip(2.5 + math.log10(max(row.n, 1)) / 2, 2.5, 4.5))
        painter.drawEllipse(QPointF(self.x_of(row.r), y), size, size)
