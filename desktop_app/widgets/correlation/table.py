"""Pairs as a long table: sorted and filtered on arrays, a row is made only when it is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QAbstractItemView, QTableView, QWidget

from desktop_app.project.correlation.compare import RunComparison
from desktop_app.project.correlation.frame import CorrelationFrame
from desktop_app.project.correlation.query import Names, PairQuery, find, ordered
from desktop_app.project.correlation.text import pair_details
from sae_backend.statistics.number_text import interval_text, p_text, r_text

_ANY_INDEX = QModelIndex | QPersistentModelIndex
(
    FEATURE,
    NAME,
    TYPE,
    R,
    INTERVAL,
    P,
    Q,
    AUROC,
    SIGN,
    CHOSEN,
    TILES,
    UNITS,
    REASON,
    OTHER,
    DIFFERENCE,
    CHANGED,
) = range(16)
HEADERS: Final = (
    "Feature", "Name", "Type", "r", "95 % interval", "p (family)", "q (BH)", "AUROC", "Same sign",
    "r on discovery half", "Tiles", "Units", "Reason for no value", "r in {run}", "Difference", "Changed",
)  # fmt: skip
_TIPS: Final = {
    R: "Sorted by its size",
    INTERVAL: "Sorted by its width",
    P: "Family-wise: corrected for all features and types by the largest of them under exchange",
    Q: "False discovery rate after Benjamini and Hochberg",
    AUROC: "How well the feature separates tiles with and without the cell type; 0.5 means not at all",
    SIGN: "Share of the slides whose own r has the same sign",
    CHOSEN: "r on the discovery half; optimistic because of selection",
    UNITS: "Patients, slides or blocks that were resampled",
    CHANGED: "The sign differs, or p is below 0.05 in only one of the runs",
}
_WIDTHS: Final = (60, 96, 118, 58, 104, 76, 72, 66, 86, 118, 66, 58, 130, 104, 84, 76)
_LEFT: Final = (NAME, TYPE, REASON)
_CHANGED_INK: Final = QColor("#d98a00")


class TableModel(QAbstractTableModel):
    """The pairs that the query lets through, in the order last sorted by; strongest first to begin with."""

    def __init__(self) -> None:
        super().__init__()
        self.frame: CorrelationFrame | None = None
        self.names, self.query = Names(), PairQuery()
        self.comparison: RunComparison | None = None
        self._flat: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._sorted: tuple[int, bool] = (R, True)

    def show(self, frame: CorrelationFrame | None, names: Names) -> None:
        """Replace everything; what another run says is forgotten."""
        self.beginResetModel()
        self.frame, self.names, self.comparison = frame, names, None
        self._arrange()
        self.endResetModel()

    def set_query(self, query: PairQuery) -> None:
        """Show other pairs of the same run."""
        self.beginResetModel()
        self.query = query
        self._arrange()
        self.endResetModel()

    def set_comparison(self, comparison: RunComparison | None) -> None:
        """Set another run beside this one, None for none."""
        self.beginResetModel()
        self.comparison = comparison
        self._arrange()
        self.endResetModel()

    def _arrange(self) -> None:
        frame = self.frame
        if frame is None:
            self._flat = np.zeros(0, np.int64)
            return
        found = find(frame, self.query, self.names)
        shown = np.zeros(frame.shape, np.bool_)
        shown[np.ix_(found.features, found.columns)] = True
        # What has neither a value nor a reason was never measured.
        shown &= found.sure & (np.isfinite(frame.value) | (frame.reason > 0))
        self._flat = np.flatnonzero(shown)
        column, largest = self._sorted
        keys = self._keys(column)
        if keys is not None:
            self._flat = self._flat[ordered(keys, largest_first=largest)]
        elif largest:
            self._flat = self._flat[::-1]

    def _keys(self, column: int) -> npt.NDArray[np.floating] | None:
        """Values to sort the pairs shown by, None for the order of the features."""
        frame = self.frame
        assert frame is not None
        rows, columns = np.divmod(self._flat, max(frame.shape[1], 1))
        if column == TYPE:
            rank = np.empty(frame.shape[1])
            rank[np.argsort(np.array(frame.type_names, dtype=object), kind="stable")] = np.arange(
                frame.shape[1]
            )
            return rank[columns]
        if column == NAME:
            named = sorted(self.names.by_feature, key=lambda feature: self.names.of(feature).casefold())
            rank = np.full(frame.shape[0], np.nan)
            rank[[feature for feature in named if feature < frame.shape[0]]] = np.arange(
                sum(feature < frame.shape[0] for feature in named)
            )
            return rank[rows]
        comparison = self.comparison
        arrays: dict[int, Callable[[], npt.NDArray[Any]]] = {
            R: lambda: np.abs(frame.value),
            INTERVAL: lambda: frame.ci_high - frame.ci_low,
            P: lambda: frame.p,
            Q: lambda: frame.q,
            AUROC: lambda: frame.auroc,
            SIGN: lambda: frame.same_sign,
            CHOSEN: lambda: np.abs(frame.choose),
            REASON: lambda: np.where(frame.reason > 0, frame.reason, np.nan),
        }
        if comparison is not None:
            arrays |= {
                OTHER: lambda: np.abs(comparison.value),
                DIFFERENCE: lambda: np.abs(comparison.difference),
                CHANGED: lambda: comparison.changed.astype(float),
            }
        return arrays[column]().reshape(-1)[self._flat] if column in arrays else None

    def pair_at(self, row: int) -> tuple[int, int]:
        """Feature and column of the type in a row."""
        assert self.frame is not None
        feature, column = divmod(int(self._flat[row]), self.frame.shape[1])
        return feature, column

    def row_of(self, feature: int, column: int) -> int:
        """Row of a pair, -1 where it is not shown."""
        if self.frame is None:
            return -1
        found = np.flatnonzero(self._flat == feature * self.frame.shape[1] + column)
        return int(found[0]) if found.size else -1

    def rowCount(self, parent: _ANY_INDEX = QModelIndex()) -> int:  # noqa: B008
        """Return the number of pairs shown."""
        return 0 if parent.isValid() else int(self._flat.size)

    def columnCount(self, parent: _ANY_INDEX = QModelIndex()) -> int:  # noqa: B008
        """Return the number of columns; another run brings three."""
        if parent.isValid() or self.frame is None:
            return 0
        return OTHER if self.comparison is None else len(HEADERS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return a column's title, or what it means."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            run = "" if self.comparison is None else self.comparison.name
            return HEADERS[section].format(run=run)
        return _TIPS.get(section) if role == Qt.ItemDataRole.ToolTipRole else None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort all pairs shown."""
        self.layoutAboutToBeChanged.emit()
        self._sorted = (column, order == Qt.SortOrder.DescendingOrder)
        self._arrange()
        self.layoutChanged.emit()

    def data(self, index: _ANY_INDEX, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a cell's words, or all numbers of its pair."""
        frame, column = self.frame, index.column()
        if frame is None:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignLeft if column in _LEFT else Qt.AlignmentFlag.AlignRight
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        at = self.pair_at(index.row())
        if role == Qt.ItemDataRole.ToolTipRole:
            return pair_details(frame, frame.pair(*at))
        if role == Qt.ItemDataRole.ForegroundRole:
            changed = self.comparison is not None and bool(self.comparison.changed[at])
            return _CHANGED_INK if changed and column >= OTHER else None
        return self._text(frame, at, column) if role == Qt.ItemDataRole.DisplayRole else None

    def _text(self, frame: CorrelationFrame, at: tuple[int, int], column: int) -> str:
        other = self.comparison
        match column:
            case 0:
                return str(at[0])
            case 1:
                return self.names.of(at[0])
            case 2:
                return frame.type_names[at[1]]
            case 3:
                return r_text(float(frame.value[at]), 3)
            case 4:
                return interval_text(float(frame.ci_low[at]), float(frame.ci_high[at]))
            case 5 | 6:
                return p_text(float((frame.p if column == P else frame.q)[at]))
            case 7:
                return r_text(float(frame.auroc[at]))
            case 8:
                share = float(frame.same_sign[at])
                return f"{100 * share:.0f} %" if np.isfinite(share) else "–"
            case 9:
                return r_text(float(frame.choose[at]))
            case 10 | 11:
                return f"{int(frame.meta['n_tiles' if column == TILES else 'n_clusters']):,}"
            case 12:
                return frame.reasons[int(frame.reason[at])]
        if other is None:
            return ""
        if column == CHANGED:
            return "yes" if other.changed[at] else ""
        return r_text(float((other.value if column == OTHER else other.difference)[at]))


class CorrelationTable(QTableView):
    """The table; emits feature and type of the row that is chosen."""

    pair_requested = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumHeight(60)
        self.pairs = TableModel()
        self.setAccessibleName("Correlations")
        self.setModel(self.pairs)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(22)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        header = self.horizontalHeader()
        header.setSortIndicator(R, Qt.SortOrder.DescendingOrder)
        self.setSortingEnabled(True)
        self.selectionModel().currentRowChanged.connect(self._chosen)
        self._quiet = False

    def show_frame(self, frame: CorrelationFrame | None, names: Names) -> None:
        """Show a run."""
        self.pairs.show(frame, names)
        self._size_columns()

    def set_query(self, query: PairQuery) -> None:
        """Show other pairs of the run."""
        if query != self.pairs.query:
            self.pairs.set_query(query)

    def set_comparison(self, comparison: RunComparison | None) -> None:
        """Set another run beside this one."""
        self.pairs.set_comparison(comparison)
        self._size_columns()

    def mark(self, feature: int, column: int) -> None:
        """Put the cursor on a pair, without asking for it."""
        row = self.pairs.row_of(feature, column)
        if row >= 0 and row != self.currentIndex().row():
            self._quiet = True
            self.selectRow(row)
            self._quiet = False

    def _size_columns(self) -> None:
        for column in range(self.pairs.columnCount()):
            self.setColumnWidth(column, _WIDTHS[column])
        frame = self.pairs.frame
        held_out = frame is not None and frame.is_held_out
        named = bool(self.pairs.names.by_feature)
        compared = self.pairs.comparison is not None
        self.setColumnHidden(CHOSEN, compared or not held_out)
        self.setColumnHidden(NAME, not named)
        # The numbers of another run stand right behind those of this one.
        for column in (AUROC, SIGN, TILES, UNITS, REASON):
            self.setColumnHidden(column, compared)

    def _chosen(self, index: QModelIndex) -> None:
        if not self._quiet and index.isValid():
            self.pair_requested.emit(*self.pairs.pair_at(index.row()))
