"""Name and grade a feature; every change is saved at once and kept in its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, TypeVar

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app.store.records.annotation_records import FIELDS, FORM
from desktop_app.tasks import Debouncer
from desktop_app.widgets.annotations.comments import CommentTabs
from desktop_app.widgets.annotations.editors import ChoiceBox, ConceptBox, TagLine, TextLine, make_editor
from desktop_app.widgets.controls.empty_state import EmptyState
from desktop_app.widgets.controls.time_format import when

if TYPE_CHECKING:
    from desktop_app.store import AnnotationRecord, HistoryRecord

TYPING_PAUSE_MS: Final = 700
NEVER_SAVED: Final = object()
"""Unlike any value of a field, None among them."""
BLANK: Final = {name: known.blank for name, known in FIELDS.items()}
_E = TypeVar("_E", TextLine, TagLine, ChoiceBox, ConceptBox)


class AnnotationPanel(QWidget):
    """A form for one feature. It asks to save only the fields that were changed.

    `save_requested` carries the feature number and a dict of changed fields, so that an answer to
    a form that was left for another feature still goes to the right one.
    """

    save_requested = Signal(int, object)
    bookmark_toggled = Signal(bool)
    term_requested = Signal()
    author_given = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._feature: int | None = None
        self._saved: dict[str, Any] = {}
        self._showing = False
        self.title = QLabel("")
        self.title.setStyleSheet("font-weight: bold;")
        self.bookmark = QToolButton()
        self.bookmark.setText("Bookmark")
        self.bookmark.setCheckable(True)
        self.bookmark.setToolTip("Put this feature on the list of bookmarks (B)")
        self.bookmark.toggled.connect(self._bookmarked)
        self.editors = {known.name: make_editor(known, self._typed, self.flush) for known in FIELDS.values()}
        # Those that keys and other panels act on.
        self.name = self._editor("name", TextLine)
        self.name.setPlaceholderText("What does this feature see?")
        self.concept = self._editor("concept", ConceptBox)
        self.concept.term_requested.connect(self.term_requested)
        self.confidence = self._editor("confidence", ChoiceBox)
        self.status = self._editor("status", ChoiceBox)
        self._editor("tags", TagLine).setPlaceholderText("separated by commas")
        self.comment_tabs = CommentTabs()
        self.history = self.comment_tabs.history
        self.saved_note = QLabel("")
        self.saved_note.setWordWrap(True)
        self.author, self.sign = QLineEdit(), QPushButton("Use this name")
        self.author_row = self._author_row()
        self.pages = EmptyState(self._form(), "Choose a feature to name it.")
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(self.pages)
        self._pause = Debouncer(TYPING_PAUSE_MS, self)
        self._pause.over.connect(self.flush)

    def _form(self) -> QWidget:
        head = QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(self.bookmark)
        form = QFormLayout()
        form.setVerticalSpacing(4)
        for _, fields in groupby(FORM, key=lambda known: known.row):
            first, *beside = fields
            editor = self.editors[first.name]
            label = QLabel(first.label)
            label.setBuddy(editor)
            row = QHBoxLayout()
            row.addWidget(editor, 1)
            for known in beside:
                row.addWidget(self.editors[known.name], 1)
            form.addRow(label, row)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(head)
        column.addLayout(form)
        column.addWidget(self.author_row)
        column.addWidget(self.saved_note)
        column.addWidget(self.comment_tabs, 1)
        self.comment_tabs.setMinimumHeight(130)
        # A small window scrolls instead of squeezing the fields over each other.
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(page)
        return scroll

    def _author_row(self) -> QWidget:
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        self.author.setAccessibleName("Your name")
        self.author.setToolTip("Shown to your colleagues beside what you write. You are asked once.")
        self.sign.clicked.connect(self._signed)
        self.author.returnPressed.connect(self._signed)
        line.addWidget(QLabel("Your name"))
        line.addWidget(self.author, 1)
        line.addWidget(self.sign)
        row.hide()
        return row

    @property
    def feature(self) -> int | None:
        """The feature that the form is for."""
        return self._feature

    def ask_author(self, suggested: str) -> None:
        """Ask once, inside the form, how the user wants to be named; an empty text asks no more."""
        self.author.setText(suggested)
        self.author_row.setVisible(bool(suggested))

    def show_feature(
        self, feature: int, record: AnnotationRecord | None, history: Sequence[HistoryRecord]
    ) -> None:
        """Fill the form; what was being typed for another feature is asked to be saved first."""
        self.flush()
        self._showing = True
        if feature != self._feature:
            self.comment_tabs.words.clear()
        self._feature = feature
        self.title.setText(f"Feature {feature}")
        self._fill(record.content() if record is not None else BLANK)
        self._saved = self._draft()
        self._showing = False
        self.saved_note.setText(
            f"Saved {when(record.updated_at)} by {record.author or 'somebody'}"
            if record is not None and record.updated_at
            else "Not named yet; every change is saved at once."
        )
        self.comment_tabs.show_history(history)
        self.pages.show_content()

    def show_bookmark(self, on: bool) -> None:
        """Show whether the feature is bookmarked."""
        with QSignalBlocker(self.bookmark):
            self.bookmark.setChecked(on)
        self.bookmark.setText("Bookmarked" if on else "Bookmark")

    def show_unsaved(self, fields: Mapping[str, Any]) -> None:
        """Show fields that could not be saved; they are asked to be saved again with the next change."""
        self._showing = True
        self._fill({**self._draft(), **fields})
        self._showing = False
        self._saved = {key: value for key, value in self._saved.items() if key not in fields}
        self.saved_note.setText("NOT SAVED. Saving is tried again with your next change.")

    def _fill(self, content: Mapping[str, Any]) -> None:
        for name, value in content.items():
            self.editors[name].set_value(value)

    def say(self, sentence: str) -> None:
        """Show a sentence in place of the form."""
        self.flush()
        self._feature = None
        self.pages.say(sentence)

    def flush(self) -> None:
        """Ask now to save what was changed."""
        self._pause.stop()
        if self._feature is None or self._showing:
            return
        draft = self._draft()
        changed = {key: value for key, value in draft.items() if value != self._saved.get(key, NEVER_SAVED)}
        if changed:
            self._saved = draft
            self.save_requested.emit(self._feature, changed)

    def _typed(self) -> None:
        if not self._showing:
            self._pause.restart()

    def _bookmarked(self, on: bool) -> None:
        self.show_bookmark(on)
        self.bookmark_toggled.emit(on)

    def _signed(self) -> None:
        if self.author.text().strip():
            self.author_given.emit(self.author.text().strip())

    def _draft(self) -> dict[str, Any]:
        return {name: editor.value() for name, editor in self.editors.items()}

    def _editor(self, name: str, kind: type[_E]) -> _E:
        editor = self.editors[name]
        assert isinstance(editor, kind)
        return editor
