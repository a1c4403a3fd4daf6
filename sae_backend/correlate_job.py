"""The correlation as a job: open what a request names, correlate, write the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sae_backend.cache import disk_errors
from sae_backend.correlate import CorrelationSpec, SlidePart, correlate
from sae_backend.errors import CacheError, MismatchError
from sae_backend.features import FeatureMatrix
from sae_backend.messages import CorrelateRequest


def run_correlation(request: CorrelateRequest, progress: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Do what the request asks; `progress` takes (stage, done, total) and may raise to cancel.

    Raises
    ------
    MismatchError
        When the slides' features come from different SAEs, or counts and tiles differ in number.
    CacheError
        When features or counts are damaged, or the table cannot be written.
    """
    parts = []
    digests = set()
    for entry in request.parts:
        features = FeatureMatrix.open(Path(entry["feature_dir"]), verify=True)
        counts = _load_counts(Path(entry["counts_file"]))
        if counts.shape != (features.n_tiles, len(request.type_names)):
            raise MismatchError(
                f"The counts of {entry['slide']} do not match its tiles.", "Correlate again from the project."
            )
        digests.add(features.sae_digest)
        grid = features.grid
        parts.append(
            SlidePart(
                features=features.csc(),
                counts=counts,
                valid=features.valid,
                rows=grid.rows,
                cols=grid.cols,
                tile_um=grid.stride_l0 * grid.mpp,
                slide=entry["slide"],
            )
        )
    if len(digests) != 1:
        raise MismatchError(
            "The slides' features come from different SAEs.", "Analyse all slides with one SAE."
        )
    spec = CorrelationSpec(**request.spec)
    found = correlate(parts, request.type_names, spec, lambda done, total: progress("correlate", done, total))
    table = pa.Table.from_pylist(list(found.rows()))
    out_file = Path(request.out_file)
    with disk_errors(out_file):
        pq.write_table(table, out_file)
    meta = {
        "n_tiles": int(found.n_tiles),
        "n_slides": int(found.n_slides),
        "n_clusters": int(found.n_clusters),
        "unit": found.unit,
        "method": found.method,
        "notes": list(found.notes),
        "type_names": list(request.type_names),
    }
    return {"sae_digest": digests.pop(), "spec": asdict(spec), "meta": meta, "n_rows": table.num_rows}


def _load_counts(path: Path) -> npt.NDArray[Any]:
    try:
        counts: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise CacheError(
            f"The counts {path.name} are missing or damaged.", "Import the cells again."
        ) from error
    return counts
