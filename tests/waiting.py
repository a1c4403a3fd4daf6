"""The one way to wait in a test: for a condition, and so long that a busy machine does not decide the outcome."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from pytestqt.qtbot import QtBot

WAIT_S: Final = 60.0
WAIT_MS: Final = 60_000
_PAUSE_S: Final = 0.005


class Joinable(Protocol):
    """A thread or a process."""

    def join(self, timeout: float | None = None) -> None: ...
    def is_alive(self) -> bool: ...


def wait_until(condition: Callable[[], object], qtbot: QtBot | None = None) -> None:
    """Return as soon as `condition` holds; with `qtbot` the window goes on meanwhile."""
    if qtbot is not None:
        qtbot.waitUntil(lambda: bool(condition()), timeout=WAIT_MS)
        return
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, f"waited {WAIT_S:.0f} s in vain"
        time.sleep(_PAUSE_S)


def wait_for(event: threading.Event) -> bool:
    """Whether an event of another thread came."""
    return event.wait(WAIT_S)


def join(one: Joinable) -> None:
    """Wait for the end of a thread or a process."""
    one.join(WAIT_S)
    assert not one.is_alive(), f"not at its end after {WAIT_S:.0f} s"
