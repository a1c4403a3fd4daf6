"""The one way to wait in a test: for a condition, and so long that a busy machine does not decide the outcome."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from napari._vispy.canvas import VispyCanvas
    from pytestqt.qtbot import QtBot

WAIT_S: Final = 60.0
WAIT_MS: Final = 60_000
_PAUSE_S: Final = 0.005


def wait_until(condition: Callable[[], bool], qtbot: QtBot | None = None) -> None:
    """Return as soon as `condition` holds; with `qtbot` the window goes on meanwhile."""
    if qtbot is not None:
        qtbot.waitUntil(condition, timeout=WAIT_MS)
        return
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, f"waited {WAIT_S:.0f} s in vain"
        time.sleep(_PAUSE_S)


def wait_until_drawn(canvas: VispyCanvas, qtbot: QtBot) -> None:
    """Return when what was changed on a canvas is seen."""
    drawn: list[object] = []

    def note(event: object) -> None:
        drawn.append(event)

    scene = canvas._scene_canvas
    scene.events.draw.connect(note, position="last")
    scene.update()
    wait_until(lambda: bool(drawn), qtbot)
    scene.events.draw.disconnect(note)
