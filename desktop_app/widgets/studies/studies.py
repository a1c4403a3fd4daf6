"""The studies: what each answers, what it needs, its runs and what they found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop_app.widgets.controls.theme import mark_warning
from desktop_app.widgets.correlation.header import RunEntry
from desktop_app.widgets.studies.form import StudyForm
from desktop_app.widgets.studies.result import StudyResult
from sae_backend.studies.framework.registry import studies, study

if TYPE_CHECKING:
    from desktop_app.project.studies.requirements import StudyOffer

_LIST_PX = 150
SETTINGS, RESULT = range(2)


class StudiesPanel(QWidget):
    """Shows one study at a time: its settings, or a run of it.

    `study_chosen` carries a kind, `run_requested` the settings, `run_chosen` and `compared` the id of a run.
    """

    study_chosen = Signal(str)
    run_requested = Signal(object)
    run_chosen = Signal(int)
    compared = Signal(int)
    rename_requested = Signal()
    export_requested = Signal(str)
    cancel_requested = Signal()
    merge_requested = Signal()
    name_cluster_requested = Signal()
    report_requested = Signal()
    enlarge_requested = Signal()
    shown = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.list = QListWidget()
        self.list.setAccessibleName("Studies")
        self.list.setFixedWidth(_LIST_PX)
        for one in studies():
            item = QListWidgetItem(one.title)
            item.setData(Qt.ItemDataRole.UserRole, one.kind)
            item.setToolTip(one.question)
            self.list.addItem(item)
        self.report = QPushButton("Report…")
        self.report.setToolTip("One page with slides, encoder, SAE, scores, studies and named features")
        self.report.clicked.connect(self.report_requested)
        self.form, self.result = StudyForm(), StudyResult()
        self.runs, self.others = _combo("Run"), _combo("Compared with")
        self.runs.activated.connect(self._run_activated)
        self.others.activated.connect(lambda _: self.compared.emit(int(self.others.currentData())))
        self.start = QPushButton("Start the study")
        self.start.clicked.connect(self._start)
        self.cancel = QPushButton("Cancel")
        self.cancel.clicked.connect(self.cancel_requested)
        self.cancel.hide()
        self.again = QPushButton("New run…")
        self.again.setToolTip("Choose the settings of another run")
        self.again.clicked.connect(self.show_settings)
        self.enlarge = QPushButton("Enlarge")
        self.enlarge.setToolTip("Show the results in a separate window")
        self.enlarge.clicked.connect(self.enlarge_requested)
        self.more = QPushButton("More")
        self.more.setMenu(self._menu())
        self.question, self.has, self.missing, self.mark = (QLabel("") for _ in range(4))
        for label in (self.question, self.has, self.missing):
            label.setWordWrap(True)
        font = self.question.font()
        font.setBold(True)
        self.question.setFont(font)
        self.pages = QStackedWidget()
        self.pages.addWidget(self._settings_page())
        self.pages.addWidget(self.result)
        self._build()
        self.list.currentRowChanged.connect(self._chosen)
        self.list.setCurrentRow(0)

    def _build(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self.runs, 3)
        head.addWidget(self.others, 2)
        head.addWidget(self.mark)
        head.addStretch(1)
        for button in (self.cancel, self.again, self.enlarge, self.more):
            head.addWidget(button)
        right = QVBoxLayout()
        right.setSpacing(2)
        right.addLayout(head)
        right.addWidget(self.pages, 1)
        left = QVBoxLayout()
        left.setSpacing(2)
        left.addWidget(self.list, 1)
        left.addWidget(self.report)
        row = QHBoxLayout(self)
        row.setContentsMargins(4, 4, 4, 4)
        row.addLayout(left)
        row.addLayout(right, 1)

    def _settings_page(self) -> QWidget:
        inside = QWidget()
        columns = QHBoxLayout(inside)
        words = QVBoxLayout()
        for widget in (self.question, self.has, self.missing):
            words.addWidget(widget)
        words.addWidget(self.start, 0, Qt.AlignmentFlag.AlignLeft)
        words.addStretch(1)
        columns.addLayout(words, 3)
        columns.addSpacing(24)
        columns.addWidget(self.form, 2, Qt.AlignmentFlag.AlignTop)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setWidget(inside)
        return area

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        self.actions_by_key = {}
        for key, words in (
            ("figure", "Export this figure…"),
            ("table", "Export this table…"),
            ("all", "Export figures and tables…"),
        ):
            action = menu.addAction(words)
            action.triggered.connect(lambda _=False, wanted=key: self.export_requested.emit(wanted))
            self.actions_by_key[key] = action
        menu.addSeparator()
        for key, words, signal in (
            ("rename", "Rename the run…", self.rename_requested),
            ("merge", "Assign one concept to proposed duplicates…", self.merge_requested),
            ("cluster", "Name a cluster…", self.name_cluster_requested),
        ):
            action = menu.addAction(words)
            action.triggered.connect(signal)
            self.actions_by_key[key] = action
        menu.aboutToShow.connect(self._enable_actions)
        return menu

    def _enable_actions(self) -> None:
        has_run = self.pages.currentIndex() == RESULT
        self.actions_by_key["figure"].setEnabled(has_run and self.result.shown_figure is not None)
        self.actions_by_key["table"].setEnabled(has_run and self.result.shown_table is not None)
        for key in ("all", "rename"):
            self.actions_by_key[key].setEnabled(has_run)
        for key in ("merge", "cluster"):
            self.actions_by_key[key].setVisible(study(self.kind).has_clusters)
            self.actions_by_key[key].setEnabled(has_run)

    @property
    def kind(self) -> str:
        """The study that is chosen."""
        item = self.list.currentItem()
        return str(item.data(Qt.ItemDataRole.UserRole)) if item is not None else ""

    def choose(self, kind: str) -> None:
        """Choose a study."""
        self.list.setCurrentRow([one.kind for one in studies()].index(kind))

    def show_offer(self, offer: StudyOffer) -> None:
        """Show what the project has for the chosen study; its form is built anew."""
        one = study(self.kind)
        self.question.setText(one.question)
        self.has.setText(f"Needs: {one.needs}\nHere: {offer.has}")
        self.missing.setText("\n".join(filter(None, (offer.obstacle, *offer.missing))))
        mark_warning(self.missing, bool(offer.obstacle))
        self.start.setEnabled(not offer.obstacle)
        self.form.show_fields(one, offer)
        self.form.setEnabled(not offer.obstacle)
        self.form.tab_through(self.enlarge, self.start)

    def show_runs(
        self,
        runs: Sequence[RunEntry],
        current: int | None,
        others: Sequence[RunEntry] = (),
        other: int | None = None,
    ) -> None:
        """Offer the runs of the chosen study, and those that one can be compared with; `other` is the one beside."""
        _fill(self.runs, [*runs, RunEntry(-1, "New run …")], -1 if current is None else current)
        self.runs.setVisible(bool(runs))
        _fill(self.others, [RunEntry(-1, "compare with …"), *others], -1 if other is None else other)
        self.others.setVisible(bool(others) and current is not None)
        self.again.setVisible(current is not None)
        self.more.setVisible(current is not None)

    def show_no_other(self) -> None:
        """Compare with no other run."""
        self.others.setCurrentIndex(0)

    def show_settings(self) -> None:
        """Show the settings of a run to come."""
        self.pages.setCurrentIndex(SETTINGS)
        self.runs.setCurrentIndex(self.runs.findData(-1))
        self.mark.setText("")
        for widget in (self.others, self.again, self.more):
            widget.hide()

    def show_result(self) -> None:
        """Show what a run found."""
        self.pages.setCurrentIndex(RESULT)
        self.again.show()
        self.more.show()

    def show_mark(self, words: str) -> None:
        """Say in amber what has changed since the run; empty for nothing."""
        self.mark.setText(words)
        mark_warning(self.mark, bool(words))

    def show_busy(self, busy: bool) -> None:
        """Say whether the chosen study is under way."""
        self.start.setText("The study is running …" if busy else "Start the study")
        self.start.setEnabled(not busy)
        self.cancel.setVisible(busy)

    def show_enlarged(self, is_out: bool) -> None:
        """Say whether the results have a window of their own."""
        self.enlarge.setText("Return to window" if is_out else "Enlarge")
        self.enlarge.setToolTip(
            "Return the results to the main window" if is_out else "Show the results in a separate window"
        )

    def _chosen(self, _row: int) -> None:
        self.study_chosen.emit(self.kind)

    def _run_activated(self, _place: int) -> None:
        wanted = int(self.runs.currentData())
        if wanted < 0:
            self.show_settings()
        else:
            self.run_chosen.emit(wanted)

    def _start(self) -> None:
        settings = self.form.settings()
        if settings is None:
            self.missing.setText(self.form.problem)
            mark_warning(self.missing, True)
            return
        self.run_requested.emit(settings)

    def showEvent(self, event: QShowEvent) -> None:
        """Tell that the panel came to the front."""
        super().showEvent(event)
        self.shown.emit()


def _combo(name: str) -> QComboBox:
    combo = QComboBox()
    combo.setAccessibleName(name)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(16)
    return combo


def _fill(combo: QComboBox, entries: Sequence[RunEntry], current: int) -> None:
    combo.blockSignals(True)
    combo.clear()
    for place, entry in enumerate(entries):
        combo.addItem(entry.words, entry.id)
        combo.setItemData(place, entry.tip or entry.words, Qt.ItemDataRole.ToolTipRole)
    combo.setCurrentIndex(combo.findData(current))
    combo.blockSignals(False)
