"""What all layers of ours have in common: their names and order, one world in um, and a guard.

World coordinates are um, (y, x); the centre of level-0 pixel (0, 0) is the origin, as napari has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer, Points, Shapes

SLIDE, HEATMAP, TISSUE, CELLS, TILE = "Slide", "Heat map", "Tissue outline", "Cells", "Selected tile"
INSIDE: Final = "Token map"
BACKDROP: Final = "Backdrop"
"""The coarsest level below the slide, seen while the finer ones are read."""

DENSITY: Final = "Cell density"
TOGETHER: Final = "Features together"
OUTLINES: Final = "Cell outlines"
REGIONS, DRAWING = "Regions", "Region being drawn"
TILE_GRID: Final = "Tile grid"
ORDER: Final = (
    BACKDROP,
    SLIDE,
    TISSUE,
    HEATMAP,
    TOGETHER,
    INSIDE,
    TILE_GRID,
    REGIONS,
    DENSITY,
    CELLS,
    OUTLINES,
    TILE,
    DRAWING,
)
UNITS: Final = ("um", "um")
_FAINTEST: Final = 0.3
_LEAST_SHARE: Final = 0.01


class OwnedLayers:
    """Layers of ours in one viewer, each there once and in its place; `_um_per_px` is that of the view."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._mpp = 1.0
        self._um_per_px = 1.0

    def layer(self, name: str) -> Layer | None:
        """Return our layer of that name, None where it is not shown."""
        layers = self._viewer.layers
        if name not in layers:
            return None
        return layers[name]

    def remove(self, name: str) -> None:
        """Take one of our layers away if it is there."""
        if name in self._viewer.layers:
            self._viewer.layers.remove(name)

    def _place(self, layer: Layer) -> None:
        """Put a new layer at its place in the stack, guard it, and leave no layer active."""
        guard_layer(layer)
        layers = self._viewer.layers
        shown = [name for name in ORDER if name in layers]
        for target, name in enumerate(shown):
            source = layers.index(name)
            if source != target:
                layers.move(source, target)
        layers.selection.clear()


def mixed_colours(weights: npt.NDArray[np.float32], colours: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Colours uint8 (h, w, 4) of weights (m, h, w) >= 0 of m colours such as `#1f6bff`.

    A cell has the mean of the colours by weight; it is the more opaque the larger its largest weight is,
    as a share of the largest of all.
    """
    rgb = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours], np.float32)
    total = weights.sum(axis=0)
    mixed = np.einsum("mhw,mc->hwc", weights, rgb) / np.maximum(total, 1e-12)[..., None]
    strength = weights.max(axis=0)
    strength /= max(float(strength.max(initial=0)), 1e-12)
    alpha = np.where(strength > _LEAST_SHARE, _FAINTEST + (1 - _FAINTEST) * strength, 0.0)
    return np.dstack([mixed, 255 * alpha]).round().astype(np.uint8)


def guard_layer(layer: Layer) -> None:
    """Make napari's editing keys do nothing on a layer and hold it in pan and zoom mode."""
    for owner in type(layer).__mro__:
        for binding in getattr(owner, "class_keymap", {}):
            layer.bind_key(binding, _nothing, overwrite=True)
    layer.editable = False

    def hold(event: Any = None) -> None:
        del event
        if str(layer.mode) != "pan_zoom":
            layer.mode = "pan_zoom"

    layer.mode = "pan_zoom"
    layer.events.mode.connect(hold)


def _nothing(layer: Points | Shapes | Image) -> None:
    """Stand in for a key binding that could destroy data."""
