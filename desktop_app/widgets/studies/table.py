"""A study's table: sorted by a click on a column, a row leads to what lies behind it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtWidgets import QAbstractItemView, QTableView, QVBoxLayout, QWidget

from sae_backend.statistics.number_text import number_text

if TYPE_CHECKING:
    from sae_backend.studies.framework.report import Table, Target

_ANY_INDEX = QModelIndex | QPersistentModelIndex
_SORT = Qt.ItemDataRole.UserRole
_ROWS_MEASURED = 30
_WIDEST_PX = 300


class StudyTableModel(QAbstractTableModel):
    """Columns of a table as they are; numbers are shown short and kept whole."""

    def __init__(self, table: Table | None = None) -> None:
        super().__init__()
        self.table = table
        self._names: list[str] = list(table.columns) if table is not None else []

    def rowCount(self, parent: _ANY_INDEX = QModelIndex()) -> int:  # noqa: B008
        """Rows."""
        return 0 if parent.isValid() or self.table is None else self.table.n_rows

    def columnCount(self, parent: _ANY_INDEX = QModelIndex()) -> int:  # noqa: B008
        """Columns."""
        return 0 if parent.isValid() else len(self._names)

    def value(self, row: int, column: int) -> Any:
        """What stands in a cell."""
        assert self.table is not None
        return self.table.columns[self._names[column]][row]

    def target(self, row: int) -> Target | None:
        """What lies behind a row."""
        if self.table is None or row >= len(self.table.targets):
            return None
        return self.table.targets[row]

    def data(self, index: _ANY_INDEX, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """A cell's words, its place, or what it is sorted by."""
        if not index.isValid():
            return None
        value = self.value(index.row(), index.column())
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if role == Qt.ItemDataRole.DisplayRole:
            return _shown(value)
        if role == Qt.ItemDataRole.TextAlignmentRole and is_number:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.ToolTipRole:
            return repr(value) if is_number else _shown(value)
        if role == _SORT:
            # What is not there goes to the end of an ascending order.
            empty = value is None or (isinstance(value, float) and math.isnan(value))
            return math.inf if empty else value
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Name of a column; what it means when the pointer rests on it."""
        if orientation != Qt.Orientation.Horizontal or self.table is None:
            return None
        name = self._names[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return name
        return self.table.notes.get(name, name) if role == Qt.ItemDataRole.ToolTipRole else None


def _shown(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number_text(value) if isinstance(value, float) else str(value)


class StudyTable(QWidget):
    """The view; `target_requested` carries the Target of a row that was clicked."""

    target_requested = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view = QTableView()
        self.view.setSortingEnabled(True)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.view.verticalHeader().hide()
        # A thousand rows of forty columns would take seconds to look at for their widths.
        self.view.horizontalHeader().setResizeContentsPrecision(_ROWS_MEASURED)
        self.view.setAccessibleName("Table of the study")
        self.view.clicked.connect(self._clicked)
        self.view.activated.connect(self._clicked)
        self.model = StudyTableModel()
        self._order = QSortFilterProxyModel()
        self._order.setSortRole(_SORT)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.view)

    def show_table(self, table: Table) -> None:
        """Show a table in its own order."""
        self.model = StudyTableModel(table)
        self._order.setSourceModel(self.model)
        self._order.sort(-1)
        self.view.setModel(self._order)
        self.view.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.view.resizeColumnsToContents()
        for column in range(self.model.columnCount()):
            # A sentence would push all numbers out of sight; the whole of it is told when the pointer rests on it.
            self.view.setColumnWidth(column, min(self.view.columnWidth(column), _WIDEST_PX))

    @property
    def chosen_row(self) -> int | None:
        """Number of the chosen row in the table's own order, None where none is."""
        rows = self.view.selectionModel().selectedRows() if self.view.selectionModel() is not None else []
        return self._order.mapToSource(rows[0]).row() if rows else None

    def choose_row(self, row: int) -> None:
        """Choose a row of the table's own order."""
        self.view.selectRow(self._order.mapFromSource(self.model.index(row, 0)).row())

    def _clicked(self, index: QModelIndex) -> None:
        target = self.model.target(self._order.mapToSource(index).row())
        if target is not None:
            self.target_requested.emit(target)
