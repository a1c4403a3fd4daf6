"""Cell files of every format, written as its program lays them out, and the slide that they belong to."""

from __future__ import annotations

import io
import json
import sqlite3
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from sae_backend.cells.import_options import ReadOptions
from sae_backend.cells.importing import open_cells
from sae_backend.cells.parsing.raw_cells import RawCells
from sae_backend.slides.slide import SlideInfo

# Two cells whose outlines are rectangles about (x, y) = (120, 40) and (60, 150).
RINGS = (
    [[110.0, 36.0], [130.0, 36.0], [130.0, 44.0], [110.0, 44.0]],
    [[55.5, 145.0], [64.5, 145.0], [64.5, 155.0], [55.5, 155.0]],
)
CENTRES_YX = [[40.0, 120.0], [150.0, 60.0]]
TYPES = ("Tumor", "Immune")


def slide_info(height: int = 1000, width: int = 2000, mpp: float | None = 0.5, **changes: Any) -> SlideInfo:
    values: dict[str, Any] = {
        "path": Path("slide.svs"),
        "fingerprint": "f",
        "height_px": height,
        "width_px": width,
        "level_sizes": ((height, width), (height // 4, width // 4)),
        "level_downsamples": (1.0, 4.0),
        "mpp": mpp,
        "mpp_source": "unknown" if mpp is None else "file",
        "bounds_l0": (0, 0, height, width),
        "vendor": "aperio",
    }
    return SlideInfo(**{**values, **changes})


def read_raw(path: Path, options: ReadOptions | None = None, info: SlideInfo | None = None) -> RawCells:
    """Read a file in its own coordinates."""
    opened = open_cells(path, info or slide_info(), options or ReadOptions())
    return opened.format.read(opened.reading)


def dumped(document: Any) -> bytes:
    return json.dumps(document).encode()


def closed(ring: list[list[float]]) -> list[list[float]]:
    return [*ring, ring[0]]


def feature(kind: str = "Polygon", coordinates: Any = None, **properties: Any) -> dict[str, Any]:
    if coordinates is None:
        coordinates = [closed(RINGS[0])]
    return {
        "type": "Feature",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": properties,
    }


def geojson() -> dict[str, Any]:
    features = [
        feature(coordinates=[closed(ring)], objectType="detection", classification={"name": name})
        for ring, name in zip(RINGS, TYPES, strict=True)
    ]
    return {"type": "FeatureCollection", "features": features}


def nucleus(i: int, kind: Any) -> dict[str, Any]:
    (y, x), ring = CENTRES_YX[i], RINGS[i]
    return {
        "bbox": [[y - 5, x - 5], [y + 5, x + 5]],
        "centroid": [x, y],
        "contour": ring,
        "type_prob": 0.5 + i / 4,
        "type": kind,
    }


def cellvit() -> dict[str, Any]:
    return {
        "wsi_metadata": {"downsampling": 1, "base_mpp": 0.5},
        "processed_patches": ["0_0", "0_1"],
        "type_map": {"0": "Background", "1": TYPES[0], "2": TYPES[1]},
        "cells": [nucleus(0, 1), nucleus(1, 2)],
    }


def hovernet() -> dict[str, Any]:
    return {"mag": 20, "nuc": {"1": nucleus(0, 1), "2": nucleus(1, 2)}}


def hovernext() -> dict[str, Any]:
    return {str(i + 1): [i + 1, yx] for i, yx in enumerate(CENTRES_YX)}


def histoplus() -> dict[str, Any]:
    """Tiles of 100 px at level 10 of 12, the slide having 2,000 px, so that one px there is two."""
    masks = []
    for i, (ring, (y, x)) in enumerate(zip(RINGS, CENTRES_YX, strict=True)):
        column, row = int(x / 2 // 50), int(y / 2 // 50)

        def local(px: float, py: float, column: int = column, row: int = row) -> list[float]:
            return [px / 2 - column * 50, py / 2 - row * 50]

        masks.append(
            {
                "level": 10, "x": column, "y": row, "width": 50, "height": 50,
                "masks": [
                    {"cell_id": i, "cell_type": TYPES[i], "confidence": 0.9, "centroid": local(x, y),
                     "coordinates": [local(px, py) for px, py in ring]}
                ],
            }
        )  # fmt: skip
    return {"model_name": "histoplus_cellvit", "inference_mpp": 0.5, "cell_masks": masks}


def stardist() -> dict[str, Any]:
    return {
        "coord": [[[y for _, y in ring], [x for x, _ in ring]] for ring in RINGS],
        "points": CENTRES_YX,
        "prob": [0.5, 0.75],
        "class_id": [1, 2],
    }


def npz(**changes: Any) -> bytes:
    arrays = {key: np.asarray(value) for key, value in {**stardist(), **changes}.items()}
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def table(delimiter: str = ",") -> bytes:
    rows = [
        ["x", "y", "type", "area"],
        *[[str(x), str(y), name, "3.5"] for (y, x), name in zip(CENTRES_YX, TYPES, strict=True)],
    ]
    return "\n".join(delimiter.join(row) for row in rows).encode() + b"\n"


def parquet(columns: dict[str, Any] | None = None, metadata: dict[bytes, bytes] | None = None) -> bytes:
    made = pa.table(columns or {"x": [120.0, 60.0], "y": [40.0, 150.0], "type": list(TYPES), "area": [1, 2]})
    file = io.BytesIO()
    pq.write_table(made.replace_schema_metadata(metadata), file, write_page_checksum=True, compression="none")
    return file.getvalue()


GEO = {
    "version": "1.0.0",
    "primary_column": "geometry",
    "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Polygon"], "crs": None}},
}


def wkb(ring: list[list[float]] | None = None) -> bytes:
    return shapely.to_wkb(shapely.Polygon(ring or RINGS[0]))


def geoparquet(shapes: Any = None, geo: Any = None, **columns: Any) -> bytes:
    shapes = [wkb(ring) for ring in RINGS] if shapes is None else shapes
    values = {"class": list(TYPES), "area": [1.5, 2.5], **columns}
    return parquet({"geometry": shapes, **values}, {b"geo": dumped(GEO if geo is None else geo)})


def annotation_store(path: Path, rows: list[tuple[Any, Any, Any, Any]] | None = None) -> Path:
    """Write an AnnotationStore with rows of geometry, cx, cy and properties."""
    if rows is None:
        rows = [
            (zlib.compress(wkb(ring)), x, y, json.dumps({"type": name, "prob": 0.75}))
            for ring, (y, x), name in zip(RINGS, CENTRES_YX, TYPES, strict=True)
        ]
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE metadata (key TEXT UNIQUE, value TEXT)")
        database.execute("INSERT INTO metadata VALUES ('compression', '\"zlib\"')")
        database.execute(
            "CREATE TABLE annotations (id INTEGER PRIMARY KEY, key TEXT UNIQUE, objtype INTEGER, cx REAL, "
            "cy REAL, geometry BLOB, properties TEXT, area INTEGER)"
        )
        database.executemany(
            "INSERT INTO annotations (key, geometry, cx, cy, properties) VALUES (hex(randomblob(8)), ?, ?, ?, ?)",
            rows,
        )
    database.close()
    return path
