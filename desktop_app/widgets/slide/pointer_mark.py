"""A ring in one view at the place that the pointer is over in the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from desktop_app.canvas.rotation import TurnedView

_SIDE_PX: Final = 25


class PointerMark(QWidget):
    """Lies on the canvas of one view; follows positions (y, x) on the slide in um, and the camera."""

    def __init__(self, canvas: QWidget, viewer: ViewerModel, turned: TurnedView) -> None:
        super().__init__(canvas)
        self._turned = turned
        self._at: tuple[float, float] | None = None
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFixedSize(_SIDE_PX, _SIDE_PX)
        self.hide()
        for emitter in (viewer.scene.camera.events.center, viewer.scene.camera.events.zoom):
            emitter.connect(lambda _event: self._place())

    def follow(self, other_canvas: QWidget) -> None:
        """Go when the pointer leaves that canvas."""
        other_canvas.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Go when the pointer leaves the other view."""
        del watched
        if event.type() == QEvent.Type.Leave:
            self.leave()
        return False

    def show_at(self, y_um: float, x_um: float) -> None:
        """Show the ring around a place."""
        self._at = (y_um, x_um)
        self._place()
        self.show()

    def leave(self) -> None:
        """Show no ring."""
        self._at = None
        self.hide()

    def _place(self) -> None:
        if self._at is None:
            return
        left, top = self._turned.to_screen(np.array([self._at]))[0] - _SIDE_PX / 2
        # Where the other view is larger, the place may be far outside.
        self.move(*(round(min(max(value, -10 * _SIDE_PX), 30000)) for value in (left, top)))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a ring that is seen on dark and on bright tissue."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = QPointF(_SIDE_PX / 2, _SIDE_PX / 2)
        for colour, width in ((QColor(0, 0, 0, 200), 4.0), (QColor("#ffd400"), 2.0)):
            painter.setPen(QPen(colour, width))
            painter.drawEllipse(middle, _SIDE_PX / 2 - 3, _SIDE_PX / 2 - 3)
        painter.end()
