"""What a feature has to beat: the best column of each representation, and probes on a few of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QWidget

from desktop_app.project.correlation.frame import Baseline, CorrelationFrame
from desktop_app.widgets.charts.chart_axes import BAND, CENTRE, LEFT, MIDDLE, RIGHT, SERIES, Axis, Chart
from sae_backend.statistics.number_text import interval_text, number_text, r_text

_SHORT: Final = {
    "sae": "SAE feature",
    "raw": "raw dimension",
    "pca": "principal comp.",
    "random": "random SAE",
}
_COLOURS: Final = {"sae": SERIES[4], "raw": SERIES[1], "pca": SERIES[2], "random": SERIES[7]}
_GAP: Final = 26.0


class BaselineChart(Chart):
    """Left |r| of the best column of each kind with its interval, right R2 of probes against their number of columns."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Choose a pair to compare it with the baselines.", parent)
        self._rows: list[tuple[str, Baseline]] = []
        self._column = -1
        self._band = float("nan")
        self._ks: tuple[int, ...] = ()
        self._type = ""

    def show_type(self, frame: CorrelationFrame | None, column: int) -> None:
        """Show the baselines of the type in a column."""
        if frame is None or not 0 <= column < frame.shape[1]:
            self.say("Choose a pair to compare it with the baselines.")
            return
        self._rows, self._column = list(frame.baselines.items()), column
        if not self._rows:
            self.say("This run has no baselines. Switch them on with “Options…” for the next run.")
            return
        self._type = frame.type_names[column]
        self._band = float(frame.band[column])
        self._ks = tuple(int(k) for k in frame.meta.get("probe_k") or ())
        self.x_axis = Axis(0.0, 1.0, f"best |r|, {self._type}")
        self.setAccessibleName("; ".join(self._words(name, base) for name, base in self._rows))
        self.redraw()

    def sizeHint(self) -> QSize:
        """Return a size for both halves."""
        return QSize(420, 210)

    def _words(self, name: str, base: Baseline) -> str:
        c = self._column
        interval = interval_text(float(base.ci_low[c]), float(base.ci_high[c]))
        which = int(base.column[c])
        of = f" {which}" if which >= 0 else ""
        return f"{_SHORT.get(name, name)}{of}: r {r_text(float(base.value[c]))} ({interval})"

    def area(self) -> QRectF:
        """Where |r| lies: the left half, right of the labels."""
        metrics, half = self.fontMetrics(), self.width() / 2
        label = max((metrics.horizontalAdvance(_SHORT.get(name, name)) for name, _ in self._rows), default=0)
        left = min(label + 10.0, half * 0.55)
        bottom = 2 * metrics.height() + 8
        return QRectF(left, 6, max(40.0, half - left - _GAP / 2), max(40.0, self.height() - bottom - 6))

    def paint_values(self, painter: QPainter) -> None:
        """Paint both halves."""
        area = self.area()
        if math.isfinite(self._band):
            right = self.x_of(min(self._band, 1.0))
            painter.fillRect(QRectF(area.left(), area.top(), right - area.left(), area.height()), BAND)
        step = area.height() / len(self._rows)
        line = self.fontMetrics().height()
        for place, (name, base) in enumerate(self._rows):
            y = area.top() + (place + 0.5) * step
            painter.setPen(self.ink)
            painter.drawText(
                QRectF(0, y - line / 2, area.left() - 6, line),
                RIGHT | CENTRE,
                self.elided(_SHORT.get(name, name), area.left() - 6),
            )
            colour, value = QColor(_COLOURS.get(name, SERIES[0])), float(base.value[self._column])
            if not math.isfinite(value):
                painter.drawText(
                    QRectF(area.left() + 4, y - line / 2, 90, line), LEFT | CENTRE, "not defined"
                )
                continue
            low, high = _sizes(float(base.ci_low[self._column]), float(base.ci_high[self._column]))
            painter.setPen(QPen(colour, 3))
            if math.isfinite(low):
                painter.drawLine(QPointF(self.x_of(low), y), QPointF(self.x_of(high), y))
            painter.setBrush(colour)
            painter.drawEllipse(QPointF(self.x_of(abs(value)), y), 4.5, 4.5)
            self._write_value(painter, abs(value), y, line)
        if self._ks:
            self._paint_probes(painter)

    def _write_value(self, painter: QPainter, value: float, y: float, line: int) -> None:
        words, area = f"{value:.2f}", self.area()
        room = self.fontMetrics().horizontalAdvance(words) + 4
        left = min(max(self.x_of(value) - room / 2, area.left() + 2), area.right() - room)
        painter.setPen(self.ink)
        painter.drawText(QRectF(left, y - line - 3, room, line), MIDDLE, words)

    def _probe_area(self) -> QRectF:
        area, metrics = self.area(), self.fontMetrics()
        left = self.width() / 2 + _GAP + 2 * metrics.height()
        return QRectF(left, area.top(), max(40.0, self.width() - left - 12), area.height())

    def _paint_probes(self, painter: QPainter) -> None:
        """R2 on the tiles that report against the number of columns, equally spaced."""
        area, c, line = self._probe_area(), self._column, self.fontMetrics().height()
        ends = [
            float(v)
            for _, base in self._rows
            for array in (base.probe_r2, base.probe_low, base.probe_high)
            for v in array[:, c]
            if math.isfinite(v)
        ]
        if not ends:
            return
        axis = Axis(max(min([0.0, *ends]), -0.25), max([0.1, *ends]), "R²")
        y_of = _scale(axis, area)
        places = [area.left() + (i + 0.5) / len(self._ks) * area.width() for i in range(len(self._ks))]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for order, (name, base) in enumerate(self._rows):
            colour = QColor(_COLOURS.get(name, SERIES[0]))
            shift = (order - (len(self._rows) - 1) / 2) * 4
            before: QPointF | None = None
            for i, x in enumerate(places):
                value = float(base.probe_r2[i, c])
                if not math.isfinite(value):
                    before = None
                    continue
                at = QPointF(x + shift, y_of(value))
                painter.setPen(QPen(colour, 1.6))
                if before is not None:
                    painter.drawLine(before, at)
                low, high = float(base.probe_low[i, c]), float(base.probe_high[i, c])
                if math.isfinite(low) and math.isfinite(high):
                    painter.drawLine(QPointF(at.x(), y_of(low)), QPointF(at.x(), y_of(high)))
                painter.setBrush(colour)
                painter.drawEllipse(at, 3, 3)
                before = at
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(self.ink, 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.drawLine(area.bottomLeft(), area.topLeft())
        for value in axis.ticks(max(2, int(area.height() / 36))):
            y = y_of(value)
            painter.drawLine(int(area.left()) - 3, int(y), int(area.left()), int(y))
            painter.drawText(
                QRectF(area.left() - 48, y - line / 2, 42, line), RIGHT | CENTRE, number_text(value)
            )
        for k, x in zip(self._ks, places, strict=True):
            painter.drawText(QRectF(x - 20, area.bottom() + 3, 40, line), MIDDLE, str(k))
        below = QRectF(area.left() - 50, area.bottom() + line + 4, area.width() + 58, line + 2)
        painter.drawText(below, MIDDLE, self.elided("R² of a probe on k columns", below.width()))

    def paint_axes(self, painter: QPainter) -> None:
        """Paint the level axis, its label over the left half alone."""
        area, line = self.area(), self.fontMetrics().height()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(self.ink, 1, Qt.PenStyle.SolidLine))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        for value in (0.0, 0.5, 1.0):
            x = self.x_of(value)
            painter.drawLine(int(x), int(area.bottom()), int(x), int(area.bottom()) + 3)
            painter.drawText(QRectF(x - 20, area.bottom() + 3, 40, line), MIDDLE, number_text(value))
        assert self.x_axis is not None
        below = QRectF(0, area.bottom() + line + 4, self.width() / 2 + 4, line + 2)
        painter.drawText(below, MIDDLE, self.elided(self.x_axis.label, below.width()))


def _sizes(low: float, high: float) -> tuple[float, float]:
    """Ends of an interval of |r|."""
    if low <= 0 <= high:
        return 0.0, max(-low, high)
    return min(abs(low), abs(high)), max(abs(low), abs(high))


def _scale(axis: Axis, area: QRectF) -> Callable[[float], float]:
    return lambda value: area.bottom() - area.height() * (max(value, axis.low) - axis.low) / axis.span
