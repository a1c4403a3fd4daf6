"""The slide's canvas with room for a second one: side by side, or one below the other where it is narrow."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from desktop_app.canvas.camera_link import CameraLink, settle_camera
from desktop_app.canvas.rotation import Turn
from desktop_app.widgets.slide.pointer_mark import PointerMark
from desktop_app.widgets.slide.second_view import SecondView
from desktop_app.widgets.slide.view_header import ViewHeader

if TYPE_CHECKING:
    import napari
    from napari.components import ViewerModel

    from desktop_app.widgets.slide.canvas_mouse import CanvasMouse

NARROW_PX: Final = 700
"""Two views of half this width would show less beside each other than one below the other."""


class TwoViews(QSplitter):
    """Holds napari's canvas, and a :class:`SecondView` that is made when it is first asked for.

    `canvas_made` carries the second canvas when it is made, `close_requested` follows its cross.
    """

    canvas_made = Signal(object)
    close_requested = Signal()

    def __init__(self, viewer: napari.Viewer, canvas: QWidget, mouse: CanvasMouse) -> None:
        super().__init__()
        self._viewer, self._mouse = viewer, mouse
        self.setChildrenCollapsible(False)
        self.header = ViewHeader()
        self.header.hide()
        first = QWidget()
        column = QVBoxLayout(first)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.header)
        column.addWidget(canvas, 1)
        self.addWidget(first)
        self._first = first
        self._turn = Turn()
        self._marks: list[PointerMark] = []
        self.second: SecondView | None = None
        self.link: CameraLink | None = None

    @property
    def is_open(self) -> bool:
        """Whether two views are shown."""
        return self.second is not None and not self.second.isHidden()

    def open_second(self) -> SecondView:
        """Show the second view, half and half, where the first one is; return it."""
        second = self.second or self._make()
        if not self.is_open:
            self._turn_to_room()
            second.show()
            self.header.show()
            half = max(self.width(), self.height()) // 2
            self.setSizes([half, half])
        assert self.link is not None
        self.link.set_on(True)
        return second

    def close_second(self) -> None:
        """Give the first view all the room again; what was drawn in the second is taken away."""
        if self.second is None or self.link is None:
            return
        self.link.set_on(False)
        for mark in self._marks:
            mark.leave()
        self.second.viewer.layers.clear()
        self.second.hide()
        self.header.hide()

    def set_turn(self, turn: Turn) -> None:
        """Turn the second view; its camera follows the first one's."""
        self._turn = turn
        if self.second is not None:
            self.second.turned.set_turn(turn)

    def _make(self) -> SecondView:
        second = SecondView()
        second.turned.set_turn(self._turn)
        second.close_requested.connect(self.close_requested)
        self.addWidget(second)
        second.hide()
        self.second = second
        self.link = CameraLink(self._viewer, second.viewer)
        main = self._viewer.window._qt_viewer.canvas
        for viewer, canvas in ((self._viewer, main), (second.viewer, second.qt_viewer.canvas)):
            canvas.events.draw.connect(partial(self._drawn, viewer, canvas), position="last")
        self._mark_pointers(main.native, second)
        self.canvas_made.emit(second.qt_viewer)
        return second

    def _mark_pointers(self, main: QWidget, second: SecondView) -> None:
        there = second.qt_viewer.canvas.native
        sides = ((main, self._mouse, there, second.mouse), (there, second.mouse, main, self._mouse))
        for canvas, own, other_canvas, other in sides:
            mark = PointerMark(canvas, own.viewer, own.turned)
            mark.follow(other_canvas)
            other.moved.connect(partial(self._point, mark))
            own.moved.connect(lambda _y, _x, ring=mark: ring.leave())
            self._marks.append(mark)

    def _point(self, mark: PointerMark, y_um: float, x_um: float) -> None:
        if self.is_open:
            mark.show_at(y_um, x_um)

    def _drawn(self, viewer: ViewerModel, canvas: Any, event: object) -> None:
        del event
        if self.is_open:
            settle_camera(viewer, canvas.camera.center)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the views where there is more room for both."""
        super().resizeEvent(event)
        if self.is_open:
            self._turn_to_room()

    def _turn_to_room(self) -> None:
        beside = self.width() >= min(NARROW_PX, self.height())
        way = Qt.Orientation.Horizontal if beside else Qt.Orientation.Vertical
        if way != self.orientation():
            self.setOrientation(way)

    def shut(self) -> None:
        """Let go of the second canvas before the window goes."""
        if self.second is not None:
            self.close_second()
            self.second.shut()
            self.second = self.link = None
