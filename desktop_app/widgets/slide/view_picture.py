"""A picture of the view: what is seen, with colour bar and caption below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRect, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter, QTextLayout, QTextOption

from desktop_app.canvas.colour_scale import PLAIN, HeatLook, strip
from sae_backend.atomic_write import atomic_path
from sae_backend.errors import CacheError
from sae_backend.statistics.number_text import number_text

FOOT_PX: Final = 64
BAR_PX: Final = 220
MIN_TEXT_PX: Final = 120
_SWATCH_PX: Final = 11


@dataclass(frozen=True)
class ViewCaption:
    """Title, source, and the values at the ends of the colour bar (None: no heat map is seen).

    `colours` are (words, colour) of what is seen in a colour of its own.
    """

    title: str
    source: str
    limits: tuple[float, float] | None
    look: HeatLook = PLAIN
    signed: bool = False
    unit: str = "activation (SAE units)"
    colours: tuple[tuple[str, str], ...] = ()


def save_view(
    rgba: npt.NDArray[np.uint8],
    path: Path,
    caption: ViewCaption,
    paint_over: Callable[[QPainter], None] | None = None,
) -> None:
    """Write a screenshot (h, w, 4), which holds the scale bar, with a foot below as PNG.

    `paint_over` adds to the screenshot what lies over the canvas, in its px.

    Raises
    ------
    CacheError
        When the file cannot be written.
    """
    height, width = rgba.shape[:2]
    pixels = np.ascontiguousarray(rgba, np.uint8)
    shot = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888)
    plain = QFont()
    bold = QFont(plain)
    bold.setBold(True)
    room = max(width - 16 - (BAR_PX + 16 if caption.limits else 0), MIN_TEXT_PX)
    lines, below = [], 8
    # The source names a control, so nothing of it may be cut off.
    for font, text in ((bold, caption.title), (plain, caption.source)):
        laid = _lay_out(text, font, room)
        lines.append((laid, QPointF(8, height + below)))
        below += round(laid.boundingRect().height()) + 6 if text else 0
    swatches = _place_swatches(caption.colours, QFontMetrics(plain), QRect(8, height + below, room, 0))
    below += swatches[-1][0].bottom() - height - below + 6 if swatches else 0
    picture = QImage(width, height + max(FOOT_PX, below + 2), QImage.Format.Format_RGB32)
    picture.fill(Qt.GlobalColor.white)
    painter = QPainter(picture)
    painter.drawImage(0, 0, shot)
    if paint_over is not None:
        paint_over(painter)
    painter.setPen(QColor("black"))
    for laid, place in lines:
        laid.draw(painter, place)
    painter.setFont(plain)
    for box, words, colour in swatches:
        painter.fillRect(QRect(box.left(), box.top() + 4, _SWATCH_PX, _SWATCH_PX), QColor(colour))
        painter.drawRect(QRect(box.left(), box.top() + 4, _SWATCH_PX, _SWATCH_PX))
        painter.drawText(box.adjusted(_SWATCH_PX + 6, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, words)
    if caption.limits is not None:
        _draw_bar(painter, QRect(width - BAR_PX - 8, height + 12, BAR_PX, 16), caption)
    painter.end()
    with atomic_path(path) as temporary:
        if not picture.save(str(temporary)):
            raise CacheError(f"{path.name} cannot be written.", "Choose another folder, or free some space.")


def _lay_out(text: str, font: QFont, width_px: int) -> QTextLayout:
    """Break a text into lines between words, or within one that is too long for a line."""
    layout = QTextLayout(text, font)
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    layout.setTextOption(option)
    layout.beginLayout()
    top = 0.0
    while (line := layout.createLine()).isValid():
        line.setLineWidth(width_px)
        line.setPosition(QPointF(0, top))
        top += line.height()
    layout.endLayout()
    return layout


def _place_swatches(
    colours: tuple[tuple[str, str], ...], metrics: QFontMetrics, room: QRect
) -> list[tuple[QRect, str, str]]:
    """Place words with their colours side by side, in as many lines as they need."""
    placed: list[tuple[QRect, str, str]] = []
    left, top, line = room.left(), room.top(), metrics.height() + 4
    for words, colour in colours:
        wide = _SWATCH_PX + 6 + metrics.horizontalAdvance(words) + 14
        if left > room.left() and left + wide > room.right():
            left, top = room.left(), top + line
        placed.append((QRect(left, top, min(wide, room.width()), line), words, colour))
        left += wide
    return placed


def _draw_bar(painter: QPainter, place: QRect, caption: ViewCaption) -> None:
    limits = caption.limits
    assert limits is not None
    colours = strip(caption.look, signed=caption.signed)
    count = len(colours)
    painter.drawImage(place, QImage(colours.tobytes(), count, 1, 3 * count, QImage.Format.Format_RGB888))
    below = QRect(place.left(), place.bottom() + 2, place.width(), 18)
    painter.drawText(below, Qt.AlignmentFlag.AlignLeft, number_text(limits[0]))
    painter.drawText(below, Qt.AlignmentFlag.AlignRight, number_text(limits[1]))
    unit = f"{caption.unit}, log" if caption.look.log and not caption.signed else caption.unit
    painter.drawText(below.translated(0, 16), Qt.AlignmentFlag.AlignHCenter, unit)
