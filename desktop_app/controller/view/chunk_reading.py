"""Draws pixels of the slide as they arrive from the threads that read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QTimer

if TYPE_CHECKING:
    from desktop_app.canvas.chunk_reader import ChunkReader
    from desktop_app.controller.context import Context
    from desktop_app.widgets.shell.status_line import StatusLine

DELIVER_MS: Final = 30
"""So often at most is the slide drawn anew: each time costs a copy of all pixels in sight."""

SLOW_TICKS: Final = 50


class ReadingActions:
    """Delivers what was read, in the window's own time, and says where reading takes long."""

    def __init__(self, context: Context, line: StatusLine) -> None:
        self._context, self._line = context, line
        self._reader: ChunkReader | None = None
        self._ticks = 0
        self._timer = QTimer()
        self._timer.setInterval(DELIVER_MS)
        self._timer.timeout.connect(self._deliver)
        context.layers.on_reading = self._begin

    def finish(self, timeout_s: float) -> bool:
        """Wait until all that is in sight has been read and drawn; False where that takes longer."""
        reader = self._context.layers.reader
        return reader is None or reader.wait(timeout_s)

    def close(self) -> None:
        """Deliver nothing more."""
        self._timer.stop()
        self._reader = None

    def _begin(self, reader: ChunkReader) -> None:
        if reader is not self._reader:
            self._reader, self._ticks = reader, 0
        if not self._timer.isActive():
            self._ticks = 0
            self._timer.start()

    def _deliver(self) -> None:
        reader = self._reader
        if reader is None or reader.stopped:
            self._end()
            return
        reader.deliver()
        if not reader.busy:
            self._end()
            return
        self._ticks += 1
        if self._ticks % SLOW_TICKS == 0:
            self._line.show_reading(reader.left)

    def _end(self) -> None:
        self._timer.stop()
        self._line.show_reading(0)
