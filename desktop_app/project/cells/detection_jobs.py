"""Nuclei found and typed by the program itself: what to ask of the worker, and how its answer is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from desktop_app.project.cells.proposed_types import can_be_typed, labels_of, missing_words
from desktop_app.project.cells.text import is_proposed
from desktop_app.store import CellImportRecord, Store
from sae_backend.cells.nuclei.detection import DETECTOR, load_detected
from sae_backend.cells.nuclei.proposals import read_proposals, write_nuclei
from sae_backend.cells.nuclei.segmentation import DetectSpec
from sae_backend.cells.table import CellImport
from sae_backend.errors import UserInputError
from sae_backend.worker.requests import DetectRequest, TypeNucleiRequest


def detect_request(store: Store, slide_id: int, spec: DetectSpec) -> DetectRequest:
    """What to ask of the worker to find the nuclei of a slide."""
    record = store.slides.get(slide_id)
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
    for known in store.cells.imports(slide_id):
        if (known.tool, known.source_sha256, known.assumed) == (DETECTOR, found.source_sha256, found.assumed):
            store.cells.choose(known.id)
            return next(record for record in store.cells.imports(slide_id) if record.id == known.id)
    return store.cells.add(slide_id, found)


def tissue_mm2(record: CellImportRecord) -> float | None:
    """Area of the tissue that detected nuclei were looked for on, None where it is not known."""
    area = record.assumed.get("tissue_um2")
    return float(area) / 1e6 if isinstance(area, int | float) and area > 0 else None


def type_request(store: Store, record: CellImportRecord) -> TypeNucleiRequest:
    """What to ask of the worker to propose types after those that people gave to nuclei of an import.

    Raises
    ------
    UserInputError
        When too few nuclei are typed, or the cells were not found by the detector.
    """
    labels = labels_of(store.cell_edits.all(record.id), record.n_cells)
    if not can_be_typed(record.tool, record.measure_names):
        raise UserInputError(
            "A model learns types only of nuclei that were detected here.",
            "Cells > Detect nuclei finds them.",
        )
    missing = missing_words(labels)
    if missing:
        raise UserInputError(missing, "Cells > Label nuclei, then click on nuclei of each type.")
    folder = store.cache_dir / "typing"
    table_file, out_file = folder / f"nuclei-{record.id}.npz", folder / f"types-{record.id}.npz"
    write_nuclei(table_file, store.cells.imported(record.id))
    return TypeNucleiRequest(str(table_file), str(out_file), tuple(labels), tuple(labels.values()))


def record_proposals(store: Store, record: CellImportRecord, result: Mapping[str, Any]) -> CellImportRecord:
    """Keep proposed types as an import of their own, with all that was changed by hand.

    Raises
    ------
    CacheError
        When the file of the proposals is missing or damaged.
    """
    proposals = read_proposals(Path(result["out_file"]))
    table = proposals.applied(store.cells.imported(record.id))
    # The note on earlier proposals is no longer true.
    notes = record.notes[:-1] if is_proposed(record.assumed) else record.notes
    cells = CellImport(
        table,
        record.source_name,
        record.source_sha256,
        record.tool,
        (*notes, str(result["note"])),
        {**record.assumed, "proposed_types": result["proposed_types"]},
    )
    return store.cells.add(record.slide_id, cells, edits_of=record.id)
