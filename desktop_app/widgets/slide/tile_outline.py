"""A thin outline of the tile under the pointer, painted over the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QEvent, QObject, QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from desktop_app.canvas.rotation import TurnedView

_MARGIN_PX: Final = 3
LEAST_PX: Final = 8.0
"""A tile smaller than that on the screen is not outlined: the outline would hide it."""

MOST_PX: Final = 6000.0


class TileOutline(QWidget):
    """Lies on the canvas, lets the mouse through, and follows the camera; it goes when the pointer leaves."""

    def __init__(self, canvas: QWidget, viewer: ViewerModel, turned: TurnedView) -> None:
        super().__init__(canvas)
        self._turned = turned
        self._corners: npt.NDArray[np.float64] | None = None
        self._seen = np.empty((0, 2))
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()
        canvas.installEventFilter(self)
        for emitter in (viewer.scene.camera.events.center, viewer.scene.camera.events.zoom):
            emitter.connect(lambda _event: self._place())

    def show_tile(self, corners_um: npt.NDArray[np.float64] | None) -> None:
        """Outline a tile by its corners (4, 2) of (y, x) on the slide in um; None for none."""
        same = (
            corners_um is not None and self._corners is not None and np.array_equal(corners_um, self._corners)
        )
        # Painting over the canvas draws it anew, so only another tile is painted.
        if same or (corners_um is None and self._corners is None):
            return
        self._corners = corners_um
        self._place()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Go when the pointer leaves the canvas."""
        del watched
        if event.type() == QEvent.Type.Leave:
            self.show_tile(None)
        return False

    def _place(self) -> None:
        if self._corners is None:
            self.hide()
            return
        seen = self._turned.to_screen(self._corners)
        (left, top), (right, bottom) = seen.min(axis=0), seen.max(axis=0)
        if not LEAST_PX <= max(right - left, bottom - top) <= MOST_PX:
            self.hide()
            return
        x, y = int(left) - _MARGIN_PX, int(top) - _MARGIN_PX
        self._seen = seen - (x, y)
        self.setGeometry(x, y, int(right - left) + 2 * _MARGIN_PX + 1, int(bottom - top) + 2 * _MARGIN_PX + 1)
        self.show()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a line that is seen on dark and on bright tissue."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        outline = QPolygonF([QPointF(float(x), float(y)) for x, y in self._seen])
        for colour, width in ((QColor(0, 0, 0, 150), 3.0), (QColor(255, 255, 255, 230), 1.2)):
            painter.setPen(QPen(colour, width))
            painter.drawPolygon(outline)
        painter.end()
