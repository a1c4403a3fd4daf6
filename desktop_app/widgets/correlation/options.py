"""Asks how to correlate: each choice with a line that says what it is for."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QFrame,
    QGridLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from desktop_app.project.correlation.choices import CorrelationOffer
from desktop_app.project.correlation.options import CELLS, HIFS, TILE_VALUES, CorrelateOptions
from desktop_app.widgets.controls.theme import mark_warning
from desktop_app.widgets.controls.wrapped_label import WrappedLabel
from sae_backend.statistics.covariates import CELLULARITY, OTHER_TYPES, STAIN, TISSUE
from sae_backend.statistics.number_text import count_text

_STATISTICS: Final = (
    ("pearson", "Pearson r", "Linear correlation; also used for the baselines"),
    ("spearman", "Spearman r", "Rank correlation; less affected by a few tiles with many cells"),
    ("log_pearson", "Pearson r of log counts", "Linear correlation with log(1 + count); for counts only"),
    ("within", "Within slides", "Removes differences between slides (stain, scanner)"),
)
_COVARIATES: Final = {
    CELLULARITY: "Number of all cells in the tile: separates a cell type from mere cell density",
    OTHER_TYPES: "The counts of all other types; not together with cellularity",
    STAIN: "Haematoxylin and eosin intensity of the tile; reads the slides once, which takes a while",
    TISSUE: "Share of the tile covered by tissue",
}
_TARGETS: Final = {
    CELLS: ("Cell types", "Cells of each type per tile"),
    HIFS: (
        "Human-interpretable features",
        "Fractions, densities, distances, nuclear measures, stain, tissue",
    ),
    TILE_VALUES: ("Imported measurements", "Point measurements that you imported"),
}
_UNITS: Final = (
    ("auto", "Automatic", "Patients where known, else slides, else blocks of tissue"),
    ("patient", "Patients", "Slides of one patient stay together"),
    ("slide", "Slides", "Each slide is one unit"),
    ("block", "Blocks of tissue", "Does not generalise to other slides or patients"),
)


class CorrelationDialog(QDialog):
    """Offers what the project has; the defaults are good for most."""

    def __init__(
        self, offer: CorrelationOffer, known: CorrelateOptions | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Correlate features")
        start = known or CorrelateOptions()
        self._start = start
        self.name = QLineEdit(start.name)
        self.name.setPlaceholderText("automatic: Run 1, Run 2, …")
        self.targets = {
            kind: _check(_TARGETS[kind][0], _TARGETS[kind][1], on=kind in start.targets)
            for kind in offer.targets or (CELLS,)
        }
        self.statistics = {
            name: _check(words, tip, on=name in start.statistics) for name, words, tip in _STATISTICS
        }
        self.covariates = {
            name: _check(
                name, _COVARIATES.get(name, "A column of the slide table"), on=name in start.covariates
            )
            for name in offer.covariates
        }
        self.unit = QComboBox()
        for kind, words, tip in _UNITS:
            if kind != "patient" or offer.n_patients:
                self.unit.addItem(words, kind)
                self.unit.setItemData(self.unit.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.unit.setCurrentIndex(max(self.unit.findData(start.cluster), 0))
        self.unit_words = _line("")
        self.n_bootstrap = _spin(100, 100_000, start.n_bootstrap)
        self.n_permutations = _spin(99, 100_000, start.n_permutations)
        self.hold_out = _check(
            "Hold out half of the units",
            "Features are selected on one half and reported on the other, so that the best r is not inflated by selection",
            on=start.hold_out,
        )
        self.split = _line(
            offer.split or "There is no split yet: one is drawn now and kept for all later runs."
        )
        self.new_split = _check("Draw a new split", "", on=False)
        self.new_split.setVisible(bool(offer.split))
        self.seed = _spin(0, 2_000_000_000, start.seed + 1)
        self.seed.setPrefix("seed ")
        self.warning = QLabel(
            "The old split is kept as well. Trying several splits and reporting the best one defeats the purpose of "
            "holding out."
        )
        self.warning.setWordWrap(True)
        mark_warning(self.warning, True)
        self.baselines = _check(
            "Compute baselines",
            "The best raw dimension, principal component and random SAE on the same tiles: what a feature should exceed",
            on=start.baselines,
        )
        self._build(offer)
        self.unit.currentIndexChanged.connect(lambda _: self._check_choices())
        self.hold_out.toggled.connect(lambda _: self._check_choices())
        self.new_split.toggled.connect(lambda _: self._check_choices())
        for boxes in (self.targets, self.statistics, self.covariates):
            for box in boxes.values():
                box.toggled.connect(lambda _: self._check_choices())
        self._check_choices()

    def _build(self, offer: CorrelationOffer) -> None:
        patients = f", {offer.n_patients} patients" if offer.n_patients else ", no patients named"
        lead = _line(f"{count_text(offer.n_slides, 'slide')} can take part{patients}.")
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        form.addRow("Name", self.name)
        form.addRow("Correlate with", _grid(self.targets))
        form.addRow("Statistics", _grid(self.statistics))
        form.addRow(
            "Covariates",
            _stacked(_line("Adds a partial correlation adjusted for these."), _grid(self.covariates)),
        )
        form.addRow("Unit", _stacked(self.unit, self.unit_words))
        draws = QWidget()
        row = QFormLayout(draws)
        row.setContentsMargins(0, 0, 0, 0)
        row.addRow("for intervals", self.n_bootstrap)
        row.addRow("for p; the smallest possible p is 1 / (n + 1)", self.n_permutations)
        form.addRow("Replicates", draws)
        form.addRow(
            "Halves",
            _stacked(
                self.hold_out, _about(self.hold_out), self.split, self.new_split, self.seed, self.warning
            ),
        )
        form.addRow("Baselines", _stacked(self.baselines, _about(self.baselines)))
        page = QWidget()
        page.setLayout(form)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(page)
        self.refusal = QLabel("")
        self.refusal.setWordWrap(True)
        mark_warning(self.refusal, True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.accept_button = buttons.addButton("Correlate", QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(lead)
        column.addWidget(scroll, 1)
        column.addWidget(self.refusal)
        column.addWidget(buttons)
        self.resize(680, 740)

    def _check_choices(self) -> None:
        """Show what hangs on a choice, and refuse what makes no sense."""
        tips = {kind: tip for kind, _, tip in _UNITS}
        self.unit_words.setText(tips[str(self.unit.currentData())])
        held_out, fresh = self.hold_out.isChecked(), self.new_split.isChecked()
        for widget in (self.split, self.new_split):
            widget.setEnabled(held_out)
        self.seed.setVisible(held_out and fresh and not self.new_split.isHidden())
        self.warning.setVisible(held_out and fresh and not self.new_split.isHidden())
        refusal = ""
        if not _chosen(self.targets):
            refusal = "Choose at least one target."
        elif not _chosen(self.statistics):
            refusal = "Choose a statistic."
        elif {CELLULARITY, OTHER_TYPES} <= set(_chosen(self.covariates)):
            refusal = (
                "Cellularity and other types cannot both be covariates: together they determine the count."
            )
        self.refusal.setText(refusal)
        self.refusal.setVisible(bool(refusal))
        self.accept_button.setEnabled(not refusal)

    def options(self) -> CorrelateOptions:
        """Return what was chosen."""
        fresh = self.hold_out.isChecked() and self.new_split.isChecked() and not self.new_split.isHidden()
        return CorrelateOptions(
            statistics=_chosen(self.statistics),
            covariates=_chosen(self.covariates),
            cluster=str(self.unit.currentData()),
            n_bootstrap=self.n_bootstrap.value(),
            n_permutations=self.n_permutations.value(),
            block_um=self._start.block_um,
            seed=self._start.seed,
            interval=self._start.interval,
            hold_out=self.hold_out.isChecked(),
            new_split_seed=self.seed.value() if fresh else None,
            baselines=self.baselines.isChecked(),
            targets=_chosen(self.targets),
            name=self.name.text().strip(),
        )


def _chosen(boxes: dict[str, QCheckBox]) -> tuple[str, ...]:
    return tuple(name for name, box in boxes.items() if box.isChecked())


def _check(words: str, tip: str, *, on: bool) -> QCheckBox:
    box = QCheckBox(words)
    box.setToolTip(tip)
    box.setChecked(on)
    return box


def _about(box: QCheckBox) -> QLabel:
    return _line(f"{box.toolTip()}.")


def _line(words: str) -> QLabel:
    label = WrappedLabel()
    label.setText(words)
    return label


def _spin(low: int, high: int, value: int) -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(low, high)
    spin.setGroupSeparatorShown(True)
    spin.setValue(value)
    return spin


def _grid(boxes: dict[str, QCheckBox]) -> QWidget:
    """Boxes with what each is for beside it."""
    grid = QWidget()
    layout = QGridLayout(grid)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setVerticalSpacing(2)
    layout.setColumnStretch(1, 1)
    for row, box in enumerate(boxes.values()):
        layout.addWidget(box, row, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(_line(box.toolTip()), row, 1)
    return grid


def _stacked(*widgets: QWidget) -> QWidget:
    stack = QWidget()
    column = QVBoxLayout(stack)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(3)
    for widget in widgets:
        column.addWidget(widget)
    return stack
