"""The dialog of the project's class map: what types of cell count as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from desktop_app.canvas.cell_layers import CELL_COLOURS
from desktop_app.project.cells.text import counts_text
from desktop_app.project.cells.type_map import map_of, mapped_counts, type_rows
from desktop_app.widgets.cells.cell_type_table import TypeTable

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
