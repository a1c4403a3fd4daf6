"""The mouse on one canvas: where it is on the slide, however the view is turned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QObject, Signal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel

    from desktop_app.canvas.rotation import TurnedView

_CLICK_PX: Final = 3


class CanvasMouse(QObject):
    """Emits `clicked` and `moved` with the position (y, x) on the slide in um; a drag is no click."""

    clicked = Signal(float, float)
    moved = Signal(float, float)

    def __init__(self, viewer: ViewerModel, turned: TurnedView, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer, self.turned = viewer, turned
        viewer.mouse_drag_callbacks.append(self._pressed)
        viewer.mouse_move_callbacks.append(self._over)

    def _on_slide(self, viewer: ViewerModel) -> tuple[float, float]:
        y, x = viewer.cursor.position[-2:]
        return self.turned.turn.back(float(y), float(x))

    def _over(self, viewer: ViewerModel, event: object) -> None:
        del event
        self.moved.emit(*self._on_slide(viewer))

    def _pressed(self, viewer: ViewerModel, event: object) -> Iterator[None]:
        start = tuple(event.pos)  # type: ignore[attr-defined]
        position = self._on_slide(viewer)
        left = event.button == 1  # type: ignore[attr-defined]
        yield
        while event.type == "mouse_move":  # type: ignore[attr-defined]
            yield
        away = max(abs(a - b) for a, b in zip(start, event.pos, strict=True))  # type: ignore[attr-defined]
        if left and away <= _CLICK_PX:
            self.clicked.emit(*position)
