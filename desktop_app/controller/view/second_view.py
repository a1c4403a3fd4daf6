"""The second view: the slide alone, or one feature that stays while the first view steps on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal

from desktop_app.canvas.region_layer import RegionLayer
from desktop_app.canvas.slide_layers import CELLS, HEATMAP, TILE, SlideLayers
from desktop_app.canvas.tile_grid_layer import TileGridLayer
from desktop_app.controller.view.legend_text import density_legend, map_legend
from sae_backend.activations.heatmap import heatmap

if TYPE_CHECKING:
    from desktop_app.canvas.colour_scale import HeatLook
    from desktop_app.controller.context import Context
    from desktop_app.controller.regions.regions import RegionActions
    from desktop_app.widgets.features.heatmap_controls import HeatmapControls
    from desktop_app.widgets.slide.legend import Legend
    from desktop_app.widgets.slide.second_view import SecondView
    from desktop_app.widgets.slide.two_views import TwoViews
    from sae_backend.activations.heatmap import Heatmap
    from sae_backend.slides.slide import Slide


class SecondViewActions:
    """Opens, fills and closes the second view, and keeps it true to what is open.

    Colours, scale and opacity of the map are those of the first view; the limits are those of its own feature.
    `asked` says that the user asked for something else in it, or to close it.
    """

    asked = Signal()

    def __init__(
        self,
        context: Context,
        views: TwoViews,
        controls: HeatmapControls,
        legend: Legend,
        regions: RegionActions,
    ) -> None:
        self._context, self._regions = context, regions
        self._views, self._legend = views, legend
        self._region_layer: RegionLayer | None = None
        self._layers: SlideLayers | None = None
        self._grid: TileGridLayer | None = None
        self._slide: Slide | None = None
        self._feature: int | None = None
        self._sae = ""
        self._density: tuple[str, Heatmap, str] | None = None
        session, menus, canvas = context.session, context.menus, context.canvas
        menus.requested("second").connect(self.toggle)
        for wish, answer in (
            (menus.requested("second_slide"), self.show_slide),
            (menus.requested("second_feature"), self.show_feature),
            (menus.requested("second_close"), self.close_view),
            (views.close_requested, self.close_view),
        ):
            wish.connect(answer)
            wish.connect(lambda *_: self.asked.emit())
        legend.changed.connect(lambda: views.header.say(legend.heading))
        controls.look_requested.connect(self._set_look)
        controls.opacity_requested.connect(lambda _opacity: self._follow_opacity())
        menus.requested("heatmap").connect(lambda _on: self._show_what_is_wanted())
        menus.requested("cells").connect(lambda _on: self._show_cells())
        menus.cell_types.hidden_changed.connect(self._hide_types)
        menus.requested("legend").connect(lambda _on: self._say())
        menus.requested("tile_grid").connect(lambda _on: self._show_grid())
        canvas.field_changed.connect(lambda *_: self._follow_grid())
        canvas.view_changed.connect(self._follow_view)
        session.slide_changed.connect(lambda _slide: self.refresh())
        session.analysis_changed.connect(lambda _analysis: self.refresh())
        session.annotation_changed.connect(lambda _note: self._say())
        session.tile_changed.connect(lambda _tile: self._show_tile())

    @property
    def feature(self) -> int | None:
        """The feature that the second view shows; None for the slide alone."""
        features = self._context.session.features
        # A number means the same feature within one autoencoder only.
        return self._feature if features is not None and features.sae_digest == self._sae else None

    @property
    def _shown_density(self) -> tuple[str, Heatmap, str] | None:
        """The density of a type of cell, while its slide is open."""
        features, density = self._context.session.features, self._density
        if features is None or density is None or density[2] != features.grid.digest:
            return None
        return density

    def toggle(self, on: bool) -> None:
        """Open the second view as it was last, or close it."""
        if on == self._views.is_open:
            return
        if on:
            self._open()
        else:
            self.close_view()

    def show_slide(self) -> None:
        """Show the slide alone in the second view."""
        self._feature = self._density = None
        self._open()

    def show_density(self, cell_type: str, density: Heatmap) -> None:
        """Show how many cells of a type lie in each tile of the slide that is open."""
        features = self._context.session.features
        if features is not None:
            self._feature, self._density = None, (cell_type, density, features.grid.digest)
            self._open()

    def show_feature(self) -> None:
        """Show the current feature in the second view, where it stays."""
        session = self._context.session
        if session.features is None or session.feature is None:
            self._context.say("Choose a feature first: it then stays in the second view.")
            return
        self._feature, self._sae = session.feature, session.features.sae_digest
        self._density = None
        self._open()

    def close_view(self) -> None:
        """Close the second view."""
        self._let_go()
        self._views.close_second()
        self._context.menus.action("second").setChecked(False)

    def close(self) -> None:
        """Let go of the slide before the window goes."""
        self._let_go()

    def refresh(self) -> None:
        """Draw the open slide and analysis anew."""
        views, context = self._views, self._context
        layers, slide = self._layers, context.session.slide
        if layers is None or views.link is None or not views.is_open:
            return
        # napari moves the camera to the first layer of a viewer; the first view stays where it is.
        with views.link.quiet():
            if slide is not self._slide:
                layers.clear()
                if slide is not None:
                    layers.show_slide(slide, slide.info.mpp, context.layers)
                self._slide = slide
                if self._region_layer is not None:
                    self._regions.show_also(self._region_layer, on=slide is not None)
            self._draw_map(layers)
            self._show_tile()
            self._show_cells()
            self._show_grid()
        views.link.follow(0)
        self._follow_view(context.canvas.um_per_px)
        second = self._second()
        if second is not None:
            # Without a pixel size nothing has a length.
            second.scale_bar.setVisible(slide is not None and slide.info.mpp is not None)
        self._say()

    def _open(self) -> None:
        canvas = self._context.canvas
        if self._context.session.slide is None:
            self._context.say("Open a slide first.")
            self._context.menus.action("second").setChecked(False)
            return
        second = self._views.open_second()
        if self._layers is None:
            self._layers, self._grid = SlideLayers(second.viewer), TileGridLayer(second.viewer)
            self._region_layer = RegionLayer(second.viewer)
            self._layers.fine = self._context.layers.fine
            self._layers.hide_cell_types(self._context.menus.cell_types.hidden)
            self._layers.on_read_error = self._context.layers.on_read_error
            second.slide_clicked.connect(canvas.slide_clicked)
            second.cursor_moved.connect(canvas.cursor_moved)
        self._context.menus.action("second").setChecked(True)
        self._views.header.say(self._legend.heading)
        self.refresh()

    def _let_go(self) -> None:
        self._slide = None
        if self._region_layer is not None:
            self._regions.show_also(self._region_layer, on=False)
        if self._layers is not None:
            self._layers.clear()

    def _draw_map(self, layers: SlideLayers) -> None:
        features, feature = self._context.session.features, self.feature
        layers.remove(HEATMAP)
        density = self._shown_density
        if features is None or (feature is None and density is None):
            return
        layers.set_look(self._context.layers.look)
        heat = density[1] if density is not None else None
        if heat is None and feature is not None:
            heat = self._context.attempt(lambda: heatmap(features, feature))
        if heat is not None:
            layers.show_heatmap(heat)
            self._follow_opacity()
            self._show_what_is_wanted()

    def _show_what_is_wanted(self) -> None:
        if self._layers is not None:
            self._layers.set_visible(HEATMAP, self._context.menus.action("heatmap").isChecked())
            self._say()

    def _show_cells(self) -> None:
        session, layers = self._context.session, self._layers
        if layers is None or self._slide is None:
            return
        has_map = self.feature is not None or self._shown_density is not None
        wanted = has_map and self._context.menus.action("cells").isChecked()
        if wanted and layers.layer(CELLS) is None and session.store is not None:
            record = session.slide_record
            table = session.store.cells.get(record.id, details=False) if record is not None else None
            if table is not None:
                layers.show_cells(table)
        layers.set_visible(CELLS, wanted)

    def redraw_cells(self) -> None:
        """Draw the cells of the open slide as they are now, where they are drawn here."""
        session, layers = self._context.session, self._layers
        if layers is None or self._slide is None or layers.layer(CELLS) is None:
            return
        record = session.slide_record
        table = session.store.cells.get(record.id, details=False) if session.store and record else None
        if table is None:
            layers.remove_cells()
        else:
            layers.show_cells(table)

    def _hide_types(self, names: frozenset[str]) -> None:
        if self._layers is not None:
            self._layers.hide_cell_types(names)

    def _show_tile(self) -> None:
        session, layers = self._context.session, self._layers
        if layers is None or self._slide is None:
            return
        if session.features is None:
            layers.remove(TILE)
        else:
            layers.show_tile(session.features.grid, session.tile)

    def _show_grid(self) -> None:
        features = self._context.session.features
        if self._grid is None or self._slide is None:
            return
        wanted = self._context.menus.action("tile_grid").isChecked() and features is not None
        self._grid.show_grid(features.grid if wanted and features is not None else None)
        self._follow_grid()

    def _follow_grid(self) -> None:
        if self._grid is not None and self._slide is not None:
            canvas = self._context.canvas
            # Of the same middle and magnification, so what is true of the first view is true here.
            self._grid.follow_field(canvas.field_um(), canvas.um_per_px)

    def _set_look(self, look: HeatLook) -> None:
        if self._layers is not None:
            self._layers.set_look(look)
            self._say()

    def _follow_opacity(self) -> None:
        if self._layers is not None:
            self._layers.set_opacity(self._context.layers.opacity)

    def _follow_view(self, um_per_px: float) -> None:
        second = self._second()
        if self._layers is not None and second is not None:
            self._layers.follow_view(um_per_px)
            second.scale_bar.show_scale(um_per_px)

    def _say(self) -> None:
        second = self._second()
        if second is None or self._layers is None:
            return
        menus = self._context.menus
        second.legend.set_shown(heat=menus.action("heatmap").isChecked())
        second.legend.set_wanted(menus.action("legend").isChecked())
        density = self._shown_density
        if density is not None:
            second.legend.show_map(density_legend(density[0], self._layers))
        else:
            second.legend.show_map(map_legend(self._context, self.feature, self._layers))
        second.header.say(second.legend.heading)

    def _second(self) -> SecondView | None:
        views = self._views
        return views.second if views.is_open else None
