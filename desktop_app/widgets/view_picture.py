"""A picture of the view: what is seen, with colour bar and caption below."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter

from desktop_app.layers import heatmap_colormap
from desktop_app.widgets.texts import number
from sae_backend.errors import CacheError

FOOT_PX: Final = 64
BAR_PX: Final = 220


@dataclass(frozen=True)
class ViewCaption:
    """Title, source, and the values at the ends of the colour bar (None: no heat map is seen)."""

    title: str
    source: str
    limits: tuple[float, float] | None


def save_view(rgba: npt.NDArray[np.uint8], path: Path, caption: ViewCaption) -> None:
    """Write a screenshot (h, w, 4), which holds the scale bar, with a foot below as PNG.

    Raises
    ------
    CacheError
        When the file cannot be written.
    """
    height, width = rgba.shape[:2]
    pixels = np.ascontiguousarray(rgba, np.uint8)
    shot = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888)
    picture = QImage(width, height + FOOT_PX, QImage.Format.Format_RGB32)
    picture.fill(Qt.GlobalColor.white)
    painter = QPainter(picture)
    painter.drawImage(0, 0, shot)
    painter.setPen(QColor("black"))
    bold, plain = QFont(painter.font()), QFont(painter.font())
    bold.setBold(True)
    room = width - 16 - (BAR_PX + 16 if caption.limits else 0)
    for font, top, text in ((bold, 8, caption.title), (plain, 32, caption.source)):
        painter.setFont(font)
        short = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room)
        painter.drawText(QRect(8, height + top, room, 22), Qt.AlignmentFlag.AlignVCenter, short)
    if caption.limits is not None:
        _draw_bar(painter, QRect(width - BAR_PX - 8, height + 12, BAR_PX, 16), caption.limits)
    painter.end()
    temporary = path.with_name(f".{path.stem}.tmp.png")
    if not picture.save(str(temporary)):
        raise CacheError(f"{path.name} cannot be written.", "Choose another folder, or free some space.")
    temporary.replace(path)


def _draw_bar(painter: QPainter, place: QRect, limits: tuple[float, float]) -> None:
    colours = np.ascontiguousarray((heatmap_colormap().colors[:, :3] * 255).round().astype(np.uint8))
    count = len(colours)
    painter.drawImage(place, QImage(colours.tobytes(), count, 1, 3 * count, QImage.Format.Format_RGB888))
    below = QRect(place.left(), place.bottom() + 2, place.width(), 18)
    painter.drawText(below, Qt.AlignmentFlag.AlignLeft, number(limits[0]))
    painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, "activation")
    painter.drawText(below, Qt.AlignmentFlag.AlignRight, number(limits[1]))
