"""The command that finds nuclei: through the worker, kept as an import of cells."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict, fields

from desktop_app.cli.answers import Answer, project_at, worker_of
from desktop_app.project.analysis_jobs import add_slide
from desktop_app.project.cells.detection_jobs import detect_request, record_detection, tissue_mm2
from desktop_app.project.cells.text import summary_of, summary_text
from desktop_app.project.run_jobs import ProgressPrinter
from sae_backend.cells.nuclei.segmentation import DetectSpec, working_scale
from sae_backend.slides.slide import Slide
from sae_backend.worker.client import wait_for


def detect(options: Namespace) -> Answer:
    """Find the nuclei of a slide; what an earlier run finished is not done again."""
    given = {field.name: getattr(options, f"set_{field.name}") for field in fields(DetectSpec)}
    spec = DetectSpec(**{name: value for name, value in given.items() if value is not None})
    with Slide.open(options.slide, options.mpp) as slide:
        info = slide.info
    if not (options.project / "project.sqlite").exists():
        # Before the project is made, so that a slide without a pixel size leaves no folder behind.
        working_scale(spec, info)
    with project_at(options.project, create=True) as store:
        slide_record = add_slide(store, options.slide, options.mpp)
        request = detect_request(store, slide_record.id, spec)
        with worker_of(options) as worker:
            result = wait_for(worker, worker.submit(request), ProgressPrinter())
        record = record_detection(store, slide_record.id, result)
        summary = summary_of(store.imported_cells(record.id), tissue_mm2(record))
    text = "\n".join([f"{slide_record.name}: {summary_text(summary)}", *record.notes])
    return Answer(text, {"import": asdict(record), "summary": summary, "spec": spec.to_json()})
