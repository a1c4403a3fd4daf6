"""The line at the foot of the window: where one is, what is under the cursor, what runs, what is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QWidget,
)
from superqt import QElidingLabel

from desktop_app.canvas.coordinates import MAGNIFICATIONS, UM_AT_1X, magnification_text
from desktop_app.widgets.controls.theme import mark_warning
from desktop_app.widgets.controls.time_format import duration
from sae_backend.statistics.number_text import count_text

if TYPE_CHECKING:
    from sae_backend.worker.requests import Progress

_WHAT_X_MEANS: Final = (
    "Magnification on screen: 10x is 1 µm per pixel, 20x 0.5, 40x 0.25. Type a value, such as 10x."
)


class StatusLine(QWidget):
    """Shows state and takes a magnification or a place; decides nothing.

    `magnification_requested` and `place_requested` carry what was typed; `cancel_requested` a job's number.
    """

    magnification_requested = Signal(str)
    place_requested = Signal(str)
    cancel_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job = -1
        self.magnification = QComboBox()
        self.magnification.setAccessibleName("Magnification")
        self.magnification.setEditable(True)
        self.magnification.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.magnification.addItems([magnification_text(UM_AT_1X / value) for value in MAGNIFICATIONS])
        self.magnification.setToolTip(_WHAT_X_MEANS)
        self.magnification.setAccessibleName("Magnification")
        self.magnification.setMinimumContentsLength(6)
        self.magnification.textActivated.connect(self._zoom)
        edit = self.magnification.lineEdit()
        assert edit is not None
        edit.returnPressed.connect(lambda: self._zoom(edit.text()))
        self.pixel = QLabel()
        self.pixel.setToolTip("Pixel size of the slide at its full resolution")
        self.place = QLineEdit()
        self.place.setPlaceholderText("Go to x, y in µm")
        self.place.setAccessibleName("Go to position")
        self.place.setToolTip("Type x and y in µm from the slide's upper left corner, such as 1250, 830")
        self.place.setFixedWidth(self.place.fontMetrics().horizontalAdvance("Go to x, y in µm") + 24)
        self.place.returnPressed.connect(lambda: self.place_requested.emit(self.place.text()))
        self.cursor_at = QLabel()
        self.value = QLabel()
        self.value.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.reading = QLabel()
        self.reading.setToolTip("Visible parts of the slide that are still being read")
        self.reading.hide()
        self.job = QElidingLabel()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedSize(90, 10)
        self.cancel = QPushButton("Cancel")
        self.cancel.setAccessibleName("Cancel the job")
        self.cancel.clicked.connect(self._cancel)
        self.device = QLabel("Starting the worker…")
        self.device.setToolTip("Where embeddings and features are computed")
        self.saved = QLabel()
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 2, 8, 2)
        row.setSpacing(14)
        for part in (self.magnification, self.pixel, self.place, self.cursor_at):
            row.addWidget(part)
        row.addWidget(self.value, 2)
        row.addWidget(self.reading)
        row.addWidget(self.job, 3)
        for other in (self.bar, self.cancel, self.device, self.saved):
            row.addWidget(other)
        self._slide_parts = (self.magnification, self.pixel, self.place, self.cursor_at, self.value)
        self.show_slide(None)
        self.end_job(-1)

    def show_slide(self, mpp: float | None, *, unmeasured: bool = False) -> None:
        """Show the pixel size in um of the slide; None hides all that only a slide has.

        An `unmeasured` slide has no pixel size, and only the place and the value under the cursor are shown.
        """
        for part in self._slide_parts:
            part.setVisible(mpp is not None)
        if unmeasured:
            self.cursor_at.show()
            self.value.show()
        self.pixel.setText("" if mpp is None else f"{mpp:.4g} µm/px")
        self.cursor_at.clear()
        self.value.clear()
        # Wide enough for any place, so that nothing moves while the cursor does.
        room = self.cursor_at.fontMetrics().horizontalAdvance("x 00,000.0 µm, y 00,000.0 µm")
        self.cursor_at.setMinimumWidth(room)

    def show_view(self, um_per_px: float) -> None:
        """Show the magnification of a view with so many um in a screen px, unless one is being typed."""
        edit = self.magnification.lineEdit()
        if edit is not None and not edit.hasFocus():
            self.magnification.setEditText(magnification_text(um_per_px))

    def show_cursor(self, y_um: float, x_um: float, value: str) -> None:
        """Show where the cursor is, and what is under it."""
        self.cursor_at.setText(f"x {x_um:,.1f} µm, y {y_um:,.1f} µm")
        self.value.setText(value)

    def show_cursor_px(self, y_px: float, x_px: float) -> None:
        """Show where the cursor is on a slide without pixel size."""
        self.cursor_at.setText(f"x {x_px:,.0f} px, y {y_px:,.0f} px")
        self.value.setText("pixel size unknown: no lengths")

    def show_off_slide(self) -> None:
        """Show that the cursor is not on the slide."""
        self.cursor_at.clear()
        self.value.clear()

    def show_device(self, text: str) -> None:
        """Say where the worker computes."""
        self.device.setText(text)

    def show_saved(self, *, saved: bool, at: str) -> None:
        """Say whether all that was typed is in the project, and since when."""
        self.saved.setText(f"Saved {at}" if saved else "Not saved yet")
        mark_warning(self.saved, not saved)
        self.saved.setToolTip(
            "Every change is written to the project at once"
            if saved
            else "The project could not be saved; saving is tried again with the next change"
        )

    def forget_saved(self) -> None:
        """Say nothing of saving: no project, or nothing was changed yet."""
        self.saved.clear()

    def show_reading(self, left: int) -> None:
        """Say that parts of the slide are waited for; nothing is said of 0."""
        parts = f"{count_text(left, 'part')}"
        self.reading.setText(f"Reading the slide, {parts} left" if left else "")
        self.reading.setVisible(left > 0)

    def start_job(self, job: int, title: str) -> None:
        """Show a job that waits for the worker."""
        self._job = job
        self.job.setText(title)
        self.bar.setRange(0, 0)
        self.cancel.setEnabled(True)
        for part in (self.job, self.bar, self.cancel):
            part.show()

    def show_progress(self, progress: Progress, title: str) -> None:
        """Show how far a job is."""
        if progress.job != self._job:
            self.start_job(progress.job, title)
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)
        left = duration(progress.eta_s)
        counts = f" {progress.done:,} of {progress.total:,}" if progress.total else ""
        self.job.setText(f"{progress.stage}{counts}" + (f", {left} left" if left else ""))
        self.job.setToolTip(f"{title}: {self.job.text()}")

    def end_job(self, job: int) -> None:
        """Take a job away, where it is the one that is shown."""
        if job != self._job:
            return
        self._job = -1
        for part in (self.job, self.bar, self.cancel):
            part.hide()

    def _zoom(self, text: str) -> None:
        self.magnification_requested.emit(text)
        # The keys belong to the slide again.
        edit = self.magnification.lineEdit()
        if edit is not None:
            edit.clearFocus()

    def _cancel(self) -> None:
        self.cancel.setEnabled(False)
        self.job.setText("Stopping; finished work is kept")
        self.cancel_requested.emit(self._job)
