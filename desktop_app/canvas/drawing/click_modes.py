"""Clicks on the slide that mean something else for a while than picking a tile; a drag still moves the slide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from psygnal import Signal

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from desktop_app.canvas.rotation import TurnedView

LEFT: Final = 1
_CLICK_PX: Final = 3


class CanvasClicks:
    """While it is on, ours is the only callback of a press, and a double click is two clicks.

    `clicked` carries the position (y, x) on the slide in um and whether Shift was held.
    """

    clicked = Signal(float, float, bool)

    def __init__(self, viewer: ViewerModel, turned: TurnedView) -> None:
        self._viewer, self._turned = viewer, turned
        self._kept: tuple[list[Callable[..., Any]], list[Callable[..., Any]]] | None = None

    @property
    def is_on(self) -> bool:
        """Whether clicks come here."""
        return self._kept is not None

    def start(self) -> None:
        """Take the clicks."""
        if self._kept is not None:
            return
        presses, doubles = self._viewer.mouse_drag_callbacks, self._viewer.mouse_double_click_callbacks
        self._kept = (list(presses), list(doubles))
        presses[:] = [self._pressed]
        doubles[:] = []

    def stop(self) -> None:
        """Give them back."""
        if self._kept is None:
            return
        presses, doubles = self._viewer.mouse_drag_callbacks, self._viewer.mouse_double_click_callbacks
        presses[:] = [*self._kept[0], *(known for known in presses if known != self._pressed)]
        doubles[:] = [*self._kept[1], *doubles]
        self._kept = None

    def _pressed(self, viewer: ViewerModel, event: Any) -> Iterator[None]:
        del viewer
        start, position, left = tuple(event.pos), event.position, event.button == LEFT
        adds = "Shift" in event.modifiers
        yield
        while event.type == "mouse_move":
            yield
        away = max(abs(a - b) for a, b in zip(start, event.pos, strict=True))
        if left and away <= _CLICK_PX:
            self.clicked.emit(*self._turned.turn.back(*position[-2:]), adds)
