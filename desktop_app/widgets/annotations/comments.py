"""What hangs on a feature beside its form: comments, chosen examples, history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app.store.records.annotation_records import FIELDS
from desktop_app.widgets.controls.empty_state import EmptyState
from desktop_app.widgets.controls.plain_tabs import PlainTabs
from desktop_app.widgets.controls.time_format import field_value, when

if TYPE_CHECKING:
    from desktop_app.store import CommentRecord, HistoryRecord

COMMENTS, EXAMPLES, HISTORY = range(3)
_ROLE: Final = Qt.ItemDataRole.UserRole


class CommentTabs(PlainTabs):
    """Three lists; every button asks, and the lists show what is in the project."""

    comment_requested = Signal(str)
    comment_withdrawn = Signal(str)
    example_requested = Signal()
    example_shown = Signal(str)
    example_withdrawn = Signal(str)
    restore_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.comments = _list("Comments")
        self.words = QLineEdit()
        self.words.setPlaceholderText("Write a comment for your colleagues")
        self.words.setAccessibleName("New comment")
        self.words.returnPressed.connect(self._comment)
        self.add_comment = _button("Add", "Add the comment; it carries your name and the time", self._comment)
        self.withdraw = _button(
            "Withdraw", "Withdraw the selected comment (Undo restores it)", self._withdraw
        )
        self.comment_pages = EmptyState(self.comments, "Nobody has commented on this feature.")
        self.examples = _list("Examples")
        self.examples.itemClicked.connect(lambda item: self.example_shown.emit(item.data(_ROLE)))
        self.examples.itemActivated.connect(lambda item: self.example_shown.emit(item.data(_ROLE)))
        self.add_example = _button(
            "Add selected tile", "Mark tile as example (E)", self.example_requested.emit
        )
        self.drop_example = _button("Remove", "Remove the selected example (Undo restores it)", self._drop)
        self.example_pages = EmptyState(
            self.examples,
            "No tile is marked as an example yet. Select one on the slide or among the examples.",
        )
        self.history = _list("History")
        self.restore = _button("Restore this version", "Later versions stay in the history", self._restore)
        self.history_pages = EmptyState(self.history, "Nothing has been changed yet.")
        self._page("Comments", self.comment_pages, self.words, self.add_comment, self.withdraw)
        self._page("Examples", self.example_pages, self.add_example, self.drop_example)
        self._page("History", self.history_pages, self.restore)
        for shown, button in (
            (self.comments, self.withdraw),
            (self.examples, self.drop_example),
            (self.history, self.restore),
        ):
            button.setEnabled(False)
            shown.itemSelectionChanged.connect(
                lambda known=shown, act=button: act.setEnabled(bool(known.selectedItems()))
            )

    def _page(self, title: str, pages: EmptyState, *below: QWidget) -> None:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 4, 0, 0)
        column.addWidget(pages, 1)
        row = QHBoxLayout()
        for widget in below:
            row.addWidget(widget, 1 if isinstance(widget, QLineEdit) else 0)
        column.addLayout(row)
        self.addTab(page, title)

    def show_comments(self, comments: Sequence[CommentRecord]) -> None:
        """Show comments, the newest first; what is being typed stays."""
        self.comments.clear()
        for comment in reversed(comments):
            who = comment.author or "somebody"
            _add(self.comments, f"{who}, {when(comment.at)}\n{comment.text}", comment.uid)
        self._fill(COMMENTS, "Comments", self.comment_pages, len(comments))

    def show_examples(self, examples: Sequence[tuple[str, str]]) -> None:
        """Show examples as (uid, words), in the order given."""
        self.examples.clear()
        for uid, words in examples:
            _add(self.examples, words, uid)
        self._fill(EXAMPLES, "Examples", self.example_pages, len(examples))

    def show_history(self, history: Sequence[HistoryRecord]) -> None:
        """Show what was changed, the newest first."""
        self.history.clear()
        for entry in reversed(history):
            who = f" by {entry.author}" if entry.author else ""
            words = f"{FIELDS[entry.field].title} {field_value(entry.before)} → {field_value(entry.after)}"
            _add(self.history, f"{when(entry.at)}{who}: {words}", entry.revision)
        self._fill(HISTORY, "History", self.history_pages, len(history))

    def _fill(self, tab: int, title: str, pages: EmptyState, count: int) -> None:
        self.setTabText(tab, f"{title} ({count})" if count else title)
        if count:
            pages.show_content()
        else:
            pages.show_sentence()

    def _comment(self) -> None:
        if self.words.text().strip():
            self.comment_requested.emit(self.words.text())

    def _withdraw(self) -> None:
        for item in self.comments.selectedItems():
            self.comment_withdrawn.emit(item.data(_ROLE))

    def _drop(self) -> None:
        for item in self.examples.selectedItems():
            self.example_withdrawn.emit(item.data(_ROLE))

    def _restore(self) -> None:
        for item in self.history.selectedItems():
            self.restore_requested.emit(item.data(_ROLE))


def _list(name: str) -> QListWidget:
    made = QListWidget()
    made.setWordWrap(True)
    made.setAccessibleName(name)
    made.setMinimumHeight(60)
    return made


def _add(shown: QListWidget, words: str, data: str | int) -> None:
    item = QListWidgetItem(words)
    item.setData(_ROLE, data)
    shown.addItem(item)


def _button(text: str, tip: str, act: object) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.clicked.connect(lambda _=False: act())  # type: ignore[operator]
    return button
