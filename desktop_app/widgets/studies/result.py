"""What a study found: its sentences, its figures, its tables, and thresholds to move."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QSplitter,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from desktop_app.project.studies.compare import NO_INTERVAL
from desktop_app.project.studies.text import SHORT
from desktop_app.widgets.charts.figure_view import FigureView, TwoFigures
from desktop_app.widgets.controls.plain_tabs import PlainTabs
from desktop_app.widgets.features.two_galleries import TwoGalleries
from desktop_app.widgets.studies.table import StudyTable
from desktop_app.widgets.studies.thresholds import ThresholdRow
from sae_backend.statistics.number_text import count_text
from sae_backend.studies.framework.report import Table

if TYPE_CHECKING:
    from sae_backend.studies.framework.report import Figure, Report

WORDS, FIGURES, TABLES = range(3)
_TILES_PX: Final = 250


class StudyResult(QWidget):
    """Words, figures and tables behind tabs; beside them the tiles behind what was clicked.

    `target_requested` carries the Target of a point or a row, `thresholds_changed` the thresholds by key.
    """

    target_requested = Signal(object)
    thresholds_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = QTextBrowser()
        self.words.setOpenLinks(False)
        self.words.setAccessibleName("Result")
        self.words.setStyleSheet("QTextBrowser { background: transparent; border: none; }")
        self.figure, self.other_figure, self.table = FigureView(), FigureView(), StudyTable()
        self.other_figure.hide()
        self.galleries = TwoGalleries()
        self.galleries.hide()
        self.thresholds_row = ThresholdRow()
        self.thresholds_row.changed.connect(self.thresholds_changed)
        self.figure_choice, self.table_choice = _combo("Figure"), _combo("Table")
        self.figure_choice.activated.connect(lambda _place: self._turn_to(self._show_figure))
        self.table_choice.activated.connect(lambda _place: self._turn_to(self._show_table))
        for view in (self.figure, self.table):
            view.target_requested.connect(self.target_requested)
        self.table_note = QLabel("")
        self.table_note.setWordWrap(True)
        self.tabs = PlainTabs()
        self.tabs.setAccessibleName("Answer of the study")
        self.tabs.addTab(self.words, "Summary")
        self.tabs.addTab(self._figure_page(), "Figures")
        self.tabs.addTab(self._table_page(), "Tables")
        self.tabs.currentChanged.connect(lambda _place: self._show_front())
        self.parts = QSplitter(Qt.Orientation.Horizontal)
        self.parts.addWidget(self.tabs)
        self.parts.addWidget(self.galleries)
        self.parts.setStretchFactor(0, 1)
        self.parts.setStretchFactor(1, 0)
        self.parts.setSizes([600, _TILES_PX])
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.parts)
        self._paragraphs: tuple[str, ...] = ()
        self._shown: Report | None = None
        self._other: Report | None = None
        self._other_words: Sequence[str] = ("",)
        self._other_name = ""
        self._figures: Mapping[str, Figure] = {}
        self._own_tables: Mapping[str, Table] = {}
        self._differences: Mapping[str, Table] = {}
        self._drawn_key: object = None

    def _figure_page(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 2, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.figure_choice)
        column.addWidget(self.thresholds_row)
        inside = TwoFigures(self.figure, self.other_figure)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setWidget(inside)
        column.addWidget(area, 1)
        return page

    def _table_page(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 2, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.table_choice)
        column.addWidget(self.table, 1)
        column.addWidget(self.table_note)
        return page

    @property
    def shown_figure(self) -> Figure | None:
        """The figure that is chosen."""
        return self._figures.get(str(self.figure_choice.currentData()))

    @property
    def shown_table(self) -> Table | None:
        """The table that is chosen."""
        return self._tables.get(str(self.table_choice.currentData()))

    @property
    def _tables(self) -> Mapping[str, Table]:
        return {**self._own_tables, **self._differences}

    def _list_tables(self) -> None:
        """Offer the study's tables, and those of differences to another run below them."""
        _fill(self.table_choice, {key: one.title for key, one in self._tables.items()})
        if self._differences:
            self.table_choice.insertSeparator(len(self._own_tables))

    @property
    def table_keys(self) -> tuple[str, ...]:
        """Keys of the tables that there are."""
        return tuple(self._tables)

    def show_answer(self, paragraphs: Sequence[str], shown: Report) -> None:
        """Show a study's answer, on the figure and the table that were seen before where it has them."""
        self._paragraphs, self._shown = tuple(paragraphs), shown
        self._show_sentences()
        self._figures = {one.key: one for one in shown.figures}
        self._own_tables = {one.key: one for one in shown.tables}
        _fill(self.figure_choice, {key: one.title for key, one in self._figures.items()})
        self._list_tables()
        self.thresholds_row.show_thresholds(shown.thresholds)
        self._drawn_key = None
        self._show_front()

    def wait(self) -> None:
        """Show nothing of the study before while another is read."""
        self._shown, self._paragraphs, self._figures = None, (), {}
        self._own_tables, self._differences, self._other_name = {}, {}, ""
        self._drawn_key = None
        self.words.setPlainText("Loading the study …")
        self.figure.say("Loading the study …")
        self.table.show_table(Table("", "", {}, {}))
        self.table_note.setText("")
        for combo in (self.figure_choice, self.table_choice):
            combo.clear()
        self.other_figure.hide()
        self.galleries.hide()

    def choose_figure(self, key: str) -> None:
        """Show a figure by its key."""
        self.figure_choice.setCurrentIndex(self.figure_choice.findData(key))
        self.tabs.setCurrentIndex(FIGURES)
        self._show_figure()

    def choose_table(self, key: str) -> None:
        """Show a table by its key."""
        self.table_choice.setCurrentIndex(self.table_choice.findData(key))
        self.tabs.setCurrentIndex(TABLES)
        self._show_table()

    def _turn_to(self, show: Callable[[], None]) -> None:
        """Show another figure or table; the tiles of a point of the one before go."""
        self.galleries.hide()
        show()

    def _show_front(self) -> None:
        """Draw what is in front only: a figure takes a moment."""
        if self.tabs.currentIndex() == FIGURES:
            self._show_figure()
        elif self.tabs.currentIndex() == TABLES:
            self._show_table()

    def _show_figure(self) -> None:
        figure = self.shown_figure
        key = (id(figure), id(self._other))
        if key == self._drawn_key:
            return
        self._drawn_key = key
        if figure is not None:
            self.figure.show_figure(figure)
        elif self._shown is not None:
            self.figure.say("This study has no figure.")
        # The list above names the figure; beside another each needs its own name.
        self.figure.title.setVisible(self._other is not None)
        self.other_figure.setVisible(self._other is not None and figure is not None)
        if self._other is None or figure is None:
            return
        same = next((one for one in self._other.figures if one.key == figure.key), None)
        if same is None:
            self.other_figure.say(f"{self._other_name} does not have this figure.")
        else:
            self.other_figure.show_figure(replace(same, title=f"{self._other_name}: {same.title}"))

    def _show_table(self) -> None:
        table = self.shown_table
        if table is not None:
            self.table.show_table(table)
            self.table_note.setText(self._note(table))

    def _note(self, table: Table) -> str:
        """What stands below a table."""
        parts = [f"{count_text(table.n_rows, 'row')}."]
        if table.targets:
            parts.append("Click a row to see its tiles.")
        if table.notes:
            parts.append("Hover over a heading for its definition.")
        if table.key in self._differences:
            parts.append(NO_INTERVAL if table.n_rows else "The two runs do not differ here.")
        return " ".join(parts)

    def show_other(
        self,
        other: Report | None,
        words: Sequence[str] = ("",),
        name: str = "",
        differences: Sequence[Table] = (),
    ) -> None:
        """Set the answer of another run and tables of differences beside this one, or take them away."""
        is_new = name != self._other_name and bool(differences)
        self._other, self._other_words, self._other_name = other, words, name
        self._differences = {one.key: one for one in differences}
        self._show_sentences()
        self._list_tables()
        if is_new and self.tabs.currentIndex() == TABLES:
            # Whoever looks at tables has asked for these.
            self.table_choice.setCurrentIndex(self.table_choice.findData(differences[-1].key))
        self._show_front()
        self.other_figure.setVisible(other is not None and self.shown_figure is not None)

    def _show_sentences(self) -> None:
        """Write the sentences, those of another run below."""
        if self._shown is None:
            return
        position = self.words.verticalScrollBar().value()
        text = _as_html(self._paragraphs, self._shown)
        if self._other is not None:
            head, *more = self._other_words
            text += f"<hr><p><b>{html.escape(head)}</b></p>"
            for part in (*more, *self._other.found.split("\n")):
                text += f"<p>{html.escape(part)}</p>"
        self.words.setHtml(text)
        self.words.verticalScrollBar().setValue(position)


def _combo(name: str) -> QComboBox:
    combo = QComboBox()
    combo.setAccessibleName(name)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(20)
    return combo


def _fill(combo: QComboBox, entries: Mapping[str, str]) -> None:
    before = combo.currentData()
    combo.blockSignals(True)
    combo.clear()
    for key, title in entries.items():
        combo.addItem(title, key)
    combo.setCurrentIndex(max(combo.findData(before), 0 if entries else -1))
    combo.blockSignals(False)


def _as_html(paragraphs: Sequence[str], shown: Report) -> str:
    """The sentences: head and what has to be known first in bold, how it was made in small."""
    warned = {f"Note: {warning}" for warning in shown.warnings}
    parts = []
    for place, text in enumerate(paragraphs):
        plain = html.escape(text)
        if text.startswith(SHORT):
            plain = f"<big>{plain}</big>"
        elif text in warned or place == 0:
            plain = f"<b>{plain}</b>"
        elif place == 1:
            plain = f"<i>{plain}</i>"
        elif place == len(paragraphs) - 1:
            plain = f"<small>{plain}</small>"
        parts.append(f"<p>{plain}</p>")
    return "".join(parts)
