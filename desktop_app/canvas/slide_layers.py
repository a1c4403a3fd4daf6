"""One slide with all that lies over it, written against ViewerModel: no window needed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from desktop_app.canvas.cell_layers import CELL_COLOURS, CellLayers
from desktop_app.canvas.chunk_reader import ChunkReader
from desktop_app.canvas.heatmap_layers import MapLayers
from desktop_app.canvas.layer_names import (
    BACKDROP,
    CELLS,
    DENSITY,
    HEATMAP,
    INSIDE,
    ORDER,
    SLIDE,
    TILE,
    TISSUE,
    TOGETHER,
    UNITS,
    guard_layer,
    mixed_colours,
)
from desktop_app.canvas.pyramid_levels import ChunkCache, SlideLevel, slide_levels
from sae_backend.errors import SlideError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel

    from sae_backend.slides.slide import Slide, SlideInfo
    from sae_backend.slides.tiles import TileGrid

__all__ = [
    "BACKDROP", "CELLS", "CELL_COLOURS", "DENSITY", "HEATMAP", "INSIDE", "ORDER", "SLIDE", "TILE", "TISSUE", "TOGETHER",
    "UNITS", "SlideLayers", "guard_layer", "mixed_colours", "tile_corners_um", "world_to_l0",
]  # fmt: skip
_OUTLINE_PX: Final = 2.5
_AT_ONCE_PX: Final = 12_000_000
"""A coarsest level that takes more px of the file than that to read is not waited for."""


class SlideLayers(MapLayers, CellLayers):
    """Draws one slide and what belongs to it into a viewer; each layer exists once.

    None of the layers can be edited: napari's keys for deleting, adding and transforming do
    nothing on them, and they stay in pan and zoom mode.
    """

    def __init__(self, viewer: ViewerModel, cache_bytes: int = 256 << 20) -> None:
        super().__init__(viewer)
        self._cache_bytes = cache_bytes
        self.cache: ChunkCache | None = None
        """Pixels of the slide that is shown; a second view of it draws from the same."""
        self._tile_um = 1.0
        self._own_reader = False
        self._levels: tuple[SlideLevel, ...] = ()
        self._has_coarsest = True
        self.fine = True
        """Whether px of the slide are mixed on the screen: without a graphics card that costs the pace."""
        self.on_read_error: Callable[[SlideError], None] | None = None
        """Told, while the canvas is drawn, that the file can no longer be read."""
        self.on_reading: Callable[[ChunkReader], None] | None = None
        """Where there is one, pixels are read beside the window; it is told when somebody has to deliver them."""
        self.reader: ChunkReader | None = None
        """Reads for this view, and for those that share its cache."""

    def _report(self, error: SlideError) -> None:
        if self.on_read_error is not None:
            self.on_read_error(error)

    def clear(self) -> None:
        """Take all our layers away; nothing is read from the slide afterwards, so that it can be closed."""
        self.stop_reading()
        self._heatmap = self.cache = None
        for name in ORDER:
            self.remove(name)

    def set_visible(self, name: str, visible: bool) -> None:
        """Show or hide one of our layers; the maps of tiles and of their insides count as one.

        Nothing happens where it does not exist.
        """
        if name == HEATMAP:
            self._heat_wanted = visible
            self._show_maps()
            return
        if name == CELLS:
            self._cells_wanted = visible
            self._show_points_or_density()
            return
        layer = self.layer(name)
        if layer is not None:
            layer.visible = visible

    def stop_reading(self) -> None:
        """Read nothing more from the slide, where this view began the reading."""
        if self.reader is not None:
            self.reader.unwatch(self.redraw_slide)
            if self._own_reader:
                self.reader.stop()
        self.reader = None

    def redraw_slide(self) -> None:
        """Draw the slide anew from what has been read, unless it has been drawn since."""
        layer, reader = self.layer(SLIDE), self.reader
        if layer is None or reader is None:
            return
        if not self._has_coarsest:
            self._has_coarsest = self._levels[-1].whole
            # napari took the coarsest level as it was when it was empty, and would keep it so.
            layer.data = list(self._levels) if layer.multiscale else self._levels[0]
            if self._has_coarsest and layer.multiscale:
                self._show_backdrop(self._levels[-1])
            return
        at = layer.data_level if layer.multiscale else 0
        # Of the coarsest level napari also makes a small picture, which tells nothing of what is in sight.
        if at == len(self._levels) - 1 or self._levels[at].drawn_at < reader.arrivals:
            layer.refresh(thumbnail=False, highlight=False, extent=False)

    def show_slide(self, slide: Slide, mpp: float | None, beside: SlideLayers | None = None) -> None:
        """Replace everything by a slide; without pixel size one pixel counts as 1 um.

        `beside` is another view of the same slide, with which cache and reader are shared.
        """
        self.clear()
        self.cache = (beside and beside.cache) or ChunkCache(self._cache_bytes)
        self.reader = beside.reader if beside is not None else None
        self._own_reader = self.reader is None and self.on_reading is not None
        if self._own_reader:
            self.reader = ChunkReader(self.on_reading)
        if self.reader is not None:
            self.reader.watch(self.redraw_slide, self._report)
        self._mpp = mpp if mpp is not None else 1.0
        levels = slide_levels(slide, self.cache, self._report, self.reader)
        self._levels = tuple(levels)
        ready = self.reader is None or levels[-1].whole or levels[-1].cost_px() <= _AT_ONCE_PX
        if ready:
            # Seen at once, and enlarged wherever finer pixels are not there yet.
            with suppress(SlideError):
                levels[-1].read(0, 0, *levels[-1].shape[:2])
        layer = self._viewer.add_image(
            levels if len(levels) > 1 else levels[0],
            multiscale=len(levels) > 1,
            rgb=True,
            name=SLIDE,
            scale=(self._mpp, self._mpp),
            units=UNITS,
            interpolation2d="linear" if self.fine else "nearest",
        )
        self._place(layer)
        self._has_coarsest = ready
        if len(levels) > 1 and ready:
            self._show_backdrop(levels[-1])

    def _show_backdrop(self, coarsest: SlideLevel) -> None:
        side_um = coarsest.downsample * self._mpp
        # The middle of its first px, the centre of level-0 px (0, 0) being the origin.
        first_um = (coarsest.downsample - 1) / 2 * self._mpp
        layer = self._viewer.add_image(
            np.asarray(coarsest),
            rgb=True,
            name=BACKDROP,
            scale=(side_um, side_um),
            translate=(first_um, first_um),
            units=UNITS,
            interpolation2d="linear" if self.fine else "nearest",
        )
        self._place(layer)

    def show_tissue(self, outlines_l0: tuple[npt.NDArray[np.float64], ...]) -> None:
        """Draw closed polygons (n, 2) of (y, x) level-0 px edges as thin lines."""
        self.remove(TISSUE)
        paths = [(outline - 0.5) * self._mpp for outline in outlines_l0 if len(outline) > 1]
        layer = self._viewer.add_shapes(
            paths or None,
            ndim=2,
            shape_type="path",
            edge_color="#00a0ff",
            face_color="transparent",
            edge_width=self._line_um(paths),
            name=TISSUE,
            units=UNITS,
        )
        self._place(layer)

    @staticmethod
    def _line_um(paths: list[npt.NDArray[np.float64]]) -> float:
        return max((float(np.ptp(path)) for path in paths), default=0.0) / 500 or 1.0

    def follow_view(self, um_per_px: float) -> None:
        """Follow the magnification, um in a screen px: the width of the picked tile's outline, cells or density."""
        self._um_per_px = um_per_px
        self._show_points_or_density()
        layer = self.layer(TILE)
        if layer is not None:
            layer.edge_width = self._outline_um()
            # napari draws the new width only when it is told.
            layer.events.edge_width()

    def _outline_um(self) -> float:
        return max(self._tile_um / 40, _OUTLINE_PX * self._um_per_px)

    def show_tile(self, grid: TileGrid, tile: int) -> None:
        """Outline one tile; -1 takes the outline away."""
        if tile < 0:
            self.remove(TILE)
            return
        corners = tile_corners_um(grid, tile)
        self._tile_um = grid.tile_l0 * grid.mpp
        layer = self.layer(TILE)
        if layer is None:
            layer = self._viewer.add_shapes(
                [corners],
                shape_type="polygon",
                edge_color="#ff00c8",
                face_color="transparent",
                edge_width=self._outline_um(),
                name=TILE,
                units=UNITS,
            )
            self._place(layer)
        else:
            layer.data = [corners]


def tile_corners_um(grid: TileGrid, tile: int) -> npt.NDArray[np.float64]:
    """Corners (4, 2) of a tile in um, on the edges of its pixels."""
    y, x = grid.origins_l0()[tile] - 0.5
    edge = grid.tile_l0
    return np.array([[y, x], [y, x + edge], [y + edge, x + edge], [y + edge, x]]) * grid.mpp


def world_to_l0(position_um: tuple[float, float], info: SlideInfo) -> tuple[float, float]:
    """Level-0 (y, x), pixel 0 spanning 0 to 1, of a point of the world in um."""
    mpp = info.mpp if info.mpp is not None else 1.0
    return position_um[0] / mpp + 0.5, position_um[1] / mpp + 0.5
