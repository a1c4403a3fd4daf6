"""Reading of pixels beside the window, as napari does it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from napari.components import ViewerModel

PATIENCE_S: Final = 5.0


def await_reading(viewer: ViewerModel) -> None:
    """Wait until nothing is read for a viewer: before a slide is closed that a read may be in the middle of.

    After five seconds the wait ends all the same: a drive may be gone, and the window must not be.
    """
    with suppress(TimeoutError):
        viewer._layer_slicer.wait_until_idle(timeout=PATIENCE_S)
