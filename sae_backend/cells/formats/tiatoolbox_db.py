"""Nuclei in TIAToolbox's AnnotationStore: an SQLite file whose table `annotations` has a row a shape.

`geometry` is WKB, mostly packed with zlib, and null for a point, which `cx` and `cy` then give; `properties` is
JSON with `type` and `prob`. Coordinates are (x, y) in level-0 px of the slide as it was segmented.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson

from sae_backend.cells.formats.nuclei_json import WRITE_HINT, type_text
from sae_backend.cells.import_options import LEVEL_0_ASSUMED, NO_OFFSET, Placement, place
from sae_backend.cells.parsing.geojson import listed
from sae_backend.cells.parsing.geometry_rows import add_shapes
from sae_backend.cells.parsing.raw_cells import CellRows, RawCells, Reading
from sae_backend.errors import CellsError

FORMAT: Final = "tiatoolbox"
SQLITE_START: Final = b"SQLite format 3\x00"
_COLUMNS: Final = frozenset({"geometry", "cx", "cy", "properties"})
# Names in a damaged schema may be no text, which SQLite's own module passes on.
_DAMAGED: Final = (sqlite3.Error, UnicodeDecodeError)
_ROWS: Final = 20_000
_SHAPE_MAX_BYTES: Final = 16 << 20
_LABEL_KEYS: Final = ("type", "class", "classification", "name")

_Row = tuple[Any, Any, Any, Any]


def read_annotation_store(reading: Reading) -> RawCells:
    """Read the nuclei of an AnnotationStore, without changing it.

    Raises
    ------
    CellsError
        If the file is damaged, is another program's database, is open elsewhere, or holds no cell.
    """
    name, path = reading.name, reading.source.path
    journal = path.with_name(path.name + "-wal")
    if journal.exists() and journal.stat().st_size:
        raise CellsError(
            f"{name} is not closed: part of it is still in {journal.name}.",
            "Close the program that has it open, then try again.",
        )
    rows = CellRows(name)
    left_out: Counter[str] = Counter()
    try:
        with closing(_open(path)) as database:
            if not _has_table(database):
                raise CellsError(
                    f"{name} is a database, but no AnnotationStore of TIAToolbox.", "Choose another file."
                )
            (total,) = database.execute("SELECT count(*) FROM annotations").fetchone()
            for done, batch in enumerate(_batches(database)):
                reading.source.tell(min((done + 1) * _ROWS, total), total)
                _add(rows, batch, name, left_out)
    except _DAMAGED as error:
        raise CellsError(f"{name} is a damaged database: {error}.", "Copy or write it again.") from error
    notes = [f"Left out, as they are no cells: {listed(left_out)}."] if left_out else []
    placement = place(reading.options, reading.slide_info, Placement(1.0, NO_OFFSET, (LEVEL_0_ASSUMED,)))
    return rows.finish(FORMAT, "TIAToolbox", placement, notes)


def is_annotation_store(path: Path) -> bool:
    """Whether an SQLite file has the table and columns of an AnnotationStore; changes nothing."""
    try:
        with closing(_open(path)) as database:
            return _has_table(database)
    except _DAMAGED:
        return False


def _open(path: Path) -> sqlite3.Connection:
    # Immutable, so that nothing is written beside it; what its schema says may run nothing.
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    database.execute("PRAGMA trusted_schema = OFF")
    return database


def _has_table(database: sqlite3.Connection) -> bool:
    """Whether there are the columns, in a table: a view could compute without end."""
    kinds = database.execute("SELECT type FROM sqlite_master WHERE name = 'annotations'").fetchall()
    columns = {row[1] for row in database.execute("PRAGMA table_info(annotations)")}
    return kinds == [("table",)] and columns >= _COLUMNS


def _batches(database: sqlite3.Connection) -> Iterator[list[_Row]]:
    cursor = database.execute("SELECT geometry, cx, cy, properties FROM annotations")
    while batch := cursor.fetchmany(_ROWS):
        yield batch


def _add(rows: CellRows, batch: list[_Row], name: str, left_out: Counter[str]) -> None:
    said = [_properties(row[3], name) for row in batch]
    labels = [_label(properties, name) for properties in said]
    points = [i for i, row in enumerate(batch) if row[0] is None]
    shapes = [i for i, row in enumerate(batch) if row[0] is not None]
    first = rows.n_cells
    rows.add([[batch[i][1], batch[i][2]] for i in points], [], [labels[i] for i in points])
    wkb = np.empty(len(shapes), object)
    wkb[:] = [_unpacked(batch[i][0], name) for i in shapes]
    source = add_shapes(rows, wkb, [labels[i] for i in shapes], name, left_out)
    origin = points + [shapes[i] for i in source.tolist()]
    probabilities = [_measured(said[i]) for i in origin]
    if any(probabilities):
        rows.measures.add(first, probabilities)


def _measured(properties: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found = {key: properties[key] for key in ("prob", "type_prob") if properties.get(key) is not None}
    return found or None


def _properties(text: Any, name: str) -> Mapping[str, Any]:
    if text is None:
        return {}
    try:
        properties = orjson.loads(text)
    except (orjson.JSONDecodeError, TypeError) as error:
        raise CellsError(f"{name} has properties that are not valid JSON.", WRITE_HINT) from error
    if not isinstance(properties, dict):
        raise CellsError(f"{name} has properties that are no object.", WRITE_HINT)
    return properties


def _label(properties: Mapping[str, Any], name: str) -> str:
    return next(
        (type_text(properties[key], name) for key in _LABEL_KEYS if properties.get(key) is not None), ""
    )


def _unpacked(data: Any, name: str) -> bytes:
    """Return WKB, which begins with the order of its bytes, 0 or 1."""
    if not isinstance(data, bytes) or not data:
        raise CellsError(f"{name} holds a shape that is no proper WKB.", WRITE_HINT)
    if data[0] in (0, 1):
        return data
    try:
        stream = zlib.decompressobj()
        shape = stream.decompress(data, _SHAPE_MAX_BYTES)
    except zlib.error as error:
        raise CellsError(f"{name} holds a shape that is damaged.", WRITE_HINT) from error
    if not stream.eof:
        raise CellsError(f"{name} holds a shape that is cut short or far too large.", WRITE_HINT)
    return shape
