"""Tiles of a slide as QuPath reads them: GeoJSON objects of type tile with measurements, in place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from desktop_app.project.analysis_jobs import features_of, open_slide, require_current
from desktop_app.project.correlation.jobs import patient_of, slide_labels
from desktop_app.store import CorrelationRecord, SlideRecord, Store
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.atomic_write import open_atomic
from sae_backend.cells.counts import count_cells
from sae_backend.errors import UserInputError
from sae_backend.statistics.split import BLOCK, CHOOSE, REPORT, low_end

_GREY = [160, 160, 160]
_MAX_FEATURES = 64


def write_tiles(store: Store, slide: SlideRecord, features: Sequence[int], path: Path) -> int:
    """Write the usable tiles of a slide's current analysis; returns their number.

    Each is a closed square with the activation of each feature (`SAE 1284`, with its name where it has
    one), the cells of each type in it (`Cells plasma cell`) and its tissue share. Corners count from
    QuPath's origin, which on some slides is the start of the scanned area.

    Raises
    ------
    UserInputError
        For another ending than .geojson or .json, no features or more than 64, or a feature that the SAE
        does not have.
    CacheError
        When the file cannot be written.
    """
    if path.suffix.lower() not in (".geojson", ".json"):
        raise UserInputError(f"{path.name} does not end in .geojson.", "QuPath opens .geojson and .json.")
    analysis = require_current(store, slide.id)
    found = features_of(store, analysis)
    if not 1 <= len(features) <= _MAX_FEATURES:
        raise UserInputError(
            f"{len(features)} features were asked for; 1 to {_MAX_FEATURES} fit the measurements of a tile.",
            "Name those of interest.",
        )
    wrong = [f for f in features if not 0 <= f < found.n_features]
    if wrong:
        raise UserInputError(f"There is no feature {wrong[0]}.", f"They are 0 to {found.n_features - 1}.")
    with open_slide(slide) as opened:
        start_y, start_x = opened.info.bounds_l0[:2]
    names = {note.feature: note.name for note in store.annotations.all(found.sae_digest)}
    columns: dict[str, npt.NDArray[Any]] = {}
    for feature in features:
        values = np.zeros(found.n_tiles, np.float32)
        tiles, activations = found.column(feature)
        values[tiles] = activations
        title = f"SAE {feature}" + (f" {names[feature]}" if names.get(feature) else "")
        columns[title] = values
    table = store.cells.get(slide.id, details=False)
    if table is not None:
        counted = count_cells(table, found.grid)
        for index, name in enumerate(counted.type_names):
            columns[f"Cells {name}"] = counted.counts[:, index]
    columns["Tissue share"] = found.grid.tissue_fraction
    kept = np.flatnonzero(found.valid)
    corners = found.grid.origins_l0() - (start_y, start_x)
    with open_atomic(path) as file:
        file.write(b'{"type":"FeatureCollection","features":[\n')
        for at, tile in enumerate(_tiles(kept, corners, found.grid.tile_l0, columns)):
            file.write((b"" if at == 0 else b",\n") + json.dumps(tile, allow_nan=False).encode())
        file.write(b"\n]}\n")
    return int(kept.size)


def _tiles(
    kept: npt.NDArray[np.int64],
    corners: npt.NDArray[np.float64],
    side: float,
    columns: dict[str, npt.NDArray[Any]],
) -> Iterator[dict[str, Any]]:
    for tile in kept.tolist():
        y, x = (round(float(value), 2) for value in corners[tile])
        bottom, right = round(y + side, 2), round(x + side, 2)
        ring = [[x, y], [right, y], [right, bottom], [x, bottom], [x, y]]
        measurements = {name: round(float(values[tile]), 6) for name, values in columns.items()}
        yield {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {
                "objectType": "tile",
                "classification": {"name": "Sparsescope tile", "color": _GREY},
                "measurements": measurements,
            },
        }


def tile_halves(
    store: Store, run: CorrelationRecord, slide_id: int, features: FeatureMatrix
) -> npt.NDArray[np.object_]:
    """Give `choose`, `report` or, where nothing was held out, an empty text for every tile (N,)."""
    found = np.full(features.n_tiles, "", object)
    split = next((split for split in store.splits.all() if split.id == run.split_id), None)
    if split is None:
        return found
    label = slide_labels(store)[slide_id]
    if split.unit == BLOCK:
        side = split.assignments.get(label)
        if side is not None:
            low = low_end(features.grid.rows, features.grid.cols, features.valid)
            other = REPORT if side == CHOOSE else CHOOSE
            found[:] = np.where(low, side, other)
        return found
    owner = patient_of(store.slide_values.all().get(slide_id, {})) if split.unit == "patient" else ""
    found[:] = split.assignments.get(owner or label, "")
    return found
