"""What a study found: its sentences, its figures, its tables, and thresholds to move."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QSplitter,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from desktop_app.widgets.figure_view import FigureView
from desktop_app.widgets.study_table import StudyTable
from desktop_app.widgets.two_galleries import TwoGalleries

if TYPE_CHECKING:
    from sae_backend.studies.shown import Figure, Knob, Shown, Table


class StudyResult(QWidget):
    """Words on the left; on the right one figure or table at a time, and the tiles behind what was clicked.

    `target_requested` carries the Target of a point or a row, `knobs_changed` the thresholds by key.
    """

    target_requested = Signal(object)
    knobs_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = QTextBrowser()
        self.words.setOpenLinks(False)
        self.words.setAccessibleName("What the study found")
        self.choice = QComboBox()
        self.choice.setAccessibleName("Figure or table")
        self.choice.activated.connect(lambda _place: self._show_chosen())
        self.figure, self.table = FigureView(), StudyTable()
        self.galleries = TwoGalleries()
        self.galleries.hide()
        self.figure.target_requested.connect(self.target_requested)
        self.table.target_requested.connect(self.target_requested)
        self.other_figure = FigureView()
        self.other_figure.hide()
        self._other: Shown | None = None
        self._other_words = self._other_name = ""
        self._knobs: dict[str, QDoubleSpinBox] = {}
        self._knob_row = QHBoxLayout()
        self._knob_row.setSpacing(4)
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        top = QHBoxLayout()
        top.addWidget(self.choice)
        top.addLayout(self._knob_row)
        top.addStretch(1)
        column.addLayout(top)
        both = QHBoxLayout()
        both.addWidget(self.figure, 1)
        both.addWidget(self.other_figure, 1)
        column.addLayout(both, 1)
        column.addWidget(self.table, 1)
        self.table.hide()
        self.parts = QSplitter(Qt.Orientation.Horizontal)
        self.parts.addWidget(self.words)
        self.parts.addWidget(right)
        self.parts.addWidget(self.galleries)
        for place, share in enumerate((2, 4, 2)):
            self.parts.setStretchFactor(place, share)
        self.parts.setSizes([360, 620, 300])
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.parts)
        self._paragraphs: tuple[str, ...] = ()
        self._shown: Shown | None = None
        self._figures: Mapping[str, Figure] = {}
        self._tables: Mapping[str, Table] = {}

    @property
    def shown_figure(self) -> Figure | None:
        """The figure that is seen, None while a table is."""
        return self._figures.get(str(self.choice.currentData()))

    @property
    def shown_table(self) -> Table | None:
        """The table that is seen, None while a figure is."""
        return self._tables.get(str(self.choice.currentData()))

    def show_answer(self, paragraphs: Sequence[str], shown: Shown) -> None:
        """Show a study's answer, on the figure that was seen before where there is one of its name."""
        self._paragraphs, self._shown = tuple(paragraphs), shown
        self._tell()
        self._figures = {f"figure/{one.key}": one for one in shown.figures}
        self._tables = {f"table/{one.key}": one for one in shown.tables}
        before = self.choice.currentData()
        self.choice.blockSignals(True)
        self.choice.clear()
        for key, figure in self._figures.items():
            self.choice.addItem(figure.title, key)
        if self._figures and self._tables:
            self.choice.insertSeparator(self.choice.count())
        for key, table in self._tables.items():
            self.choice.addItem(f"Table: {table.title}", key)
        self.choice.setCurrentIndex(max(self.choice.findData(before), 0))
        self.choice.blockSignals(False)
        self._show_knobs(shown.knobs)
        self._show_chosen()

    def show_other(self, other: Shown | None, words: str = "", name: str = "") -> None:
        """Set the answer of another run beside this one, or take it away."""
        self._other, self._other_words, self._other_name = other, words, name
        self._tell()
        self._show_chosen()

    def _tell(self) -> None:
        """Write the sentences, those of another run below."""
        if self._shown is None:
            return
        position = self.words.verticalScrollBar().value()
        text = _as_html(self._paragraphs, self._shown)
        if self._other is not None:
            text += (
                f"<hr><p><b>{html.escape(self._other_words)}</b></p><p>{html.escape(self._other.found)}</p>"
            )
        self.words.setHtml(text)
        self.words.verticalScrollBar().setValue(position)

    def choose(self, key: str) -> None:
        """Show a figure or a table by its key."""
        for wanted in (f"figure/{key}", f"table/{key}"):
            place = self.choice.findData(wanted)
            if place >= 0:
                self.choice.setCurrentIndex(place)
                self._show_chosen()

    def _show_chosen(self) -> None:
        figure, table = self.shown_figure, self.shown_table
        self.table.setVisible(table is not None)
        self.figure.setVisible(table is None)
        if table is not None:
            self.table.show_table(table)
        elif figure is not None:
            self.figure.show_figure(figure)
        elif self._shown is not None:
            self.figure.say("This study has no figure.")
        self._show_other_figure(figure)

    def _show_other_figure(self, figure: Figure | None) -> None:
        """The same figure of the run that is compared with."""
        self.other_figure.setVisible(self._other is not None and figure is not None)
        if self._other is None or figure is None:
            return
        same = next((one for one in self._other.figures if one.key == figure.key), None)
        if same is None:
            self.other_figure.say(f"{self._other_name} has no such figure.")
        else:
            self.other_figure.show_figure(replace(same, title=f"{self._other_name}: {same.title}"))

    def _show_knobs(self, knobs: Sequence[Knob]) -> None:
        if list(self._knobs) == [knob.key for knob in knobs]:
            # Left as they are, so that the one that is being turned keeps the cursor.
            return
        while self._knob_row.count():
            item = self._knob_row.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.deleteLater()
        self._knobs = {}
        for knob in knobs:
            spin = QDoubleSpinBox()
            spin.setRange(knob.low, knob.high)
            spin.setSingleStep(knob.step)
            spin.setDecimals(3 if knob.step < 0.01 else 2)
            spin.setValue(knob.value)
            spin.setKeyboardTracking(False)
            spin.setAccessibleName(knob.title)
            spin.setToolTip(knob.title)
            spin.valueChanged.connect(lambda _value: self.knobs_changed.emit(self.knobs()))
            label = QLabel(knob.title)
            label.setToolTip(knob.title)
            self._knob_row.addWidget(label)
            self._knob_row.addWidget(spin)
            self._knobs[knob.key] = spin

    def knobs(self) -> dict[str, float]:
        """The thresholds as they are set."""
        return {key: spin.value() for key, spin in self._knobs.items()}


def _as_html(paragraphs: Sequence[str], shown: Shown) -> str:
    """The sentences, with a rule of their own for what has to be known first."""
    warned = {f"Note: {warning}" for warning in shown.warnings}
    parts = []
    for place, text in enumerate(paragraphs):
        plain = html.escape(text)
        if text in warned or place == 0:
            parts.append(f"<p><b>{plain}</b></p>")
        elif place == 1:
            parts.append(f"<p><i>{plain}</i></p>")
        elif place == len(paragraphs) - 1:
            parts.append(f"<p><small>{plain}</small></p>")
        else:
            parts.append(f"<p>{plain}</p>")
    return "".join(parts)
