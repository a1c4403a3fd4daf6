"""Keeps widgets in the corners of the canvas, above the slide."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QWidget

MARGIN_PX: Final = 10


class Corners(QObject):
    """Moves each widget into its corner whenever the canvas or the widget changes its size."""

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self._places: dict[QWidget, Qt.Corner] = {}
        canvas.installEventFilter(self)

    def put(self, widget: QWidget, corner: Qt.Corner) -> None:
        """Keep a widget in a corner."""
        widget.setParent(self._canvas)
        self._places[widget] = corner
        widget.installEventFilter(self)
        self._move(widget)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow changes of size."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Show, QEvent.Type.Hide):
            moved = list(self._places) if watched is self._canvas else [watched]
            if self._places.get(watched) == Qt.Corner.BottomLeftCorner:  # type: ignore[call-overload]
                moved += [one for one, place in self._places.items() if place == Qt.Corner.BottomRightCorner]
            for widget in moved:
                if isinstance(widget, QWidget) and widget in self._places:
                    self._move(widget)
        return False

    def _move(self, widget: QWidget) -> None:
        corner = self._places[widget]
        right = corner in (Qt.Corner.TopRightCorner, Qt.Corner.BottomRightCorner)
        bottom = corner in (Qt.Corner.BottomLeftCorner, Qt.Corner.BottomRightCorner)
        x = self._canvas.width() - widget.width() - MARGIN_PX if right else MARGIN_PX
        y = self._canvas.height() - widget.height() - MARGIN_PX if bottom else MARGIN_PX
        for other, place in self._places.items():
            # Where two meet at the foot of a narrow canvas, the one at the right stands above.
            if bottom and right and place == Qt.Corner.BottomLeftCorner and other.isVisibleTo(self._canvas):
                meets = other.x() + other.width() + MARGIN_PX > x and other.y() < y + widget.height()
                y = other.y() - widget.height() - MARGIN_PX if meets else y
        widget.move(max(x, 0), max(y, 0))
        widget.raise_()
