"""A dock that is taken out of the window, as large as it is, and put back where it was."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QEvent, QObject, QRect, Qt, QTimer, Signal
from PySide6.QtWidgets import QDockWidget, QMainWindow

_SHARE: Final = 0.92
_HEIGHT_PX: Final = 560
_MOST_SHARE: Final = 0.58


class StudyWindow(QObject):
    """Enlarges a dock; `changed` says whether it is out, whoever took it out or put it back.

    Closing the window of its own puts it back, too: whoever closes it wants the slide, and not the results gone.
    """

    changed = Signal(bool)

    def __init__(self, dock: QDockWidget, window: QMainWindow) -> None:
        super().__init__(dock)
        self._dock, self._window = dock, window
        self._room: QRect | None = None
        self._out = QRect()
        dock.installEventFilter(self)
        dock.topLevelChanged.connect(self.changed)

    def toggle(self) -> None:
        """Enlarge the dock, or put it back."""
        if self._dock.isFloating():
            self.put_back()
        else:
            self._enlarge()

    def put_back(self) -> None:
        """Put the dock back into its place, with the room that it had there."""
        self._out = self._dock.geometry()
        self._dock.setFloating(False)
        self._dock.show()
        if self._room is not None:
            # Qt lays the window out anew first, and gives the dock what it asks for.
            QTimer.singleShot(0, self._give_room)

    def grow(self, height_px: int = _HEIGHT_PX, most_share: float = _MOST_SHARE) -> None:
        """Make the dock so high, or as high as a figure needs, where it lies in the window and is lower."""
        wanted = min(height_px, int(most_share * self._window.height()))
        if self._dock.isVisible() and not self._dock.isFloating() and self._dock.height() < wanted:
            self._window.resizeDocks([self._dock], [wanted], Qt.Orientation.Vertical)

    def _enlarge(self) -> None:
        self._room = self._dock.geometry()
        self._dock.setFloating(True)
        self._dock.setGeometry(self._place())
        self._dock.show()

    def _place(self) -> QRect:
        """Over the window, and nowhere beyond the screen."""
        whole = self._window.geometry()
        wanted = QRect(0, 0, round(_SHARE * whole.width()), round(_SHARE * whole.height()))
        wanted.moveCenter(whole.center())
        screen = self._window.screen().availableGeometry()
        wanted.setSize(wanted.size().boundedTo(screen.size()))
        wanted.moveLeft(min(max(wanted.left(), screen.left()), screen.right() - wanted.width() + 1))
        wanted.moveTop(min(max(wanted.top(), screen.top()), screen.bottom() - wanted.height() + 1))
        return wanted

    def _give_room(self) -> None:
        if self._room is None or self._dock.isFloating():
            return
        for px, way in (
            (self._room.width(), Qt.Orientation.Horizontal),
            (self._room.height(), Qt.Orientation.Vertical),
        ):
            self._window.resizeDocks([self._dock], [px], way)
        if self._dock.geometry() == self._out:
            # Qt takes a dock that comes back to the same room to lie there already, and leaves it over the others.
            self._dock.setGeometry(self._room)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Put the dock back once its own window is closed; the close is not refused, or the program could not end."""
        if event.type() == QEvent.Type.Close and self._dock.isFloating() and self._dock.isVisible():
            QTimer.singleShot(0, self.put_back)
        return super().eventFilter(watched, event)
