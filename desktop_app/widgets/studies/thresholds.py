"""Thresholds of a study that the user moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QSizePolicy, QWidget

if TYPE_CHECKING:
    from sae_backend.studies.framework.report import Threshold

_FINE = 0.01


class ThresholdRow(QWidget):
    """A field for each threshold; `changed` carries all of them by key."""

    changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(2)
        self._spins: dict[str, QDoubleSpinBox] = {}
        self.hide()

    def show_thresholds(self, thresholds: Sequence[Threshold]) -> None:
        """Offer thresholds; those that are there already keep the cursor and what was put in."""
        if list(self._spins) == [threshold.key for threshold in thresholds]:
            return
        while self._grid.count():
            item = self._grid.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.deleteLater()
        self._spins = {}
        for place, threshold in enumerate(thresholds):
            spin = QDoubleSpinBox()
            spin.setDecimals(3 if threshold.step < _FINE else 2)
            spin.setRange(threshold.low, threshold.high)
            spin.setSingleStep(threshold.step)
            spin.setValue(threshold.value)
            spin.setKeyboardTracking(False)
            spin.setAccessibleName(threshold.title)
            spin.valueChanged.connect(lambda _value: self.changed.emit(self.values()))
            label = QLabel(threshold.title)
            label.setWordWrap(True)
            label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            # Beside one another: a row each would take the height from the figure.
            self._grid.addWidget(label, 0, 2 * place)
            self._grid.addWidget(spin, 0, 2 * place + 1)
            self._grid.setColumnStretch(2 * place, 1)
            self._spins[threshold.key] = spin
        self.setVisible(bool(thresholds))

    def values(self) -> dict[str, float]:
        """The thresholds as they are set."""
        return {key: spin.value() for key, spin in self._spins.items()}

    def set_value(self, key: str, value: float) -> None:
        """Move one threshold."""
        self._spins[key].setValue(value)
