"""What is shown of the place under the pointer: the outline of its tile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from desktop_app.canvas.slide_layers import tile_corners_um, world_to_l0
from desktop_app.widgets.slide.tile_outline import TileOutline

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.widgets.regions.regions import RegionsPanel


class PointerActions:
    """Outlines the tile whose value the line at the foot names."""

    def __init__(self, context: Context, regions_panel: RegionsPanel) -> None:
        self._context, self._regions_panel = context, regions_panel
        canvas, session = context.canvas, context.session
        native = canvas.viewer.window._qt_viewer.canvas.native
        self.outline = TileOutline(native, canvas.viewer, canvas.turned)
        canvas.cursor_moved.connect(self._moved)
        for changed in (session.analysis_changed, session.slide_changed):
            changed.connect(lambda _: self.outline.show_tile(None))

    def _moved(self, y_um: float, x_um: float) -> None:
        session = self._context.session
        slide, features = session.slide, session.features
        if slide is None or features is None or self._regions_panel.tool:
            self.outline.show_tile(None)
            return
        tile = features.grid.tile_at(*world_to_l0((y_um, x_um), slide.info))
        self.outline.show_tile(tile_corners_um(features.grid, tile) if tile >= 0 else None)
