"""The table of types of an import: how many cells, what they count as, and whether they count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor, QPixmap
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from desktop_app.project.cells.type_map import TypeRow
from desktop_app.widgets.controls.theme_colours import tones

_HEADERS: Final = ("Type in the file", "Cells", "Counts as")
_NAME, _CELLS, _COUNTS_AS = range(3)
_TIPS: Final = (
    "Types without a tick are ignored everywhere in the project",
    "Cells of this type in the file",
    "Double click to rename; types with the same name are merged",
)
_ROLE = Qt.ItemDataRole
_SWATCH_PX: Final = 10

Index = QModelIndex | QPersistentModelIndex


class TypeTableModel(QAbstractTableModel):
    """Rows of types; the tick of a row is `used`, its last column can be written."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[TypeRow] = []
        self._colours: Mapping[str, str] = {}

    def show_rows(self, rows: Sequence[TypeRow], colours: Mapping[str, str]) -> None:
        """Show other types; `colours` are by the name that a type counts as."""
        self.beginResetModel()
        self.rows, self._colours = list(rows), dict(colours)
        self.endResetModel()

    def colour(self, colours: Mapping[str, str]) -> None:
        """Give the types other colours."""
        self._colours = dict(colours)
        self._tell(0, len(self.rows) - 1)

    def rowCount(self, parent: Index | None = None) -> int:
        """Return the number of types."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(_HEADERS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _ROLE.DisplayRole) -> Any:
        """Return the name of a column."""
        if orientation == Qt.Orientation.Horizontal and role == _ROLE.DisplayRole:
            return _HEADERS[section]
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Say what can be done with a field."""
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        if index.column() == _NAME:
            flags |= Qt.ItemFlag.ItemIsUserCheckable
        if index.column() == _COUNTS_AS and self.rows[index.row()].used:
            flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def data(self, index: Index, role: int = _ROLE.DisplayRole) -> Any:
        """Return what a field shows."""
        row, column = self.rows[index.row()], index.column()
        if role in (_ROLE.DisplayRole, _ROLE.EditRole):
            shown = row.counts_as if row.used else "left out"
            return (row.name, f"{row.n_cells:,}", shown)[column]
        if role == _ROLE.CheckStateRole and column == _NAME:
            return Qt.CheckState.Checked if row.used else Qt.CheckState.Unchecked
        if role == _ROLE.ToolTipRole:
            return _TIPS[column]
        if role == _ROLE.TextAlignmentRole and column == _CELLS:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == _ROLE.ForegroundRole and not row.used:
            return QColor(tones().muted)
        if role == _ROLE.DecorationRole and column == _COUNTS_AS and row.used:
            swatch = QPixmap(_SWATCH_PX, _SWATCH_PX)
            swatch.fill(QColor(self._colours.get(row.counts_as, "#999999")))
            return swatch
        return None

    def setData(self, index: Index, value: Any, role: int = _ROLE.EditRole) -> bool:
        """Take a tick or a name; a blank name gives the type its own back."""
        row = self.rows[index.row()]
        if role == _ROLE.CheckStateRole:
            self.rows[index.row()] = replace(row, used=Qt.CheckState(value) == Qt.CheckState.Checked)
        elif role == _ROLE.EditRole:
            self.rows[index.row()] = replace(row, counts_as=str(value).strip() or row.name)
        else:
            return False
        self._tell(index.row(), index.row())
        return True

    def _tell(self, first: int, last: int) -> None:
        self.dataChanged.emit(self.index(first, 0), self.index(last, len(_HEADERS) - 1))


class TypeTable(QTableView):
    """The table with columns as wide as they need."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.types = TypeTableModel(self)
        self.setModel(self.types)
        self.setAccessibleName("Types of cell")
        self.verticalHeader().hide()
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
            | QAbstractItemView.EditTrigger.SelectedClicked
        )
        header = self.horizontalHeader()
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(_CELLS, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(_COUNTS_AS, QHeaderView.ResizeMode.Stretch)
