"""Run a project's jobs from start to end, for the command line and the demo."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from desktop_app.project.analysis_jobs import (
    AnalyzeOptions,
    TrainOptions,
    analyze_request,
    encode_request,
    newest_embeddings,
    record_analysis,
    record_encoding,
    record_training,
    train_request,
)
from desktop_app.project.correlation.jobs import correlate_request, discard_request, record_correlation
from desktop_app.project.correlation.options import CorrelateOptions
from desktop_app.project.studies.jobs import record_study, study_request
from desktop_app.project.studies.settings import StudyOptions
from desktop_app.store import AnalysisRecord, CorrelationRecord, SaeRecord, Store, StudyRecord
from sae_backend.worker.client import Backend, wait_for
from sae_backend.worker.requests import Progress

Report = Callable[[Progress], None]


def analyze_slide(
    store: Store, backend: Backend, slide_id: int, options: AnalyzeOptions, report: Report | None = None
) -> AnalysisRecord:
    """Embed a slide, then encode it with the SAE named or with the project's own that fits."""
    request = analyze_request(store, slide_id, options)
    record = record_analysis(store, slide_id, request, wait_for(backend, backend.submit(request), report))
    if options.sae_dir is None:
        record = encode_analysis(store, backend, record, options.device, report) or record
    store.analyses.choose(record.id)
    return record


def encode_analysis(
    store: Store,
    backend: Backend,
    analysis: AnalysisRecord,
    device: str = "auto",
    report: Report | None = None,
    sae: SaeRecord | None = None,
) -> AnalysisRecord | None:
    """Encode an analysis with the newest SAE that fits it (or with `sae`); None where there is none."""
    request = encode_request(store, analysis, device, sae)
    if request is None:
        return None
    return record_encoding(store, analysis, wait_for(backend, backend.submit(request), report))


def train_project(
    store: Store, backend: Backend, options: TrainOptions, report: Report | None = None
) -> SaeRecord:
    """Train an SAE on the project's embeddings, then encode every slide that went into it."""
    analyses = newest_embeddings(store)
    request = train_request(store, options)
    sae = record_training(store, wait_for(backend, backend.submit(request), report))
    for analysis in analyses:
        record = encode_analysis(store, backend, analysis, options.device, report, sae)
        if record is not None:
            store.analyses.choose(record.id)
    return sae


def correlate_project(
    store: Store, backend: Backend, options: CorrelateOptions | None = None, report: Report | None = None
) -> CorrelationRecord:
    """Correlate the current SAE's features with the cells of all slides that have both."""
    options = options or CorrelateOptions()
    request = correlate_request(store, options)
    try:
        answer = wait_for(backend, backend.submit(request), report)
        return record_correlation(store, request, answer, options.name)
    finally:
        discard_request(request)


def study_project(
    store: Store, backend: Backend, options: StudyOptions, report: Report | None = None
) -> StudyRecord:
    """Do a study of the current SAE; what was cancelled or failed goes on from where it stopped."""
    request = study_request(store, options)
    answer = wait_for(backend, backend.submit(request), report)
    return record_study(store, request, answer, options.name)


class ProgressPrinter:
    """Prints progress to a stream: one living line on a terminal, a line a stage elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._stage = ""
        self._line = ""
        self._last = 0.0

    def __call__(self, event: Progress) -> None:
        """Print an event."""
        line = progress_text(event)
        if line == self._line:
            return
        self._line = line
        if self._live:
            self._stream.write("\r\x1b[K" + line)
            if event.done >= event.total:
                self._stream.write("\n")
        elif event.stage != self._stage or event.done >= event.total or time.monotonic() - self._last > 5:
            self._stream.write(line + "\n")
            self._last = time.monotonic()
        self._stage = event.stage
        self._stream.flush()


def progress_text(event: Progress) -> str:
    """Stage, count, rate and time left in words."""
    text = f"{event.stage}: {event.done:,} of {event.total:,}"
    if event.rate_per_s > 0 and event.total > 1:
        rate = event.rate_per_s
        text += f", {rate:,.0f} per second" if rate >= 1000 else f", {rate:.3g} per second"
    if event.eta_s is not None and event.done < event.total:
        text += f", {event.eta_s:.0f} s left"
    return text
