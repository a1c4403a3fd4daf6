"""The charts of the chosen pair and of all pairs, one at a time."""

from __future__ import annotations

from typing import Final

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop_app.project.correlation.frame import CorrelationFrame
from desktop_app.project.correlation.pair import PairPoints
from desktop_app.widgets.charts.baseline_chart import BaselineChart
from desktop_app.widgets.charts.forest import Forest
from desktop_app.widgets.charts.scatter import Scatter
from desktop_app.widgets.charts.volcano import Volcano
from desktop_app.widgets.correlation.filter import small_tabs

TITLES: Final = ("Tiles", "Slides", "All pairs", "Baselines")
TILES, SLIDES, ALL_PAIRS, BASELINES = range(4)
_EVERY: Final = -1


class CorrelationCharts(QWidget):
    """Scatter, forest, volcano and baselines."""

    tile_requested = Signal(int, int)
    slide_requested = Signal(int)
    pair_requested = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tabs = small_tabs(TITLES, "Chart")
        self.slide = QComboBox()
        self.slide.setAccessibleName("Slides in the chart")
        self.slide.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.slide.setMinimumContentsLength(8)
        self.slide.activated.connect(lambda _: self._draw_points())
        self.measure = QComboBox()
        self.measure.setAccessibleName("Vertical axis")
        for words, by_q in (("q", True), ("p (family)", False)):
            self.measure.addItem(words, by_q)
        self.measure.activated.connect(lambda _: self._draw_pairs())
        self.scatter, self.forest, self.volcano = Scatter(), Forest(), Volcano()
        self.baselines = BaselineChart()
        self.scatter.tile_requested.connect(self.tile_requested)
        self.forest.slide_requested.connect(self.slide_requested)
        self.volcano.pair_requested.connect(self.pair_requested)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self.forest)
        self.stack = QStackedWidget()
        for chart in (self.scatter, scroll, self.volcano, self.baselines):
            self.stack.addWidget(chart)
        self.tabs.currentChanged.connect(self._show_chart)
        row = QHBoxLayout()
        row.addWidget(self.tabs)
        row.addStretch(1)
        row.addWidget(self.slide)
        row.addWidget(self.measure)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(row)
        column.addWidget(self.stack, 1)
        self._frame: CorrelationFrame | None = None
        self._points, self._labels = PairPoints.none(), ("", "")
        self._band = float("nan")
        self._show_chart(TILES)

    def show_frame(self, frame: CorrelationFrame | None) -> None:
        """Show a run: all its pairs, and none chosen."""
        self._frame = frame
        self._draw_pairs()
        self.baselines.show_type(None, -1)
        self.say_pair("Choose a pair in the sentences, the matrix or the table.")

    def mark(self, feature: int, column: int) -> None:
        """Follow the chosen pair where no tiles are needed."""
        self.volcano.mark(feature, column)
        self.baselines.show_type(self._frame, column)

    def say_pair(self, sentence: str) -> None:
        """Show a sentence in place of the charts of the pair."""
        self._points = PairPoints.none()
        self.slide.hide()
        self.scatter.points = self._points
        self.scatter.say(sentence)
        self.forest.say(sentence)

    def show_points(self, points: PairPoints, labels: tuple[str, str], band: float) -> None:
        """Show the tiles of a pair."""
        chosen = self.slide.currentData()
        self._points, self._labels, self._band = points, labels, band
        self.slide.clear()
        # Slides that only chose the features have no points.
        places = np.unique(points.slide).tolist()
        self.slide.addItem(f"all {len(places)} slides", _EVERY)
        for place in places:
            self.slide.addItem(points.slides[place][1], place)
        found = self.slide.findData(chosen)
        self.slide.setCurrentIndex(max(found, 0))
        self.slide.setVisible(self.tabs.currentIndex() == TILES and len(places) > 1)
        self._draw_points()

    def _draw_points(self) -> None:
        place = self.slide.currentData()
        one = place is not None and place != _EVERY
        points = self._points.of(int(place)) if one else self._points
        self.scatter.show_points(points, self._labels, self._band)

    def _draw_pairs(self) -> None:
        self.volcano.show_frame(self._frame, by_q=bool(self.measure.currentData()))

    def _show_chart(self, index: int) -> None:
        self.stack.setCurrentIndex(index)
        self.slide.setVisible(index == TILES and np.unique(self._points.slide).size > 1)
        self.measure.setVisible(index == ALL_PAIRS)
