"""Charts, near features, the plane of features and the examples, on planted values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from desktop_app.project.features.example_pictures import Picture
from desktop_app.widgets.charts.charts import Bar, BarsChart, HistogramChart
from desktop_app.widgets.features.examples import ExamplesPanel
from desktop_app.widgets.features.feature_map import FeatureMapPanel, FeaturePlane
from desktop_app.widgets.features.feature_page import FeaturePage, Near
from desktop_app.widgets.features.tile_features import TileFeatureRow, TileFeaturesPanel
from sae_backend.activations.histogram import activation_histogram
from tests.app.fixtures.pointer import move_over
from tests.waiting import WAIT_MS

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def test_the_histogram_has_log_heights(qtbot: QtBot) -> None:
    chart = HistogramChart()
    qtbot.addWidget(chart)
    chart.resize(340, 160)
    values = np.concatenate([np.full(1000, 0.5), np.full(10, 3.5), [2.5]])
    chart.show_histogram(activation_histogram(values, 500, bins=4))
    heights = [chart.bar_rect(i).height() for i in range(4)]
    assert heights[1] == 0 and heights[2] > 0, "one tile is seen, none is not"
    # log10: 1000 is three decades above 1, ten is one.
    assert heights[0] - heights[3] == pytest.approx(2 * (heights[3] - heights[2]), rel=1e-6)
    assert "1011 firing values up to 3.5" in chart.accessibleName()
    chart.show_histogram(activation_histogram(np.zeros(0), 500))
    assert not chart.grab().isNull()


def test_bars_and_intervals_lie_on_one_axis(qtbot: QtBot) -> None:
    chart = BarsChart()
    qtbot.addWidget(chart)
    chart.resize(320, 100)
    chart.show_bars(
        [
            Bar("a", 0.5, 0.25, 0.75, "+0.50"),
            Bar("b", None, words="not defined"),
            Bar("c", -0.5, words="-0.50"),
        ],
        (-1, 1),
    )
    xs = [chart.x_of(value) for value in (-0.5, 0.0, 0.25, 0.5, 0.75)]
    assert xs[3] - xs[1] == pytest.approx(xs[1] - xs[0]) and xs[2] < xs[3] < xs[4]
    assert xs[0] > 0 and xs[4] < 320
    assert chart.accessibleName() == "a +0.50; b not defined; c -0.50"
    chart.show_bars([Bar("x", 2.0, words="2"), Bar("y", 4.0, words="4")])
    assert chart.x_of(4.0) == pytest.approx(320 - chart._words_px())


def test_a_near_feature_is_asked_for(qtbot: QtBot) -> None:
    page = FeaturePage()
    qtbot.addWidget(page)
    page.show_feature("Feature 3", "facts", activation_histogram(np.ones(3), 7))
    page.show_near([Near(9, "glands", "+0.91")], [Near(4, "", "r +0.50")], "how")
    assert page.directions.item(0).text() == "+0.91   9  glands"
    with qtbot.waitSignal(page.feature_requested, timeout=WAIT_MS) as asked:
        page.together.itemClicked.emit(page.together.item(0))
    assert asked.args == [4]
    page.show_cells([], "Not computed yet")
    assert page.cells.isHidden() and page.cells_note.text() == "Not computed yet"


@pytest.fixture
def plane(qtbot: QtBot) -> FeaturePlane:
    made = FeaturePlane()
    qtbot.addWidget(made)
    made.resize(400, 300)
    made.show_points(np.array([[0, 0], [1, 0], [1, 1], [np.nan, np.nan]], np.float32))
    made.show()
    return made


def place(plane: FeaturePlane, feature: int) -> QPoint:
    x, y = plane.places_px()[feature]
    return QPoint(round(x), round(y))


def test_a_click_on_the_plane_chooses_the_nearest_feature(plane: FeaturePlane, qtbot: QtBot) -> None:
    with qtbot.waitSignal(plane.feature_requested, timeout=WAIT_MS) as asked:
        QTest.mouseClick(plane, LEFT, NONE, place(plane, 1) + QPoint(3, 2))
    assert asked.args == [1]
    with qtbot.assertNotEmitted(plane.feature_requested):
        QTest.mouseClick(plane, LEFT, NONE, place(plane, 1) + QPoint(30, 30))


def test_a_line_around_points_lists_them(plane: FeaturePlane, qtbot: QtBot) -> None:
    near = place(plane, 1)
    corners = [near + QPoint(*step) for step in ((-20, -20), (20, -20), (20, 20), (-20, 20))]
    with qtbot.waitSignal(plane.lassoed, timeout=WAIT_MS) as drawn:
        QTest.mousePress(plane, LEFT, NONE, corners[0])
        for corner in corners[1:]:
            move_over(plane, corner)
            # The offscreen platform sends no buttons with its moves.
            plane._line.append(QPointF(corner))
        QTest.mouseRelease(plane, LEFT, NONE, corners[-1])
    assert drawn.args == [[1]]


def test_the_wheel_keeps_the_place_under_the_pointer(plane: FeaturePlane) -> None:
    from PySide6.QtGui import QWheelEvent

    before = plane.places_px()[2]
    at = QPointF(*before)
    event = QWheelEvent(
        at, plane.mapToGlobal(at), QPoint(0, 0), QPoint(0, 240), Qt.MouseButton.NoButton, NONE,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    plane.wheelEvent(event)
    after = plane.places_px()
    np.testing.assert_allclose(after[2], before, atol=1e-3)
    assert abs(after[0][0] - after[2][0]) > 1.4 * abs(before[0] - plane.width() / 2)


def test_points_take_the_colour_of_their_score(qtbot: QtBot) -> None:
    panel = FeatureMapPanel()
    qtbot.addWidget(panel)
    asked: list[str] = []
    panel.score_chosen.connect(asked.append)
    panel.show_map(np.array([[0, 0], [1, 0], [1, 1]], np.float32), "How.", ["r", "rate"])
    assert asked == ["r"] and "3 features. How." in panel.method.text()
    panel.show_scores(np.array([0.0, 2.0, np.nan]), ["a", "b", "c"], (0.0, 2.0))
    assert panel.plane._rgb[0].tolist() == [68, 1, 84] and panel.plane._rgb[1].tolist() == [253, 231, 37]
    assert panel.plane._rgb[2].tolist() == [110, 110, 110]
    assert "0 to bright 2" in panel.ends.text()
    panel.say("none", can_make=True)
    assert not panel.make.isHidden()


def picture(tile: int, value: float, similarity: float | None = None, slide_id: int = 1) -> Picture:
    rgb = np.full((112, 112, 3), tile, np.uint8)
    return Picture(slide_id, "a.svs", tile, value, similarity, rgb)


def shown(panel: ExamplesPanel) -> dict[str, list[str]]:
    return {
        level: [section.list.item(i).text() for i in range(section.list.count())]
        for level, section in panel.sections.items()
        if not section.isHidden()
    }


def test_examples_are_shown_by_level_with_slide_and_value(qtbot: QtBot) -> None:
    panel = ExamplesPanel()
    qtbot.addWidget(panel)
    levels: dict[str, Sequence[Picture]] = {
        "top": [picture(7, 3.5), picture(8, 2.25, slide_id=2)],
        "lower": [],
    }
    panel.show_levels("Feature 3 fires", levels)
    panel.show_look_alikes([picture(9, 0.0, 0.87)], "by vectors")
    assert shown(panel) == {"top": ["3.5", "2.25"], "look-alikes": ["like 0.87"]}
    assert "a.svs, tile 7, activation 3.5" in panel.top.item(0).toolTip()
    with qtbot.waitSignal(panel.tile_requested, timeout=WAIT_MS) as asked:
        panel.top.itemClicked.emit(panel.top.item(1))
    assert asked.args == [2, 8]
    with qtbot.waitSignal(panel.context_requested, timeout=WAIT_MS) as hovered:
        panel.top.itemEntered.emit(panel.top.item(0))
    assert hovered.args == [1, 7]
    panel.show_levels("Feature 3 fires", levels)
    assert "look-alikes" in shown(panel), "found first, they stay when the levels come"
    panel.forget_look_alikes()
    panel.show_levels("Feature 4 fires in 0", {"top": []})
    assert shown(panel) == {} and "fires in no tile" in panel.pages.sentence


def test_what_fires_is_sorted_by_any_column(qtbot: QtBot) -> None:
    panel = TileFeaturesPanel()
    qtbot.addWidget(panel)
    panel.show_tile(
        "Tile 3", [TileFeatureRow(12, "", 0.5, 99.6, 0.4), TileFeatureRow(7, "glands", 2.0, 50.0, -0.02)]
    )
    assert panel.rows() == [12, 7]
    panel.table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    assert panel.rows() == [7, 12]
    texts = [panel.sorted.index(0, column).data() for column in range(5)]
    assert texts == ["7", "2", "50", "-2.0%", "glands"]
    panel.show_tile("Tile 4", [TileFeatureRow(1, "", 1.0)])
    assert [panel.sorted.index(0, column).data() for column in (2, 3)] == ["–", "–"]
    panel.show_tile("Tile 5", [])
    assert "No feature fires" in panel.pages.sentence
