"""Matrix, table, sentences, charts and options of correlations, on planted values."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt, QUrl
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from desktop_app.project.correlation.choices import CorrelationOffer
from desktop_app.project.correlation.compare import compare
from desktop_app.project.correlation.options import CELLS, HIFS, CorrelateOptions
from desktop_app.project.correlation.pair import PairPoints, SlideR
from desktop_app.project.correlation.query import SMALL_P, Names, PairQuery
from desktop_app.widgets.charts.baseline_chart import BaselineChart
from desktop_app.widgets.charts.chart_axes import ticks
from desktop_app.widgets.charts.forest import Forest, ForestRow
from desktop_app.widgets.charts.hexagons import hexagons
from desktop_app.widgets.charts.scatter import MOST_POINTS, Scatter
from desktop_app.widgets.charts.volcano import Volcano
from desktop_app.widgets.correlation.charts import CorrelationCharts
from desktop_app.widgets.correlation.colours import colours, round_limit, shade_of
from desktop_app.widgets.correlation.correlations import CorrelationsPanel
from desktop_app.widgets.correlation.filter import MATRIX, TABLE
from desktop_app.widgets.correlation.matrix import FIRST_TYPE, NAME, CorrelationMatrix
from desktop_app.widgets.correlation.options import CorrelationDialog
from desktop_app.widgets.correlation.summary import CorrelationSummary
from desktop_app.widgets.correlation.table import DIFFERENCE, REASON, TYPE, CorrelationTable, P, R
from tests.app.widgets.correlation_frames import frame_of, without_p

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
NAMES = Names({3: "Glands"})


def test_the_matrix_sorts_by_a_type_and_tells_all_of_a_pair(qtbot: QtBot) -> None:
    view = CorrelationMatrix()
    qtbot.addWidget(view)
    view.show_frame(frame_of(), NAMES)
    model = view.matrix
    assert (model.rowCount(), model.columnCount()) == (4, FIRST_TYPE + 3)
    view._sort(FIRST_TYPE + 1)
    assert [model.feature_at(row) for row in range(4)] == [3, 1, 0, 2]
    top = model.index(0, FIRST_TYPE + 1)
    assert top.data() == "0.60" and model.index(0, NAME).data() == "Glands"
    assert "p (family) 0.001" in top.data(Qt.ItemDataRole.ToolTipRole)
    assert "constant cell type" in model.index(0, FIRST_TYPE + 2).data(Qt.ItemDataRole.ToolTipRole)
    assert top.data(Qt.ItemDataRole.FontRole).bold(), "above what chance reaches"
    asked: list[tuple[int, int]] = []
    view.pair_requested.connect(lambda *pair: asked.append(pair))
    view.setCurrentIndex(top)
    view.mark(0, 0)
    assert asked == [(3, 1)], "a mark asks for nothing"
    view.set_query(PairQuery("lymph", SMALL_P))
    assert (model.rowCount(), model.columnCount()) == (2, FIRST_TYPE + 1)


def test_titles_of_many_words_have_the_lines_that_they_need(qtbot: QtBot) -> None:
    heights = []
    for kind in ("stroma", "density of plasma cell (per mm2 tissue)"):
        view = CorrelationMatrix()
        qtbot.addWidget(view)
        view.show_frame(frame_of({"type_names": ["lymphocyte", "tumour", kind]}), NAMES)
        heights.append(view.horizontalHeader().height() // view.fontMetrics().height())
    assert heights == [2, 4]


def test_colours_are_symmetrical_about_zero() -> None:
    brushes, inks = colours(dark=False)
    assert shade_of(0.0, 0.7) == len(brushes) // 2
    assert shade_of(0.3, 0.7) + shade_of(-0.3, 0.7) == len(brushes) - 1
    assert shade_of(5, 0.7) == len(brushes) - 1 and shade_of(float("nan"), 1) == -1
    below, above = brushes[0].color(), brushes[-1].color()
    assert below.blue() > below.red() and above.red() > above.blue()
    assert inks[len(inks) // 2].lightness() < 128
    assert round_limit(0.61) == pytest.approx(0.7) and round_limit(float("nan")) == 1.0


def test_the_table_holds_pairs_with_a_value_or_a_reason(qtbot: QtBot) -> None:
    view = CorrelationTable()
    qtbot.addWidget(view)
    view.show_frame(frame_of(), NAMES)
    model = view.pairs
    assert model.rowCount() == 12 and model.pair_at(0) == (0, 0)
    assert model.index(0, R).data() == "0.700" and model.index(11, REASON).data() == "constant cell type"
    view.sortByColumn(P, Qt.SortOrder.AscendingOrder)
    assert model.pair_at(0) in {(0, 0), (3, 1)}
    view.sortByColumn(TYPE, Qt.SortOrder.AscendingOrder)
    assert [model.index(row, TYPE).data() for row in (0, 4, 8)] == ["lymphocyte", "plasma cell", "stroma"]
    view.set_query(PairQuery("glands plasma"))
    assert model.rowCount() == 1 and model.pair_at(0) == (3, 1)
    asked: list[tuple[int, int]] = []
    view.pair_requested.connect(lambda *pair: asked.append(pair))
    view.selectRow(0)
    assert asked == [(3, 1)]
    view.set_comparison(compare(frame_of(), frame_of(id=2, name="Run 2")))
    assert model.headerData(DIFFERENCE - 1, Qt.Orientation.Horizontal) == "r in Run 2"
    assert model.index(0, DIFFERENCE).data() == "0.00"


def test_sentences_lead_to_their_pairs(qtbot: QtBot) -> None:
    view = CorrelationSummary()
    qtbot.addWidget(view)
    view.show_frame(frame_of(), NAMES)
    assert "Choose a feature" in view.toPlainText()
    view.show_feature(3)
    text = view.toPlainText()
    assert "Feature 3: Glands" in text and "Follows plasma cell: r 0.60" in text
    assert text.index("Follows plasma cell") < text.index("Lymphocyte: r 0.30"), "the strongest first"
    asked: list[tuple[int, int]] = []
    view.pair_requested.connect(lambda *pair: asked.append(pair))
    view.anchorClicked.emit(QUrl("3/1"))
    assert asked == [(3, 1)]
    view.show_frame(without_p(), NAMES)
    assert "not significantly different from chance" in view.toPlainText()


def test_few_points_are_circles_and_many_hexagons(qtbot: QtBot) -> None:
    chart = Scatter()
    qtbot.addWidget(chart)
    chart.resize(360, 240)
    rng = np.random.default_rng(0)
    n = MOST_POINTS + 1
    x, y = rng.poisson(3, n).astype(float), rng.exponential(1, n)
    slide = np.arange(n) % 2
    points = PairPoints(x, y, np.arange(n), slide, ((7, "a"), (9, "b")))
    chart.show_points(points, ("cells", "activation"), 0.1)
    assert chart.is_hexagons and "hexagons" in chart.accessibleName()
    assert not chart.grab().isNull()
    found = chart._hexagons
    assert found is not None and int(found.counts.sum()) == n
    asked: list[tuple[int, int]] = []
    chart.tile_requested.connect(lambda *place: asked.append(place))
    index = int(np.argmax(y))
    QTest.mouseClick(chart, LEFT, NONE, chart.position_of(index).toPoint())
    assert asked == [(7 if slide[index] == 0 else 9, index)]
    chart.show_points(points.of(1), ("cells", "activation"))
    assert not chart.is_hexagons
    chart.mark_tile(9, 1)
    assert not chart.grab().isNull()


def test_hexagons_take_each_point_to_the_nearest_middle() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-200, 200, (2, 500))
    found = hexagons(x, y, 9.0)
    middles = np.stack([found.x, found.y])
    nearest = np.hypot(x[:, None] - middles[0], y[:, None] - middles[1]).min(axis=1)
    assert found.counts.sum() == 500 and nearest.max() <= 9.0 + 1e-9


def test_the_forest_has_a_line_a_slide_below_the_run(qtbot: QtBot) -> None:
    chart = Forest()
    qtbot.addWidget(chart)
    slides = [SlideR(5, "five", 100, 0.2, 0.0, 0.4), SlideR(6, "six", 100, 0.5, 0.3, 0.7, only_chose=True),
              SlideR(8, "eight", 2, float("nan"), float("nan"), float("nan"))]  # fmt: skip
    chart.show_rows([ForestRow("This run", 200, 0.4, 0.3, 0.5)], slides, 0.1)
    chart.resize(400, chart.sizeHint().height())
    assert [row.label for row in chart.rows] == ["This run", "six", "five", "eight"]
    assert chart.x_of(0.3) < chart.x_of(0.4) < chart.x_of(0.5)
    asked: list[int] = []
    chart.slide_requested.connect(asked.append)
    for row in (0, 2):
        middle = chart.area().top() + (row + 0.5) * chart._row_px()
        QTest.mouseClick(chart, LEFT, NONE, QPoint(30, int(middle)))
    assert asked == [5], "the run is no slide"
    assert not chart.grab().isNull()


def test_a_click_among_all_pairs_chooses_one(qtbot: QtBot) -> None:
    chart = Volcano()
    qtbot.addWidget(chart)
    chart.resize(400, 260)
    chart.show_frame(frame_of(), by_q=False)
    chart.mark(3, 1)
    assert not chart.grab().isNull()
    asked: list[tuple[int, int]] = []
    chart.pair_requested.connect(lambda *pair: asked.append(pair))
    at = chart.position_of(1, 0)
    assert at is not None and chart.position_of(0, 2) is None
    QTest.mouseClick(chart, LEFT, NONE, at.toPoint())
    assert asked == [(1, 0)]
    chart.show_frame(without_p())
    assert "too few" in chart.sentence


def test_baselines_stand_beside_each_other(qtbot: QtBot) -> None:
    chart = BaselineChart()
    qtbot.addWidget(chart)
    chart.resize(420, 200)
    chart.show_type(frame_of(), 1)
    assert "SAE feature 3: r 0.70 (0.60 to 0.80); raw dimension 3: r 0.40" in chart.accessibleName()
    assert not chart.grab().isNull()
    chart.show_type(frame_of({"baselines": []}), 1)
    assert "no baselines" in chart.sentence


def test_ticks_are_round() -> None:
    assert ticks(0, 1, 5) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(-0.33, 0.41, 3) == [-0.25, 0.0, 0.25]
    assert ticks(1, 1, 5) == [] and ticks(0, float("nan"), 5) == []


def test_the_panel_follows_one_pair_in_all_views(qtbot: QtBot) -> None:
    panel = CorrelationsPanel()
    qtbot.addWidget(panel)
    panel.resize(900, 340)
    panel.show()
    panel.show_frame(frame_of(), NAMES)
    asked: list[tuple[int, str]] = []
    panel.pair_requested.connect(lambda *pair: asked.append(pair))
    panel.filter.views.setCurrentIndex(MATRIX)
    assert panel.filter.count.text() == "4 features"
    panel.matrix.setCurrentIndex(panel.matrix.matrix.index(1, 0))
    assert asked == [(3, "plasma cell")], "a number means the strongest type"
    panel.mark_pair(3, 1)
    assert panel.table.pairs.pair_at(panel.table.currentIndex().row()) == (3, 1)
    assert "Feature 3 and plasma cell: Pearson r 0.600" in panel.details.text()
    panel.filter.views.setCurrentIndex(TABLE)
    panel.filter.words.setText("glands")
    assert panel.filter.count.text() == "3 pairs"
    panel.rename_feature(0, "Glandular")
    panel.filter.words.setText("glandular")
    assert panel.table.pairs.rowCount() == 3
    for chart in range(4):
        panel.charts.tabs.setCurrentIndex(chart)
        shown = panel.charts.stack.currentWidget()
        assert shown is not None and shown.geometry().right() <= panel.width()


def test_a_run_of_other_targets_has_nothing_to_compare(qtbot: QtBot) -> None:
    panel = CorrelationsPanel()
    qtbot.addWidget(panel)
    frame = frame_of()
    panel.show_frame(frame, NAMES)
    panel.filter.views.setCurrentIndex(TABLE)
    panel.show_comparison(compare(frame, frame_of(name="Same")))
    assert panel.filter.count.text().endswith("pairs, 0 of 8 changed")
    panel.show_comparison(compare(frame, frame_of({"type_names": ["a", "b", "c"]}, name="Measures")))
    assert panel.filter.count.text().endswith("pairs, none of them in Measures")


def test_only_slides_with_tiles_are_offered_above_the_chart(qtbot: QtBot) -> None:
    charts = CorrelationCharts()
    qtbot.addWidget(charts)
    places = np.array([0, 0, 2, 2])
    slides = ((4, "reports"), (5, "only chose"), (6, "reports too"))
    points = PairPoints(np.arange(4.0), np.arange(4.0), np.arange(4), places, slides)
    charts.show_points(points, ("cells", "activation"), 0.2)
    words = [charts.slide.itemText(place) for place in range(charts.slide.count())]
    assert words == ["all 2 slides", "reports", "reports too"]
    charts.slide.setCurrentIndex(2)
    charts.slide.activated.emit(2)
    assert charts.scatter.points.tile.tolist() == [2, 3]


def test_the_options_offer_what_there_is_and_refuse_what_makes_no_sense(qtbot: QtBot) -> None:
    offer = CorrelationOffer(
        24, 0, ("cellularity", "other types", "site"), (CELLS, HIFS), "Split 1: 12 choose"
    )
    dialog = CorrelationDialog(offer)
    qtbot.addWidget(dialog)
    assert dialog.options() == CorrelateOptions()
    assert dialog.unit.findData("patient") < 0, "no patient is known"
    dialog.covariates["cellularity"].setChecked(True)
    dialog.covariates["site"].setChecked(True)
    dialog.targets[HIFS].setChecked(True)
    dialog.hold_out.setChecked(True)
    dialog.new_split.setChecked(True)
    assert not dialog.warning.isHidden()
    made = dialog.options()
    assert made.covariates == ("cellularity", "site") and made.targets == (CELLS, HIFS)
    assert made.new_split_seed == 1 and "partial" in made.spec()["statistics"]
    dialog.hold_out.setChecked(False)
    assert dialog.warning.isHidden() and dialog.options().new_split_seed is None
    dialog.covariates["other types"].setChecked(True)
    assert not dialog.accept_button.isEnabled() and "cannot both" in dialog.refusal.text()
