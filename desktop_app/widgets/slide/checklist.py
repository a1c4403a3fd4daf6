"""Six lines that say how far a slide has come, each with one button for what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen, QPolygonF, QResizeEvent
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app.project.checklist import READY, STEPS, State, Step, StepName, is_ready
from desktop_app.widgets.controls.theme import text_points
from desktop_app.widgets.controls.theme_colours import tones
from desktop_app.widgets.controls.wrapped_label import WrappedLabel

_ICON_PX: Final = 14
_AGAIN: Final[dict[StepName, str]] = {
    "slide": "Add another slide",
    "pixel size": "Change the pixel size",
    "embeddings": "Analyse again, with another encoder or other tiles",
    "autoencoder": "Train another autoencoder",
    "cells": "Import other cells",
    "correlations": "Correlate again",
}


class StateIcon(QWidget):
    """A state as a shape: a tick, an arrow, a ring, a cross, dots."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedSize(_ICON_PX, _ICON_PX)
        self._state: State = "missing"

    def show_state(self, state: State) -> None:
        """Draw a state."""
        self._state = state
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the shape."""
        del event
        shades = tones()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = QColor(_ink(self._state))
        disc = QRectF(1, 1, _ICON_PX - 2, _ICON_PX - 2)
        pen = QPen(colour, 1.5)
        if self._state in ("missing", "running"):
            painter.setPen(pen)
            painter.drawEllipse(disc)
        else:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawEllipse(disc)
        pen = QPen(QColor(shades.card if self._state != "running" else colour), 1.8)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for line in _STROKES.get(self._state, ()):
            painter.drawPolyline(QPolygonF([QPointF(x, y) for x, y in line]))


_STROKES: Final[dict[State, tuple[tuple[tuple[float, float], ...], ...]]] = {
    "done": (((4.0, 7.3), (6.2, 9.6), (10.2, 4.8)),),
    "next": (((4.0, 7.0), (9.8, 7.0)), ((7.2, 4.3), (9.9, 7.0), (7.2, 9.7))),
    "failed": (((4.8, 4.8), (9.2, 9.2)), ((9.2, 4.8), (4.8, 9.2))),
    "running": (((4.3, 7.0), (4.4, 7.0)), ((7.0, 7.0), (7.1, 7.0)), ((9.7, 7.0), (9.8, 7.0))),
}


def _ink(state: State) -> str:
    shades = tones()
    return {
        "done": shades.done, "next": shades.next, "failed": shades.failed, "running": shades.next,
        "missing": shades.muted,
    }[state]  # fmt: skip


class ShortLabel(QLabel):
    """A text that is shortened in its middle where there is no room; the tool tip has it whole."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.full = self._details = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def show_text(self, text: str, details: str = "") -> None:
        """Show a text; `details` are in the tool tip."""
        self.full, self._details = text, details
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the text."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        metrics = QFontMetrics(self.font())
        shown = metrics.elidedText(
            self.full, Qt.TextElideMode.ElideMiddle, max(self.contentsRect().width(), 0)
        )
        self.setText(shown)
        self.setToolTip(
            "\n".join(part for part in (self.full if shown != self.full else "", self._details) if part)
        )


class _Line:
    """The widgets of one step."""

    def __init__(self, name: StepName) -> None:
        self.icon = StateIcon()
        self.title, self.word = QLabel(name.capitalize()), QLabel()
        self.fact = ShortLabel()
        self.fact.setObjectName("fact")
        self.button = QPushButton()
        self.button.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self.error = WrappedLabel()
        self.error.setObjectName("error")
        self.error.hide()
        self.rest = QHBoxLayout()
        self.rest.setSpacing(6)
        self.rest.addWidget(self.fact, 1)
        self.rest.addWidget(self.button)


