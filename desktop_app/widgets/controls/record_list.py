"""A window with a list of records and one thing that can be done with the chosen one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QFont
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from desktop_app.widgets.controls.theme_colours import tones

_SIZE_PX: Final = (900, 460)
_WIDEST_PX: Final = 210
_ROLE = Qt.ItemDataRole

Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class ListRow:
    """A record: its id, a text for each column, and what can be done with it.

    Attributes
    ----------
    id
        The record's.
    texts
        One a column.
    action
        What the button says; empty where nothing can be done.
    note
        What is said below the list when it is chosen.
    is_current, is_past
        Shown in bold, or pale.
    """

    id: int
    texts: tuple[str, ...]
    action: str = ""
    note: str = ""
    is_current: bool = False
    is_past: bool = False


class ListModel(QAbstractTableModel):
    """Rows of texts under headers."""

    def __init__(self, headers: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._headers = tuple(headers)
        self.rows: list[ListRow] = []

    def show_rows(self, rows: Sequence[ListRow]) -> None:
        """Replace the rows."""
        self.beginResetModel()
        self.rows = list(rows)
        self.endResetModel()

    def rowCount(self, parent: Index | None = None) -> int:
        """Return the number of records."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(self._headers)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _ROLE.DisplayRole) -> Any:
        """Return the name of a column."""
        if orientation == Qt.Orientation.Horizontal and role == _ROLE.DisplayRole:
            return self._headers[section]
        return None

    def data(self, index: Index, role: int = _ROLE.DisplayRole) -> Any:
        """Return what a field shows."""
        row = self.rows[index.row()]
        if role in (_ROLE.DisplayRole, _ROLE.ToolTipRole):
            return row.texts[index.column()]
        if role == _ROLE.ForegroundRole and row.is_past:
            return QColor(tones().muted)
        if role == _ROLE.FontRole:
            font = QFont()
            font.setBold(row.is_current)
            font.setStrikeOut(row.is_past)
            return font
        return None


class RecordList(QDialog):
    """Shows rows; `acted` carries the id of the one that the button was pressed for, `opened` of a double click."""

    acted = Signal(int)
    opened = Signal(int)

    def __init__(self, title: str, headers: Sequence[str], empty: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self._empty = empty
        self.model = ListModel(headers, self)
        self.table = QTableView()
        self.table.setModel(self.model)
        self.table.setAccessibleName(title)
        self.table.verticalHeader().hide()
        self.table.setWordWrap(False)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.button = QPushButton()
        self.button.clicked.connect(self._act)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.addButton(self.button, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.close)
        column = QVBoxLayout(self)
        column.addWidget(self.table, 1)
        column.addWidget(self.note)
        column.addWidget(buttons)
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._chosen())
        self.table.doubleClicked.connect(lambda index: self.opened.emit(self.model.rows[index.row()].id))
        self.resize(*_SIZE_PX)

    @property
    def chosen(self) -> ListRow | None:
        """The row that is chosen."""
        found = self.table.selectionModel().selectedRows()
        return self.model.rows[found[0].row()] if found else None

    def choose(self, record_id: int) -> None:
        """Choose a record by its id."""
        for number, row in enumerate(self.model.rows):
            if row.id == record_id:
                self.table.selectRow(number)

    def show_rows(self, rows: Sequence[ListRow]) -> None:
        """Show other rows; the chosen record stays so where it is among them."""
        kept = self.chosen
        first = not self.model.rows
        self.model.show_rows(rows)
        if first:
            self.table.resizeColumnsToContents()
            for column in range(self.model.columnCount()):
                self.table.setColumnWidth(column, min(self.table.columnWidth(column) + 8, _WIDEST_PX))
        if kept is not None:
            self.choose(kept.id)
        self._chosen()

    def _chosen(self) -> None:
        row = self.chosen
        words = "Choose a line." if self.model.rows else self._empty
        self.note.setText(row.note if row is not None else words)
        self.note.setVisible(bool(self.note.text()))
        self.button.setText(row.action if row is not None and row.action else "")
        self.button.setVisible(row is not None and bool(row.action))

    def _act(self) -> None:
        row = self.chosen
        if row is not None:
            self.acted.emit(row.id)
