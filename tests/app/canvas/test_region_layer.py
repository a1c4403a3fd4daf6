"""Regions are drawn with the mouse, on a viewer without a window."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import shapely
from napari.components import ViewerModel
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import (
    mouse_double_click_callbacks,
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)

from desktop_app.canvas.drawing.tools import MIDDLE, RegionTools
from desktop_app.canvas.layer_names import CELLS, DRAWING, HEATMAP, REGIONS, SLIDE
from desktop_app.canvas.region_layer import RegionLayer
from desktop_app.canvas.rotation import Turn, TurnedView
from desktop_app.store.records.records import RegionRecord
from sae_backend.slides.regions import area_l0, polygons_of

MPP, UM_PER_PX = 0.5, 1.0
SQUARE = ((10.0, 20.0), (10.0, 60.0), (50.0, 60.0), (50.0, 20.0))
HOLE = ((20.0, 30.0), (20.0, 40.0), (30.0, 40.0))
OTHER = ((100.0, 100.0), (100.0, 140.0), (130.0, 100.0))
KEYS = [
    "Delete",
    "Backspace",
    "1",
    "2",
    "3",
    "4",
    "5",
    "X",
    "I",
    "D",
    "R",
    "E",
    "P",
    "T",
    "Shift-A",
    "Ctrl-V",
]


@dataclass
class Mouse:
    """Sends what the canvas would send; places are (y, x) in level-0 px as displayed."""

    viewer: ViewerModel
    at: tuple[float, float] = (0.0, 0.0)
    _down: Any = field(default=None, repr=False)

    def press(self, y: float, x: float, *modifiers: str, button: int = 1) -> None:
        self._down = (button, modifiers)
        mouse_press_callbacks(self.viewer, self._event("mouse_press", y, x))

    def move(self, y: float, x: float) -> None:
        mouse_move_callbacks(self.viewer, self._event("mouse_move", y, x))

    def release(self, y: float, x: float) -> None:
        mouse_release_callbacks(self.viewer, self._event("mouse_release", y, x))
        self._down = None

    def click(self, y: float, x: float) -> None:
        self.move(y, x)
        self.press(y, x)
        self.release(y, x)

    def drag(self, *way: tuple[float, float], keys: tuple[str, ...] = (), button: int = 1) -> None:
        self.press(*way[0], *keys, button=button)
        for spot in way[1:]:
            self.move(*spot)
        self.release(*way[-1])

    def double(self, y: float, x: float) -> None:
        self.click(y, x)
        mouse_double_click_callbacks(self.viewer, self._event("mouse_double_click", y, x))

    def _event(self, kind: str, y: float, x: float) -> Any:
        button, modifiers = self._down or (1, ())
        zoom = self.viewer.scene.camera.zoom
        um = ((y - 0.5) * MPP, (x - 0.5) * MPP)

        @dataclass
        class Event:
            type: str = kind
            position: tuple[float, float] = um
            pos: tuple[float, float] = (um[1] * zoom, um[0] * zoom)
            button: int = 1
            modifiers: tuple[str, ...] = ()
            is_dragging: bool = False
            handled: bool = False

        return ReadOnlyWrapper(
            Event(button=button, modifiers=modifiers, is_dragging=self._down is not None),
            exceptions=("handled",),
        )


@dataclass
class Board:
    viewer: ViewerModel
    layer: RegionLayer
    tools: RegionTools
    turned: TurnedView
    mouse: Mouse
    drawn: list[tuple[str, Any]]
    strokes: list[tuple[Any, bool, tuple[float, float]]]


@pytest.fixture
def board() -> Board:
    viewer = ViewerModel()
    viewer.scene.camera.zoom = 1 / UM_PER_PX
    layer = RegionLayer(viewer)
    layer.show_regions([], MPP)
    layer.follow_view(UM_PER_PX)
    turned = TurnedView(viewer)
    tools = RegionTools(viewer, layer, turned)
    made = Board(viewer, layer, tools, turned, Mouse(viewer), [], [])
    tools.drawn.connect(lambda kind, shape: made.drawn.append((kind, shape)))
    tools.stroked.connect(lambda shape, erases, at: made.strokes.append((shape, erases, at)))
    return made


def region(*polygons: Any, name: str = "", uid: str = "a" * 32) -> RegionRecord:
    return RegionRecord(uid, 1, name, "polygon", polygons, "Ada", "2026-01-01T00:00:00+00:00")


def test_regions_lie_on_the_pixels_that_they_name(board: Board) -> None:
    board.viewer.add_points([[0.0, 0.0]], name=CELLS, units=("um", "um"))
    board.viewer.add_image(np.zeros((4, 4)), name=HEATMAP, units=("um", "um"))
    board.viewer.add_image(np.zeros((4, 4)), name=SLIDE, units=("um", "um"))
    board.layer.show_regions([region((SQUARE, HOLE), name="nest"), region((OTHER,), uid="b" * 32)], MPP)
    assert [layer.name for layer in board.viewer.layers] == [SLIDE, HEATMAP, REGIONS, CELLS]
    shown = board.viewer.layers[REGIONS]
    # The middle of level-0 px (0, 0) is the origin; lines on their dark edges, three rings.
    assert len(shown.data) == 6
    np.testing.assert_allclose(shown.data[0][:4], (np.array(SQUARE) - 0.5) * MPP)
    assert {str(unit) for unit in shown.units} == {"micrometer"} and str(shown.mode) == "pan_zoom"
    lines = shown.edge_color[3:].copy()
    board.layer.choose("b" * 32)
    np.testing.assert_array_equal(shown.edge_color[3:5], lines[:2])
    assert not np.array_equal(shown.edge_color[5], lines[2])
    board.layer.set_visible(False)
    board.layer.show_regions([region((SQUARE,))], None)
    assert not board.viewer.layers[REGIONS].visible
    np.testing.assert_allclose(board.viewer.layers[REGIONS].data[0][0], (9.5, 19.5))
    board.layer.show_regions([], MPP)
    assert REGIONS not in board.viewer.layers


def test_lines_stay_as_wide_on_the_screen(board: Board) -> None:
    board.layer.show_regions([region((SQUARE,))], MPP)
    before = board.viewer.layers[REGIONS].edge_width
    board.layer.follow_view(10 * UM_PER_PX)
    np.testing.assert_allclose(board.viewer.layers[REGIONS].edge_width, 10 * np.array(before))


def test_a_rectangle_goes_from_corner_to_corner(board: Board) -> None:
    board.tools.start("rectangle")
    board.mouse.drag((90.0, 40.0), (60.0, 30.0), (50.25, 20.5))
    kind, shape = board.drawn[0]
    assert kind == "rectangle" and shape.bounds == (20.5, 50.25, 40.0, 90.0)
    assert len(polygons_of(shape)[0][0]) == 4
    board.mouse.drag((10.0, 10.0), (11.0, 300.0))
    board.mouse.click(10.0, 10.0)
    assert len(board.drawn) == 1, "a click or a line is no rectangle"


def test_in_a_turned_view_a_rectangle_is_upright_on_the_screen_and_true_on_the_slide(board: Board) -> None:
    turn = Turn(30.0, (25.0, 25.0))
    board.tools.start("rectangle")
    board.turned.set_turn(turn)
    board.mouse.drag((100.0, 100.0), (200.0, 400.0))
    ((ring,),) = polygons_of(board.drawn[0][1])
    assert area_l0([[ring]]) == pytest.approx(100 * 300)
    shown = [turn.forward((y - 0.5) * MPP, (x - 0.5) * MPP) for y, x in ring]
    corners = sorted((y / MPP + 0.5, x / MPP + 0.5) for y, x in shown)
    np.testing.assert_allclose(corners, [(100, 100), (100, 400), (200, 100), (200, 400)], atol=1e-6)
    board.layer.show_regions([region((ring,))], MPP)
    layer = board.viewer.layers[REGIONS]
    # napari keeps shapes in single precision.
    drawn = sorted(np.round(layer.data_to_world(spot), 4).tolist() for spot in layer.data[0][:4])
    np.testing.assert_allclose(drawn, (np.array(corners) - 0.5) * MPP, atol=1e-3)


def test_corners_become_a_polygon_by_double_click_by_enter_or_at_the_first_corner(board: Board) -> None:
    board.tools.start("polygon")
    corners = [(10.0, 10.0), (10.0, 210.0), (110.0, 210.0), (110.0, 10.0)]
    for y, x in corners[:3]:
        board.mouse.click(y, x)
    board.mouse.double(*corners[3])
    for spot in corners:
        board.mouse.click(*spot)
    board.tools.finish()
    for spot in [*corners, (14.0, 12.0)]:
        board.mouse.click(*spot)
    assert [polygons_of(shape) for _, shape in board.drawn] == [((tuple(corners),),)] * 3
    assert not board.tools.is_begun and len(board.viewer.layers[DRAWING].data) == 0


def test_a_corner_is_taken_back_and_esc_drops_first_the_polygon_then_the_tool(board: Board) -> None:
    board.tools.start("polygon")
    for spot in ((10, 10), (10, 210), (300, 300), (500, 10)):
        board.mouse.click(*spot)
    board.tools.step_back()
    board.tools.finish()
    assert polygons_of(board.drawn[0][1])[0][0] == ((10, 10), (10, 210), (300, 300))
    board.mouse.click(10, 10)
    board.mouse.click(10, 210)
    board.tools.finish()
    assert board.tools.is_begun and len(board.drawn) == 1, "two corners enclose nothing"
    board.tools.cancel()
    assert not board.tools.is_begun and board.tools.kind == "polygon"
    board.tools.cancel()
    assert board.tools.kind is None and DRAWING not in board.viewer.layers


def test_a_line_drawn_freely_closes_and_loses_only_what_cannot_be_seen(board: Board) -> None:
    board.tools.start("polygon")
    angle = np.linspace(0, 2 * np.pi, 150)
    way = [(500 + 300 * np.sin(a), 500 + 300 * np.cos(a)) for a in angle]
    board.mouse.drag(*way)
    ((_, shape),) = board.drawn
    circle = shapely.Point(500, 500).buffer(300, 64)
    # Half a px of the screen, which is 2 level-0 px wide here.
    assert shape.hausdorff_distance(circle) < 1.3
    assert 20 < len(polygons_of(shape)[0][0]) < 100
    # An eight: both of its eyes are enclosed.
    board.mouse.drag(*[(500 + 200 * np.sin(2 * a), 500 + 300 * np.cos(a)) for a in angle + 0.3])
    assert len(board.drawn[1][1].geoms) == 2 and board.drawn[1][1].is_valid


def test_the_brush_paints_a_disc_along_its_way_and_says_when_it_erases(board: Board) -> None:
    board.tools.start("brush")
    board.tools.set_radius(20.0)
    board.mouse.drag((100.0, 100.0), (100.0, 300.0))
    board.mouse.drag((100.0, 200.0), keys=("Alt",))
    (stroke, erases, begun), (dab, also, _) = board.strokes
    assert not erases and also and begun == (100.0, 100.0)
    # 20 um are 40 px: a stadium of 200 px and two half discs.
    assert stroke.area == pytest.approx(200 * 80 + np.pi * 40**2, rel=0.02)
    assert dab.area == pytest.approx(np.pi * 40**2, rel=0.03)
    ring = [(500 + 200 * np.sin(a), 500 + 200 * np.cos(a)) for a in np.linspace(0, 2 * np.pi, 80)]
    board.mouse.drag(*ring)
    ((outer, hole),) = polygons_of(board.strokes[2][0])
    assert area_l0([[outer]]) == pytest.approx(np.pi * 240**2, rel=0.02)
    assert area_l0([[hole]]) == pytest.approx(np.pi * 160**2, rel=0.02)
    board.tools.set_radius(1e9)
    assert board.tools.radius_um == 5000


def test_the_left_button_draws_and_does_not_move_the_slide(board: Board) -> None:
    picked: list[Any] = []
    pick = lambda viewer, event: picked.append(event)  # noqa: E731
    board.viewer.mouse_drag_callbacks.append(pick)
    before = list(board.viewer.mouse_drag_callbacks), list(board.viewer.mouse_double_click_callbacks)
    camera = board.viewer.scene.camera
    board.tools.start("polygon")
    board.mouse.double(10, 10)
    # Layers that come and go give the camera the left button back; not while something is drawn.
    board.layer.show_regions([region((SQUARE,))], MPP)
    board.viewer.layers.selection = {board.viewer.layers[REGIONS]}
    board.viewer.layers.selection.clear()
    assert not camera.mouse_pan and camera.mouse_zoom and board.viewer.cursor.style == "crosshair"
    zoom, centre = camera.zoom, camera.center
    board.mouse.drag((10, 10), (40, 60), keys=("Alt",))
    assert not picked and camera.zoom == zoom and camera.center == centre
    board.mouse.drag((10, 10), (30, 50), button=MIDDLE)
    np.testing.assert_allclose(np.subtract(centre, camera.center)[-2:], (20 * MPP, 40 * MPP))
    board.tools.stop()
    assert camera.mouse_pan and board.viewer.cursor.style == "standard"
    assert (board.viewer.mouse_drag_callbacks, board.viewer.mouse_double_click_callbacks) == before


def test_space_held_moves_the_slide(board: Board) -> None:
    board.tools.start("polygon")
    board.mouse.click(10, 10)
    (hold,) = [act for key, act in board.viewer.keymap.items() if str(key) == "Space"]
    held = hold(board.viewer)
    next(held)
    assert board.viewer.scene.camera.mouse_pan
    board.mouse.drag((50, 50), (90, 90))
    with pytest.raises(StopIteration):
        next(held)
    assert not board.viewer.scene.camera.mouse_pan
    for spot in ((10, 210), (110, 210)):
        board.mouse.click(*spot)
    board.tools.finish()
    assert polygons_of(board.drawn[0][1])[0][0] == ((10, 10), (10, 210), (110, 210))


@pytest.mark.parametrize("name", [REGIONS, DRAWING])
@pytest.mark.parametrize("key", KEYS)
def test_napari_keys_change_no_region(board: Board, name: str, key: str) -> None:
    board.layer.show_regions([region((SQUARE, HOLE)), region((OTHER,))], MPP)
    board.layer.show_drawing([np.array(OTHER)])
    layer = board.viewer.layers[name]
    layer.selected_data = {0, 1}
    before = [np.array(shape) for shape in layer.data]
    acts = {str(binding): act for binding, act in {**type(layer).class_keymap, **layer.keymap}.items()}
    act = acts.get(key.replace("-", "+"))
    if act is not None:
        act(layer)
    assert str(layer.mode) == "pan_zoom" and len(board.viewer.layers) == 2
    for shape, same in zip(layer.data, before, strict=True):
        np.testing.assert_array_equal(shape, same)
