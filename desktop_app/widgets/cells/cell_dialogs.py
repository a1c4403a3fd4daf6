"""Questions to the user about cells: what is imported, how nuclei are sought, whether proposed types are good enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from desktop_app.canvas.cell_layers import CELL_COLOURS
from desktop_app.project.cells.text import counts_text
from desktop_app.project.cells.type_map import map_of, mapped_counts, type_rows
from desktop_app.widgets.cells.cell_import import CellImportDialog
from desktop_app.widgets.cells.cell_type_table import TypeTable
from desktop_app.widgets.cells.detect_dialog import DetectDialog
from desktop_app.widgets.cells.type_scores import TypeScoresDialog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PySide6.QtWidgets import QWidget

    from desktop_app.project.cells.proposed_types import ModelScores
    from sae_backend.cells.class_map import ClassMap
    from sae_backend.cells.nuclei.segmentation import DetectSpec


class CellDialogs(Protocol):
    """What can be asked about cells; None and False mean that the user thought better of it."""

    def cell_import(self) -> CellImportDialog:
        """Return the window in which an import is looked at; it is not shown yet."""

    def detect_options(self, slide: str) -> DetectSpec | None:
        """Ask how to look for nuclei."""

    def accept_types(self, scores: ModelScores) -> bool:
        """Show how good a model is, and ask whether the types that it proposes are wanted."""

    def type_names(self, counts: Mapping[str, int], class_map: ClassMap) -> ClassMap | None:
        """Ask what types of cell, with so many cells each, count as."""


class QtCellDialogs:
    """Asks with windows on top of `parent`."""

    def __init__(self, parent: QWidget) -> None:
        self._parent = parent

    def cell_import(self) -> CellImportDialog:
        """Return the window in which an import is looked at; it is not shown yet."""
        return CellImportDialog(self._parent)

    def detect_options(self, slide: str) -> DetectSpec | None:
        """Ask how to look for nuclei."""
        dialog = DetectDialog(slide, self._parent)
        return dialog.spec() if dialog.exec() else None

    def accept_types(self, scores: ModelScores) -> bool:
        """Show how good a model is, and ask whether the types that it proposes are wanted."""
        return bool(TypeScoresDialog(scores, self._parent).exec())

    def type_names(self, counts: Mapping[str, int], class_map: ClassMap) -> ClassMap | None:
        """Ask what types of cell, with so many cells each, count as."""
        dialog = TypeNamesDialog(counts, class_map, self._parent)
        return dialog.class_map() if dialog.exec() else None


if TYPE_CHECKING:
    from sae_backend.cells.class_map import ClassMap


class TypeNamesDialog(QDialog):
    """Asks for names and for what is left out; the cells themselves stay as they are."""

    def __init__(self, counts: Mapping[str, int], class_map: ClassMap, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Names of types")
        self._known = class_map
        words = QLabel(
            "What the types of cell of this project count as, on all of its slides. Types of one name are merged; "
            "without its tick a type is left out. The cells stay as they were read: this can always be changed back."
        )
        words.setWordWrap(True)
        self.types = TypeTable()
        self.types.types.show_rows(type_rows(counts, class_map), {})
        self.counts = QLabel()
        self.counts.setWordWrap(True)
        self.types.types.dataChanged.connect(lambda *_: self._say())
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        buttons.addButton("Use these names", QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(words)
        column.addWidget(self.types, 1)
        column.addWidget(self.counts)
        column.addWidget(buttons)
        self.resize(560, 420)
        self._say()

    def class_map(self) -> ClassMap:
        """Return what was chosen; what is known of other types stays."""
        return map_of(self.types.types.rows, self._known)

    def _say(self) -> None:
        counts = mapped_counts(self.types.types.rows)
        model = self.types.types
        model.blockSignals(True)
        model.colour({name: CELL_COLOURS[i % len(CELL_COLOURS)] for i, name in enumerate(sorted(counts))})
        model.blockSignals(False)
        self.types.viewport().update()
        self.counts.setText(f"Counts as: {counts_text(counts)}." if counts else "No cell is left.")
