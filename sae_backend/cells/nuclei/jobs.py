"""The nucleus detector as a job: open the slide, find its nuclei, say what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sae_backend.cells.nuclei.classifier import propose_types, train_types
from sae_backend.cells.nuclei.detection import detect_nuclei, load_detected
from sae_backend.cells.nuclei.proposals import PROBABILITY, Proposals, read_nuclei, write_proposals
from sae_backend.cells.nuclei.segmentation import DetectSpec
from sae_backend.cells.table import CellImport
from sae_backend.errors import MismatchError
from sae_backend.slides.slide import Slide
from sae_backend.worker.requests import DetectRequest, TypeNucleiRequest


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


def run_typing(request: TypeNucleiRequest, progress: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Do what the request asks; `progress` takes (stage, done, total) and may raise to cancel.

    Raises
    ------
    UserInputError
        When fewer than two types, or too few nuclei of one, are typed.
    MismatchError
        When the cells were not found by the built-in detector.
    CacheError
        When a file cannot be read or written.
    """
    if len(request.cells) != len(request.types):
        raise MismatchError("Typed nuclei and their types differ in number.", "Train the model again.")
    table = read_nuclei(Path(request.table_file))
    progress("learn the types", 0, 1)
    model = train_types(table, dict(zip(request.cells, request.types, strict=True)), request.seed)
    proposed = propose_types(CellImport(table, "", "", "", ()), model)
    found, scores = proposed.table, model.scores
    out_file = Path(request.out_file)
    write_proposals(out_file, Proposals(found.type_index, found.measures[PROBABILITY], found.type_names))
    progress("learn the types", 1, 1)
    counts = Counter(found.type_index.tolist())
    return {
        "out_file": str(out_file),
        "note": proposed.notes[-1],
        "proposed_types": proposed.assumed["proposed_types"],
        "scores": {
            "types": [asdict(entry) for entry in scores.types],
            "balanced_accuracy": scores.balanced_accuracy,
            "baseline": scores.baseline_balanced_accuracy,
            "accuracy": scores.accuracy,
            "baseline_accuracy": scores.baseline_accuracy,
            "n_folds": scores.n_folds,
            "n_labels": model.n_labels,
            "proposed": {name: counts[i] for i, name in enumerate(found.type_names)},
        },
    }
