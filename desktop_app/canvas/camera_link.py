"""Two views that move together: the camera of each follows the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from napari.components import ViewerModel

_SEEN_PX: Final = 0.01


class CameraLink:
    """Gives two viewers the same middle and magnification, whichever of them is moved.

    Values are copied, never computed, so the two are equal to the last bit and cannot drift apart.
    """

    def __init__(self, first: ViewerModel, second: ViewerModel) -> None:
        self._cameras = (first.scene.camera, second.scene.camera)
        # True while one camera is set from the other, whose own events must not come back.
        self._quiet = False
        self._on = False
        self._listeners = tuple(self._listener(leader) for leader in range(2))

    def _listener(self, leader: int):  # type: ignore[no-untyped-def]
        def follow(_event: object) -> None:
            if not self._quiet:
                self.follow(leader)

        return follow

    @property
    def is_on(self) -> bool:
        """Whether they move together now."""
        return self._on

    def set_on(self, on: bool) -> None:
        """Let them move together, the second beginning where the first is, or let each go its way."""
        if on == self._on:
            return
        self._on = on
        for camera, listener in zip(self._cameras, self._listeners, strict=True):
            for emitter in (camera.events.center, camera.events.zoom):
                if on:
                    emitter.connect(listener)
                else:
                    emitter.disconnect(listener)
        if on:
            self.follow(0)

    def follow(self, leader: int) -> None:
        """Take the other view to where view `leader` (0 or 1) is."""
        source, target = self._cameras[leader], self._cameras[1 - leader]
        with self.quiet():
            target.center = source.center
            target.zoom = source.zoom

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Meanwhile a move of one view does not move the other."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before


def settle_camera(viewer: ViewerModel, drawn_center: tuple[float, ...]) -> None:
    """Bring a viewer's camera to where its canvas was drawn, (y, x) last.

    napari itself takes over a drag only past 1/100,000 of the coordinate, which at 50 mm is half a um, two
    px at 40x: a second view would follow in jerks.
    """
    camera = viewer.scene.camera
    y, x = drawn_center[-2:]
    away = max(abs(y - camera.center[-2]), abs(x - camera.center[-1]))
    if away * camera.zoom > _SEEN_PX:
        camera.center = (0.0, y, x)
