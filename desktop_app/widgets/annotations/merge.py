"""Two people described a feature differently: both texts side by side, to choose field by field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSignalBlocker, QSize, Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from desktop_app.store.records.annotation_records import FIELDS
from desktop_app.widgets.controls.time_format import field_value

if TYPE_CHECKING:
    from desktop_app.store import AnnotationConflict

FIELD, MINE, THEIRS = range(3)
_BOX_PX: Final = 28
_MARGIN_PX: Final = 12
_ON, _OFF = Qt.CheckState.Checked, Qt.CheckState.Unchecked
_PLACE: Final = Qt.ItemDataRole.UserRole

Choice = tuple["AnnotationConflict", tuple[str, ...]]
"""A conflict, and the fields in which the other person's text is taken."""


class _WholeText(QStyledItemDelegate):
    """Rows as high as the text in them: what one chooses between must be read to its end."""

    def __init__(self, tree: QTreeWidget) -> None:
        super().__init__(tree)
        self._tree = tree

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Return the height that the wrapped text takes in its column."""
        size = super().sizeHint(option, index)
        box = _BOX_PX if index.data(Qt.ItemDataRole.CheckStateRole) is not None else 0
        indent = self._tree.indentation() * 2 if index.column() == FIELD else 0
        room = max(self._tree.columnWidth(index.column()) - box - indent - _MARGIN_PX, 40)
        text = str(index.data(Qt.ItemDataRole.DisplayRole) or "")
        flags = int(Qt.TextFlag.TextWordWrap | Qt.TextFlag.TextWrapAnywhere)
        # The style breaks between words first, so that is measured; a long word alone breaks anywhere.
        needed = self._tree.fontMetrics().boundingRect(
            QRect(0, 0, room, 10_000), int(Qt.TextFlag.TextWordWrap), text
        )
        if needed.width() > room:
            needed = self._tree.fontMetrics().boundingRect(QRect(0, 0, room, 10_000), flags, text)
        return QSize(size.width(), max(size.height(), needed.height() + 8))


class MergeDialog(QDialog):
    """Lists every field that differs; this project's text is chosen until the user takes the other."""

    def __init__(self, conflicts: Sequence[AnnotationConflict], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Conflicting texts")
        self._conflicts = tuple(conflicts)
        people = {conflict.theirs.author or "somebody" for conflict in conflicts}
        lead = QLabel(
            f"{len(conflicts)} features are described differently in this project and in the file by "
            f"{', '.join(sorted(people))}. Choose for each field; whatever you take can be undone, and the "
            "history keeps both."
        )
        lead.setWordWrap(True)
        self.tree = QTreeWidget()
        self.tree.setAccessibleName("Conflicting fields")
        self.tree.setHeaderLabels(["", "In this project", "In the file"])
        self.tree.setWordWrap(True)
        self.tree.setItemDelegate(_WholeText(self.tree))
        self.tree.header().sectionResized.connect(lambda *_: self.tree.scheduleDelayedItemsLayout())
        self.tree.setColumnWidth(FIELD, 190)
        self.tree.setColumnWidth(MINE, 260)
        for number, conflict in enumerate(conflicts):
            self.tree.addTopLevelItem(_feature_item(number, conflict))
        self.tree.expandAll()
        self.tree.itemChanged.connect(self._changed)
        every = QHBoxLayout()
        for text, column in (
            ("Keep everything of this project", MINE),
            ("Use everything from the file", THEIRS),
        ):
            button = QPushButton(text)
            button.clicked.connect(lambda _=False, which=column: self.choose_all(which))
            every.addWidget(button)
        every.addStretch()
        kinds = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(kinds.Ok | kinds.Cancel)
        self.buttons.button(kinds.Ok).setText("Use the selected texts")
        self.buttons.button(kinds.Cancel).setText("Cancel the import")
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        column_layout = QVBoxLayout(self)
        for part in (lead, self.tree):
            column_layout.addWidget(part)
        column_layout.addLayout(every)
        column_layout.addWidget(self.buttons)
        self.resize(820, 520)

    def choose_all(self, column: int) -> None:
        """Choose one side in every field."""
        for item in self._fields():
            item.setCheckState(column, _ON)

    def choices(self) -> list[Choice]:
        """Return the conflicts in which something is taken from the file, with the fields."""
        taken: dict[int, list[str]] = {}
        for item in self._fields():
            number, field = item.data(FIELD, _PLACE)
            if item.checkState(THEIRS) == _ON:
                taken.setdefault(number, []).append(field)
        return [(self._conflicts[number], tuple(fields)) for number, fields in taken.items()]

    def _fields(self) -> list[QTreeWidgetItem]:
        tops = (self.tree.topLevelItem(i) for i in range(self.tree.topLevelItemCount()))
        return [top.child(i) for top in tops if top is not None for i in range(top.childCount())]

    def _changed(self, item: QTreeWidgetItem, column: int) -> None:
        if column == FIELD:
            return
        # One of the two is always chosen.
        other = MINE if column == THEIRS else THEIRS
        with QSignalBlocker(self.tree):
            item.setCheckState(other, _OFF if item.checkState(column) == _ON else _ON)


def _feature_item(number: int, conflict: AnnotationConflict) -> QTreeWidgetItem:
    mine, theirs = conflict.mine, conflict.theirs
    top = QTreeWidgetItem(
        [f"Feature {mine.feature}", f"by {mine.author or 'somebody'}", f"by {theirs.author or 'somebody'}"]
    )
    own, other = mine.content(), theirs.content()
    for field in conflict.fields:
        child = QTreeWidgetItem([FIELDS[field].title, field_value(own[field]), field_value(other[field])])
        child.setData(FIELD, _PLACE, (number, field))
        child.setCheckState(MINE, _ON)
        child.setCheckState(THEIRS, _OFF)
        for column in (MINE, THEIRS):
            child.setToolTip(column, child.text(column))
        top.addChild(child)
    return top