class Checklist(QWidget):
    """The steps of the open slide; folds into one line, by itself once all of them are done.

    `action_requested` carries the name of the step whose button was pressed.
    """

    action_requested = Signal(str)
    add_requested = Signal()
    folded = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.steps: tuple[Step, ...] = ()
        self._is_ready = False
        self.fold = QToolButton()
        self.fold.setObjectName("fold")
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.setCheckable(True)
        self.fold.setChecked(True)
        self.fold.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.fold.setToolTip("Show or hide the steps")
        self.fold.toggled.connect(self._fold)
        self.add = QPushButton("Add slide…")
        self.add.clicked.connect(self.add_requested)
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.addWidget(self.fold, 1)
        head.addWidget(self.add)
        self.body = QWidget()
        grid = QGridLayout(self.body)
        grid.setContentsMargins(3, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(1)
        grid.setColumnStretch(3, 1)
        self.lines: dict[StepName, _Line] = {}
        for number, name in enumerate(STEPS):
            line = self.lines[name] = _Line(name)
            line.button.clicked.connect(lambda _=False, step=name: self.action_requested.emit(step))
            for column, part in enumerate((line.icon, line.title, line.word)):
                grid.addWidget(part, 2 * number, column, Qt.AlignmentFlag.AlignVCenter)
            grid.addLayout(line.rest, 2 * number, 3)
            grid.setRowMinimumHeight(2 * number, 20)
            grid.addWidget(line.error, 2 * number + 1, 1, 1, 3)
        column_of_all = QVBoxLayout(self)
        column_of_all.setContentsMargins(0, 0, 0, 0)
        column_of_all.setSpacing(2)
        column_of_all.addLayout(head)
        column_of_all.addWidget(self.body)
        self._fold(True)
        self._restyle()

    @property
    def is_folded(self) -> bool:
        """Whether only one line is shown."""
        return not self.fold.isChecked()

    @property
    def text(self) -> str:
        """The line at the head."""
        return self.fold.text()

    def show_steps(self, steps: Sequence[Step]) -> None:
        """Show the steps; folds once they are all done, and unfolds where one is wanting again."""
        self.steps = tuple(steps)
        for step in self.steps:
            self._show(step)
        ready = is_ready(self.steps)
        if ready != self._is_ready:
            self._is_ready = ready
            self.fold.setChecked(not ready)
        n_done = sum(step.state == "done" for step in self.steps)
        waiting = next((step for step in self.steps if step.state in ("running", "failed", "next")), None)
        text = READY if ready else f"{n_done} of {len(self.steps)} steps done"
        if self.is_folded and not ready and waiting is not None:
            text += f"; {waiting.state}: {waiting.title}"
        self.fold.setText(text)

    def show_progress(self, name: StepName, text: str) -> None:
        """Say how far a step that is under way has come."""
        self.lines[name].fact.show_text(text)

    def _show(self, step: Step) -> None:
        line = self.lines[step.name]
        line.icon.show_state(step.state)
        line.word.setText(step.state)
        line.word.setStyleSheet(f"color: {_ink(step.state)};")
        line.fact.show_text(step.fact, step.details)
        is_done = step.state == "done"
        line.button.setText("…" if is_done else step.action)
        line.button.setToolTip(_AGAIN[step.name] if is_done else "")
        line.button.setAccessibleName(_AGAIN[step.name] if is_done else f"{step.title}: {step.action}")
        line.button.setEnabled(not step.needs and step.state != "running")
        line.button.setObjectName(
            "again" if is_done else "first" if step.state in ("next", "failed") else "later"
        )
        line.button.style().unpolish(line.button)
        line.button.style().polish(line.button)
        line.error.setText(step.error)
        line.error.setVisible(bool(step.error))

    def _fold(self, open_now: bool) -> None:
        self.fold.setArrowType(Qt.ArrowType.DownArrow if open_now else Qt.ArrowType.RightArrow)
        self.body.setVisible(open_now)
        if self.steps:
            self.show_steps(self.steps)
        self.folded.emit(not open_now)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        if event.type() == QEvent.Type.StyleChange:
            self._restyle()
        super().changeEvent(event)

    def sizeHint(self) -> QSize:
        """As its lines are."""
        return self.minimumSizeHint()

    def _restyle(self) -> None:
        shades, points = tones(), text_points()
        sheet = f"""
            QLabel {{ padding: 0px; margin: 0px; }}
            #fold {{ border: none; background: transparent; text-align: left; font-weight: bold; padding: 2px;
                     font-size: {points}pt; }}
            #fact {{ color: {shades.muted}; }}
            #error {{ color: {shades.failed}; }}
            QPushButton {{ padding: 1px 8px; }}
            #again {{ background: transparent; color: {shades.muted}; font-weight: bold; padding: 0px 4px; }}
            #again:hover {{ background: {shades.line}; color: {shades.ink}; }}
            #first {{ background: {shades.accent}; color: {shades.on_accent}; }}
            #first:hover {{ background: {shades.accent_hover}; }}
            #later:disabled {{ background: transparent; border: 1px solid {shades.line}; color: {shades.muted}; }}
        """
        if sheet != self.styleSheet():
            self.setStyleSheet(sheet)
            for step in self.steps:
                self._show(step)
