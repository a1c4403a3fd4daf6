"""The table of features: sort, filter, search, step, lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from PySide6.QtCore import QItemSelection, QPoint, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMenu,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from desktop_app.widgets.controls.empty_state import EmptyState
from desktop_app.widgets.features import feature_model as fm
from desktop_app.widgets.features.feature_model import FeatureModel, FeatureNote, FeatureQuery, FeatureTable

FILTERS: Final = (
    ("All", ""),
    ("Bookmarked", fm.BOOKMARKED),
    ("Named", fm.NAMED),
    ("Not named", fm.UNNAMED),
    ("Unseen", "unseen"),
    ("Draft", "draft"),
    ("Reviewed", "reviewed"),
    ("Rejected", "rejected"),
    ("Biological", "biological"),
    ("Technical", "technical"),
    ("Polysemantic", fm.POLYSEMANTIC),
    ("Never fires here", fm.DEAD),
)
_WIDTHS: Final = {
    fm.ID: 58, fm.MARK: 26, fm.NAME: 116, fm.RATE: 64, fm.BEST: 236, fm.MAX: 58, fm.MEAN: 86, fm.SHARE: 88,
    fm.STATUS: 76, fm.CONFIDENCE: 50, fm.CONCEPT: 130, fm.TAGS: 120,
}  # fmt: skip


class _Table(QTableView):
    """Keeps the marked row in sight when its room changes."""

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        rows = self.selectionModel().selectedRows()
        if rows:
            self.scrollTo(rows[0])


class FeaturesPanel(QWidget):
    """Shows features and asks for the one that is selected."""

    feature_requested = Signal(int)
    analysis_requested = Signal(int)
    bookmark_requested = Signal(int)
    together_requested = Signal(int)
    list_requested = Signal(object)
    unlist_requested = Signal(str, int)
    list_deleted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.analysis = QComboBox()
        self.analysis.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.analysis.setMinimumContentsLength(12)
        self.analysis.setAccessibleName("Analysis")
        self.analysis.hide()
        self.analysis.activated.connect(self._analysis_chosen)
        self.model = FeatureModel()
        self._lists: dict[str, frozenset[int]] = {}
        self.search = QLineEdit()
        self.search.setPlaceholderText("Number, or words from names, notes, tags, comments, cell types")
        self.search.setAccessibleName("Search the features")
        self.search.setClearButtonEnabled(True)
        self.status = QComboBox()
        self.status.setAccessibleName("Which features")
        self.status.setMaxVisibleItems(20)
        self.firing = QCheckBox("Active on this slide")
        self.firing.setToolTip("Hide features that are active in no tile of this slide")
        self.view = _Table()
        self.view.setModel(self.model)
        self.view.setAccessibleName("Features")
        self._set_up_view()
        self._has_table = False
        self.pages = EmptyState(self.view, "Features appear here once a slide is analysed.")
        self.count = QLabel("")
        self.show_lists({})
        self.search.textChanged.connect(self._refilter)
        self.status.currentIndexChanged.connect(self._refilter)
        self.firing.toggled.connect(self._refilter)
        row = QHBoxLayout()
        row.addWidget(self.status)
        row.addWidget(self.firing)
        row.addStretch()
        row.addWidget(self.count)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
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
        view.verticalHeader().setDefaultSectionSize(max(22, view.fontMetrics().height() + 6))
        header = view.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setMinimumSectionSize(24)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._column_menu)
        view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        # Wrapped, a name that does not fit would vanish whole instead of being cut.
        view.setWordWrap(False)
        view.setSortingEnabled(True)
        view.sortByColumn(fm.RATE, Qt.SortOrder.DescendingOrder)
        for column, width in _WIDTHS.items():
            view.setColumnWidth(column, width)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.customContextMenuRequested.connect(self._row_menu)
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
                    f"The analysis the features come from; names belong to one autoencoder.\n{details}"
                )
        self.analysis.setVisible(bool(analyses))

    def _analysis_chosen(self, index: int) -> None:
        self.analysis_requested.emit(int(self.analysis.itemData(index)))

    def show_features(self, table: FeatureTable) -> None:
        """Replace the table."""
        marked = self.selected()
        self.model.show(table)
        self._has_table = True
        self._counted()
        if marked is not None:
            self.select(marked)

    def say(self, sentence: str) -> None:
        """Show a sentence in place of the table."""
        self._has_table = False
        self.pages.say(sentence)
        self.count.setText("")

    def show_note(self, feature: int, note: FeatureNote) -> None:
        """Change what is said of one feature."""
        self.model.set_note(feature, note)

    def name_of(self, feature: int) -> str:
        """Name of a feature, "" where it has none."""
        return self.model.table.note(feature).name

    def show_lists(self, lists: Mapping[str, frozenset[int]]) -> None:
        """Offer lists of features among the filters, by name."""
        chosen, was_list = self.status.currentText(), self._list_chosen() is not None
        self._lists = dict(lists)
        with QSignalBlocker(self.status):
            self.status.clear()
            for text, value in FILTERS:
                self.status.addItem(text, value)
            if lists:
                self.status.insertSeparator(self.status.count())
            for name, members in lists.items():
                self.status.addItem(f"List: {name} ({len(members)})", None)
                self.status.setItemData(self.status.count() - 1, name, Qt.ItemDataRole.UserRole + 1)
            found = self.status.findText(chosen.split(" (")[0], Qt.MatchFlag.MatchStartsWith)
            self.status.setCurrentIndex(max(0, found))
        if was_list:
            self._refilter()

    def _list_chosen(self) -> str | None:
        name = self.status.currentData(Qt.ItemDataRole.UserRole + 1)
        return name if isinstance(name, str) else None

    def select(self, feature: int) -> None:
        """Mark a feature's row without asking for it again."""
        row = self.model.row_of(feature)
        with QSignalBlocker(self.view.selectionModel()):
            if row < 0:
                # A row that stayed marked could not be chosen with a click.
                self.view.clearSelection()
            elif self.selected() != feature:
                self.view.selectRow(row)
        self.view.viewport().update()
        if row >= 0:
            self.view.scrollTo(self.model.index(row, fm.ID))

    def selected(self) -> int | None:
        """Return the feature whose row is marked."""
        rows = self.view.selectionModel().selectedRows()
        return self.model.feature_at(rows[0].row()) if rows else None

    def step(self, by: int) -> None:
        """Select the row `by` below (negative: above) the marked one."""
        count = self.model.rowCount()
        if count == 0:
            return
        rows = self.view.selectionModel().selectedRows()
        self.view.selectRow(0 if not rows else min(max(rows[0].row() + by, 0), count - 1))

    def step_to_unnamed(self) -> bool:
        """Select the next row below the marked one whose feature has no name; False where there is none."""
        rows = self.view.selectionModel().selectedRows()
        for row in range(rows[0].row() + 1 if rows else 0, self.model.rowCount()):
            if not self.model.table.note(self.model.feature_at(row)).name:
                self.view.selectRow(row)
                return True
        return False

    def show_only(self, words: str, members: frozenset[int]) -> None:
        """Show these features until another filter is chosen; `words` says which they are."""
        self.model.set_query(FeatureQuery(members=members))
        self._counted()
        self.count.setText(f"{words}: {self.count.text()}")

    def _selected(self, chosen: QItemSelection, dropped: QItemSelection) -> None:
        del dropped
        if chosen.indexes():
            feature = self.selected()
            if feature is not None:
                self.feature_requested.emit(feature)

    def _refilter(self) -> None:
        marked = self.selected()
        name = self._list_chosen()
        self.model.set_query(
            FeatureQuery(
                self.search.text(),
                self.firing.isChecked(),
                "" if name is not None else str(self.status.currentData() or ""),
                self._lists.get(name) if name is not None else None,
            )
        )
        self._counted()
        if marked is not None:
            self.select(marked)

    def _counted(self) -> None:
        self.count.setText(f"{self.model.rowCount():,} of {self.model.total:,}")
        if self._has_table and not self.model.rowCount():
            self.pages.say("No feature matches: change the search, the list, or “Active on this slide”.")
        elif self._has_table:
            self.pages.show_content()

    def _column_menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        for column in range(self.model.columnCount()):
            if column in (fm.ID, fm.NAME):
                continue
            title = self.model.headerData(column, Qt.Orientation.Horizontal)
            action = menu.addAction("Bookmark" if column == fm.MARK else str(title))
            action.setCheckable(True)
            action.setChecked(not self.view.isColumnHidden(column))
            action.toggled.connect(lambda on, which=column: self.view.setColumnHidden(which, not on))
        menu.popup(self.view.horizontalHeader().mapToGlobal(at))

    def row_menu(self, feature: int) -> QMenu:
        """Return what can be done with a feature of the table."""
        menu = QMenu(self)
        marked = feature in self.model.table.bookmarks
        menu.addAction("Remove the bookmark" if marked else "Bookmark").triggered.connect(
            lambda: self.bookmark_requested.emit(feature)
        )
        menu.addAction("Overlay in own colour").triggered.connect(
            lambda: self.together_requested.emit(feature)
        )
        menu.addAction("Add to a list…").triggered.connect(lambda: self.list_requested.emit([feature]))
        menu.addAction("Save the rows shown as a list…").triggered.connect(
            lambda: self.list_requested.emit(self.model.features())
        )
        name = self._list_chosen()
        if name is not None:
            menu.addAction(f"Remove from “{name}”").triggered.connect(
                lambda: self.unlist_requested.emit(name, feature)
            )
            menu.addAction(f"Delete the list “{name}”").triggered.connect(
                lambda: self.list_deleted.emit(name)
            )
        return menu

    def _row_menu(self, at: QPoint) -> None:
        index = self.view.indexAt(at)
        if index.isValid():
            self.row_menu(self.model.feature_at(index.row())).popup(self.view.viewport().mapToGlobal(at))
