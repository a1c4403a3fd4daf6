"""The tiles of an analysis as a grid of lines over the slide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from desktop_app.canvas.layer_names import TILE_GRID, UNITS, OwnedLayers

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from sae_backend.slides.tiles import TileGrid

MAX_SEEN_TILES: Final = 3000
"""With more tiles than this in view the lines would hide the tissue."""

LINE_COLOUR: Final = "#0b2f5c"
_LINE_PX: Final = 2.0
_WIDTH_STEP: Final = 1.1
_OPACITY: Final = 0.5

Floats = npt.NDArray[np.float64]


class TileGridLayer(OwnedLayers):
    """Outlines of all kept tiles in one layer, seen while single tiles can be told apart."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer)
        self._corners = np.empty((0, 2))
        self._edge = 0.0
        self._drawn_width = 0.0

    def show_grid(self, grid: TileGrid | None) -> None:
        """Draw another grid, still hidden; None draws none."""
        self.remove(TILE_GRID)
        self._corners = np.empty((0, 2))
        if grid is None:
            return
        self._corners = (grid.origins_l0() - 0.5) * grid.mpp
        self._edge = grid.tile_l0 * grid.mpp
        lines = grid_lines(self._corners, self._edge)
        layer = self._viewer.add_vectors(
            np.stack([lines[:, 0], lines[:, 1] - lines[:, 0]], axis=1),
            name=TILE_GRID,
            units=UNITS,
            vector_style="line",
            edge_color=LINE_COLOUR,
            edge_width=self._width_um(),
            opacity=_OPACITY,
            visible=False,
        )
        self._drawn_width = self._um_per_px
        self._place(layer)

    def seen(self, field_um: tuple[float, float, float, float]) -> int:
        """How many tiles are in view, at least in part; `field_um` is y0, x0, y1, x1."""
        y0, x0, y1, x1 = field_um
        top, left = self._corners[:, 0], self._corners[:, 1]
        inside = (top < y1) & (top + self._edge > y0) & (left < x1) & (left + self._edge > x0)
        return int(inside.sum())

    def follow_field(self, field_um: tuple[float, float, float, float], um_per_px: float) -> bool:
        """Show the lines where few enough tiles are in view, as wide as always on the screen.

        Returns whether they are shown.
        """
        self._um_per_px = um_per_px
        layer = self.layer(TILE_GRID)
        if layer is None:
            return False
        visible = self.seen(field_um) <= MAX_SEEN_TILES
        if visible and not 1 / _WIDTH_STEP < um_per_px / self._drawn_width < _WIDTH_STEP:
            layer.edge_width = self._width_um()
            # napari draws the new width only when it is told.
            layer.events.edge_width()
            self._drawn_width = um_per_px
        if layer.visible != visible:
            layer.visible = visible
        return visible

    def _width_um(self) -> float:
        return _LINE_PX * self._um_per_px


def grid_lines(corners: Floats, edge: float) -> Floats:
    """The outlines of squares as few long lines.

    Parameters
    ----------
    corners
        Upper left corners (N, 2) of (y, x).
    edge
        Side of every square, in the unit of the corners.

    Returns
    -------
    ndarray
        float64 (M, 2, 2): start and end of each line, (y, x). Sides that touch or lie on each other are one line.
    """
    along_x = _merged(corners[:, 0], corners[:, 1], edge)
    along_y = _merged(corners[:, 1], corners[:, 0], edge)
    return np.concatenate([along_x, along_y[:, :, ::-1]])


def _merged(across: Floats, along: Floats, edge: float) -> Floats:
    """Both sides of each square that run `along`: float64 (M, 2, 2) of (across, along)."""
    unit = edge * 1e-6
    places = np.concatenate([across, across + edge])
    starts = np.concatenate([along, along])
    keys = np.rint(places / unit).astype(np.int64)
    order = np.lexsort((starts, keys))
    places, starts, keys = places[order], starts[order], keys[order]
    # Neighbours end where the next begins, up to rounding; all sides are equally long, so ends are sorted too.
    new = np.ones(len(keys), bool)
    new[1:] = (np.diff(keys) > 1) | (starts[1:] > starts[:-1] + edge + unit) | (np.diff(starts) < -unit)
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(keys))[: len(first)] - 1
    begun = np.stack([places[first], starts[first]], axis=1)
    ended = np.stack([places[first], starts[last] + edge], axis=1)
    return np.stack([begun, ended], axis=1)
