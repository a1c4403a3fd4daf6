"""Name and grade a feature; every change is saved at once and kept in its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app.tasks import Pause
from desktop_app.widgets.annotations.comments import RemarksTabs
from desktop_app.widgets.controls.empty_state import EmptyState
from desktop_app.widgets.controls.time_format import when

if TYPE_CHECKING:
    from desktop_app.store import AnnotationRecord, HistoryRecord

STATUSES: Final = ("unseen", "draft", "reviewed", "rejected")
CONFIDENCES: Final = ("not given", "1 – a guess", "2", "3", "4", "5 – certain")
NATURES: Final = (("not given", ""), ("biological", "biological"), ("technical", "technical"))
TYPING_PAUSE_MS: Final = 700
NEVER_SAVED: Final = object()
"""Unlike any value of a field, None among them."""

ADD_TERM: Final = "\0add"


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
        self.name = QLineEdit()
        self.name.setPlaceholderText("What does this feature see?")
        self.concept = QComboBox()
        self.concept.setMaxVisibleItems(24)
        self.concept.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.description = QPlainTextEdit()
        self.description.setMaximumHeight(64)
        self.description.setTabChangesFocus(True)
        self.tags = QLineEdit()
        self.tags.setPlaceholderText("separated by commas")
        self.confidence, self.status, self.nature = _choice(CONFIDENCES), _choice(STATUSES), QComboBox()
        for text, value in NATURES:
            self.nature.addItem(text, value)
        self.nature.setToolTip("Does it follow the tissue, or how the slide was cut, stained and scanned?")
        self.polysemantic = QCheckBox("Several things")
        self.polysemantic.setToolTip(
            "It sees several things that have nothing to do with each other (polysemantic)"
        )
        self.status.setToolTip("How far the review of this feature is")
        self.status.setAccessibleName("Status")
        self.status.setMinimumWidth(84)
        self.remarks = RemarksTabs()
        self.history = self.remarks.history
        self.saved_note = QLabel("")
        self.saved_note.setWordWrap(True)
        self.author, self.sign = QLineEdit(), QPushButton("Sign so")
        self.author_row = self._author_row()
        self.show_vocabulary({})
        self.pages = EmptyState(self._form(), "Choose a feature to name it.")
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(self.pages)
        self._pause = Pause(TYPING_PAUSE_MS, self)
        self._pause.over.connect(self.flush)
        for line in (self.name, self.tags):
            line.textEdited.connect(self._typed)
            line.editingFinished.connect(self.flush)
        self.description.textChanged.connect(self._typed)
        for box in (self.confidence, self.status, self.nature):
            box.currentIndexChanged.connect(self.flush)
        self.concept.currentIndexChanged.connect(self._concept_chosen)
        self.polysemantic.toggled.connect(self.flush)

    def _form(self) -> QWidget:
        head = QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(self.bookmark)
        form = QFormLayout()
        form.setVerticalSpacing(4)
        for text, field in (
            ("&Name", self.name),
            ("Conce&pt", self.concept),
            ("Nat&ure", self.nature),
            ("C&onfidence", self.confidence),
            ("Ta&gs", self.tags),
            ("&Description", self.description),
        ):
            label = QLabel(text)
            label.setBuddy(field)
            beside = {"Nat&ure": self.polysemantic, "C&onfidence": self.status}.get(text)
            form.addRow(label, field if beside is None else _pair(field, beside))
            field.setMinimumWidth(84)
            field.setAccessibleName(text.replace("&", ""))
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(head)
        column.addLayout(form)
        column.addWidget(self.author_row)
        column.addWidget(self.saved_note)
        column.addWidget(self.remarks, 1)
        self.remarks.setMinimumHeight(130)
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
        self.author.setToolTip("Your colleagues see it beside what you write. It is asked once.")
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

    def show_vocabulary(self, families: Mapping[str, Sequence[str]]) -> None:
        """Offer these terms by family, keeping the one that is chosen."""
        chosen = self.concept.currentData() or ""
        with QSignalBlocker(self.concept):
            self.concept.clear()
            self.concept.addItem("not given", "")
            for family, terms in families.items():
                self._add_heading(family)
                for term in terms:
                    self.concept.addItem(f"{family}: {term}", f"{family}: {term}")
            self.concept.insertSeparator(self.concept.count())
            self.concept.addItem("Add a term…", ADD_TERM)
            self._choose_concept(chosen)

    def _add_heading(self, text: str) -> None:
        model = self.concept.model()
        assert isinstance(model, QStandardItemModel)
        heading = QStandardItem(text.upper())
        heading.setFlags(Qt.ItemFlag.NoItemFlags)
        model.appendRow(heading)

    def _choose_concept(self, concept: str) -> None:
        index = self.concept.findData(concept)
        if index < 0:
            # A colleague's term that this project does not have.
            self.concept.insertItem(1, concept, concept)
            index = 1
        self.concept.setCurrentIndex(index)

    def show_feature(
        self, feature: int, record: AnnotationRecord | None, history: Sequence[HistoryRecord]
    ) -> None:
        """Fill the form; what was being typed for another feature is asked to be saved first."""
        self.flush()
        self._showing = True
        if feature != self._feature:
            self.remarks.words.clear()
        self._feature = feature
        self.title.setText(f"Feature {feature}")
        self._fill(record.content() if record is not None else {})
        self._saved = self._draft()
        self._showing = False
        self.saved_note.setText(
            f"Saved {when(record.updated_at)} by {record.author or 'somebody'}"
            if record is not None and record.updated_at
            else "Not named yet; every change is saved at once."
        )
        self.remarks.show_history(history)
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
        self.saved_note.setText("NOT SAVED. It is tried again with your next step or change.")

    def _fill(self, content: Mapping[str, Any]) -> None:
        # A field that already reads the same is left alone, so that the cursor stays where it is.
        name, description = content.get("name") or "", content.get("description") or ""
        tags = tuple(content.get("tags") or ())
        if self.name.text().strip() != name:
            self.name.setText(name)
        if self.description.toPlainText().strip() != description:
            self.description.setPlainText(description)
        if _tags(self.tags.text()) != tags:
            self.tags.setText(", ".join(tags))
        self.confidence.setCurrentIndex(content.get("confidence") or 0)
        self.status.setCurrentText(content.get("status") or "unseen")
        self._choose_concept(content.get("concept") or "")
        self.nature.setCurrentIndex(max(0, self.nature.findData(content.get("nature") or "")))
        self.polysemantic.setChecked(bool(content.get("polysemantic")))

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

    def _concept_chosen(self) -> None:
        if self.concept.currentData() != ADD_TERM:
            self.flush()
            return
        with QSignalBlocker(self.concept):
            self._choose_concept(self._saved.get("concept", ""))
        self.term_requested.emit()

    def _bookmarked(self, on: bool) -> None:
        self.show_bookmark(on)
        self.bookmark_toggled.emit(on)

    def _signed(self) -> None:
        if self.author.text().strip():
            self.author_given.emit(self.author.text().strip())

    def _draft(self) -> dict[str, Any]:
        return {
            "name": self.name.text().strip(),
            "description": self.description.toPlainText().strip(),
            "tags": _tags(self.tags.text()),
            "confidence": self.confidence.currentIndex() or None,
            "status": self.status.currentText(),
            "concept": self.concept.currentData() or "",
            "nature": self.nature.currentData(),
            "polysemantic": self.polysemantic.isChecked(),
        }


def _pair(left: QWidget, right: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.addWidget(left, 1)
    row.addWidget(right, 1)
    return row


def _choice(texts: Sequence[str]) -> QComboBox:
    box = QComboBox()
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(7)
    box.addItems(texts)
    return box


def _tags(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag.strip() for tag in text.split(",") if tag.strip()))
