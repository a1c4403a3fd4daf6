"""Nuclei found by the program itself: what to ask of the worker, and how its answer is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from desktop_app.store import CellImportRecord, Store
from sae_backend.detected_nuclei import DETECTOR, load_detected
from sae_backend.messages import DetectRequest
from sae_backend.nuclei import DetectSpec


def detect_request(store: Store, slide_id: int, spec: DetectSpec) -> DetectRequest:
    """What to ask of the worker to find the nuclei of a slide."""
    record = store.slide(slide_id)
    return DetectRequest(
        slide=str(record.path),
        cache_dir=str(store.cache_dir),
        mpp=record.mpp if record.mpp_source == "user" else None,
        spec=spec.to_json(),
    )


def record_detection(store: Store, slide_id: int, result: Mapping[str, Any]) -> CellImportRecord:
    """Keep what the worker did for a `DetectRequest`; the same nuclei are not kept twice.

    Raises
    ------
    CacheError
        When the file of the nuclei is missing or damaged.
    """
    found = load_detected(Path(result["nuclei_file"]))
    for known in store.cell_imports(slide_id):
        if (known.tool, known.source_sha256, known.assumed) == (DETECTOR, found.source_sha256, found.assumed):
            store.choose_cells(known.id)
            return next(record for record in store.cell_imports(slide_id) if record.id == known.id)
    return store.add_cells(slide_id, found)


def tissue_mm2(record: CellImportRecord) -> float | None:
    """Area of the tissue that detected nuclei were looked for on, None where it is not known."""
    area = record.assumed.get("tissue_um2")
    return float(area) / 1e6 if isinstance(area, int | float) and area > 0 else None
