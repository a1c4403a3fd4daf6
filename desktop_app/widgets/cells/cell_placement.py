"""Fields for what a cell file does not say: the columns of a table, and the scale of its coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QHBoxLayout, QPushButton, QWidget

from sae_backend.cells.import_options import ColumnMap, ReadOptions, Unit

_SCALES: Final = (
    ("as the file says", ""),
    ("pixels of a stated size in µm", "mpp"),
    ("a stated number of level-0 pixels", "scale"),
)
_UNITS: Final[tuple[tuple[str, Unit], ...]] = (("px", "px"), ("µm", "um"))
_NONE: Final = "(none)"


class CellPlacement(QWidget):
    """Asks for columns and scale; `read_requested` says that the file is to be read with them."""

    read_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._options = ReadOptions()
        self.x_column, self.y_column, self.type_column, self.unit = (QComboBox() for _ in range(4))
        for box, name in (
            (self.x_column, "x"),
            (self.y_column, "y"),
            (self.type_column, "type"),
            (self.unit, "unit"),
        ):
            box.setAccessibleName(f"Column of {name}" if name != "unit" else "Unit of x and y")
            box.setMinimumContentsLength(7)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for words, unit in _UNITS:
            self.unit.addItem(words, unit)
        self.scale = QComboBox()
        self.scale.setAccessibleName("Unit of the coordinates")
        for words, key in _SCALES:
            self.scale.addItem(words, key)
        self.value = QDoubleSpinBox()
        self.value.setAccessibleName("Size of a unit of the coordinates")
        self.value.setDecimals(4)
        self.value.setRange(0.0001, 100_000.0)
        self.value.setValue(1.0)
        self.value.hide()
        self.button = QPushButton("Read again")
        self.button.setToolTip("Read the file with these columns and this scale")
        self.button.clicked.connect(self.read_requested)
        self.scale.currentIndexChanged.connect(
            lambda _: self.value.setVisible(bool(self.scale.currentData()))
        )
        self._columns = QWidget()
        columns = QHBoxLayout(self._columns)
        columns.setContentsMargins(0, 0, 0, 0)
        for box in (self.x_column, self.y_column, self.type_column, self.unit):
            columns.addWidget(box, 1)
        units = QHBoxLayout()
        units.setContentsMargins(0, 0, 0, 0)
        units.addWidget(self.scale, 1)
        units.addWidget(self.value)
        units.addWidget(self.button)
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.addRow("Columns x, y, type; unit", self._columns)
        self._form.addRow("Coordinates", units)

    def show_columns(self, columns: Sequence[str], known: ColumnMap | None) -> None:
        """Offer the columns of a table; none where the file is no table."""
        self._form.setRowVisible(self._columns, bool(columns))
        for box, chosen in (
            (self.x_column, known.x if known else ""),
            (self.y_column, known.y if known else ""),
            (self.type_column, known.type if known else ""),
        ):
            box.clear()
            box.addItem(_NONE, "")
            for column in columns:
                box.addItem(column, column)
            box.setCurrentIndex(max(0, box.findData(chosen)))
        self.unit.setCurrentIndex(1 if known is not None and known.unit == "um" else 0)

    def show_options(self, options: ReadOptions) -> None:
        """Show the scale that the file was read with."""
        self._options = options
        key = "mpp" if options.mpp is not None else "scale" if options.scale is not None else ""
        self.scale.setCurrentIndex(self.scale.findData(key))
        if key:
            self.value.setValue(float(getattr(options, key)))

    def options(self) -> ReadOptions:
        """What the fields say; what they do not ask for stays as it was."""
        key = self.scale.currentData()
        columns = self._options.columns
        if self.x_column.count() > 1 and self.x_column.currentData() and self.y_column.currentData():
            columns = ColumnMap(
                self.x_column.currentData(),
                self.y_column.currentData(),
                self.type_column.currentData(),
                self.unit.currentData(),
            )
        value = self.value.value()
        return replace(
            self._options,
            columns=columns,
            scale=value if key == "scale" else None,
            mpp=value if key == "mpp" else None,
            level=None,
            mag=None,
        )
