"""The whole slide in a corner of the canvas, with the current field; a click moves the field."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

LONGEST_PX: Final = 180
_MIN_FIELD_PX: Final = 6.0


class Overview(QWidget):
    """Paints a thumbnail and the field; `place_requested` carries the (y, x) in um of a click or drag."""

    place_requested = Signal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image: QImage | None = None
        self._size_um = (1.0, 1.0)
        self._field: npt.NDArray[np.float64] | None = None
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip("The whole slide; click to move there")
        self.setAccessibleName("Overview of the slide")
        self.hide()

    def show_slide(self, rgb: npt.NDArray[np.uint8], size_um: tuple[float, float]) -> None:
        """Show a thumbnail uint8 (h, w, 3) of a slide `size_um` = (height, width) large."""
        pixels = np.ascontiguousarray(rgb)
        height, width = pixels.shape[:2]
        whole = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
        self._image = whole.scaled(
            LONGEST_PX,
            LONGEST_PX,
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
        self._size_um = size_um
        self.setFixedSize(self._image.size())
        self.update()

    def forget(self) -> None:
        """Show nothing."""
        self._image = None
        self.hide()

    @property
    def has_slide(self) -> bool:
        """Whether there is a picture to show."""
        return self._image is not None

    @property
    def sees_all(self) -> bool:
        """Whether the field holds the whole slide."""
        if self._field is None:
            return False
        # Seen from inside, a corner lies on the same side of all four edges.
        height, width = self._size_um
        sides = []
        for (y0, x0), (y1, x1) in zip(self._field, np.roll(self._field, -1, axis=0), strict=True):
            for y, x in ((0.0, 0.0), (0.0, width), (height, 0.0), (height, width)):
                sides.append((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0))
        return min(sides) >= 0 or max(sides) <= 0

    def show_field(self, corners: npt.NDArray[np.float64]) -> None:
        """Show what is in view: its corners (4, 2) of (y, x) in um, one after the other around it."""
        self._field = np.asarray(corners, np.float64)
        self.update()

    def field_polygon(self) -> QPolygonF:
        """Return the field in px of this widget, cut at its edges and never too small to see."""
        if self._field is None:
            return QPolygonF()
        corners = self._field * (np.array([self.height(), self.width()]) / self._size_um)
        middle = corners.mean(axis=0)
        shortest = min(float(np.linalg.norm(corners[i + 1] - corners[i])) for i in range(2))
        if shortest < _MIN_FIELD_PX:
            corners = middle + (corners - middle) * (_MIN_FIELD_PX / max(shortest, 1e-9))
        whole = QPolygonF([QPointF(x, y) for y, x in corners])
        return whole.intersected(QPolygonF(QRectF(self.rect()).adjusted(1, 1, -1, -1)))

    def field_px(self) -> QRectF:
        """Return the box around the field in px of this widget."""
        return self.field_polygon().boundingRect()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move the field to the click."""
        self._ask(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the field with the drag."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._ask(event.position())

    def _ask(self, at: QPointF) -> None:
        y = min(max(at.y() / self.height(), 0.0), 1.0) * self._size_um[0]
        x = min(max(at.x() / self.width(), 0.0), 1.0) * self._size_um[1]
        self.place_requested.emit(y, x)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the slide and the field."""
        del event
        if self._image is None:
            return
        painter = QPainter(self)
        painter.drawImage(0, 0, self._image)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(60, 60, 60), 1))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        # Black around a bright line: seen on glass and on dark tissue.
        for colour, width in ((QColor(0, 0, 0), 4), (QColor("#ffd400"), 2)):
            painter.setPen(QPen(colour, width))
            painter.drawPolygon(self.field_polygon())
        painter.end()
