"""How the heat map is drawn: colour bar with typed limits, opacity, threshold."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from desktop_app.canvas.colour_scale import COLOUR_MAPS, HeatLook, strip
from desktop_app.widgets.controls.theme import mark_warning
from desktop_app.widgets.features.colour_bar import ColourBar

STEPS: Final = 200


class HeatmapControls(QWidget):
    """Asks for limits, a threshold and an opacity; shows what they are."""

    limits_requested = Signal(float, float)
    threshold_requested = Signal(float)
    opacity_requested = Signal(float)
    visible_requested = Signal(bool)
    reset_requested = Signal()
    look_requested = Signal(object)
    alone_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._signed = False
        self._peak = 1.0
        self._showing = False
        self.title = QLabel("No feature is shown")
        self.title.setWordWrap(True)
        self.inside_note = QLabel("")
        self.inside_note.setWordWrap(True)
        self.inside_note.hide()
        self.body = QWidget()
        self.bar = ColourBar()
        self.bar.set_colours(strip(HeatLook()))
        self.colours = QComboBox()
        self.colours.addItems(COLOUR_MAPS)
        self.colours.setAccessibleName("Colours")
        self.colours.setToolTip(
            "All are perceptually uniform; viridis and cividis are safe for colour-blind readers"
        )
        self.smooth = QCheckBox("Smooth")
        self.smooth.setToolTip("Interpolate the colours between neighbouring tiles; values are unchanged")
        self.log = QCheckBox("Log scale")
        self.log.setToolTip("Logarithmic colours, which separate small values; tiles with 0 are left blank")
        self.robust = QCheckBox("Clip top 1 %")
        self.robust.setToolTip(
            "The colour scale ends at the 99th percentile of the tiles where the feature is active"
        )
        self.together = QLabel("")
        self.together.setWordWrap(True)
        self.together.setTextFormat(Qt.TextFormat.RichText)
        self.alone = QPushButton("Show one feature only")
        for widget in (self.together, self.alone):
            widget.hide()
        self.low, self.high = (
            _value_box("Lower limit of the colours"),
            _value_box("Upper limit of the colours"),
        )
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Limits from 0 to this feature's maximum on the slide")
        self.shown = QCheckBox("Show heat map")
        self.shown.setChecked(True)
        self.refusal = QLabel("The upper limit must be larger than the lower; the colours are unchanged.")
        self.refusal.setWordWrap(True)
        mark_warning(self.refusal, True)
        self.refusal.hide()
        self.threshold = QSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(0, STEPS)
        self.threshold.setAccessibleName("Threshold")
        self.threshold_value = _value_box("Tiles at or below this value are hidden")
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(65)
        self.opacity.setAccessibleName("Opacity of the heat map")
        self._lay_out()
        self.low.valueChanged.connect(self._limits_typed)
        self.high.valueChanged.connect(self._limits_typed)
        self.threshold.valueChanged.connect(self._threshold_slid)
        self.threshold_value.valueChanged.connect(self._threshold_typed)
        self.opacity.valueChanged.connect(lambda value: self.opacity_requested.emit(value / 100))
        self.shown.toggled.connect(self.visible_requested)
        self.reset.clicked.connect(self.reset_requested)
        self.alone.clicked.connect(self.alone_requested)
        self.colours.currentIndexChanged.connect(self._look_chosen)
        for box in (self.smooth, self.log, self.robust):
            box.toggled.connect(self._look_chosen)
        self.body.setEnabled(False)

    def _lay_out(self) -> None:
        ends = QHBoxLayout()
        ends.addWidget(self.low)
        ends.addStretch()
        ends.addWidget(self.reset)
        ends.addStretch()
        ends.addWidget(self.high)
        hide = QHBoxLayout()
        hide.addWidget(self.threshold, 1)
        hide.addWidget(self.threshold_value)
        ways = QHBoxLayout()
        for box in (self.smooth, self.log, self.robust):
            ways.addWidget(box)
        ways.addStretch()
        form = QFormLayout()
        form.setVerticalSpacing(4)
        form.addRow("Colours", self.colours)
        form.addRow("Threshold", hide)
        form.addRow("Opacity", self.opacity)
        body = QVBoxLayout(self.body)
        body.setContentsMargins(0, 0, 0, 0)
        body.addWidget(self.bar)
        body.addLayout(ends)
        body.addWidget(self.refusal)
        body.addLayout(ways)
        body.addLayout(form)
        body.addWidget(self.shown)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.title)
        column.addWidget(self.inside_note)
        column.addWidget(self.together)
        column.addWidget(self.alone)
        column.addWidget(self.body)
        column.addStretch()
        # Without a scroll area a long legend squeezes the sliders' labels out of sight.
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidget(page)
        QVBoxLayout(self).addWidget(scroll)

    @property
    def look(self) -> HeatLook:
        """How values are to become colours."""
        return HeatLook(
            self.colours.currentText(), self.smooth.isChecked(), self.log.isChecked(), self.robust.isChecked()
        )

    def _look_chosen(self) -> None:
        self.bar.set_colours(strip(self.look, signed=self._signed))
        self.look_requested.emit(self.look)

    def show_together(self, features: Sequence[tuple[str, str]]) -> None:
        """Show the features that are drawn in colours of their own, as (words, colour); none: one map again."""
        self.together.setText(
            "<br>".join(
                f"<span style='background:{colour}'>&nbsp;&nbsp;&nbsp;&nbsp;</span>&nbsp; {html.escape(words)}"
                for words, colour in features
            )
        )
        self.together.setVisible(bool(features))
        self.alone.setVisible(bool(features))

    def show_feature(self, title: str, limits: tuple[float, float], *, signed: bool = False) -> None:
        """Show a feature's title and limits; the threshold goes back to 0."""
        self.body.setEnabled(True)
        self.title.setText(title)
        if signed != self._signed:
            self._signed = signed
            self.bar.set_colours(strip(self.look, signed=signed))
            self.low.setRange(-1e9 if signed else 0.0, 1e9)
        self.log.setEnabled(not signed)
        self.show_limits(limits)

    def show_limits(self, limits: tuple[float, float]) -> None:
        """Show the values at the ends of the colours; the threshold goes back to 0."""
        self._showing = True
        self._peak = limits[1]
        self.low.setValue(limits[0])
        self.high.setValue(limits[1])
        for box in (self.low, self.high, self.threshold_value):
            box.setSingleStep(max(limits[1] / 50, 1e-4))
        self.threshold.setValue(0)
        self.threshold_value.setValue(0.0)
        self._showing = False
        self._mark_hidden()

    def show_inside_note(self, text: str) -> None:
        """Say what the map inside the tiles is; an empty text takes the note away."""
        self.inside_note.setText(text)
        self.inside_note.setVisible(bool(text))

    def say(self, sentence: str) -> None:
        """Say why there is no heat map."""
        self.title.setText(sentence)
        self.body.setEnabled(False)

    def _limits_typed(self) -> None:
        self._mark_hidden()
        if not self._showing and self.high.value() > self.low.value():
            self.limits_requested.emit(self.low.value(), self.high.value())

    def _threshold_slid(self, step: int) -> None:
        if not self._showing:
            self.threshold_value.setValue(self._peak * step / STEPS)

    def _threshold_typed(self, value: float) -> None:
        blocked = self.threshold.blockSignals(True)
        self.threshold.setValue(round(STEPS * value / self._peak) if self._peak > 0 else 0)
        self.threshold.blockSignals(blocked)
        self._mark_hidden()
        if not self._showing:
            self.threshold_requested.emit(value)

    def _mark_hidden(self) -> None:
        low, high = self.low.value(), self.high.value()
        self.refusal.setVisible(not self._showing and high <= low)
        self.bar.set_hidden_share((self.threshold_value.value() - low) / (high - low) if high > low else 0.0)


def _value_box(tip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setDecimals(4)
    box.setRange(0.0, 1e9)
    box.setKeyboardTracking(False)
    box.setToolTip(tip)
    box.setFixedWidth(108)
    return box
