"""The settings of a study as a form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QSpinBox,
    QToolButton,
    QWidget,
)

from desktop_app.project.studies.settings import form_settings, parse_setting
from sae_backend.statistics.number_text import count_text

if TYPE_CHECKING:
    from desktop_app.project.studies.requirements import StudyOffer
    from sae_backend.studies.framework.settings import Setting
    from sae_backend.studies.framework.study import Study

_NONE = "none"
_ROWS_SHOWN = 3
_MOST = 2**31 - 1
"""The largest number that Qt has a field for."""


class StudyForm(QWidget):
    """Fields of one study; `changed` says that something was put in."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._fields: dict[str, tuple[Setting, QWidget]] = {}
        self._columns: Mapping[str, tuple[str, ...]] = {}
        self._patients: Mapping[str, Mapping[str, int]] = {}
        self.problem = ""

    def show_fields(self, one: Study, offer: StudyOffer) -> None:
        """Build the fields of a study with what the project has for them."""
        while self._form.rowCount():
            self._form.removeRow(0)
        self._columns, self._patients = offer.columns, offer.patients
        self._fields = {}
        more = None
        for field in form_settings(one):
            if field.is_more and more is None:
                more = self._add_fold()
            widget = self._widget(field, offer)
            widget.setToolTip(field.tip)
            widget.setAccessibleName(field.title)
            self._fields[field.key] = (field, widget)
            if isinstance(widget, QCheckBox):
                widget.setText(field.title)
                self._form.addRow(widget)
            else:
                # A field of words says itself what it means to leave it open.
                empty = f"\n({field.empty})" if field.empty and isinstance(widget, QListWidget) else ""
                label = QLabel(field.title + empty)
                label.setToolTip(field.tip)
                self._form.addRow(label, widget)
        if more is not None:
            self._fold(more, False)
        self._fill_values()

    def tab_through(self, first: QWidget, last: QWidget) -> None:
        """Let the key Tab go from a widget before the form through its fields, top to bottom, to one after it."""
        before = first
        for row in range(self._form.rowCount()):
            for role in (QFormLayout.ItemRole.FieldRole, QFormLayout.ItemRole.SpanningRole):
                item = self._form.itemAt(row, role)
                widget = None if item is None else item.widget()
                if widget is not None:
                    QWidget.setTabOrder(before, widget)
                    before = widget
        QWidget.setTabOrder(before, last)

    def _add_fold(self) -> QToolButton:
        """A line that shows what follows, or folds it away."""
        button = QToolButton()
        button.setText("More settings")
        button.setToolTip("Settings that rarely need changing")
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setCheckable(True)
        button.toggled.connect(lambda on: self._fold(button, on))
        self._form.addRow(button)
        return button

    def _fold(self, button: QToolButton, on: bool) -> None:
        button.setArrowType(Qt.ArrowType.DownArrow if on else Qt.ArrowType.RightArrow)
        for field, widget in self._fields.values():
            if field.is_more:
                self._form.setRowVisible(widget, on)

    def _widget(self, field: Setting, offer: StudyOffer) -> QWidget:
        default = field.default
        if field.kind == "yes":
            box = QCheckBox()
            box.setChecked(bool(default))
            return box
        if field.kind in ("column", "value", "choice"):
            return self._combo(field, offer)
        if field.kind == "whole" and default is not None:
            spin = QSpinBox()
            spin.setRange(int(field.low), int(min(field.high, _MOST)))
            spin.setValue(int(default))
            return spin
        if field.kind == "share":
            part = QDoubleSpinBox()
            part.setRange(field.low, field.high)
            part.setSingleStep(0.05)
            part.setValue(float(default))
            return part
        if field.kind in ("saes", "encoders"):
            entries = offer.others if field.kind == "saes" else {name: name for name in offer.encoders[:]}
            chosen = QListWidget()
            # The theme draws boxes in the colour of the list.
            chosen.setStyleSheet("QListView::indicator:unchecked { border: 1px solid palette(window-text); }")
            for key, words in entries.items():
                item = QListWidgetItem(words)
                item.setData(Qt.ItemDataRole.UserRole, key)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(Qt.CheckState.Unchecked)
                chosen.addItem(item)
            rows = min(max(chosen.count(), 1), _ROWS_SHOWN)
            chosen.setFixedHeight(rows * max(chosen.sizeHintForRow(0), 18) + 6)
            return chosen
        line = QLineEdit("" if default in (None, (), []) else ", ".join(map(str, _listed(default))))
        line.setPlaceholderText(field.empty or field.tip)
        line.textChanged.connect(lambda _text: self.changed.emit())
        return line

    def _combo(self, field: Setting, offer: StudyOffer) -> QComboBox:
        combo = QComboBox()
        if field.kind == "choice":
            for value, words in field.choices:
                combo.addItem(words, value)
        elif field.kind == "column":
            if not field.is_required:
                combo.addItem(_NONE, None)
            for key in offer.columns:
                combo.addItem(key, key)
        folded = {str(combo.itemData(k)).casefold(): k for k in range(combo.count())}
        default = str(field.default).casefold()
        if field.default is not None and default in folded:
            combo.setCurrentIndex(folded[default])
        if field.key == "fact":
            combo.currentIndexChanged.connect(lambda _place: self._fill_values())
        combo.currentIndexChanged.connect(lambda _place: self.changed.emit())
        return combo

    def _fill_values(self) -> None:
        """Offer the values of the chosen column."""
        known = self._fields.get("fact")
        column = known[1].currentData() if known is not None and isinstance(known[1], QComboBox) else None
        values = self._columns.get(column, ()) if column else ()
        for key in ("a", "b"):
            entry = self._fields.get(key)
            if entry is None or not isinstance(entry[1], QComboBox):
                continue
            combo = entry[1]
            combo.blockSignals(True)
            combo.clear()
            combo.addItem("all others" if key == "b" else "the larger of two", None)
            for value in values:
                n = self._patients.get(str(column), {}).get(value)
                told = value if n is None else f"{value} ({count_text(n, 'patient')})"
                combo.addItem(told, value)
            if key == "a" and len(values) > 2:
                combo.setCurrentIndex(1)
            if key == "b" and len(values) > 1:
                combo.setCurrentIndex(2)
            combo.setEnabled(bool(values))
            combo.blockSignals(False)

    def settings(self) -> dict[str, Any] | None:
        """What was put in; None where something cannot be read, and `problem` says what."""
        found: dict[str, Any] = {}
        for key, (field, widget) in self._fields.items():
            try:
                found[key] = self._value(field, widget)
            except ValueError:
                self.problem = f"“{field.title}” needs whole numbers" + (
                    ", separated by commas." if field.kind == "numbers" else "."
                )
                return None
        self.problem = ""
        return found

    def _value(self, field: Setting, widget: QWidget) -> Any:
        if isinstance(widget, QCheckBox):
            return widget.isChecked()
        if isinstance(widget, QComboBox):
            return widget.currentData()
        if isinstance(widget, QSpinBox | QDoubleSpinBox):
            return widget.value()
        if isinstance(widget, QListWidget):
            items = [widget.item(row) for row in range(widget.count())]
            marked = [
                item.data(Qt.ItemDataRole.UserRole)
                for item in items
                if item.checkState() == Qt.CheckState.Checked
            ]
            return marked or (None if field.default is None else [])
        assert isinstance(widget, QLineEdit)
        value = parse_setting(field, widget.text())
        return [] if value is None and field.default is not None else value


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
