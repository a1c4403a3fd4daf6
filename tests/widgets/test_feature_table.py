from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from desktop_app.widgets.feature_model import BEST, MAX, NAME, RATE, FeatureTable
from desktop_app.widgets.features import FeaturesPanel


@pytest.fixture
def panel(qtbot: QtBot) -> FeaturesPanel:
    made = FeaturesPanel()
    qtbot.addWidget(made)
    made.show_features(
        FeatureTable(
            firing_rate=np.array([0.0, 0.5, 0.01, 0.2]),
            max_value=np.array([0.0, 1.0, 9.0, 3.0]),
            best_r=np.array([np.nan, 0.1, -0.7, np.nan]),
            best_type=("", "immune", "tumour", ""),
            names={3: "Glands", 1: "lymph"},
            words={3: "Glands round lumina"},
            statuses={3: "reviewed"},
        )
    )
    return made


def shown(panel: FeaturesPanel) -> list[int]:
    rows = range(panel.filter.rowCount())
    return [int(panel.filter.index(row, 0).data()) for row in rows]


@pytest.mark.parametrize(
    ("column", "order", "expected"),
    [
        (RATE, Qt.SortOrder.DescendingOrder, [1, 3, 2, 0]),
        (MAX, Qt.SortOrder.AscendingOrder, [0, 1, 3, 2]),
        (NAME, Qt.SortOrder.AscendingOrder, [3, 1, 0, 2]),
        (BEST, Qt.SortOrder.DescendingOrder, [2, 1, 0, 3]),
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


def test_selection_follows_its_feature_through_a_sort(panel: FeaturesPanel, qtbot: QtBot) -> None:
    asked: list[int] = []
    panel.feature_requested.connect(asked.append)
    panel.select(3)
    assert asked == [] and panel.selected() == 3
    panel.view.sortByColumn(MAX, Qt.SortOrder.DescendingOrder)
    assert panel.selected() == 3
    panel.step(1)
    assert asked == [1]
    panel.show_words(1, "Plasma cells", "Plasma cells", "draft")
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
