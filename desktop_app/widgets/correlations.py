"""Which features follow which cell types: a table, and a scatter whose points lead to tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PySide6.QtCore import (
    QAbstractTableModel,
    QItemSelection,
    QModelIndex,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSplitter,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from desktop_app.widgets.empty_state import EmptyState
from desktop_app.widgets.scatter import Scatter
from desktop_app.widgets.texts import number

if TYPE_CHECKING:
    from desktop_app.store import CorrelationRow

HEADERS: Final = ("Feature", "Cell type", "r", "95 % interval", "p (family)", "q (BH)", "Tiles")
_ANY_INDEX = QModelIndex | QPersistentModelIndex
_SORT_ROLE: Final = Qt.ItemDataRole.UserRole


def _alignment(column: int) -> Qt.AlignmentFlag:
    """Numbers stand under each other by their last digit."""
    side = Qt.AlignmentFlag.AlignLeft if column == 1 else Qt.AlignmentFlag.AlignRight
    return side | Qt.AlignmentFlag.AlignVCenter


class CorrelationModel(QAbstractTableModel):
    """Rows of one statistic."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[CorrelationRow] = []

    def show(self, rows: Sequence[CorrelationRow]) -> None:
        """Replace the rows."""
        self.beginResetModel()
        self.rows = list(rows)
        self.endResetModel()

    def rowCount(self, parent: _ANY_INDEX = QModelIndex()) -> int:  # noqa: B008
        """Return the number of rows."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: _ANY_INDEX = QModelIndex()) -> int:  # noqa: B008
        """Return the number of columns."""
        return 0 if parent.isValid() else len(HEADERS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return a column's title."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return HEADERS[section] if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: _ANY_INDEX, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a cell's text or the number to sort by."""
        row, column = self.rows[index.row()], index.column()
        if role == _SORT_ROLE:
            value = (row.feature, row.cell_type, row.value, row.value, row.p, row.q, row.n_tiles)[column]
            if value is None:
                # What is not defined belongs after the strongest and after the smallest p.
                return -1.0 if column in (2, 3) else 2.0
            return abs(value) if column in (2, 3) and isinstance(value, float) else value
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        interval = (
            "–" if row.ci_low is None or row.ci_high is None else f"{row.ci_low:+.2f} to {row.ci_high:+.2f}"
        )
        texts = (
            str(row.feature),
            row.cell_type,
            "–" if row.value is None else f"{row.value:+.3f}",
            interval,
            number(row.p, 2),
            number(row.q, 2),
            f"{row.n_tiles:,}",
        )
        return texts[column]


class CorrelationsPanel(QWidget):
    """Shows correlations and asks for the pair of a row and for the tile of a point."""

    run_requested = Signal()
    pair_requested = Signal(int, str)
    tile_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._all: list[CorrelationRow] = []
        self.model = CorrelationModel()
        self.sorted = QSortFilterProxyModel()
        self.sorted.setSourceModel(self.model)
        self.sorted.setSortRole(_SORT_ROLE)
        self.view = QTableView()
        self.view.setAccessibleName("Correlations")
        self.view.setModel(self.sorted)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.verticalHeader().hide()
        self.view.verticalHeader().setDefaultSectionSize(24)
        self.view.horizontalHeader().setStretchLastSection(True)
        self.view.setSortingEnabled(True)
        self.view.sortByColumn(2, Qt.SortOrder.DescendingOrder)
        for column, width in enumerate((62, 132, 62, 112, 78, 70)):
            self.view.setColumnWidth(column, width)
        self.view.selectionModel().selectionChanged.connect(self._selected)
        self.statistic = QComboBox()
        self.statistic.setAccessibleName("Statistic")
        self.statistic.addItem("Pearson", "pearson")
        self.statistic.addItem("Spearman", "spearman")
        self.statistic.currentIndexChanged.connect(self._refill)
        self.run_button = QPushButton("Correlate")
        self.run_button.clicked.connect(self.run_requested)
        self.method = QLabel("")
        self.method.setWordWrap(True)
        self.scatter = Scatter()
        self.scatter.tile_requested.connect(self.tile_requested)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.addWidget(self.view)
        self.splitter.addWidget(self.scatter)
        self.splitter.setStretchFactor(0, 5)
        self.splitter.setStretchFactor(1, 3)
        self.splitter.setSizes([560, 240])
        self.pages = EmptyState(
            self.splitter, "Correlations need cells: Cells > Import cells, then Correlate."
        )
        row = QHBoxLayout()
        row.addWidget(self.statistic)
        row.addWidget(self.method, 1)
        row.addWidget(self.run_button)
        column_box = QVBoxLayout(self)
        column_box.addLayout(row)
        column_box.addWidget(self.pages)

    def show_rows(self, rows: Sequence[CorrelationRow], method: str) -> None:
        """Show the rows of a correlation and how they were computed."""
        self._all = list(rows)
        self.method.setText(method)
        self._refill()
        self.pages.show_content()

    def say(self, sentence: str) -> None:
        """Show a sentence in place of the table."""
        self._all = []
        self.method.setText("")
        self._refill()
        self.pages.say(sentence)

    def show_points(self, x: np.ndarray, y: np.ndarray, tiles: np.ndarray, labels: tuple[str, str]) -> None:
        """Show the scatter of one pair; see :meth:`Scatter.show_points`."""
        self.scatter.show_points(x, y, tiles, labels)

    def _refill(self) -> None:
        wanted = self.statistic.currentData()
        self.model.show([row for row in self._all if row.statistic == wanted])
        self.scatter.clear()

    def _selected(self, chosen: QItemSelection, dropped: QItemSelection) -> None:
        del dropped
        indexes = chosen.indexes()
        if indexes:
            row = self.model.rows[self.sorted.mapToSource(indexes[0]).row()]
            self.pair_requested.emit(row.feature, row.cell_type)
