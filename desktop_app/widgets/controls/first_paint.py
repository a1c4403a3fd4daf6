"""Waits until a window can be seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget

_LOOK_MS: Final = 2
_PATIENCE: Final = 500


def when_painted(window: QWidget, then: Callable[[], None]) -> None:
    """Call `then` once, two turns of the event loop after the window is on the screen, or after a second at most.

    A display that never says so, such as none at all, must not keep the program from beginning.
    """

    def look(left: int) -> None:
        handle = window.windowHandle()
        if left <= 0 or (handle is not None and handle.isExposed()):
            QTimer.singleShot(0, lambda: QTimer.singleShot(0, then))
        else:
            QTimer.singleShot(_LOOK_MS, lambda: look(left - 1))

    look(_PATIENCE)
