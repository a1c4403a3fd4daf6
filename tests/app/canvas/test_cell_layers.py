"""Cells found by place, their outlines in a picture and in a layer, and types under a class map: no window needed."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from desktop_app.canvas.layer_names import OUTLINES
from desktop_app.canvas.outline_layer import OutlineLayer
from desktop_app.canvas.outline_raster import Rings, draw_rings
from desktop_app.canvas.slide_layers import CELL_COLOURS
from desktop_app.project.cells.spatial_index import CellIndex
from desktop_app.project.cells.text import counts_text, options_text
from desktop_app.project.cells.type_map import changed_map, map_of, mapped_counts, type_rows
from desktop_app.project.cells.visible_cells import VisibleCells
from sae_backend.cells.class_map import ClassMap
from sae_backend.cells.import_options import ReadOptions
from sae_backend.cells.table import CellTable, Outlines
from sae_backend.errors import UserInputError

SQUARE = np.array([[-10, -10], [-10, 10], [10, 10], [10, -10]], np.float32)


@pytest.mark.parametrize("n", [0, 1, 5000])
def test_places_are_those_that_looking_at_all_finds(n: int) -> None:
    rng = np.random.default_rng(n)
    y, x = rng.uniform(-50, 3000, (2, n))
    places = CellIndex(y, x)
    for y0, x0, y1, x1 in (
        (0, 0, 500, 700),
        (-100, -100, 5000, 5000),
        (2990, 10, 2995, 20),
        (9e3, 0, 1e4, 9),
    ):
        slow = np.flatnonzero((y >= y0) & (y <= y1) & (x >= x0) & (x <= x1))
        np.testing.assert_array_equal(places.within(y0, x0, y1, x1), slow)
    away = np.hypot(y - 1000, x - 900)
    near = places.near(1000, 900, 120)
    np.testing.assert_array_equal(near, np.argsort(away, kind="stable")[: int((away <= 120).sum())])


def shown(n: int = 12, mpp: float = 0.5) -> VisibleCells:
    """Squares of 20 px on a line, 40 px apart; the last cell was added by hand and has no outline."""
    y, x = np.full(n + 1, 100.0), 100.0 + 40 * np.arange(n + 1)
    kinds = (np.arange(n + 1) % 2).astype(np.uint16)
    yx = (np.stack([y, x], axis=1)[:n, None] + SQUARE).reshape(-1, 2).astype(np.float32)
    details = CellTable(
        y[:n], x[:n], kinds[:n], ("a", "b"), {"area_um2": np.full(n, 100, np.float32)}, Outlines(4 * np.arange(n + 1), yx)
    )  # fmt: skip
    return VisibleCells(1, n, CellTable(y, x, kinds, ("a", "b")), np.arange(n + 1), mpp, details)


def test_a_point_belongs_to_the_outline_that_holds_it() -> None:
    cells = shown()
    assert cells.width_um == 10
    assert [cells.at(*place) for place in ((100, 100), (109, 149), (100, 120), (111, 100))] == [0, 1, -1, -1]
    # Without an outline it is the distance that counts.
    assert cells.at(105, 100 + 40 * 12) == 12 and cells.at(118, 100 + 40 * 12) == -1
    assert cells.measures_of(3) == {"area_um2": 100} and cells.measures_of(12) == {}
    assert cells.type_of(3) == "b" and cells.place_of(5) == 5 and cells.place_of(40) == -1


def test_rings_are_closed_lines_of_their_colour_cut_at_the_edge() -> None:
    picture = np.zeros((60, 80, 4), np.uint8)
    ring = np.array([[10, 10], [10, 30], [40, 30], [40, 10]], np.float64)
    beside = ring + np.array([0, 60])
    colours = np.array([[255, 0, 0], [0, 0, 255]], np.uint8)
    draw_rings(picture, Rings(np.array([0, 4, 8]), np.concatenate([ring, beside]), colours), 1)
    red = (picture == (255, 0, 0, 255)).all(axis=2)
    wanted = np.zeros((60, 80), bool)
    wanted[10:41, [10, 30]] = wanted[[10, 40], 10:31] = True
    np.testing.assert_array_equal(red, wanted)
    assert (picture == (0, 0, 255, 255)).all(axis=2).any() and not picture[20, 20].any()
    # A dark edge beside the line.
    assert picture[9, 20, 3] and picture[9, 20, 0] < 50 and not picture[7, 20].any()
    draw_rings(picture, Rings(np.zeros(1, np.int64), np.empty((0, 2)), np.empty((0, 3), np.uint8)))


def test_outlines_are_drawn_from_near_where_the_cells_are() -> None:
    viewer = ViewerModel()
    layer = OutlineLayer(viewer)
    cells = shown()
    layer.show_cells(cells)
    assert layer.follow_field((0, 0, 200, 300), 0.25)
    image = viewer.layers[OUTLINES]
    assert layer.n_drawn == 13 and image.mouse_pan and str(image.mode) == "pan_zoom"

    for place in range(12):
        wanted = tuple(int(CELL_COLOURS[place % 2][i : i + 2], 16) for i in (1, 3, 5))
        row, col = image.world_to_data(((90 - 0.5) * 0.5, (100 + 40 * place - 0.5) * 0.5))
        around = image.data[round(float(row)) - 1 : round(float(row)) + 2, round(float(col)), :3]
        assert (around == wanted).all(axis=1).sum() == 2
    # A pan within the margin paints nothing anew, a zoom does.
    before = image.data
    assert layer.follow_field((5, 5, 205, 305), 0.25) and image.data is before
    assert layer.follow_field((5, 5, 105, 155), 0.1) and image.data is not before
    layer.hide_types(frozenset({"b"}))
    layer.follow_field((0, 0, 200, 300), 0.25)
    assert layer.n_drawn == 7
    assert not layer.follow_field((0, 0, 2000, 3000), 2.0) and not viewer.layers[OUTLINES].visible
    # A mark is seen from far too, but stands in for no points.
    layer.mark({3: "#ffffff", 77: "#ffffff"})
    assert not layer.follow_field((0, 0, 2000, 3000), 2.0) and viewer.layers[OUTLINES].visible
    layer.set_wanted(False)
    assert not layer.follow_field((0, 0, 200, 300), 0.25) and not viewer.layers[OUTLINES].visible
    layer.show_cells(None)
    assert not layer.follow_field((0, 0, 200, 300), 0.25)


def test_very_many_cells_are_dots_where_they_are_in_view() -> None:
    viewer = ViewerModel()
    layer = OutlineLayer(viewer)
    rng = np.random.default_rng(0)
    y, x = rng.uniform(0, 4000, (2, 60_000))
    table = CellTable(y, x, np.zeros(60_000, np.uint16), ("a",))
    layer.show_cells(VisibleCells(1, 60_000, table, np.arange(60_000), 1.0))
    assert layer.follow_field((1000, 1000, 1400, 1600), 1.0)
    inside = (y >= 900.5) & (y <= 1500.5) & (x >= 850.5) & (x <= 1750.5)
    assert layer.n_drawn == int(inside.sum()) and viewer.layers[OUTLINES].data[..., 3].any()
    assert layer.follow_field((0, 0, 4000, 4000), 2.0) and layer.n_drawn == 30_000
    # From farther the density says more.
    assert not layer.follow_field((0, 0, 400, 600), 2.5)


def test_the_class_map_is_changed_by_rows_and_by_words() -> None:
    counts = {"A": 5, "B": 7, "C": 1}
    known = ClassMap({"A": "X", "Z": "Y"}, frozenset({"C"}))
    rows = type_rows(counts, known)
    assert [(row.name, row.counts_as, row.used) for row in rows] == [
        ("B", "B", True), ("A", "X", True), ("C", "C", False)
    ]  # fmt: skip
    assert mapped_counts(rows) == {"B": 7, "X": 5}
    assert map_of(rows, known) == known
    assert changed_map(known, ["B=X", "C=C"]) == ClassMap({"A": "X", "B": "X", "Z": "Y"})
    assert changed_map(known, ["A=A"], ["Z"]) == ClassMap({}, frozenset({"C", "Z"}))
    with pytest.raises(UserInputError):
        changed_map(known, ["A=B"], ["A"])


def test_words_for_counts_and_options() -> None:
    assert counts_text({"b": 2, "a": 1000}) == "a 1,000, b 2"
    assert counts_text({f"t{i:02}": 1 for i in range(33)}).endswith("t29 1 and 3 more types")
    assert options_text(ReadOptions(scale=0.5, offset_l0=(-3, 4.5))) == "--scale 0.5 --offset=-3,4.5"
    assert options_text(ReadOptions(mag=20, base_mag=40)) == "--mag 20 --base-mag 40"
