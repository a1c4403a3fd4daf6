"""Which features follow which cell types: in sentences, as a matrix, as a table, and in charts beside them."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from desktop_app.project.correlation.compare import RunComparison
from desktop_app.project.correlation.frame import CorrelationFrame
from desktop_app.project.correlation.query import Names
from desktop_app.project.correlation.text import by_strength, pair_details
from desktop_app.widgets.charts.scatter import Scatter
from desktop_app.widgets.controls.empty_state import EmptyState
from desktop_app.widgets.correlation.charts import CorrelationCharts
from desktop_app.widgets.correlation.filter import MATRIX, SUMMARY, CorrelationFilter
from desktop_app.widgets.correlation.header import CorrelationHeader
from desktop_app.widgets.correlation.matrix import CorrelationMatrix
from desktop_app.widgets.correlation.summary import CorrelationSummary
from desktop_app.widgets.correlation.table import CorrelationTable


class CorrelationsPanel(QWidget):
    """Shows a run and asks for the pair of a row, for the tile of a point, and for runs.

    `pair_requested` carries feature and name of the type, `tile_requested` a slide's id and its tile;
    `shown` says that the panel came to the front.
    """

    pair_requested = Signal(int, str)
    tile_requested = Signal(int, int)
    slide_requested = Signal(int)
    shown = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.frame: CorrelationFrame | None = None
        self._names = Names()
        self.header, self.filter = CorrelationHeader(), CorrelationFilter()
        self.summary, self.matrix, self.table = CorrelationSummary(), CorrelationMatrix(), CorrelationTable()
        self.charts = CorrelationCharts()
        self.details = QLabel("")
        self.details.setWordWrap(True)
        self.details.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.details.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.views = QStackedWidget()
        self.views.setMinimumHeight(70)
        for view in (self.summary, self.matrix, self.table):
            self.views.addWidget(view)
            view.pair_requested.connect(self._ask)
        self.charts.pair_requested.connect(self._ask)
        self.charts.tile_requested.connect(self.tile_requested)
        self.charts.slide_requested.connect(self.slide_requested)
        self.filter.view_chosen.connect(self.views.setCurrentIndex)
        self.filter.view_chosen.connect(lambda _: self._count())
        self.filter.query_changed.connect(self._query)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.setChildrenCollapsible(False)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.views, 1)
        column.addWidget(self.details)
        self.splitter.addWidget(left)
        self.splitter.addWidget(self.charts)
        self.splitter.setStretchFactor(0, 5)
        self.splitter.setStretchFactor(1, 4)
        self.splitter.setSizes([520, 400])
        content = QWidget()
        inside = QVBoxLayout(content)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(3)
        inside.addWidget(self.filter)
        inside.addWidget(self.splitter, 1)
        self.pages = EmptyState(content, "Correlations need cells: Cells > Import cells, then Correlate.")
        whole = QVBoxLayout(self)
        whole.setContentsMargins(6, 4, 6, 4)
        whole.setSpacing(3)
        whole.addWidget(self.header)
        whole.addWidget(self.pages, 1)

    @property
    def scatter(self) -> Scatter:
        """The chart of tiles."""
        return self.charts.scatter

    def sizeHint(self) -> QSize:
        """Return a size at which table and chart can be read."""
        return QSize(930, 330)

    def show_frame(self, frame: CorrelationFrame, names: Names) -> None:
        """Show one statistic of a run; `names` are what people called the features."""
        self.frame, self._names = frame, names
        self.filter.show_statistics(frame.meta["statistics"], frame.statistic)
        self.summary.show_frame(frame, names)
        self.matrix.show_frame(frame, names)
        self.table.show_frame(frame, names)
        self.charts.show_frame(frame)
        self.filter.bar.show_limit(self.matrix.matrix.limit)
        self.details.setText("")
        self._query()
        self.pages.show_content()

    def say(self, sentence: str) -> None:
        """Show a sentence in place of everything but the runs."""
        self.frame = None
        names = Names()
        self.summary.show_frame(None, names)
        self.matrix.show_frame(None, names)
        self.table.show_frame(None, names)
        self.charts.show_frame(None)
        self.details.setText("")
        self.pages.say(sentence)

    def show_comparison(self, comparison: RunComparison | None) -> None:
        """Set another run beside this one, None for none; the table shows both."""
        self.table.set_comparison(comparison)
        self._count()

    def rename_feature(self, feature: int, name: str) -> None:
        """Call a feature something else, in every view."""
        if self._names.of(feature) == name:
            return
        self._names.by_feature[feature] = name
        self.summary.names_changed()
        for view in (self.matrix, self.table):
            view.viewport().update()

    def show_feature(self, feature: int | None) -> None:
        """Follow the feature that is chosen elsewhere."""
        self.summary.show_feature(feature)

    def mark_pair(self, feature: int, column: int) -> None:
        """Show which pair is chosen, in every view."""
        if self.frame is None:
            return
        self.matrix.mark(feature, column)
        self.table.mark(feature, column)
        self.charts.mark(feature, column)
        self.details.setText(pair_details(self.frame, self.frame.pair(feature, column)))

    def _ask(self, feature: int, column: int) -> None:
        if self.frame is None:
            return
        if column < 0:
            # A number or a name: the type that the feature follows most.
            known = by_strength(self.frame, feature)
            column = known[0][0] if known else 0
        self.pair_requested.emit(feature, self.frame.type_names[column])

    def _query(self) -> None:
        self.matrix.set_query(self.filter.query)
        self.table.set_query(self.filter.query)
        self._count()

    def _count(self) -> None:
        if self.filter.view == SUMMARY or self.frame is None:
            return
        if self.filter.view == MATRIX:
            words = f"{self.matrix.matrix.rowCount():,} features"
        else:
            words = f"{self.table.pairs.rowCount():,} pairs"
            comparison = self.table.pairs.comparison
            if comparison is not None:
                common = f"{comparison.n_changed:,} of {comparison.n_common:,} changed"
                words += f", {common if comparison.n_common else f'none of them in {comparison.name}'}"
        self.filter.count.setText(words)

    def showEvent(self, event: QShowEvent) -> None:
        """Say that the panel came to the front."""
        super().showEvent(event)
        self.shown.emit()
