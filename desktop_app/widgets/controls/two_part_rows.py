"""Rows of a list whose lines have a left part, shortened in its middle, and a right one in full."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPalette
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from desktop_app.widgets.controls.theme_colours import tones

_PAD_X: Final = 8
_GAP: Final = 12

Index = QModelIndex | QPersistentModelIndex


class TwoPartRows(QStyledItemDelegate):
    """Paints items whose text has a tab between the parts of a line, and a line break between lines.

    Parameters
    ----------
    pad_px
        Room above and below the lines of a row.
    is_bold
        Whether the left part of the first line is bold.
    """

    def __init__(self, parent: QWidget, pad_px: int = 3, *, is_bold: bool = False) -> None:
        super().__init__(parent)
        self._pad, self._is_bold = pad_px, is_bold

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint a row."""
        self.initStyleOption(option, index)
        lines = _lines(index)
        option.text = ""  # type: ignore[attr-defined]
        widget: QWidget = option.widget  # type: ignore[attr-defined]
        widget.style().drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, widget)
        box: QRect = option.rect  # type: ignore[attr-defined]
        font: QFont = option.font  # type: ignore[attr-defined]
        ink = widget.palette().color(QPalette.ColorRole.WindowText)
        lit = QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver
        # On the ground of a chosen row the lesser ink would be too faint.
        muted = ink if option.state & lit else QColor(tones().muted)  # type: ignore[attr-defined]
        y = box.y() + self._pad
        painter.save()
        for number, (left, right) in enumerate(lines):
            strong = QFont(font)
            strong.setBold(self._is_bold and number == 0)
            metrics, plain = QFontMetrics(strong), QFontMetrics(font)
            width = box.width() - 2 * _PAD_X
            least = min(metrics.horizontalAdvance(left), int(0.4 * width))
            right_px = min(plain.horizontalAdvance(right) + 2, width - least - _GAP) if right else 0
            left_px = width - (right_px + _GAP if right else 0)
            line = QRect(box.x() + _PAD_X, y, width, metrics.height())
            painter.setFont(font)
            painter.setPen(muted)
            if right:
                painter.drawText(
                    line.adjusted(width - right_px, 0, 0, 0),
                    Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter,
                    plain.elidedText(right, Qt.TextElideMode.ElideRight, right_px),
                )
            painter.setFont(strong)
            painter.setPen(ink if number == 0 else muted)
            painter.drawText(
                line.adjusted(0, 0, left_px - width, 0),
                Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter,
                metrics.elidedText(left, Qt.TextElideMode.ElideMiddle, left_px),
            )
            y += metrics.height()
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Height of a row's lines; the list gives it its width."""
        font: QFont = option.font  # type: ignore[attr-defined]
        strong = QFont(font)
        strong.setBold(True)
        lines = len(_lines(index))
        return QSize(40, QFontMetrics(strong).height() * lines + 2 * self._pad)


def _lines(index: Index) -> list[tuple[str, str]]:
    text = str(index.data(Qt.ItemDataRole.DisplayRole) or "")
    parts = [line.partition("\t") for line in text.split("\n")]
    return [(left, right) for left, _, right in parts]
