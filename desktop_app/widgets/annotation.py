"""Name and grade a feature; every change is saved at once and kept in its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from desktop_app.tasks import Pause
from desktop_app.widgets.empty_state import EmptyState

if TYPE_CHECKING:
    from desktop_app.store import AnnotationRecord, HistoryRecord

STATUSES: Final = ("unseen", "draft", "reviewed", "rejected")
CONFIDENCES: Final = ("not given", "1 – a guess", "2", "3", "4", "5 – certain")
TYPING_PAUSE_MS: Final = 700
NEVER_SAVED: Final = object()
"""Unlike any value of a field, None among them."""

FIELD_STYLE: Final = "QPlainTextEdit { background: rgb(66, 74, 84); border: none; border-radius: 2px; }"


class AnnotationPanel(QWidget):
    """A form for one feature. It asks to save only the fields that were changed.

    `save_requested` carries the feature number and a dict of changed fields, so that an answer to
    a form that was left for another feature still goes to the right one.
    """

    save_requested = Signal(int, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._feature: int | None = None
        self._saved: dict[str, Any] = {}
        self._showing = False
        self.title = QLabel("")
        self.title.setStyleSheet("font-weight: bold;")
        self.name = QLineEdit()
        self.name.setPlaceholderText("What does this feature see?")
        self.description = QPlainTextEdit()
        self.description.setMaximumHeight(80)
        self.description.setTabChangesFocus(True)
        # napari's style has nothing for this kind of field.
        self.description.setStyleSheet(FIELD_STYLE)
        self.tags = QLineEdit()
        self.tags.setPlaceholderText("separated by commas")
        self.confidence = QComboBox()
        self.confidence.addItems(CONFIDENCES)
        self.status = QComboBox()
        self.status.addItems(STATUSES)
        self.history = QListWidget()
        self.history.setWordWrap(True)
        self.saved_note = QLabel("")
        self.saved_note.setWordWrap(True)
        self.pages = EmptyState(self._form(), "Choose a feature to name it.")
        column = QVBoxLayout(self)
        column.addWidget(self.pages)
        self._pause = Pause(TYPING_PAUSE_MS, self)
        self._pause.over.connect(self.flush)
        for line in (self.name, self.tags):
            line.textEdited.connect(self._typed)
            line.editingFinished.connect(self.flush)
        self.description.textChanged.connect(self._typed)
        for box in (self.confidence, self.status):
            box.currentIndexChanged.connect(self.flush)

    def _form(self) -> QWidget:
        page = QWidget()
        form = QFormLayout()
        form.addRow("Name", self.name)
        form.addRow("Description", self.description)
        form.addRow("Tags", self.tags)
        form.addRow("Confidence", self.confidence)
        form.addRow("Status", self.status)
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.title)
        column.addLayout(form)
        column.addWidget(self.saved_note)
        column.addWidget(QLabel("History"))
        column.addWidget(self.history)
        return page

    @property
    def feature(self) -> int | None:
        """The feature that the form is for."""
        return self._feature

    def show_feature(
        self, feature: int, record: AnnotationRecord | None, history: Sequence[HistoryRecord]
    ) -> None:
        """Fill the form; what was being typed for another feature is asked to be saved first."""
        self.flush()
        self._showing = True
        self._feature = feature
        self.title.setText(f"Feature {feature}")
        self._fill(record)
        self._saved = self._draft()
        self._showing = False
        self.saved_note.setText(
            f"Saved {record.updated_at[:16].replace('T', ' ')} UTC"
            if record is not None and record.updated_at
            else "Not named yet; every change is saved at once."
        )
        self.history.clear()
        for entry in reversed(history):
            who = f" by {entry.author}" if entry.author else ""
            when = str(entry.at)[:16].replace("T", " ")
            self.history.addItem(f"{when}{who}: {entry.field} {_value(entry.before)} → {_value(entry.after)}")
        self.pages.show_content()

    def show_unsaved(self, fields: Mapping[str, Any]) -> None:
        """Show fields that could not be saved; they are asked to be saved again with the next change."""
        draft = {**self._draft(), **fields}
        self._showing = True
        self._fill_fields(draft["name"], draft["description"], ", ".join(draft["tags"]))
        self.confidence.setCurrentIndex(draft["confidence"] or 0)
        self.status.setCurrentText(draft["status"])
        self._showing = False
        self._saved = {key: value for key, value in self._saved.items() if key not in fields}
        self.saved_note.setText("NOT SAVED. It is tried again with your next step or change.")

    def _fill(self, record: AnnotationRecord | None) -> None:
        self._fill_fields(
            record.name or "" if record else "",
            record.description or "" if record else "",
            ", ".join(record.tags) if record else "",
        )
        self.confidence.setCurrentIndex((record.confidence or 0) if record else 0)
        self.status.setCurrentText(record.status if record else "unseen")

    def _fill_fields(self, name: str, description: str, tags: str) -> None:
        # A field that already reads the same is left alone, so that the cursor stays where it is.
        if self.name.text().strip() != name:
            self.name.setText(name)
        if self.description.toPlainText().strip() != description:
            self.description.setPlainText(description)
        if _tags(self.tags.text()) != _tags(tags):
            self.tags.setText(tags)

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

    def _draft(self) -> dict[str, Any]:
        return {
            "name": self.name.text().strip(),
            "description": self.description.toPlainText().strip(),
            "tags": _tags(self.tags.text()),
            "confidence": self.confidence.currentIndex() or None,
            "status": self.status.currentText(),
        }


def _tags(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag.strip() for tag in text.split(",") if tag.strip()))


def _value(value: object) -> str:
    if value in (None, "", ()):
        return "nothing"
    return f"“{', '.join(value)}”" if isinstance(value, tuple) else f"“{value}”"
