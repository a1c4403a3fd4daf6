"""What is packed, or holds shapes or arrays: cells, or something that has to be unpacked first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from desktop_app.project.drop.detect_text import recognise_text
from desktop_app.project.drop.detected import Recognised, unknown
from sae_backend.cells.formats.geoparquet import geometry_column
from sae_backend.cells.parsing.byte_source import CellSource
from sae_backend.cells.parsing.snappy import FRAMED_START, looks_raw
from sae_backend.errors import CellsError


def is_snappy(head: bytes) -> bool:
    """Whether a file begins like a text packed with Snappy."""
    return head.startswith(FRAMED_START) or looks_raw(head)


def recognise_packed(path: Path) -> Recognised:
    """Tell what a packed file is by the beginning of what is in it."""
    try:
        source = CellSource(path)
    except CellsError as error:
        return unknown(path, error.sentence, error.hint)
    found = recognise_text(path, source.head)
    if found.kind == "cells" or (source.packing == "gzip" and found.kind != "unknown"):
        return found
    what = "an archive" if source.packing == "zip" else "compressed"
    return unknown(path, f"{path.name} is {what}.", "Unpack it and drop what is inside.")


def recognise_arrays(path: Path, names: Sequence[str]) -> Recognised | None:
    """Tell NumPy archives with what StarDist returns; None for any other archive."""
    if not names or not all(name.endswith(".npy") for name in names):
        return None
    if {"coord.npy", "points.npy"} & set(names):
        return Recognised("cells", path, "cells (StarDist arrays)")
    return unknown(
        path, f"{path.name} holds arrays, and they are no cells.", "Drop cells as GeoJSON or a table."
    )


def recognise_shapes(path: Path, schema: Any) -> Recognised | None:
    """Tell Parquet files with a column of shapes; None for any other Parquet file."""
    try:
        column = geometry_column(schema, path.name)
    except CellsError as error:
        return unknown(path, error.sentence, error.hint)
    return Recognised("cells", path, "cells (GeoParquet)") if column else None
