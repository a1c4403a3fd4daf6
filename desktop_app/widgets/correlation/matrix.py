"""Features against types in colours: only what is in sight is ever made into words."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QAbstractTableModel, QEvent, QModelIndex, QPersistentModelIndex, QRect, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetrics, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from desktop_app.project.correlation.frame import NOT_SIGNIFICANT, UNKNOWN, CorrelationFrame
from desktop_app.project.correlation.query import (
    BY_FEATURE,
    BY_GAP,
    Found,
    Names,
    PairQuery,
    find,
    matrix_order,
)
from desktop_app.project.correlation.text import pair_details
from desktop_app.widgets.charts.chart_axes import PICKED
from desktop_app.widgets.correlation.colours import colours, round_limit, shade_of
from sae_backend.statistics.number_text import r_text

_ANY_INDEX = QModelIndex | QPersistentModelIndex
FEATURE, NAME, GAP, FIRST_TYPE = 0, 1, 2, 3
_HEADERS: Final = ("Feature", "Name", "Selec-\ntivity")
_TIPS: Final = (
    "Number of the feature; click to sort",
    "Its name",
    "Largest |r| minus the second largest: how specific the feature is for one type",
)
_WIDTHS: Final = (62, 96, 72)
_TYPE_PX: Final = (56, 110)
_MOST_LINES, _ARROW_PX = 4, 22
_FIRST_ORDER: Final = (BY_GAP, True)
_NUMBERS: Final = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class MatrixModel(QAbstractTableModel):
    """r of every feature that the query lets through with every type, in the order last sorted by."""

    def __init__(self) -> None:
        super().__init__()
        self.frame: CorrelationFrame | None = None
        self.names, self.query = Names(), PairQuery()
        self._found: Found | None = None
        self._order: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._row_of: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._sorted: tuple[int, bool] = _FIRST_ORDER
        self.limit = 1.0
        self._brushes, self._inks = colours(dark=True)
        self._bold = QFont()
        self._bold.setBold(True)

    def show(self, frame: CorrelationFrame | None, names: Names) -> None:
        """Replace everything, keeping query and order where they still mean something."""
        self.beginResetModel()
        self.frame, self.names = frame, names
        if frame is None or self._sorted[0] >= frame.shape[1]:
            self._sorted = _FIRST_ORDER
        if frame is not None:
            known = np.abs(frame.value[np.isfinite(frame.value)])
            self.limit = round_limit(float(known.max()) if known.size else float("nan"))
        self._arrange()
        self.endResetModel()

    def set_query(self, query: PairQuery) -> None:
        """Show other features and types of the same run."""
        self.beginResetModel()
        self.query = query
        self._arrange()
        self.endResetModel()

    def set_dark(self, dark: bool) -> None:
        """Take the colours of a theme."""
        self._brushes, self._inks = colours(dark=dark)

    def _arrange(self) -> None:
        if self.frame is None:
            self._found, self._order = None, np.zeros(0, np.int64)
            return
        self._found = find(self.frame, self.query, self.names)
        by, largest = self._sorted
        self._order = matrix_order(self.frame, self._found.features, by, largest_first=largest)
        self._row_of = np.full(self.frame.shape[0], -1)
        self._row_of[self._order] = np.arange(self._order.size)

    def column_of(self, column: int) -> int:
        """Which of the run's types a column shows, -1 where it shows none."""
        if self._found is None or column < FIRST_TYPE:
            return -1
        return int(self._found.columns[column - FIRST_TYPE])

    def feature_at(self, row: int) -> int:
        """Which feature a row shows."""
        return int(self._order[row])

    def place_of(self, feature: int, column: int) -> QModelIndex:
        """Index of a pair; an invalid one where it is not shown."""
        if self._found is None or not 0 <= feature < self._row_of.size:
            return QModelIndex()
        shown = np.flatnonzero(self._found.columns == column)
        if self._row_of[feature] < 0 or not shown.size:
            return QModelIndex()
        return self.index(int(self._row_of[feature]), FIRST_TYPE + int(shown[0]))

    def rowCount(self, parent: _ANY_INDEX = QModelIndex()) -> int:  # noqa: B008
        """Return the number of features shown."""
        return 0 if parent.isValid() else int(self._order.size)

    def columnCount(self, parent: _ANY_INDEX = QModelIndex()) -> int:  # noqa: B008
        """Return the number of columns."""
        if parent.isValid() or self._found is None:
            return 0
        return FIRST_TYPE + int(self._found.columns.size)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return a column's title, or what it means."""
        if orientation != Qt.Orientation.Horizontal or self.frame is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            if section < FIRST_TYPE:
                return _HEADERS[section]
            return self.frame.type_names[self.column_of(section)]
        if role == Qt.ItemDataRole.ToolTipRole:
            if section < FIRST_TYPE:
                return _TIPS[section]
            column = self.column_of(section)
            return f"{self.frame.type_names[column]}; best by chance {r_text(self.frame.band[column])}"
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by number, selectivity or one type's |r|."""
        if self.frame is None or column == NAME:
            return
        by = {FEATURE: BY_FEATURE, GAP: BY_GAP}.get(column, self.column_of(column))
        self.layoutAboutToBeChanged.emit()
        self._sorted = (by, order == Qt.SortOrder.DescendingOrder)
        self._arrange()
        self.layoutChanged.emit()

    def data(self, index: _ANY_INDEX, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a cell's words, colours or all of its numbers."""
        frame, feature = self.frame, self.feature_at(index.row())
        if frame is None:
            return None
        column = self.column_of(index.column())
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return None if index.column() == NAME else int(_NUMBERS)
        if column < 0:
            if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
                texts = (str(feature), self.names.of(feature), r_text(float(frame.gap[feature])))
                return texts[index.column()]
            return None
        value = float(frame.value[feature, column])
        if role == Qt.ItemDataRole.DisplayRole:
            return r_text(value)
        if role == Qt.ItemDataRole.ToolTipRole:
            return pair_details(frame, frame.pair(feature, column))
        shade = shade_of(value, self.limit)
        if role == Qt.ItemDataRole.FontRole:
            return self._bold if frame.above_band[feature, column] else None
        if role == Qt.ItemDataRole.BackgroundRole:
            return QBrush() if shade < 0 else self._brushes[shade]
        if role == Qt.ItemDataRole.ForegroundRole and shade >= 0:
            ink = QColor(self._inks[shade])
            if frame.verdict(feature, column) in (NOT_SIGNIFICANT, UNKNOWN):
                ink.setAlpha(150)
            return ink
        return None


class ColouredCells(QStyledItemDelegate):
    """Leaves the chosen cell its colour and draws a frame about it."""

    def paint(self, painter: QPainter, option: Any, index: _ANY_INDEX) -> None:
        """Paint a cell."""
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        plain: Any = QStyleOptionViewItem(option)
        plain.state &= ~(QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_HasFocus)
        super().paint(painter, plain, index)
        if chosen:
            painter.setPen(QPen(PICKED, 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(option.rect.adjusted(1, 1, -2, -2))


class CorrelationMatrix(QTableView):
    """The matrix; emits feature and type of the pair that is chosen, and says when its colours change."""

    pair_requested = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumHeight(60)
        self.matrix = MatrixModel()
        self.setAccessibleName("Matrix of correlations")
        self.setModel(self.matrix)
        self.setItemDelegate(ColouredCells(self))
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(22)
        header = self.horizontalHeader()
        header.setDefaultAlignment(
            Qt.AlignmentFlag.AlignCenter | Qt.AlignmentFlag(Qt.TextFlag.TextWordWrap.value)
        )
        header.setSortIndicatorClearable(False)
        header.setSectionsClickable(True)
        header.setSortIndicatorShown(True)
        header.sectionClicked.connect(self._sort)
        self._last = (GAP, Qt.SortOrder.DescendingOrder)
        header.setSortIndicator(*self._last)
        self.selectionModel().currentChanged.connect(self._chosen)
        self._quiet = False

    def show_frame(self, frame: CorrelationFrame | None, names: Names) -> None:
        """Show a run."""
        self.matrix.set_dark(self._is_dark())
        self.matrix.show(frame, names)
        self._size_columns()

    def set_query(self, query: PairQuery) -> None:
        """Show other features and types of the run."""
        if query != self.matrix.query:
            self.matrix.set_query(query)
            self._size_columns()

    def mark(self, feature: int, column: int) -> None:
        """Put the cursor on a pair, without asking for it."""
        index = self.matrix.place_of(feature, column)
        if index.isValid() and index != self.currentIndex():
            self._quiet = True
            self.setCurrentIndex(index)
            self._quiet = False

    def _is_dark(self) -> bool:
        return self.palette().text().color().lightness() > 128

    def _size_columns(self) -> None:
        header = self.horizontalHeader()
        for column, width in enumerate(_WIDTHS[: self.matrix.columnCount()]):
            header.resizeSection(column, width)
        for column in range(FIRST_TYPE, self.matrix.columnCount()):
            words = str(self.matrix.headerData(column, Qt.Orientation.Horizontal)).split()
            widest = max((header.fontMetrics().horizontalAdvance(word) for word in words), default=0)
            header.resizeSection(column, min(max(_TYPE_PX[0], round(1.1 * widest) + 24), _TYPE_PX[1]))
        self.setColumnHidden(NAME, not self.matrix.names.by_feature)
        lines = max(map(self._header_lines, range(self.matrix.columnCount())), default=2)
        header.setFixedHeight(min(max(lines, 2), _MOST_LINES) * header.fontMetrics().height() + 8)

    def _header_lines(self, column: int) -> int:
        """Lines that a title takes in bold, as that of the chosen pair is, beside the arrow that sorts."""
        header = self.horizontalHeader()
        font = header.font()
        font.setBold(True)
        words = str(self.matrix.headerData(column, Qt.Orientation.Horizontal))
        room = QRect(0, 0, max(header.sectionSize(column) - _ARROW_PX, 1), 1000)
        box = QFontMetrics(font).boundingRect(room, Qt.TextFlag.TextWordWrap.value, words)
        return -(-box.height() // header.fontMetrics().height())

    def _sort(self, column: int) -> None:
        """Turn the order on a second click; what is strong comes first at the first."""
        if column == NAME:
            return
        known, order = self._last
        first = Qt.SortOrder.AscendingOrder if column == FEATURE else Qt.SortOrder.DescendingOrder
        if known == column:
            down = Qt.SortOrder.DescendingOrder
            first = Qt.SortOrder.AscendingOrder if order == down else down
        self._last = (column, first)
        self.horizontalHeader().setSortIndicator(column, first)
        self.matrix.sort(column, first)
        self.scrollToTop()

    def _chosen(self, index: QModelIndex) -> None:
        if self._quiet or not index.isValid():
            return
        column = self.matrix.column_of(index.column())
        self.pair_requested.emit(self.matrix.feature_at(index.row()), column)

    def changeEvent(self, event: QEvent) -> None:
        """Take the colours of another theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange) and hasattr(self, "matrix"):
            self.matrix.set_dark(self._is_dark())
