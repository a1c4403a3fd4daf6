"""Activation against cell count, a point a tile; a click leads to the tile."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPalette, QPixmap, QResizeEvent
from PySide6.QtWidgets import QWidget

from desktop_app.widgets.texts import number

LEFT, RIGHT, TOP, BOTTOM = 76, 12, 10, 40
REACH_PX: Final = 10.0
POINT, PICKED = QColor(40, 140, 210, 150), QColor("#ff00c8")


class Scatter(QWidget):
    """Points by (x = cells in the tile, y = activation); emits the tile that a click is nearest to."""

    tile_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._x: npt.NDArray[np.float64] = np.zeros(0)
        self._y: npt.NDArray[np.float64] = np.zeros(0)
        self._tiles: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._labels = ("", "")
        self._picked = -1
        self._drawn: QPixmap | None = None
        self.setMinimumSize(220, 150)

    def sizeHint(self) -> QSize:
        """Return a size at which the axes can be read."""
        return QSize(320, 220)

    def show_points(
        self,
        x: npt.NDArray[np.float64],
        y: npt.NDArray[np.float64],
        tiles: npt.NDArray[np.int64],
        labels: tuple[str, str],
    ) -> None:
        """Show points (n,) with the tile (n,) that each stands for, and the labels of both axes."""
        self._x, self._y, self._tiles, self._labels = x, y, tiles, labels
        self._picked = -1
        self._drawn = None
        self.update()

    def clear(self) -> None:
        """Show no points."""
        self.show_points(np.zeros(0), np.zeros(0), np.zeros(0, np.int64), ("", ""))

    def mark_tile(self, tile: int) -> None:
        """Ring the point of a tile."""
        self._picked = tile
        self.update()

    def position_of(self, index: int) -> QPointF:
        """Return where point `index` is drawn, in px of the widget."""
        area, (x_top, y_top) = self._area(), self._tops()
        return QPointF(
            area.left() + area.width() * float(self._x[index]) / x_top,
            area.bottom() - area.height() * float(self._y[index]) / y_top,
        )

    def _area(self) -> QRectF:
        return QRectF(LEFT, TOP, max(1, self.width() - LEFT - RIGHT), max(1, self.height() - TOP - BOTTOM))

    def _tops(self) -> tuple[float, float]:
        x_top = float(self._x.max()) if self._x.size else 1.0
        y_top = float(self._y.max()) if self._y.size else 1.0
        return x_top or 1.0, y_top or 1.0

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Ask for the tile of the nearest point within 10 px."""
        if not self._x.size:
            return
        area, (x_top, y_top) = self._area(), self._tops()
        dx = area.left() + area.width() * self._x / x_top - event.position().x()
        dy = area.bottom() - area.height() * self._y / y_top - event.position().y()
        distance = np.hypot(dx, dy)
        nearest = int(np.argmin(distance))
        if distance[nearest] <= REACH_PX:
            self.tile_requested.emit(int(self._tiles[nearest]))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw anew at the new size."""
        self._drawn = None
        super().resizeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint axes, points and the ring."""
        del event
        if self._drawn is None:
            self._drawn = self._draw()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._drawn)
        found = np.flatnonzero(self._tiles == self._picked)
        if self._picked >= 0 and found.size:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(PICKED)
            painter.drawEllipse(self.position_of(int(found[0])), 6, 6)
        painter.end()

    def _draw(self) -> QPixmap:
        pixmap = QPixmap(self.size())
        pixmap.fill(self.palette().color(QPalette.ColorRole.Window))
        painter = QPainter(pixmap)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        area, (x_top, y_top) = self._area(), self._tops()
        if not self._x.size:
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "Choose a row of the table")
            painter.end()
            return pixmap
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.drawLine(area.bottomLeft(), area.topLeft())
        low, high = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        below = QRectF(area.left(), area.bottom() + 3, area.width(), 16)
        painter.drawText(below, low, "0")
        painter.drawText(below, high, number(x_top))
        painter.drawText(below.translated(0, 16), Qt.AlignmentFlag.AlignHCenter, self._labels[0])
        painter.drawText(QRectF(16, area.top() - 4, LEFT - 20, 16), high, number(y_top))
        painter.drawText(QRectF(16, area.bottom() - 12, LEFT - 20, 16), high, "0")
        painter.save()
        painter.translate(14, area.center().y())
        painter.rotate(-90)
        painter.drawText(QRectF(-100, -12, 200, 16), Qt.AlignmentFlag.AlignHCenter, self._labels[1])
        painter.restore()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(POINT)
        for index in range(len(self._x)):
            painter.drawEllipse(self.position_of(index), 3, 3)
        painter.end()
        return pixmap
