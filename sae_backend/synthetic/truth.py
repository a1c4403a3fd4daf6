"""Write what is known about a generated slide: its cells, regions, artefacts and settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from sae_backend.atomic_write import atomic_path, open_atomic, write_text_atomic
from sae_backend.synthetic.domains import REGIONS
from sae_backend.synthetic.regions import COARSE_PX
from sae_backend.synthetic.truth_files import TruthFiles, truth_files
from sae_backend.synthetic.world import RECORDED_TYPES, Cells, Drawing

_OUTLINE_POINTS: Final = 12
_CHUNK: Final = 20_000
_CELL_COLORS: Final = ((112, 56, 188), (20, 120, 180), (40, 150, 60), (200, 0, 0), (210, 130, 20),
                       (150, 90, 60))  # fmt: skip
_REGION_COLORS: Final = ((230, 180, 200), (80, 160, 200), (200, 60, 60), (170, 80, 30), (120, 60, 60),
                         (90, 60, 170), (220, 200, 120))  # fmt: skip
_MIN_REGION_PX2: Final = 4_096


def write_truth(folder: Path, drawing: Drawing) -> TruthFiles:
    """Write all files of a drawing; each is replaced whole.

    Raises
    ------
    CacheError
        When the folder cannot be written.
    """
    paths = truth_files(folder, drawing.spec.name)
    cells = drawing.cells
    with atomic_path(paths.cells_table) as path:
        pq.write_table(_table(cells), path)
    with open_atomic(paths.cells_geojson) as file:
        _write_features(file, _cell_features(cells))
    with open_atomic(paths.regions_geojson) as file:
        _write_features(file, _region_features(drawing))
    counts = np.bincount(cells.type_index, minlength=len(RECORDED_TYPES)).tolist()
    record = {"spec": drawing.spec.to_json(), "cells": dict(zip(RECORDED_TYPES, counts, strict=True))}
    text = json.dumps(record, indent=1, sort_keys=True)
    write_text_atomic(paths.settings, text)
    return paths


def _table(cells: Cells) -> pa.Table:
    names = pa.DictionaryArray.from_arrays(pa.array(cells.type_index.astype(np.int32)), list(RECORDED_TYPES))
    return pa.table({"x": cells.x_l0, "y": cells.y_l0, "type": names.cast(pa.string())})


def _write_features(file: BinaryIO, features: Iterator[dict[str, object]]) -> None:
    """Write a FeatureCollection piece by piece, so that a slide of a million cells needs little memory."""
    file.write(b'{"type":"FeatureCollection","features":[')
    for number, feature in enumerate(features):
        file.write((b",\n" if number else b"\n") + orjson.dumps(feature, option=orjson.OPT_SERIALIZE_NUMPY))
    file.write(b"\n]}")


def _cell_features(cells: Cells) -> Iterator[dict[str, object]]:
    turn = np.linspace(0, 2 * np.pi, _OUTLINE_POINTS, endpoint=False)
    for start in range(0, len(cells.y_l0), _CHUNK):
        part = slice(start, start + _CHUNK)
        cos, sin = np.cos(cells.angle[part])[:, None], np.sin(cells.angle[part])[:, None]
        along, across = cells.major_px[part, None] * np.cos(turn), cells.minor_px[part, None] * np.sin(turn)
        x = cells.x_l0[part, None] + along * cos - across * sin
        y = cells.y_l0[part, None] + along * sin + across * cos
        rings = np.round(np.stack([x, y], axis=2), 2)
        rings = np.concatenate([rings, rings[:, :1]], axis=1)
        for i, (ring, kind) in enumerate(zip(rings.tolist(), cells.type_index[part].tolist(), strict=True)):
            named = {"name": RECORDED_TYPES[kind], "color": _CELL_COLORS[kind]}
            yield _feature(start + i, [ring], "detection", named)


def _feature(number: int, rings: list[object], kind: str, named: Mapping[str, object]) -> dict[str, object]:
    return {
        "type": "Feature",
        "id": str(UUID(int=number)),
        "geometry": {"type": "Polygon", "coordinates": rings},
        "properties": {"objectType": kind, "classification": named},
    }


def _region_features(drawing: Drawing) -> Iterator[dict[str, object]]:
    weights = drawing.section.layout.weights()
    fields = [(name, weights[k] - 0.5, _REGION_COLORS[k]) for k, name in enumerate(REGIONS)]
    fields += [(kind, mask - 0.5, (60, 60, 60)) for kind, mask in drawing.artefacts.masks().items()]
    number = 0
    for name, field, color in fields:
        for ring in _rings(np.asarray(field, np.float64)):
            number += 1
            yield _feature(number, [ring], "annotation", {"name": name, "color": color})


def _rings(field: npt.NDArray[np.float64]) -> Iterator[list[list[float]]]:
    """Closed outlines (x, y) in level-0 px of where a coarse field is positive; holes are left out."""
    from skimage.measure import approximate_polygon, find_contours

    for line in find_contours(np.pad(field, 1, constant_values=-0.5), 0.0):
        points = approximate_polygon((line - 0.5) * COARSE_PX, 6.0)
        y, x = points.T
        area = 0.5 * float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))
        # The contours run with higher values on one side; those that run the other way are holes.
        if abs(area) >= _MIN_REGION_PX2 and area > 0 and len(points) >= 4:
            yield [[round(float(b), 1), round(float(a), 1)] for a, b in points]
