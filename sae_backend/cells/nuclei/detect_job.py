"""The nucleus detector as a job: open the slide, find its nuclei, say what came of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sae_backend.cells.nuclei.detection import detect_nuclei, load_detected
from sae_backend.cells.nuclei.segmentation import DetectSpec
from sae_backend.slides.slide import Slide
from sae_backend.worker.requests import DetectRequest


def run_detection(request: DetectRequest, progress: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Do what the request asks; `progress` takes (stage, done, total) and may raise to cancel.

    Raises
    ------
    PixelSizeError, MismatchError, NoTissueError, UserInputError, CacheError, SlideError
        As :func:`sae_backend.cells.nuclei.detection.detect_nuclei`.
    """
    spec = DetectSpec.from_json(request.spec)
    with Slide.open(Path(request.slide), request.mpp) as slide:
        path = detect_nuclei(slide, spec, Path(request.cache_dir), progress)
    found = load_detected(path)
    return {"nuclei_file": str(path), "n_nuclei": found.table.n_cells, "notes": list(found.notes)}
