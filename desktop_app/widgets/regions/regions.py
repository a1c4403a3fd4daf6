"""The regions of the slide: tools to draw them, and what can be done with each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import QItemSelectionModel, QModelIndex, Qt, Signal, SignalInstance
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSlider,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from desktop_app.canvas.drawing.tools import RADII_UM
from desktop_app.widgets.controls.empty_state import EmptyState
from desktop_app.widgets.regions.region_model import RegionModel, RegionRow
from desktop_app.widgets.shell.key_guard import OWN_KEYS
from sae_backend.statistics.number_text import number_text

TOOLS: Final = (
    (
        "polygon",
        "Polygon",
        "P",
        "Click the corners, or drag to draw freely; freehand lines are smoothed by half a screen pixel",
    ),
    ("rectangle", "Rectangle", "R", "Drag from corner to corner"),
    (
        "brush",
        "Brush",
        "W",
        "Paint with a disc; starting inside the selected region enlarges it. Smoothed by half a screen pixel",
    ),
)
_HINTS: Final = {
    "polygon": "Click the corners; a double click or Enter closes. Backspace removes the last corner, Esc all of "
    "them. Or drag to draw freehand. Esc again stops drawing.",
    "rectangle": "Drag from corner to corner on the slide. Esc stops.",
    "brush": "Drag to paint; starting inside the selected region enlarges it. Hold Alt or Ctrl to erase. "
    "+ and - change the size, Esc stops.",
}
_STEPS: Final = 200


class _Table(QTableView):
    """A table whose Delete key asks for the deletion of what is chosen."""

    delete_requested = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take Delete."""
        if event.key() == Qt.Key.Key_Delete:
            self.delete_requested.emit()
        else:
            super().keyPressEvent(event)


class RegionsPanel(QWidget):
    """Lists regions and asks for what is to become of them; decides nothing.

    `tool_requested` carries a tool's kind, empty to stop; `radius_requested` um; `region_requested` the uid of a region to go
    to, `region_chosen` that of the one that is marked (empty for none).
    """

    tool_requested = Signal(str)
    radius_requested = Signal(float)
    region_requested = Signal(str)
    region_chosen = Signal(str)
    rename_requested = Signal(str, str)
    delete_requested = Signal(str)
    fires_requested = Signal(str)
    example_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tools: dict[str, QPushButton] = {}
        tools = QHBoxLayout()
        for kind, text, key, tip in TOOLS:
            button = QPushButton()
            button.setText(text)
            button.setCheckable(True)
            button.setToolTip(f"{tip} ({key})")
            button.setAccessibleName(f"Draw with the {text.lower()}")
            button.clicked.connect(lambda on, name=kind: self.tool_requested.emit(name if on else ""))
            self.tools[kind] = button
            tools.addWidget(button, 1)
        self.radius = QSlider(Qt.Orientation.Horizontal)
        self.radius.setRange(0, _STEPS)
        self.radius.setAccessibleName("Radius of the brush")
        self.radius.setToolTip("Radius of the brush (+ and -)")
        self.radius.valueChanged.connect(lambda step: self.radius_requested.emit(self._radius_of(step)))
        self.radius_words = QLabel()
        self.brush = QWidget()
        brush = QHBoxLayout(self.brush)
        brush.setContentsMargins(0, 0, 0, 0)
        brush.addWidget(self.radius_words)
        brush.addWidget(self.radius, 1)
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self.model = RegionModel()
        self.model.rename_requested.connect(self.rename_requested)
        self.table = self._build_table()
        self.pages = EmptyState(self.table, "Open a slide to draw regions on it.")
        buttons = QHBoxLayout()
        self.fires = self._button("Features here", "Features by their mean over the tiles in the region")
        self.fires.clicked.connect(lambda: self._ask(self.fires_requested))
        self.example = self._button("Mark as example", "Mark region as example of the feature")
        self.example.clicked.connect(lambda: self._ask(self.example_requested))
        self.delete = self._button("Delete", "Delete the region from the project (Delete); it can be undone")
        self.delete.clicked.connect(lambda: self._ask(self.delete_requested))
        for made in (self.fires, self.example, self.delete):
            buttons.addWidget(made)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addLayout(tools)
        column.addWidget(self.brush)
        column.addWidget(self.hint)
        column.addWidget(self.pages, 1)
        column.addLayout(buttons)
        self.show_tool("")
        self._selection_changed()

    def _build_table(self) -> _Table:
        table = _Table()
        table.setModel(self.model)
        table.setAccessibleName("Regions of the slide")
        table.setProperty(OWN_KEYS, ["Del", "Return", "Enter"])
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        table.verticalHeader().hide()
        table.setWordWrap(False)
        header = table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        table.clicked.connect(self._go)
        table.activated.connect(self._go)
        table.delete_requested.connect(lambda: self._ask(self.delete_requested))
        table.selectionModel().selectionChanged.connect(lambda *_: self._selection_changed())
        return table

    def _button(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        return button

    def show_regions(self, rows: Sequence[RegionRow], unit: str, chosen: str = "") -> None:
        """Show regions, one of them chosen."""
        self.model.show_rows(rows, unit)
        if rows:
            self.pages.show_content()
        else:
            self.pages.say(
                "There are no regions on this slide yet. Choose Polygon, Rectangle or Brush above and draw "
                "on the slide, or import some from a file: Tools > Import regions."
            )
        self.choose(chosen)
        self._selection_changed()

    def say(self, sentence: str) -> None:
        """Show a sentence in place of the list."""
        self.model.show_rows([], self.model.unit)
        self.pages.say(sentence)
        self._selection_changed()

    def choose(self, uid: str) -> None:
        """Mark a region; none where there is no such one."""
        selection = self.table.selectionModel()
        for number_, row in enumerate(self.model.rows):
            if row.uid == uid:
                index = self.model.index(number_, 0)
                flags = QItemSelectionModel.SelectionFlag
                selection.setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
                self.table.scrollTo(index)
                return
        selection.clear()

    @property
    def chosen(self) -> str:
        """`uid` of the region that is marked, empty where none is."""
        marked = self.table.selectionModel().selectedRows()
        return self.model.rows[marked[0].row()].uid if marked else ""

    @property
    def tool(self) -> str:
        """Kind of the tool in use, empty for none."""
        return next((kind for kind, button in self.tools.items() if button.isChecked()), "")

    def show_tool(self, kind: str) -> None:
        """Show which tool is in use, empty for none, and what to do with it."""
        for name, button in self.tools.items():
            button.setChecked(name == kind)
        self.brush.setVisible(kind == "brush")
        self.hint.setText(_HINTS.get(kind, ""))
        self.hint.setVisible(bool(kind))

    def show_radius(self, radius_um: float, unit: str) -> None:
        """Show the radius of the brush."""
        low, high = RADII_UM
        self.radius_words.setText(f"Radius {number_text(radius_um)} {unit}")
        self.radius.blockSignals(True)
        self.radius.setValue(round(_STEPS * math.log(radius_um / low) / math.log(high / low)))
        self.radius.blockSignals(False)

    def _radius_of(self, step: int) -> float:
        low, high = RADII_UM
        return float(low * (high / low) ** (step / _STEPS))

    def _go(self, index: QModelIndex) -> None:
        self.region_requested.emit(self.model.rows[index.row()].uid)

    def _ask(self, signal: SignalInstance) -> None:
        if self.chosen:
            signal.emit(self.chosen)

    def _selection_changed(self) -> None:
        chosen = self.chosen
        for button in (self.fires, self.example, self.delete):
            button.setEnabled(bool(chosen))
        self.region_chosen.emit(chosen)
