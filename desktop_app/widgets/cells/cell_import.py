"""The dialog of an import of cells: read, looked at over the slide, named, and only then kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop_app.canvas.cell_layers import CELL_COLOURS
from desktop_app.project.cells.text import counts_text, fit_text, recognised_text
from desktop_app.project.cells.type_map import map_of, mapped_counts, type_rows
from desktop_app.widgets.cells.cell_cloud import MOST_POINTS, CellCloud, Cloud
from desktop_app.widgets.cells.cell_placement import CellPlacement
from desktop_app.widgets.cells.cell_type_table import TypeTable
from desktop_app.widgets.controls.theme import mark_warning
from sae_backend.cells.class_map import ClassMap
from sae_backend.cells.import_options import ReadOptions
from sae_backend.cells.preview import CellPreview
from sae_backend.errors import SparsescopeError

_READING, _LOOKING = range(2)
_SIZE_PX: Final = (900, 620)
_MOST_SUGGESTIONS: Final = 3


class CellImportDialog(QDialog):
    """Shows what is in a cell file; never holds up the window behind it.

    `read_requested` carries the `ReadOptions` to read the file with, `import_requested` the class map that was agreed
    on, `cancelled` says that nothing is to be imported.
    """

    read_requested = Signal(object)
    import_requested = Signal(object)
    cancelled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Import cells")
        self.setModal(False)
        self._known = ClassMap()
        self._slide_px = (1, 1)
        self.preview: CellPreview | None = None
        self._ended = False
        self.lead = _words()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(10)
        reading = QWidget()
        column = QVBoxLayout(reading)
        column.addStretch()
        self.reading_words = _words()
        column.addWidget(self.reading_words)
        column.addWidget(self.bar)
        column.addStretch()
        self.pages = QStackedWidget()
        self.pages.addWidget(reading)
        self.pages.addWidget(self._looking())
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.accept_button = QPushButton("Import")
        self.buttons.addButton(self.accept_button, QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        whole = QVBoxLayout(self)
        whole.addWidget(self.lead)
        whole.addWidget(self.pages, 1)
        whole.addWidget(self.buttons)
        self.resize(*_SIZE_PX)

    def _looking(self) -> QWidget:
        self.cloud = CellCloud()
        self.fit = _words()
        self.question = _words()
        self.suggestions = QVBoxLayout()
        self.placement = CellPlacement()
        self.placement.read_requested.connect(lambda: self.read_requested.emit(self.placement.options()))
        self.types = TypeTable()
        self.types.types.dataChanged.connect(lambda *_: self._say_counts())
        self.counts = _words()
        self.notes = _words()
        left = QVBoxLayout()
        left.addWidget(self.cloud, 1)
        left.addWidget(self.fit)
        right = QVBoxLayout()
        right.addWidget(self.types, 1)
        right.addWidget(self.counts)
        across = QHBoxLayout()
        across.addLayout(left, 4)
        across.addLayout(right, 5)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(across, 1)
        column.addWidget(self.question)
        column.addLayout(self.suggestions)
        column.addWidget(self.placement)
        column.addWidget(self.notes)
        return page

    def begin(self, name: str, slide: str) -> None:
        """Show that a file is being read."""
        self.lead.setText(f"<b>{name}</b>, for {slide}")
        self.reading_words.setText("Reading the cells …")
        self.bar.setRange(0, 0)
        self.pages.setCurrentIndex(_READING)
        self.accept_button.setEnabled(False)

    def show_progress(self, done: int, total: int) -> None:
        """Show how much of the file is read."""
        # Kilobytes: Qt counts no further than 2^31.
        self.bar.setRange(0, max(1, total >> 10))
        self.bar.setValue(done >> 10)

    def show_slide(self, size_px: tuple[int, int], thumbnail: npt.NDArray[np.uint8]) -> None:
        """Take the slide that the cells belong to: height and width in level-0 px, uint8 (h, w, 3)."""
        self._slide_px = size_px
        self.cloud.show_thumbnail(thumbnail)

    def show_preview(self, preview: CellPreview, options: ReadOptions, class_map: ClassMap) -> None:
        """Show what was read, with the class map of the project filled in."""
        self.preview, self._known = preview, class_map
        self.lead.setText(recognised_text(preview))
        self.types.types.show_rows(type_rows(preview.type_counts, class_map), {})
        self.fit.setText(fit_text(preview))
        mark_warning(self.fit, preview.fit is not None and preview.fit.share_inside < 0.98)
        self._ask(preview.question)
        self._offer(preview)
        self.placement.show_columns(preview.columns, preview.column_map)
        self.placement.show_options(options)
        said = [s.words for s in preview.fit.suggestions] if preview.fit is not None else []
        notes = [note for note in preview.notes if note not in said]
        self.notes.setText(" ".join(notes))
        self.notes.setVisible(bool(notes))
        self._say_counts()
        self.pages.setCurrentIndex(_LOOKING)
        self.accept_button.setEnabled(preview.cells is not None)
        if not self.accept_button.isEnabled():
            self.accept_button.setToolTip("Something is missing")

    def show_refusal(self, error: SparsescopeError) -> None:
        """Say why the file cannot be read so; what was read before stays in sight."""
        self._ask(f"{error.sentence} {error.hint}".strip())
        self.pages.setCurrentIndex(_LOOKING)
        self.accept_button.setEnabled(False)

    def accept(self) -> None:
        """Ask for the import, unless nothing can be imported or a name makes no sense."""
        if self._ended or self.preview is None or self.preview.cells is None:
            return
        self._ended = True
        self.import_requested.emit(map_of(self.types.types.rows, self._known))
        super().accept()

    def reject(self) -> None:
        """Import nothing."""
        if not self._ended:
            self._ended = True
            self.cancelled.emit()
        super().reject()

    def close_quietly(self) -> None:
        """Close without an answer."""
        self._ended = True
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Take closing for a no."""
        self.reject()
        super().closeEvent(event)

    def _ask(self, question: str) -> None:
        self.question.setText(question)
        mark_warning(self.question, bool(question))
        self.question.setVisible(bool(question))

    def _offer(self, preview: CellPreview) -> None:
        while (item := self.suggestions.takeAt(0)) is not None:
            old = item.widget()
            if old is not None:
                old.hide()
                old.deleteLater()
        found = preview.fit.suggestions if preview.fit is not None else ()
        for suggestion in found[:_MOST_SUGGESTIONS]:
            row = QWidget()
            line = QHBoxLayout(row)
            line.setContentsMargins(0, 0, 0, 0)
            words = _words()
            words.setText(suggestion.words)
            button = QPushButton(_short(suggestion.options))
            button.setToolTip("Preview the cells with these settings; nothing is imported yet")
            button.clicked.connect(lambda _=False, given=suggestion.options: self.read_requested.emit(given))
            line.addWidget(words, 1)
            line.addWidget(button)
            self.suggestions.addWidget(row)

    def _say_counts(self) -> None:
        rows = self.types.types.rows
        counts = mapped_counts(rows)
        colours = {name: CELL_COLOURS[i % len(CELL_COLOURS)] for i, name in enumerate(sorted(counts))}
        model = self.types.types
        model.blockSignals(True)
        model.colour(colours)
        model.blockSignals(False)
        self.types.viewport().update()
        self.counts.setText(f"Counts as: {counts_text(counts)}." if counts else "No cell is left.")
        self._show_cloud(colours)

    def _show_cloud(self, colours: Mapping[str, str]) -> None:
        preview = self.preview
        if preview is None:
            return
        box = None if preview.fit is None else preview.fit.box_l0
        if preview.cells is None:
            self.cloud.show_cloud(Cloud(self._slide_px, box_l0=box))
            return
        table = preview.cells.table
        step = max(1, table.n_cells // MOST_POINTS)
        known = {row.name: row for row in self.types.types.rows}
        used = np.array([known[name].used for name in table.type_names], np.bool_)
        shades = [colours.get(known[name].counts_as, "#999999") for name in table.type_names]
        rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in shades], np.uint8).reshape(-1, 3)
        kinds = table.type_index[::step].astype(int)
        yx = np.stack([table.y_l0[::step], table.x_l0[::step]], axis=1)[used[kinds]]
        self.cloud.show_cloud(Cloud(self._slide_px, yx, rgb[kinds[used[kinds]]], box))


def _words() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _short(options: ReadOptions) -> str:
    """A suggestion on its button."""
    if options.scale is not None and options.offset_l0 is None:
        return f"Use scale {options.scale:g}"
    if options.offset_l0 is not None:
        return f"Use offset {options.offset_l0[1]:,.0f}, {options.offset_l0[0]:,.0f}"
    return "Use this"
