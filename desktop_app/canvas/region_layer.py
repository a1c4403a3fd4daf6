"""Regions over the slide: those of the project, and the one that is being drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from desktop_app.canvas.layer_names import DRAWING, REGIONS, UNITS, OwnedLayers

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Shapes

    from desktop_app.store.records.records import RegionRecord

LINE_COLOUR: Final = "#ffd400"
"""Yellow on a dark edge: seen on pink, violet and white tissue alike, and on every map of colours."""

CHOSEN_COLOUR: Final = "#00e5ff"
ERASER_COLOUR: Final = "#ff5c5c"
_EDGE_COLOUR: Final = "#101418"
_LINE_PX: Final = 1.6
_CHOSEN_PX: Final = 2.6
_EDGE_PX: Final = 1.8
_WIDTH_STEP: Final = 1.1

Lines = Sequence[npt.NDArray[np.float64]]


class RegionLayer(OwnedLayers):
    """Draws regions as lines that stay as wide on the screen; each line lies on a dark, wider one.

    Neither layer can be edited by napari's keys or tools. Coordinates are level-0 px (y, x), pixel 0 spanning 0 to 1;
    what lies in the layers is um.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer)
        self._uids: list[str] = []
        self._chosen = ""
        self._visible = True
        self._drawn_um_per_px = 0.0

    def to_l0(self, position_um: Sequence[float]) -> tuple[float, float]:
        """Level-0 (y, x) of a point of the world in um."""
        y, x = position_um[-2:]
        return float(y) / self._mpp + 0.5, float(x) / self._mpp + 0.5

    def to_um(self, points_l0: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Points of the world (n, 2) in um of points in level-0 px."""
        return (np.asarray(points_l0, np.float64) - 0.5) * self._mpp

    @property
    def px_l0(self) -> float:
        """Size of a px of the screen in level-0 px."""
        return self._um_per_px / self._mpp

    @property
    def mpp(self) -> float:
        """Um per level-0 px; 1 where the slide does not say."""
        return self._mpp

    def show_regions(self, regions: Sequence[RegionRecord], mpp: float | None, chosen: str = "") -> None:
        """Replace what is shown; without pixel size one pixel counts as 1 um, as for the slide.

        Parameters
        ----------
        regions
            The regions.
        mpp
            Um per level-0 px.
        chosen
            `uid` of the one that stands out.
        """
        self.remove(REGIONS)
        self._mpp = mpp if mpp is not None else 1.0
        rings = [
            (region.uid, ring) for region in regions for polygon in region.polygons_l0 for ring in polygon
        ]
        self._uids = [uid for uid, _ in rings]
        self._chosen = chosen
        if not rings:
            return
        paths = [_closed(self.to_um(np.asarray(ring))) for _, ring in rings]
        layer = self._viewer.add_shapes(
            [*paths, *paths],
            shape_type="path",
            edge_color=self._colours(),
            edge_width=self._widths(),
            z_index=[0] * len(paths) + [1] * len(paths),
            opacity=1.0,
            name=REGIONS,
            units=UNITS,
            visible=self._visible,
        )
        self._drawn_um_per_px = self._um_per_px
        self._place(layer)

    @property
    def chosen(self) -> str:
        """`uid` of the region that stands out, empty for none."""
        return self._chosen

    def choose(self, uid: str) -> None:
        """Let another region stand out; an empty `uid` means none."""
        if uid == self._chosen:
            return
        self._chosen = uid
        layer = self.layer(REGIONS)
        if layer is not None:
            layer.edge_color = self._colours()
            self._set_widths(layer)

    def set_visible(self, visible: bool) -> None:
        """Show or hide the regions of the project; what is being drawn is always seen."""
        self._visible = visible
        layer = self.layer(REGIONS)
        if layer is not None:
            layer.visible = visible

    def follow_view(self, um_per_px: float) -> None:
        """Follow the magnification, um in a px of the screen, so that lines stay as wide."""
        self._um_per_px = um_per_px
        layer = self.layer(REGIONS)
        # Many lines take tens of ms, and the eye does not see a tenth of their width.
        if layer is not None and not 1 / _WIDTH_STEP < um_per_px / self._drawn_um_per_px < _WIDTH_STEP:
            self._set_widths(layer)

    def show_drawing(self, lines_l0: Lines, *, erases: bool = False) -> None:
        """Show open or closed lines (n, 2) of what is being drawn, above everything else."""
        layer = self.layer(DRAWING)
        if layer is None:
            if not lines_l0:
                return
            layer = self._viewer.add_shapes(
                None, ndim=2, shape_type="path", opacity=1.0, name=DRAWING, units=UNITS
            )
            self._place(layer)
        paths = [self.to_um(line) for line in lines_l0]
        layer.data = [(path, "path") for path in (*paths, *paths)]
        if paths:
            line, edge = _LINE_PX * self._um_per_px, _EDGE_PX * self._um_per_px
            layer.edge_width = [line + edge] * len(paths) + [line] * len(paths)
            colour = ERASER_COLOUR if erases else LINE_COLOUR
            layer.edge_color = [_EDGE_COLOUR] * len(paths) + [colour] * len(paths)
            layer.z_index = [0] * len(paths) + [1] * len(paths)

    def end_drawing(self) -> None:
        """Take away what was being drawn."""
        self.remove(DRAWING)

    def _set_widths(self, layer: Shapes) -> None:
        layer.edge_width = self._widths()
        # napari 0.9 does not draw anew for the width of lines that are there.
        layer.events.edge_width()
        self._drawn_um_per_px = self._um_per_px

    def _colours(self) -> list[str]:
        lines = [CHOSEN_COLOUR if uid == self._chosen else LINE_COLOUR for uid in self._uids]
        return [_EDGE_COLOUR] * len(lines) + lines

    def _widths(self) -> list[float]:
        lines = [(_CHOSEN_PX if uid == self._chosen else _LINE_PX) * self._um_per_px for uid in self._uids]
        return [line + _EDGE_PX * self._um_per_px for line in lines] + lines


def _closed(ring: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # One side further than closed, or the first corner would have a notch.
    return np.concatenate([ring, ring[:2]])
