"""The pointer over a widget, without the display's one pointer, which tests in other processes move too."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

NONE = Qt.MouseButton.NoButton


def move_over(widget: QWidget, spot: QPoint, held: Qt.MouseButton = NONE) -> None:
    """Send a move to a widget, with a button held or none; vispy takes one every 10 ms."""
    QTest.qWait(12)
    place = QPointF(spot)
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        place,
        QPointF(widget.mapToGlobal(spot)),
        NONE,
        held,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(widget, event)
