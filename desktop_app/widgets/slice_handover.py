"""Takes pixels that were read beside the window over into the window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt, Signal

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.qt import QtViewer


class SliceHandover(QObject):
    """Stands in for napari's own way from the reading thread to the window, which can hang the program.

    That one makes an object with a connection in the reading thread and drops it there. Qt holds a lock while
    it asks for Python's; the window, holding Python's, may be waiting for that very lock in a constructor.
    """

    _arrived = Signal(object)

    def __init__(self, viewer: ViewerModel, qt_viewer: QtViewer) -> None:
        super().__init__(qt_viewer)
        self._qt_viewer = qt_viewer
        # What napari decorates, without the decoration that changes the thread.
        self._take = type(qt_viewer)._on_slice_ready.__wrapped__
        ready = viewer._layer_slicer.events.ready
        ready.disconnect(qt_viewer._on_slice_ready)
        self._arrived.connect(self._show, Qt.ConnectionType.AutoConnection)
        ready.connect(self._send)

    def _send(self, event: Any) -> None:
        self._arrived.emit(event)

    def _show(self, event: object) -> None:
        self._take(self._qt_viewer, event)
