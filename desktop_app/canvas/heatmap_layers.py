"""The maps over the slide: one feature, several features in colours, the inside of tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from desktop_app.canvas.colour_scale import PLAIN, HeatLook, auto_limits, colormap, is_signed
from desktop_app.canvas.layer_names import HEATMAP, INSIDE, TOGETHER, UNITS, OwnedLayers, mixed_colours

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer
    from napari.utils.colormaps import Colormap

    from sae_backend.activations.heatmap import Heatmap


class MapLayers(OwnedLayers):
    """One layer a kind of map, whose data is swapped; only one of them is seen at a time."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer)
        self._heatmap: Heatmap | None = None
        self._threshold = 0.0
        self._limits: tuple[float, float] = (0.0, 1.0)
        self._opacity = 0.65
        self._look = PLAIN
        self._colours_signed = False
        self._heat_wanted = True

    def _show_maps(self) -> None:
        # One of the two: where the inside is silent, the colour of the tile would shine through.
        heat, inside, several = self.layer(HEATMAP), self.layer(INSIDE), self.layer(TOGETHER)
        _see(heat, self._heat_wanted and inside is None and several is None)
        _see(several, self._heat_wanted and inside is None)
        _see(inside, self._heat_wanted)

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
            # napari slices and measures everything anew for each of these, changed or not.
            if tuple(layer.scale) != (heat.cell_um, heat.cell_um):
                layer.scale = (heat.cell_um, heat.cell_um)
            if tuple(layer.translate) != tuple(heat.translate_um):
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

    @property
    def threshold(self) -> float:
        """Values at or below it are not drawn; of values of both signs those that are no larger."""
        return self._threshold

    @property
    def opacity(self) -> float:
        """The heat map's opacity, 0 to 1."""
        return self._opacity

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


def _see(layer: Layer | None, visible: bool) -> None:
    # napari draws everything anew where this is set, changed or not.
    if layer is not None and layer.visible != visible:
        layer.visible = visible
