"""What the worker is doing: stage, count, rate, time left, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from desktop_app.widgets.controls.empty_state import EmptyState
from desktop_app.widgets.controls.time_format import duration
from sae_backend.statistics.number_text import number_text

if TYPE_CHECKING:
    from sae_backend.worker.requests import Progress


class JobRow(QWidget):
    """One job."""

    cancel_requested = Signal()

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel(title)
        self.title.setStyleSheet("font-weight: bold;")
        self.state = QLabel("Waiting for the worker")
        self.state.setWordWrap(True)
        self.state.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar = QProgressBar()
        self.bar.setRange(0, 0)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(10)
        self.button = QPushButton("Cancel")
        self.button.clicked.connect(self._cancel)
        top = QHBoxLayout()
        top.addWidget(self.title, 1)
        top.addWidget(self.button)
        column = QVBoxLayout(self)
        column.setContentsMargins(2, 2, 2, 2)
        column.addLayout(top)
        column.addWidget(self.bar)
        column.addWidget(self.state)

    def show_progress(self, progress: Progress) -> None:
        """Show counts; a total of 0 means that it is unknown."""
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)
        parts = [progress.stage]
        if progress.total:
            parts.append(f"{progress.done:,} of {progress.total:,}")
        if progress.rate_per_s > 0:
            parts.append(f"{number_text(progress.rate_per_s)} per s")
        left = duration(progress.eta_s)
        if left and progress.done < progress.total:
            parts.append(f"{left} left")
        self.state.setText(", ".join(parts))

    def end(self, text: str) -> None:
        """Show how the job ended."""
        self.bar.hide()
        self.button.hide()
        self.state.setText(text)

    def _cancel(self) -> None:
        self.button.setEnabled(False)
        self.state.setText("Stopping; finished work is kept")
        self.cancel_requested.emit()


class JobsPanel(QWidget):
    """The jobs since the window opened, newest first."""

    cancel_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: dict[int, JobRow] = {}
        self.worker = QLabel("The worker is starting…")
        self.worker.setWordWrap(True)
        page = QWidget()
        self._rows = QVBoxLayout(page)
        self._rows.addStretch()
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(page)
        self.pages = EmptyState(scroll, "No jobs yet. Analysis > Analyse starts one.")
        column = QVBoxLayout(self)
        column.addWidget(self.worker)
        column.addWidget(self.pages)

    def show_worker(self, text: str) -> None:
        """Say how the worker is."""
        self.worker.setText(text)

    def add_job(self, job: int, title: str) -> None:
        """Show a new job."""
        row = JobRow(title)
        row.cancel_requested.connect(lambda: self.cancel_requested.emit(job))
        self.rows[job] = row
        self._rows.insertWidget(0, row)
        self.pages.show_content()

    def show_progress(self, progress: Progress) -> None:
        """Show a job's counts."""
        if progress.job in self.rows:
            self.rows[progress.job].show_progress(progress)

    def end_job(self, job: int, text: str) -> None:
        """Show how a job ended."""
        if job in self.rows:
            self.rows[job].end(text)
