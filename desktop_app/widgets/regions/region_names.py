"""Names of regions above their outlines, readable on any tissue and in a turned view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QEvent, QObject, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    from desktop_app.canvas.rotation import TurnedView

Points = npt.NDArray[np.float64]
_MAX_DRAWN: Final = 100
_GAP_PX: Final = 5.0
_SIDE_PX: Final = 5.0
_TOP_SHARE: Final = 0.02


@dataclass(frozen=True)
class NamedOutline:
    """A name, the corners (n, 2) of (y, x) of its region on the slide in um, and the colour of its line."""

    uid: str
    name: str
    outline_um: Points
    colour: str


class RegionNames(QWidget):
    """Lies over a canvas, lets the mouse through, and writes each name above the top of its outline.

    Parameters
    ----------
    canvas
        The widget that shows the slide; covered from now on.
    turned
        How the slide is turned on it.
    """

    def __init__(self, canvas: QWidget, turned: TurnedView) -> None:
        super().__init__(canvas)
        self._turned = turned
        self._named: list[NamedOutline] = []
        self._shown = True
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setGeometry(canvas.rect())
        canvas.installEventFilter(self)
        # Legend and overview lie above the names.
        self.lower()
        self.hide()

    def show_names(self, named: Sequence[NamedOutline]) -> None:
        """Replace the names; where two would lie on each other, the one that comes first is written."""
        self._named = list(named)
        self._changed()

    def set_shown(self, shown: bool) -> None:
        """Write the names or not."""
        self._shown = shown
        self._changed()

    def follow(self) -> None:
        """Write the names anew where their regions are seen now."""
        if self._named and self._shown:
            self.update()

    def boxes(self) -> dict[str, QRectF]:
        """Where each name that is written lies, in px of the canvas, by the region's uid."""
        metrics, field = QFontMetricsF(self.font()), QRectF(self.rect())
        placed: dict[str, QRectF] = {}
        if not self._named:
            return placed
        seen = self._turned.to_screen(np.concatenate([one.outline_um for one in self._named]))
        ends = np.cumsum([len(one.outline_um) for one in self._named])
        for one, points in zip(self._named, np.split(seen, ends[:-1]), strict=True):
            (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
            if len(placed) == _MAX_DRAWN or not field.intersects(
                QRectF(left, top, max(right - left, 1), max(bottom - top, 1))
            ):
                continue
            near_top = points[points[:, 1] <= top + _TOP_SHARE * (bottom - top)]
            middle = float(near_top[:, 0].min() + near_top[:, 0].max()) / 2
            size = metrics.horizontalAdvance(one.name) + 2 * _SIDE_PX, metrics.height() + 2
            box = QRectF(middle - size[0] / 2, top - size[1] - _GAP_PX, *size)
            if not any(box.intersects(other) for other in placed.values()):
                placed[one.uid] = box
        return placed

    def paintEvent(self, event: QPaintEvent) -> None:
        """Write the names."""
        del event
        painter = QPainter(self)
        self.write(painter)
        painter.end()

    def write(self, painter: QPainter) -> None:
        """Write the names with a painter whose px are those of the canvas; nothing where they are not shown."""
        if not self._shown:
            return
        boxes = self.boxes()
        painter.setFont(self.font())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for one in self._named:
            box = boxes.get(one.uid)
            if box is not None:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(16, 20, 24, 200))
                painter.drawRoundedRect(box, 3, 3)
                painter.setPen(QColor(one.colour))
                painter.drawText(box, Qt.AlignmentFlag.AlignCenter, one.name)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Cover the canvas whatever its size."""
        if event.type() == QEvent.Type.Resize and isinstance(watched, QWidget):
            self.setGeometry(watched.rect())
        return False

    def _changed(self) -> None:
        self.setVisible(self._shown and bool(self._named))
        self.update()
