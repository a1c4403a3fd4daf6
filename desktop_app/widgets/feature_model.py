"""The features as a table: columns of arrays, sorted and filtered without touching a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QSortFilterProxyModel, Qt

from desktop_app.widgets.texts import number, percent

HEADERS: Final = ("Feature", "Name", "Fires in", "Max", "Best correlate")
ID, NAME, RATE, MAX, BEST = range(5)
_ANY_INDEX = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class FeatureTable:
    """What the table shows, one entry a feature: `firing_rate` and `max_value` float64 (F,).

    `best_r` float64 (F,) is the strongest correlation, NaN where none is known; `names`, `words`
    (name, description and tags, to search in) and `statuses` are by feature number.
    """

    firing_rate: npt.NDArray[np.float64]
    max_value: npt.NDArray[np.float64]
    best_r: npt.NDArray[np.float64]
    best_type: tuple[str, ...]
    names: dict[int, str] = field(default_factory=dict)
    words: dict[int, str] = field(default_factory=dict)
    statuses: dict[int, str] = field(default_factory=dict)


class FeatureModel(QAbstractTableModel):
    """Features in the order last sorted by."""

    def __init__(self) -> None:
        super().__init__()
        nothing = np.zeros(0)
        self.table = FeatureTable(nothing, nothing, nothing, ())
        self._order: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._sorted_by = (ID, Qt.SortOrder.AscendingOrder)

    def show(self, table: FeatureTable) -> None:
        """Replace everything, keeping the sort order."""
        self.beginResetModel()
        self.table = table
        self._order = self._sorted_order()
        self.endResetModel()

    def set_words(self, feature: int, name: str, words: str, status: str) -> None:
        """Change what one feature is called; only its row repaints."""
        self.table.names[feature] = name
        self.table.words[feature] = words
        self.table.statuses[feature] = status
        row = self.row_of(feature)
        if row >= 0:
            self.dataChanged.emit(self.index(row, 0), self.index(row, len(HEADERS) - 1))

    def feature_at(self, row: int) -> int:
        """Return the feature number in a row."""
        return int(self._order[row])

    def row_of(self, feature: int) -> int:
        """Return the row of a feature, -1 where it is not in the table."""
        found = np.flatnonzero(self._order == feature)
        return int(found[0]) if found.size else -1

    def rowCount(self, parent: _ANY_INDEX = QModelIndex()) -> int:  # noqa: B008
        """Return the number of features."""
        return 0 if parent.isValid() else int(self._order.size)

    def columnCount(self, parent: _ANY_INDEX = QModelIndex()) -> int:  # noqa: B008
        """Return the number of columns."""
        return 0 if parent.isValid() else len(HEADERS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return a column's title."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return HEADERS[section]
        return None

    def data(self, index: _ANY_INDEX, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a cell's text, tool tip or alignment."""
        column = index.column()
        if role == Qt.ItemDataRole.TextAlignmentRole and column in (ID, RATE, MAX):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return None
        return self._text(self.feature_at(index.row()), column)

    def _text(self, feature: int, column: int) -> str:
        table = self.table
        if column == ID:
            return str(feature)
        if column == NAME:
            return table.names.get(feature, "")
        if column == RATE:
            return percent(float(table.firing_rate[feature]))
        if column == MAX:
            return number(float(table.max_value[feature]))
        r = float(table.best_r[feature])
        # The number first: it is the name that a narrow column may cut.
        return f"{r:+.2f} {table.best_type[feature]}" if np.isfinite(r) else "–"

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; features without a value come last in either direction."""
        self._sorted_by = (column, order)
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        features = [self.feature_at(index.row()) for index in before]
        self._order = self._sorted_order()
        after = [self.index(self.row_of(f), i.column()) for f, i in zip(features, before, strict=True)]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def _sorted_order(self) -> npt.NDArray[np.int64]:
        column, order = self._sorted_by
        table = self.table
        falling = order == Qt.SortOrder.DescendingOrder
        count = len(table.firing_rate)
        if column == NAME:
            named = sorted(
                (f for f, n in table.names.items() if n and f < count),
                key=lambda f: table.names[f].casefold(),
                reverse=falling,
            )
            rest = np.setdiff1d(np.arange(count), named)
            return np.concatenate([np.asarray(named, np.int64), rest])
        keys = {
            ID: np.arange(count, dtype=np.float64),
            RATE: table.firing_rate,
            MAX: table.max_value,
            BEST: np.abs(table.best_r),
        }
        key = keys[column]
        # Ascending numpy sorts put NaN last, for a falling order the key is negated.
        return np.argsort(-key if falling else key, kind="stable")


class FeatureFilter(QSortFilterProxyModel):
    """Hides features: by words, those that never fire, and by whether they are named."""

    def __init__(self, model: FeatureModel) -> None:
        super().__init__()
        self._model = model
        self._words = ""
        self._firing_only = False
        self._status = ""
        self.setSourceModel(model)

    def set_filter(self, words: str, *, firing_only: bool, status: str) -> None:
        """Keep features whose number, name, tags or correlate hold `words`.

        `status` is "" (all), "named", "unnamed" or an annotation's status.
        """
        self._words, self._firing_only, self._status = words.casefold().strip(), firing_only, status
        self.invalidate()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Let the model sort its arrays: comparing cells one by one takes seconds at 12,288 rows."""
        if column >= 0:
            self._model.sort(column, order)

    def filterAcceptsRow(self, source_row: int, source_parent: _ANY_INDEX) -> bool:
        """Return whether a feature is shown."""
        del source_parent
        table = self._model.table
        feature = self._model.feature_at(source_row)
        if self._firing_only and not table.firing_rate[feature] > 0:
            return False
        if not self._status_fits(feature):
            return False
        if not self._words:
            return True
        if self._words.isdigit():
            return str(feature).startswith(self._words)
        hay = f"{table.words.get(feature, '')} {table.names.get(feature, '')} {table.best_type[feature]}"
        return self._words in hay.casefold()

    def _status_fits(self, feature: int) -> bool:
        named = bool(self._model.table.names.get(feature))
        if self._status == "named":
            return named
        if self._status == "unnamed":
            return not named
        return not self._status or self._model.table.statuses.get(feature, "unseen") == self._status
