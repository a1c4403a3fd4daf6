"""Activation against what is in the tile, one point per tile, or hexagons where there are many; a click leads to the tile."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QMouseEvent, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QToolTip, QWidget

from desktop_app.project.correlation.pair import PairPoints
from desktop_app.widgets.charts.chart_axes import BAND, LEFT, PICKED, POINT, SERIES, Axis, Chart
from desktop_app.widgets.charts.hexagons import Hexagons, hexagons
from sae_backend.statistics.number_text import count_text

MOST_POINTS: Final = 3000
"""More than these lie over each other and are drawn as hexagons."""

REACH_PX: Final = 10.0
_RADIUS: Final = 3.0
_HEX_PX: Final = 7.0
_SHADES: Final = 16


class Scatter(Chart):
    """Points by (x = what is in the tile, y = activation); emits slide and tile that a click is nearest to."""

    tile_requested = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Choose a pair in the table, the matrix or the sentences.", parent)
        self.points = PairPoints.none()
        self._hexagons: Hexagons | None = None
        self._band = float("nan")
        self._picked = (-1, -1)

    @property
    def is_hexagons(self) -> bool:
        """Whether the points are too many to be drawn one by one."""
        return self.points.x.size > MOST_POINTS

    def show_points(self, points: PairPoints, labels: tuple[str, str], band: float = float("nan")) -> None:
        """Show points with the labels of both axes; `band` is the |r| that chance alone reaches."""
        self.points, self._band = points, band
        if not points.x.size:
            self.say("No tile of this slide is included.")
            return
        self.x_axis = _axis(points.x, labels[0])
        self.y_axis = _axis(points.y, labels[1])
        how = "hexagons coloured by number of tiles" if self.is_hexagons else "one point per tile"
        self.setAccessibleName(f"{labels[1]} against {labels[0]}, {points.x.size:,} tiles, {how}")
        self.redraw()

    def clear(self) -> None:
        """Show no points."""
        self.points = PairPoints.none()
        self.say("Choose a pair in the table, the matrix or the sentences.")

    def mark_tile(self, slide_id: int, tile: int) -> None:
        """Ring the point of a tile, -1 for none."""
        self._picked = (slide_id, tile)
        self.update()

    def position_of(self, index: int) -> QPointF:
        """Return where point `index` is drawn, in px of the widget."""
        return QPointF(self.x_of(float(self.points.x[index])), self.y_of(float(self.points.y[index])))

    def _top_px(self) -> float:
        return float(self.fontMetrics().height() + 8)

    def _nearest(self, at: QPointF) -> int:
        """Number of the point within reach that is nearest, -1 for none."""
        if self.x_axis is None or not self.points.x.size:
            return -1
        x, y = self.places(self.points.x, self.points.y)
        distance = np.hypot(x - at.x(), y - at.y())
        nearest = int(np.argmin(distance))
        return nearest if distance[nearest] <= REACH_PX else -1

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Ask for the tile of the nearest point within 10 px."""
        nearest = self._nearest(event.position())
        if nearest >= 0:
            place = int(self.points.slide[nearest])
            self.tile_requested.emit(self.points.slides[place][0], int(self.points.tile[nearest]))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Say which slide and tile the nearest point is."""
        nearest = self._nearest(event.position())
        if nearest < 0:
            QToolTip.hideText()
            return
        points = self.points
        name = points.slides[int(points.slide[nearest])][1]
        words = f"{name}, tile {int(points.tile[nearest])}: click to go there"
        QToolTip.showText(event.globalPosition().toPoint(), words, self)

    def paint_over(self, painter: QPainter) -> None:
        """Ring the picked tile."""
        slide_id, tile = self._picked
        if tile < 0:
            return
        places = [place for place, (known, _) in enumerate(self.points.slides) if known == slide_id]
        found = np.flatnonzero((self.points.tile == tile) & np.isin(self.points.slide, places))
        if found.size:
            painter.setPen(QPen(PICKED, 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(self.position_of(int(found[0])), 6, 6)

    def paint_values(self, painter: QPainter) -> None:
        """Paint what chance reaches, points or hexagons, and how many they are."""
        painter.save()
        painter.setClipRect(self.area().adjusted(-_RADIUS, -_RADIUS, _RADIUS, _RADIUS))
        self._paint_band(painter)
        if self.is_hexagons:
            self._paint_hexagons(painter)
        else:
            self._paint_points(painter)
        painter.restore()
        self._paint_heading(painter)

    def _paint_band(self, painter: QPainter) -> None:
        """Lines through the mean whose r is no larger than what chance alone reaches, as a wedge."""
        x, y = self.points.x, self.points.y
        spread = float(x.std())
        if not np.isfinite(self._band) or spread <= 0 or self.x_axis is None:
            return
        slope = self._band * float(y.std()) / spread
        middle = QPointF(self.x_of(float(x.mean())), self.y_of(float(y.mean())))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(BAND)
        for end in (self.x_axis.low, self.x_axis.high):
            away = end - float(x.mean())
            ends = [
                QPointF(self.x_of(end), self.y_of(float(y.mean()) + sign * slope * away)) for sign in (1, -1)
            ]
            painter.drawPolygon(QPolygonF([middle, *ends]))

    def _paint_points(self, painter: QPainter) -> None:
        x, y = self.places(self.points.x, self.points.y)
        painter.setPen(Qt.PenStyle.NoPen)
        several = len(np.unique(self.points.slide)) > 1
        for place in np.unique(self.points.slide).tolist():
            painter.setBrush(slide_colour(int(place)) if several else POINT)
            mine = self.points.slide == place
            for px, py in zip(x[mine].tolist(), y[mine].tolist(), strict=True):
                painter.drawEllipse(QPointF(px, py), _RADIUS, _RADIUS)

    def _paint_hexagons(self, painter: QPainter) -> None:
        found = self._hexagons = hexagons(*self.places(self.points.x, self.points.y), _HEX_PX)
        colours = _shades(dark=self.ink.lightness() > 128)
        painter.setPen(Qt.PenStyle.NoPen)
        shade = (np.log(found.counts) / max(np.log(found.counts.max()), 1e-9) * (_SHADES - 1)).astype(int)
        for centre_x, centre_y, at in zip(found.x.tolist(), found.y.tolist(), shade.tolist(), strict=True):
            painter.setBrush(colours[at])
            painter.drawPolygon(found.outline.translated(centre_x, centre_y))

    def _paint_heading(self, painter: QPainter) -> None:
        painter.setPen(self.ink)
        line = self.fontMetrics().height()
        n_slides = len(np.unique(self.points.slide))
        words = f"{self.points.x.size:,} tiles of {count_text(n_slides, 'slide')}"
        if self.is_hexagons and self._hexagons is not None:
            words += f", 1 to {int(self._hexagons.counts.max()):,} per hexagon"
        elif n_slides > 1:
            words += " by colour"
        if np.isfinite(self._band):
            words += "; grey: chance"
        left = self.area().left()
        room = self.width() - left - 6
        painter.drawText(QRectF(left, 2, room, line), LEFT, self.elided(words, room))


def slide_colour(place: int) -> QColor:
    """Colour of the points of a slide; they repeat."""
    colour = QColor(SERIES[place % len(SERIES)])
    colour.setAlpha(170)
    return colour


def _axis(values: npt.NDArray[np.float64], label: str) -> Axis:
    low, high = min(float(values.min()), 0.0), float(values.max())
    return Axis(low, high if high > low else low + 1.0, label)


def _shades(*, dark: bool) -> list[QBrush]:
    """Brushes from few to many, always away from the background."""
    few, many = ((33, 64, 92), (255, 226, 122)) if dark else ((207, 227, 243), (11, 37, 69))
    steps = np.linspace(few, many, _SHADES).astype(int).tolist()
    return [QBrush(QColor(*step)) for step in steps]
