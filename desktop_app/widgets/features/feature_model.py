"""The features as a table: columns of arrays, sorted and filtered without touching a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from desktop_app.store import AnnotationRecord
from desktop_app.store.records.annotation_records import FIELDS
from sae_backend.statistics.number_text import interval_text, number_text, p_text, percent_text, r_text

_ANY_INDEX = QModelIndex | QPersistentModelIndex
ID, MARK, NAME, RATE, BEST, MAX, MEAN, SHARE, STATUS, CONFIDENCE, CONCEPT, TAGS = range(12)
_MORE: Final = [
    known
    for known in FIELDS.values()
    if known.column and known.name not in ("name", "status", "confidence", "concept", "tags")
]
HEADERS: Final = (
    "Feature", "★", "Name", "Fires in", "Best correlate", "Max", "Mean firing", "Share of L0",
    "Status", "Conf.", "Concept", "Tags", *(known.column for known in _MORE),
)  # fmt: skip
FIELD_COLUMNS: Final = {
    NAME: "name", STATUS: "status", CONFIDENCE: "confidence", CONCEPT: "concept", TAGS: "tags",
    **{TAGS + 1 + i: known.name for i, known in enumerate(_MORE)},
}  # fmt: skip
"""Columns of what people said, with the name of the field."""
EXPLAINED: Final = {
    MARK: "Bookmarked (B)",
    RATE: "Share of this slide's tiles in which the feature fires",
    BEST: "The cell type it correlates with most strongly: Pearson r, its family-wise p where that is above 0.05, and the 95 % interval; "
    "sorted by the size of r (see Correlations for n and unit)",
    MAX: "Largest activation on this slide",
    MEAN: "Mean activation over the tiles where it fires",
    SHARE: "Its share of L0, the mean number of features that fire per tile",
    CONFIDENCE: "1 (a guess) to 5 (certain)",
}
_RIGHT: Final = (ID, RATE, MAX, MEAN, SHARE, CONFIDENCE)
_WORDED: Final = tuple(column for column in FIELD_COLUMNS if column != CONFIDENCE)
DEAD, FIRING, NAMED, UNNAMED, BOOKMARKED, POLYSEMANTIC = (
    "dead", "firing", "named", "unnamed", "bookmarked", "polysemantic",
)  # fmt: skip


@dataclass(frozen=True)
class FeatureNote(AnnotationRecord):
    """What people said of a feature; `comments` are searched too."""

    comments: str = ""


_BLANK: Final = FeatureNote("", 0)
_DOUBTFUL_P: Final = 0.05


@dataclass(frozen=True)
class FeatureTable:
    """What the table shows, one entry a feature: arrays float64 (F,) with NaN where there is no value.

    `best_r` is the strongest correlation with its interval `best_low` to `best_high` and its family-wise p `best_p`,
    which is said where it is above 0.05; `notes` and `bookmarks` are by feature number; `scores` are further
    columns by their title, and `score_notes` say what these mean.
    """

    firing_rate: npt.NDArray[np.float64]
    max_value: npt.NDArray[np.float64]
    mean_when_firing: npt.NDArray[np.float64]
    best_r: npt.NDArray[np.float64]
    best_low: npt.NDArray[np.float64]
    best_high: npt.NDArray[np.float64]
    best_type: tuple[str, ...]
    best_p: npt.NDArray[np.float64] | None = None
    notes: dict[int, FeatureNote] = field(default_factory=dict)
    bookmarks: set[int] = field(default_factory=set)
    scores: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    score_notes: Mapping[str, str] = field(default_factory=dict)

    def note(self, feature: int) -> FeatureNote:
        """Return what was said of a feature."""
        return self.notes.get(feature, _BLANK)

    @property
    def l0(self) -> float:
        """Mean number of features that fire in a tile."""
        return float(self.firing_rate.sum())


@dataclass(frozen=True)
class FeatureQuery:
    """Which features to show: those with all `words`, of one `kind`, among `members` where given.

    `kind` is "" (all), a constant above, an annotation's status, or its nature.
    """

    words: str = ""
    firing_only: bool = False
    kind: str = ""
    members: frozenset[int] | None = None


class FeatureModel(QAbstractTableModel):
    """The features that the query lets through, in the order last sorted by."""

    def __init__(self) -> None:
        super().__init__()
        none = np.zeros(0)
        self.table = FeatureTable(none, none, none, none, none, none, ())
        self._order: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._row_of: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._sorted_by = (ID, Qt.SortOrder.AscendingOrder)
        self.query = FeatureQuery()

    @property
    def total(self) -> int:
        """Number of features, shown or not."""
        return len(self.table.firing_rate)

    def show(self, table: FeatureTable) -> None:
        """Replace everything, keeping order and query."""
        self.beginResetModel()
        self.table = table
        self._arrange()
        self.endResetModel()

    def set_query(self, query: FeatureQuery) -> None:
        """Show other features of the same table."""
        self.beginResetModel()
        self.query = query
        self._arrange()
        self.endResetModel()

    def set_note(self, feature: int, note: FeatureNote) -> None:
        """Change what is said of one feature; only its row repaints, and it stays in sight."""
        self.table.notes[feature] = note
        self._repaint(feature)

    def set_bookmarks(self, bookmarks: set[int]) -> None:
        """Change which features are bookmarked."""
        changed = self.table.bookmarks ^ bookmarks
        self.table.bookmarks.clear()
        self.table.bookmarks.update(bookmarks)
        for feature in changed:
            self._repaint(feature)

    def _repaint(self, feature: int) -> None:
        row = self.row_of(feature)
        if row >= 0:
            self.dataChanged.emit(self.index(row, 0), self.index(row, self.columnCount() - 1))

    def feature_at(self, row: int) -> int:
        """Return the feature number in a row."""
        return int(self._order[row])

    def features(self) -> list[int]:
        """Return the features that are shown, in their order."""
        return [int(feature) for feature in self._order]

    def row_of(self, feature: int) -> int:
        """Return the row of a feature, -1 where it is not shown."""
        return int(self._row_of[feature]) if 0 <= feature < len(self._row_of) else -1

    def rowCount(self, parent: _ANY_INDEX = QModelIndex()) -> int:  # noqa: B008
        """Return the number of features shown."""
        return 0 if parent.isValid() else int(self._order.size)

    def columnCount(self, parent: _ANY_INDEX = QModelIndex()) -> int:  # noqa: B008
        """Return the number of columns."""
        return 0 if parent.isValid() else len(HEADERS) + len(self.table.scores)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return a column's title, or what it means."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return HEADERS[section] if section < len(HEADERS) else self._score(section)
        if role == Qt.ItemDataRole.ToolTipRole:
            if section < len(HEADERS):
                return EXPLAINED.get(section)
            return self.table.score_notes.get(self._score(section))
        return None

    def data(self, index: _ANY_INDEX, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a cell's text, tool tip or alignment."""
        column = index.column()
        if role == Qt.ItemDataRole.TextAlignmentRole and (column in _RIGHT or column >= len(HEADERS)):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return None
        return self._text(self.feature_at(index.row()), column)

    def _score(self, column: int) -> str:
        return list(self.table.scores)[column - len(HEADERS)]

    def _text(self, feature: int, column: int) -> str:
        table, note = self.table, self.table.note(feature)
        match column:
            case _ if column == ID:
                return str(feature)
            case _ if column == MARK:
                return "★" if feature in table.bookmarks else ""
            case _ if column == RATE:
                return percent_text(float(table.firing_rate[feature]))
            case _ if column == MAX:
                return number_text(float(table.max_value[feature]))
            case _ if column == MEAN:
                return number_text(float(table.mean_when_firing[feature]))
            case _ if column == SHARE:
                return percent_text(float(table.firing_rate[feature]) / (table.l0 or 1.0))
            case _ if column == BEST:
                return self._correlate(feature)
            case _ if column in _WORDED:
                return _worded(note, column)
            case _ if column == CONFIDENCE:
                return str(note.confidence or "")
        return number_text(float(table.scores[self._score(column)][feature]))

    def _correlate(self, feature: int) -> str:
        table = self.table
        r, low, high = (float(a[feature]) for a in (table.best_r, table.best_low, table.best_high))
        if not np.isfinite(r):
            return "–"
        # The number first: it is the name that a narrow column may cut.
        interval = f" ({interval_text(low, high)})" if np.isfinite(low) else ""
        p = float(table.best_p[feature]) if table.best_p is not None else np.nan
        # An interval without zero does not make the best of thousands of pairs worth a claim.
        doubt = f", p {p_text(p)}" if p > _DOUBTFUL_P else ""
        return f"{r_text(r)} {table.best_type[feature]}{doubt}{interval}"

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; features without a value come last in either direction."""
        if column < 0:
            return
        self._sorted_by = (column, order)
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        features = [self.feature_at(index.row()) for index in before]
        self._arrange()
        after = [self.index(self.row_of(f), i.column()) for f, i in zip(features, before, strict=True)]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def _arrange(self) -> None:
        order = self._sorted_order()
        self._order = order[self._let_through()[order]]
        self._row_of = np.full(self.total, -1, np.int64)
        self._row_of[self._order] = np.arange(len(self._order))

    def _sorted_order(self) -> npt.NDArray[np.int64]:
        column, order = self._sorted_by
        table = self.table
        falling = order == Qt.SortOrder.DescendingOrder
        if column in _WORDED:
            texts = {f: _worded(note, column).casefold() for f, note in table.notes.items() if f < self.total}
            named = sorted((f for f, text in texts.items() if text), key=texts.__getitem__, reverse=falling)
            rest = np.setdiff1d(np.arange(self.total), named)
            return np.concatenate([np.asarray(named, np.int64), rest])
        key = self._key(column)
        # Ascending numpy sorts put NaN last, for a falling order the key is negated.
        return np.argsort(-key if falling else key, kind="stable")

    def _key(self, column: int) -> npt.NDArray[np.float64]:
        table = self.table
        if column >= len(HEADERS):
            return table.scores[self._score(column)]
        if column in (MARK, CONFIDENCE):
            key = np.full(self.total, np.nan)
            for feature in table.bookmarks if column == MARK else table.notes:
                if feature < self.total:
                    key[feature] = 1.0 if column == MARK else (table.note(feature).confidence or np.nan)
            return key
        return {
            ID: np.arange(self.total, dtype=np.float64),
            MAX: table.max_value,
            MEAN: table.mean_when_firing,
            BEST: np.abs(table.best_r),
        }.get(column, table.firing_rate)

    def _let_through(self) -> npt.NDArray[np.bool_]:
        query, table = self.query, self.table
        keep = np.ones(self.total, bool)
        if query.firing_only or query.kind == FIRING:
            keep &= table.firing_rate > 0
        if query.kind == DEAD:
            keep &= ~(table.firing_rate > 0)
        elif query.kind == BOOKMARKED:
            keep &= self._marked(table.bookmarks)
        elif query.kind == UNNAMED:
            keep &= ~self._marked({f for f, note in table.notes.items() if note.name})
        elif query.kind and query.kind != FIRING:
            # Nobody has written about the others, which is the status "unseen".
            keep &= (
                ~self._marked({f for f, n in table.notes.items() if n.status != "unseen"})
                if query.kind == "unseen"
                else self._marked({f for f, n in table.notes.items() if _kinds(query.kind)(n)})
            )
        if query.members is not None:
            keep &= self._marked(query.members)
        for word in query.words.casefold().split():
            keep &= self._with_word(word)
        return keep

    def _with_word(self, word: str) -> npt.NDArray[np.bool_]:
        table = self.table
        if word.isdigit():
            numbers = np.char.startswith(np.arange(self.total).astype(str), word)
            return np.asarray(numbers, bool)
        types = {kind for kind in set(table.best_type) if word in kind.casefold()}
        keep = np.array([kind in types for kind in table.best_type], bool)
        return keep | self._marked(
            {f for f, n in table.notes.items() if word in f"{n.words} {n.comments}".casefold()}
        )

    def _marked(self, features: set[int] | frozenset[int]) -> npt.NDArray[np.bool_]:
        marked = np.zeros(self.total, bool)
        marked[[f for f in features if f < self.total]] = True
        return marked


def _worded(note: FeatureNote, column: int) -> str:
    known = FIELDS[FIELD_COLUMNS[column]]
    value = getattr(note, known.name)
    return "" if value == known.blank else known.text(value)


def _kinds(kind: str) -> Callable[[FeatureNote], bool]:
    if kind == NAMED:
        return lambda note: bool(note.name)
    if kind == POLYSEMANTIC:
        return lambda note: note.polysemantic
    return lambda note: kind in (note.status, note.nature)
