"""All features on a plane, near where their directions are alike; a click chooses one, a lasso many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPolygonF,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from desktop_app.canvas.colour_scale import PLAIN, strip
from desktop_app.widgets.controls.empty_state import EmptyState
from sae_backend.statistics.number_text import number_text

REACH_PX: Final = 8.0
_MARGIN_PX: Final = 14
_UNKNOWN: Final = (110, 110, 110)
_CHOSEN: Final = QColor("#ff00c8")
_MIN_LASSO_PX: Final = 12.0
_MOST_ZOOM: Final = 60.0


class FeaturePlane(QWidget):
    """Points (F, 2), each coloured by a share 0 to 1 (NaN: grey).

    `feature_requested` carries the point that was clicked, `lassoed` the features inside a drawn line.
    Dragging draws the line, the wheel zooms, the right button moves.
    """

    feature_requested = Signal(int)
    lassoed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._xy: npt.NDArray[np.float32] = np.zeros((0, 2), np.float32)
        self._rgb: npt.NDArray[np.uint8] = np.zeros((0, 3), np.uint8)
        self._labels: Sequence[str] = ()
        self._chosen: int | None = None
        self._zoom, self._centre = 1.0, np.array([0.5, 0.5])
        self._line: list[QPointF] = []
        self._pressed: QPointF | None = None
        self._image: QImage | None = None
        self.setMinimumSize(160, 140)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_points(self, xy: npt.NDArray[np.float32]) -> None:
        """Show points (F, 2); those that are NaN have no place and are left out."""
        low, high = (np.nanmin(xy, axis=0), np.nanmax(xy, axis=0)) if len(xy) else (np.zeros(2), np.ones(2))
        # Each axis fills its side: only nearness means something, not the shape of the whole.
        span = np.maximum(high - low, 1e-9) if np.isfinite(low).all() else np.ones(2)
        self._xy = ((xy - (low + high) / 2) / span + 0.5).astype(np.float32)
        self._rgb = np.full((len(xy), 3), _UNKNOWN, np.uint8)
        self.reset()

    def colour_by(self, shares: npt.NDArray[np.float64], labels: Sequence[str]) -> None:
        """Colour points by shares (F,) from 0 to 1, NaN where there is no value; `labels` are told on hover."""
        colours = strip(PLAIN)
        known = np.isfinite(shares)
        place = np.clip(np.nan_to_num(shares), 0, 1) * (len(colours) - 1)
        self._rgb = np.where(known[:, None], colours[place.astype(int)], np.array(_UNKNOWN, np.uint8)).astype(
            np.uint8
        )
        self._labels = labels
        self._redraw()

    def choose(self, feature: int | None) -> None:
        """Ring a feature."""
        self._chosen = feature
        self.update()

    def reset(self) -> None:
        """Show all points."""
        self._zoom, self._centre = 1.0, np.array([0.5, 0.5])
        self._redraw()

    def _redraw(self) -> None:
        self._image = None
        self.update()

    def places_px(self) -> npt.NDArray[np.float64]:
        """Return where the points are drawn, (F, 2) as (x, y) in px of the widget."""
        offset = np.array([self.width(), self.height()]) / 2
        return (self._xy - self._centre) * self._sides() * self._zoom + offset

    def _sides(self) -> npt.NDArray[np.float64]:
        return np.array([self.width(), self.height()], np.float64) - 2 * _MARGIN_PX

    def nearest(self, at: QPointF) -> int | None:
        """Return the feature nearest to a place, None where none is within 8 px."""
        if not len(self._xy):
            return None
        distance = np.hypot(*(self.places_px() - (at.x(), at.y())).T)
        distance[np.isnan(distance)] = np.inf
        best = int(np.argmin(distance))
        return best if distance[best] <= REACH_PX else None

    def inside(self, line: Sequence[QPointF]) -> list[int]:
        """Return the features inside a closed line."""
        polygon = QPolygonF(list(line))
        places = self.places_px()
        box = polygon.boundingRect()
        near = np.flatnonzero(
            (places[:, 0] >= box.left()) & (places[:, 0] <= box.right())
            & (places[:, 1] >= box.top()) & (places[:, 1] <= box.bottom())
        )  # fmt: skip
        rule = Qt.FillRule.OddEvenFill
        return [int(f) for f in near if polygon.containsPoint(QPointF(*places[f]), rule)]

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a click, a line or a move."""
        self._pressed = event.position()
        self._line = [event.position()] if event.button() == Qt.MouseButton.LeftButton else []

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Draw the line, move the plane, or say which feature is under the pointer."""
        at = event.position()
        if event.buttons() & Qt.MouseButton.LeftButton and self._line:
            self._line.append(at)
            self.update()
        elif event.buttons() & Qt.MouseButton.RightButton and self._pressed is not None:
            moved = at - self._pressed
            self._centre -= np.array([moved.x(), moved.y()]) / (self._sides() * self._zoom)
            self._pressed = at
            self._redraw()
        else:
            feature = self.nearest(at)
            if feature is not None and feature < len(self._labels):
                QToolTip.showText(event.globalPosition().toPoint(), self._labels[feature], self)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the click or the line."""
        line, self._line = self._line, []
        if not line:
            return
        box = QPolygonF(line).boundingRect()
        if max(box.width(), box.height()) < _MIN_LASSO_PX:
            feature = self.nearest(event.position())
            if feature is not None:
                self.feature_requested.emit(feature)
        else:
            self.lassoed.emit(self.inside(line))
        self.update()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom about the pointer."""
        factor = 1.25 ** (event.angleDelta().y() / 120)
        new = min(max(self._zoom * factor, 1.0), _MOST_ZOOM)
        at = (
            np.array([event.position().x(), event.position().y()])
            - np.array([self.width(), self.height()]) / 2
        )
        self._centre += at / self._sides() * (1 / self._zoom - 1 / new)
        self._zoom = new
        self._redraw()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw anew at the new size."""
        self._image = None
        super().resizeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the points, the chosen one and the line that is being drawn."""
        del event
        if self._image is None:
            self._image = self._draw()
        painter = QPainter(self)
        painter.drawImage(0, 0, self._image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._chosen is not None and self._chosen < len(self._xy):
            x, y = self.places_px()[self._chosen]
            if np.isfinite(x):
                painter.setPen(QPen(_CHOSEN, 2))
                painter.drawEllipse(QPointF(x, y), 7, 7)
        if len(self._line) > 1:
            painter.setPen(QPen(_CHOSEN, 1.5, Qt.PenStyle.DashLine))
            painter.drawPolygon(QPolygonF(self._line))
        painter.end()

    def _draw(self) -> QImage:
        image = QImage(self.size(), QImage.Format.Format_RGB32)
        image.fill(self.palette().color(QPalette.ColorRole.Window))
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        size = 2.0 if len(self._xy) > 4000 else 3.0
        places = self.places_px()
        seen = np.flatnonzero(
            (places[:, 0] > -size) & (places[:, 0] < self.width() + size)
            & (places[:, 1] > -size) & (places[:, 1] < self.height() + size)
        )  # fmt: skip
        # Points of one colour together: setting a brush for each of 30,000 takes most of the time.
        order = seen[np.lexsort(self._rgb[seen].T)]
        last: tuple[int, ...] | None = None
        for feature in order:
            colour = tuple(int(part) for part in self._rgb[feature])
            if colour != last:
                painter.setBrush(QColor(*colour))
                last = colour
            painter.drawEllipse(QPointF(*places[feature]), size, size)
        painter.end()
        return image


class FeatureMapPanel(QWidget):
    """The plane with the score it is coloured by, and the way to have it made."""

    make_requested = Signal()
    score_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plane = FeaturePlane()
        self.score = QComboBox()
        self.score.setAccessibleName("Colour the points by")
        self.score.currentTextChanged.connect(self._score_chosen)
        self.ends = QLabel("")
        self.method = QLabel("")
        self.method.setWordWrap(True)
        self.make = QPushButton("Compute the feature map")
        self.make.clicked.connect(self.make_requested)
        again = QPushButton("Show all")
        again.clicked.connect(self.plane.reset)
        row = QHBoxLayout()
        row.addWidget(QLabel("Coloured by"))
        row.addWidget(self.score)
        row.addWidget(self.ends, 1)
        row.addWidget(again)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self.plane, 1)
        column.addWidget(self.method)
        self.pages = EmptyState(content, "The map of features needs an analysed slide.")
        whole = QVBoxLayout(self)
        whole.setContentsMargins(6, 6, 6, 6)
        whole.addWidget(self.pages, 1)
        whole.addWidget(self.make, alignment=Qt.AlignmentFlag.AlignCenter)
        self.make.hide()

    def show_map(self, xy: npt.NDArray[np.float32], method: str, scores: Sequence[str]) -> None:
        """Show points (F, 2) and how they were laid; the scores can be chosen."""
        self.plane.show_points(xy)
        self.method.setText(
            f"{len(xy):,} features. {method.rstrip('.')}. Click: choose. Drag around features to list them. "
            "Wheel: zoom. Right button: move."
        )
        chosen = self.score.currentText()
        self._fill_scores(scores, chosen)
        self.make.hide()
        self.pages.show_content()
        self.score_chosen.emit(self.score.currentText())

    def _fill_scores(self, scores: Sequence[str], chosen: str) -> None:
        blocked = self.score.blockSignals(True)
        self.score.clear()
        self.score.addItems(list(scores))
        self.score.setCurrentText(chosen if chosen in scores else scores[0])
        self.score.blockSignals(blocked)

    def show_scores(
        self, values: npt.NDArray[np.float64], labels: Sequence[str], limits: tuple[float, float]
    ) -> None:
        """Colour the points by values (F,) between limits."""
        low, high = limits
        self.plane.colour_by((values - low) / (high - low or 1.0), labels)
        self.ends.setText(f"dark {number_text(low)} to bright {number_text(high)}; grey: no value")

    def say(self, sentence: str, *, can_make: bool = False) -> None:
        """Show a sentence in place of the map, with the button that makes it."""
        self.pages.say(sentence)
        self.make.setVisible(can_make)

    def _score_chosen(self, text: str) -> None:
        if text:
            self.score_chosen.emit(text)
