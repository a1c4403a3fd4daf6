"""The dialog that shows how good a model of types is, before its proposals are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from desktop_app.widgets.controls.theme import mark_warning

if TYPE_CHECKING:
    from desktop_app.project.cells.proposed_types import ModelScores

_HEADERS: Final = ("Type", "Labelled by hand", "Precision", "Recall", "F1", "Proposed on the slide")
_LITTLE_BETTER: Final = 0.1
_RIGHT: Final = Qt.AlignmentFlag.AlignRight


class TypeScoresDialog(QDialog):
    """Shows scores; accepting it asks for the proposals."""

    def __init__(self, scores: ModelScores, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Types proposed by the model")
        grid = QGridLayout()
        grid.setHorizontalSpacing(18)
        grid.setVerticalSpacing(6)
        for column, header in enumerate(_HEADERS):
            label = QLabel(f"<b>{header}</b>")
            grid.addWidget(label, 0, column, Qt.AlignmentFlag(0) if column == 0 else _RIGHT)
        for row, entry in enumerate(scores.types, start=1):
            proposed = f"{scores.proposed.get(entry.name, 0):,}"
            cells = (
                entry.name,
                str(entry.n),
                *(f"{v:.2f}" for v in (entry.precision, entry.recall, entry.f1)),
            )
            for column, text in enumerate((*cells, proposed)):
                label = QLabel(text)
                label.setTextFormat(Qt.TextFormat.PlainText)
                grid.addWidget(label, row, column, Qt.AlignmentFlag(0) if column == 0 else _RIGHT)
        self.words = _text(
            f"Balanced accuracy {scores.balanced_accuracy:.2f}; always answering with the most frequent type gives "
            f"{scores.baseline:.2f}. Accuracy {scores.accuracy:.0%}, against "
            f"{scores.baseline_accuracy:.0%}."
        )
        self.warning = _text("")
        if scores.balanced_accuracy < scores.baseline + _LITTLE_BETTER:
            self.warning.setText(
                "This is hardly better than guessing: label more nuclei, or types that look more different."
            )
            mark_warning(self.warning, True)
        self.warning.setVisible(bool(self.warning.text()))
        notes = _text(
            f"From {scores.n_folds}-fold cross-validation on the {scores.n_labels:,} nuclei that you labelled: each was "
            "predicted by a model that had not seen it. Hand-picked nuclei are often the clear ones, so expect lower "
            "accuracy on the others. The predictions are saved as a separate import, marked as such; your own labels "
            "are kept, each prediction can be corrected by hand, and your present cells are kept too."
        )
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        buttons.addButton("Save the proposals", QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column_of = QVBoxLayout(self)
        column_of.setSpacing(12)
        for part in (self.words, self.warning):
            column_of.addWidget(part)
        column_of.addLayout(grid)
        column_of.addWidget(notes)
        column_of.addWidget(buttons)
        self.setMinimumWidth(560)


def _text(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    return label
