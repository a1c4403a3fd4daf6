"""A small picture of the slide with the cells of a file over it: a wrong scale is seen at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QWidget

from desktop_app.widgets.controls.theme_colours import tones

MOST_POINTS: Final = 20_000
_MOST_SLIDES: Final = 2.5
_SIDE_PX: Final = 300
_PALE: Final = 0.5
_FEW_POINTS: Final = 4000


@dataclass(frozen=True)
class Cloud:
    """What is painted.

    Attributes
    ----------
    slide_px
        Height and width of the slide in level-0 px.
    yx_l0
        Centres of some cells on the slide, (n, 2).
    colours
        uint8 (n, 3).
    box_l0
        What all cells of the file span: y0, x0, y1, x1; None where that is not known.
    """

    slide_px: tuple[int, int]
    yx_l0: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    colours: npt.NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, 3), np.uint8))
    box_l0: tuple[float, float, float, float] | None = None


class CellCloud(QWidget):
    """Paints thumbnail, points, and the box around all cells where some lie beside the slide."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._thumbnail: QImage | None = None
        self.cloud: Cloud | None = None
        self.setMinimumSize(_SIDE_PX, _SIDE_PX)
        self.setAccessibleName("Positions of the cells on the slide")

    def show_thumbnail(self, rgb: npt.NDArray[np.uint8]) -> None:
        """Take a picture of the whole slide, uint8 (h, w, 3)."""
        height, width = rgb.shape[:2]
        data = np.ascontiguousarray(rgb)
        self._thumbnail = QImage(data.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()
        self.update()

    def show_cloud(self, cloud: Cloud) -> None:
        """Show other cells."""
        self.cloud = cloud
        self.update()

    def sizeHint(self) -> QSize:
        """Return a square."""
        return QSize(_SIDE_PX, _SIDE_PX)

    def field_l0(self) -> tuple[float, float, float, float]:
        """What is in the picture: slide and cells, but no more than a few slides' widths."""
        assert self.cloud is not None
        height, width = self.cloud.slide_px
        y0, x0, y1, x1 = self.cloud.box_l0 or (0.0, 0.0, float(height), float(width))
        most_y, most_x = _MOST_SLIDES * height, _MOST_SLIDES * width
        return (
            max(min(0.0, y0), height - most_y),
            max(min(0.0, x0), width - most_x),
            min(max(float(height), y1), most_y),
            min(max(float(width), x1), most_x),
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint everything."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if self.cloud is None:
            painter.end()
            return
        y0, x0, y1, x1 = self.field_l0()
        scale = min((self.width() - 2) / (x1 - x0), (self.height() - 2) / (y1 - y0))
        left = (self.width() - scale * (x1 - x0)) / 2 - scale * x0
        top = (self.height() - scale * (y1 - y0)) / 2 - scale * y0
        height, width = self.cloud.slide_px
        slide = QRectF(left, top, scale * width, scale * height)
        if self._thumbnail is not None:
            # Paler than it is, so that the points are seen on dark tissue too.
            painter.fillRect(slide, Qt.GlobalColor.white)
            painter.setOpacity(_PALE)
            painter.drawImage(slide, self._thumbnail)
            painter.setOpacity(1.0)
        painter.drawPixmap(0, 0, self._points(scale, top, left))
        line = QColor(tones().muted)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(line, 1))
        painter.drawRect(slide)
        box = self.cloud.box_l0
        if box is not None and (box[0] < 0 or box[1] < 0 or box[2] > height or box[3] > width):
            painter.setPen(QPen(QColor(tones().failed), 2, Qt.PenStyle.DashLine))
            painter.drawRect(
                QRectF(
                    left + scale * box[1],
                    top + scale * box[0],
                    scale * (box[3] - box[1]),
                    scale * (box[2] - box[0]),
                )
            )
        painter.end()

    def _points(self, scale: float, top: float, left: float) -> QPixmap:
        assert self.cloud is not None
        picture = np.zeros((self.height(), self.width(), 4), np.uint8)
        y = (self.cloud.yx_l0[:, 0] * scale + top).astype(int)
        x = (self.cloud.yx_l0[:, 1] * scale + left).astype(int)
        side = range(3 if len(y) < _FEW_POINTS else 2)
        for dy, dx in ((dy, dx) for dy in side for dx in side):
            inside = (y + dy >= 0) & (y + dy < self.height()) & (x + dx >= 0) & (x + dx < self.width())
            picture[y[inside] + dy, x[inside] + dx, :3] = self.cloud.colours[inside]
            picture[y[inside] + dy, x[inside] + dx, 3] = 255
        image = QImage(
            picture.tobytes(), self.width(), self.height(), 4 * self.width(), QImage.Format.Format_RGBA8888
        )
        return QPixmap.fromImage(image)
