"""Which view of the correlations, by which statistic, and which pairs of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit, QTabBar, QWidget

from desktop_app.project.correlation.frame import STATISTIC_WORDS
from desktop_app.project.correlation.query import ABOVE_BAND, EVERYTHING, SMALL_P, SMALL_Q, PairQuery
from desktop_app.widgets.correlation.colours import ColourBar

SUMMARY, MATRIX, TABLE = range(3)
VIEWS: Final = ("Summary", "Matrix", "Table")


class CorrelationFilter(QWidget):
    """Asks for a view, a statistic and pairs."""

    view_chosen = Signal(int)
    statistic_chosen = Signal(str)
    query_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.views = small_tabs(VIEWS, "View of the correlations")
        self.views.currentChanged.connect(self._show_view)
        self.statistic = QComboBox()
        self.statistic.setAccessibleName("Statistic")
        self.statistic.activated.connect(
            lambda _: self.statistic_chosen.emit(str(self.statistic.currentData()))
        )
        self.words = QLineEdit()
        self.words.setPlaceholderText("feature number, name or cell type")
        self.words.setAccessibleName("Filter the pairs")
        self.words.setClearButtonEnabled(True)
        self.words.setToolTip("A number finds a feature; a word finds a cell type, or else a feature name")
        self.words.setMinimumWidth(110)
        self.words.setMaximumWidth(260)
        self.words.textChanged.connect(lambda _: self.query_changed.emit())
        self.only = QComboBox()
        self.only.setAccessibleName("Significance")
        for words, kind in (
            ("all pairs", EVERYTHING),
            ("q < 0.05", SMALL_Q),
            ("p (family) < 0.05", SMALL_P),
            ("above chance", ABOVE_BAND),
        ):
            self.only.addItem(words, kind)
        self.only.setToolTip(
            "Above chance: |r| larger than what the best of all features reaches by chance in 95 % of permutations"
        )
        self.only.currentIndexChanged.connect(lambda _: self.query_changed.emit())
        self.count = QLabel("")
        self.bar = ColourBar()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.views)
        row.addWidget(self.statistic)
        row.addWidget(self.words, 1)
        row.addWidget(self.only)
        row.addWidget(self.count)
        row.addStretch(1)
        row.addWidget(self.bar)
        self._show_view(SUMMARY)

    @property
    def view(self) -> int:
        """Which view is chosen."""
        return self.views.currentIndex()

    @property
    def query(self) -> PairQuery:
        """What is looked for."""
        return PairQuery(self.words.text(), str(self.only.currentData()))

    def show_statistics(self, names: Sequence[str], current: str) -> None:
        """Offer the statistics of a run."""
        self.statistic.blockSignals(True)
        self.statistic.clear()
        for name in names:
            self.statistic.addItem(STATISTIC_WORDS.get(name, name), name)
        self.statistic.setCurrentIndex(self.statistic.findData(current))
        self.statistic.blockSignals(False)

    def _show_view(self, view: int) -> None:
        for widget in (self.words, self.only, self.count):
            widget.setVisible(view != SUMMARY)
        self.bar.setVisible(view == MATRIX)
        self.view_chosen.emit(view)


def small_tabs(titles: Sequence[str], name: str) -> QTabBar:
    """Tabs without a frame, to switch between views."""
    tabs = QTabBar()
    tabs.setAccessibleName(name)
    tabs.setDrawBase(False)
    tabs.setExpanding(False)
    tabs.setUsesScrollButtons(False)
    for title in titles:
        tabs.addTab(title)
    return tabs
