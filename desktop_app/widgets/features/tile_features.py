"""The features that fire in the tile that was clicked: value, percentile, and how much they explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QModelIndex, QSortFilterProxyModel, Qt, Signal
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from desktop_app.widgets.controls.empty_state import EmptyState
from sae_backend.statistics.number_text import number_text, percent_text

HEADERS: Final = ("Feature", "Value", "Percentile", "Explains", "Name")
REGION_HEADERS: Final = ("Feature", "Mean", "Tiles", "On slide", "Name")
_TIPS: Final = (
    "",
    "Activation in this tile, in SAE units",
    "Percentile of this value among the tiles of this slide where the feature is active",
    "How much larger the reconstruction error would be without the feature, as a share of the embedding",
    "",
)
_REGION_TIPS: Final = (
    "",
    "Mean activation over the tiles whose middle lies in the region, in SAE units; a silent tile counts as 0",
    "In how many of the region's tiles the feature fires",
    "Mean activation over all tiles of the slide, in SAE units; a silent tile counts as 0",
    "",
)
_WIDTHS_PX: Final = (58, 58, 76, 70, 40)
_REGION_WIDTHS_PX: Final = (58, 54, 46, 66, 40)
_SORT: Final = Qt.ItemDataRole.UserRole
_RIGHT: Final = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True)
class TileFeatureRow:
    """One feature of a tile; `percentile` (0 to 100) and `share` are None where they are not known."""

    feature: int
    name: str
    value: float
    percentile: float | None = None
    share: float | None = None


@dataclass(frozen=True)
class RegionFiringRow:
    """One feature of a region: its mean there, in how many of the region's tiles it fires, and its mean on the slide."""

    feature: int
    name: str
    mean: float
    n_firing: int
    slide_mean: float


class TileFeaturesPanel(QWidget):
    """Lists features of one place and asks for the one that is clicked."""

    feature_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel("")
        self.title.setWordWrap(True)
        self._items = QStandardItemModel(0, len(HEADERS))
        self._name_columns(HEADERS, _TIPS)
        self.sorted = QSortFilterProxyModel(self)
        self.sorted.setSourceModel(self._items)
        self.sorted.setSortRole(_SORT)
        self.table = QTableView()
        self.table.setModel(self.sorted)
        self.table.setAccessibleName("Features that fire here")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().hide()
        self.table.setWordWrap(False)
        self.table.setSortingEnabled(True)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        self._size_columns(_WIDTHS_PX)
        self.table.clicked.connect(self._chosen)
        self.table.activated.connect(self._chosen)
        self.pages = EmptyState(self.table, "Click on the slide to list the features that fire in that tile.")
        column_layout = QVBoxLayout(self)
        column_layout.setContentsMargins(6, 6, 6, 6)
        column_layout.addWidget(self.title)
        column_layout.addWidget(self.pages)

    def show_tile(self, title: str, rows: Sequence[TileFeatureRow]) -> None:
        """Show features in the order given; a click on a heading sorts them otherwise."""
        self._begin(title, HEADERS, _TIPS, _WIDTHS_PX)
        for row in rows:
            rank = "–" if row.percentile is None else f"{row.percentile:.0f}"
            share = (
                "–"
                if row.share is None
                else percent_text(row.share)
                if row.share >= 0
                else f"{row.share:.1%}"
            )
            self._items.appendRow(
                [
                    _item(str(row.feature), row.feature, right=True),
                    _item(number_text(row.value), row.value, right=True),
                    _item(rank, -1.0 if row.percentile is None else row.percentile, right=True),
                    _item(share, -9.0 if row.share is None else row.share, right=True),
                    _item(row.name, row.name.casefold() or "\uffff"),
                ]
            )
        if rows:
            self.pages.show_content()
        else:
            self.pages.say("No feature fires in this tile.")

    def show_region(self, title: str, rows: Sequence[RegionFiringRow]) -> None:
        """Show the features of a region in the order given."""
        self._begin(title, REGION_HEADERS, _REGION_TIPS, _REGION_WIDTHS_PX)
        for row in rows:
            self._items.appendRow(
                [
                    _item(str(row.feature), row.feature, right=True),
                    _item(number_text(row.mean), row.mean, right=True),
                    _item(f"{row.n_firing:,}", row.n_firing, right=True),
                    _item(number_text(row.slide_mean), row.slide_mean, right=True),
                    _item(row.name, row.name.casefold() or "\uffff"),
                ]
            )
        if rows:
            self.pages.show_content()
        else:
            self.pages.say("No feature fires in this region.")

    def _begin(
        self, title: str, headers: Sequence[str], tips: Sequence[str], widths_px: Sequence[int]
    ) -> None:
        self.title.setText(title)
        self._items.removeRows(0, self._items.rowCount())
        if self._items.horizontalHeaderItem(1).text() != headers[1]:
            self._name_columns(headers, tips)
            self._size_columns(widths_px)
        # Unsorted until a heading is clicked: the order given is the ranking.
        self.sorted.sort(-1)
        self.table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)

    def _size_columns(self, widths_px: Sequence[int]) -> None:
        for column, width in enumerate(widths_px):
            self.table.setColumnWidth(column, width)

    def _name_columns(self, headers: Sequence[str], tips: Sequence[str]) -> None:
        self._items.setHorizontalHeaderLabels(list(headers))
        for column, tip in enumerate(tips):
            self._items.setHeaderData(column, Qt.Orientation.Horizontal, tip, Qt.ItemDataRole.ToolTipRole)

    def rows(self) -> list[int]:
        """Return the features in the order that is shown."""
        return [int(self.sorted.index(row, 0).data(_SORT)) for row in range(self.sorted.rowCount())]

    def say(self, sentence: str) -> None:
        """Show a sentence in place of the list."""
        self.title.setText("")
        self._items.removeRows(0, self._items.rowCount())
        self.pages.say(sentence)

    def _chosen(self, index: QModelIndex) -> None:
        self.feature_requested.emit(int(index.siblingAtColumn(0).data(_SORT)))


def _item(text: str, key: float | str, *, right: bool = False) -> QStandardItem:
    item = QStandardItem(text)
    item.setData(key, _SORT)
    if right:
        item.setTextAlignment(_RIGHT)
    return item
