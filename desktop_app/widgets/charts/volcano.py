"""All pairs at once: how strong against how sure; a click chooses the pair."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QToolTip, QWidget

from desktop_app.project.correlation.frame import LEVEL, CorrelationFrame
from desktop_app.widgets.charts.chart_axes import BAND, LEFT, PICKED, Axis, Chart
from sae_backend.statistics.number_text import p_text, r_text

REACH_PX: Final = 8.0
_ALL, _MINE = (130, 140, 155), (40, 140, 210)
_LEAST_P: Final = 1e-12
_FEW: Final = 5000
_FEW_PX: Final = 2


class Volcano(Chart):
    """A dot a pair by (r, -log10 p); the pairs of one type in blue. Emits feature and column of what is clicked."""

    pair_requested = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("All pairs appear here once features are correlated.", parent)
        self.frame: CorrelationFrame | None = None
        self._by_q = True
        self._x = self._y = np.zeros(0)
        self._flat: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._type = -1
        self._picked = (-1, -1)

    def show_frame(self, frame: CorrelationFrame | None, *, by_q: bool = True) -> None:
        """Show all pairs of a run, by q or by the family-wise p."""
        self.frame, self._by_q = frame, by_q
        if frame is None:
            self.say("All pairs appear here once features are correlated.")
            return
        sure = frame.q if by_q else frame.p
        fine = np.isfinite(frame.value) & np.isfinite(sure)
        self._flat = np.flatnonzero(fine)
        if not self._flat.size:
            self.say("No pair has a p value: there are too few patients or slides.")
            return
        self._x = frame.value[fine]
        self._y = -np.log10(np.maximum(sure[fine], _LEAST_P))
        edge = max(float(np.abs(self._x).max()) * 1.05, 0.1)
        self.x_axis = Axis(-edge, edge, "r")
        self.y_axis = Axis(0.0, max(float(self._y.max()) * 1.05, 2.0), f"−log₁₀ {self._measure}")
        self.setAccessibleName(f"{self._flat.size:,} pairs by r and {self._measure}")
        self.redraw()

    @property
    def _measure(self) -> str:
        return "q" if self._by_q else "p (family)"

    def mark(self, feature: int, column: int) -> None:
        """Mark the chosen pair, and the pairs of its type."""
        self._picked = (feature, column)
        if column != self._type:
            self._type = column
            self.redraw()
        self.update()

    def _top_px(self) -> float:
        return float(self.fontMetrics().height() + 8)

    def position_of(self, feature: int, column: int) -> QPointF | None:
        """Return where a pair is drawn, px; None where it is not."""
        if self.frame is None or self.x_axis is None or not 0 <= column < self.frame.shape[1]:
            return None
        place = np.searchsorted(self._flat, feature * self.frame.shape[1] + column)
        if place >= self._flat.size or self._flat[place] != feature * self.frame.shape[1] + column:
            return None
        return QPointF(self.x_of(float(self._x[place])), self.y_of(float(self._y[place])))

    def _nearest(self, at: QPointF) -> tuple[int, int] | None:
        if self.frame is None or self.x_axis is None:
            return None
        x, y = self.places(self._x, self._y)
        distance = np.hypot(x - at.x(), y - at.y())
        nearest = int(np.argmin(distance))
        if distance[nearest] > REACH_PX:
            return None
        feature, column = divmod(int(self._flat[nearest]), self.frame.shape[1])
        return feature, column

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Ask for the nearest pair within 8 px."""
        found = self._nearest(event.position())
        if found is not None:
            self.pair_requested.emit(*found)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Say which pair is nearest."""
        found = self._nearest(event.position())
        if found is None or self.frame is None:
            QToolTip.hideText()
            return
        frame = self.frame
        words = (
            f"Feature {found[0]} and {frame.type_names[found[1]]}: r {r_text(float(frame.value[found]))}, "
        )
        words += f"p {p_text(float(frame.p[found]))}, q {p_text(float(frame.q[found]))}"
        QToolTip.showText(event.globalPosition().toPoint(), words, self)

    def paint_over(self, painter: QPainter) -> None:
        """Ring the chosen pair."""
        at = self.position_of(*self._picked)
        if at is not None:
            painter.setPen(QPen(PICKED, 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(at, 6, 6)

    def paint_values(self, painter: QPainter) -> None:
        """Paint what chance reaches, the level of 0.05, and all dots."""
        frame, area = self.frame, self.area()
        assert frame is not None and self.x_axis is not None
        band = float(frame.band[self._type]) if 0 <= self._type < frame.shape[1] else float("nan")
        if np.isfinite(band):
            left = self.x_of(max(-band, self.x_axis.low))
            right = self.x_of(min(band, self.x_axis.high))
            painter.fillRect(QRectF(left, area.top(), right - left, area.height()), BAND)
        level = self.y_of(-np.log10(LEVEL))
        painter.setPen(QPen(self.faint, 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(area.left(), level), QPointF(area.right(), level))
        painter.drawLine(QPointF(self.x_of(0), area.top()), QPointF(self.x_of(0), area.bottom()))
        mine = self._flat % frame.shape[1] == self._type
        self._paint_dots(painter, ~mine, _ALL)
        self._paint_dots(painter, mine, _MINE)
        painter.setPen(self.ink)
        words = f"{self._flat.size:,} pairs; dashes: {self._measure} 0.05"
        if np.isfinite(band):
            words += f"; grey: chance; blue: {frame.type_names[self._type]}"
        room = self.width() - area.left() - 6
        painter.drawText(
            QRectF(area.left(), 2, room, self.fontMetrics().height()), LEFT, self.elided(words, room)
        )

    def _paint_dots(self, painter: QPainter, which: npt.NDArray[np.bool_], rgb: tuple[int, int, int]) -> None:
        """Dots by counting them in the px: half a million take no longer than a thousand."""
        if not which.any():
            return
        ratio = self.devicePixelRatioF()
        width, height = int(self.width() * ratio), int(self.height() * ratio)
        x, y = self.places(self._x[which], self._y[which])
        col = np.clip((x * ratio).astype(int), 1, max(width - 2, 1))
        row = np.clip((y * ratio).astype(int), 1, max(height - 2, 1))
        counts = np.bincount(row * width + col, minlength=width * height).reshape(height, width)
        grown = np.zeros_like(counts)
        reach = _FEW_PX if self._flat.size < _FEW else 1
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                if dx * dx + dy * dy <= reach * reach + 1:
                    grown += np.roll(counts, (dy, dx), (0, 1))
        rgba = np.zeros((height, width, 4), np.uint8)
        rgba[..., :3] = rgb
        rgba[..., 3] = np.where(grown > 0, np.minimum(150 + 20 * grown, 255), 0)
        image = QImage(rgba.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888)
        image.setDevicePixelRatio(ratio)
        painter.setBrush(QColor(*rgb))
        painter.drawImage(QPointF(0, 0), image)
