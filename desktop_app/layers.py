"""The napari layers that the program owns, written against ViewerModel: no window needed.

World coordinates are um, (y, x); the centre of level-0 pixel (0, 0) is the origin, as napari has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from napari.utils.colormaps import Colormap, ensure_colormap

from desktop_app.slide_levels import ChunkCache, slide_levels

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Image, Layer, Points, Shapes

    from sae_backend.cells import CellTable
    from sae_backend.errors import SlideError
    from sae_backend.heatmap import Heatmap
    from sae_backend.slide import Slide, SlideInfo
    from sae_backend.tiles import TileGrid

SLIDE, HEATMAP, TISSUE, CELLS, TILE = "Slide", "Heat map", "Tissue outline", "Cells", "Picked tile"
ORDER: Final = (SLIDE, TISSUE, HEATMAP, CELLS, TILE)
UNITS: Final = ("um", "um")
CELL_COLOURS: Final = (
    "#e69f00", "#0072b2", "#009e73", "#f0e442", "#d55e00", "#56b4e9", "#000000", "#ffffff",
)  # fmt: skip
"""Colours of cell types by type index (Okabe and Ito's, safe for colour-blind eyes); they repeat."""

MAX_DRAWN_CELLS: Final = 200_000
HEATMAP_COLOURS: Final = "viridis"
_OUTLINE_PX: Final = 2.5


class SlideLayers:
    """Draws one slide and what belongs to it into a viewer; each layer exists once.

    None of the layers can be edited: napari's keys for deleting, adding and transforming do
    nothing on them, and they stay in pan and zoom mode.
    """

    def __init__(self, viewer: ViewerModel, cache_bytes: int = 256 << 20) -> None:
        self._viewer = viewer
        self._cache_bytes = cache_bytes
        self._mpp = 1.0
        self._heatmap: Heatmap | None = None
        self._threshold = 0.0
        self._limits: tuple[float, float] = (0.0, 1.0)
        self._opacity = 0.65
        self._um_per_px = self._tile_um = 1.0
        self.on_read_error: Callable[[SlideError], None] | None = None
        """Told, while the canvas is drawn, that the file can no longer be read."""

    def _report(self, error: SlideError) -> None:
        if self.on_read_error is not None:
            self.on_read_error(error)

    def layer(self, name: str) -> Layer | None:
        """Return our layer of that name, None where it is not shown."""
        layers = self._viewer.layers
        if name not in layers:
            return None
        return layers[name]

    def clear(self) -> None:
        """Take all our layers away."""
        self._heatmap = None
        for name in ORDER:
            self.remove(name)

    def remove(self, name: str) -> None:
        """Take one of our layers away if it is there."""
        if name in self._viewer.layers:
            self._viewer.layers.remove(name)

    def set_visible(self, name: str, visible: bool) -> None:
        """Show or hide one of our layers; nothing happens where it does not exist."""
        layer = self.layer(name)
        if layer is not None:
            layer.visible = visible

    def show_slide(self, slide: Slide, mpp: float | None) -> None:
        """Replace everything by a slide; without pixel size one pixel counts as 1 um."""
        self.clear()
        self._mpp = mpp if mpp is not None else 1.0
        levels = slide_levels(slide, ChunkCache(self._cache_bytes), self._report)
        layer = self._viewer.add_image(
            levels if len(levels) > 1 else levels[0],
            multiscale=len(levels) > 1,
            rgb=True,
            name=SLIDE,
            scale=(self._mpp, self._mpp),
            units=UNITS,
            interpolation2d="linear",
        )
        self._place(layer)

    def show_heatmap(self, heat: Heatmap) -> None:
        """Swap the data of the one heat-map layer; limits become 0 to the feature's maximum."""
        self._heatmap = heat
        finite = heat.values[np.isfinite(heat.values)]
        peak = float(finite.max()) if finite.size else 0.0
        self._limits = (0.0, peak if peak > 0 else 1.0)
        self._threshold = 0.0
        layer = self.layer(HEATMAP)
        data = self._shown_values()
        if layer is None:
            layer = self._viewer.add_image(
                data,
                name=HEATMAP,
                colormap=heatmap_colormap(),
                contrast_limits=self._limits,
                blending="translucent_no_depth",
                opacity=self._opacity,
                interpolation2d="nearest",
                units=UNITS,
                scale=(heat.cell_um, heat.cell_um),
                translate=heat.translate_um,
            )
            self._place(layer)
        else:
            layer.data = data
            layer.scale = (heat.cell_um, heat.cell_um)
            layer.translate = heat.translate_um
            self._apply_limits(layer)

    @property
    def limits(self) -> tuple[float, float]:
        """Values of the colour bar's ends."""
        return self._limits

    def set_limits(self, low: float, high: float) -> None:
        """Set the values at the ends of the colour bar; `high` at or below `low` is ignored."""
        if not high > low:
            return
        self._limits = (low, high)
        layer = self.layer(HEATMAP)
        if layer is not None:
            self._apply_limits(layer)

    def set_threshold(self, threshold: float) -> None:
        """Hide tiles at or below a value; the colours of the others stay as they are."""
        self._threshold = threshold
        layer = self.layer(HEATMAP)
        if layer is not None and self._heatmap is not None:
            layer.data = self._shown_values()

    def set_opacity(self, opacity: float) -> None:
        """Set the heat map's opacity, 0 to 1."""
        self._opacity = opacity
        layer = self.layer(HEATMAP)
        if layer is not None:
            layer.opacity = opacity

    def _apply_limits(self, layer: Image) -> None:
        low, high = self._limits
        layer.contrast_limits_range = (min(low, 0.0), high)
        layer.contrast_limits = (low, high)

    def _shown_values(self) -> npt.NDArray[np.float32]:
        assert self._heatmap is not None
        values = self._heatmap.values
        # NaN is drawn transparent; hiding here and not by colour keeps the colour bar true.
        return np.where(values > self._threshold, values, np.float32(np.nan)).astype(np.float32)

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

    def show_cells(self, table: CellTable) -> int:
        """Draw cells as points, coloured by type; of very many only an even sample.

        Returns the number of points drawn.
        """
        self.remove(CELLS)
        step = max(1, -(-len(table.y_l0) // MAX_DRAWN_CELLS))
        points = np.stack([table.y_l0[::step], table.x_l0[::step]], axis=1)
        types = table.type_index[::step].astype(int)
        colours = np.array(CELL_COLOURS)[types % len(CELL_COLOURS)]
        layer = self._viewer.add_points(
            (points - 0.5) * self._mpp,
            name=CELLS,
            size=6.0,
            border_width=0,
            face_color=list(colours) if len(colours) else "white",
            # At low power the border's colour bleeds over small points even at width 0.
            border_color=list(colours) if len(colours) else "white",
            opacity=0.8,
            units=UNITS,
        )
        self._place(layer)
        return len(points)

    def follow_view(self, um_per_px: float) -> None:
        """Keep the outline of the picked tile wide enough to be seen at this many um in a screen px."""
        self._um_per_px = um_per_px
        layer = self.layer(TILE)
        if layer is not None:
            layer.edge_width = self._outline_um()

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


def heatmap_colormap() -> Colormap:
    """Return the heat map's colours: transparent where no value is."""
    base = ensure_colormap(HEATMAP_COLOURS)
    return Colormap(base.colors, name="sparsescope", nan_color=(0.0, 0.0, 0.0, 0.0))


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


def tile_corners_um(grid: TileGrid, tile: int) -> npt.NDArray[np.float64]:
    """Corners (4, 2) of a tile in um, on the edges of its pixels."""
    y, x = grid.origins_l0()[tile] - 0.5
    edge = grid.tile_l0
    return np.array([[y, x], [y, x + edge], [y + edge, x + edge], [y + edge, x]]) * grid.mpp


def world_to_l0(position_um: tuple[float, float], info: SlideInfo) -> tuple[float, float]:
    """Level-0 (y, x), pixel 0 spanning 0 to 1, of a point of the world in um."""
    mpp = info.mpp if info.mpp is not None else 1.0
    return position_um[0] / mpp + 0.5, position_um[1] / mpp + 0.5
