from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from desktop_app.widgets.features.feature_model import (
    BEST,
    CONFIDENCE,
    HEADERS,
    MARK,
    MAX,
    MEAN,
    NAME,
    RATE,
    SHARE,
    FeatureNote,
    FeatureTable,
)
from desktop_app.widgets.features.features import FeaturesPanel


@pytest.fixture
def panel(qtbot: QtBot) -> FeaturesPanel:
    made = FeaturesPanel()
    qtbot.addWidget(made)
    made.show_features(
        FeatureTable(
            firing_rate=np.array([0.0, 0.5, 0.01, 0.2]),
            max_value=np.array([0.0, 1.0, 9.0, 3.0]),
            mean_when_firing=np.array([np.nan, 0.5, 4.0, 1.5]),
            best_r=np.array([np.nan, 0.1, -0.7, np.nan]),
            best_low=np.array([np.nan, -0.2, np.nan, np.nan]),
            best_high=np.array([np.nan, 0.3, np.nan, np.nan]),
            best_type=("", "immune", "tumour", ""),
            best_p=np.array([np.nan, 0.984, 0.001, np.nan]),
            notes={
                3: FeatureNote(
                    "sae",
                    3,
                    "Glands",
                    "round lumina",
                    ("round",),
                    4,
                    "reviewed",
                    concept="cell: x",
                    nature="technical",
                ),
                1: FeatureNote("sae", 1, "lymph", polysemantic=True),
            },
            bookmarks={2},
            scores={"Stability": np.array([0.5, np.nan, 0.1, 0.9])},
        )
    )
    return made


def shown(panel: FeaturesPanel) -> list[int]:
    rows = range(panel.model.rowCount())
    return [int(panel.model.index(row, 0).data()) for row in rows]


@pytest.mark.parametrize(
    ("column", "order", "expected"),
    [
        (RATE, Qt.SortOrder.DescendingOrder, [1, 3, 2, 0]),
        (MAX, Qt.SortOrder.AscendingOrder, [0, 1, 3, 2]),
        (NAME, Qt.SortOrder.AscendingOrder, [3, 1, 0, 2]),
        (BEST, Qt.SortOrder.DescendingOrder, [2, 1, 0, 3]),
        (MEAN, Qt.SortOrder.DescendingOrder, [2, 3, 1, 0]),
        (MARK, Qt.SortOrder.DescendingOrder, [2, 0, 1, 3]),
        (CONFIDENCE, Qt.SortOrder.DescendingOrder, [3, 0, 1, 2]),
        (len(HEADERS), Qt.SortOrder.DescendingOrder, [3, 0, 2, 1]),
    ],
)
def test_sorting(panel: FeaturesPanel, column: int, order: Qt.SortOrder, expected: list[int]) -> None:
    panel.firing.setChecked(False)
    panel.view.sortByColumn(column, order)
    assert shown(panel) == expected


def test_filters(panel: FeaturesPanel) -> None:
    assert shown(panel) == [1, 3, 2, 0]
    panel.firing.setChecked(True)
    assert shown(panel) == [1, 3, 2]
    panel.search.setText("LUMINA")
    assert shown(panel) == [3]
    panel.search.setText("tumour")
    assert shown(panel) == [2]
    panel.search.setText("2")
    assert shown(panel) == [2]
    panel.search.setText("")
    panel.status.setCurrentText("Reviewed")
    assert shown(panel) == [3]
    panel.status.setCurrentText("Not named")
    assert shown(panel) == [2]
    assert panel.count.text() == "1 of 4"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Never fires here", [0]),
        ("Technical", [3]),
        ("Biological", []),
        ("Polysemantic", [1]),
        ("Bookmarked", [2]),
        ("Unseen", [1, 2, 0]),
    ],
)
def test_each_kind_has_its_features(panel: FeaturesPanel, kind: str, expected: list[int]) -> None:
    panel.status.setCurrentText(kind)
    assert shown(panel) == expected


def test_words_are_searched_together_and_lists_are_filters(panel: FeaturesPanel) -> None:
    panel.search.setText("lumina glands")
    assert shown(panel) == [3]
    panel.search.setText("lumina tumour")
    assert shown(panel) == []
    panel.search.setText("")
    panel.show_lists({"mine": frozenset({0, 2, 99})})
    panel.status.setCurrentIndex(panel.status.findText("List: mine (3)"))
    assert shown(panel) == [2, 0]
    texts = [action.text() for action in panel.row_menu(2).actions()]
    assert "Remove from “mine”" in texts and "Remove the bookmark" in texts
    panel.show_lists({"mine": frozenset({0})})
    assert shown(panel) == [0], "the list that is shown is filled anew"
    panel.show_only("near feature 1", frozenset({1, 3}))
    assert shown(panel) == [1, 3] and panel.count.text() == "near feature 1: 2 of 4"


def test_a_row_says_interval_share_and_score(panel: FeaturesPanel) -> None:
    row = panel.model.row_of(1)
    texts = {column: panel.model.index(row, column).data() for column in range(panel.model.columnCount())}
    assert texts[BEST] == "0.10 immune, p 0.98 (−0.20 to 0.30)"
    assert texts[SHARE] == "70.4 %", "0.5 of an L0 of 0.71"
    assert texts[len(HEADERS)] == "–" and texts[MARK] == ""


def test_words_that_nothing_matches_leave_a_sentence_and_not_a_bare_table(panel: FeaturesPanel) -> None:
    panel.search.setText("no such thing")
    assert panel.model.rowCount() == 0 and panel.pages.sentence.startswith("No feature matches")
    panel.search.setText("")
    assert panel.model.rowCount() == 4 and panel.pages.sentence == ""
    panel.say("Not analysed yet.")
    panel.search.setText("x")
    panel.search.setText("")
    assert panel.pages.sentence == "Not analysed yet."


def test_thirty_thousand_rows_sort_and_filter(qtbot: QtBot) -> None:
    made = FeaturesPanel()
    qtbot.addWidget(made)
    n = 30_000
    rate = np.random.default_rng(0).random(n)
    none = np.full(n, np.nan)
    made.show_features(FeatureTable(rate, rate, rate, none, none, none, ("",) * n))
    assert made.model.features() == list(np.argsort(-rate, kind="stable"))
    made.select(17)
    made.search.setText("2999")
    assert sorted(made.model.features()) == [2999, *range(29990, 30000)]
    assert made.selected() is None and made.count.text() == "11 of 30,000"


def test_selection_follows_its_feature_through_a_sort(panel: FeaturesPanel, qtbot: QtBot) -> None:
    asked: list[int] = []
    panel.feature_requested.connect(asked.append)
    panel.select(3)
    assert asked == [] and panel.selected() == 3
    panel.view.sortByColumn(MAX, Qt.SortOrder.DescendingOrder)
    assert panel.selected() == 3
    panel.step(1)
    assert asked == [1]
    panel.show_note(1, FeatureNote("sae", 1, "Plasma cells", status="draft"))
    assert panel.model.index(panel.model.row_of(1), NAME).data() == "Plasma cells"


def test_a_feature_that_the_filter_hides_leaves_no_row_marked(panel: FeaturesPanel) -> None:
    panel.select(3)
    panel.search.setText("glands")
    panel.select(1)
    assert panel.selected() is None
    asked: list[int] = []
    panel.feature_requested.connect(asked.append)
    panel.view.selectRow(0)
    assert asked == [3]
