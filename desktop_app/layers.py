"""The napari layers that the program owns, written against ViewerModel: no window needed.

World coordinates are um, (y, x); the centre of level-0 pixel (0, 0) is the origin, as napari has it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from desktop_app.heat_look import HeatLook, auto_limits, colormap, is_signed
from desktop_app.slide_levels import ChunkCache, slide_levels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.components import ViewerModel
    from napari.layers import Image, Layer, Points, Shapes
    from napari.utils.colormaps import Colormap

    from sae_backend.cells import CellTable
    from sae_backend.errors import SlideError
    from sae_backend.heatmap import Heatmap
    from sae_backend.slide import Slide, SlideInfo
    from sae_backend.tiles import TileGrid

SLIDE, HEATMAP, TISSUE, CELLS, TILE = "Slide", "Heat map", "Tissue outline", "Cells", "Picked tile"
INSIDE: Final = "Inside tiles"
DENSITY: Final = "Cell density"
TOGETHER: Final = "Features together"
ORDER: Final = (SLIDE, TISSUE, HEATMAP, TOGETHER, INSIDE, DENSITY, CELLS, TILE)
UNITS: Final = ("um", "um")
CELL_COLOURS: Final = (
    "#e69f00", "#0072b2", "#009e73", "#f0e442", "#d55e00", "#56b4e9", "#000000", "#ffffff",
)  # fmt: skip
"""Colours of cell types by type index (Okabe and Ito's, safe for colour-blind eyes); they repeat."""

MAX_DRAWN_CELLS: Final = 200_000
_OUTLINE_PX: Final = 2.5
_FAINTEST: Final = 0.3
_LEAST_SHARE: Final = 0.01
FAR_UM_PER_PX: Final = 2.0
"""Seen from further away than this, single cells cannot be told apart, and their density is drawn."""

_DENSITY_UM: Final = 50.0
_DENSITY_BINS: Final = 700


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
        self._look = HeatLook()
        self._colours_signed = False
        self._heat_wanted = True
        self._cells_wanted = True
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

    def _show_points_or_density(self) -> None:
        far = self._um_per_px > FAR_UM_PER_PX
        for name, wanted in ((CELLS, not far), (DENSITY, far)):
            layer = self.layer(name)
            if layer is not None and layer.visible != (self._cells_wanted and wanted):
                layer.visible = self._cells_wanted and wanted

    def _show_maps(self) -> None:
        # One of the two: where the inside is silent, the colour of the tile would shine through.
        heat, inside, several = self.layer(HEATMAP), self.layer(INSIDE), self.layer(TOGETHER)
        if heat is not None:
            heat.visible = self._heat_wanted and inside is None and several is None
        if several is not None:
            several.visible = self._heat_wanted and inside is None
        if inside is not None:
            inside.visible = self._heat_wanted

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
        """Swap the data of the one heat-map layer; limits and threshold begin anew."""
        self._heatmap = heat
        self._limits = auto_limits(heat.values, self._look)
        self._threshold = 0.0
        layer = self.layer(HEATMAP)
        if layer is None:
            layer = self._viewer.add_image(
                self._shown_values(),
                name=HEATMAP,
                colormap=self._colormap(),
                blending="translucent_no_depth",
                opacity=self._opacity,
                interpolation2d=self._interpolation,
                units=UNITS,
                scale=(heat.cell_um, heat.cell_um),
                translate=heat.translate_um,
            )
            self._apply_limits(layer)
            self._place(layer)
            self._show_maps()
        else:
            layer.data = self._shown_values()
            layer.scale = (heat.cell_um, heat.cell_um)
            layer.translate = heat.translate_um
            if self.is_signed != self._colours_signed:
                layer.colormap = self._colormap()
            self._apply_limits(layer)

    @property
    def look(self) -> HeatLook:
        """How values become colours."""
        return self._look

    @property
    def is_signed(self) -> bool:
        """Whether the map that is shown holds values below zero."""
        return self._heatmap is not None and is_signed(self._heatmap.values)

    def set_look(self, look: HeatLook) -> None:
        """Change how values become colours; the limits follow where the scale or their kind changes."""
        before, self._look = self._look, look
        if self._heatmap is None:
            return
        if (before.log, before.robust) != (look.log, look.robust):
            self._limits = auto_limits(self._heatmap.values, look)
        layer = self.layer(HEATMAP)
        if layer is not None:
            layer.colormap = self._colormap()
            layer.interpolation2d = self._interpolation
            layer.data = self._shown_values()
            self._apply_limits(layer)

    @property
    def _interpolation(self) -> str:
        return "linear" if self._look.smooth else "nearest"

    def _colormap(self) -> Colormap:
        self._colours_signed = self.is_signed
        return colormap(self._look, signed=self.is_signed)

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
            if self._look.log:
                layer.data = self._shown_values()
            self._apply_limits(layer)

    def set_threshold(self, threshold: float) -> None:
        """Hide tiles at or below a value; the colours of the others stay as they are."""
        self._threshold = threshold
        layer = self.layer(HEATMAP)
        if layer is not None and self._heatmap is not None:
            layer.data = self._shown_values()

    def set_opacity(self, opacity: float) -> None:
        """Set the heat map's opacity, 0 to 1, and that of the map inside tiles."""
        self._opacity = opacity
        for layer in (self.layer(HEATMAP), self.layer(TOGETHER), self.layer(INSIDE)):
            if layer is not None:
                layer.opacity = opacity

    def _apply_limits(self, layer: Image) -> None:
        low, high = self._limits
        if self._look.log and not self.is_signed and low > 0:
            low, high = float(np.log10(low)), float(np.log10(high))
        layer.contrast_limits_range = (min(low, 0.0), high)
        layer.contrast_limits = (low, high)

    def _shown_values(self) -> npt.NDArray[np.float32]:
        assert self._heatmap is not None
        values, look = self._heatmap.values, self._look
        nothing = np.float32(np.nan)
        if self.is_signed:
            shown = np.where(np.abs(values) > self._threshold, values, nothing)
        else:
            # NaN is drawn transparent; hiding here and not by colour keeps the colour bar true.
            shown = np.where(values > self._threshold, values, nothing)
            if look.log:
                shown = np.log10(shown)
                nothing = np.float32(np.log10(self._limits[0]) if self._limits[0] > 0 else 0)
        if look.smooth:
            # Next to NaN nothing is mixed: a lone tile would vanish. Its lowest colours fade instead.
            shown = np.where(np.isnan(shown), np.float32(0) if np.isnan(nothing) else nothing, shown)
        return shown.astype(np.float32)

    def show_together(self, maps: Sequence[tuple[Heatmap, str]]) -> None:
        """Show maps of one grid in place of the heat map, each in its colour; none brings that back.

        A cell has the mean colour of the features that fire there, weighted by their share of their own
        maximum, and is the stronger the larger the largest of these shares is.
        """
        if not maps:
            self.remove(TOGETHER)
            self._show_maps()
            return
        first, layer = maps[0][0], self.layer(TOGETHER)
        peaks = [max(float(np.nanmax(heat.values, initial=0)), 1e-12) for heat, _ in maps]
        shares = np.stack(
            [np.nan_to_num(heat.values) / peak for (heat, _), peak in zip(maps, peaks, strict=True)]
        )
        data = mixed_colours(shares, [colour for _, colour in maps])
        if layer is None:
            layer = self._viewer.add_image(
                data,
                rgb=True,
                name=TOGETHER,
                blending="translucent_no_depth",
                opacity=self._opacity,
                interpolation2d="nearest",
                units=UNITS,
                scale=(first.cell_um, first.cell_um),
                translate=first.translate_um,
            )
            self._place(layer)
        else:
            layer.data = data
            layer.scale = (first.cell_um, first.cell_um)
            layer.translate = first.translate_um
        self._show_maps()

    def show_inside(
        self,
        image: npt.NDArray[np.float32],
        scale_um: tuple[float, float],
        translate_um: tuple[float, float],
        limits: tuple[float, float],
    ) -> None:
        """Show a map finer than tiles in place of the heat map; what is not above 0 stays transparent.

        `image` is float32 (h, w), NaN where nothing is known; `scale_um` the size of its px and `translate_um`
        the centre of px (0, 0), as (y, x) in um; `limits` are the values at the ends of the colours.
        """
        # A new layer each time: its px may be of another number and size, which napari places one by one.
        self.remove(INSIDE)
        layer = self._viewer.add_image(
            np.where(image > 0, image, np.float32(np.nan)).astype(np.float32),
            name=INSIDE,
            colormap=colormap(replace(self._look, smooth=False)),
            contrast_limits=limits,
            blending="translucent_no_depth",
            opacity=self._opacity,
            interpolation2d="nearest",
            units=UNITS,
            scale=scale_um,
            translate=translate_um,
        )
        self._place(layer)
        self._show_maps()

    def remove_inside(self) -> None:
        """Take the map inside tiles away; the heat map comes back."""
        if self.layer(INSIDE) is not None:
            self.remove(INSIDE)
            self._show_maps()

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
        self.remove_cells()
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
        self._show_density(table)
        self._show_points_or_density()
        return len(points)

    def remove_cells(self) -> None:
        """Take the cells away."""
        self.remove(CELLS)
        self.remove(DENSITY)

    def _show_density(self, table: CellTable) -> None:
        if len(table.y_l0) == 0:
            return
        top, left = float(table.y_l0.min()), float(table.x_l0.min())
        longest = max(float(np.ptp(table.y_l0)), float(np.ptp(table.x_l0)), 1.0)
        bin_l0 = max(longest / _DENSITY_BINS, _DENSITY_UM / self._mpp)
        rows = ((table.y_l0 - top) / bin_l0).astype(int)
        cols = ((table.x_l0 - left) / bin_l0).astype(int)
        shape = (len(table.type_names), int(rows.max()) + 1, int(cols.max()) + 1)
        counts = np.zeros(shape, np.float32)
        np.add.at(counts, (table.type_index.astype(int), rows, cols), 1)
        smooth = gaussian_filter(counts, (0, 1, 1))
        colours = [CELL_COLOURS[i % len(CELL_COLOURS)] for i in range(shape[0])]
        layer = self._viewer.add_image(
            mixed_colours(smooth, colours),
            rgb=True,
            name=DENSITY,
            blending="translucent_no_depth",
            opacity=0.8,
            interpolation2d="linear",
            units=UNITS,
            scale=(bin_l0 * self._mpp, bin_l0 * self._mpp),
            # The middle of the first bin, the centre of px (0, 0) being the origin.
            translate=((top + bin_l0 / 2 - 0.5) * self._mpp, (left + bin_l0 / 2 - 0.5) * self._mpp),
        )
        self._place(layer)

    def follow_view(self, um_per_px: float) -> None:
        """Follow the magnification, um in a screen px: the width of the picked tile's outline, cells or density."""
        self._um_per_px = um_per_px
        self._show_points_or_density()
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


def tile_corners_um(grid: TileGrid, tile: int) -> npt.NDArray[np.float64]:
    """Corners (4, 2) of a tile in um, on the edges of its pixels."""
    y, x = grid.origins_l0()[tile] - 0.5
    edge = grid.tile_l0
    return np.array([[y, x], [y, x + edge], [y + edge, x + edge], [y + edge, x]]) * grid.mpp


def world_to_l0(position_um: tuple[float, float], info: SlideInfo) -> tuple[float, float]:
    """Level-0 (y, x), pixel 0 spanning 0 to 1, of a point of the world in um."""
    mpp = info.mpp if info.mpp is not None else 1.0
    return position_um[0] / mpp + 0.5, position_um[1] / mpp + 0.5
