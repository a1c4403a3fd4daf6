"""A scale bar in the corner of the canvas: a round length in um or mm, readable on tissue and on glass.

napari's own builds its shaders anew whenever the magnification changes, which halves the rate of zooming.
"""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from desktop_app.export.heatmap_picture import scale_bar_um
from sae_backend.statistics.number_text import length_text

_WIDTH_PX: Final = 190
_VIEW_SHARE: Final = 4
_PAD: Final = 10
_PAPER, _INK = QColor(18, 20, 24, 225), QColor("#f2f2f2")


class ScaleBar(QWidget):
    """Shows how long a round number of um is on the screen; the mouse goes through it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.um_per_px = 1.0
        self.length_um = 1.0
        self.resize(self.sizeHint())
        self.hide()

    def sizeHint(self) -> QSize:
        """Return a size that holds the longest bar."""
        return QSize(_WIDTH_PX + 2 * _PAD, self.fontMetrics().height() + 18)

    def show_scale(self, um_per_px: float) -> None:
        """Follow the magnification, um in a px of the screen."""
        self.um_per_px = um_per_px
        # Round lengths of at most a quarter of a view: of a view four bars wide.
        self.length_um = scale_bar_um(_VIEW_SHARE * _WIDTH_PX * um_per_px)
        self.setAccessibleName(f"Scale bar of {length_text(self.length_um)}")
        self.update()

    @property
    def bar_px(self) -> float:
        """Length of the bar in px of the screen."""
        return self.length_um / self.um_per_px

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the bar with its length above, at the right edge."""
        del event
        bold = QFont(self.font())
        bold.setBold(True)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        words, length = length_text(self.length_um), self.bar_px
        room = max(length, float(self.fontMetrics().horizontalAdvance(words)) + 6) + 2 * _PAD
        panel = QRectF(self.width() - room, 0, room, self.height())
        painter.setBrush(_PAPER)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawRoundedRect(panel, 5, 5)
        painter.setPen(_INK)
        painter.setFont(bold)
        painter.drawText(panel.adjusted(0, 3, 0, -10), Qt.AlignmentFlag.AlignHCenter, words)
        painter.setPen(QPen(_INK, 3, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
        y, right = self.height() - 8.0, panel.center().x() + length / 2
        painter.drawLine(QPointF(right - length, y), QPointF(right, y))
        painter.end()
