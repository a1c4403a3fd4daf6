"""The table of features: sort, filter, search, step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import QItemSelection, QModelIndex, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from desktop_app.widgets.empty_state import EmptyState
from desktop_app.widgets.feature_model import NAME, RATE, FeatureFilter, FeatureModel, FeatureTable

STATUS_FILTERS: Final = (
    ("All", ""),
    ("Named", "named"),
    ("Not named", "unnamed"),
    ("Draft", "draft"),
    ("Reviewed", "reviewed"),
    ("Rejected", "rejected"),
)


class FeaturesPanel(QWidget):
    """Shows features and asks for the one that is selected."""

    feature_requested = Signal(int)
    analysis_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.analysis = QComboBox()
        self.analysis.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.analysis.setMinimumContentsLength(12)
        self.analysis.hide()
        self.analysis.activated.connect(self._analysis_chosen)
        self.model = FeatureModel()
        self.filter = FeatureFilter(self.model)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Number, name, tag or cell type")
        self.search.setClearButtonEnabled(True)
        self.status = QComboBox()
        for text, value in STATUS_FILTERS:
            self.status.addItem(text, value)
        self.firing = QCheckBox("Only firing")
        self.firing.setToolTip("Hide features that fire in no tile of this slide")
        self.view = QTableView()
        self.view.setModel(self.filter)
        self._set_up_view()
        self.pages = EmptyState(self.view, "Features appear here once a slide is analysed.")
        self.count = QLabel("")
        self.search.textChanged.connect(self._refilter)
        self.status.currentIndexChanged.connect(self._refilter)
        self.firing.toggled.connect(self._refilter)
        row = QHBoxLayout()
        row.addWidget(self.status)
        row.addWidget(self.firing)
        row.addStretch()
        row.addWidget(self.count)
        column = QVBoxLayout(self)
        column.addWidget(self.analysis)
        column.addWidget(self.search)
        column.addLayout(row)
        column.addWidget(self.pages)

    def _set_up_view(self) -> None:
        view = self.view
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.verticalHeader().hide()
        view.verticalHeader().setDefaultSectionSize(24)
        view.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        view.horizontalHeader().setStretchLastSection(True)
        # Wrapped, a name that does not fit would vanish whole instead of being cut.
        view.setWordWrap(False)
        view.setSortingEnabled(True)
        view.sortByColumn(RATE, Qt.SortOrder.DescendingOrder)
        for column, width in enumerate((56, 104, 64, 62)):
            view.setColumnWidth(column, width)
        view.selectionModel().selectionChanged.connect(self._selected)

    def show_analyses(self, analyses: Sequence[tuple[int, str, str]], current: int | None) -> None:
        """Offer the slide's analyses, as (id, words, details), the current one chosen."""
        self.analysis.clear()
        for number, words, details in analyses:
            self.analysis.addItem(words, number)
            self.analysis.setItemData(self.analysis.count() - 1, details, Qt.ItemDataRole.ToolTipRole)
            if number == current:
                self.analysis.setCurrentIndex(self.analysis.count() - 1)
                self.analysis.setToolTip(
                    f"What the features come from; names belong to one autoencoder.\n{details}"
                )
        self.analysis.setVisible(bool(analyses))

    def _analysis_chosen(self, index: int) -> None:
        self.analysis_requested.emit(int(self.analysis.itemData(index)))

    def show_features(self, table: FeatureTable) -> None:
        """Replace the table."""
        self.model.show(table)
        self.pages.show_content()
        self._refilter()

    def say(self, sentence: str) -> None:
        """Show a sentence in place of the table."""
        self.pages.say(sentence)
        self.count.setText("")

    def show_words(self, feature: int, name: str, words: str, status: str) -> None:
        """Change what one feature is called."""
        self.model.set_words(feature, name, words, status)

    def select(self, feature: int) -> None:
        """Mark a feature's row without asking for it again."""
        row = self.model.row_of(feature)
        index = self.filter.mapFromSource(self.model.index(row, NAME)) if row >= 0 else QModelIndex()
        if index.isValid() and self.selected() != feature:
            blocked = self.view.selectionModel().blockSignals(True)
            self.view.selectRow(index.row())
            self.view.selectionModel().blockSignals(blocked)
            self.view.viewport().update()
        if index.isValid():
            self.view.scrollTo(index)
        else:
            # A row that stayed marked could not be chosen with a click.
            blocked = self.view.selectionModel().blockSignals(True)
            self.view.clearSelection()
            self.view.selectionModel().blockSignals(blocked)
            self.view.viewport().update()

    def selected(self) -> int | None:
        """Return the feature whose row is marked."""
        rows = self.view.selectionModel().selectedRows()
        return self.model.feature_at(self.filter.mapToSource(rows[0]).row()) if rows else None

    def step(self, by: int) -> None:
        """Select the row `by` below (negative: above) the marked one."""
        count = self.filter.rowCount()
        if count == 0:
            return
        rows = self.view.selectionModel().selectedRows()
        row = 0 if not rows else min(max(rows[0].row() + by, 0), count - 1)
        self.view.selectRow(row)

    def step_to_unnamed(self) -> bool:
        """Select the next row below the marked one whose feature has no name; False where there is none."""
        rows = self.view.selectionModel().selectedRows()
        for row in range(rows[0].row() + 1 if rows else 0, self.filter.rowCount()):
            feature = self.model.feature_at(self.filter.mapToSource(self.filter.index(row, NAME)).row())
            if not self.model.table.names.get(feature):
                self.view.selectRow(row)
                return True
        return False

    def _selected(self, chosen: QItemSelection, dropped: QItemSelection) -> None:
        del dropped
        if chosen.indexes():
            feature = self.selected()
            if feature is not None:
                self.feature_requested.emit(feature)

    def _refilter(self) -> None:
        status = str(self.status.currentData() or "")
        self.filter.set_filter(self.search.text(), firing_only=self.firing.isChecked(), status=status)
        self.count.setText(f"{self.filter.rowCount():,} of {self.model.rowCount():,}")
