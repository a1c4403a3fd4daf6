"""The table of regions: name, area, author."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QFont

from desktop_app.widgets.controls.time_format import when
from sae_backend.statistics.number_text import number_text

NAME, AREA, AUTHOR = range(3)
_DISPLAY, _EDIT, _TIP, _FONT, _ALIGN = (
    Qt.ItemDataRole.DisplayRole,
    Qt.ItemDataRole.EditRole,
    Qt.ItemDataRole.ToolTipRole,
    Qt.ItemDataRole.FontRole,
    Qt.ItemDataRole.TextAlignmentRole,
)
_RIGHT: Final = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_KINDS: Final = {"polygon": "polygon", "rectangle": "rectangle", "brush": "painted region"}
_Index = QModelIndex | QPersistentModelIndex


def region_words(name: str, kind: str) -> str:
    """Return what a region is called within a sentence."""
    return f"{_KINDS[kind]} “{name}”" if name else f"{_KINDS[kind]} without a name"


@dataclass(frozen=True)
class RegionRow:
    """A region as it is listed; `area` is in mm², or in px² of the slide where its pixel size is not known."""

    uid: str
    name: str
    kind: str
    area: float
    author: str
    at: str

    @property
    def words(self) -> str:
        """What the region is called in the list."""
        return self.name or f"{_KINDS[self.kind]} without a name".capitalize()


class RegionModel(QAbstractTableModel):
    """Regions, one a row; a name that was edited is asked for by `rename_requested`(uid, name) and not kept here."""

    rename_requested = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[RegionRow] = []
        self.unit = "mm²"

    def show_rows(self, rows: Sequence[RegionRow], unit: str) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self.rows, self.unit = list(rows), unit
        self.endResetModel()

    def rowCount(self, parent: _Index | None = None) -> int:
        """Return the number of regions."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: _Index | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else 3

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _DISPLAY) -> Any:
        """Return what stands above a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == _DISPLAY:
            return ("Name", f"Area, {self.unit}", "Author")[section]
        if role == _TIP:
            return (
                "A double click or F2 changes the name",
                f"Area inside the outline in {self.unit}, without holes",
                "Who drew the region",
            )[section]
        return None

    def data(self, index: _Index, role: int = _DISPLAY) -> Any:
        """Return a cell."""
        row, column = self.rows[index.row()], index.column()
        if role == _DISPLAY:
            return (row.words, number_text(row.area), row.author or "–")[column]
        if role == _EDIT:
            return row.name
        if role == _TIP:
            return f"{row.words}: {number_text(row.area)} {self.unit}, drawn by {row.author or 'somebody'}, {when(row.at)}"
        if role == _ALIGN and column == AREA:
            return _RIGHT
        if role == _FONT and column == NAME and not row.name:
            font = QFont()
            font.setItalic(True)
            return font
        return None

    def flags(self, index: _Index) -> Qt.ItemFlag:
        """Let names be edited."""
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == NAME else flags

    def setData(self, index: _Index, value: Any, role: int = _EDIT) -> bool:
        """Ask for a name that was typed."""
        row = self.rows[index.row()]
        if role != _EDIT or str(value).strip() == row.name:
            return False
        self.rename_requested.emit(row.uid, str(value).strip())
        return True
