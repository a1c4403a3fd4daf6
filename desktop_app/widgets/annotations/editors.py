"""Editors of the fields of an annotation, one kind each, made from the schema of the fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QCheckBox, QComboBox, QLineEdit, QPlainTextEdit

from desktop_app.store.records.annotation_records import AnnotationField, FieldValue

ADD_TERM: Final = "\0add"


class TextLine(QLineEdit):
    """A line of text."""

    def value(self) -> FieldValue:
        """Return the text."""
        return self.text().strip()

    def set_value(self, value: FieldValue) -> None:
        """Show a text."""
        if value != self.value():
            self.setText(str(value))


class TagLine(QLineEdit):
    """Tags, separated by commas."""

    def value(self) -> FieldValue:
        """Return the tags, each once."""
        return tuple(dict.fromkeys(tag.strip() for tag in self.text().split(",") if tag.strip()))

    def set_value(self, value: FieldValue) -> None:
        """Show tags."""
        if isinstance(value, tuple) and value != self.value():
            self.setText(", ".join(value))


class TextBox(QPlainTextEdit):
    """Several lines of text."""

    def __init__(self) -> None:
        super().__init__()
        self.setMaximumHeight(64)
        self.setTabChangesFocus(True)

    def value(self) -> FieldValue:
        """Return the text."""
        return self.toPlainText().strip()

    def set_value(self, value: FieldValue) -> None:
        """Show a text."""
        if value != self.value():
            self.setPlainText(str(value))


class Flag(QCheckBox):
    """Something that is so or not."""

    def value(self) -> FieldValue:
        """Return whether it is so."""
        return self.isChecked()

    def set_value(self, value: FieldValue) -> None:
        """Show whether it is so."""
        self.setChecked(bool(value))


class _Box(QComboBox):
    def __init__(self) -> None:
        super().__init__()
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)


class ChoiceBox(_Box):
    """One of the choices of a field."""

    def __init__(self, field: AnnotationField) -> None:
        super().__init__()
        self.setMinimumContentsLength(7)
        self._values = [value for value, _ in field.choices]
        self.addItems([text for _, text in field.choices])

    def value(self) -> FieldValue:
        """Return the choice."""
        return self._values[self.currentIndex()]

    def set_value(self, value: FieldValue) -> None:
        """Show a choice."""
        self.setCurrentIndex(self._values.index(value) if value in self._values else 0)


class ConceptBox(_Box):
    """A term of the vocabulary, under the headings of its families."""

    term_requested = Signal()
    chosen = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setMaxVisibleItems(24)
        self._last: FieldValue = ""
        self.show_vocabulary({})
        self.currentIndexChanged.connect(self._changed)

    def value(self) -> FieldValue:
        """Return the concept."""
        return self.currentData() or ""

    def set_value(self, value: FieldValue) -> None:
        """Show a concept, also one of a colleague that this project does not have."""
        index = self.findData(value)
        if index < 0:
            self.insertItem(1, str(value), value)
            index = 1
        self.setCurrentIndex(index)

    def show_vocabulary(self, families: Mapping[str, Sequence[str]]) -> None:
        """Offer these terms by family, keeping the one that is chosen."""
        chosen = self.value()
        with QSignalBlocker(self):
            self.clear()
            self.addItem("not given", "")
            for family, terms in families.items():
                self._add_heading(family)
                for term in terms:
                    self.addItem(f"{family}: {term}", f"{family}: {term}")
            self.insertSeparator(self.count())
            self.addItem("Add a term…", ADD_TERM)
            self.set_value(chosen)

    def _add_heading(self, text: str) -> None:
        model = self.model()
        assert isinstance(model, QStandardItemModel)
        heading = QStandardItem(text.upper())
        heading.setFlags(Qt.ItemFlag.NoItemFlags)
        model.appendRow(heading)

    def _changed(self) -> None:
        if self.currentData() != ADD_TERM:
            self._last = self.value()
            self.chosen.emit()
            return
        with QSignalBlocker(self):
            self.set_value(self._last)
        self.term_requested.emit()


Editor = TextLine | TagLine | TextBox | Flag | ChoiceBox | ConceptBox
"""A widget that gives its value and shows one; what already reads the same is left alone, so that the cursor stays."""


def make_editor(field: AnnotationField, typed: Callable[[], None], settled: Callable[[], None]) -> Editor:
    """Make the editor of a field.

    Parameters
    ----------
    field
        The field.
    typed
        Called while a text is being typed.
    settled
        Called when a value was chosen, or a line was left.
    """
    match field.kind:
        case "long text":
            box = TextBox()
            box.textChanged.connect(typed)
            made: Editor = box
        case "concept":
            terms = ConceptBox()
            terms.chosen.connect(settled)
            made = terms
        case "choice":
            choice = ChoiceBox(field)
            choice.currentIndexChanged.connect(settled)
            made = choice
        case "flag":
            flag = Flag(field.label)
            flag.toggled.connect(settled)
            made = flag
        case _:
            line = TagLine() if field.kind == "tags" else TextLine()
            line.textEdited.connect(typed)
            line.editingFinished.connect(settled)
            made = line
    made.setMinimumWidth(84)
    made.setAccessibleName(field.title)
    made.setToolTip(f"{field.help[0].upper()}{field.help[1:]}")
    return made
