"""Drawing: which tool is in use, what its keys do, and what becomes of each gesture."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from shapely import Point

from desktop_app.canvas.drawing.tools import RADIUS_STEP, RegionTools
from sae_backend.slides.regions import joined, shape_of, without

if TYPE_CHECKING:
    from shapely import MultiPolygon

    from desktop_app.controller.cells.editing import CellEditingActions
    from desktop_app.controller.context import Context
    from desktop_app.controller.project.projects import ProjectActions
    from desktop_app.controller.regions.regions import RegionActions
    from desktop_app.store.records.records import RegionKind
    from desktop_app.widgets.features.tile_features import TileFeaturesPanel
    from desktop_app.widgets.regions.regions import RegionsPanel
    from desktop_app.widgets.shell.key_guard import KeyGuard


class DrawingActions:
    """Hands shapes that are finished to the regions; a tool stays in use until it is put down."""

    def __init__(
        self,
        context: Context,
        panel: RegionsPanel,
        fires_here: TileFeaturesPanel,
        key_guard: KeyGuard,
        projects: ProjectActions,
        regions: RegionActions,
        cell_editing: CellEditingActions,
    ) -> None:
        self._context, self._projects, self._regions = context, projects, regions
        self._panel, self._fires_here, self._key_guard = panel, fires_here, key_guard
        self._cell_editing = cell_editing
        canvas = context.canvas
        self.tools = RegionTools(canvas.viewer, regions.layer, canvas.turned)
        self.tools.drawn.connect(regions.add)
        self.tools.stroked.connect(self._stroked)
        self.tools.tool_changed.connect(self._tool_changed)
        self.tools.radius_changed.connect(lambda _radius: self._show_radius())
        panel.tool_requested.connect(self.take_tool)
        panel.radius_requested.connect(self.tools.set_radius)
        context.menus.requested("tool").connect(self.take_tool)
        context.menus.requested("stop_drawing").connect(self.tools.cancel)
        context.session.slide_changed.connect(lambda _slide: self._slide_changed())
        self._show_radius()

    def take_tool(self, kind: str) -> None:
        """Take a tool, where there is a slide and a project to keep what it draws; empty puts it down."""
        canvas = self._context.canvas
        # It has the mouse and the keys as long as its mode is on.
        self._cell_editing.stop()
        if not kind:
            self.tools.stop()
            return
        if self._context.session.slide is None:
            self._panel.show_tool("")
            self._context.say("Open a slide first, then draw on it.")
            return
        if not self._projects.ensure_project("Regions"):
            self._panel.show_tool("")
            return
        self._context.menus.action("regions").setChecked(True)
        if self._fires_here.isVisible():
            self._context.say("The features in the region are listed when you finish drawing it.")
        else:
            self._context.show_panel("Regions")
        self._regions.layer.follow_view(canvas.um_per_px)
        self.tools.start(cast("RegionKind", kind))
        # The keys of the tool belong to the slide now.
        canvas.viewer.window._qt_viewer.canvas.native.setFocus()

    def _stroked(self, stroke: MultiPolygon, erases: bool, begun: tuple[float, float]) -> None:
        region = self._regions.chosen()
        if region is None:
            if erases:
                self._context.say("Select the region to erase from: click on it in the list.")
            else:
                self._regions.add("brush", stroke)
            return
        whole = shape_of(region.polygons_l0)
        if erases:
            self._regions.redraw(region, without(whole, stroke))
        elif whole.distance(Point(begun[1], begun[0])) <= self.tools.radius_um / self._regions.layer.mpp:
            self._regions.redraw(region, joined(whole, stroke))
        else:
            self._regions.add("brush", stroke)

    def _slide_changed(self) -> None:
        self.tools.stop()
        self._show_radius()

    def _tool_changed(self, kind: str) -> None:
        self._panel.show_tool(kind)
        keys = {"Return": self.tools.finish, "Enter": self.tools.finish, "Backspace": self.tools.step_back}
        if kind == "brush":
            keys["+"] = keys["="] = partial(self._scale_radius, RADIUS_STEP)
            keys["-"] = partial(self._scale_radius, 1 / RADIUS_STEP)
        self._key_guard.lend(keys if kind else {})

    def _scale_radius(self, factor: float) -> None:
        self.tools.set_radius(self.tools.radius_um * factor)

    def _show_radius(self) -> None:
        slide = self._context.session.slide
        unit = "px" if slide is not None and slide.info.mpp is None else "µm"
        self._panel.show_radius(self.tools.radius_um, unit)
