"""A second canvas on the slide, without napari's lists and controls around it."""

from __future__ import annotations

from napari.components import ViewerModel
from napari.qt import QtViewer
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from desktop_app.canvas.rotation import TurnedView
from desktop_app.widgets.slide.canvas_mouse import CanvasMouse
from desktop_app.widgets.slide.corners import Corners
from desktop_app.widgets.slide.legend import Legend
from desktop_app.widgets.slide.scale_bar import ScaleBar
from desktop_app.widgets.slide.view_header import ViewHeader


class SecondView(QWidget):
    """Shows what is drawn into its `viewer`, under a line that says what that is.

    `slide_clicked` and `cursor_moved` carry the position (y, x) on the slide in um.
    """

    close_requested = Signal()
    slide_clicked = Signal(float, float)
    cursor_moved = Signal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = ViewerModel(title="Sparsescope")
        self.turned = TurnedView(self.viewer)
        self.qt_viewer = QtViewer(self.viewer)
        # Dropped files would become layers of napari's.
        self.qt_viewer.setAcceptDrops(False)
        self.header = ViewHeader(closable=True)
        self.header.close_requested.connect(self.close_requested)
        self.legend, self.scale_bar = Legend(), ScaleBar()
        self.corners = Corners(self.qt_viewer.canvas.native)
        self.corners.put(self.legend, Qt.Corner.BottomLeftCorner)
        self.corners.put(self.scale_bar, Qt.Corner.BottomRightCorner)
        self.mouse = CanvasMouse(self.viewer, self.turned, self)
        self.mouse.clicked.connect(self.slide_clicked)
        self.mouse.moved.connect(self.cursor_moved)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.header)
        column.addWidget(self.qt_viewer, 1)

    def shut(self) -> None:
        """Let go of the canvas before the window goes."""
        self.viewer.layers.clear()
        self.viewer._layer_slicer.shutdown()
        self.qt_viewer.close()
