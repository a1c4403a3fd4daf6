"""Keeps the checklist true: what is there, what runs, what went wrong, and what a button leads to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from desktop_app.project import analysis_jobs as jobs
from desktop_app.project.checklist import STEPS, Situation, StepName, checklist, has_embeddings
from sae_backend.errors import SparsescopeError
from sae_backend.worker.requests import (
    AnalyzeRequest,
    CorrelateRequest,
    DrawRequest,
    EncodeRequest,
    TrainRequest,
)

if TYPE_CHECKING:
    from desktop_app.controller.cells.importing import CellImportActions
    from desktop_app.controller.context import Context
    from desktop_app.controller.jobs import JobActions
    from desktop_app.controller.project.projects import ProjectActions
    from desktop_app.widgets.slide.checklist import Checklist
    from sae_backend.worker.requests import Progress, Request

_STEP_OF: Final[dict[type[object], StepName]] = {
    DrawRequest: "slide",
    AnalyzeRequest: "embeddings",
    EncodeRequest: "autoencoder",
    TrainRequest: "autoencoder",
    CorrelateRequest: "correlations",
}
_UNDER_WAY: Final[dict[StepName, str]] = {
    "slide": "is being drawn",
    "embeddings": "tiles are being read",
    "autoencoder": "is being made",
    "cells": "are being read",
    "correlations": "are being measured",
}


@dataclass(frozen=True)
class _Place:
    """A step of one slide of one project; `slide_id` None where it is the whole project's."""

    project: Path
    slide_id: int | None
    step: StepName


class ChecklistActions:
    """Shows the steps of the open slide and does what their buttons ask."""

    def __init__(
        self,
        context: Context,
        panel: Checklist,
        projects: ProjectActions,
        job_actions: JobActions,
        cells: CellImportActions,
    ) -> None:
        self._context, self._panel = context, panel
        self._projects, self._jobs, self._cells = projects, job_actions, cells
        self._running: dict[int, _Place] = {}
        self._errors: dict[_Place, str] = {}
        self._reading: _Place | None = None
        session, tasks = context.session, context.tasks
        panel.action_requested.connect(self.act)
        for changed in (session.project_changed, session.slide_changed, session.analysis_changed):
            changed.connect(lambda _: self.refresh())
        job_actions.submitted.connect(self._submitted)
        tasks.job_progress.connect(self._progress)
        tasks.job_done.connect(self._done)
        tasks.job_failed.connect(self._failed)
        tasks.job_cancelled.connect(self._ended)
        cells.reading.connect(self._cells_asked)
        cells.read_ended.connect(self._cells_ended)
        self.refresh()

    def act(self, step: str) -> None:
        """Do what a step's button asks."""
        if step == "slide":
            self._projects.ask_slide()
        elif step == "pixel size":
            self._projects.ask_pixel_size()
        elif step == "embeddings":
            self._jobs.ask_analyze()
        elif step == "autoencoder":
            self._make_features()
        elif step == "cells":
            self._cells.ask_cells()
        elif step == "correlations":
            self._jobs.correlate()

    def _make_features(self) -> None:
        session = self._context.session
        store, analysis = session.store, session.analysis
        wanting = store is not None and analysis is not None and session.features is None
        if wanting and self._context.attempt(lambda: self._jobs.encode(store, analysis)):  # type: ignore[arg-type]
            return
        self._jobs.ask_train()

    def refresh(self) -> None:
        """Read the steps anew and show them."""
        shown = self._context.attempt(lambda: checklist(self._situation()))
        if shown is not None:
            self._panel.show_steps(shown)

    def _situation(self) -> Situation:
        session = self._context.session
        store, analysis = session.store, session.analysis
        encodes = (
            store is not None
            and analysis is not None
            and session.features is None
            and has_embeddings(store, analysis)
            and jobs.encode_request(store, analysis) is not None
        )
        places = {step: self._place(step) for step in STEPS}
        busy = [*self._running.values(), *([self._reading] if self._reading is not None else [])]
        return Situation(
            store=store,
            slide=session.slide.info if session.slide is not None else None,
            slide_record=session.slide_record,
            analysis=analysis,
            features=session.features,
            running={
                step: _UNDER_WAY[step]
                for step, place in places.items()
                if place is not None and place in busy
            },
            errors={
                step: self._errors[place]
                for step, place in places.items()
                if place is not None and place in self._errors
            },
            encodes=encodes,
        )

    def _place(self, step: StepName, slide_id: int | None = None) -> _Place | None:
        """The step as it stands in the open project, of the open slide unless another is named."""
        session = self._context.session
        if session.store is None:
            return None
        if slide_id is None and session.slide_record is not None:
            slide_id = session.slide_record.id
        return _Place(session.store.folder, slide_id if step in ("embeddings", "cells") else None, step)

    def _submitted(self, job: int, request: Request) -> None:
        step = _STEP_OF.get(type(request))
        place = self._place(step) if step is not None else None
        if place is not None:
            self._errors.pop(place, None)
            self._running[job] = place
            self.refresh()

    def _progress(self, progress: Progress) -> None:
        place = self._running.get(progress.job)
        if place is not None and place == self._place(place.step) and progress.total:
            text = f"{progress.stage}, {progress.done:,} of {progress.total:,}"
            self._panel.show_progress(place.step, text)

    def _done(self, job: int) -> None:
        self._ended(job)

    def _failed(self, job: int, sentence: str, hint: str) -> None:
        self._ended(job, f"{sentence} {hint}".strip())

    def _ended(self, job: int, error: str = "") -> None:
        place = self._running.pop(job, None)
        if place is None:
            return
        if error:
            self._errors[place] = error
        self.refresh()

    def _cells_asked(self, slide_id: int) -> None:
        self._reading = self._place("cells", slide_id)
        if self._reading is not None:
            self._errors.pop(self._reading, None)
        self.refresh()

    def _cells_ended(self, error: SparsescopeError | None) -> None:
        place, self._reading = self._reading, None
        if error is not None and place is not None:
            self._errors[place] = f"{error.sentence} {error.hint}".strip()
        self.refresh()
