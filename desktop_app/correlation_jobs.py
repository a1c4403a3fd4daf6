"""What a correlation asks of the worker, and what the project keeps of its answer."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from desktop_app.jobs import features_of, require_current
from desktop_app.store import AnalysisRecord, CorrelationRecord, NewCorrelation, Store
from sae_backend.cache import disk_errors
from sae_backend.cells import count_cells
from sae_backend.errors import CellsError
from sae_backend.messages import CorrelateRequest


def correlate_request(store: Store, spec: dict[str, Any] | None = None) -> CorrelateRequest:
    """What to ask of the worker to correlate the current SAE's features with the cells.

    Every slide counts that has cells and features of that SAE on the current tiles.

    Raises
    ------
    CellsError
        When no slide has cells.
    UserInputError
        When there are no features.
    """
    current = require_current(store)
    parts, tables = [], []
    for record in _same_features(store, current):
        table = store.cells(record.slide_id)
        if table is not None:
            parts.append(record)
            tables.append(table)
    if not parts:
        raise CellsError(
            "No analysed slide of this project has cells.",
            "Import them: Cells > Import cells in the window, or sparsescope cells import SLIDE FILE --project DIR.",
        )
    names = tuple(sorted({name for table in tables for name in table.type_names}))
    folder = store.cache_dir / "correlations"
    with disk_errors(folder):
        folder.mkdir(exist_ok=True)
    token = uuid.uuid4().hex
    entries = []
    for record, table in zip(parts, tables, strict=True):
        features = features_of(store, record)
        counted = count_cells(table, features.grid)
        counts = np.zeros((features.n_tiles, len(names)), np.int32)
        for column, name in enumerate(counted.type_names):
            counts[:, names.index(name)] = counted.counts[:, column]
        counts_file = folder / f"{token}-{record.slide_id}.npy"
        with disk_errors(counts_file):
            np.save(counts_file, counts)
        entries.append(
            {
                "slide": store.slide(record.slide_id).name,
                "feature_dir": str(features.folder),
                "counts_file": str(counts_file),
                "analysis_id": record.id,
                "n_cells_in_tiles": counted.n_in_tiles,
                "n_cells_elsewhere": counted.n_outside_tiles,
            }
        )
    return CorrelateRequest(tuple(entries), names, str(folder / f"{token}.parquet"), spec or {})


def record_correlation(store: Store, request: CorrelateRequest, result: dict[str, Any]) -> CorrelationRecord:
    """Keep what the worker did for a `CorrelateRequest` and remove its temporary files."""
    rows = pq.read_table(request.out_file).to_pylist()
    record = store.add_correlation(
        NewCorrelation(
            sae_digest=result["sae_digest"],
            analysis_ids=tuple(part["analysis_id"] for part in request.parts),
            spec=result["spec"],
            meta={
                **result["meta"],
                **{
                    key: sum(part[key] for part in request.parts)
                    for key in ("n_cells_in_tiles", "n_cells_elsewhere")
                },
            },
            rows=rows,
        )
    )
    for path in [request.out_file, *(part["counts_file"] for part in request.parts)]:
        Path(path).unlink(missing_ok=True)
    return record


def _same_features(store: Store, current: AnalysisRecord) -> list[AnalysisRecord]:
    newest: dict[int, AnalysisRecord] = {}
    for record in sorted(store.analyses(), key=lambda record: record.id):
        same = (record.sae_digest, record.tile_spec) == (current.sae_digest, current.tile_spec)
        if same and record.feature_folder is not None:
            newest[record.slide_id] = record
    return list(newest.values())
