"""Tools that draw regions with the mouse, in place of napari's own editing.

While a tool is in use, ours are the only callbacks of a press and of a double click: a click picks no tile, and
napari's zoom by a double click or by a box does not get in the way. The left button draws, the middle button moves
the slide, and so does the left one while Space is held; the wheel zooms as always.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from psygnal import Signal

from desktop_app.canvas.drawing.sketch import BrushSketch, PolygonSketch, RectangleSketch, Sketch
from desktop_app.canvas.layer_names import DRAWING

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from desktop_app.canvas.region_layer import RegionLayer
    from desktop_app.canvas.rotation import TurnedView
    from desktop_app.store.records.records import RegionKind

LEFT, MIDDLE = 1, 3
RADIUS_UM: Final = 50.0
RADII_UM: Final = (1.0, 5000.0)
RADIUS_STEP: Final = 1.25
_ERASE_KEYS: Final = ("Alt", "Control")


class RegionTools:
    """Turns what the mouse does on a viewer into shapes.

    `drawn` carries kind and shape (shapely MultiPolygon, (x, y) in level-0 px) of a polygon or rectangle, `stroked`
    the shape of a stroke of the brush, whether it erases, and the level-0 (y, x) where it began; `tool_changed` the kind
    in use, empty for none; `radius_changed` the brush's radius in um.
    """

    drawn = Signal(str, object)
    stroked = Signal(object, bool, object)
    tool_changed = Signal(str)
    radius_changed = Signal(float)

    def __init__(self, viewer: ViewerModel, layer: RegionLayer, turned: TurnedView) -> None:
        self._viewer, self._layer, self._turned = viewer, layer, turned
        self._sketch: Sketch | None = None
        self._radius_um = RADIUS_UM
        self._moves_slide = self._is_down = False
        self._kept: tuple[list[Callable[..., Any]], list[Callable[..., Any]]] = ([], [])
        viewer.mouse_move_callbacks.append(self._hover)
        viewer.bind_key("Space", self._hold_to_move, overwrite=True)
        viewer.scene.camera.events.mouse_pan.connect(lambda _event: self._hold_camera())
        viewer.cursor.events.style.connect(lambda _event: self._hold_cursor())

    @property
    def kind(self) -> RegionKind | None:
        """The tool in use."""
        return self._sketch.kind if self._sketch is not None else None

    @property
    def is_begun(self) -> bool:
        """Whether something is half drawn."""
        return self._sketch is not None and self._sketch.is_begun

    @property
    def radius_um(self) -> float:
        """Radius of the brush."""
        return self._radius_um

    def set_radius(self, radius_um: float) -> None:
        """Change the radius of the brush, within `RADII_UM`."""
        radius = min(max(radius_um, RADII_UM[0]), RADII_UM[1])
        if radius == self._radius_um:
            return
        self._radius_um = radius
        if isinstance(self._sketch, BrushSketch):
            self._sketch.radius_l0 = radius / self._layer.mpp
            self._show()
        self.radius_changed.emit(radius)

    def start(self, kind: RegionKind) -> None:
        """Take a tool; what another one has half drawn is dropped. Taking the tool in use changes nothing."""
        if self.kind == kind:
            return
        self._layer.end_drawing()
        self._is_down = False
        if self._sketch is None:
            presses, doubles = self._viewer.mouse_drag_callbacks, self._viewer.mouse_double_click_callbacks
            self._kept = (list(presses), list(doubles))
            presses[:] = [self._press]
            doubles[:] = [self._double]
        if kind == "rectangle":
            self._sketch = RectangleSketch()
        elif kind == "polygon":
            self._sketch = PolygonSketch()
        else:
            self._sketch = BrushSketch(self._radius_um / self._layer.mpp)
        self._hold_camera()
        self._hold_cursor()
        self.tool_changed.emit(kind)

    def stop(self) -> None:
        """Put the tool down; what it has half drawn is dropped."""
        if self._sketch is None:
            return
        self._sketch = None
        self._moves_slide = self._is_down = False
        presses, doubles = self._viewer.mouse_drag_callbacks, self._viewer.mouse_double_click_callbacks
        presses[:] = [*self._kept[0], *(known for known in presses if known != self._press)]
        doubles[:] = [*self._kept[1], *(known for known in doubles if known != self._double)]
        self._viewer.scene.camera.mouse_pan = True
        self._viewer.cursor.style = "standard"
        self._layer.end_drawing()
        self.tool_changed.emit("")

    def cancel(self) -> None:
        """Drop what is half drawn; where nothing is, put the tool down."""
        if self._sketch is not None and self._sketch.is_begun:
            self._sketch.drop()
            self._show()
        else:
            self.stop()

    def finish(self) -> None:
        """Close what is half drawn."""
        if self._sketch is not None:
            self._emit(self._sketch.finish())

    def step_back(self) -> None:
        """Take the last corner back."""
        if self._sketch is not None:
            self._sketch.step_back()
            self._show()

    def _press(self, viewer: ViewerModel, event: Any) -> Iterator[None]:
        del viewer
        if event.button == MIDDLE:
            yield from self._move_slide(event)
            return
        sketch = self._sketch
        if sketch is None or event.button != LEFT or self._moves_slide:
            return
        begun = self._spot(event)
        erases = isinstance(sketch, BrushSketch) and any(key in event.modifiers for key in _ERASE_KEYS)
        if isinstance(sketch, BrushSketch):
            sketch.erases = erases
        elif isinstance(sketch, RectangleSketch):
            sketch.right = self._right()
        sketch.press(begun)
        self._is_down = True
        self._show()
        yield
        while event.type == "mouse_move":
            # Another tool may have been taken meanwhile.
            if sketch is not self._sketch:
                return
            sketch.drag(self._spot(event))
            self._show()
            yield
        self._is_down = False
        if sketch is not self._sketch:
            return
        shape = sketch.release(self._spot(event))
        if isinstance(sketch, BrushSketch):
            sketch.erases = False
            self._show()
            if shape is not None:
                self.stroked.emit(shape, erases, begun)
        else:
            self._emit(shape)

    def _double(self, viewer: ViewerModel, event: Any) -> None:
        del viewer
        if event.button == LEFT and not self._moves_slide:
            self.finish()

    def _hover(self, viewer: ViewerModel, event: Any) -> None:
        del viewer
        if self._sketch is not None:
            self._sketch.hover(self._spot(event))
            if not isinstance(self._sketch, RectangleSketch):
                self._show()

    def _move_slide(self, event: Any) -> Iterator[None]:
        camera = self._viewer.scene.camera
        start, centre = event.pos, camera.center
        yield
        while event.type == "mouse_move":
            x, y = event.pos[0] - start[0], event.pos[1] - start[1]
            camera.center = (*centre[:-2], centre[-2] - y / camera.zoom, centre[-1] - x / camera.zoom)
            yield

    def _hold_to_move(self, viewer: ViewerModel) -> Iterator[None]:
        if self._sketch is None or self._is_down:
            return
        self._moves_slide = True
        viewer.scene.camera.mouse_pan = True
        viewer.cursor.style = "standard"
        yield
        self._moves_slide = False
        self._hold_camera()
        self._hold_cursor()

    def _hold_camera(self) -> None:
        # napari gives the left button back to the camera whenever a layer comes or goes.
        wanted = self._sketch is None or self._moves_slide
        if not wanted and self._viewer.scene.camera.mouse_pan:
            self._viewer.scene.camera.mouse_pan = False

    def _hold_cursor(self) -> None:
        if self._sketch is not None and not self._moves_slide and self._viewer.cursor.style != "crosshair":
            self._viewer.cursor.style = "crosshair"

    def _spot(self, event: Any) -> tuple[float, float]:
        assert self._sketch is not None
        self._sketch.px_l0 = self._layer.px_l0
        return self._layer.to_l0(self._turned.turn.back(*event.position[-2:]))

    def _right(self) -> tuple[float, float]:
        turn = self._turned.turn
        (y0, x0), (y1, x1) = turn.back(0.0, 0.0), turn.back(0.0, 1.0)
        return (0.0, 1.0) if turn.is_upright else (y1 - y0, x1 - x0)

    def _emit(self, shape: object) -> None:
        self._show()
        if shape is not None and self._sketch is not None:
            self.drawn.emit(self._sketch.kind, shape)

    def _show(self) -> None:
        sketch = self._sketch
        if sketch is None:
            return
        lines = sketch.lines()
        if lines or self._layer.layer(DRAWING) is not None:
            self._layer.show_drawing(lines, erases=isinstance(sketch, BrushSketch) and sketch.erases)
