"""The tile grid over the slide: drawn while it is wanted, seen while few enough tiles are in view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from desktop_app.canvas.tile_grid_layer import MAX_SEEN_TILES, TileGridLayer

if TYPE_CHECKING:
    from desktop_app.controller.context import Context


class TileGridActions:
    """Follows the view and the analysis."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._layer = TileGridLayer(context.canvas.viewer)
        self._told = False
        context.menus.requested("tile_grid").connect(self._toggled)
        context.canvas.field_changed.connect(lambda *_: self._follow())
        context.session.analysis_changed.connect(lambda _analysis: self._draw())
        context.session.slide_changed.connect(lambda _slide: self._draw())

    @property
    def is_on(self) -> bool:
        """Whether the grid is wanted."""
        return self._context.menus.action("tile_grid").isChecked()

    def _toggled(self, on: bool) -> None:
        self._told = False
        if on and self._context.session.features is None:
            self._context.say("Tiles can be shown once the slide is analysed.")
        self._draw()

    def _draw(self) -> None:
        features = self._context.session.features
        self._layer.show_grid(features.grid if self.is_on and features is not None else None)
        self._follow()

    def _follow(self) -> None:
        features, canvas = self._context.session.features, self._context.canvas
        if not self.is_on or features is None:
            return
        if not self._layer.follow_field(canvas.field_um(), canvas.um_per_px) and not self._told:
            self._told = True
            self._context.say(
                f"Zoom in to see single tiles: of the {features.grid.n_tiles:,} tiles of this analysis at most "
                f"{MAX_SEEN_TILES:,} in view are outlined."
            )
