"""Which run of correlations is shown, what it stands on, whether it still holds, and with what it is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from desktop_app.widgets.controls.theme import mark_warning

TWO_HUES, SIDE_BY_SIDE, OFF = "hues", "side", ""
_NOTES_PX: Final = 92


@dataclass(frozen=True)
class RunEntry:
    """A run as the lists name it."""

    id: int
    words: str
    tip: str = ""


class CorrelationHeader(QWidget):
    """Shows the runs, facts and warnings of one, and asks for another, a comparison, or a run anew."""

    run_chosen = Signal(int)
    compared = Signal(int)
    rename_requested = Signal()
    again_requested = Signal()
    run_requested = Signal()
    options_requested = Signal()
    map_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.notes = QPlainTextEdit()
        self.notes.setReadOnly(True)
        self.notes.setAccessibleName("Method and notes of the run")
        self.notes.setFixedHeight(_NOTES_PX)
        self.notes.hide()
        self.runs = _combo("Run")
        self.runs.activated.connect(lambda _: self.run_chosen.emit(int(self.runs.currentData())))
        self.other = _combo("Compared with")
        self.other.activated.connect(lambda _: self.compared.emit(int(self.other.currentData())))
        self.run_button = QPushButton("Correlate")
        self.run_button.setToolTip("Correlate with the default settings")
        self.run_button.clicked.connect(self.run_requested)
        self.options_button = QPushButton("Options…")
        self.options_button.setToolTip("Choose statistics, covariates, unit and targets, then correlate")
        self.options_button.clicked.connect(self.options_requested)
        self.more = QPushButton("More")
        self.more.setMenu(self._menu())
        self.facts, self.mark, self.note = QLabel(""), QLabel(""), QLabel("")
        for label in (self.facts, self.note):
            label.setWordWrap(True)
        self.facts.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.mark.setWordWrap(False)
        self.again_button = QPushButton("Run again")
        self.again_button.setToolTip("Repeat this run's settings on the current data")
        self.again_button.clicked.connect(self.again_requested)
        first = QHBoxLayout()
        for widget, share in ((self.runs, 3), (self.other, 2)):
            first.addWidget(widget, share)
        first.addStretch(1)
        for button in (self.run_button, self.options_button, self.more):
            first.addWidget(button)
        second = QHBoxLayout()
        second.addWidget(self.facts, 1)
        second.addWidget(self.mark)
        second.addWidget(self.again_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(first)
        column.addLayout(second)
        column.addWidget(self.note)
        column.addWidget(self.notes)
        self.show_runs((), None)
        self.show_facts("", "", "")

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        self.notes_action = menu.addAction("Method and notes")
        self.notes_action.setCheckable(True)
        self.notes_action.toggled.connect(self.notes.setVisible)
        self.rename_action = menu.addAction("Rename the run…")
        self.rename_action.triggered.connect(self.rename_requested)
        menu.addSeparator()
        self.map_actions = {}
        for words, kind in (
            ("Overlay feature and cells in two colours", TWO_HUES),
            ("Show feature and cells side by side", SIDE_BY_SIDE),
            ("Show the feature only", OFF),
        ):
            action = menu.addAction(words)
            action.triggered.connect(lambda _=False, wanted=kind: self.map_requested.emit(wanted))
            self.map_actions[kind] = action
        return menu

    def show_runs(self, runs: Sequence[RunEntry], current: int | None) -> None:
        """Offer runs, the newest first; those that cannot be compared are left out of the second list elsewhere."""
        self._fill(self.runs, runs, current)
        self.runs.setVisible(bool(runs))
        for action in (self.notes_action, self.rename_action, *self.map_actions.values()):
            action.setEnabled(current is not None)

    def show_others(self, runs: Sequence[RunEntry], current: int | None) -> None:
        """Offer runs to compare with."""
        entries = [RunEntry(-1, "compare with …", "Compare r with another run"), *runs]
        self._fill(self.other, entries, -1 if current is None else current)
        self.other.setVisible(bool(runs))

    @staticmethod
    def _fill(combo: QComboBox, runs: Sequence[RunEntry], current: int | None) -> None:
        combo.blockSignals(True)
        combo.clear()
        for place, run in enumerate(runs):
            combo.addItem(run.words, run.id)
            combo.setItemData(place, run.tip or run.words, Qt.ItemDataRole.ToolTipRole)
        combo.setCurrentIndex(combo.findData(current))
        combo.setToolTip(combo.currentText())
        combo.blockSignals(False)

    def show_facts(self, facts: str, mark: str, notes: str, note: str = "") -> None:
        """Show one line of facts, a mark in amber (empty for none), notes to unfold, and what cannot be concluded."""
        self.facts.setText(facts)
        self.facts.setVisible(bool(facts))
        for label, words in ((self.mark, mark), (self.note, note)):
            label.setText(words)
            label.setVisible(bool(words))
            mark_warning(label, bool(words))
        self.again_button.setVisible(bool(mark))
        self.notes.setPlainText(notes)


def _combo(name: str) -> QComboBox:
    combo = QComboBox()
    combo.setAccessibleName(name)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(12)
    combo.view().setTextElideMode(Qt.TextElideMode.ElideMiddle)
    return combo
